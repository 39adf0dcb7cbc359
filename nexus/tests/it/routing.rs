//! Stories of routes: who answers what, and what is changed on the way.

use std::sync::Arc;
use std::time::Duration;

use nexus::retry::{Causes, Policy};
use nexus::route::{
    Action, By, Fixed, HeaderRules, HostPattern, Interval, Matcher, Mirror, Modifiers, PathPattern,
    PoolId, RateLimit, Redirect, Rewrite, Route, Split, Table, Template,
};
use nexus::settings::PoolSettings;

use crate::world::{
    Backend, Client, Next, PATIENCE, field, lines, pool, settings, shown, start, status, until,
};

fn to(pool: u16) -> Action {
    Action::Pool(PoolId(pool))
}

fn route(path: &str, action: Action) -> Route {
    let path = if path == "/" { PathPattern::Any } else { PathPattern::Prefix(path.to_owned()) };
    let matcher = Matcher { path, ..Matcher::default() };
    Route { name: "test".to_owned(), matcher, action, modifiers: Modifiers::default() }
}

/// Starts a Nexus with a pool for each backend.
fn with_routes(backends: &[&Backend], routes: Vec<Route>) -> nexus::app::Nexus {
    let pools = backends.iter().zip(0..).map(|(backend, at)| PoolSettings {
        name: format!("pool{at}"),
        ..pool(&[backend.address])
    });
    let mut settings = settings(&[]);
    settings.pools = pools.collect();
    settings.routes = Some(Arc::new(Table::build(routes).unwrap()));
    start(settings)
}

#[test]
fn the_most_specific_route_answers() {
    let (site, api) = (Backend::named("site"), Backend::named("api"));
    let mut shop = route("/", to(1));
    shop.matcher.hosts = vec![HostPattern::parse("*.shop.test").unwrap()];
    let nexus = with_routes(&[&site, &api], vec![route("/", to(0)), route("/api", to(1)), shop]);
    let mut client = Client::connect(&nexus);
    assert_eq!(
        (client.get("/"), client.get("/api/x"), client.get("/apis")),
        ("site".into(), "api".into(), "site".into())
    );
    let (_, body) = client.ask(&lines("GET / HTTP/1.1|Host: a.SHOP.test:8000||"));
    assert_eq!(body, b"api");
}

#[test]
fn a_request_that_no_route_matches_is_404_and_the_connection_goes_on() {
    let backend = Backend::named("ok");
    let nexus = with_routes(&[&backend], vec![route("/api", to(0))]);
    let mut client = Client::connect(&nexus);
    let (head, _) = client.ask(&lines("GET /other HTTP/1.1|Host: a||"));
    assert_eq!((status(&head), field(&head, "X-Nexus-Error")), (404, Some("no_route")));
    assert_eq!(client.get("/api"), "ok");
}

#[test]
fn a_route_changes_target_and_fields_both_ways() {
    let answer = lines("HTTP/1.1 200 OK|Content-Length: 2|X-Secret: s|Server: b||ok");
    let backend = Backend::answering(&answer, || Next::Continue);
    let mut changed = route("/api", to(0));
    let text = |pair: (&str, &str)| (pair.0.to_owned(), pair.1.to_owned());
    changed.modifiers.rewrite = Some(Rewrite {
        strip_prefix: Some("/api".to_owned()),
        add_prefix: Some("/v2".to_owned()),
        ..Rewrite::default()
    });
    changed.modifiers.request_headers = HeaderRules {
        remove: vec!["cookie".to_owned()],
        set: vec![
            text(("X-Team", "blue")),
            text(("Host", "inner")),
            text(("X-Forwarded-Proto", "https")),
        ],
        add: vec![text(("X-Tag", "b"))],
    };
    changed.modifiers.response_headers = HeaderRules {
        remove: vec!["X-Secret".to_owned(), "x-backend-server".to_owned()],
        set: vec![text(("Server", "nexus"))],
        add: vec![],
    };
    let nexus = with_routes(&[&backend], vec![changed]);
    let mut client = Client::connect(&nexus);
    let request = "GET /api/users?q=1 HTTP/1.1|Host: a|Cookie: c|X-Team: red|X-Tag: a||";
    let (head, _) = client.ask(&lines(request));
    let seen = &backend.seen()[0];
    for line in
        ["GET /v2/users?q=1 HTTP/1.1", "Host: inner", "X-Team: blue", "X-Tag: a", "X-Tag: b"]
    {
        assert!(seen.has_line(line), "{line} is not in {}", seen.head);
    }
    assert!(!seen.head.contains("Proto: http\r\n"), "{}", seen.head);
    assert!(!seen.head.contains("Cookie") && !seen.head.contains("red"), "{}", seen.head);
    assert_eq!((field(&head, "Server"), field(&head, "X-Secret")), (Some("nexus"), None), "{head}");
    assert_eq!(
        (field(&head, "X-Backend-Server"), field(&head, "X-Forwarded-By")),
        (None, Some("Nexus"))
    );
}

