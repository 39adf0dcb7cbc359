//! Where a client is sent instead: a `Location` (RFC 9110 §10.2.2) made from templates.
//!
//! What comes from the request cannot end the line, leave the path or name another host.

use std::fmt;

use super::facts::Facts;

/// Sends a client elsewhere. What is `None` stays as the client wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// `http` or `https`.
    pub scheme: Option<String>,
    /// Host, with a port if it needs one.
    pub host: Option<Template>,
    /// Path, which may have a query. `None` keeps both.
    pub path: Option<Template>,
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
}

/// A text with `{host}`, `{path}` and `{query}` in it. Made by [`Template::parse`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Box<[Part]>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Host,
    Path,
    Query,
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadTemplate {
    /// Nothing is called so: there are `{host}`, `{path}` and `{query}`.
    UnknownName(String),
    /// A brace has no partner.
    Brace,
    /// It has a byte that a `Location` cannot have.
    Byte(char),
}

impl fmt::Display for BadTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownName(name) => {
                write!(
                    f,
                    "nothing is called {{{name}}}: there are {{host}}, {{path}} and {{query}}"
                )
            }
            Self::Brace => f.write_str("a brace has no partner"),
            Self::Byte(byte) => write!(f, "no address has {byte:?} in it: percent-encode it"),
        }
    }
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the first part that is.
    pub fn parse(text: &str) -> Result<Self, BadTemplate> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            parts.push(literal(&rest[..at])?);
            let after = rest[at..].strip_prefix('{').ok_or(BadTemplate::Brace)?;
            let (name, behind) = after.split_once('}').ok_or(BadTemplate::Brace)?;
            parts.push(match name {
                "host" => Part::Host,
                "path" => Part::Path,
                "query" => Part::Query,
                other => return Err(BadTemplate::UnknownName(other.to_owned())),
            });
            rest = behind;
        }
        parts.push(literal(rest)?);
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        Ok(Self(parts.into()))
    }

    fn fill(&self, out: &mut Vec<u8>, facts: &Facts<'_>) {
        for part in &self.0 {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Host => escape(out, facts.host_name()),
                Part::Path => escape(out, facts.path()),
                Part::Query => escape(out, facts.query().unwrap_or_default()),
            }
        }
    }
}

fn literal(text: &str) -> Result<Part, BadTemplate> {
    let is_bad = |c: &char| !c.is_ascii_graphic() || (is_unsafe(*c as u8) && *c != '#');
    match text.chars().find(is_bad) {
        Some(bad) => Err(BadTemplate::Byte(bad)),
        None => Ok(Part::Text(text.to_owned())),
    }
}

/// Says whether a byte has no place in a URI (RFC 3986 §2) or, like `#` and `\`, ends or changes
/// the path that it stands in.
fn is_unsafe(byte: u8) -> bool {
    !byte.is_ascii_graphic() || b"\"#<>\\^`{|}".contains(&byte)
}

/// Appends `text`, percent-encoding what cannot stand in a URI; what is encoded already stays.
fn escape(out: &mut Vec<u8>, text: &[u8]) {
    escape_if(out, text, is_unsafe);
}

/// Appends `text`, percent-encoding the bytes that are `bad`.
pub(super) fn escape_if(out: &mut Vec<u8>, text: &[u8], bad: fn(u8) -> bool) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text {
        if bad(*byte) {
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            out.extend_from_slice(&[b'%', DIGITS[high], DIGITS[low]]);
        } else {
            out.push(*byte);
        }
    }
}

impl Redirect {
    /// Makes the `Location` for a request.
    ///
    /// With neither scheme nor host, or if the request names no host, it is a path on the host that
    /// the client asked. With a scheme alone the host keeps its name and loses its port.
    pub fn location(&self, facts: &Facts<'_>) -> Vec<u8> {
        let mut location = Vec::with_capacity(facts.target.len() + 64);
        self.origin(&mut location, facts);
        let mut path = Vec::with_capacity(facts.target.len() + 16);
        match &self.path {
            Some(template) => template.fill(&mut path, facts),
            None => escape(&mut path, facts.path()),
        }
        // `//host` would be another host's address, and `/\host` is one to browsers.
        let slashes = path.iter().take_while(|byte| **byte == b'/').count();
        location.push(b'/');
        location.extend_from_slice(&path[slashes..]);
        match facts.query() {
            Some(query) if self.path.is_none() => {
                location.push(b'?');
                escape(&mut location, query);
            }
            _ if self.path.is_some() && location.ends_with(b"?") => {
                location.pop(); // The template's, in front of a query that is not there.
            }
            _ => {}
        }
        location
    }

