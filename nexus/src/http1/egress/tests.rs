use super::*;
use crate::http1::gate::{self, Admission};
use crate::http1::{head, response};

#[track_caller]
fn check_request(from: &str, is_trusted: bool, expected: &str) {
    check_request_by(ForwardedFields::XForwarded, from, is_trusted, expected);
}

#[track_caller]
fn check_request_by(told_by: ForwardedFields, from: &str, is_trusted: bool, expected: &str) {
    let bytes = format!("{}\r\n\r\n", from.replace('|', "\r\n"));
    let parsed = head::parse_request(bytes.as_bytes()).unwrap().unwrap();
    let Ok(Admission::Forward(admitted)) = gate::admit(bytes.as_bytes(), parsed) else {
        panic!("refused: {from}");
    };
    let mut out = Vec::new();
    let ip = [10, 0, 0, 7].into();
    let client = Client { ip, is_trusted, told_by, is_secured: false, certificate: None };
    request(&mut out, bytes.as_bytes(), &admitted, client, b"backend:81", Changes::default());
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.trim_end().replace("\r\n", "|"), expected);
}

#[track_caller]
fn check_response(from: &str, reply: Reply<'_>, expected: &str) {
    let bytes = format!("{}\r\n\r\n", from.replace('|', "\r\n"));
    let parsed = head::parse_response(bytes.as_bytes()).unwrap().unwrap();
    let admitted = response::admit(bytes.as_bytes(), parsed, false).unwrap();
    let mut out = Vec::new();
    super::response(&mut out, bytes.as_bytes(), &admitted, reply);
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.trim_end().replace("\r\n", "|"), expected);
}

const REPLY: Reply<'_> = Reply {
    framing: Framing::Length(2),
    version: Version::Http11,
    keep_alive: true,
    trailers: false,
    own: b"X-Backend-Server: b\r\n",
    hsts: &[],
    date: b"now",
    changes: Changes { target: None, fields: None, cookie: None, marks: &[] },
};

#[test]
fn one_hop_fields_end_here_and_the_rest_keeps_order_and_case() {
    check_request(
        "GET /%7e HTTP/1.1|x-A: 1|HOST: h|Connection: x-gone, close|Keep-Alive: 3|X-Gone: 1|TE: gzip, trailers|Proxy-Connection: x|Cookie: c",
        false,
        "GET /%7e HTTP/1.1|Host: h|x-A: 1|Cookie: c|Connection: TE|TE: trailers|X-Forwarded-For: 10.0.0.7|X-Forwarded-Proto: http|X-Forwarded-Host: h",
    );
}

#[test]
fn lines_written_oddly_come_out_plain_between_plain_ones() {
    let ends = "X-Forwarded-For: 10.0.0.7|X-Forwarded-Proto: http|X-Forwarded-Host: h";
    check_request(
        "GET / HTTP/1.1|Host: h|A: 1|B: 2|C:3|D:  4|E: 5 \t|F: 6|G:|H: |I: 9",
        false,
        &format!("GET / HTTP/1.1|Host: h|A: 1|B: 2|C: 3|D: 4|E: 5|F: 6|G: |H: |I: 9|{ends}"),
    );
    let bare = "GET / HTTP/1.1\r\nA: 1\nB: 2\r\nHost: h\nC: 3\n";
    check_request(bare.trim_end(), false, &format!("GET / HTTP/1.1|Host: h|A: 1|B: 2|C: 3|{ends}"));
}

#[test]
fn who_asks_is_told_by_the_fields_that_are_spoken() {
    use ForwardedFields::{Both, Forwarded, XForwarded};
    let said = "GET / HTTP/1.1|Host: h:1|X-Forwarded-For: 1.1.1.1|Forwarded: for=2.2.2.2|X-Forwarded-Proto: https|Forwarded: for=\"";
    let start = "GET / HTTP/1.1|Host: h:1|";
    let own = "for=10.0.0.7;host=\"h:1\";proto=http";
    let (alone, behind) = (format!("Forwarded: {own}"), format!("Forwarded: for=2.2.2.2, {own}"));
    let x_alone = "X-Forwarded-For: 10.0.0.7|X-Forwarded-Proto: http|X-Forwarded-Host: h:1";
    let x_behind =
        "X-Forwarded-Proto: https|X-Forwarded-For: 1.1.1.1, 10.0.0.7|X-Forwarded-Host: h:1";
    for (by, is_trusted, expected) in [
        (XForwarded, false, x_alone.to_owned()),
        (XForwarded, true, x_behind.to_owned()),
        (Forwarded, false, alone.clone()),
        (Forwarded, true, behind.clone()),
        (Both, false, format!("{x_alone}|{alone}")),
        (Both, true, format!("{x_behind}|{behind}")),
    ] {
        check_request_by(by, said, is_trusted, &format!("{start}{expected}"));
    }
}