#[test]
fn redirects_and_fixed_answers_need_no_backend() {
    let redirect = Redirect {
        scheme: Some("https".to_owned()),
        host: Some(Template::parse("www.{host}").unwrap()),
        path: None,
        status: 308,
    };
    let fixed =
        Fixed { status: 410, body: b"gone".to_vec(), content_type: "text/plain".to_owned() };
    let nexus = with_routes(
        &[],
        vec![route("/", Action::Redirect(redirect)), route("/old", Action::Respond(fixed))],
    );
    let mut client = Client::connect(&nexus);
    let (head, _) = client.ask(&lines("GET /a?b HTTP/1.1|Host: x.test||"));
    assert_eq!((status(&head), field(&head, "Location")), (308, Some("https://www.x.test/a?b")));
    let (head, body) = client.ask(&lines("GET /old HTTP/1.1|Host: x.test||"));
    assert_eq!((status(&head), body), (410, b"gone".to_vec()));
    client.send(&lines("HEAD /old HTTP/1.1|Host: x.test||"));
    assert_eq!(field(&client.reader.head().unwrap(), "Content-Length"), Some("4"));
    let (head, _) = client.ask(&lines("GET /a HTTP/1.1|Host: x.test||"));
    assert_eq!(status(&head), 308, "no body came after the HEAD");
}

#[test]
fn a_split_shares_by_weight_and_can_keep_a_client() {
    let (old, new) = (Backend::named("old"), Backend::named("new"));
    let shares = [(PoolId(0), 3), (PoolId(1), 1)];
    let by_chance = route("/", Action::Split(Split::new(shares, false).unwrap()));
    let by_client = route("/stay", Action::Split(Split::new(shares, true).unwrap()));
    let nexus = with_routes(&[&old, &new], vec![by_chance, by_client]);
    let mut client = Client::connect(&nexus);
    (0..1_000).for_each(|_| drop(client.get("/")));
    let share = new.count();
    // Four standard deviations around 250.
    assert!((195..=305).contains(&share), "{share} of 1,000 is not a quarter");
    let first = client.get("/stay");
    assert!((0..50).all(|_| client.get("/stay") == first));
}

#[test]
fn a_route_has_its_own_limits() {
    let backend = Backend::named("ok");
    let mut small = route("/small", to(0));
    small.modifiers.body_bytes_max = Some(10);
    let nexus = with_routes(&[&backend], vec![small]);
    let ask = |request: &str| status(&Client::connect(&nexus).ask(&lines(request)).0);
    assert_eq!(ask("POST /small HTTP/1.1|Host: a|Content-Length: 10||0123456789"), 200);
    assert_eq!(ask("POST /small HTTP/1.1|Host: a|Content-Length: 11||01234567890"), 413);
    assert_eq!(
        ask("POST /small HTTP/1.1|Host: a|Transfer-Encoding: chunked||b|01234567890|0||"),
        413
    );
    assert_eq!(backend.count(), 1);
}

