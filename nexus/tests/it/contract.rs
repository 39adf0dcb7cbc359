//! The contract for bytes from clients: 80 rows of raw input and the right answer.
//!
//! Each row is sent on a connection of its own, and both sides are looked at byte by byte; then an
//! innocent request follows, over the same connection to the backend and, where it goes on, over
//! the same connection of the client. The rows that need time or several steps are stories in
//! `limits` and `proxying`, named beside them here.

use crate::world::{Backend, Client, before, lines, shown, status};

/// What a row must come to.
enum Answer {
    /// The backend sees the request, and its head has these lines and not those.
    Passes { has: &'static [&'static str], lacks: &'static [&'static str] },
    /// The same, and the client's connection is closed after it.
    PassesAndCloses,
    /// The client gets this status and is cut off; the backend sees nothing of it.
    Refused(u16),
    /// The client gets this status and is cut off; the backend may have seen a part, but no end.
    Aborted(u16),
}

use Answer::{Aborted, Passes, PassesAndCloses, Refused};

const PASSES: Answer = Passes { has: &[], lacks: &[] };

/// Sends one row and checks both sides.
#[track_caller]
fn check(row: &str, input: &str, answer: &Answer) {
    let bytes = if input.contains('|') { lines(input) } else { input.as_bytes().to_vec() };
    check_bytes(row, &bytes, answer);
}

#[track_caller]
fn check_bytes(row: &str, bytes: &[u8], answer: &Answer) {
    let backend = Backend::named("ok");
    let nexus = before(&backend);
    let mut client = Client::connect(&nexus);
    let is_head = bytes.starts_with(b"HEAD");
    client.send(bytes);
    let got =
        if is_head { client.reader.head() } else { client.reader.message().map(|(head, _)| head) };
    let head = got.unwrap_or_else(|| panic!("row {row}: no answer"));
    match answer {
        Passes { has, lacks } => {
            assert_eq!(status(&head), 200, "row {row}: {head}");
            let seen = &backend.seen()[0];
            for line in *has {
                assert!(seen.has_line(line), "row {row}: {line:?} is not in {}", seen.head);
            }
            for part in *lacks {
                assert!(!seen.head.contains(part), "row {row}: {part:?} is in {}", seen.head);
            }
            assert_eq!(client.get("/innocent"), "ok", "row {row}");
        }
        PassesAndCloses => {
            assert_eq!(status(&head), 200, "row {row}: {head}");
            client.assert_closed();
            assert_eq!(Client::connect(&nexus).get("/innocent"), "ok", "row {row}");
        }
        Refused(expected) | Aborted(expected) => {
            assert_eq!(status(&head), *expected, "row {row}: {head}");
            assert!(head.contains("\r\nX-Nexus-Error: "), "row {row}: {head}");
            assert!(head.contains("\r\nConnection: close\r\n"), "row {row}: {head}");
            client.assert_closed();
            assert_eq!(Client::connect(&nexus).get("/innocent"), "ok", "row {row}");
        }
    }
    let seen = backend.seen();
    let expected = if let Refused(_) | Aborted(_) = answer { 1 } else { 2 };
    assert_eq!(seen.len(), expected, "row {row}: the backend saw {seen:?}");
    assert!(seen[expected - 1].head.starts_with("GET /innocent HTTP/1.1\r\n"), "row {row}");
    if !matches!(answer, Aborted(_)) {
        let over: Vec<_> = seen.iter().map(|seen| seen.connection).collect();
        assert!(over.iter().all(|at| *at == over[0]), "row {row}: one connection, not {over:?}");
    }
}

#[test]
fn hosts_are_one_and_valid() {
    check("1", "GET / HTTP/1.1|Host: a||", &PASSES);
    check("2", "GET / HTTP/1.1|X: y||", &Refused(400));
    check("3", "GET / HTTP/1.1|Host: a|Host: a||", &Refused(400));
    for host in ["a b", "a,b", "a/b", "u@a"] {
        check("4", &format!("GET / HTTP/1.1|Host: {host}||"), &Refused(400));
    }
    check("5", "GET / HTTP/1.1|Host:||", &Refused(400));
    check("6", "GET / HTTP/1.0||", &PassesAndCloses);
    check("7", "GET / HTTP/1.0|Connection: keep-alive||", &PASSES);
}

