//! What is wrong with a configuration: where, why, and what to do about it.

use crate::config::node::Span;

/// Whether Nexus refuses to start with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It does.
    Error,
    /// It starts, but something is hardly meant so.
    Warning,
}

/// At which step it was found: what a schema can find, too, is a matter of shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The file could not be read, or its format is broken.
    Syntax,
    /// An unknown key, a value of a wrong type, form or range.
    Shape,
    /// Every value is fine; together they are not.
    Meaning,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Whether Nexus refuses to start with it.
    pub severity: Severity,
    /// Where it was found out.
    pub step: Step,
    /// Where it stands.
    pub span: Span,
    /// The cause, in one line.
    pub cause: String,
    /// What to do, in one line.
    pub hint: String,
    /// Another place that has to do with it, and how.
    pub beside: Option<(Span, &'static str)>,
}

impl Problem {
    /// Makes an error.
    pub fn error(
        step: Step,
        span: Span,
        cause: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let (cause, hint) = (cause.into(), hint.into());
        Self { severity: Severity::Error, step, span, cause, hint, beside: None }
    }

    /// Makes a warning; only meaning is ever warned about.
    pub fn warning(span: Span, cause: impl Into<String>, hint: impl Into<String>) -> Self {
        let error = Self::error(Step::Meaning, span, cause, hint);
        Self { severity: Severity::Warning, ..error }
    }

    /// Adds another place.
    #[must_use]
    pub fn beside(self, span: Span, how: &'static str) -> Self {
        Self { beside: Some((span, how)), ..self }
    }

    /// Says whether Nexus refuses to start with it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