#[test]
fn a_route_has_its_own_patience() {
    let (slow, fast) = (
        Backend::new(|stream, _| {
            let _ = std::io::Read::read(stream, &mut [0; 1]);
            Next::Close
        }),
        Backend::named("ok"),
    );
    let mut impatient = route("/", to(0));
    impatient.modifiers.timeouts.response = Some(Duration::from_millis(200));
    impatient.modifiers.retry = Some(Policy {
        attempts_max: 2,
        on: Causes { response_timeout: true, ..Causes::default() },
        ..Policy::default()
    });
    let mut settings = settings(&[slow.address, fast.address]);
    settings.routes = Some(Arc::new(Table::build(vec![impatient]).unwrap()));
    let nexus = start(settings);
    let mut client = Client::connect(&nexus);
    assert_eq!((client.get("/"), client.get("/")), ("ok".to_owned(), "ok".to_owned()));
}

/// A Nexus with a rate limit below `/login`, and none elsewhere.
fn limited(backend: &Backend, limit: &RateLimit) -> nexus::app::Nexus {
    let mut login = route("/login", to(0));
    login.name = "login".to_owned();
    login.modifiers.rate_limit = Some(limit.clone());
    with_routes(&[backend], vec![route("/", to(0)), login])
}

fn per_hour(count: u32, by: By) -> RateLimit {
    let interval = Interval { count, period: Duration::from_secs(3600) };
    RateLimit { interval, burst: count, by }
}

#[test]
fn more_requests_than_may_pass_are_told_when_to_come_again() {
    let backend = Backend::named("ok");
    let nexus = limited(&backend, &per_hour(2, By::Client));
    let mut client = Client::connect(&nexus);
    assert_eq!((client.get("/login"), client.get("/login")), ("ok".into(), "ok".into()));
    let (head, body) = client.ask(&lines("GET /login HTTP/1.1|Host: a||"));
    assert_eq!((status(&head), field(&head, "X-Nexus-Error")), (429, Some("rate_limited")));
    let wait: u64 = field(&head, "Retry-After").unwrap().parse().unwrap();
    assert!((1790..=1800).contains(&wait), "{wait}");
    assert!(String::from_utf8_lossy(&body).contains("too many requests"));
    assert_eq!(client.get("/"), "ok", "the connection goes on, and elsewhere there is no limit");
    assert_eq!(backend.seen().len(), 3, "what does not pass reaches nobody");
}

#[test]
fn whoever_shows_a_key_is_counted_by_it() {
    let backend = Backend::named("ok");
    let nexus = limited(&backend, &per_hour(1, By::Header("X-Api-Key".to_owned())));
    let mut client = Client::connect(&nexus);
    let mut with = |key: &str| {
        let (head, _) = client.ask(&lines(&format!("GET /login HTTP/1.1|Host: a|{key}|")));
        status(&head)
    };
    assert_eq!(
        [with("x-api-key: a|"), with("X-Api-Key: a|"), with("X-Api-Key: b|")],
        [200, 429, 200]
    );
    assert_eq!([with(""), with("")], [200, 429], "without one it is by client");
}

#[test]
fn a_limit_is_one_for_all_workers_and_survives_a_reload_that_leaves_it() {
    let backend = Backend::named("ok");
    let nexus = limited(&backend, &per_hour(3, By::Route));
    let passed = || status(&Client::connect(&nexus).ask(&lines("GET /login HTTP/1.1|Host: a||")).0);
    assert_eq!([passed(), passed()], [200, 200]);
    let mut settings = nexus.snapshot().settings.clone();
    settings.timeouts.idle = Duration::from_secs(7);
    nexus.reload(settings.clone()).unwrap();
    assert_eq!([passed(), passed()], [200, 429], "what was used is used");

    let mut routes = settings.routes.unwrap().routes().to_vec();
    for route in &mut routes {
        let limit = route.modifiers.rate_limit.as_mut();
        limit.into_iter().for_each(|limit| limit.burst = 4);
    }
    settings.routes = Some(Arc::new(Table::build(routes).unwrap()));
    nexus.reload(settings).unwrap();
    assert_eq!(passed(), 200, "a limit that changed begins anew");
}

