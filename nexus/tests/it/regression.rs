//! One story per mistake that was made, so that it is not made again.

use std::io::{Read, Write};
use std::sync::mpsc;
use std::time::Duration;

use nexus::app::Nexus;

use crate::world::{
    Backend, Client, Next, PATIENCE, backend, before, field, lines, raw, raw_head, settings, shown,
    start, status, until,
};

#[test]
fn trailers_nobody_asked_for_are_dropped_whenever_they_come() {
    let (go_on, gate) = mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let backend = Backend::new(move |stream, _| {
        let head = "HTTP/1.1 200 OK|Transfer-Encoding: chunked||3|abc|";
        stream.write_all(&lines(head)).unwrap();
        gate.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        stream.write_all(&lines("0|X-T: v||")).unwrap();
        Next::Continue
    });
    let nexus = before(&backend);
    let mut client = Client::connect(&nexus);
    client.send(&lines("GET / HTTP/1.1|Host: a||"));
    client.reader.head().unwrap();
    assert_eq!(shown(&client.reader.exactly(8)), "3|abc|");
    go_on.send(()).unwrap();
    assert_eq!(shown(&client.reader.exactly(5)), "0||");
    go_on.send(()).unwrap();
    assert_eq!(status(&client.ask(&lines("GET / HTTP/1.1|Host: a||")).0), 200);
}

#[test]
fn a_body_that_is_broken_from_the_start_is_502() {
    let answer = lines("HTTP/1.1 200 OK|Transfer-Encoding: chunked||zz|");
    let backend = Backend::answering(&answer, || Next::Continue);
    let nexus = before(&backend);
    let mut client = Client::connect(&nexus);
    let (head, _) = client.ask(&lines("GET / HTTP/1.1|Host: a||"));
    assert_eq!((status(&head), field(&head, "X-Nexus-Error")), (502, Some("bad_response")));
    assert_eq!(client.get("/innocent"), "innocent");
}

#[test]
fn a_length_without_a_body_is_written_anew_too() {
    let answer = lines("HTTP/1.1 200 OK|Content-Length: 2, 2|Content-Length: 0002||");
    let backend = Backend::answering(&answer, || Next::Continue);
    let nexus = before(&backend);
    let mut client = Client::connect(&nexus);
    client.send(&lines("HEAD / HTTP/1.1|Host: a||"));
    let head = client.reader.head().unwrap();
    assert_eq!(head.matches("Content-Length").count(), 1, "{head}");
    assert_eq!(field(&head, "Content-Length"), Some("2"));
}

#[test]
fn a_handshake_that_declares_an_empty_body_is_still_one() {
    let backend = Backend::named("ok");
    let nexus = before(&backend);
    let request =
        "GET / HTTP/1.1|Host: a|Connection: Upgrade|Upgrade: websocket|Content-Length: 0||";
    Client::connect(&nexus).ask(&lines(request));
    assert!(backend.seen()[0].has_line("Upgrade: websocket"));
}

#[test]
fn a_slow_reader_says_nothing_against_a_backend() {
    let (sent, gave_up) = mpsc::channel();
    let address = raw(move |mut stream| {
        if raw_head(&mut stream).is_empty() {
            return;
        }
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 1 << 30);
        stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
        let block = vec![0; 1 << 20];
        while stream.write_all(&block).is_ok() {}
        sent.send(()).unwrap(); // It has lost patience.
    });
    let nexus = start(settings(&[address]));
    let mut client = Client::connect(&nexus);
    client.send(&lines("GET / HTTP/1.1|Host: a||"));
    gave_up.recv_timeout(PATIENCE).unwrap();
    client.reader.rest();
    assert!(backend(&nexus, 0).is_up());
}

#[test]
fn a_large_upload_that_is_refused_without_a_length_says_nothing_against_a_backend() {
    let address = raw(|mut stream| {
        if !raw_head(&mut stream).is_empty() {
            let _ = stream.read(&mut [0; 1000]);
            let _ = stream.write_all(b"HTTP/1.0 413 Too Big\r\n\r\ntoo big");
        }
    });
    let nexus = start(settings(&[address]));
    let mut client = Client::connect(&nexus);
    client.send(&lines("PUT / HTTP/1.1|Host: a|Content-Length: 3000000||"));
    client.send(&vec![0; 3_000_000]);
    client.reader.rest();
    assert!(backend(&nexus, 0).is_up());
}

#[test]
fn a_request_that_kills_whoever_answers_it_costs_the_pool_a_second_at_most() {
    let deadly = || {
        Backend::new(|stream, seen| {
            if seen.head.starts_with("GET /death") {
                return Next::Close;
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
            Next::Continue
        })
    };
    let backends = [deadly(), deadly(), deadly()];
    let nexus = start(settings(&backends.each_ref().map(|backend| backend.address)));
    let (head, _) = Client::connect(&nexus).ask(&lines("GET /death HTTP/1.1|Host: a||"));
    assert_eq!(status(&head), 502);
    // The probes of this Nexus come once an hour, but for the second look.
    until("all are UP again", || nexus.snapshot().backends().all(|backend| backend.is_up()));
}

#[test]
fn a_burst_does_not_take_more_places_than_there_are() {
    let (backend, waiting) = Backend::waiting();
    let mut settings = settings(&[backend.address]);
    settings.connections_max = 2;
    let nexus = start(settings);
    let mut clients: Vec<_> = (0..20).map(|_| Client::connect(&nexus)).collect();
    clients.iter_mut().for_each(|client| client.send(&lines("GET / HTTP/1.1|Host: a||")));
    waiting.recv_timeout(PATIENCE).unwrap();
    waiting.recv_timeout(PATIENCE).unwrap();
    assert!(waiting.recv_timeout(Duration::from_millis(300)).is_err(), "a third is not let in");
}

#[test]
fn a_client_that_waits_for_a_100_that_never_comes_is_not_to_blame() {
    let address = raw(|mut stream| {
        raw_head(&mut stream);
        let _ = stream.read(&mut [0; 1]);
    });
    let mut settings = settings(&[address]);
    settings.pools[0].timeouts.response = Duration::from_millis(200);
    let nexus = start(settings);
    let mut client = Client::connect(&nexus);
    let (head, _) =
        client.ask(&lines("PUT / HTTP/1.1|Host: a|Expect: 100-continue|Content-Length: 3||"));
    assert_eq!((status(&head), field(&head, "X-Nexus-Error")), (504, Some("response_timeout")));
}

/// Keeps what is logged where a test can read it.
#[derive(Clone, Default)]
struct Kept(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_is_cut_off_is_told_and_logged() {
    let (backend, waiting) = Backend::waiting();
    let mut settings = settings(&[backend.address]);
    settings.timeouts.shutdown = Duration::from_millis(200);
    settings.access_log = Some(nexus::log::LogFormat::Json.into());
    let log = Kept::default();
    let nexus = Nexus::start(settings, log.clone()).unwrap();
    let mut client = Client::connect(&nexus);
    client.send(&lines("GET /slow HTTP/1.1|Host: a||"));
    waiting.recv_timeout(PATIENCE).unwrap();
    nexus.drain();
    let (head, _) = client.answer();
    assert_eq!((status(&head), field(&head, "X-Nexus-Error")), (503, Some("shutting_down")));
    let line: serde_json::Value = serde_json::from_slice(&log.0.lock().unwrap()).unwrap();
    assert_eq!((&line["path"], &line["reason"]), (&"/slow".into(), &"shutting_down".into()));
}
