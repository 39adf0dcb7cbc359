use http::Request;

use super::*;
use crate::http1::head::{parse_request, parse_response};

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace("\r\n", "|")
}

/// What becomes of a request whose body follows, or does not.
#[track_caller]
fn check(request: http::request::Builder, ends: bool, expected: (&str, Framing)) {
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let mut out = Vec::new();
    let framing = super::request(&mut out, &parts, ends, [0; 16]);
    assert_eq!((shown(&out).as_str(), framing), expected);
}

#[test]
fn a_request_is_written_with_its_host_first() {
    check(
        Request::get("https://a.test:8443/p?q=1").header("x-a", "1"),
        true,
        ("GET /p?q=1 HTTP/1.1|host: a.test:8443|x-a: 1||", Framing::None),
    );
    check(
        Request::options("http://a.test/").header("host", "A.test"),
        true,
        ("OPTIONS / HTTP/1.1|host: A.test||", Framing::None),
    );
}

#[test]
fn a_body_is_framed_by_its_length_or_in_chunks() {
    check(
        Request::post("http://a/").header("content-length", "3"),
        false,
        ("POST / HTTP/1.1|host: a|content-length: 3||", Framing::Length(3)),
    );
    check(
        Request::post("http://a/"),
        false,
        ("POST / HTTP/1.1|host: a|transfer-encoding: chunked||", Framing::Chunked),
    );
}

#[test]
fn pieces_of_cookies_are_joined() {
    check(
        Request::get("http://a/").header("cookie", "a=1").header("b", "2").header("cookie", "c=3"),
        true,
        ("GET / HTTP/1.1|host: a|b: 2|cookie: a=1; c=3||", Framing::None),
    );
}

#[test]
fn a_websocket_that_comes_as_connect_becomes_an_upgrade() {
    let request = Request::connect("http://a/chat").extension(h2::ext::Protocol::from("websocket"));
    let text = "GET /chat HTTP/1.1|host: a|connection: upgrade|upgrade: websocket|\
                sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==||";
    check(request, false, (text, Framing::UntilClose));
}

#[test]
fn what_two_could_read_differently_is_malformed() {
    let is = |request: http::request::Builder| is_malformed(&request.body(()).unwrap());
    let get = || Request::get("http://a/");
    assert!(!is(get()));
    assert!(!is(get().header("host", "A")));
    assert!(is(get().header("host", "b")));
    assert!(is(get().header("host", "a").header("host", "a")));
    assert!(is(get().header("x", " y")));
    assert!(is(get().header("x", "y\t")));
    assert!(is(get().header("content-length", "")));
    assert!(is(Request::get("http://u@a/")));
}

/// What an HTTP/2 backend is sent for a head that Nexus wrote.
fn sent(text: &str) -> Result<(http::Request<()>, Framing, Option<Upgrade>), Unspeakable> {
    let bytes = text.replace('|', "\r\n").into_bytes();
    to_request(&bytes, &parse_request(&bytes).unwrap().unwrap(), ("https", true))
}

#[test]
fn what_concerns_one_connection_is_not_said_to_the_next() {
    let (request, framing, _) = sent(
        "POST /p HTTP/1.1|Host: a|Connection: TE|TE: trailers|Transfer-Encoding: chunked|\
         Keep-Alive: 5|X: y||",
    )
    .unwrap();
    assert_eq!(request.uri(), "https://a/p");
    assert_eq!(framing, Framing::Chunked);
    let names: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
    assert_eq!(names, ["te", "x"]);
}

#[test]
fn an_upgrade_becomes_connect_with_the_proof_kept() {
    let (request, framing, upgrade) =
        sent("GET /c HTTP/1.1|Host: a|Upgrade: websocket|Sec-WebSocket-Key: k||").unwrap();
    assert_eq!((request.method(), framing), (&Method::CONNECT, Framing::UntilClose));
    let (parts, ()) = http::Response::new(()).into_parts();
    let mut out = Vec::new();
    response(&mut out, &parts, (false, false), upgrade.as_ref());
    assert!(shown(&out).starts_with("HTTP/1.1 101 Switching Protocols|"), "{}", shown(&out));
    assert!(shown(&out).contains("sec-websocket-accept: "), "{}", shown(&out));
}

#[test]
fn a_target_that_http2_cannot_say_is_refused() {
    assert_eq!(sent("GET /<p> HTTP/1.1|Host: a||").unwrap_err(), Unspeakable);
}

/// What a client of HTTP/2 is sent for a head that Nexus wrote.
fn given(text: &str, about: (bool, bool)) -> (http::Response<()>, Framing) {
    let bytes = text.replace('|', "\r\n").into_bytes();
    to_response(&bytes, &parse_response(&bytes).unwrap().unwrap(), about).unwrap()
}

#[test]
fn an_answer_without_a_body_ends_with_its_head() {
    let framing = |text: &str, about| given(text, about).1;
    assert_eq!(framing("HTTP/1.1 200 OK|Content-Length: 0||", (false, false)), Framing::None);
    assert_eq!(framing("HTTP/1.1 200 OK|Content-Length: 9||", (true, false)), Framing::None);
    assert_eq!(framing("HTTP/1.1 304 N|Content-Length: 9||", (false, false)), Framing::None);
    assert_eq!(framing("HTTP/1.1 200 OK|Content-Length: 9||", (false, false)), Framing::Length(9));
}

#[test]
fn a_switch_of_protocols_is_a_success_of_connect() {
    let text = "HTTP/1.1 101 S|Upgrade: websocket|Sec-WebSocket-Accept: x|Y: z||";
    let (response, framing) = given(text, (false, true));
    assert_eq!((response.status().as_u16(), framing), (200, Framing::UntilClose));
    assert_eq!(response.headers().len(), 1);
}

#[test]
fn trailers_are_fields_and_nothing_else() {
    let trailers = to_trailers(b"Grpc-Status: 0\r\nno colon\r\n: x\r\nb: c: d\r\n");
    assert_eq!(trailers.len(), 2);
    assert_eq!(trailers["b"], "c: d");
}
