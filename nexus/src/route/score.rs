//! The stated rule: how specific a route is for a request. Greater goes first.

use std::cmp::Reverse;

use super::matcher::{HostPattern, Matcher, PathPattern, trim};

/// How specific a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum HostScore {
    Any,
    /// Bytes behind the star. Of two wildcards for one host the longer has more labels.
    Wildcard(usize),
    Exact,
}

/// How specific a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PathScore {
    Any,
    /// Bytes, without a slash at the end.
    Prefix(usize),
    Regex,
    Exact,
}

/// How specific all the rest is.
pub(super) type Score = (PathScore, usize);

impl HostScore {
    pub(super) fn of(pattern: &HostPattern) -> Self {
        match pattern {
            HostPattern::Exact(_) => Self::Exact,
            HostPattern::Wildcard(name) => Self::Wildcard(name.len()),
        }
    }
}

impl Matcher {
    /// Returns how specific its path and conditions are.
    pub(super) fn score(&self) -> Score {
        let path = match &self.path {
            PathPattern::Any => PathScore::Any,
            PathPattern::Prefix(prefix) => PathScore::Prefix(trim(prefix).len()),
            PathPattern::Regex(_) => PathScore::Regex,
            PathPattern::Exact(_) => PathScore::Exact,
        };
        (path, self.conditions())
    }

    /// Returns what a list of routes is sorted by, the most specific first.
    ///
    /// Behind the score stands the text, longer first, so that the order of a file means nothing
    /// even where it could not be decided whether two expressions have anything in common.
    pub(super) fn order(&self) -> (Reverse<Score>, Reverse<usize>, String) {
        let path = match &self.path {
            PathPattern::Regex(regex) => regex.as_str(),
            _ => "",
        };
        let text = if path.is_empty() && self.conditions() == 0 {
            String::new()
        } else {
            let Self { methods, headers, query, clients, .. } = self;
            format!("{path} {methods:?} {headers:?} {query:?} {clients:?}")
        };
        (Reverse(self.score()), Reverse(path.len()), text)
    }
}
