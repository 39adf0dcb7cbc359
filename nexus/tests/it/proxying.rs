//! Stories of ordinary traffic: what passes, unchanged, in both directions.

use std::io::{Read, Write};
use std::sync::mpsc;

use crate::world::{
    Backend, Client, Next, PATIENCE, before, field, lines, raw, raw_head, settings, shown, start,
    status,
};

#[test]
fn the_client_learns_who_answered_and_the_backend_who_asked() {
    let backend = Backend::named("ok");
    let nexus = before(&backend);
    let (head, _) = Client::connect(&nexus)
        .ask(&lines("GET / HTTP/1.1|Host: shop:1|X-Forwarded-For: 6.6.6.6||"));
    assert_eq!(field(&head, "X-Forwarded-By"), Some("Nexus"));
    assert_eq!(
        field(&head, "X-Backend-Server"),
        Some(format!("http://{}", backend.address).as_str())
    );
    assert!(field(&head, "Date").is_some());
    let seen = &backend.seen()[0];
    for line in [
        "Host: shop:1",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Host: shop:1",
    ] {
        assert!(seen.has_line(line), "{line} is not in {}", seen.head);
    }
}

#[test]
fn a_trusted_clients_word_is_appended_to() {
    let backend = Backend::named("ok");
    let mut settings = settings(&[backend.address]);
    settings.trusted = vec!["127.0.0.0/8".parse().unwrap()];
    let nexus = start(settings);
    Client::connect(&nexus)
        .ask(&lines("GET / HTTP/1.1|Host: a|X-Forwarded-For: 6.6.6.6|X-Forwarded-Proto: https||"));
    let seen = &backend.seen()[0];
    assert!(seen.has_line("X-Forwarded-For: 6.6.6.6, 127.0.0.1"), "{}", seen.head);
    assert!(seen.has_line("X-Forwarded-Proto: https"), "{}", seen.head);
}

#[test]
fn every_method_passes_with_its_body() {
    let backend = Backend::named("ok");
    let nexus = before(&backend);
    let mut client = Client::connect(&nexus);
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE", "m-x!"] {
        let (head, _) =
            client.ask(&lines(&format!("{method} /x HTTP/1.1|Host: a|Content-Length: 3||abc")));
        assert_eq!(status(&head), 200, "{method}");
        let seen = backend.seen().pop().unwrap();
        assert!(seen.head.starts_with(&format!("{method} /x HTTP/1.1\r\n")), "{}", seen.head);
        assert_eq!(seen.body, b"abc", "{method}");
    }
    assert!(backend.connections() <= 2, "one for the probe, one for all requests");
}

#[test]
fn a_client_that_waits_for_100_gets_the_backends() {
    let (body_came, wait) = mpsc::channel();
    let address = raw(move |mut stream| {
        let mut head = [0; 4096];
        let read = stream.read(&mut head).unwrap_or(0);
        if read == 0 {
            return; // The probe.
        }
        assert!(shown(&head[..read]).contains("Expect: 100-continue"), "row 62");
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        stream.read_exact(&mut head[..3]).unwrap();
        body_came.send(head[..3].to_vec()).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
    });
    let nexus = start(settings(&[address]));
    let mut client = Client::connect(&nexus);
    client.send(&lines("PUT / HTTP/1.1|Host: a|Expect: 100-continue|Content-Length: 3||"));
    assert_eq!(client.reader.head().unwrap(), "HTTP/1.1 100 Continue\r\n\r\n", "row 62");
    client.send(b"abc");
    assert_eq!(wait.recv_timeout(PATIENCE).unwrap(), b"abc");
    assert_eq!(client.answer().1, b"ok");
}

#[test]
fn a_backend_may_refuse_before_the_body() {
    let backend = raw(|mut stream| {
        if stream.read(&mut [0; 4096]).unwrap_or(0) > 0 {
            let _ = stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno");
            let _ = stream.read(&mut [0; 1]);
        }
    });
    let nexus = start(settings(&[backend]));
    let mut client = Client::connect(&nexus);
    let (head, body) =
        client.ask(&lines("PUT / HTTP/1.1|Host: a|Expect: 100-continue|Content-Length: 3||"));
    assert_eq!((status(&head), body), (401, b"no".to_vec()), "row 62");
    assert_eq!(field(&head, "Connection"), Some("close"), "the body may still come: row 62");
}

