//! Problems as people and programs read them.
//!
//! ```text
//! error: unknown key `worker`
//!   --> nexus.yaml:3:1
//!    |
//!  3 | worker: 4
//!    | ^^^^^^
//!    = hint: did you mean `workers`?
//! ```

use std::fmt::Write;

use serde_json::{Value, json};

use crate::config::node::Span;
use crate::config::problem::{Problem, Severity};
use crate::config::source::Sources;

/// Whether escape codes may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// For terminals.
    On,
    /// For everything else.
    Off,
}

/// Lines longer than this are shown in part, in characters: a minified file is one line.
const LINE_MAX: usize = 160;

/// Writes problems for people, and how many there are.
pub fn text(problems: &[Problem], sources: &Sources, colour: Colour) -> String {
    let mut out = String::new();
    for problem in problems {
        one(&mut out, problem, sources, colour);
        out.push('\n');
    }
    let (errors, warnings) = counts(problems);
    if errors + warnings > 0 {
        let _ = writeln!(out, "{}, {}", plural(errors, "error"), plural(warnings, "warning"));
    }
    out
}

/// Writes problems for programs.
pub fn json(problems: &[Problem], sources: &Sources) -> Value {
    let (errors, warnings) = counts(problems);
    let all: Vec<_> = problems.iter().map(|problem| one_json(problem, sources)).collect();
    json!({ "errors": errors, "warnings": warnings, "problems": all })
}

/// Returns the numbers of errors and of warnings.
pub fn counts(problems: &[Problem]) -> (usize, usize) {
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    (errors, problems.len() - errors)
}

fn plural(count: usize, word: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {word}{s}")
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn one(out: &mut String, problem: &Problem, sources: &Sources, colour: Colour) {
    let paint = |code: &'static str| if colour == Colour::On { code } else { "" };
    let tone = match problem.severity {
        Severity::Error => paint("\x1b[1;31m"),
        Severity::Warning => paint("\x1b[1;33m"),
    };
    let (bold, blue, end) = (paint("\x1b[1m"), paint("\x1b[1;34m"), paint("\x1b[0m"));
    let _ = writeln!(out, "{tone}{}{end}{bold}: {}{end}", word(problem.severity), problem.cause);
    excerpt(out, sources, problem.span, ("-->", ""), [tone, blue, end]);
    if let Some((span, how)) = problem.beside {
        excerpt(out, sources, span, (":::", how), [blue, blue, end]);
    }
    let _ = writeln!(out, "   {blue}= {end}{bold}hint{end}: {}", problem.hint);
}

/// Writes where a span is, and its line with the span underlined.
fn excerpt(
    out: &mut String,
    sources: &Sources,
    span: Span,
    (arrow, how): (&str, &str),
    [tone, blue, end]: [&str; 3],
) {
    let place = sources.place(span);
    if place.text.is_empty() && place.line == 1 {
        let _ = writeln!(out, "  {blue}{arrow}{end} {}", place.file);
        return;
    }
    let (file, line, column) = (place.file, place.line, place.column);
    let digits = line.to_string();
    let gap = " ".repeat(digits.len().max(2));
    // What is shown of a long line begins a little before what is meant.
    let length = place.text.chars().count();
    let skip = if length > LINE_MAX { (column - 1).saturating_sub(LINE_MAX / 4) } else { 0 };
    let shown: String = place.text.chars().skip(skip).take(LINE_MAX).map(untab).collect();
    let before = column - 1 - skip;
    let carets = "^".repeat(place.width.min(LINE_MAX.saturating_sub(before)).max(1));
    let how = if how.is_empty() { String::new() } else { format!(" {how}") };
    let _ = writeln!(out, "{gap}{blue}{arrow}{end} {file}:{line}:{column}");
    let _ = writeln!(out, "{gap} {blue}|{end}");
    let _ = writeln!(out, "{blue}{digits:>2} |{end} {shown}");
    let _ = writeln!(out, "{gap} {blue}|{end} {}{tone}{carets}{how}{end}", " ".repeat(before));
}

/// A tab is as wide as a space here, and an escape code never reaches the terminal.
fn untab(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

fn one_json(problem: &Problem, sources: &Sources) -> Value {
    let place = sources.place(problem.span);
    let mut value = json!({
        "severity": word(problem.severity),
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "width": place.width,
        "text": place.text,
        "cause": problem.cause,
        "hint": problem.hint,
    });
    if let Some((span, how)) = problem.beside {
        let place = sources.place(span);
        value["beside"] = json!({
            "file": place.file, "line": place.line, "column": place.column, "how": how,
        });
    }
    value
}
