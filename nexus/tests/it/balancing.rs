//! Stories of how backends are picked: weights, loads, keys and limits over real sockets.

use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use nexus::app::Nexus;
use nexus::picker::{Algorithm, HashKey};
use nexus::pool::Ramp;
use nexus::settings::Settings;

use crate::world::{
    Backend, Client, Next, backend, field, held, lines, settings, start, status, until,
};

const NAMES: [&str; 3] = ["a", "b", "c"];

fn named() -> Vec<Backend> {
    NAMES.into_iter().map(Backend::named).collect()
}

fn balanced(addresses: &[SocketAddr], algorithm: Algorithm) -> Settings {
    let mut settings = settings(addresses);
    settings.pools[0].algorithm = algorithm;
    settings
}

fn addresses(backends: &[Backend]) -> Vec<SocketAddr> {
    backends.iter().map(|backend| backend.address).collect()
}

/// Counts who answers so many requests, over several connections.
fn shares(nexus: &Nexus, requests: usize) -> HashMap<String, usize> {
    let mut clients: Vec<_> = (0..4).map(|_| Client::connect(nexus)).collect();
    let mut counts = HashMap::new();
    for number in 0..requests {
        *counts.entry(clients[number % 4].get("/")).or_default() += 1;
    }
    counts
}

#[test]
fn weights_are_exact_over_all_workers_and_change_with_a_reload() {
    let backends = named();
    let mut settings = balanced(&addresses(&backends), Algorithm::RoundRobin);
    settings.workers = 2;
    for (backend, weight) in settings.pools[0].backends.iter_mut().zip([5, 3, 1]) {
        backend.weight = weight;
    }
    let nexus = start(settings.clone());
    let counts = shares(&nexus, 900);
    assert_eq!([counts["a"], counts["b"], counts["c"]], [500, 300, 100]);
    settings.pools[0].backends[0].weight = 0;
    nexus.reload(settings).unwrap();
    let counts = shares(&nexus, 400);
    assert_eq!((counts.get("a"), counts["b"], counts["c"]), (None, 300, 100));
}

#[test]
fn a_busy_backend_gets_no_more_while_another_is_free() {
    let (busy, asked, word) = held("busy");
    let free = Backend::named("free");
    let nexus = start(balanced(&[busy.address, free.address], Algorithm::LeastConnections));
    let mut slow = Client::connect(&nexus);
    // Turns decide between equals: one of the first two goes to the one that waits.
    let mut client = Client::connect(&nexus);
    let slow_at_busy = (0..2).any(|_| {
        slow.send(&lines("GET /slow HTTP/1.1|Host: a||"));
        let is_busy = asked.recv_timeout(std::time::Duration::from_millis(500)).is_ok();
        if !is_busy {
            assert_eq!(slow.answer().1, b"free");
        }
        is_busy
    });
    assert!(slow_at_busy);
    assert!((0..20).all(|_| client.get("/") == "free"));
    word.send(()).unwrap();
    assert_eq!(slow.answer().1, b"busy");
    until("nothing is under way", || backend(&nexus, 0).in_flight() == 0);
    assert!((0..20).any(|_| client.get("/") == "busy"));
}

#[test]
fn a_backend_has_no_more_requests_than_it_takes_and_all_full_is_said() {
    let (held, asked, word) = held("held");
    let mut settings = balanced(&[held.address], Algorithm::RoundRobin);
    settings.pools[0].backends[0].requests_max = Some(2);
    let nexus = start(settings);
    let mut waiting: Vec<_> = (0..2)
        .map(|_| {
            let mut client = Client::connect(&nexus);
            client.send(&lines("GET /slow HTTP/1.1|Host: a||"));
            asked.recv().unwrap();
            client
        })
        .collect();
    let mut late = Client::connect(&nexus);
    let (head, _) = late.ask(&lines("GET / HTTP/1.1|Host: a||"));
    assert_eq!((status(&head), field(&head, "X-Nexus-Error")), (503, Some("backends_full")));
    assert_eq!(field(&head, "Retry-After"), Some("1"));
    // One client leaves without its answer: its place is free again.
    drop(waiting.pop());
    until("a place is free", || backend(&nexus, 0).in_flight() == 1);
    assert_eq!(late.get("/"), "held");
    word.send(()).unwrap();
    word.send(()).unwrap();
    assert_eq!(waiting[0].answer().1, b"held");
    until("all places are free", || backend(&nexus, 0).in_flight() == 0);
}

