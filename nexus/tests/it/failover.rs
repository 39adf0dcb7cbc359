//! Stories of backends that die: who notices, what the client sees, what runs twice.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nexus::settings::Probing;

use crate::world::{
    Backend, Client, Next, backend, before, field, lines, raw, settings, start, status, until,
};

/// An address at which nothing listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A backend that takes requests and closes without a word, and counts them.
fn silent() -> (SocketAddr, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let address = raw(move |mut stream| {
        if stream.read(&mut [0; 65536]).unwrap_or(0) > 0 {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    (address, count)
}

#[test]
fn a_dead_backend_costs_the_client_nothing() {
    let backends = [Backend::named("a"), Backend::named("b")];
    let dead = nobody();
    let nexus = start(settings(&[backends[0].address, dead, backends[1].address]));
    let mut client = Client::connect(&nexus);
    for _ in 0..30 {
        client.get("/");
    }
    let counts = backends.each_ref().map(Backend::count);
    assert_eq!(counts[0] + counts[1], 30);
    assert!(counts[0].abs_diff(counts[1]) <= 2, "evenly: {counts:?}");
    until("it is DOWN", || !crate::world::backend(&nexus, 1).is_up());
}

#[test]
fn a_post_that_was_not_sent_goes_elsewhere() {
    let backend = Backend::named("a");
    let nexus = start(settings(&[nobody(), nobody(), backend.address]));
    for _ in 0..3 {
        let (head, _) =
            Client::connect(&nexus).ask(&lines("POST / HTTP/1.1|Host: a|Content-Length: 3||abc"));
        assert_eq!(status(&head), 200);
    }
    assert_eq!(backend.count(), 3);
}

#[test]
fn a_post_that_was_sent_is_never_run_twice() {
    let (first, ran_first) = silent();
    let (second, ran_second) = silent();
    let nexus = start(settings(&[first, second]));
    let (head, _) =
        Client::connect(&nexus).ask(&lines("POST / HTTP/1.1|Host: a|Content-Length: 3||abc"));
    assert_eq!((status(&head), field(&head, "X-Nexus-Error")), (502, Some("backend_closed")));
    assert_eq!(ran_first.load(Ordering::SeqCst) + ran_second.load(Ordering::SeqCst), 1);
}

#[test]
fn a_put_is_sent_again_with_its_whole_body() {
    let (silent, _) = silent();
    let good = Backend::named("ok");
    let nexus = start(settings(&[silent, good.address]));
    let body = "x".repeat(60_000);
    for _ in 0..2 {
        let request =
            format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let (head, _) = Client::connect(&nexus).ask(request.as_bytes());
        assert_eq!(status(&head), 200);
    }
    assert!(good.seen().iter().all(|seen| seen.body == body.as_bytes()));
    let chunked = format!("PUT / HTTP/1.1|Host: a|Transfer-Encoding: chunked||ea60|{body}|0||");
    let nexus = start(settings(&[silent, good.address]));
    for _ in 0..2 {
        let (head, _) = Client::connect(&nexus).ask(&lines(&chunked));
        assert_eq!(status(&head), 200);
    }
}

#[test]
fn a_body_larger_than_what_is_kept_is_not_sent_again() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let devour = move |mut stream: std::net::TcpStream| {
        let (mut total, mut piece) = (0, vec![0; 65536]);
        while total < 300_000 {
            match stream.read(&mut piece) {
                Ok(read) if read > 0 => total += read,
                _ => break,
            }
        }
        if total > 0 {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    };
    let devour = Arc::new(devour);
    let addresses: Vec<_> = (0..2)
        .map(|_| {
            let devour = Arc::clone(&devour);
            raw(move |stream| devour(stream))
        })
        .collect();
    let nexus = start(settings(&addresses));
    let body = "x".repeat(300_000);
    let request =
        format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let (head, _) = Client::connect(&nexus).ask(request.as_bytes());
    assert_eq!(status(&head), 502, "{head}");
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[test]
fn no_more_backends_are_tried_than_allowed() {
    let silent: Vec<_> = (0..4).map(|_| silent()).collect();
    let addresses: Vec<_> = silent.iter().map(|(address, _)| *address).collect();
    let nexus = start(settings(&addresses));
    let (head, _) = Client::connect(&nexus).ask(&lines("GET / HTTP/1.1|Host: a||"));
    assert_eq!(status(&head), 502);
    let tries: Vec<_> = silent.iter().map(|(_, count)| count.load(Ordering::SeqCst)).collect();
    assert_eq!(tries.iter().sum::<usize>(), 3, "{tries:?}");
    assert!(tries.iter().all(|tries| *tries <= 1), "never the same twice: {tries:?}");
}

#[test]
fn a_stale_idle_connection_never_costs_a_get() {
    // Answers one request on each connection and closes when the second comes.
    let backend = Backend::new(|stream, seen| {
        if seen.head.starts_with("GET /first") {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1").unwrap();
            Next::Continue
        } else if STALE.swap(false, Ordering::SeqCst) {
            Next::Close
        } else {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2").unwrap();
            Next::Continue
        }
    });
    static STALE: AtomicBool = AtomicBool::new(true);
    let nexus = before(&backend);
    let mut client = Client::connect(&nexus);
    assert_eq!(client.get("/first"), "1");
    assert_eq!(client.get("/second"), "2");
    assert!(
        crate::world::backend(&nexus, 0).is_up(),
        "a stale connection says nothing against a backend"
    );
    let over: Vec<_> = backend.seen().iter().map(|seen| seen.connection).collect();
    assert!(over[0] == over[1] && over[1] != over[2], "a fresh one: {over:?}");
}

#[test]
fn a_stale_idle_connection_is_no_excuse_to_run_a_post_twice() {
    let backend = Backend::new(|stream, seen| {
        if seen.head.starts_with("POST") {
            return Next::Close;
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1").unwrap();
        Next::Continue
    });
    let nexus = before(&backend);
    let mut client = Client::connect(&nexus);
    client.get("/first");
    let (head, _) = client.ask(&lines("POST / HTTP/1.1|Host: a|Content-Length: 3||abc"));
    assert_eq!(status(&head), 502);
    let posts = backend.seen().iter().filter(|seen| seen.head.starts_with("POST")).count();
    assert_eq!(posts, 1);
}

#[test]
fn a_backend_comes_back_by_its_probe() {
    let first = Backend::named("first life");
    let address = first.address;
    let mut settings = settings(&[address]);
    settings.pools[0].probing =
        Probing { interval: Duration::from_millis(50), ..Probing::default() };
    let nexus = start(settings);
    assert_eq!(Client::connect(&nexus).get("/"), "first life");
    first.stop();
    until("it is DOWN", || !crate::world::backend(&nexus, 0).is_up());
    let second = Backend::at(address, |stream, _| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nsecond life").unwrap();
        Next::Continue
    });
    until("it is UP", || crate::world::backend(&nexus, 0).is_up());
    until("it is asked", || {
        let (head, _) = Client::connect(&nexus).ask(&lines("GET / HTTP/1.1|Host: a||"));
        status(&head) == 200
    });
    assert!(second.count() > 0);
}

#[test]
fn when_all_are_down_the_answer_comes_at_once_and_says_so() {
    let nexus = start(settings(&[nobody(), nobody()]));
    until("all are DOWN", || nexus.snapshot().backends().all(|backend| !backend.is_up()));
    let mut client = Client::connect(&nexus);
    until("the picker is laid out", || {
        let (head, _) = client.ask(&lines("GET / HTTP/1.1|Host: a||"));
        status(&head) == 503
    });
    let began = Instant::now();
    let (head, body) = client.ask(&lines("GET / HTTP/1.1|Host: a|Accept: application/json||"));
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    assert_eq!(field(&head, "X-Nexus-Error"), Some("no_backend_available"));
    assert_eq!(field(&head, "Retry-After"), Some("1"));
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["status"], 503);
}

#[test]
fn a_hanging_backend_is_504_and_another_try_only_when_asked_for() {
    let hang = raw(|stream| {
        let _ = (&stream).read(&mut [0; 4096]);
        let _ = (&stream).read(&mut [0; 1]);
    });
    let good = Backend::named("ok");
    let mut impatient = settings(&[hang]);
    impatient.pools[0].timeouts.response = Duration::from_millis(200);
    let nexus = start(impatient);
    let (head, _) = Client::connect(&nexus).ask(&lines("GET / HTTP/1.1|Host: a||"));
    assert_eq!((status(&head), field(&head, "X-Nexus-Error")), (504, Some("response_timeout")));
    assert!(crate::world::backend(&nexus, 0).is_up(), "slow is not dead");

    let mut settings = settings(&[hang, good.address]);
    settings.pools[0].timeouts.response = Duration::from_millis(200);
    settings.pools[0].retry.on.response_timeout = true;
    let nexus = start(settings);
    let mut client = Client::connect(&nexus);
    assert_eq!(client.get("/"), "ok");
    assert_eq!(client.get("/"), "ok");
}

#[test]
fn a_backend_with_two_addresses_is_reached_at_the_one_that_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let backend = Backend::at(([127, 0, 0, 1], port).into(), |stream, _| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nv4").unwrap();
        Next::Continue
    });
    let mut settings = settings(&[]);
    settings.pools[0].backends = vec![format!("http://localhost:{port}").parse().unwrap()];
    let nexus = start(settings);
    let (head, body) = Client::connect(&nexus).ask(&lines("GET / HTTP/1.1|Host: a||"));
    assert_eq!(body, b"v4");
    assert_eq!(field(&head, "X-Backend-Server"), Some(format!("http://localhost:{port}").as_str()));
    assert_eq!(backend.count(), 1);
}

#[test]
fn so_many_connection_errors_in_a_row_as_are_asked_for_mean_down() {
    let (good, close) = (Backend::named("ok"), Backend::answering(b"", || Next::Close));
    for (errors, expected) in [(1, 1), (3, 3), (0, 0)] {
        let mut settings = settings(&[close.address, good.address]);
        settings.pools[0].probing.request_errors = errors;
        settings.pools[0].retry.budget = 1000;
        let nexus = start(settings);
        until("both are probed", || (0..2).all(|at| backend(&nexus, at).is_probed()));
        let (mut client, before) = (Client::connect(&nexus), close.count());
        let mut asked = 0;
        while asked < 20 && backend(&nexus, 0).is_up() {
            assert_eq!(client.get("/"), "ok", "each is tried elsewhere");
            asked = close.count() - before;
        }
        assert_eq!(backend(&nexus, 0).is_up(), expected == 0, "{errors}");
        assert!(expected == 0 || asked == expected, "{asked} of {errors}");
    }
}

#[test]
fn an_answer_between_two_connection_errors_ends_their_row() {
    let turn = std::sync::atomic::AtomicUsize::new(0);
    let every_third = Backend::new(move |stream, _| {
        if turn.fetch_add(1, std::sync::atomic::Ordering::SeqCst) % 3 == 2 {
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
        Next::Close
    });
    let good = Backend::named("ok");
    let mut settings = settings(&[every_third.address, good.address]);
    settings.pools[0].probing.request_errors = 3;
    settings.pools[0].retry.budget = 1000;
    let nexus = start(settings);
    let mut client = Client::connect(&nexus);
    for _ in 0..40 {
        client.get("/");
    }
    assert!(backend(&nexus, 0).is_up());
}
