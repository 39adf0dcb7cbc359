use std::net::IpAddr;

use regex::bytes::Regex;

use super::*;

mod rule;

/// Asks about a request for `host/path?query` without fields.
pub(super) fn asked<R>(method: &str, url: &str, ask: impl FnOnce(&Facts<'_>) -> R) -> R {
    asked_with(method, url, &[], ask)
}

fn asked_with<R>(
    method: &str,
    url: &str,
    fields: &[(&str, &str)],
    ask: impl FnOnce(&Facts<'_>) -> R,
) -> R {
    let (host, target) = url.split_at(url.find(['/', '*']).unwrap());
    let client = IpAddr::from([10, 0, 0, 1]);
    let fields = fields.to_vec();
    ask(&Facts {
        host: host.as_bytes(),
        target: target.as_bytes(),
        method: method.as_bytes(),
        fields: &fields,
        client,
    })
}

/// Reads a route: hosts, then a path (`=` exact, `~` expression, `-` any), then conditions
/// (`GET,PUT`, `Name:value`, `Name:*`, `Name:~expression`, `?name=value`, `@network`).
fn route(text: &str) -> Route {
    let mut words = text.split(' ');
    let hosts = words.next().unwrap();
    let hosts = if hosts == "-" { Vec::new() } else { hosts.split(',').collect() };
    let path = words.next().unwrap();
    let mut matcher = Matcher {
        hosts: hosts.into_iter().map(|host| HostPattern::parse(host).unwrap()).collect(),
        path: match path.split_at(1) {
            ("-", _) => PathPattern::Any,
            ("=", path) => PathPattern::Exact(path.to_owned()),
            ("~", pattern) => PathPattern::Regex(Regex::new(pattern).unwrap()),
            _ => PathPattern::Prefix(path.to_owned()),
        },
        ..Matcher::default()
    };
    for word in words {
        if let Some(net) = word.strip_prefix('@') {
            matcher.clients.push(net.parse().unwrap());
        } else if let Some((name, value)) = word.strip_prefix('?').and_then(|w| w.split_once('=')) {
            matcher.query.push(QueryMatch { name: name.to_owned(), value: value.to_owned() });
        } else if let Some((name, value)) = word.split_once(':') {
            let value = match (value, value.strip_prefix('~')) {
                ("*", _) => ValueMatch::Present,
                (_, Some(pattern)) => ValueMatch::Regex(Regex::new(pattern).unwrap()),
                _ => ValueMatch::Is(value.to_owned()),
            };
            matcher.headers.push(FieldMatch { name: name.to_owned(), value });
        } else {
            matcher.methods = word.split(',').map(str::to_owned).collect();
        }
    }
    let action = Action::Pool(PoolId(0));
    Route { name: text.to_owned(), matcher, action, modifiers: Modifiers::default() }
}

fn table(routes: &[&str]) -> Table {
    Table::build(routes.iter().map(|text| route(text)).collect()).unwrap()
}

#[track_caller]
fn check(routes: &[&str], asked_and_expected: &[(&str, &str)]) {
    let table = table(routes);
    for (url, expected) in asked_and_expected {
        let found = asked("GET", url, |facts| table.find(facts).map(|route| route.name.clone()));
        assert_eq!(found.as_deref().unwrap_or_default(), *expected, "{url}");
    }
}

#[test]
fn the_more_specific_host_is_taken() {
    check(
        &["a.b.c /", "*.b.c /", "*.c /x", "- /"],
        &[
            ("a.b.c/", "a.b.c /"),
            ("A.B.C.:8000/", "a.b.c /"),
            ("x.y.b.c/", "*.b.c /"),
            ("b.c/x", "*.c /x"),
            ("b.c/y", "- /"),
            ("c/", "- /"),
            (".c/x", "- /"),
            ("/", "- /"),
        ],
    );
    check(&["[::1] /", "*.b /"], &[("[::1]:80/", "[::1] /"), ("[::2]:80/", ""), ("/", "")]);
}

#[test]
fn a_wildcard_without_a_route_for_the_path_leaves_it_to_a_shorter_one() {
    check(&["*.b.c /x", "*.c /"], &[("a.b.c/x", "*.b.c /x"), ("a.b.c/y", "*.c /")]);
}

#[test]
fn the_more_specific_path_is_taken() {
    check(
        &["- =/a/b", "- ~^/a/[bc]$", "- /a", "- /a/b/", "- -"],
        &[
            ("h/a/b", "- =/a/b"),
            ("h/a/b?x=/a/c", "- =/a/b"),
            ("h/a/c", "- ~^/a/[bc]$"),
            ("h/a/b/", "- /a/b/"),
            ("h/a/bc", "- /a"),
            ("h/a/", "- /a"),
            ("h/ab", "- -"),
            ("h/A", "- -"),
            ("h/%61", "- -"),
            ("h/x/../a", "- -"),
            ("h*", "- -"),
        ],
    );
}

#[test]
fn of_expressions_the_one_with_more_conditions_is_taken_wherever_it_hangs() {
    check(
        &["- ~^/a/b/ @10.0.0.0/8", "- ~x GET @10.0.0.0/8", "- ~^/a"],
        &[("h/a/b/x", "- ~x GET @10.0.0.0/8"), ("h/a/b/", "- ~^/a/b/ @10.0.0.0/8")],
    );
    check(&["- ~^/a/b/ GET", "- ~x @11.0.0.0/8 GET", "- ~^/a"], &[("h/a/b/x", "- ~^/a/b/ GET")]);
}

#[test]
fn conditions_must_all_hold_and_the_first_line_and_pair_count() {
    let table = table(&["- /p A:1 ?x=1 POST", "- /q ?x=", "- /b B:*", "- /c C:~^v[0-9]"]);
    let find = |method: &str, url: &str, fields: &[(&str, &str)]| {
        let name = |facts: &Facts<'_>| table.find(facts).map(|route| route.name.clone());
        asked_with(method, url, fields, name).unwrap_or_default()
    };
    assert_eq!(find("POST", "h/p?y&x=1", &[("a", "1")]), "- /p A:1 ?x=1 POST");
    assert_eq!(find("POST", "h/p?x=2&x=1", &[("a", "1")]), "");
    assert_eq!(find("POST", "h/p?x=1", &[("a", "2"), ("a", "1")]), "");
    assert_eq!(find("post", "h/p?x=1", &[("a", "1")]), "");
    assert_eq!(find("GET", "h/q?xx=1&x", &[]), "- /q ?x=");
    assert_eq!(find("GET", "h/b", &[("b", "")]), "- /b B:*");
    assert_eq!(find("GET", "h/c", &[("c", "v1.2")]), "- /c C:~^v[0-9]");
    assert_eq!(find("GET", "h/c", &[("c", "1.2")]), "");
}

#[track_caller]
fn ties(routes: &[&str], expected: &[&str]) {
    let built = Table::build(routes.iter().map(|text| route(text)).collect());
    let ties = built.err().unwrap_or_default();
    let found: Vec<_> =
        ties.iter().map(|tie| format!("{}+{} {}", tie.first.at, tie.second.at, tie.path)).collect();
    assert_eq!(found, expected);
}

#[test]
fn routes_that_tie_are_named_with_a_path_that_both_are_for() {
    ties(&["a,b /x", "b,c /x/"], &["0+1 /x"]);
    ties(&["a /x", "b /x", "*.b /x"], &[]);
    ties(&["- -", "- - GET", "- -"], &["0+2 /"]);
    ties(&["- /x GET,PUT", "- /x PUT,POST", "- /x POST"], &["0+1 /x", "1+2 /x"]);
    ties(&["- /x A:1", "- /x a:2", "- /x A:~^3", "- /x A:~^[12]$"], &["0+3 /x", "1+3 /x"]);
    ties(&["- /x A:~^a", "- /x A:~^b", "- /x B:*"], &["0+2 /x", "1+2 /x"]);
    ties(&["- /x @10.0.0.0/8", "- /x @10.1.0.0/16", "- /x @::/0"], &["0+1 /x"]);
    ties(&["- /x ?a=1", "- /x ?a=2", "- /x ?b=1"], &["0+2 /x", "1+2 /x"]);
    ties(&[r"- ~^/u/\d+$", "- ~^/u/[^/]+$", "- ~^/u/[a-z]+$ GET"], &["0+1 /u/0"]);
    ties(&["- ~html$", "- ~^/docs/", "- ~^/data/x$"], &["0+1 /docs/html"]);
}

#[test]
fn a_tie_says_it_in_a_sentence() {
    let built = Table::build(vec![route("*.a /x"), route("*.a /x/")]);
    let said = built.err().unwrap()[0].to_string();
    assert_eq!(said, "routes `*.a /x` and `*.a /x/` are equally specific and both match /x on *.a");
}

#[track_caller]
fn unreachable(routes: &[&str], expected: &[&str]) {
    let table = table(routes);
    let told = table.warnings().iter().map(|warning| match warning {
        Warning::Unreachable { route, by } => format!("{} by {}", route.at, by.at),
        Warning::Undecided { .. } => warning.to_string(),
    });
    assert_eq!(told.collect::<Vec<_>>(), expected);
}

#[test]
fn a_route_that_never_gets_a_request_is_named() {
    unreachable(&["- -", "- /"], &["0 by 1"]);
    unreachable(&["- - GET", "- /"], &["0 by 1"]);
    unreachable(&["- -", "- / GET"], &[]);
    unreachable(&["a,b -", "a /"], &[]);
    unreachable(&["a,b -", "a,b,c /"], &["0 by 1"]);
    unreachable(&["- /api", "- ~^/api", "- /apix"], &["0 by 1", "2 by 1"]);
    unreachable(&["- /api", "- ~^/api/", "- /api/v1"], &["2 by 1"]);
    unreachable(&["- /api GET", "- ~^/ GET,PUT"], &["0 by 1"]);
    unreachable(&["- /api", "- ~^/ GET"], &[]);
    unreachable(&["- =/a A:1", "- =/a A:* a:~[0-9]"], &["0 by 1"]);
}

#[test]
fn every_route_says_why_it_is_not_taken() {
    let table = table(&["a /x", "a =/x PUT", "- / A:1", "a / ?q=1 @11.0.0.0/8", "b /", "a /"]);
    let said = asked("GET", "a/x?q=1", |facts| {
        let all = table.explain(facts).into_iter();
        all.map(|one| format!("{} | {one}", one.route.name)).collect::<Vec<_>>()
    });
    let expected = [
        "a =/x PUT | is for method PUT",
        "a /x | is taken",
        "a / ?q=1 @11.0.0.0/8 | is for clients in 11.0.0.0/8",
        "b / | is for host b",
        "a / | matches, but is less specific",
        "- / A:1 | needs header A: 1",
    ];
    assert_eq!(said, expected);
}

#[test]
fn a_pattern_that_no_request_can_fit_is_refused() {
    let host = |text: &str| HostPattern::parse(text).map(|host| host.to_string());
    assert_eq!(host("*.Example.COM."), Ok("*.example.com".into()));
    assert_eq!(host("[::1]"), Ok("[::1]".into()));
    assert_eq!(host("a.b:80"), Err(BadPattern::HostPort));
    assert_eq!(host("a.*.b"), Err(BadPattern::HostStar));
    assert_eq!(host("*"), Err(BadPattern::HostStar));
    assert_eq!(host("a..b"), Err(BadPattern::Host));
    assert_eq!(host(""), Err(BadPattern::Host));
    assert_eq!(host("bücher.de"), Err(BadPattern::HostByte));
    assert_eq!(PathPattern::check("a"), Err(BadPattern::PathStart));
    assert_eq!(PathPattern::check("/a?b"), Err(BadPattern::PathByte));
    assert_eq!(PathPattern::check("/a/%20"), Ok(()));
}