#[test]
fn the_first_is_filled_before_the_next_is_asked() {
    let (first, asked, word) = held("first");
    let second = Backend::named("second");
    let mut settings = balanced(&[first.address, second.address], Algorithm::First);
    settings.pools[0].backends[0].requests_max = Some(1);
    let nexus = start(settings);
    let mut client = Client::connect(&nexus);
    assert!((0..5).all(|_| client.get("/") == "first"));
    let mut slow = Client::connect(&nexus);
    slow.send(&lines("GET /slow HTTP/1.1|Host: a||"));
    asked.recv().unwrap();
    assert!((0..5).all(|_| client.get("/") == "second"));
    word.send(()).unwrap();
    assert_eq!(slow.answer().1, b"first");
}

#[test]
fn a_key_keeps_its_backend_and_finds_it_again_when_it_returns() {
    for algorithm in [Algorithm::RingHash, Algorithm::Maglev, Algorithm::Rendezvous] {
        let backends = named();
        let mut settings = balanced(&addresses(&backends), algorithm);
        settings.pools[0].hash_key = HashKey::Cookie("user".to_owned());
        let nexus = start(settings);
        let mut client = Client::connect(&nexus);
        let mut homes = |nexus: &Nexus| -> Vec<String> {
            let _ = nexus;
            let ask = |user: usize| format!("GET / HTTP/1.1|Host: a|Cookie: x=1; user=u{user}||");
            (0..30)
                .map(|user| String::from_utf8(client.ask(&lines(&ask(user))).1).unwrap())
                .collect()
        };
        let before = homes(&nexus);
        assert!(NAMES.iter().all(|name| before.iter().any(|home| home == name)), "{before:?}");
        assert_eq!(homes(&nexus), before, "{algorithm:?}");

        fails(&nexus, 1);
        let mut during = before.clone();
        until("its keys are elsewhere", || {
            during = homes(&nexus);
            during.iter().all(|home| home != "b")
        });
        let moved = before.iter().zip(&during).filter(|(was, is)| was != is && *was != "b").count();
        assert!(moved <= 1, "{algorithm:?}: {moved} moved whose backend stayed");
        until("everybody is at home again", || homes(&nexus) == before);
    }
}

