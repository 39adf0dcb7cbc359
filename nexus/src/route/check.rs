//! What is wrong with routes that are each right: two that tie, and those that never get a request.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::Route;
use super::index::draft::{Draft, Plot};
use super::language::{self, Alphabet, Exists, Languages};
use super::matcher::{HostPattern, PathPattern, trim};
use overlap::{Meet, implies, meet};

mod overlap;

/// Pairs of routes with the same host and path that are compared: at most a second or so.
const PAIRS_MAX: usize = 5_000_000;

/// A route's place among those that were given.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Its number, from 0.
    pub at: usize,
    /// Its name.
    pub name: String,
}

/// Two routes for one request, neither more specific than the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tie {
    /// The one that was given first.
    pub first: Place,
    /// The other.
    pub second: Place,
    /// A host that both are for; `None` is any.
    pub host: Option<HostPattern>,
    /// A path that both are for.
    pub path: String,
}

impl fmt::Display for Tie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second, path) = (&self.first.name, &self.second.name, &self.path);
        write!(f, "routes `{first}` and `{second}` are equally specific and both match {path}")?;
        match &self.host {
            Some(host) => write!(f, " on {host}"),
            None => write!(f, " on any host"),
        }
    }
}

/// Something odd about routes, though not wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// Everything that `route` matches is taken by others, `by` for one.
    Unreachable {
        /// The route that never gets a request.
        route: Place,
        /// One that gets them.
        by: Place,
    },
    /// It would take too long to find out whether two routes tie; the longer expression goes first.
    Undecided {
        /// The one that was given first.
        first: Place,
        /// The other.
        second: Place,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { route, by } => write!(
                f,
                "route `{}` can never match: everything that it matches is taken by `{}`",
                route.name, by.name
            ),
            Self::Undecided { first, second } => write!(
                f,
                "whether routes `{}` and `{}` tie could not be found out",
                first.name, second.name
            ),
        }
    }
}

/// Finds ties and oddities among `routes`, which are in the order of consideration.
pub(super) fn check(draft: &Draft, routes: &[Route], places: &[Place]) -> (Vec<Tie>, Vec<Warning>) {
    let hosts = draft.roots.iter().map(|(host, root)| (*root, host.as_ref())).collect();
    let mut checking = Checking {
        routes,
        hosts,
        languages: Languages::new(),
        pairs_left: PAIRS_MAX,
        ties: BTreeMap::new(),
        undecided: BTreeMap::new(),
        covered: HashMap::new(),
    };
    for plot in &draft.plots {
        checking.plot(draft, plot);
    }
    checking.expressions(draft);
    checking.report(places)
}

struct Checking<'a> {
    routes: &'a [Route],
    /// The host of each root.
    hosts: HashMap<u32, Option<&'a HostPattern>>,
    languages: Languages,
    pairs_left: usize,
    /// Pairs that tie, with host and path.
    ties: BTreeMap<(u32, u32), (Option<HostPattern>, String)>,
    undecided: BTreeMap<(u32, u32), ()>,
    /// For each route in how many trees it gets nothing, and who gets it there.
    covered: HashMap<u32, (usize, u32)>,
}

impl<'a> Checking<'a> {
    /// Compares the routes that stand at one node with each other.
    fn plot(&mut self, draft: &Draft, plot: &Plot) {
        for list in [&plot.exact, &plot.prefix] {
            for (at, route) in list.iter().enumerate() {
                let path = self.path(*route);
                for before in &list[..at] {
                    self.pair(plot.root, *before, *route, || Exists::Yes(path.clone()));
                }
                if let Some(by) = list[..at].iter().find(|by| self.implies(**by, *route)) {
                    self.cover(*route, *by);
                }
            }
        }
        for route in &plot.prefix {
            if let Some(by) = self.covering_expression(draft, plot, *route) {
                self.cover(*route, by);
            }
        }
        for (at, route) in plot.regex.iter().enumerate() {
            let text = self.pattern(*route);
            let same = |by: &&u32| self.pattern(**by) == text && self.implies(**by, *route);
            if let Some(by) = plot.regex[..at].iter().find(same) {
                self.cover(*route, *by);
            }
        }
    }

    /// Compares expressions that begin alike, of the same host.
    fn expressions(&mut self, draft: &Draft) {
        let mut roots: BTreeMap<u32, Vec<(Vec<u8>, u32)>> = BTreeMap::new();
        for plot in &draft.plots {
            let literal = |route: &u32| (language::literal_prefix(self.pattern(*route)), *route);
            let found: Vec<_> = plot.regex.iter().map(literal).collect();
            if !found.is_empty() {
                roots.entry(plot.root).or_default().extend(found);
            }
        }
        for (root, mut list) in roots {
            list.sort();
            for (at, (literal, route)) in list.iter().enumerate() {
                for (_, other) in list[at + 1..].iter().take_while(|(l, _)| l.starts_with(literal))
                {
                    let (first, second) = (*route.min(other), *route.max(other));
                    self.pair(root, first, second, || Exists::Unknown);
                }
            }
        }
    }