#[test]
fn targets_have_a_legal_form() {
    check("8", "GET http://x/p HTTP/1.1|Host: a||", &Refused(400));
    let absolute = Passes { has: &["GET /p?q HTTP/1.1", "Host: x"], lacks: &["http://"] };
    check("8", "GET http://x/p?q HTTP/1.1|Host: x||", &absolute);
    check("9", "GET http://u:p@x/ HTTP/1.1|Host: x||", &Refused(400));
    check(
        "10",
        "GET http://x HTTP/1.1|Host: x||",
        &Passes { has: &["GET / HTTP/1.1"], lacks: &[] },
    );
    check(
        "11",
        "OPTIONS * HTTP/1.1|Host: a||",
        &Passes { has: &["OPTIONS * HTTP/1.1"], lacks: &[] },
    );
    check("12", "GET * HTTP/1.1|Host: a||", &Refused(400));
    check("13", "GET admin HTTP/1.1|Host: a||", &Refused(400));
    check("13", "GET a:80 HTTP/1.1|Host: a||", &Refused(400));
    check("14", "CONNECT a:443 HTTP/1.1|Host: a||", &Refused(501));
    check("14", "CONNECT /x HTTP/1.1|Host: a||", &Refused(400));
    check("14", "CONNECT http://a HTTP/1.1|Host: a||", &Refused(400));
    check("15", "GET /a#frag HTTP/1.1|Host: a||", &Refused(400));
    check("16", "GET /a b HTTP/1.1|Host: a||", &Refused(400));
    check("17", "GET  / HTTP/1.1|Host: a||", &Refused(400));
    check("17", "GET\t/ HTTP/1.1|Host: a||", &Refused(400));
    let untouched = Passes { has: &["GET /a/../%7E//c;x?b=%00&<>\"{}\\^` HTTP/1.1"], lacks: &[] };
    check("untouched", "GET /a/../%7E//c;x?b=%00&<>\"{}\\^` HTTP/1.1|Host: a||", &untouched);
}

#[test]
fn lines_are_lines() {
    check("18", "||GET / HTTP/1.1|Host: a||", &PASSES);
    check("19", " GET / HTTP/1.1|Host: a||", &Refused(400));
    check("20", "GET / HTTP/1.1\nHost: a\nX: y\n\n", &Passes { has: &["X: y"], lacks: &["a\nX"] });
    check("21", "GET / HTTP/1.1|Host: a|X: a\rb||", &Refused(400));
    check("22", "GET / HTTP/1.1|Host: a|X: \0||", &Refused(400));
    check("22", "GET / HTTP/1.1|Host: a|X: \u{1}||", &Refused(400));
    check("24", "GET / HTTP/1.1|Host: a|X: a| b||", &Refused(400));
    check("25", "GET / HTTP/1.1| Host: a||", &Refused(400));
    check("26", "GET / HTTP/1.1|Host : a||", &Refused(400));
    check("27", "GET / HTTP/1.1|Host: a|nothing||", &Refused(400));
    check("27", "GET / HTTP/1.1|Host: a|: v||", &Refused(400));
    check("27", "GET / HTTP/1.1|Host: a|X(y: v||", &Refused(400));
    check("28", "GET / HTTP/1.1|Host: a|X_y: v||", &Passes { has: &["X_y: v"], lacks: &[] });
    check("29", "GET /||", &Refused(400));
}

#[test]
fn opaque_bytes_in_a_value_pass_unchanged() {
    let (backend, bytes) =
        (Backend::named("ok"), b"GET / HTTP/1.1\r\nHost: a\r\nX: \x80\xff\r\n\r\n");
    let nexus = before(&backend);
    let mut client = Client::connect(&nexus);
    assert_eq!(status(&client.ask(bytes).0), 200, "row 23");
    assert!(backend.seen()[0].head.contains("X: \u{fffd}\u{fffd}\r\n"), "row 23");
}