#[test]
fn a_slow_backend_gets_little_by_latency() {
    let slow = Backend::new(|stream, _| {
        let begun = std::time::Instant::now();
        while begun.elapsed().as_millis() < 20 {
            std::thread::park_timeout(std::time::Duration::from_millis(20));
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow").unwrap();
        Next::Continue
    });
    let (b, c) = (Backend::named("b"), Backend::named("c"));
    let nexus = start(balanced(&[slow.address, b.address, c.address], Algorithm::PeakEwma));
    let counts = shares(&nexus, 300);
    let slow = counts.get("slow").copied().unwrap_or(0);
    assert!((1..=15).contains(&slow), "tried, and then left alone: {counts:?}");
}

#[test]
fn counts_come_back_to_nothing_whatever_happens() {
    let fate = Arc::new(Mutex::new(0));
    let backends: Vec<_> = (0..2)
        .map(|_| {
            let fate = Arc::clone(&fate);
            Backend::new(move |stream, _| {
                let mut fate = fate.lock().unwrap();
                *fate += 1;
                match *fate % 4 {
                    0 => return Next::Close,
                    1 => stream
                        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort")
                        .unwrap(),
                    2 => stream.write_all(b"nonsense\r\n\r\n").unwrap(),
                    _ => {
                        stream
                            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                            .unwrap();
                        return Next::Continue;
                    }
                }
                Next::Close
            })
        })
        .collect();
    let nexus = start(balanced(&addresses(&backends), Algorithm::LeastConnections));
    for _ in 0..40 {
        let mut client = Client::connect(&nexus);
        client.send(&lines("GET / HTTP/1.1|Host: a||"));
        let _ = client.reader.message();
    }
    until("nothing is counted", || nexus.snapshot().backends().all(|one| one.in_flight() == 0));
}

#[test]
fn a_backend_that_returns_gets_its_share_step_by_step() {
    let backends = named();
    let mut settings = balanced(&addresses(&backends), Algorithm::RoundRobin);
    // So long that the test sees its first step only.
    let window = std::time::Duration::from_secs(36_000);
    settings.pools[0].slow_start = Some(Ramp { window, floor: 10, is_late: false });
    let nexus = start(settings);
    let counts = shares(&nexus, 300);
    assert_eq!([counts["a"], counts["b"], counts["c"]], [100; 3], "all are new: all are equal");
    fails(&nexus, 1);
    until("it is back", || backend(&nexus, 1).is_up() && backend(&nexus, 1).back_for().is_some());
    until("it has its first requests", || shares(&nexus, 21).contains_key("b"));
    let counts = shares(&nexus, 210);
    assert_eq!([counts["a"], counts["b"], counts["c"]], [100, 10, 100]);
}

/// Marks a backend DOWN as a failed request would; its next probe brings it back.
fn fails(nexus: &Nexus, at: usize) {
    let out = nexus::health::Observation::RequestFailed(nexus::reason::Reason::ConnectRefused);
    backend(nexus, at).observe(out);
}

#[test]
fn backups_answer_while_nobody_before_them_can_and_no_longer() {
    let (home, asked, word) = held("home");
    let backup = Backend::named("backup");
    let mut settings = balanced(&[home.address, backup.address], Algorithm::RoundRobin);
    settings.pools[0].backends[0].requests_max = Some(1);
    settings.pools[0].backends[1].tier = 1;
    let nexus = start(settings);
    let mut client = Client::connect(&nexus);
    assert!((0..9).all(|_| client.get("/") == "home"));
    let mut slow = Client::connect(&nexus);
    slow.send(&lines("GET /slow HTTP/1.1|Host: a||"));
    asked.recv().unwrap();
    assert!((0..9).all(|_| client.get("/") == "backup"), "the other is full");
    word.send(()).unwrap();
    assert_eq!(slow.answer().1, b"home");
    until("it has room", || backend(&nexus, 0).in_flight() == 0);
    assert!((0..9).all(|_| client.get("/") == "home"));

    home.stop();
    until("nothing listens any more", || std::net::TcpStream::connect(home.address).is_err());
    fails(&nexus, 0);
    until("the backup stands in", || client.get("/") == "backup");
    assert!((0..9).all(|_| client.get("/") == "backup"));
}

#[test]
fn the_own_zone_answers_until_it_is_too_weak() {
    let backends = named();
    let mut settings = balanced(&addresses(&backends), Algorithm::RoundRobin);
    let pool = &mut settings.pools[0];
    pool.zone = Some("here".to_owned());
    for (backend, zone) in pool.backends.iter_mut().zip(["here", "here", "there"]) {
        backend.zone = Some(zone.to_owned());
    }
    let nexus = start(settings);
    let counts = shares(&nexus, 200);
    assert_eq!((counts["a"], counts["b"], counts.get("c")), (100, 100, None));
    backends[0].stop();
    until("nothing listens", || std::net::TcpStream::connect(backends[0].address).is_err());
    fails(&nexus, 0);
    // Half of the zone carries 140 % of its usual load: 70 % of all.
    until("the other zone helps", || shares(&nexus, 20).contains_key("c"));
    let counts = shares(&nexus, 1000);
    assert!(counts["b"].abs_diff(700) <= 2 && counts["c"].abs_diff(300) <= 2, "{counts:?}");
}

#[test]
fn no_more_connections_are_open_than_may_be_and_no_worker_keeps_them_from_another() {
    let only = Backend::named("only");
    let mut settings = balanced(&[only.address], Algorithm::RoundRobin);
    settings.workers = 2;
    settings.pools[0].backends[0].connections_max = Some(1);
    let nexus = start(settings);
    let probes = only.connections();
    // The kernel spreads them over the workers: that all come to one has a chance of 1 to 2^19.
    for _ in 0..20 {
        let mut client = Client::connect(&nexus);
        assert_eq!(client.get("/"), "only");
        assert_eq!(backend(&nexus, 0).connections.open(), 1);
        until("the request is over for Nexus, too", || backend(&nexus, 0).in_flight() == 0);
    }
    assert!(only.connections() > probes + 1, "both workers had one, one after the other");
}
