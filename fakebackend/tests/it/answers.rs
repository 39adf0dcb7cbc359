//! What a healthy backend answers.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::harness::Backend;

#[test]
fn it_names_itself_in_head_and_body() {
    let backend = Backend::start(&["--header", "Cache-Control:no-store"]);
    let answer = backend.get("/any/path?x=1");
    assert_eq!(
        answer.head,
        "HTTP/1.1 200 OK\r\nX-Fake-Id: b1\r\nCache-Control: no-store\r\nContent-Type: text/plain\r\n\
         Content-Length: 3\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(answer.text(), "b1\n");
}

#[test]
fn trailers_follow_chunks_and_an_early_answer_comes_before() {
    let hint = "Link: </a.css>; rel=preload";
    let flags = ["--chunked", "--trailer", "X-Sum: 7", "--early-hint", hint];
    let backend = Backend::start(&flags);
    let mut client = backend.connect();
    client.send("GET / HTTP/1.1\r\n\r\n");
    assert_eq!(client.head(), format!("HTTP/1.1 103 Early Hints\r\n{hint}\r\n\r\n"));
    let answer = client.answer();
    assert!(answer.head.contains("Trailer: X-Sum\r\n"), "{}", answer.head);
    assert_eq!((answer.text(), &*answer.trailers), ("b1\n", "X-Sum: 7\r\n"));
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert!(client.answer().head.starts_with("HTTP/1.1 200 OK\r\n"), "1.0 knows no 103");
}

#[test]
fn a_connection_serves_many_requests_even_if_they_come_at_once() {
    let backend = Backend::start(&[]);
    let mut client = backend.connect();
    client.send(&"GET / HTTP/1.1\r\n\r\n".repeat(100));
    for _ in 0..100 {
        assert_eq!(client.answer().text(), "b1\n");
    }
    assert_eq!(backend.stats()["connections"]["accepted"], 1);
}

#[test]
fn a_request_may_come_a_byte_at_a_time() {
    let backend = Backend::start(&[]);
    let mut client = backend.connect();
    let request = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
    for byte in request.split_inclusive(|_| true) {
        client.send(byte);
    }
    assert_eq!(client.answer().text(), "b1\n");
}

#[test]
fn head_gets_the_head_of_get_and_no_body() {
    for flags in [&["--body-size", "3MiB"][..], &["--chunked"], &[]] {
        let backend = Backend::start(flags);
        let mut client = backend.connect();
        client.send("HEAD / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n");
        assert_eq!(client.head(), client.answer().head);
    }
}

#[test]
fn bodies_have_the_size_asked_for() {
    for (size, bytes) in [("0", 0), ("100", 100), ("100KiB", 102_400), ("3MiB", 3 << 20)] {
        for framing in [&[][..], &["--chunked"]] {
            let backend = Backend::start(&[&["--body-size", size], framing].concat());
            let answer = backend.get("/");
            assert_eq!(answer.body.len(), bytes, "{size} {framing:?}");
            assert!(bytes == 0 || answer.body.starts_with(b"b1\n"));
        }
    }
}

#[test]
fn a_gibibyte_takes_no_memory() {
    let backend = Backend::start(&["--body-size", "1GiB"]);
    let mut client = backend.connect();
    client.send("GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert!(client.head().contains("Content-Length: 1073741824\r\n"));
    assert_eq!(client.count_rest(), 1 << 30);
    let status = std::fs::read_to_string(format!("/proc/{}/status", backend.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak_kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak_kib < 64 * 1024, "{peak_kib} KiB");
}

#[test]
fn a_large_upload_is_read_and_answered_as_usual() {
    let backend = Backend::start(&[]);
    let mut client = backend.connect();
    client.send("POST /upload HTTP/1.1\r\nContent-Length: 67108864\r\n\r\n");
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..64 {
        client.stream.write_all(&piece).unwrap();
    }
    assert_eq!(client.answer().text(), "b1\n");
    client.send("GET / HTTP/1.1\r\n\r\n");
    assert_eq!(client.answer().text(), "b1\n");
}

#[test]
fn a_client_that_waits_to_be_invited_is_invited() {
    let backend = Backend::start(&[]);
    let mut client = backend.connect();
    client.send("POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.head(), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("ab");
    assert_eq!(client.answer().status(), 200);
}

#[test]
fn http_10_closes_unless_it_asks_to_keep_alive() {
    let backend = Backend::start(&[]);
    let mut client = backend.connect();
    client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert!(client.answer().head.contains("Connection: keep-alive\r\n"));
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert!(client.answer().head.contains("Connection: close\r\n"));
    assert_eq!(client.rest(), (Vec::new(), Ok(())));
}

#[test]
fn what_is_no_http_is_refused_with_a_reason() {
    let backend = Backend::start(&[]);
    for (request, status) in [
        ("hello\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (&format!("GET / HTTP/1.1\r\nA: {}", "x".repeat(64 * 1024)), 431),
    ] {
        let mut client = backend.connect();
        client.send(request);
        assert_eq!(client.answer().status(), status, "{request:.60}");
    }
    assert_eq!(backend.stats()["bad_requests"], 5);
}

#[test]
fn statuses_come_by_weight_and_are_counted() {
    let backend = Backend::start(&["--status", "503:1,200:3"]);
    let mut client = backend.connect();
    for seq in 0..400 {
        client.send(&format!("GET / HTTP/1.1\r\nX-Loadtest-Seq: {seq}\r\n\r\n"));
        client.answer();
    }
    let answers = &backend.stats()["answers"];
    let count = |status: &str| answers[status].as_u64().unwrap();
    assert_eq!(count("200") + count("503"), 400);
    assert!((70..130).contains(&count("503")), "{answers}");
}

#[test]
fn latency_is_waited_for() {
    let backend = Backend::start(&["--latency", "30ms", "--jitter", "10ms"]);
    let mut client = backend.connect();
    for _ in 0..5 {
        let start = Instant::now();
        client.send("GET / HTTP/1.1\r\n\r\n");
        client.answer();
        assert!(start.elapsed() >= Duration::from_millis(20));
    }
}

#[test]
fn several_workers_share_the_connections_of_one_port() {
    let backend = Backend::start(&["--workers", "3"]);
    let mut clients: Vec<_> = (0..9).map(|_| backend.connect()).collect();
    for _ in 0..3 {
        clients.iter_mut().for_each(|client| client.send("GET / HTTP/1.1\r\n\r\n"));
        clients.iter_mut().for_each(|client| assert_eq!(client.answer().text(), "b1\n"));
    }
    backend.call("PUT", "/state", r#"{"enabled":false}"#);
    assert!(clients.iter_mut().all(|client| client.rest() == (Vec::new(), Ok(()))));
}