#[test]
fn a_mirror_sees_what_was_asked_and_the_client_sees_none_of_it() {
    let (site, copies) = (Backend::named("site"), Backend::named("copy"));
    let mut mirrored = route("/", to(0));
    mirrored.modifiers.mirror = Some(Mirror { pool: PoolId(1), percent: 100 });
    mirrored.modifiers.rewrite =
        Some(Rewrite { strip_prefix: Some("/api".to_owned()), replace: None, add_prefix: None });
    mirrored.modifiers.request_headers.set = vec![("X-Site".to_owned(), "main".to_owned())];
    let nexus = with_routes(&[&site, &copies], vec![mirrored]);
    let mut client = Client::connect(&nexus);
    assert_eq!(client.get("/api/a"), "site");
    let post = "POST /api/b HTTP/1.1|Host: a|Transfer-Encoding: chunked||2|hi|3|you|0||";
    assert_eq!(client.ask(&lines(post)).1, b"site");
    let put = "PUT /c HTTP/1.1|Host: a|Content-Length: 3||abc";
    assert_eq!(client.ask(&lines(put)).1, b"site");
    until("all copies have come", || copies.seen().len() == 3);
    let mut seen = copies.seen();
    seen.sort_by_key(|seen| seen.head.clone());
    let (get, post, put) = (&seen[0], &seen[1], &seen[2]);
    assert!(get.head.starts_with("GET /a HTTP/1.1\r\n"), "{}", get.head);
    assert!(
        seen.iter().all(|seen| seen.has_line("X-Site: main") && seen.has_line("Connection: close"))
    );
    assert_eq!(shown(&post.body), "5|hiyou|0||");
    assert_eq!((put.has_line("Content-Length: 3"), put.body.as_slice()), (true, &b"abc"[..]));
    assert_eq!(site.seen().len(), 3, "the original is asked once");
}

#[test]
fn a_mirror_that_is_dead_or_silent_costs_the_client_nothing() {
    let site = Backend::named("site");
    let (silent, asked) = Backend::waiting();
    let dead = Backend::named("dead");
    let (dead_pool, silent_pool) = (PoolId(1), PoolId(2));
    let mirrored = |path: &str, pool| {
        let mut route = route(path, to(0));
        route.name = path.to_owned();
        route.modifiers.mirror = Some(Mirror { pool, percent: 100 });
        route
    };
    let routes = vec![mirrored("/dead", dead_pool), mirrored("/silent", silent_pool)];
    let nexus = with_routes(&[&site, &dead, &silent], routes);
    drop(dead);
    let mut client = Client::connect(&nexus);
    for _ in 0..20 {
        assert_eq!((client.get("/dead"), client.get("/silent")), ("site".into(), "site".into()));
    }
    asked.recv_timeout(PATIENCE).expect("the silent one was asked");
}

#[test]
fn what_was_not_kept_whole_is_not_copied() {
    let (site, copies) = (Backend::named("site"), Backend::named("copy"));
    let mut mirrored = route("/", to(0));
    mirrored.modifiers.mirror = Some(Mirror { pool: PoolId(1), percent: 100 });
    let nexus = with_routes(&[&site, &copies], vec![mirrored]);
    let mut client = Client::connect(&nexus);
    let mut large = lines("PUT /large HTTP/1.1|Host: a|Content-Length: 200000||");
    large.extend([b'x'; 200_000]);
    assert_eq!(client.ask(&large).1, b"site");
    assert_eq!(client.get("/small"), "site");
    until("the small one has come", || !copies.seen().is_empty());
    assert!(copies.seen().iter().all(|seen| seen.head.starts_with("GET /small ")));
}
