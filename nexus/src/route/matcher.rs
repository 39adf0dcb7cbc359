//! Which requests a route is for: patterns, each of which says yes or why not.

use std::fmt;

use ipnet::IpNet;
use regex::bytes::Regex;

use super::facts::Facts;

/// Bytes in the name of a host (RFC 1035 §2.3.4).
const HOST_BYTES_MAX: usize = 253;

/// Which requests a route is for: all parts must match. An empty list matches everything.
#[derive(Debug, Clone, Default)]
pub struct Matcher {
    /// One of these hosts.
    pub hosts: Vec<HostPattern>,
    /// This path.
    pub path: PathPattern,
    /// One of these methods; case counts.
    pub methods: Vec<String>,
    /// All of these fields.
    pub headers: Vec<FieldMatch>,
    /// All of these pairs.
    pub query: Vec<QueryMatch>,
    /// A client in one of these networks.
    pub clients: Vec<IpNet>,
}

/// A host, in lower case, without port or trailing dot. Made by [`HostPattern::parse`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    /// This host alone.
    Exact(String),
    /// All hosts below this one, at any depth, but not itself: `*.a.b` holds `a.b`.
    Wildcard(String),
}

/// A path.
#[derive(Debug, Clone, Default)]
pub enum PathPattern {
    /// Every path, and `*`.
    #[default]
    Any,
    /// This path alone.
    Exact(String),
    /// This path and all below it, by segment: `/a` is for `/a` and `/a/b`, not for `/ab`. A slash
    /// at the end makes no difference; `/` is for everything.
    Prefix(String),
    /// Paths in which the expression is found, anywhere unless it says `^` and `$`.
    Regex(Regex),
}

/// A field that a head must have.
#[derive(Debug, Clone)]
pub struct FieldMatch {
    /// Its name, in any case.
    pub name: String,
    /// What its first line says.
    pub value: ValueMatch,
}

/// What a value must be.
#[derive(Debug, Clone)]
pub enum ValueMatch {
    /// Anything: it is there.
    Present,
    /// This, byte for byte.
    Is(String),
    /// Something in which the expression is found.
    Regex(Regex),
}

/// A pair that a query must have, as sent: `%20` is not a space. A pair without `=` is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryMatch {
    /// Its name.
    pub name: String,
    /// Its first value.
    pub value: String,
}

/// The first part of a matcher that does not match; numbers count the conditions of that kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyNot {
    /// It is for other hosts.
    Host,
    /// It is for other paths.
    Path,
    /// It is for other methods.
    Method,
    /// The header of this number is missing or says something else.
    Header(usize),
    /// The pair of this number is missing or says something else.
    Query(usize),
    /// It is for other clients.
    Client,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadPattern {
    /// A host is empty, too long, or has an empty label.
    Host,
    /// A host has a byte that no host name has; names beyond ASCII are written `xn--…`.
    HostByte,
    /// A host has a port, which never matters.
    HostPort,
    /// A host has a `*` elsewhere than in front as `*.`.
    HostStar,
    /// A path does not begin with `/`.
    PathStart,
    /// A path has a space, a control, a byte beyond ASCII, `?` or `#`: no such path is ever sent.
    PathByte,
}

impl fmt::Display for BadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "a host is 1 to 253 bytes, without an empty part between its dots",
            Self::HostByte => "no host has such a byte; write names beyond ASCII as xn--…",
            Self::HostPort => "the port of a request never matters: leave it out",
            Self::HostStar => "`*` stands for whole labels, in front: `*.example.com`",
            Self::PathStart => "a path begins with `/`",
            Self::PathByte => "no path is sent with such a byte: percent-encode it",
        })
    }
}