#[test]
fn versions_are_1_0_or_1_1() {
    for version in ["HTTP/1.2", "http/1.1", "HTTP/1.10"] {
        check("30", &format!("GET / {version}|Host: a||"), &Refused(400));
    }
    // The table says 400 and calls 505 right, too: it names the fault.
    for version in ["HTTP/2.0", "HTTP/3.0"] {
        check("30", &format!("GET / {version}|Host: a||"), &Refused(505));
    }
    // What opens HTTP/2 is taken for that; what only resembles it is not.
    check("31", "PRI * HTTP/2.0||SN||", &Refused(400));
    check_bytes("32", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00", &Refused(400));
}

#[test]
fn methods_are_tokens() {
    check("33", "get / HTTP/1.1|Host: a||", &Passes { has: &["get / HTTP/1.1"], lacks: &[] });
    check("33", "FOO / HTTP/1.1|Host: a||", &Passes { has: &["FOO / HTTP/1.1"], lacks: &[] });
    check("34", "GE(T / HTTP/1.1|Host: a||", &Refused(400));
}

#[test]
fn lengths_leave_no_doubt() {
    let three =
        Passes { has: &["Content-Length: 3"], lacks: &["Content-Length: 3\r\nContent-Length"] };
    check("35", "POST / HTTP/1.1|Host: a|Content-Length: 3|Content-Length: 3||abc", &three);
    check("36", "POST / HTTP/1.1|Host: a|Content-Length: 3|Content-Length: 4||abc", &Refused(400));
    check("37", "POST / HTTP/1.1|Host: a|Content-Length: 3, 3||abc", &Refused(400));
    for length in ["+3", "-3", "0x3", "", "1 3", "3_0", "18446744073709551616"] {
        check(
            "38",
            &format!("POST / HTTP/1.1|Host: a|Content-Length: {length}||abc"),
            &Refused(400),
        );
    }
    let clean = Passes { has: &["Content-Length: 3"], lacks: &["0003"] };
    check("39", "POST / HTTP/1.1|Host: a|Content-Length: 0003||abc", &clean);
    check("40", "POST / HTTP/1.1|Host: a|Content-Length: 18446744073709551615||", &Refused(413));
    check("41", "GET / HTTP/1.1|Host: a|Content-Length: 3||abc", &three);
    check("411", "POST / HTTP/1.0|Host: a||", &Refused(411));
}

#[test]
fn codings_leave_no_doubt() {
    let post = |fields: &str| format!("POST / HTTP/1.1|Host: a|{fields}||3|abc|0||");
    check("42", &post("Transfer-Encoding: chunked|Content-Length: 3"), &Refused(400));
    check("42", &post("Content-Length: 3|Transfer-Encoding: chunked"), &Refused(400));
    let smuggler = "POST / HTTP/1.1|Host: a|Content-Length: 40|Transfer-Encoding: chunked||0||GET /smuggled HTTP/1.1|Host: a||";
    check("43", smuggler, &Refused(400));
    check("44", "POST / HTTP/1.0|Host: a|Transfer-Encoding: chunked||3|abc|0||", &Refused(400));
    for coding in [
        "identity",
        "gzip",
        "chunked, gzip",
        "xchunked",
        "",
        "chunked,",
        "chunked;q=1",
        "\"chunked\"",
        "\u{b}chunked",
    ] {
        check("45", &post(&format!("Transfer-Encoding: {coding}")), &Refused(400));
    }
    check("46", &post("Transfer-Encoding: gzip, chunked"), &Refused(501));
    check("47", &post("Transfer-Encoding: chunked, chunked"), &Refused(400));
    check("48", &post("Transfer-Encoding: chunked|Transfer-Encoding: identity"), &Refused(400));
    check("48", &post("Transfer-Encoding: identity|Transfer-Encoding: chunked"), &Refused(400));
    let chunked = Passes { has: &["Transfer-Encoding: chunked"], lacks: &["ChUnKeD"] };
    check("49", &post("Transfer-Encoding: ChUnKeD"), &chunked);
    check("49", &post("Transfer-Encoding: \tchunked"), &chunked);
    check("50", &post("Transfer-Encoding : chunked"), &Refused(400));
}

/// Sends a chunked body and checks what the backend saw of it.
#[track_caller]
fn check_chunks(row: &str, body: &str, expected: &str) {
    let backend = Backend::named("ok");
    let nexus = before(&backend);
    let mut client = Client::connect(&nexus);
    let (head, _) =
        client.ask(&lines(&format!("POST / HTTP/1.1|Host: a|Transfer-Encoding: chunked||{body}")));
    assert_eq!(status(&head), 200, "row {row}: {head}");
    assert_eq!(client.get("/innocent"), "ok", "row {row}");
    assert_eq!(shown(&backend.seen()[0].body), expected, "row {row}");
}

#[test]
fn chunks_are_written_anew() {
    check_chunks("51", "A|0123456789|0||", "a|0123456789|0||");
    check_chunks("51", "0003|abc|0||", "3|abc|0||");
    check_chunks("53", "3 |abc|0||", "3|abc|0||");
    check_chunks("54", "3;a=b|abc|0||", "3|abc|0||");
    check_chunks("54", "3;a=\"b;c\"|abc|0||", "3|abc|0||");
    check_chunks("57", "3|abc|0|X-T: v||", "3|abc|0|X-T: v||");
    check_chunks("58", "3|abc|0|Content-Length: 5|Host: evil|Transfer-Encoding: x||", "3|abc|0||");
}

#[test]
fn broken_chunks_abort_the_request() {
    let post = |body: &str| format!("POST / HTTP/1.1|Host: a|Transfer-Encoding: chunked||{body}");
    for size in ["0x3", "+3", "-3", " 3", "", "11111111111111111"] {
        check("52", &post(&format!("{size}|abc|0||")), &Aborted(400));
    }
    check("55", &post("3;a\nb|abc|0||"), &Aborted(400));
    check("55", &post("3;a\rb|abc|0||"), &Aborted(400));
    check("55", &post(&format!("3;{}|abc|0||", "x".repeat(17_000))), &Aborted(400));
    check("56", &post("3\nabc|0||"), &Aborted(400));
    check("56", &post("3|abc\n0||"), &Aborted(400));
    check("56", &post("3|abcXX0||"), &Aborted(400));
    check("59", &post("3|abc|0|foo||"), &Aborted(400));
    check("60", &post("3|abc|0|X: y\n|"), &Aborted(400));
}

#[test]
fn expectations_are_the_one_that_exists() {
    // Rows 62 and 63: `proxying`.
    let ignored = Passes { has: &[], lacks: &["xpect"] };
    check(
        "64",
        "POST / HTTP/1.0|Connection: keep-alive|Expect: 100-continue|Content-Length: 3||abc",
        &ignored,
    );
    check("65", "POST / HTTP/1.1|Host: a|Expect: foo|Content-Length: 3||abc", &Refused(417));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let backend = Backend::new(|stream, seen| {
        use std::io::Write;
        let path = seen.head.split(' ').nth(1).unwrap();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}", path.len()).unwrap();
        crate::world::Next::Continue
    });
    let nexus = before(&backend);
    let mut client = Client::connect(&nexus);
    client.send(&lines("GET /1 HTTP/1.1|Host: a||POST /2 HTTP/1.1|Host: a|Content-Length: 3||abcGET /3 HTTP/1.1|Host: a||"));
    let bodies: Vec<_> = (0..3).map(|_| String::from_utf8(client.answer().1).unwrap()).collect();
    assert_eq!(bodies, ["/1", "/2", "/3"], "row 66");

    let mut client = Client::connect(&nexus);
    client.send(&lines("GET /1 HTTP/1.1|Host: a|Connection: close||GET /2 HTTP/1.1|Host: a||"));
    assert_eq!(client.answer().1, b"/1", "row 67");
    client.assert_closed();
    assert_eq!(backend.count(), 4, "row 67: the second is never sent on");
}

