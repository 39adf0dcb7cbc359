//! Plants routes in the trees of hosts and paths, and lays those out.

use std::collections::HashMap;

use super::{Bed, Candidate, Index, List, NONE, Site};
use crate::route::Route;
use crate::route::language;
use crate::route::matcher::{HostPattern, Matcher, PathPattern, trim};
use crate::route::tree::{Growing, Node};

/// Routes by host and path, while they are being planted.
#[derive(Debug)]
pub(in crate::route) struct Draft {
    hosts: Growing,
    sites: Vec<Site>,
    paths: Growing,
    /// One per node of `paths`.
    pub(in crate::route) plots: Vec<Plot>,
    /// The roots in `paths`, each for one host pattern or for any.
    pub(in crate::route) roots: HashMap<Option<HostPattern>, Node>,
}

/// What stands at a node of a tree of paths: numbers of routes, the most specific first.
#[derive(Debug, Clone)]
pub(in crate::route) struct Plot {
    pub(in crate::route) parent: Node,
    pub(in crate::route) root: Node,
    pub(in crate::route) exact: Vec<u32>,
    pub(in crate::route) prefix: Vec<u32>,
    pub(in crate::route) regex: Vec<u32>,
}

impl Draft {
    /// Plants `routes`, which are in the order of consideration.
    pub(in crate::route) fn new(routes: &[Route]) -> Self {
        let site = Site { parent: NONE, exact: NONE, wildcard: NONE, up: NONE };
        let mut draft = Self {
            hosts: Growing::new(),
            sites: vec![site],
            paths: Growing::new(),
            plots: vec![Plot::new(NONE, NONE)], // The tree's own root, which is for no host.
            roots: HashMap::new(),
        };
        for (number, route) in (0..).zip(routes) {
            draft.plant(number, &route.matcher);
        }
        draft
    }

    fn plant(&mut self, number: u32, matcher: &Matcher) {
        let mut hosts: Vec<_> = matcher.hosts.iter().map(Some).collect();
        if hosts.is_empty() {
            hosts.push(None);
        }
        hosts.sort();
        hosts.dedup();
        for host in hosts {
            let root = self.root(host);
            match &matcher.path {
                PathPattern::Any => self.plots[root as usize].prefix.push(number),
                PathPattern::Exact(path) => {
                    let node = self.path(root, path.as_bytes());
                    self.plots[node as usize].exact.push(number);
                }
                PathPattern::Prefix(prefix) => {
                    let node = self.path(root, trim(prefix).as_bytes());
                    self.plots[node as usize].prefix.push(number);
                }
                PathPattern::Regex(regex) => {
                    let literal = language::literal_prefix(regex.as_str());
                    let end = memchr::memrchr(b'/', &literal).unwrap_or_default();
                    let node = self.path(root, &literal[..end]);
                    self.plots[node as usize].regex.push(number);
                }
            }
        }
    }

    /// Returns the root of the paths of a host.
    fn root(&mut self, host: Option<&HostPattern>) -> Node {
        if let Some(root) = self.roots.get(&host.cloned()) {
            return *root;
        }
        let root = self.paths.root();
        self.plots.push(Plot::new(NONE, root));
        self.roots.insert(host.cloned(), root);
        if let Some(HostPattern::Exact(name) | HostPattern::Wildcard(name)) = host {
            let mut node = 0;
            for label in name.rsplit('.') {
                let parent = node;
                node = self.hosts.grow(parent, label.as_bytes());
                if node as usize == self.sites.len() {
                    self.sites.push(Site { parent, exact: NONE, wildcard: NONE, up: NONE });
                }
            }
            let site = &mut self.sites[node as usize];
            match host {
                Some(HostPattern::Wildcard(_)) => site.wildcard = root,
                _ => site.exact = root,
            }
        }
        root
    }

    /// Returns the node of a path, which is empty or begins with `/`.
    fn path(&mut self, root: Node, path: &[u8]) -> Node {
        let mut node = root;
        for label in path.split(|byte| *byte == b'/').skip(1) {
            let parent = node;
            node = self.paths.grow(parent, label);
            if node as usize == self.plots.len() {
                self.plots.push(Plot::new(parent, root));
            }
        }
        node
    }

    /// Lays everything out for being asked.
    pub(in crate::route) fn freeze(mut self, routes: &[Route]) -> Index {
        let (mut lists, mut beds) = (Vec::new(), Vec::<Bed>::with_capacity(self.plots.len()));
        let mut list = |numbers: &[u32]| {
            let start = lists.len() as u32;
            lists.extend(numbers.iter().map(|number| Candidate {
                route: *number,
                is_conditional: routes[*number as usize].matcher.conditions() > 0,
            }));
            List { start, end: lists.len() as u32 }
        };
        for plot in &self.plots {
            // Parents are older than their children, and so they are laid out before them.
            let (up_prefix, up_regex) = match beds.get(plot.parent as usize) {
                None => (NONE, NONE),
                Some(above) => (
                    if above.prefix.is_empty() { above.up_prefix } else { plot.parent },
                    if above.regex.is_empty() { above.up_regex } else { plot.parent },
                ),
            };
            let (exact, prefix, regex) = (list(&plot.exact), list(&plot.prefix), list(&plot.regex));
            beds.push(Bed { exact, prefix, regex, up_prefix, up_regex });
        }
        for at in 1..self.sites.len() {
            let parent = self.sites[at].parent;
            let above = self.sites[parent as usize];
            self.sites[at].up = if above.wildcard == NONE { above.up } else { parent };
        }
        Index {
            hosts: self.hosts.freeze(true),
            sites: self.sites.into(),
            any: self.roots.get(&None).copied(),
            paths: self.paths.freeze(false),
            beds: beds.into(),
            lists: lists.into(),
        }
    }
}

impl Plot {
    fn new(parent: Node, root: Node) -> Self {
        Self { parent, root, exact: Vec::new(), prefix: Vec::new(), regex: Vec::new() }
    }
}