    /// Writes scheme and host, if there are any to write.
    fn origin(&self, location: &mut Vec<u8>, facts: &Facts<'_>) {
        if self.scheme.is_none() && self.host.is_none() {
            return;
        }
        let mut host = Vec::with_capacity(facts.host.len());
        match &self.host {
            Some(template) => template.fill(&mut host, facts),
            None => escape(&mut host, facts.host_name()),
        }
        // A `/` or `@` in the host would make a path or a user of what follows.
        if host.is_empty() || host.iter().any(|byte| b"/@?#%".contains(byte)) {
            return;
        }
        if let Some(scheme) = &self.scheme {
            location.extend_from_slice(scheme.as_bytes());
            location.push(b':');
        }
        location.extend_from_slice(b"//");
        location.append(&mut host);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::tests::asked;

    fn redirect(scheme: &str, host: &str, path: &str) -> Redirect {
        let template = |text: &str| (!text.is_empty()).then(|| Template::parse(text).unwrap());
        let scheme = (!scheme.is_empty()).then(|| scheme.to_owned());
        Redirect { scheme, host: template(host), path: template(path), status: 308 }
    }

    #[track_caller]
    fn check((scheme, host, path): (&str, &str, &str), url: &str, expected: &str) {
        let location = asked("GET", url, |facts| redirect(scheme, host, path).location(facts));
        assert_eq!(String::from_utf8(location).unwrap(), expected);
    }

    #[test]
    fn what_is_not_said_stays() {
        check(("https", "", ""), "a.b:8000/p/q?x=1", "https://a.b/p/q?x=1");
        check(("", "c.d", ""), "a.b/p?", "//c.d/p?");
        check(("", "", "/new"), "a.b/p?x=1", "/new");
        check(("https", "www.{host}:8443", ""), "a.b:80/", "https://www.a.b:8443/");
        check(("https", "[::1]:8443", ""), "a.b:80/", "https://[::1]:8443/");
    }

    #[test]
    fn templates_take_what_the_request_has() {
        check(("https", "c.d", "/{host}{path}?{query}"), "a.b/p?x=1", "https://c.d/a.b/p?x=1");
        check(("", "", "/x{path}?{query}"), "a.b/p", "/x/p");
        check(("", "", "/x?p={path}&{query}"), "a.b/p?y", "/x?p=/p&y");
        check(("", "", "new#{query}"), "a.b/p?y", "/new#y");
    }

    #[test]
    fn a_client_cannot_send_others_elsewhere() {
        check(("", "", ""), "a.b//evil.com/x", "/evil.com/x");
        check(("", "", "{path}"), "a.b/\\evil.com", "/%5Cevil.com");
        check(("https", "", ""), "/p", "/p");
        check(("https", "", ""), "user@evil.com/p", "/p");
        check(
            ("", "", "{path}"),
            "a.b/a%0d%0aSet-Cookie: x\r\nEvil: 1",
            "/a%0d%0aSet-Cookie:%20x%0D%0AEvil:%201",
        );
    }

    #[test]
    fn a_template_says_what_is_wrong_with_it() {
        let bad = |text: &str| Template::parse(text).unwrap_err();
        assert_eq!(bad("/{pfad}"), BadTemplate::UnknownName("pfad".into()));
        assert_eq!(bad("/{path"), BadTemplate::Brace);
        assert_eq!(bad("/path}"), BadTemplate::Brace);
        assert_eq!(bad("/a b"), BadTemplate::Byte(' '));
        assert_eq!(bad("/a\nb"), BadTemplate::Byte('\n'));
    }
}