#[test]
fn one_hop_fields_end_here() {
    check(
        "68",
        "GET / HTTP/1.1|Host: a|Connection: close|Connection: keep-alive||",
        &PassesAndCloses,
    );
    let gone =
        Passes { has: &["Host: a", "Authorization: b"], lacks: &["X-Foo", "X-Bar", "x-foo"] };
    let named = "GET / HTTP/1.1|Host: a|Connection: x-foo, host, authorization, x-forwarded-for|Connection: x-bar|X-Foo: 1|X-Bar: 2|Authorization: b||";
    check("69", named, &gone);
    let stripped = Passes { has: &[], lacks: &["Upgrade", "upgrade"] };
    check("70", "GET / HTTP/1.1|Host: a|Upgrade: websocket||", &stripped);
    check("70", "GET / HTTP/1.0|Connection: upgrade, keep-alive|Upgrade: websocket||", &stripped);
    check(
        "80",
        "GET / HTTP/1.1|Host: a|TE: trailers, gzip||",
        &Passes { has: &["TE: trailers"], lacks: &["gzip"] },
    );
}

#[test]
fn heads_have_a_size() {
    // Rows 74 to 76: `limits`.
    check("72", &format!("GET / HTTP/1.1|Host: a|{}|", "X: y|".repeat(100)), &Refused(431));
    check("73", &format!("GET / HTTP/1.1|Host: a|X: {}||", "y".repeat(500_000)), &Refused(431));
    check("73", &format!("GET / HTTP/1.1|Host: a|{}: y||", "X".repeat(70_000)), &Refused(431));
    check("73", &format!("GET /{} HTTP/1.1|Host: a||", "x".repeat(70_000)), &Refused(414));
    check("73", &format!("GET /{} HTTP/1.1|Host: a||", "x".repeat(17_000)), &Refused(414));
    check(
        "73",
        &format!("GET /{} HTTP/1.1|Host: a|X: {}||", "x".repeat(15_000), "y".repeat(15_000)),
        &PASSES,
    );
}

