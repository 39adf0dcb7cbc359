//! The contract for bytes from backends: rows R1 to R23, looked at on both sides.

use std::io::{Read, Write};

use crate::world::{
    Backend, Client, Next, PATIENCE, before, field, lines, raw, settings, shown, start, status,
};

/// What the client must see of a backend's bytes.
enum Answer {
    /// Exactly these bytes, apart from the fields that Nexus adds, and the connection goes on.
    Whole(&'static str),
    /// 502, and the client's connection goes on.
    Refused,
}

use Answer::{Refused, Whole};

/// Whether the backend's connection may be used again.
#[derive(Clone, Copy, PartialEq)]
enum Reuse {
    Yes,
    No,
}

/// Removes what Nexus adds to every answer.
fn without_own(answer: &str) -> String {
    let own = ["X-Forwarded-By: ", "X-Backend-Server: ", "Date: "];
    answer
        .split('|')
        .filter(|line| !own.iter().any(|name| line.starts_with(name)))
        .collect::<Vec<_>>()
        .join("|")
}

/// Sends a request, lets the backend answer with `bytes`, and checks both sides.
#[track_caller]
fn check(row: &str, request: &str, bytes: &str, answer: &Answer, reuse: Reuse) {
    let backend = Backend::answering(&lines(bytes), || Next::Continue);
    let nexus = before(&backend);
    let mut client = Client::connect(&nexus);
    client.send(&lines(request));
    match answer {
        Whole(expected) => {
            let own = "X-Forwarded-By: Nexus|X-Backend-Server: |Date: |".len();
            let mut got = String::new();
            while without_own(&got) != *expected {
                assert!(got.len() < expected.len() + own + 200, "row {row}: {got}");
                got.push_str(&shown(&client.reader.exactly(1)));
                got = got.replace("\r\n", "|");
            }
        }
        Refused => {
            let (head, _) = client.answer();
            assert_eq!(status(&head), 502, "row {row}: {head}");
            assert_eq!(field(&head, "X-Nexus-Error"), Some("bad_response"), "row {row}: {head}");
        }
    }
    assert_eq!(client.get("/innocent"), "innocent", "row {row}");
    let seen = backend.seen();
    assert_eq!(seen.len(), 2, "row {row}: {seen:?}");
    let same = seen[0].connection == seen[1].connection;
    assert_eq!(same, reuse == Reuse::Yes, "row {row}: reused");
}

const GET: &str = "GET / HTTP/1.1|Host: a||";

#[test]
fn framing_is_written_from_what_the_body_is() {
    let chunked = Whole("HTTP/1.1 200 OK|Transfer-Encoding: chunked||3|abc|0||");
    let both = "HTTP/1.1 200 OK|Transfer-Encoding: chunked|Content-Length: 40||3|abc|0||";
    check("R1", GET, both, &chunked, Reuse::No);
    for coding in ["chunked, chunked", "gzip", "chunked, gzip", "gzip, chunked"] {
        let bytes = format!("HTTP/1.1 200 OK|Transfer-Encoding: {coding}||3|abc|0||");
        check("R2", GET, &bytes, &Refused, Reuse::No);
    }
    check("R3", GET, "HTTP/1.0 200 OK|Transfer-Encoding: chunked||3|abc|0||", &Refused, Reuse::No);
    check(
        "R4",
        GET,
        "HTTP/1.1 200 OK|Content-Length: 2|Content-Length: 3||abc",
        &Refused,
        Reuse::No,
    );
    let two = Whole("HTTP/1.1 200 OK|Content-Length: 2||ab");
    check("R5", GET, "HTTP/1.1 200 OK|Content-Length: 2, 2||ab", &two, Reuse::Yes);
    check("R6", GET, "HTTP/1.1 200 OK|X: a| b|Content-Length: 2||ab", &Refused, Reuse::No);
    check("R7", GET, "HTTP/1.1 200 OK|X : a|Content-Length: 2||ab", &Refused, Reuse::No);
    check(
        "R16",
        GET,
        "HTTP/1.1 200|Content-Length: 2||ab",
        &Whole("HTTP/1.1 200 |Content-Length: 2||ab"),
        Reuse::Yes,
    );
    check("R19", GET, "HTTP/1.1 200 OK|Content-Length: 2|Connection: close||ab", &two, Reuse::No);
}

#[test]
fn bodies_that_must_not_be_there_are_not() {
    let none = Whole("HTTP/1.1 204 No Content||");
    check("R13", GET, "HTTP/1.1 204 No Content|Content-Length: 3||abc", &none, Reuse::No);
    let not_modified = Whole("HTTP/1.1 304 Not Modified|Content-Length: 3||");
    check("R13", GET, "HTTP/1.1 304 Not Modified|Content-Length: 3||abc", &not_modified, Reuse::No);
    let head = Whole("HTTP/1.1 200 OK|Content-Length: 3||");
    check(
        "R13",
        "HEAD / HTTP/1.1|Host: a||",
        "HTTP/1.1 200 OK|Content-Length: 3||abc",
        &head,
        Reuse::No,
    );
    check(
        "R13",
        "HEAD / HTTP/1.1|Host: a||",
        "HTTP/1.1 200 OK|Content-Length: 3||",
        &head,
        Reuse::Yes,
    );
    let two = Whole("HTTP/1.1 200 OK|Content-Length: 2||ab");
    let split = "HTTP/1.1 200 OK|Content-Length: 2||abHTTP/1.1 200 OK|Content-Length: 4||evil";
    check("R14", GET, split, &two, Reuse::No);
}

#[test]
fn statuses_are_three_digits_of_a_class() {
    for status in ["99", "abc", "600", "1000"] {
        check("R15", GET, &format!("HTTP/1.1 {status} X|Content-Length: 0||"), &Refused, Reuse::No);
    }
    let fields = "X: y|".repeat(200);
    let backend =
        Backend::answering(&lines(&format!("HTTP/1.1 200 OK|{fields}Content-Length: 0||")), || {
            Next::Continue
        });
    let nexus = before(&backend);
    let (head, _) = Client::connect(&nexus).ask(&lines(GET));
    assert_eq!(head.matches("X: y").count(), 200, "row R17");
}

#[test]
fn interim_answers_reach_those_who_understand_them() {
    let hints = "HTTP/1.1 103 Early Hints|Link: a||HTTP/1.1 103 Early Hints|Link: b||HTTP/1.1 200 OK|Content-Length: 2||ab";
    check("R10", GET, hints, &Whole(hints), Reuse::Yes);
    let old = Whole("HTTP/1.1 200 OK|Content-Length: 2|Connection: keep-alive||ab");
    check("R10", "GET / HTTP/1.0|Connection: keep-alive||", hints, &old, Reuse::Yes);
    let unasked = "HTTP/1.1 100 Continue||HTTP/1.1 200 OK|Content-Length: 2||ab";
    check("R11", GET, unasked, &Whole("HTTP/1.1 200 OK|Content-Length: 2||ab"), Reuse::Yes);
    let flood =
        format!("{}HTTP/1.1 200 OK|Content-Length: 2||ab", "HTTP/1.1 102 Processing||".repeat(17));
    let backend = Backend::answering(&lines(&flood), || Next::Continue);
    let nexus = before(&backend);
    let mut client = Client::connect(&nexus);
    client.send(&lines(GET));
    let bytes = shown(&client.reader.exactly(16 * "HTTP/1.1 102 Processing||".len() - 32 + 12));
    assert!(bytes.starts_with("HTTP/1.1 "), "{bytes}");
}

#[test]
fn an_unasked_switch_of_protocols_is_refused() {
    let backend = Backend::answering(
        &lines("HTTP/1.1 101 S|Upgrade: websocket|Connection: Upgrade||"),
        || Next::Continue,
    );
    let nexus = before(&backend);
    let mut client = Client::connect(&nexus);
    let (head, _) = client.ask(&lines(GET));
    assert_eq!(
        (status(&head), field(&head, "X-Nexus-Error")),
        (502, Some("unexpected_upgrade")),
        "row R12"
    );
    assert_eq!(client.get("/innocent"), "innocent", "row R12");
}

/// Returns all that the client sees of an answer that its backend breaks off with a close.
fn broken_off(bytes: &str, request: &str) -> String {
    let backend = Backend::answering(&lines(bytes), || Next::Close);
    let nexus = before(&backend);
    let mut client = Client::connect(&nexus);
    client.send(&lines(request));
    let answer = shown(&client.reader.rest());
    backend.stop();
    without_own(&answer)
}

#[test]
fn a_truncated_answer_never_looks_complete() {
    assert_eq!(
        broken_off("HTTP/1.1 200 OK|Content-Length: 5||abc", GET),
        "HTTP/1.1 200 OK|Content-Length: 5||abc",
        "row R8"
    );
    let chunked = "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|abcde|5|ab";
    let seen = broken_off(chunked, GET);
    assert!(seen.contains("abcde") && !seen.contains("|0|"), "row R8: {seen}");
}

#[test]
fn an_answer_that_ends_with_its_connection_is_delimited_anew() {
    let seen = broken_off("HTTP/1.0 200 OK||abc", "GET / HTTP/1.1|Host: a|Connection: close||");
    assert_eq!(
        seen, "HTTP/1.1 200 OK|Transfer-Encoding: chunked|Connection: close||3|abc|0||",
        "row R9"
    );
    let seen = broken_off("HTTP/1.0 200 OK||abc", "GET / HTTP/1.0||");
    assert_eq!(seen, "HTTP/1.1 200 OK|Connection: close||abc", "row R9");
}

#[test]
fn a_close_without_a_byte_is_502_on_a_fresh_connection() {
    let backend = Backend::answering(b"", || Next::Close);
    let nexus = before(&backend);
    let mut client = Client::connect(&nexus);
    let (head, _) = client.ask(&lines("POST / HTTP/1.1|Host: a|Content-Length: 1||x"));
    assert_eq!(
        (status(&head), field(&head, "X-Nexus-Error")),
        (502, Some("backend_closed")),
        "row R18"
    );
    let (head, _) = client.ask(&lines(GET));
    assert_eq!(
        (status(&head), field(&head, "X-Nexus-Error")),
        (503, Some("no_backend_available")),
        "it is DOWN now"
    );
}

#[test]
fn an_early_answer_reaches_a_client_that_still_uploads() {
    let address = raw(|mut stream| {
        let mut some = [0; 1000];
        if stream.read(&mut some).unwrap_or(0) > 0 {
            let _ = stream.write_all(b"HTTP/1.1 413 Too Big\r\nContent-Length: 7\r\n\r\ntoo big");
        } // And gone, with megabytes unread: a reset.
    });
    let nexus = start(settings(&[address]));
    let mut client = Client::connect(&nexus);
    let mut uploader = client.stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        let _ = uploader.write_all(&lines("PUT /early HTTP/1.1|Host: a|Content-Length: 8000000||"));
        let _ = uploader.write_all(&vec![0; 8_000_000]);
    });
    let (head, body) = client.answer();
    assert_eq!((status(&head), body), (413, b"too big".to_vec()), "row R20");
    assert_eq!(field(&head, "Connection"), Some("close"), "row R20");
    client.assert_closed();
    writer.join().unwrap();
}

