//! What target the backend sees.

use std::borrow::Cow;
use std::fmt;

use regex::bytes::Regex;

use super::facts::path_and_query;
use super::matcher::{below, trim};
use super::redirect::escape_if;

/// Changes to the path, in this order. The query stays.
#[derive(Debug, Clone, Default)]
pub struct Rewrite {
    /// Goes from the front, by segment; a path without it stays.
    pub strip_prefix: Option<String>,
    /// What is found first is replaced.
    pub replace: Option<Substitution>,
    /// Comes in front.
    pub add_prefix: Option<String>,
}

/// An expression and what takes its place. Made by [`Substitution::new`].
#[derive(Debug, Clone)]
pub struct Substitution {
    regex: Regex,
    with: String,
}

/// The replacement names a group that the expression does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownGroup(pub String);

impl fmt::Display for UnknownGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the expression has no group `{}`; a name ends where ", self.0)?;
        f.write_str("letters, digits and `_` end, or write ${1}")
    }
}

impl Substitution {
    /// Takes an expression and a replacement, in which `$1` and `${name}` are its groups and `$$`
    /// is `$`.
    ///
    /// # Errors
    ///
    /// Fails if the replacement names a group that does not exist: it would be empty for ever.
    pub fn new(regex: Regex, with: &str) -> Result<Self, UnknownGroup> {
        let mut rest = with;
        while let Some(at) = rest.find('$') {
            rest = &rest[at + 1..];
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let name = match rest.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
                Some((name, _)) => name,
                None => &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())],
            };
            let is_known = match name.parse::<usize>() {
                Ok(number) => number < regex.captures_len(),
                Err(_) => regex.capture_names().flatten().any(|known| known == name),
            };
            if !name.is_empty() && !is_known {
                return Err(UnknownGroup(name.to_owned()));
            }
            rest = rest.strip_prefix('$').unwrap_or(rest);
        }
        Ok(Self { regex, with: with.to_owned() })
    }
}

/// Says whether a byte would end the target or change what it is. All others stay as sent.
fn ends_target(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f || byte == b'#'
}

impl Rewrite {
    /// Makes the target that the backend sees of `target`, which is `path?query` as sent.
    ///
    /// The result begins with `/` and has no space, control or `#`: they are percent-encoded. A `?`
    /// that the replacement brings begins the query. `*`, the server itself, has no path and stays.
    pub fn apply(&self, target: &[u8]) -> Vec<u8> {
        if target == b"*" {
            return target.to_vec();
        }
        let (path, query) = path_and_query(target);
        let stripped = self.strip_prefix.as_deref().and_then(|prefix| below(prefix, path));
        let mut path = Cow::Borrowed(stripped.unwrap_or(path));
        if let Some(Substitution { regex, with }) = &self.replace {
            if path.is_empty() {
                path = Cow::Borrowed(b"/");
            }
            path = Cow::Owned(regex.replace(&path, with.as_bytes()).into_owned());
        }
        let mut out = Vec::with_capacity(target.len() + 16);
        let prefix = trim(self.add_prefix.as_deref().unwrap_or_default());
        escape_if(&mut out, prefix.as_bytes(), ends_target);
        if !path.starts_with(b"/") && (out.is_empty() || !path.is_empty()) {
            out.push(b'/');
        }
        escape_if(&mut out, &path, ends_target);
        if !out.starts_with(b"/") {
            out.insert(0, b'/');
        }
        if let Some(query) = query {
            out.push(if out.contains(&b'?') { b'&' } else { b'?' });
            escape_if(&mut out, query, ends_target);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rewrite(strip: &str, regex: &str, with: &str, add: &str) -> Rewrite {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let replace =
            text(regex).map(|regex| Substitution::new(Regex::new(&regex).unwrap(), with).unwrap());
        Rewrite { strip_prefix: text(strip), replace, add_prefix: text(add) }
    }

    #[track_caller]
    fn check(rule: &Rewrite, target: &str, expected: &str) {
        assert_eq!(String::from_utf8(rule.apply(target.as_bytes())).unwrap(), expected);
    }

    #[test]
    fn a_prefix_goes_by_segment() {
        let rule = rewrite("/api/", "", "", "");
        check(&rule, "/api/v1?x=1", "/v1?x=1");
        check(&rule, "/api?x=1", "/?x=1");
        check(&rule, "/apis", "/apis");
        check(&rule, "/other", "/other");
    }

    #[test]
    fn a_prefix_comes_in_front() {
        check(&rewrite("", "", "", "/v2/"), "/a?b", "/v2/a?b");
        check(&rewrite("/api", "", "", "/v2"), "/api", "/v2");
        check(&rewrite("/api", "", "", "/v2"), "/api/", "/v2/");
        check(&rewrite("", "", "", "v2"), "/a", "/v2/a");
    }

    #[test]
    fn groups_of_an_expression_are_put_in() {
        check(&rewrite("", "^/u/([0-9]+)$", "/users/$1", ""), "/u/7?x", "/users/7?x");
        check(&rewrite("", "^/u/(.+)$", "/find?user=$1", ""), "/u/7?x=1", "/find?user=7&x=1");
        check(&rewrite("", "^/(?<all>.*)$", "${all}_x$$", ""), "/a", "/a_x$");
        check(&rewrite("", "^.*$", "a b\r\n#c", ""), "/", "/a%20b%0D%0A%23c");
    }

    #[test]
    fn a_group_that_is_not_there_is_refused() {
        let named = |with: &str| {
            let made = Substitution::new(Regex::new("^/(.*)(?<id>x)$").unwrap(), with);
            made.err().map(|unknown| unknown.0)
        };
        assert_eq!(named("$1x"), Some("1x".into()));
        assert_eq!(named("/$3"), Some("3".into()));
        assert_eq!(named("${name}"), Some("name".into()));
        assert_eq!(named("/${1}x/$id/$$1/$2"), None);
    }

    proptest! {
        #[test]
        fn the_result_is_always_a_target(
            target in "/[ -~\\x00-\\x1f\u{80}-\u{ff}]{0,20}",
            strip in "(/[a-z]{0,2}){0,2}",
            with in "[ -#%-~\\r\\n]{0,8}",
            add in "[/a-z ]{0,4}",
        ) {
            let made = rewrite(&strip, "[a-z/]+", &with, &add).apply(target.as_bytes());
            prop_assert!(made.starts_with(b"/"));
            prop_assert!(made.iter().all(|byte| *byte > b' ' && *byte != 0x7f && *byte != b'#'));
        }
    }
}