#[test]
fn a_body_sent_at_once_needs_no_100() {
    let backend = Backend::named("ok");
    let nexus = before(&backend);
    let mut client = Client::connect(&nexus);
    let (head, _) =
        client.ask(&lines("PUT / HTTP/1.1|Host: a|Expect: 100-continue|Content-Length: 3||abc"));
    assert_eq!(status(&head), 200, "row 63");
    assert_eq!(client.get("/innocent"), "ok");
}

#[test]
fn trailers_reach_a_client_that_takes_them() {
    let answer = lines(
        "HTTP/1.1 200 OK|Transfer-Encoding: chunked|Trailer: X-T||1|a|0|X-T: v|Content-Length: 9||",
    );
    let backend = Backend::answering(&answer, || Next::Continue);
    let nexus = before(&backend);
    let mut client = Client::connect(&nexus);
    let (head, body) = client.ask(&lines("GET / HTTP/1.1|Host: a|TE: trailers||"));
    assert_eq!((field(&head, "Trailer"), shown(&body).as_str()), (Some("X-T"), "1|a|0|X-T: v||"));
    let (head, body) = client.ask(&lines("GET / HTTP/1.1|Host: a||"));
    assert_eq!((field(&head, "Trailer"), shown(&body).as_str()), (None, "1|a|0||"));
}

#[test]
fn both_directions_flow_at_the_same_time() {
    let address = raw(|mut stream| {
        if raw_head(&mut stream).is_empty() {
            return;
        }
        let mut byte = [0];
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n").unwrap();
        for _ in 0..3 {
            stream.read_exact(&mut byte).unwrap();
            stream.write_all(&byte).unwrap();
        }
    });
    let nexus = start(settings(&[address]));
    let mut client = Client::connect(&nexus);
    client.send(&lines("POST / HTTP/1.1|Host: a|Content-Length: 3||"));
    let head = client.reader.head().unwrap();
    assert_eq!(status(&head), 200);
    for byte in b"xyz" {
        client.send(&[*byte]);
        assert_eq!(client.reader.exactly(1), [*byte]);
    }
}

#[test]
fn a_client_that_leaves_takes_its_request_with_it() {
    let (asked, waiting) = mpsc::channel();
    let (closed, gone) = mpsc::channel();
    let address = raw(move |mut stream| {
        if stream.read(&mut [0; 4096]).unwrap_or(0) > 0 {
            asked.send(()).unwrap();
            assert_eq!(stream.read(&mut [0; 1]).unwrap_or(0), 0);
            closed.send(()).unwrap();
        }
    });
    let nexus = start(settings(&[address]));
    let mut client = Client::connect(&nexus);
    client.send(&lines("GET /slow HTTP/1.1|Host: a||"));
    waiting.recv_timeout(PATIENCE).unwrap();
    drop(client);
    gone.recv_timeout(PATIENCE).expect("the backend's connection is closed");
}

#[test]
fn a_half_closed_client_is_answered_where_that_is_allowed() {
    let backend = Backend::named("ok");
    let mut settings = settings(&[backend.address]);
    settings.half_close = true;
    let nexus = start(settings);
    let mut client = Client::connect(&nexus);
    client.send(&lines("GET / HTTP/1.1|Host: a||"));
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.answer().1, b"ok", "row 78");
    client.assert_closed();
}

#[test]
fn a_thousand_requests_are_shared_exactly_over_any_workers_and_connections() {
    let backends = [Backend::named("a"), Backend::named("b"), Backend::named("c")];
    let mut settings = settings(&backends.each_ref().map(|backend| backend.address));
    settings.workers = 2;
    let nexus = start(settings);
    std::thread::scope(|scope| {
        for thread in 0..10 {
            let nexus = &nexus;
            scope.spawn(move || {
                let mut client = Client::connect(nexus);
                for at in 0..100 {
                    if at % (thread + 1) == 0 {
                        client = Client::connect(nexus);
                    }
                    client.get("/");
                }
            });
        }
    });
    let mut counts = backends.each_ref().map(Backend::count);
    counts.sort_unstable();
    assert_eq!(counts, [333, 333, 334]);
}