#[test]
fn an_early_answer_on_a_connection_that_stays_open_closes_both() {
    let (sent, gone) = std::sync::mpsc::channel();
    let address = raw(move |mut stream| {
        let mut some = [0; 1000];
        if stream.read(&mut some).unwrap_or(0) > 0 {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly").unwrap();
            while stream.read(&mut some).unwrap_or(0) > 0 {}
            sent.send(()).unwrap();
        }
    });
    let nexus = start(settings(&[address]));
    let mut client = Client::connect(&nexus);
    client.send(&lines("POST / HTTP/1.1|Host: a|Content-Length: 100||part"));
    let (head, body) = client.answer();
    assert_eq!((status(&head), body), (200, b"early".to_vec()), "row R23");
    assert_eq!(field(&head, "Connection"), Some("close"), "row R23");
    gone.recv_timeout(PATIENCE).expect("row R23: the backend's connection is closed");
    client.assert_closed();
}

#[test]
fn a_head_in_single_bytes_is_the_same() {
    let backend = Backend::new(|stream, _| {
        stream.set_nodelay(true).unwrap();
        for byte in lines("HTTP/1.1 200 OK|Transfer-Encoding: chunked||3|abc|0||") {
            stream.write_all(&[byte]).unwrap();
        }
        Next::Continue
    });
    let nexus = before(&backend);
    let mut client = Client::connect(&nexus);
    let (head, body) = client.ask(&lines(GET));
    assert_eq!(status(&head), 200, "row R21");
    assert!(shown(&body).ends_with("|0||"), "row R21");
}

#[test]
fn lengths_beyond_32_bits_pass() {
    let backend =
        Backend::answering(&lines("HTTP/1.1 200 OK|Content-Length: 8589934592||abc"), || {
            Next::Continue
        });
    let nexus = before(&backend);
    let mut client = Client::connect(&nexus);
    client.send(&lines(GET));
    let head = client.reader.head().unwrap();
    assert_eq!(field(&head, "Content-Length"), Some("8589934592"), "row R22");
    assert_eq!(client.reader.exactly(3), b"abc", "row R22");
}
