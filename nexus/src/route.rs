//! Which route a request takes, and what that route says to do. Pure: facts in, values out.
//!
//! Of all routes that match a request the most specific is taken, wherever it stands in a file:
//!
//! 1. by host: exact, then the longer `*.wildcard`, then any;
//! 2. by path: exact, then expression, then the longer prefix, then any;
//! 3. by conditions: more of methods, headers, query and clients.
//!
//! Two routes that are equal in all three and can match the same request are a [`Tie`], and a table
//! is not built from them.
//!
//! Paths are compared byte for byte as sent: `%2F` is not `/`, `.` and `..` are segments like any
//! other, case counts. Hosts are compared without case, port and trailing dot. Of several header
//! lines or query pairs with one name the first counts.

use std::time::Duration;

use crate::retry::Policy;

pub mod check;
mod explain;
pub mod facts;
mod index;
mod language;
pub mod matcher;
mod priority;
pub mod rate;
pub mod redirect;
pub mod rewrite;
mod score;
pub mod split;
mod table;
mod tree;

pub use check::{Place, Tie, Warning};
pub use explain::{Explained, Verdict};
pub use facts::{Facts, Fields, HeadFields};
pub use matcher::{
    BadPattern, FieldMatch, HostPattern, Matcher, PathPattern, QueryMatch, ValueMatch, WhyNot,
};
pub use priority::Priority;
pub use rate::{By, Interval, RateLimit};
pub use redirect::{BadTemplate, Redirect, Template};
pub use rewrite::{Rewrite, Substitution, UnknownGroup};
pub use split::{BadSplit, Split};
pub use table::Table;

/// A pool's place among the pools of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolId(pub u16);

/// What to do with the requests that match.
#[derive(Debug, Clone)]
pub struct Route {
    /// What people call it; the log and `explain` do too.
    pub name: String,
    /// Which requests it is for.
    pub matcher: Matcher,
    /// What becomes of them.
    pub action: Action,
    /// What is changed on the way.
    pub modifiers: Modifiers,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A backend of this pool answers.
    Pool(PoolId),
    /// A backend of one of several pools answers.
    Split(Split),
    /// The client is sent elsewhere.
    Redirect(Redirect),
    /// Nexus answers, always the same.
    Respond(Fixed),
}

/// An answer that is always the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// The status code.
    pub status: u16,
    /// The body, which may be empty.
    pub body: Vec<u8>,
    /// The `Content-Type` of the body.
    pub content_type: String,
}

/// A pool that gets copies of requests, whose answers nobody sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mirror {
    /// The pool.
    pub pool: PoolId,
    /// How many of a hundred requests.
    pub percent: u8,
}

/// What a route changes about requests, answers and limits; what is `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Modifiers {
    /// The target that the backend sees.
    pub rewrite: Option<Rewrite>,
    /// Fields of the request that the backend sees.
    pub request_headers: HeaderRules,
    /// Fields of the answer that the client sees.
    pub response_headers: HeaderRules,
    /// How long backends may take.
    pub timeouts: RouteTimeouts,
    /// What may be tried again.
    pub retry: Option<Policy>,
    /// Bytes in a request's body at most.
    pub body_bytes_max: Option<u64>,
    /// Who else gets a copy of requests.
    pub mirror: Option<Mirror>,
    /// How many requests may pass.
    pub rate_limit: Option<RateLimit>,
    /// Who is let in first when a pool has too much to do.
    pub priority: Option<Priority>,
}

/// How long backends may take for the requests of a route; what is `None` is as the pool says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RouteTimeouts {
    /// Until a backend accepts a connection.
    pub connect: Option<Duration>,
    /// From the end of a request to the head of its answer.
    pub response: Option<Duration>,
    /// From the head of a request to the head of its answer, over all attempts.
    pub total: Option<Duration>,
    /// Without a byte moving, in the middle of a body.
    pub stall: Option<Duration>,
    /// Without a byte moving, in a tunnel.
    pub tunnel: Option<Duration>,
}

/// Changes to the fields of a head, in this order: remove, set, add.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderRules {
    /// Fields that go, in any case of their name.
    pub remove: Vec<String>,
    /// Fields that replace all of their name.
    pub set: Vec<(String, String)>,
    /// Fields that come after those of their name.
    pub add: Vec<(String, String)>,
}

impl HeaderRules {
    /// Says whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }

    /// Says whether the fields called `name`, as they came, are not passed on.
    pub fn drops(&self, name: &[u8]) -> bool {
        let is = |known: &String| known.as_bytes().eq_ignore_ascii_case(name);
        self.remove.iter().any(is) || self.set.iter().any(|(known, _)| is(known))
    }

    /// Returns the fields to put behind those that were passed on.
    pub fn puts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.set.iter().chain(&self.add).map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests;
