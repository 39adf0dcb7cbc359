//! Stories of patience: whoever a timeout is said for has it, and others do not.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nexus::route::{Action, Matcher, Modifiers, PathPattern, PoolId, Route, RouteTimeouts, Table};
use nexus::settings::{ClientTimeouts, ListenerSettings, Settings};

use crate::world::{
    Backend, Client, Next, backend, black_hole, field, lines, raw, raw_head, settings, start,
    status, until,
};

/// A time that is soon over, beside defaults that a test does not outlive.
const SHORT: Duration = Duration::from_millis(200);

/// Adds routes: `/short` with these timeouts, and one for all others.
fn routed(mut settings: Settings, timeouts: RouteTimeouts) -> Settings {
    let route = |name: &str, path, timeouts| Route {
        name: name.to_owned(),
        matcher: Matcher { path, ..Matcher::default() },
        action: Action::Pool(PoolId(0)),
        modifiers: Modifiers { timeouts, ..Modifiers::default() },
    };
    let short = route("short", PathPattern::Prefix("/short".to_owned()), timeouts);
    let others = route("others", PathPattern::Any, RouteTimeouts::default());
    settings.routes = Some(Arc::new(Table::build(vec![short, others]).unwrap()));
    settings
}

/// A backend whose answer stops after two bytes of five.
fn stalling() -> Backend {
    Backend::new(|stream, _| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab").unwrap();
        let _ = stream.read(&mut [0; 1]);
        Next::Close
    })
}

#[test]
fn a_listener_has_its_own_patience_with_clients() {
    let backend = Backend::named("ok");
    let mut settings = settings(&[backend.address]);
    let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let timeouts = ClientTimeouts { head: Some(SHORT), idle: Some(SHORT), stall: Some(SHORT) };
    settings.listeners = vec![ListenerSettings { timeouts, ..address.into() }];
    let nexus = start(settings);

    let mut slow_head = Client::connect(&nexus);
    slow_head.send(b"GET / HT");
    let (head, _) = slow_head.answer();
    assert_eq!((status(&head), field(&head, "X-Nexus-Error")), (408, Some("head_timeout")));

    let mut slow_body = Client::connect(&nexus);
    let (head, _) = slow_body.ask(&lines("POST / HTTP/1.1|Host: a|Content-Length: 3||ab"));
    assert_eq!((status(&head), field(&head, "X-Nexus-Error")), (408, Some("body_timeout")));

    let mut idle = Client::connect(&nexus);
    assert_eq!(idle.get("/"), "ok");
    idle.assert_closed();
}

#[test]
fn a_reload_changes_a_listeners_patience_for_connections_that_are_open() {
    let backend = Backend::named("ok");
    let settings = settings(&[backend.address]);
    let nexus = start(settings.clone());
    let mut client = Client::connect(&nexus);
    assert_eq!(client.get("/"), "ok");
    let mut short = settings;
    short.listeners[0].timeouts.idle = Some(SHORT);
    nexus.reload(short).unwrap();
    assert_eq!(client.get("/"), "ok");
    client.assert_closed();
}

#[test]
fn a_pool_and_a_route_have_their_own_patience_with_stalled_answers() {
    let backend = stalling();
    let mut of_pool = settings(&[backend.address]);
    of_pool.pools[0].timeouts.stall = Some(SHORT);
    let stall = Some(SHORT);
    let of_route =
        routed(settings(&[backend.address]), RouteTimeouts { stall, ..RouteTimeouts::default() });
    for settings in [of_pool, of_route] {
        let nexus = start(settings);
        let mut client = Client::connect(&nexus);
        client.send(&lines("GET /short HTTP/1.1|Host: a||"));
        assert!(String::from_utf8(client.reader.rest()).unwrap().ends_with("\r\n\r\nab"));
    }
}

#[test]
fn a_client_that_does_not_read_is_the_listeners_matter_and_not_the_pools() {
    let backend = Backend::new(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n");
        let _ = stream.write_all(&vec![b'x'; 20_000_000]);
        Next::Continue
    });
    let mut settings = settings(&[backend.address]);
    settings.pools[0].timeouts.stall = Some(SHORT);
    let nexus = start(settings);
    let mut client = Client::connect(&nexus);
    client.send(&lines("GET / HTTP/1.1|Host: a||"));
    let begun = Instant::now();
    until("the pool's time is over several times", || begun.elapsed() > 4 * SHORT);
    assert_eq!(client.answer().1.len(), 20_000_000);
}

#[test]
fn a_route_has_its_own_patience_with_connections() {
    let (address, _full) = black_hole();
    let connect = Some(SHORT);
    let settings =
        routed(settings(&[address]), RouteTimeouts { connect, ..RouteTimeouts::default() });
    let nexus = start(settings);
    let begun = Instant::now();
    let (head, _) = Client::connect(&nexus).ask(&lines("GET /short HTTP/1.1|Host: a||"));
    assert_eq!((status(&head), field(&head, "X-Nexus-Error")), (504, Some("connect_timeout")));
    assert!(begun.elapsed() < Duration::from_secs(2), "the pool's own is 2 s");
}

#[test]
fn a_pool_and_a_route_have_their_own_patience_with_silent_tunnels() {
    let silent = raw(|mut stream| {
        if raw_head(&mut stream).is_empty() {
            return;
        }
        let answer = "HTTP/1.1 101 Switching Protocols|Connection: Upgrade|Upgrade: websocket||hi";
        stream.write_all(&lines(answer)).unwrap();
        let _ = stream.read(&mut [0; 1]);
    });
    let mut of_pool = settings(&[silent]);
    of_pool.pools[0].timeouts.tunnel = Some(SHORT);
    let tunnel = Some(SHORT);
    let of_route =
        routed(settings(&[silent]), RouteTimeouts { tunnel, ..RouteTimeouts::default() });
    for settings in [of_pool, of_route] {
        let nexus = start(settings);
        let mut client = Client::connect(&nexus);
        client.send(&lines("GET /short HTTP/1.1|Host: a|Connection: Upgrade|Upgrade: websocket||"));
        assert_eq!(status(&client.reader.head().unwrap()), 101);
        assert_eq!(client.reader.rest(), b"hi");
    }
}

#[test]
fn a_pools_idle_connections_are_closed_in_its_own_time() {
    let lonely = Backend::named("ok");
    let mut settings = settings(&[lonely.address]);
    settings.pools[0].timeouts.idle = Some(SHORT);
    let nexus = start(settings);
    assert_eq!(Client::connect(&nexus).get("/"), "ok");
    until("it is closed", || backend(&nexus, 0).connections.open() == 0);
}
