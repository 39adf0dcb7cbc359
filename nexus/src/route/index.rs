//! From a request to the routes that may be for it, in a number of steps that depends on the
//! request alone: labels of its host, segments of its path.
//!
//! ```text
//! hosts:  com ─ example ─┬─ www      exact → root of a tree of paths
//!                        └─ (*)      wildcard → root of another
//! paths:  root ─ api ─┬─ v1          exact, prefix and expression routes at each node
//!                     └─ users
//! ```
//!
//! An expression hangs where the text that all its paths begin with ends, so that `^/users/\d+$` is
//! asked about paths below `/users` only. Nodes know the next one above them that has anything, so
//! looking for the longest prefix is following those links.

use super::Route;
use super::facts::Facts;
use super::tree::{Node, Tree};

pub(super) mod draft;

/// No node.
const NONE: Node = Node::MAX;

/// Routes by host and path, laid out for being asked.
#[derive(Debug)]
pub(super) struct Index {
    hosts: Tree,
    sites: Box<[Site]>,
    /// The root of the paths of any host.
    any: Option<Node>,
    paths: Tree,
    /// One per node of `paths`.
    beds: Box<[Bed]>,
    lists: Box<[Candidate]>,
}

/// What stands at a node of the tree of hosts: roots of trees of paths.
#[derive(Debug, Clone, Copy)]
struct Site {
    parent: Node,
    exact: Node,
    wildcard: Node,
    /// The next node above that has a wildcard.
    up: Node,
}

/// A [`draft::Plot`], laid out.
#[derive(Debug, Clone, Copy)]
struct Bed {
    exact: List,
    prefix: List,
    regex: List,
    /// The next node above that has prefixes.
    up_prefix: Node,
    /// The next node above that has expressions.
    up_regex: Node,
}

/// A part of [`Index::lists`].
#[derive(Debug, Clone, Copy)]
struct List {
    start: u32,
    end: u32,
}

impl List {
    fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// A route that host and path speak for.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    route: u32,
    /// Whether anything else must hold.
    is_conditional: bool,
}

impl Index {
    /// Finds the first route, in the order of consideration, that is for a request.
    pub(super) fn find(&self, routes: &[Route], facts: &Facts<'_>) -> Option<u32> {
        let (exact, wildcard) = self.site(facts.host_name());
        let path = facts.path();
        let above = |site: &Node| Some(self.sites[*site as usize].up).filter(|up| *up != NONE);
        let wildcards = std::iter::successors(wildcard, above);
        let wildcards = wildcards.map(|site| self.sites[site as usize].wildcard);
        let mut roots = exact.into_iter().chain(wildcards).chain(self.any);
        roots.find_map(|root| self.find_below(root, routes, facts, path))
    }

    /// Walks down a host's labels; returns the root for it alone and the deepest wildcard's site.
    fn site(&self, host: &[u8]) -> (Option<Node>, Option<Node>) {
        let (mut node, mut rest, mut wildcard) = (0, host, None);
        loop {
            let dot = memchr::memrchr(b'.', rest);
            let label = dot.map_or(rest, |at| &rest[at + 1..]);
            let Some(child) = self.hosts.step(node, label) else { return (None, wildcard) };
            node = child;
            let site = &self.sites[node as usize];
            let Some(at) = dot else {
                return (Some(site.exact).filter(|root| *root != NONE), wildcard);
            };
            rest = &rest[..at];
            if site.wildcard != NONE && !rest.is_empty() {
                wildcard = Some(node);
            }
        }
    }

    fn find_below(
        &self,
        root: Node,
        routes: &[Route],
        facts: &Facts<'_>,
        path: &[u8],
    ) -> Option<u32> {
        let (node, is_whole) = self.walk(root, path);
        let holds = |candidate: &&Candidate| {
            !candidate.is_conditional
                || routes[candidate.route as usize].matcher.conditions_hold(facts).is_ok()
        };
        let bed = &self.beds[node as usize];
        if is_whole && let Some(found) = self.list(bed.exact).iter().find(holds) {
            return Some(found.route);
        }
        let mut best = NONE;
        let mut at = node;
        while at != NONE {
            let bed = &self.beds[at as usize];
            let regexes = self.list(bed.regex).iter().take_while(|other| other.route < best);
            let is_for = |candidate: &&Candidate| {
                routes[candidate.route as usize].matcher.path.matches(path) && holds(candidate)
            };
            best = { regexes }.find(is_for).map_or(best, |found| found.route);
            at = bed.up_regex;
        }
        if best != NONE {
            return Some(best);
        }
        at = node;
        while at != NONE {
            let bed = &self.beds[at as usize];
            if let Some(found) = self.list(bed.prefix).iter().find(holds) {
                return Some(found.route);
            }
            at = bed.up_prefix;
        }
        None
    }

    /// Walks down a path's segments; says where that ends and whether with the path.
    fn walk(&self, root: Node, path: &[u8]) -> (Node, bool) {
        let Some(mut rest) = path.strip_prefix(b"/") else { return (root, false) };
        let mut node = root;
        loop {
            let slash = memchr::memchr(b'/', rest);
            let label = slash.map_or(rest, |at| &rest[..at]);
            let Some(child) = self.paths.step(node, label) else { return (node, false) };
            node = child;
            let Some(at) = slash else { return (node, true) };
            rest = &rest[at + 1..];
        }
    }

    fn list(&self, list: List) -> &[Candidate] {
        &self.lists[list.start as usize..list.end as usize]
    }

    /// Returns how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        let lists = size_of_val(&*self.beds) + size_of_val(&*self.lists);
        self.hosts.bytes() + self.paths.bytes() + size_of_val(&*self.sites) + lists
    }
}
