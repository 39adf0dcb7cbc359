//! Routes: each by itself, then all together.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::config::node::{Span, Value};
use crate::config::problem::{Problem, Step};
use crate::config::section::{NOWHERE, Section};
use crate::route::{
    Action, FieldMatch, Matcher, Mirror, Modifiers, PathPattern, PoolId, QueryMatch, Route, Table,
    ValueMatch, Warning,
};

use super::pools::{self, Pool};
use super::rules;

/// A route that was read, and where it stands.
struct Placed {
    route: Route,
    span: Span,
    /// Whether the user chose its name.
    is_named: bool,
}

/// Reads the routes, with one for what the short form leaves out.
pub(super) fn read(top: &Section<'_>, pools: &[Pool], problems: &mut Vec<Problem>) -> Table {
    let mut used = vec![false; pools.len()];
    let sections = top.sections("routes");
    let shutdown = top.section("timeouts").time("shutdown");
    let mut one = |section| one(section, pools, shutdown, &mut used, problems);
    let mut placed: Vec<Placed> = sections.iter().filter_map(&mut one).collect();
    // What cannot be read right ties with nothing.
    let errors: Vec<_> = problems.iter().filter(|problem| problem.is_error()).collect();
    if !errors.is_empty() {
        let is_bad = |section: &Section<'_>| errors.iter().any(|error| section.holds(error.span));
        let bad: HashSet<_> = sections.iter().filter(|s| is_bad(s)).map(Section::span).collect();
        placed.retain(|placed| !bad.contains(&placed.span));
    }
    for (at, pool) in pools.iter().enumerate() {
        let is_only = pools.len() == 1 && top.written("routes").is_none();
        if pool.is_short || is_only {
            used[at] = true;
            placed.push(catch_all(at, pool.span));
        }
    }
    nothing_answers(top, pools, &placed, problems);
    name(&mut placed, problems);
    let is_certain = !placed.is_empty() && !problems.iter().any(Problem::is_error);
    for (pool, _) in pools.iter().zip(used).filter(|(_, used)| !used) {
        if is_certain {
            let name = &pool.settings.name;
            let cause = format!("no route goes to pool `{name}`");
            let hint = format!("add a route with `pool: {name}`, or remove the pool");
            problems.push(Problem::warning(pool.span, cause, hint));
        }
    }
    let (routes, spans): (Vec<_>, Vec<_>) =
        placed.into_iter().map(|placed| (placed.route, placed.span)).unzip();
    build(routes, &spans, problems)
}

/// Puts the routes together; what that finds has places among `spans`.
fn build(routes: Vec<Route>, spans: &[Span], problems: &mut Vec<Problem>) -> Table {
    match Table::build(routes) {
        Ok(table) => {
            for warning in table.warnings() {
                let (at, by, how, hint) = match warning {
                    Warning::Unreachable { route, by } => (
                        route,
                        by,
                        "this takes them",
                        "remove it, or let it match something that the other does not",
                    ),
                    Warning::Undecided { first, second } => (
                        second,
                        first,
                        "the other",
                        "tell them apart by host, method or a header to be sure",
                    ),
                };
                let problem = Problem::warning(spans[at.at], warning.to_string(), hint);
                problems.push(problem.beside(spans[by.at], how));
            }
            table
        }
        Err(ties) => {
            for tie in ties {
                let hint = "give one of the two a longer path, a host, a method or a header more than the other";
                let problem =
                    Problem::error(Step::Meaning, spans[tie.second.at], tie.to_string(), hint);
                problems.push(problem.beside(spans[tie.first.at], "the other"));
            }
            Table::build(Vec::new()).unwrap_or_else(|_| unreachable!("no routes do not tie"))
        }
    }
}

/// Several pools and no routes: nothing says which request goes where.
fn nothing_answers(
    top: &Section<'_>,
    pools: &[Pool],
    placed: &[Placed],
    problems: &mut Vec<Problem>,
) {
    let is_list = top.written("routes").is_none_or(|node| matches!(node.value, Value::List(_)));
    let is_table = top.written("pools").is_none_or(|node| matches!(node.value, Value::Table(_)));
    if !placed.is_empty() || !top.sections("routes").is_empty() || !is_list || !is_table {
        return;
    }
    let span = top.key_span("routes").or(top.key_span("pools")).unwrap_or(NOWHERE);
    let (cause, hint) = match pools.first() {
        None => (
            "there are no routes and no pools: nothing is answered".to_owned(),
            "add `backends: [\"http://localhost:8081\"]`".to_owned(),
        ),
        Some(pool) => {
            let cause = "there are several pools and no routes: no request is answered";
            let hint = format!(
                "add `routes: [{{ pool: {} }}]`, and a `match` for each other pool",
                pool.settings.name
            );
            (cause.to_owned(), hint)
        }
    };
    problems.push(Problem::error(Step::Meaning, span, cause, hint));
}

fn catch_all(pool: usize, span: Span) -> Placed {
    let route = Route {
        name: String::new(),
        matcher: Matcher::default(),
        action: Action::Pool(id(pool)),
        modifiers: Modifiers::default(),
    };
    Placed { route, span, is_named: false }
}

/// Makes a pool's number; pools are fewer than 65,536 (checked where they are looked up).
fn id(at: usize) -> PoolId {
    PoolId(u16::try_from(at).unwrap_or(u16::MAX))
}