#[test]
fn one_byte_at_a_time_is_the_same() {
    let backend = Backend::named("ok");
    let nexus = before(&backend);
    let mut client = Client::connect(&nexus);
    let whole = lines(
        "||GET /1 HTTP/1.1|Host: a||POST /2 HTTP/1.1|Host: a|Transfer-Encoding: chunked||3;x|abc|1|d|0|X-T: v||",
    );
    for byte in whole {
        client.send(&[byte]);
    }
    assert_eq!(client.answer().1, b"ok", "row 77");
    assert_eq!(client.answer().1, b"ok", "row 77");
    let body = shown(&backend.seen()[1].body);
    assert!(body.ends_with("|0|X-T: v||"), "row 77: {body}");
    let data: String =
        body.split('|').skip(1).step_by(2).take_while(|line| *line != "X-T: v").collect();
    assert_eq!(data, "abcd", "row 77: {body}");
}

#[test]
fn the_last_hop_answers_itself() {
    let backend = Backend::named("ok");
    let nexus = before(&backend);
    let mut client = Client::connect(&nexus);
    let (head, _) = client.ask(&lines("OPTIONS / HTTP/1.1|Host: a|Max-Forwards: 0||"));
    assert_eq!(status(&head), 204, "row 79");
    assert_eq!(client.get("/innocent"), "ok");
    assert_eq!(backend.count(), 1, "row 79");
    check("79", "TRACE / HTTP/1.1|Host: a|Max-Forwards: 0||", &Refused(501));
    let fewer = Passes { has: &["Max-Forwards: 4"], lacks: &[] };
    check("79", "OPTIONS / HTTP/1.1|Host: a|Max-Forwards: 5||", &fewer);
}
