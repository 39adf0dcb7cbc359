//! Why a request takes the route that it takes: every route asked in turn, as the rule is stated
//! and without the index, so that the two keep each other honest.

use std::cmp::Reverse;
use std::fmt;

use super::Route;
use super::facts::Facts;
use super::matcher::{Matcher, ValueMatch, WhyNot};
use super::score::HostScore;
use super::table::Table;

/// A route and what it says to a request.
#[derive(Debug, Clone, Copy)]
pub struct Explained<'a> {
    /// The route.
    pub route: &'a Route,
    /// What it says.
    pub verdict: Verdict,
}

/// What a route says to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is taken.
    Taken,
    /// It matches, but a more specific one is taken.
    LessSpecific,
    /// It does not match.
    No(WhyNot),
}

impl Table {
    /// Asks every route, in the order of consideration for this request: by host first. A route
    /// for several hosts stands where the most specific of those that match stands, or else the
    /// most specific of all.
    pub fn explain(&self, facts: &Facts<'_>) -> Vec<Explained<'_>> {
        let host = facts.host_name();
        let mut order: Vec<&Route> = self.routes().iter().collect();
        order.sort_by_key(|route| Reverse(host_score(&route.matcher, host)));
        let mut is_taken = false;
        let explain = |route| {
            let verdict = match why_not(route, facts) {
                Some(why_not) => Verdict::No(why_not),
                None if is_taken => Verdict::LessSpecific,
                None => Verdict::Taken,
            };
            is_taken |= verdict == Verdict::Taken;
            Explained { route, verdict }
        };
        order.into_iter().map(explain).collect()
    }
}

fn host_score(matcher: &Matcher, host: &[u8]) -> HostScore {
    let matching = matcher.hosts.iter().filter(|pattern| pattern.matches(host));
    let best = matching.map(HostScore::of).max();
    let any = || matcher.hosts.iter().map(HostScore::of).max().unwrap_or(HostScore::Any);
    best.unwrap_or_else(any)
}

fn why_not(route: &Route, facts: &Facts<'_>) -> Option<WhyNot> {
    let matcher = &route.matcher;
    if !matcher.is_for_host(facts.host_name()) {
        Some(WhyNot::Host)
    } else if !matcher.path.matches(facts.path()) {
        Some(WhyNot::Path)
    } else {
        matcher.conditions_hold(facts).err()
    }
}

impl fmt::Display for Explained<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let matcher = &self.route.matcher;
        let list = |texts: Vec<String>| texts.join(", ");
        match self.verdict {
            Verdict::Taken => f.write_str("is taken"),
            Verdict::LessSpecific => f.write_str("matches, but is less specific"),
            Verdict::No(WhyNot::Host) => {
                let hosts = matcher.hosts.iter().map(ToString::to_string).collect();
                write!(f, "is for host {}", list(hosts))
            }
            Verdict::No(WhyNot::Path) => write!(f, "is for {}", matcher.path),
            Verdict::No(WhyNot::Method) => {
                write!(f, "is for method {}", list(matcher.methods.clone()))
            }
            Verdict::No(WhyNot::Header(at)) => {
                let field = &matcher.headers[at];
                match &field.value {
                    ValueMatch::Present => write!(f, "needs header {}", field.name),
                    ValueMatch::Is(value) => write!(f, "needs header {}: {value}", field.name),
                    ValueMatch::Regex(regex) => {
                        write!(f, "needs header {} like {regex}", field.name)
                    }
                }
            }
            Verdict::No(WhyNot::Query(at)) => {
                let pair = &matcher.query[at];
                write!(f, "needs query {}={}", pair.name, pair.value)
            }
            Verdict::No(WhyNot::Client) => {
                let nets = matcher.clients.iter().map(ToString::to_string).collect();
                write!(f, "is for clients in {}", list(nets))
            }
        }
    }
}
