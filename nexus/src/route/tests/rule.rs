//! The rule as it is stated against what is found and what is explained.

use proptest::prelude::*;
use proptest::sample::select;

use super::{asked_with, route};
use crate::route::*;

/// Routes that meet often.
fn any_route() -> impl Strategy<Value = String> {
    let hosts = select(vec!["-", "a.b", "*.b", "*.a.b", "a.b,*.c", "b", "*.b,-.c"]);
    let paths = select(vec![
        "-",
        "/",
        "/x",
        "/x/",
        "/x/y",
        "/x//",
        "=/",
        "=/x",
        "=/x/",
        "=/x/y",
        "~^/x",
        "~y$",
        "~^/x/y",
        "~^/[xy]/",
        "~^/x/y/[0-9]+$",
        "~",
        "~^/x/",
    ]);
    let conditions = select(vec![
        "",
        " GET",
        " PUT",
        " A:1",
        " A:*",
        " A:1 GET",
        " ?q=1",
        " @10.0.0.0/8",
        " A:~^1 PUT",
        " ?q=1 A:1 GET",
    ]);
    (hosts, paths, conditions).prop_map(|(host, path, more)| format!("{host} {path}{more}"))
}

fn any_request() -> impl Strategy<Value = (&'static str, String, Vec<(&'static str, &'static str)>)>
{
    let hosts = select(vec!["a.b", "A.B:80", "x.a.b.", "x.y.b", "b", "c", "x.c", "", ".b", "..b"]);
    let paths = select(vec![
        "/", "/x", "/x/", "/x/y", "/x/y/7", "/x//", "/xy", "/y/", "*", "/z/y", "/x/y/z",
    ]);
    let queries = select(vec!["", "?q=1", "?q=2", "?"]);
    let fields = select(vec![vec![], vec![("a", "1")], vec![("A", "2")], vec![("b", "1")]]);
    let methods = select(vec!["GET", "PUT", "POST"]);
    (methods, hosts, paths, queries, fields).prop_map(|(method, host, path, query, fields)| {
        let query = if path == "*" { "" } else { query };
        (method, format!("{host}{path}{query}"), fields)
    })
}

/// Builds a table of as many of `routes` as do not tie.
fn without_ties(routes: &[String]) -> Vec<Route> {
    let mut routes: Vec<Route> = routes.iter().map(|text| route(text)).collect();
    while let Err(ties) = Table::build(routes.clone()) {
        routes.remove(ties[0].second.at);
    }
    routes
}

/// The rule as it is stated: of all that match, the greatest.
fn stated<'a>(routes: &'a [Route], facts: &Facts<'_>) -> Option<&'a str> {
    let rank = |route: &'a Route| {
        let matcher = &route.matcher;
        let host = match matcher.hosts.is_empty() {
            true => 0,
            false => {
                let for_it = matcher.hosts.iter().filter(|host| host.matches(facts.host_name()));
                for_it
                    .map(|host| match host {
                        HostPattern::Exact(_) => usize::MAX,
                        HostPattern::Wildcard(name) => name.len(),
                    })
                    .max()?
            }
        };
        if !matcher.path.matches(facts.path()) || matcher.conditions_hold(facts).is_err() {
            return None;
        }
        let path = match &matcher.path {
            PathPattern::Any => 0,
            PathPattern::Prefix(prefix) => 1 + prefix.strip_suffix('/').unwrap_or(prefix).len(),
            PathPattern::Regex(_) => 1000,
            PathPattern::Exact(_) => 1001,
        };
        Some(((host, path, matcher.conditions()), route.name.as_str()))
    };
    let ranked: Vec<_> = routes.iter().filter_map(rank).collect();
    let best = ranked.iter().max_by_key(|(rank, _)| *rank)?;
    let equals = ranked.iter().filter(|(rank, _)| *rank == best.0).count();
    assert_eq!(equals, 1, "the check lets no tie pass: {ranked:?}");
    Some(best.1)
}

proptest! {
    #[test]
    fn what_is_found_is_what_the_rule_says_and_what_is_explained(
        routes in prop::collection::vec(any_route(), 0..12),
        requests in prop::collection::vec(any_request(), 20),
        turn in 0..12usize,
    ) {
        let mut routes = without_ties(&routes);
        let table = Table::build(routes.clone()).unwrap();
        let turn = turn % routes.len().max(1);
        routes.rotate_left(turn);
        routes.reverse();
        let turned = Table::build(routes.clone()).unwrap();
        for (method, url, fields) in requests {
            asked_with(method, &url, &fields, |facts| {
                let expected = stated(&routes, facts);
                let found = |table: &Table| table.find(facts).map(|route| route.name.clone());
                assert_eq!(found(&table).as_deref(), expected, "{method} {url}");
                assert_eq!(found(&turned).as_deref(), expected, "{method} {url}");
                let explained = table.explain(facts);
                let taken = explained.iter().find(|one| one.verdict == Verdict::Taken);
                assert_eq!(taken.map(|one| one.route.name.as_str()), expected);
                assert_eq!(explained.len(), routes.len());
                let never = table.warnings().iter().filter_map(|warning| match warning {
                    Warning::Unreachable { route, .. } => Some(route.name.as_str()),
                    Warning::Undecided { .. } => None,
                });
                for name in never {
                    assert_ne!(Some(name), expected, "{name} was called unreachable");
                }
            });
        }
    }
}