    /// Takes note if two routes tie that have the same host, on the path that `path` knows or that
    /// is found.
    fn pair(&mut self, root: u32, first: u32, second: u32, path: impl FnOnce() -> Exists) {
        let (a, b) = (self.matcher(first), self.matcher(second));
        if a.score() != b.score() || self.ties.contains_key(&(first, second)) {
            return;
        }
        self.pairs_left = self.pairs_left.saturating_sub(1);
        let conditions = match self.pairs_left {
            0 => Meet::Unknown,
            _ => meet(a, b, &mut self.languages),
        };
        if conditions == Meet::Never {
            return;
        }
        let path = match (&a.path, &b.path) {
            (PathPattern::Regex(a), PathPattern::Regex(b)) => {
                self.languages.find(a.as_str(), b.as_str(), true, Alphabet::Path)
            }
            _ => path(),
        };
        match (conditions, path) {
            (_, Exists::No) => {}
            (Meet::Maybe, Exists::Yes(path)) => {
                let host = self.hosts.get(&root).copied().flatten().cloned();
                self.ties.insert((first, second), (host, path));
            }
            _ => {
                self.undecided.insert((first, second), ());
            }
        }
    }

    /// Finds an expression that takes everything from a prefix.
    fn covering_expression(&mut self, draft: &Draft, plot: &Plot, route: u32) -> Option<u32> {
        let path = self.path(route);
        let pattern = format!("^{}(?:/|$)", regex_syntax::escape(trim(&path)));
        let mut at = Some(plot);
        while let Some(plot) = at {
            for by in &plot.regex {
                // Most expressions fail this already, and it is quick.
                let sample = format!("{}/~/", trim(&path));
                let expression = self.pattern(*by);
                if self.implies(*by, route)
                    && [path.as_str(), &sample].iter().all(|path| self.finds(*by, path))
                    && self.languages.find(&pattern, expression, false, Alphabet::Path)
                        == Exists::No
                {
                    return Some(*by);
                }
            }
            at = draft.plots.get(plot.parent as usize);
        }
        None
    }

    fn cover(&mut self, route: u32, by: u32) {
        let covered = self.covered.entry(route).or_insert((0, by));
        covered.0 += 1;
    }

    fn report(self, places: &[Place]) -> (Vec<Tie>, Vec<Warning>) {
        let place = |route: u32| places[route as usize].clone();
        let sorted = |(a, b): (u32, u32)| {
            if place(a) < place(b) { (place(a), place(b)) } else { (place(b), place(a)) }
        };
        let mut ties: Vec<Tie> = Vec::new();
        for (pair, (host, path)) in self.ties {
            let (first, second) = sorted(pair);
            ties.push(Tie { first, second, host, path });
        }
        ties.sort_by(|a, b| (&a.first, &a.second).cmp(&(&b.first, &b.second)));
        let mut warnings: Vec<(Place, Warning)> = Vec::new();
        for (route, (trees, by)) in &self.covered {
            let mut hosts = self.routes[*route as usize].matcher.hosts.clone();
            hosts.sort();
            hosts.dedup();
            if *trees >= hosts.len().max(1) {
                let (route, by) = (place(*route), place(*by));
                warnings.push((route.clone(), Warning::Unreachable { route, by }));
            }
        }
        for pair in self.undecided.into_keys() {
            let (first, second) = sorted(pair);
            warnings.push((first.clone(), Warning::Undecided { first, second }));
        }
        warnings.sort_by(|(a, _), (b, _)| a.cmp(b));
        (ties, warnings.into_iter().map(|(_, warning)| warning).collect())
    }

    fn matcher(&self, route: u32) -> &'a super::Matcher {
        &self.routes[route as usize].matcher
    }

    /// Says whether whatever fulfils the conditions of `route` fulfils those of `by`.
    fn implies(&self, by: u32, route: u32) -> bool {
        implies(self.matcher(route), self.matcher(by))
    }

    /// Returns a path that a route without expression is for.
    fn path(&self, route: u32) -> String {
        match &self.matcher(route).path {
            PathPattern::Exact(path) => path.clone(),
            PathPattern::Prefix(prefix) if !trim(prefix).is_empty() => trim(prefix).to_owned(),
            _ => "/".to_owned(),
        }
    }

    fn pattern(&self, route: u32) -> &'a str {
        match &self.matcher(route).path {
            PathPattern::Regex(regex) => regex.as_str(),
            _ => "",
        }
    }

    fn finds(&self, route: u32, path: &str) -> bool {
        self.matcher(route).path.matches(path.as_bytes())
    }
}
