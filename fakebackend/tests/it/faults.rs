//! Each fault, as the raw bytes and the end of connection that a client sees.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use crate::harness::{Backend, Client, until};

const GET: &str = "GET / HTTP/1.1\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello";

/// What a client sees of a backend with this fault: the bytes, and how the connection ends.
fn sees(fault: &str, request: &str) -> (String, Result<(), ErrorKind>) {
    let backend = Backend::start(&["--fault", fault]);
    let mut client = backend.connect();
    client.send(request);
    let (bytes, end) = client.rest();
    (String::from_utf8_lossy(&bytes).into_owned(), end)
}

#[test]
fn refuse_is_nobody_listening_and_those_connected_are_served() {
    let backend = Backend::start(&["--fault", "refuse"]);
    assert!(backend.refuses());
    backend.call("DELETE", "/faults", "");
    let mut kept = backend.connect();
    kept.send(GET);
    kept.answer();
    backend.call("POST", "/faults", r#"{"fault":"refuse"}"#);
    assert!(backend.refuses());
    kept.send(GET);
    assert_eq!(kept.answer().text(), "b1\n");
}

#[test]
fn close_is_a_clean_end_without_a_byte_after_the_whole_request() {
    assert_eq!(sees("close", GET), (String::new(), Ok(())));
    assert_eq!(sees("close", POST), (String::new(), Ok(())));
}

#[test]
fn reset_is_a_reset() {
    assert_eq!(sees("reset", GET), (String::new(), Err(ErrorKind::ConnectionReset)));
}

#[test]
fn reset_in_the_body_comes_after_so_many_bytes() {
    let backend = Backend::start(&["--fault", "reset:bytes=10", "--body-size", "100"]);
    let mut client = backend.connect();
    client.send(POST);
    let (bytes, end) = client.rest();
    let text = String::from_utf8_lossy(&bytes);
    // The reset may overtake the bytes.
    assert!(
        bytes.is_empty() || text.split_once("\r\n\r\n").is_some_and(|(_, body)| body.len() == 10)
    );
    assert_eq!(end, Err(ErrorKind::ConnectionReset));
}

#[test]
fn truncate_ends_a_body_that_was_announced_longer() {
    for (flags, announced) in [(&["--body-size", "1MiB"][..], "1048576"), (&[], "1001")] {
        let backend = Backend::start(&[&["--fault", "truncate:bytes=1000"], flags].concat());
        let mut client = backend.connect();
        client.send(POST);
        assert!(client.head().contains(&format!("Content-Length: {announced}\r\n")));
        let (body, end) = client.rest();
        assert_eq!((body.len(), end), (1000, Ok(())));
    }
}

#[test]
fn a_truncated_chunked_body_lacks_its_last_chunk() {
    let backend = Backend::start(&["--fault", "truncate:bytes=2", "--chunked"]);
    let mut client = backend.connect();
    client.send(GET);
    assert!(client.head().contains("Transfer-Encoding: chunked\r\n"));
    assert_eq!(client.rest(), (b"3\r".to_vec(), Ok(())));
}

#[test]
fn malformed_answers_are_no_http_and_then_end() {
    for (kind, part) in [
        ("malformed", "HTTP/1.1 2OO OK\r\n"),
        ("malformed:kind=status_line", "HTTP/1.1 2OO OK\r\n"),
        ("malformed:kind=header", "\r\nThis field has no colon\r\n"),
        ("malformed:kind=chunk_size", "\r\n\r\nthree\r\n"),
        ("malformed:kind=garbage", "SSH-2.0-not"),
    ] {
        let (text, end) = sees(kind, POST);
        assert!(text.contains(part), "{kind}: {text:?}");
        assert_eq!(end, Ok(()), "{kind}");
    }
}

#[test]
fn misframed_answers_say_untruly_where_they_end() {
    for (kind, head, body) in [
        ("cl_too_long", "Content-Length: 4\r\n", "b1\n"),
        ("cl_too_short", "Content-Length: 3\r\n", "b1\nand more than was announced\n"),
        (
            "cl_and_te",
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            "3\r\nb1\n\r\n0\r\n\r\n",
        ),
        ("two_cl", "Content-Length: 3\r\nContent-Length: 4\r\n", "b1\n"),
        ("te_obs", "Transfer-Encoding: \x0bchunked\r\n", "3\r\nb1\n\r\n0\r\n\r\n"),
        (
            "extra_bytes",
            "Content-Length: 3\r\n",
            "b1\nHTTP/1.1 299 Stray\r\nContent-Length: 6\r\n\r\nstray\n",
        ),
    ] {
        let backend = Backend::start(&["--fault", &format!("framing:kind={kind}")]);
        let mut client = backend.connect();
        client.send(POST);
        assert_eq!(
            client.head(),
            format!("HTTP/1.1 200 OK\r\nX-Fake-Id: b1\r\n{head}\r\n"),
            "{kind}"
        );
        assert_eq!(client.take(body.len()), body.as_bytes(), "{kind}");
        assert_eq!(backend.stats()["faults"]["framing"], 1);
        if kind == "cl_too_long" {
            assert_eq!(client.rest(), (Vec::new(), Ok(())), "{kind}");
        }
    }
}

#[test]
fn what_follows_stray_bytes_on_a_connection_is_neither_answered_nor_noted() {
    let backend = Backend::start(&["--fault", "framing:kind=extra_bytes#1"]);
    let mut client = backend.connect();
    client.send(GET);
    client.answer();
    assert_eq!(client.answer().status(), 299);
    client.send("GET / HTTP/1.1\r\nX-Loadtest-Seq: 7\r\n\r\n");
    backend.get("/");
    assert!(client.is_quiet());
    backend.wait_in_flight(1);
    assert_eq!(backend.stats()["requests"], 2);
    assert_eq!(backend.call("GET", "/journal/seqs", "")["total"], 0);
}

#[test]
fn bandwidth_is_a_whole_answer_drop_by_drop_and_the_connection_goes_on() {
    let flags = ["--fault", "bandwidth:rate=1KB#1", "--body-size", "200"];
    let backend = Backend::start(&flags);
    let mut client = backend.connect();
    client.send(GET);
    client.head();
    let begun = Instant::now();
    assert_eq!(client.take(200).len(), 200);
    // Four pieces of 50 bytes, 50 ms apart, of which the first may be under way already.
    assert!(begun.elapsed() >= Duration::from_millis(140), "{:?}", begun.elapsed());
    client.send(GET);
    assert_eq!(client.answer().body.len(), 200);
    let stats = backend.stats();
    assert_eq!((&stats["faults"]["bandwidth"], &stats["answers"]["200"]), (&1.into(), &2.into()));
}

#[test]
fn status_is_a_whole_answer_of_a_failure_and_the_connection_goes_on() {
    let backend = Backend::start(&[
        "--fault",
        "status:code=503,retry_after=7#1",
        "--fault",
        "status:code=500#1",
    ]);
    let mut client = backend.connect();
    client.send(POST);
    let answer = client.answer();
    assert_eq!((answer.status(), answer.text()), (503, "b1\n"));
    assert!(answer.head.contains("\r\nRetry-After: 7\r\n"), "{}", answer.head);
    client.send("HEAD / HTTP/1.1\r\n\r\n");
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 500 ") && !head.contains("Retry-After"), "{head}");
    client.send(GET);
    assert_eq!(client.answer().status(), 200);
    let stats = backend.stats();
    assert_eq!((&stats["faults"]["status"], &stats["answers"]["503"]), (&2.into(), &1.into()));
}

/// Waits until the backend hangs a request, and checks that it says nothing.
fn hangs(backend: &Backend, client: &mut Client) {
    until("a request hangs", || backend.stats()["faults"]["hang"] == 1);
    backend.wait_in_flight(1);
    assert!(client.is_quiet());
}

#[test]
fn hang_reads_the_request_and_says_nothing_until_the_client_leaves() {
    let backend = Backend::start(&["--fault", "hang"]);
    let mut client = backend.connect();
    client.send(POST);
    hangs(&backend, &mut client);
    drop(client);
    backend.wait_in_flight(0);
    backend.wait_open(0);
}

#[test]
fn hang_in_the_body_stalls_after_so_many_bytes() {
    let backend = Backend::start(&["--fault", "hang:bytes=1"]);
    let mut client = backend.connect();
    client.send(GET);
    assert!(client.head().contains("Content-Length: 3\r\n"));
    assert_eq!(client.take(1), b"b");
    hangs(&backend, &mut client);
}

#[test]
fn a_fault_with_a_count_happens_so_often() {
    let backend = Backend::start(&["--fault", "close#3"]);
    for _ in 0..3 {
        let mut client = backend.connect();
        client.send(GET);
        assert_eq!(client.rest(), (Vec::new(), Ok(())));
    }
    assert_eq!(backend.get("/").text(), "b1\n");
    assert_eq!(backend.stats()["faults"]["close"], 3);
}

/// Which of a hundred requests are closed by a backend with these flags.
fn fates(flags: &[&str]) -> Vec<bool> {
    let backend = Backend::start(&[&["--fault", "close@0.3"], flags].concat());
    let fate = |seq| {
        let mut client = backend.connect();
        client
            .send(&format!("GET / HTTP/1.1\r\nConnection: close\r\nX-Loadtest-Seq: {seq}\r\n\r\n"));
        client.rest().0.is_empty()
    };
    (0..100).map(fate).collect()
}

#[test]
fn chance_repeats_with_the_seed() {
    let fates_7 = fates(&["--seed", "7"]);
    let closed = fates_7.iter().filter(|&&is_closed| is_closed).count();
    assert!((15..45).contains(&closed), "{closed}");
    assert_eq!(fates(&["--seed", "7"]), fates_7);
    assert_ne!(fates(&["--seed", "8"]), fates_7);
}

#[test]
fn the_request_after_the_last_of_a_connection_is_read_and_not_answered() {
    let backend = Backend::start(&["--keepalive-requests", "2"]);
    let mut client = backend.connect();
    for _ in 0..2 {
        client.send(GET);
        assert!(!client.answer().head.contains("Connection"));
    }
    client.send(POST);
    assert_eq!(client.rest(), (Vec::new(), Ok(())));
    assert_eq!(backend.get("/").text(), "b1\n");
}