#[test]
fn only_a_trusted_client_is_believed() {
    let said = "GET / HTTP/1.1|Host: h|X-Forwarded-For: 1.1.1.1|X-Forwarded-Proto: https|X_Forwarded_For: 6.6.6.6|X-Forwarded-Host: e";
    check_request(
        said,
        false,
        "GET / HTTP/1.1|Host: h|X-Forwarded-For: 10.0.0.7|X-Forwarded-Proto: http|X-Forwarded-Host: h",
    );
    check_request(
        said,
        true,
        "GET / HTTP/1.1|Host: h|X-Forwarded-Proto: https|X-Forwarded-Host: e|X-Forwarded-For: 1.1.1.1, 10.0.0.7",
    );
}

#[test]
fn an_old_client_without_host_gets_the_backends() {
    check_request(
        "POST / HTTP/1.0|Content-Length: 003",
        false,
        "POST / HTTP/1.1|Host: backend:81|Content-Length: 3|X-Forwarded-For: 10.0.0.7|X-Forwarded-Proto: http",
    );
}

#[test]
fn a_get_with_a_chunked_body_keeps_it() {
    check_request(
        "GET / HTTP/1.1|Host: h|Transfer-Encoding: ChunkeD|Trailer: x",
        false,
        "GET / HTTP/1.1|Host: h|Trailer: x|Transfer-Encoding: chunked|X-Forwarded-For: 10.0.0.7|X-Forwarded-Proto: http|X-Forwarded-Host: h",
    );
}

#[test]
fn an_answer_is_framed_by_what_its_body_is() {
    check_response(
        "HTTP/1.1 200 Fine|Content-Length: 2, 2|Connection: close|X-Backend-Server: liar|Set-Cookie: a|Set-Cookie: b",
        REPLY,
        "HTTP/1.1 200 Fine|Set-Cookie: a|Set-Cookie: b|Content-Length: 2|Date: now|X-Backend-Server: b",
    );
    check_response(
        "HTTP/1.0 200 OK|Date: then",
        Reply { framing: Framing::Chunked, ..REPLY },
        "HTTP/1.1 200 OK|Date: then|Transfer-Encoding: chunked|X-Backend-Server: b",
    );
    check_response(
        "HTTP/1.1 304 |Content-Length: 7|Date: then",
        Reply { framing: Framing::None, keep_alive: false, ..REPLY },
        "HTTP/1.1 304 |Date: then|Content-Length: 7|Connection: close|X-Backend-Server: b",
    );
    check_response(
        "HTTP/1.1 204 No Content|Content-Length: 7|Date: then",
        Reply { framing: Framing::None, version: Version::Http10, ..REPLY },
        "HTTP/1.1 204 No Content|Date: then|Connection: keep-alive|X-Backend-Server: b",
    );
}

#[test]
fn an_own_answer_says_why() {
    let mut out = Vec::new();
    let answer = OwnAnswer {
        reason: Reason::NoBackendAvailable,
        retry_after: None,
        attempts: 0,
        form: Form::Json,
        to_head: false,
        version: Version::Http11,
        keep_alive: true,
        hsts: &[],
        mark: None,
        date: b"now",
    };
    own(&mut out, answer);
    let text = String::from_utf8(out).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{head}");
    assert!(head.contains("X-Nexus-Error: no_backend_available"), "{head}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["error"], "no_backend_available");
}

#[test]
fn a_mark_stands_in_place_of_all_of_its_name_unless_a_route_says_otherwise() {
    let bytes = b"GET / HTTP/1.1\r\nHost: h\r\nX-ID: 1\r\nA: b\r\nx-id: 2\r\nGone: 3\r\n\r\n";
    let written = |fields: Option<&HeaderRules>| {
        let parsed = head::parse_request(bytes).unwrap().unwrap();
        let Ok(Admission::Forward(admitted)) = gate::admit(bytes, parsed) else {
            panic!("it is refused");
        };
        let told_by = ForwardedFields::Forwarded;
        let ip = [10, 0, 0, 7].into();
        let client =
            Client { ip, is_trusted: false, told_by, is_secured: false, certificate: None };
        let marks = &[Mark { name: "x-id", value: b"mine" }, Mark { name: "gone", value: b"" }];
        let changes = Changes { fields, marks, ..Changes::default() };
        let mut out = Vec::new();
        request(&mut out, bytes, &admitted, client, b"backend:81", changes);
        let text = String::from_utf8(out).unwrap().replace("\r\n", "|");
        let (lines, _) = text.split_once("|Forwarded").unwrap();
        let behind = text.split_once("proto=http|").unwrap().1;
        format!("{lines}|{behind}")
    };
    let start = "GET / HTTP/1.1|Host: h|A: b|";
    assert_eq!(written(None), format!("{start}x-id: mine||"));
    let removed = HeaderRules { remove: vec!["X-Id".to_owned()], ..HeaderRules::default() };
    assert_eq!(written(Some(&removed)), format!("{start}|"));
    let set = vec![("X-Id".to_owned(), "route".to_owned())];
    let set = HeaderRules { set, ..HeaderRules::default() };
    assert_eq!(written(Some(&set)), format!("{start}X-Id: route||"));
}
