//! Request heads, one line of the rules each.

use super::*;

fn read(head: &str) -> Request {
    parse(head.as_bytes()).unwrap().unwrap()
}

fn refusal(head: &str) -> Refusal {
    parse(head.as_bytes()).unwrap_err()
}

#[test]
fn a_head_is_read_only_when_it_is_complete() {
    let head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for cut in 0..head.len() {
        assert_eq!(parse(&head.as_bytes()[..cut]), Ok(None), "{cut}");
    }
    assert_eq!(read(&format!("{head}GET")).head_bytes, head.len());
}

#[test]
fn the_body_is_framed_by_length_or_in_chunks() {
    assert_eq!(read("POST / HTTP/1.1\r\n\r\n").framing, Framing::Length(0));
    assert_eq!(read("POST / HTTP/1.1\r\ncontent-length: 12\r\n\r\n").framing, Framing::Length(12));
    assert_eq!(
        read("POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n").framing,
        Framing::Chunked
    );
}

#[test]
fn unclear_framing_is_refused() {
    for fields in [
        "Content-Length: 1\r\nContent-Length: 2",
        "Content-Length: +1",
        "Content-Length: 1, 1",
        "Content-Length: 1\r\nTransfer-Encoding: chunked",
        "Content-Length: 99999999999999999999",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Content-Length: ",
    ] {
        assert_eq!(
            refusal(&format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n")),
            Refusal::BadRequest,
            "{fields}"
        );
    }
    assert_eq!(
        refusal("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
        Refusal::BadRequest
    );
    assert_eq!(
        refusal("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n"),
        Refusal::UnknownCoding
    );
}

#[test]
fn the_connection_persists_by_version_and_field() {
    assert_eq!(read("GET / HTTP/1.1\r\n\r\n").persist, Persist::Implied);
    assert_eq!(read("GET / HTTP/1.1\r\nConnection: te, Close\r\n\r\n").persist, Persist::Close);
    assert_eq!(read("GET / HTTP/1.0\r\n\r\n").persist, Persist::Close);
    assert_eq!(
        read("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").persist,
        Persist::Announced
    );
}

#[test]
fn echo_is_a_path_and_not_a_prefix() {
    let wish = |target: &str| read(&format!("GET {target} HTTP/1.1\r\n\r\n")).wish;
    let echoes = |target: &str| wish(target) == Wish::Echo;
    assert!(echoes("/echo") && echoes("/echo?x=1") && echoes("http://b1:80/echo"));
    assert!(!echoes("/") && !echoes("/echoes") && !echoes("/a/echo") && !echoes("http://echo"));
}

#[test]
fn a_load_tests_fields_are_found() {
    let head = "GET / HTTP/1.1\r\nx-loadtest-run: r 7\r\nX-Loadtest-Seq: 41\r\n\r\n";
    assert_eq!(read(head).seq, Some(41));
    assert_eq!(read(head).run.of(head.as_bytes()), b"r 7");
    assert_eq!(read("GET / HTTP/1.1\r\nX-Loadtest-Seq: -1\r\n\r\n").seq, None);
}

#[test]
fn a_head_too_large_is_refused() {
    let many = "A: 1\r\n".repeat(MAX_FIELDS + 1);
    assert_eq!(refusal(&format!("GET / HTTP/1.1\r\n{many}\r\n")), Refusal::HeadTooLarge);
    let long = format!("GET / HTTP/1.1\r\nA: {}", "x".repeat(MAX_HEAD_BYTES));
    assert_eq!(refusal(&long), Refusal::HeadTooLarge);
}

#[test]
fn what_is_no_http_is_refused() {
    assert_eq!(refusal("\x16\x03\x01 hello\r\n\r\n"), Refusal::BadRequest);
    assert_eq!(refusal("GET / HTTP/2.0\r\n\r\n"), Refusal::BadRequest);
}
