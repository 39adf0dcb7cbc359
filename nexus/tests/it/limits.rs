//! Stories of limits: what is slow, large or many is bounded, and others do not feel it.

use std::io::{Read, Write};
use std::time::Duration;

use crate::world::{
    Backend, Client, Next, before, field, lines, raw, settings, start, status, until,
};

/// Short enough for a test, longer than the clock is coarse.
const SHORT: Duration = Duration::from_millis(200);

#[test]
fn a_head_that_stops_half_way_is_408() {
    let backend = Backend::named("ok");
    let mut settings = settings(&[backend.address]);
    settings.timeouts.head = SHORT;
    let nexus = start(settings);
    let mut dribbler = Client::connect(&nexus);
    dribbler.send(b"GET / HTTP/1.1\r\nHo");
    let (head, _) = dribbler.answer();
    assert_eq!(
        (status(&head), field(&head, "X-Nexus-Error")),
        (408, Some("head_timeout")),
        "row 74"
    );
    dribbler.assert_closed();
    assert_eq!(Client::connect(&nexus).get("/innocent"), "ok", "row 74");
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let backend = Backend::named("ok");
    let mut settings = settings(&[backend.address]);
    settings.timeouts.idle = SHORT;
    let nexus = start(settings);
    Client::connect(&nexus).assert_closed();
    let mut client = Client::connect(&nexus);
    client.get("/");
    client.assert_closed(); // Row 75.
}

#[test]
fn a_body_that_stops_is_408_and_its_backend_sees_no_end() {
    let (ended, end) = std::sync::mpsc::channel();
    let address = raw(move |mut stream| {
        let mut all = Vec::new();
        let clean = stream.read_to_end(&mut all);
        if !all.is_empty() {
            ended.send((clean.is_ok(), all.ends_with(b"ab"))).unwrap();
        }
    });
    let mut settings = settings(&[address]);
    settings.timeouts.stall = SHORT;
    let nexus = start(settings);
    let mut client = Client::connect(&nexus);
    let (head, _) = client.ask(&lines("POST / HTTP/1.1|Host: a|Content-Length: 3||ab"));
    assert_eq!(
        (status(&head), field(&head, "X-Nexus-Error")),
        (408, Some("body_timeout")),
        "row 76"
    );
    client.assert_closed();
    let (_, is_short) = end.recv_timeout(crate::world::PATIENCE).unwrap();
    assert!(is_short, "row 76: the backend's connection ends in the middle of the body");
}

#[test]
fn a_body_that_ends_early_is_not_completed() {
    let backend = Backend::named("ok");
    let nexus = before(&backend);
    let mut client = Client::connect(&nexus);
    client.send(&lines("PUT / HTTP/1.1|Host: a|Content-Length: 3||ab"));
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    let (head, _) = client.answer();
    assert_eq!(
        (status(&head), field(&head, "X-Nexus-Error")),
        (400, Some("body_incomplete")),
        "row 61"
    );
    client.assert_closed();
    assert_eq!(Client::connect(&nexus).get("/innocent"), "ok", "row 61");
    assert_eq!(backend.count(), 1, "row 61: nothing complete came, and nothing twice");
    assert!(crate::world::backend(&nexus, 0).is_up(), "the client's fault");
}

#[test]
fn an_answer_that_stalls_is_broken_off() {
    let backend = Backend::new(|stream, _| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab").unwrap();
        let _ = stream.read(&mut [0; 1]);
        Next::Close
    });
    let mut settings = settings(&[backend.address]);
    settings.timeouts.stall = SHORT;
    let nexus = start(settings);
    let mut client = Client::connect(&nexus);
    client.send(&lines("GET / HTTP/1.1|Host: a||"));
    assert!(String::from_utf8(client.reader.rest()).unwrap().ends_with("\r\n\r\nab"));
}

#[test]
fn a_reader_that_stalls_is_cut_off() {
    let (ended, end) = std::sync::mpsc::channel();
    let backend = Backend::new(move |stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
        let block = vec![0; 1 << 20];
        while stream.write_all(&block).is_ok() {}
        let _ = ended.send(());
        Next::Close
    });
    let mut settings = settings(&[backend.address]);
    settings.timeouts.stall = SHORT;
    let nexus = start(settings);
    let mut client = Client::connect(&nexus);
    client.send(&lines("GET / HTTP/1.1|Host: a||"));
    end.recv_timeout(crate::world::PATIENCE).expect("the backend is let go");
}

#[test]
fn five_hundred_dribblers_are_cut_off_while_others_are_served() {
    let backend = Backend::named("ok");
    let mut settings = settings(&[backend.address]);
    settings.timeouts.head = Duration::from_secs(1);
    let nexus = start(settings);
    let mut dribblers: Vec<_> = (0..500).map(|_| Client::connect(&nexus)).collect();
    for dribbler in &mut dribblers {
        dribbler.send(b"GET / HTTP/1.1\r\nX-Slow: ");
    }
    let mut client = Client::connect(&nexus);
    let mut served = 0;
    let mut cut_off = 0;
    for dribbler in &mut dribblers {
        dribbler.send(b"y");
        served += usize::from(client.get("/") == "ok");
        cut_off += usize::from(status(&dribbler.answer().0) == 408);
    }
    assert_eq!((served, cut_off), (500, 500));
}

#[test]
fn more_clients_than_places_wait_and_are_served() {
    let backend = Backend::named("ok");
    let mut settings = settings(&[backend.address]);
    settings.connections_max = 2;
    let nexus = start(settings);
    let mut first = Client::connect(&nexus);
    let mut second = Client::connect(&nexus);
    assert_eq!((first.get("/"), second.get("/")), ("ok".to_owned(), "ok".to_owned()));
    let mut third = Client::connect(&nexus);
    third.send(&lines("GET / HTTP/1.1|Host: a||"));
    assert_eq!(first.get("/"), "ok");
    drop(first);
    assert_eq!(third.answer().1, b"ok");
}

#[test]
fn two_thousand_idle_connections_are_held() {
    let backend = Backend::named("ok");
    let nexus = before(&backend);
    let mut clients: Vec<_> = (0..2_000).map(|_| Client::connect(&nexus)).collect();
    for client in &mut clients {
        assert_eq!(client.get("/"), "ok");
    }
    for client in clients.iter_mut().rev() {
        assert_eq!(client.get("/"), "ok");
    }
    assert!(backend.connections() < 10, "the backend sees few: {}", backend.connections());
}

#[test]
fn a_connection_after_many_requests_is_as_good_as_new() {
    let backend = Backend::named("ok");
    let nexus = before(&backend);
    let mut client = Client::connect(&nexus);
    for _ in 0..2_000 {
        assert_eq!(client.get("/"), "ok");
    }
    until("all were seen", || backend.count() == 2_000);
}
