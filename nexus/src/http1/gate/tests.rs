use super::*;
use crate::http1::head::parse_request;

fn admitted(bytes: &[u8]) -> Result<Admission, Reason> {
    admit(bytes, parse_request(bytes).unwrap().expect("a whole head"))
}

#[track_caller]
fn check(lines: &str, expected: Result<Framing, Reason>) {
    let head = format!("{}\r\n\r\n", lines.replace('|', "\r\n"));
    let verdict = admitted(head.as_bytes()).map(|admission| match admission {
        Admission::Forward(request) | Admission::AnswerOptions(request) => request.body,
    });
    assert_eq!(verdict, expected, "{lines}");
}

#[track_caller]
fn check_target(line: &str, expected: Result<&str, Reason>) {
    let head = format!("{line} HTTP/1.1\r\nHost: x\r\n\r\n");
    let found = admitted(head.as_bytes()).map(|admission| match admission {
        Admission::Forward(request) | Admission::AnswerOptions(request) => match request.target {
            Target::Path(span) => String::from_utf8_lossy(span.of(head.as_bytes())).into_owned(),
            Target::Query(span) => {
                format!("/{}", String::from_utf8_lossy(span.of(head.as_bytes())))
            }
            Target::Root => "/".to_owned(),
            Target::Asterisk => "*".to_owned(),
        },
    });
    assert_eq!(found, expected.map(str::to_owned), "{line}");
}

#[test]
fn a_target_has_one_of_the_legal_forms() {
    check_target("GET /a/../b//c?x=%00", Ok("/a/../b//c?x=%00"));
    check_target("GET http://x/p?q", Ok("/p?q"));
    check_target("GET HTTP://x", Ok("/"));
    check_target("GET http://x?q", Ok("/?q"));
    check_target("OPTIONS *", Ok("*"));
    check_target("OPTIONS http://x", Ok("*"));
    for bad in ["GET *", "GET admin", "GET a:80", "GET /a#b", "GET http://u:p@x/", "GET ftp://x/"] {
        check_target(bad, Err(Reason::BadTarget));
    }
    check_target("CONNECT x:443", Err(Reason::ConnectNotSupported));
    check_target("CONNECT /x", Err(Reason::BadTarget));
    check_target("CONNECT http://a", Err(Reason::BadTarget));
    check_target("GET http://other/", Err(Reason::BadHost));
}

#[test]
fn a_host_is_one_and_valid() {
    for good in ["a", "a:80", "a.b-c_d", "[::1]", "[::1]:8000", "127.0.0.1:1", "a:"] {
        check(&format!("GET / HTTP/1.1|Host: {good}"), Ok(Framing::None));
    }
    for bad in ["", "a b", "a,b", "a/b", "u@a", "a:b", "a:123456", "[::1", "[]", "[::1]x"] {
        check(&format!("GET / HTTP/1.1|Host: {bad}"), Err(Reason::BadHost));
    }
    check("GET / HTTP/1.1", Err(Reason::BadHost));
    check("GET / HTTP/1.1|Host: a|Host: a", Err(Reason::BadHost));
    check("GET / HTTP/1.0", Ok(Framing::None));
}

#[test]
fn a_length_is_digits_and_agrees_with_itself() {
    let post = |length: &str| format!("POST / HTTP/1.1|Host: a|Content-Length: {length}");
    check(&post("3"), Ok(Framing::Length(3)));
    check(&post("0003"), Ok(Framing::Length(3)));
    check(&post("3|Content-Length: 3"), Ok(Framing::Length(3)));
    check(&post("18446744073709551615"), Err(Reason::BodyTooLarge));
    for bad in
        ["3|Content-Length: 4", "3, 3", "+3", "-3", "0x3", "", "1 3", "3_0", "18446744073709551616"]
    {
        check(&post(bad), Err(Reason::BadFraming));
    }
    check("POST / HTTP/1.0|Host: a", Err(Reason::LengthRequired));
    check("POST / HTTP/1.1|Host: a", Ok(Framing::None));
}

#[test]
fn a_coding_is_chunked_or_nothing() {
    let post = |coding: &str| format!("POST / HTTP/1.1|Host: a|Transfer-Encoding: {coding}");
    check(&post("ChUnKeD"), Ok(Framing::Chunked));
    check(&post("\tchunked"), Ok(Framing::Chunked));
    check(&post("gzip, chunked"), Err(Reason::UnknownCoding));
    for bad in [
        "identity",
        "gzip",
        "chunked, gzip",
        "xchunked",
        "",
        "chunked,",
        "chunked;q=1",
        "\"chunked\"",
        "chunked, chunked",
        "chunked|Transfer-Encoding: identity",
        "identity|Transfer-Encoding: chunked",
        "chunked|Content-Length: 3",
        "identity, chunked",
    ] {
        check(&post(bad), Err(Reason::BadFraming));
    }
    check("POST / HTTP/1.0|Host: a|Transfer-Encoding: chunked", Err(Reason::BadFraming));
}

#[test]
fn connection_names_fields_away_but_never_those_that_matter() {
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x-foo, host, Authorization\r\nX-Foo: 1\r\nAuthorization: b\r\n\r\n";
    let Admission::Forward(request) = admitted(head).unwrap() else { panic!("not forwarded") };
    let gone: Vec<_> = request.head.fields.iter().filter(|field| field.one_hop).collect();
    assert_eq!(gone.len(), 1);
    assert_eq!(gone[0].label.of(head), b"X-Foo");
}

#[test]
fn naming_fields_without_end_is_refused() {
    check(
        &format!("GET / HTTP/1.1|Host: a|Connection: {}", "x,".repeat(33)),
        Err(Reason::HeadTooLarge),
    );
}

#[test]
fn an_upgrade_that_would_hide_http_is_not_offered_on() {
    let offered = |lines: &str| {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n");
        let Admission::Forward(request) = admitted(head.as_bytes()).unwrap() else { panic!() };
        request.upgrade.is_some()
    };
    assert!(offered("Connection: keep-alive, Upgrade\r\nUpgrade: websocket"));
    assert!(!offered("Upgrade: websocket"));
    assert!(!offered("Connection: Upgrade\r\nUpgrade: h2c"));
    assert!(!offered("Connection: Upgrade\r\nUpgrade: websocket, HTTP/2.0"));
    assert!(!offered("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1"));
}

#[test]
fn expectations_other_than_continue_fail() {
    check("PUT / HTTP/1.1|Host: a|Expect: 100-Continue|Content-Length: 1", Ok(Framing::Length(1)));
    check("PUT / HTTP/1.1|Host: a|Expect: tea|Content-Length: 1", Err(Reason::UnknownExpectation));
}

#[test]
fn the_last_hop_answers_itself() {
    let head = b"OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n";
    assert!(matches!(admitted(head), Ok(Admission::AnswerOptions(_))));
    let head = b"OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 3\r\n\r\n";
    let Ok(Admission::Forward(request)) = admitted(head) else { panic!("not forwarded") };
    assert_eq!(request.max_forwards, Some(2));
    check("TRACE / HTTP/1.1|Host: a|Max-Forwards: 0", Err(Reason::TraceNotSupported));
}
