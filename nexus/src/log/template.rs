//! A line as the configuration draws it: `{client} {method} {path} {status}`. Pure.

use std::fmt;

/// A line with gaps. Made by [`Template::parse`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Box<[Part]>,
}

/// A part of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Always the same.
    Text(String),
    /// What is known of the request.
    Gap(Gap),
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadTemplate {
    /// Nothing is called so.
    UnknownName(String),
    /// A brace has no partner.
    Brace,
    /// It has a byte that could end a line or command a terminal.
    Control,
    /// There is nothing of a request in it.
    NoGap,
}

macro_rules! gaps {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:literal,)+) => {
        /// What can be said of a request.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Gap {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Gap {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The names of all.
            pub const NAMES: &[&str] = &[$($name,)+];

            /// What each is.
            pub const MEANINGS: &[&str] = &[$(concat!($($doc,)+),)+];
        }
    };
}

gaps! {
    /// When the request was over, as `2026-11-23T06:50:00.123Z`
    Time "time",
    /// Whom it is from: an address
    Client "client",
    /// The method
    Method "method",
    /// The target up to its query
    Path "path",
    /// The query, without its question mark; it may hold secrets
    Query "query",
    /// The host that was asked for
    Host "host",
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2.0`
    Protocol "protocol",
    /// `true` if it came over TLS, else `false`
    Tls "tls",
    /// What the client got
    Status "status",
    /// The route that it took
    Route "route",
    /// The pool that was to answer
    Pool "pool",
    /// The backend that answered
    Backend "backend",
    /// How many attempts there were
    Attempts "attempts",
    /// The attempts that failed: backend, reason, phase and time of each
    Failed "failed",
    /// From the end of the request's head to the last byte of the answer
    Duration "duration_ms",
    /// Bytes of the request's body
    BytesIn "bytes_in",
    /// Bytes of the answer's body
    BytesOut "bytes_out",
    /// Why the answer is not a backend's, or broke off
    Reason "reason",
    /// Why the last failure was not tried again
    NotRetried "not_retried",
    /// What the request is called (`request_id`)
    RequestId "request_id",
    /// Its trace (`tracing`), recorded or not
    TraceId "trace_id",
    /// The `Referer` field
    Referer "referer",
    /// The `User-Agent` field
    UserAgent "user_agent",
}

impl Template {
    /// Reads a template; `{{` and `}}` stand for braces.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the first part that is.
    pub fn parse(text: &str) -> Result<Self, BadTemplate> {
        if text.chars().any(|c| c.is_control() && c != '\t') {
            return Err(BadTemplate::Control);
        }
        let (mut parts, mut literal, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            literal += &rest[..at];
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
                literal += &rest[..1];
                rest = after;
                continue;
            }
            let after = rest.strip_prefix('{').ok_or(BadTemplate::Brace)?;
            let (name, behind) = after.split_once('}').ok_or(BadTemplate::Brace)?;
            let at = Gap::NAMES.iter().position(|known| *known == name);
            let gap = at.ok_or_else(|| BadTemplate::UnknownName(name.to_owned()))?;
            parts.extend([Part::Text(std::mem::take(&mut literal)), Part::Gap(Gap::ALL[gap])]);
            rest = behind;
        }
        parts.push(Part::Text(literal + rest));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        let has_gap = parts.iter().any(|part| matches!(part, Part::Gap(_)));
        has_gap.then(|| Self { parts: parts.into() }).ok_or(BadTemplate::NoGap)
    }

    /// Returns its parts in order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}")),
            Part::Gap(gap) => write!(f, "{{{}}}", Gap::NAMES[*gap as usize]),
        })
    }
}