/// Reads one route; `None` if it has no action that can be read.
fn one(
    section: &Section<'_>,
    pools: &[Pool],
    shutdown: Duration,
    used: &mut [bool],
    problems: &mut Vec<Problem>,
) -> Option<Placed> {
    let matcher = matcher(&section.section("match"), problems);
    let mut pool = |section: &Section<'_>| {
        let name = section.text_if("pool")?;
        let found = pools.iter().position(|pool| pool.settings.name == name);
        if found.is_none() {
            problems.push(unknown_pool(&name, section.place("pool"), pools));
        }
        let at = found?;
        used[at] = true;
        Some(id(at))
    };
    let direct = section.written("pool").and_then(|_| pool(section));
    let split = section.section_if("split").map(|split| {
        let shares = split.sections("pools");
        let shares: Vec<_> =
            shares.iter().map(|share| (*share, pool(share), share.whole_if("weight"))).collect();
        (split, shares)
    });
    let mirror = section
        .section_if("mirror")
        .and_then(|mirror| Some(Mirror { pool: pool(&mirror)?, percent: mirror.whole("percent") }));
    let split = split.and_then(|(split, shares)| rules::split(&split, &shares, problems));
    let first = direct.or(split.as_ref().and_then(|split| split.shares().next().map(|(id, _)| id)));
    let answering = first.and_then(|id| pools.get(usize::from(id.0)));
    let policy = answering.map(|pool| pool.settings.retry);
    let action = direct.map(Action::Pool).or(split.map(Action::Split));
    let action = action.or_else(|| rules::answer(section));
    if let Some(to) = mirror.filter(|to| action == Some(Action::Pool(to.pool))) {
        twice(section, &pools[usize::from(to.pool.0)], problems);
    }
    let modifiers = Modifiers { mirror, ..rules::modifiers(section, policy, problems) };
    if let Some(pool) = answering {
        pools::of_route(pool, section, &modifiers, shutdown, problems);
    }
    let name = section.text_if("name");
    let is_named = name.is_some();
    let span = section.span();
    let route = Route { name: name.unwrap_or_default(), matcher, action: action?, modifiers };
    Some(Placed { route, span, is_named })
}

/// Warns of copies that go where the original went.
fn twice(section: &Section<'_>, pool: &Pool, problems: &mut Vec<Problem>) {
    let cause = format!("requests and their copies both go to pool `{}`", pool.settings.name);
    let hint = "mirror to another pool, unless each is meant to run there twice";
    problems.push(Problem::warning(section.place("mirror"), cause, hint));
}

fn unknown_pool(name: &str, span: Span, pools: &[Pool]) -> Problem {
    let names = || pools.iter().map(|pool| pool.settings.name.as_str());
    let hint = match crate::config::nearest::to(name, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if pools.is_empty() => {
            format!("add it: `pools: {{ {name}: {{ backends: [\"http://localhost:8081\"] }} }}`")
        }
        None => {
            let all: Vec<_> = names().take(8).map(|name| format!("`{name}`")).collect();
            format!("the pools are {}; add `{name}` to `pools` if it is missing", all.join(", "))
        }
    };
    Problem::error(Step::Meaning, span, format!("there is no pool `{name}`"), hint)
}

fn matcher(section: &Section<'_>, problems: &mut Vec<Problem>) -> Matcher {
    let path = section.text_if("path").map(PathPattern::Exact);
    let path = path.or_else(|| section.text_if("path_prefix").map(PathPattern::Prefix));
    let path = path.or_else(|| section.regex("path_regex").map(PathPattern::Regex));
    let fields = section.named("headers").into_iter().filter_map(|(entry, field)| {
        let value = field.text_if("value").map(ValueMatch::Is);
        let value = value.or_else(|| field.regex("regex").map(ValueMatch::Regex));
        let value = value.or_else(|| field.bool_if("present").map(|_| ValueMatch::Present))?;
        if field.bool_if("present") == Some(false) {
            let cause = format!("a route cannot ask that `{}` is missing", entry.key);
            let hint = "give the requests that have it a route of their own, with `present: true`";
            problems.push(Problem::error(Step::Meaning, field.place("present"), cause, hint));
        }
        Some(FieldMatch { name: entry.key.clone(), value })
    });
    let headers = fields.collect();
    let query = section.pairs("query").into_iter();
    Matcher {
        hosts: section.hosts("host"),
        path: path.unwrap_or_default(),
        methods: section.texts("methods"),
        headers,
        query: query.map(|(name, value)| QueryMatch { name, value }).collect(),
        clients: section.networks("clients"),
    }
}

/// Gives routes without a name one, of host and path, and finds names that two have.
fn name(placed: &mut [Placed], problems: &mut Vec<Problem>) {
    let mut known: HashMap<String, Span> = HashMap::new();
    for placed in placed.iter().filter(|placed| placed.is_named) {
        if let Some(first) = known.insert(placed.route.name.clone(), placed.span) {
            let cause = format!("two routes are called `{}`", placed.route.name);
            let problem = Problem::error(
                Step::Meaning,
                placed.span,
                cause,
                "rename one of the two, or remove the name",
            );
            problems.push(problem.beside(first, "first here"));
        }
    }
    for placed in placed.iter_mut().filter(|placed| !placed.is_named) {
        let matcher = &placed.route.matcher;
        let host = matcher.hosts.first().map(ToString::to_string).unwrap_or_default();
        let name = match &matcher.path {
            PathPattern::Any if host.is_empty() => "*".to_owned(),
            PathPattern::Any => host,
            PathPattern::Exact(path) => format!("{host}{path}"),
            PathPattern::Prefix(path) => format!("{host}{}/*", path.trim_end_matches('/')),
            PathPattern::Regex(regex) => format!("{host}~{regex}"),
        };
        let mut unique = name.clone();
        let mut count = 1;
        while known.contains_key(&unique) {
            count += 1;
            unique = format!("{name}#{count}");
        }
        known.insert(unique.clone(), placed.span);
        placed.route.name = unique;
    }
}
