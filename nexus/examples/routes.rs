//! What finding a route costs, by how many there are: time per request, to build, and memory.
//!
//! `cargo run --release -p nexus --example routes`. The same ten requests are asked in turn, as of
//! a site that most requests are for, and then a request for every route, in no order, which is
//! the worst that a cache can meet.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use nexus::route::{
    Action, Facts, HostPattern, Matcher, Modifiers, PathPattern, PoolId, Route, Table,
};
use regex::bytes::Regex;

/// How long each figure is measured for, at least, over all runs.
const MEASURED: Duration = Duration::from_millis(400);
/// Of each figure the best run counts: what else runs can only make it worse.
const RUNS: usize = 20;

/// A kind of site: its name, the route of a number, and host and path of a request for it.
type Shape = (&'static str, fn(usize) -> (HostPattern, PathPattern), fn(usize) -> (String, String));

const SHAPES: [Shape; 4] = [
    ("hosts", host_route, host_request),
    ("prefixes", prefix_route, prefix_request),
    ("wildcards", wildcard_route, wildcard_request),
    ("expressions", expression_route, expression_request),
];

fn host_route(n: usize) -> (HostPattern, PathPattern) {
    (HostPattern::Exact(format!("shop-{n}.example.com")), PathPattern::Prefix("/".into()))
}

fn host_request(n: usize) -> (String, String) {
    (format!("shop-{n}.example.com:8000"), "/catalogue/books/17?page=2".into())
}

fn prefix_route(n: usize) -> (HostPattern, PathPattern) {
    let path = format!("/api/team-{}/service-{n}", n % 97);
    (HostPattern::Exact("www.example.com".into()), PathPattern::Prefix(path))
}

fn prefix_request(n: usize) -> (String, String) {
    ("www.example.com".into(), format!("/api/team-{}/service-{n}/items/17?page=2", n % 97))
}

fn wildcard_route(n: usize) -> (HostPattern, PathPattern) {
    let path = PathPattern::Exact(format!("/hook/{n}"));
    (HostPattern::Wildcard(format!("tenant-{n}.example.com")), path)
}

fn wildcard_request(n: usize) -> (String, String) {
    (format!("eu.tenant-{n}.example.com"), format!("/hook/{n}"))
}

fn expression_route(n: usize) -> (HostPattern, PathPattern) {
    let regex = Regex::new(&format!("^/v{n}/users/[0-9]+$")).expect("the expression is one");
    (HostPattern::Exact("www.example.com".into()), PathPattern::Regex(regex))
}

fn expression_request(n: usize) -> (String, String) {
    ("www.example.com".into(), format!("/v{n}/users/1234"))
}

fn main() {
    println!("{:<12} {:>7}  {:>9} {:>9}  {:>9} {:>9}", "", "", "ten", "all", "build", "memory");
    for shape in SHAPES {
        for count in [10, 100, 1_000, 10_000] {
            measure(shape, count);
        }
    }
}

fn measure((name, pattern, request): Shape, count: usize) {
    let routes = (0..count).map(|n| {
        let (host, path) = pattern(n);
        Route {
            name: format!("{name}-{n}"),
            matcher: Matcher { hosts: vec![host], path, ..Matcher::default() },
            action: Action::Pool(PoolId(0)),
            modifiers: Modifiers::default(),
        }
    });
    let routes: Vec<Route> = routes.collect();
    let began = Instant::now();
    let table = Table::build(routes).expect("no two routes tie");
    let built = began.elapsed();
    // A step that has no factor in common with the count meets every route, far from the last.
    let ten: Vec<_> = (0..10).map(|n| request((n * 7919) % count)).collect();
    let all: Vec<_> = (0..count).map(|n| request((n * 7919) % count)).collect();
    println!(
        "{name:<12} {count:>7}  {:>6.1} ns {:>6.1} ns  {:>6.1} ms {:>5} KiB",
        nanoseconds(&table, &ten),
        nanoseconds(&table, &all),
        built.as_secs_f64() * 1e3,
        table.bytes() / 1024,
    );
}

/// Returns how long one request takes, on average.
fn nanoseconds(table: &Table, requests: &[(String, String)]) -> f64 {
    let fields: Vec<(&str, &str)> = Vec::new();
    let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let facts = requests.iter().map(|(host, target)| Facts {
        host: host.as_bytes(),
        target: target.as_bytes(),
        method: b"GET",
        fields: &fields,
        client,
    });
    let facts: Vec<Facts<'_>> = facts.collect();
    let run = || {
        let (began, mut asked) = (Instant::now(), 0);
        while began.elapsed() < MEASURED / RUNS as u32 {
            for _ in 0..(1 + 1000 / facts.len()) {
                for facts in &facts {
                    assert!(black_box(table.find(black_box(facts))).is_some());
                }
                asked += facts.len();
            }
        }
        began.elapsed().as_secs_f64() * 1e9 / asked as f64
    };
    (0..RUNS).map(|_| run()).fold(f64::INFINITY, f64::min)
}