impl HostPattern {
    /// Reads `example.com` or `*.example.com`.
    ///
    /// # Errors
    ///
    /// Says why no request can be for such a host.
    pub fn parse(text: &str) -> Result<Self, BadPattern> {
        let lower = text.to_ascii_lowercase();
        let (is_wild, name) = match lower.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, lower.as_str()),
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        let is_literal = name.starts_with('[') && name.ends_with(']') && !is_wild;
        if name.contains('*') {
            return Err(BadPattern::HostStar);
        }
        if !is_literal && name.contains(':') {
            return Err(BadPattern::HostPort);
        }
        if !is_literal && !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)) {
            return Err(BadPattern::HostByte);
        }
        if name.len() > HOST_BYTES_MAX || name.split('.').any(str::is_empty) {
            return Err(BadPattern::Host);
        }
        Ok(if is_wild { Self::Wildcard(name.to_owned()) } else { Self::Exact(name.to_owned()) })
    }

    /// Says whether it is for `host`, which has no port and no trailing dot.
    pub fn matches(&self, host: &[u8]) -> bool {
        match self {
            Self::Exact(name) => host.eq_ignore_ascii_case(name.as_bytes()),
            Self::Wildcard(name) => {
                let below = host.len().saturating_sub(name.len() + 1);
                below > 0
                    && host[below] == b'.'
                    && host[below + 1..].eq_ignore_ascii_case(name.as_bytes())
            }
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Wildcard(name) => write!(f, "*.{name}"),
        }
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any path"),
            Self::Exact(path) => write!(f, "path {path}"),
            Self::Prefix(prefix) => write!(f, "paths at and below {prefix}"),
            Self::Regex(regex) => write!(f, "paths like {regex}"),
        }
    }
}

impl PathPattern {
    /// Checks a text for [`PathPattern::Exact`] or [`PathPattern::Prefix`].
    ///
    /// # Errors
    ///
    /// Says why no request can have such a path.
    pub fn check(text: &str) -> Result<(), BadPattern> {
        if !text.starts_with('/') {
            return Err(BadPattern::PathStart);
        }
        let is_sent = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#');
        if text.bytes().all(is_sent) { Ok(()) } else { Err(BadPattern::PathByte) }
    }

    /// Says whether it is for `path`, which has no query.
    pub fn matches(&self, path: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => path == exact.as_bytes(),
            Self::Prefix(prefix) => below(prefix, path).is_some(),
            Self::Regex(regex) => regex.is_match(path),
        }
    }
}

/// Returns what `path` has behind `prefix`, empty or from a `/` on, if it is there or below.
pub(super) fn below<'a>(prefix: &str, path: &'a [u8]) -> Option<&'a [u8]> {
    let prefix = trim(prefix);
    let rest = path.strip_prefix(prefix.as_bytes())?;
    (prefix.is_empty() || rest.is_empty() || rest[0] == b'/').then_some(rest)
}

/// Returns a prefix without the slash at its end.
pub(super) fn trim(prefix: &str) -> &str {
    prefix.strip_suffix('/').unwrap_or(prefix)
}

impl ValueMatch {
    /// Says whether it is for `value`.
    pub fn matches(&self, value: &[u8]) -> bool {
        match self {
            Self::Present => true,
            Self::Is(text) => value == text.as_bytes(),
            Self::Regex(regex) => regex.is_match(value),
        }
    }
}

impl Matcher {
    /// Says whether one of the hosts is `host`, which has no port and no trailing dot.
    pub fn is_for_host(&self, host: &[u8]) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|pattern| pattern.matches(host))
    }

    /// Looks at everything but host and path.
    ///
    /// # Errors
    ///
    /// Names the first condition that does not hold.
    pub fn conditions_hold(&self, facts: &Facts<'_>) -> Result<(), WhyNot> {
        let is_method = |method: &String| method.as_bytes() == facts.method;
        if !self.methods.is_empty() && !self.methods.iter().any(is_method) {
            return Err(WhyNot::Method);
        }
        let says = |field: &FieldMatch| {
            facts
                .fields
                .first(field.name.as_bytes())
                .is_some_and(|value| field.value.matches(value))
        };
        if let Some(at) = self.headers.iter().position(|field| !says(field)) {
            return Err(WhyNot::Header(at));
        }
        let query = facts.query().unwrap_or_default();
        let asks = |pair: &QueryMatch| {
            first_pair(query, pair.name.as_bytes()) == Some(pair.value.as_bytes())
        };
        if let Some(at) = self.query.iter().position(|pair| !asks(pair)) {
            return Err(WhyNot::Query(at));
        }
        let is_client = |net: &IpNet| net.contains(&facts.client);
        if !self.clients.is_empty() && !self.clients.iter().any(is_client) {
            return Err(WhyNot::Client);
        }
        Ok(())
    }

    /// Says how many things besides host and path must hold; a list to choose from is one thing.
    pub fn conditions(&self) -> usize {
        let lists = usize::from(!self.methods.is_empty()) + usize::from(!self.clients.is_empty());
        lists + self.headers.len() + self.query.len()
    }
}

fn first_pair<'a>(query: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    query.split(|byte| *byte == b'&').find_map(|pair| match pair.strip_prefix(name)? {
        [] => Some(&b""[..]),
        [b'=', value @ ..] => Some(value),
        _ => None,
    })
}
