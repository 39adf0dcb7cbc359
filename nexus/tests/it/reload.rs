//! Stories of a reload: what was asked for changes, and nothing else.

use std::io::Write;
use std::net::TcpListener;
use std::sync::mpsc;

use nexus::control::Refused;
use nexus::settings::Settings;

use crate::world::{
    Backend, Client, Next, PATIENCE, backend, field, lines, pool, settings, start, status, until,
};

/// The settings of a running Nexus with other backends.
fn with(old: &Settings, backends: &[&Backend]) -> Settings {
    let addresses: Vec<_> = backends.iter().map(|backend| backend.address).collect();
    Settings { pools: vec![pool(&addresses)], ..old.clone() }
}

#[test]
fn a_dead_backend_stays_dead_over_a_reload() {
    let good = Backend::named("ok");
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = settings(&[dead, good.address]);
    let nexus = start(settings.clone());
    until("it is DOWN", || !backend(&nexus, 0).is_up());
    let before = backend(&nexus, 0).serial;
    nexus.reload(settings).unwrap();
    assert!(!backend(&nexus, 0).is_up());
    assert_eq!(backend(&nexus, 0).serial, before, "the same backend, not a new one like it");
    assert_eq!(Client::connect(&nexus).get("/"), "ok");
}

#[test]
fn the_rotation_goes_on_where_it_was() {
    let backends = [Backend::named("a"), Backend::named("b"), Backend::named("c")];
    let settings = settings(&backends.each_ref().map(|backend| backend.address));
    let nexus = start(settings.clone());
    let mut client = Client::connect(&nexus);
    for _ in 0..30 {
        client.get("/");
        nexus.reload(settings.clone()).unwrap();
    }
    assert_eq!(backends.each_ref().map(Backend::count), [10, 10, 10]);
    let connections = backends.each_ref().map(Backend::connections);
    assert!(connections.iter().all(|count| *count <= 2), "idle connections stay: {connections:?}");
}

#[test]
fn new_backends_get_requests_and_removed_ones_none() {
    let (old, new) = (Backend::named("old"), Backend::named("new"));
    let settings = settings(&[old.address]);
    let nexus = start(settings.clone());
    let mut client = Client::connect(&nexus);
    assert_eq!(client.get("/"), "old");
    nexus.reload(with(&settings, &[&new])).unwrap();
    assert_eq!(client.get("/"), "new", "on the same connection");
    nexus.reload(with(&settings, &[&new, &old])).unwrap();
    let mut names = [client.get("/"), client.get("/")];
    names.sort();
    assert_eq!(names, ["new", "old"]);
}

#[test]
fn an_answer_under_way_comes_to_its_end_from_a_backend_that_was_removed() {
    let (go_on, gate) = mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let slow = Backend::new(move |stream, _| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha").unwrap();
        gate.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        stream.write_all(b"lf").unwrap();
        Next::Continue
    });
    let other = Backend::named("other");
    let settings = settings(&[slow.address]);
    let nexus = start(settings.clone());
    let mut client = Client::connect(&nexus);
    client.send(&lines("GET / HTTP/1.1|Host: a||"));
    client.reader.head().unwrap();
    assert_eq!(client.reader.exactly(2), b"ha");
    nexus.reload(with(&settings, &[&other])).unwrap();
    assert_eq!(Client::connect(&nexus).get("/"), "other");
    go_on.send(()).unwrap();
    assert_eq!(client.reader.exactly(2), b"lf");
    assert_eq!(client.get("/"), "other");
}

#[test]
fn a_listener_can_come_and_go() {
    let ok = Backend::named("ok");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let old = settings(&[ok.address]);
    let nexus = start(old.clone());
    let mut client = Client::connect(&nexus);
    assert_eq!(client.get("/"), "ok");

    let both = Settings { listeners: vec![old.listeners[0].clone(), free.into()], ..old.clone() };
    nexus.reload(both).unwrap();
    until("the new one accepts", || std::net::TcpStream::connect(free).is_ok());
    let only_new = Settings { listeners: vec![free.into()], ..old };
    nexus.reload(only_new).unwrap();
    let gone = nexus.addresses()[0];
    until("the old one is gone", || std::net::TcpStream::connect(gone).is_err());
    let (head, _) = client.ask(&lines("GET / HTTP/1.1|Host: a||"));
    assert_eq!((status(&head), field(&head, "Connection")), (200, Some("close")));
}

#[test]
fn what_cannot_change_is_refused_and_nothing_has_changed() {
    let ok = Backend::named("ok");
    let settings = settings(&[ok.address]);
    let nexus = start(settings.clone());
    let refused = nexus.reload(Settings { workers: 2, ..settings.clone() });
    assert!(matches!(refused, Err(Refused::NeedsRestart("workers"))));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listeners = vec![settings.listeners[0].clone(), taken.local_addr().unwrap().into()];
    let other = Backend::named("other");
    let refused = nexus.reload(Settings { listeners, ..with(&settings, &[&other]) });
    assert!(matches!(refused, Err(Refused::Bind(..))));
    assert_eq!(Client::connect(&nexus).get("/"), "ok");
}

#[test]
fn reloads_under_load_cost_no_request_and_wake_no_dead_backend() {
    let backends = [Backend::named("a"), Backend::named("b")];
    let dead = Backend::named("dead");
    dead.stop();
    let mut settings = settings(&[backends[0].address, dead.address, backends[1].address]);
    settings.workers = 2;
    let nexus = start(settings.clone());
    until("it is DOWN", || !backend(&nexus, 1).is_up());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let nexus = &nexus;
            scope.spawn(move || {
                let mut client = Client::connect(nexus);
                (0..500).for_each(|_| drop(client.get("/")));
            });
        }
        for _ in 0..200 {
            nexus.reload(settings.clone()).unwrap();
            assert!(!backend(&nexus, 1).is_up());
        }
    });
    let counts = backends.each_ref().map(Backend::count);
    assert_eq!(counts[0] + counts[1], 2_000);
    assert!(counts[0].abs_diff(counts[1]) <= 20, "within 1 %: {counts:?}");
}
