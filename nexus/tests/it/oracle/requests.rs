//! Requests as clients, careless programmers and attackers write them.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::bodies::{self, Framed};
use super::wire::{Wire, cut, spoilt};

#[rustfmt::skip] // More to a line are read more quickly.
const METHODS: [&str; 12] =
    ["GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "TRACE", "get", "FOO", "POST", "GET"];

#[rustfmt::skip] // More to a line are read more quickly.
const ODD_METHODS: [&str; 5] = ["CONNECT", "PRI", "GE(T", "", "GET "];

#[rustfmt::skip] // More to a line are read more quickly.
const TARGETS: [&str; 8] = [
    "/", "/p?q=1", "/a/../b//c;d", "/%00%7e", "http://a/p", "http://a?q", "http://a", "https://a/",
];

#[rustfmt::skip] // More to a line are read more quickly.
const ODD_TARGETS: [&str; 14] = [
    "*", "admin", "a:80", "/a#b", "/a b", "http://u:p@a/", "http://other/", "http:///", "ftp://a/",
    "http://a:99999/", "/é", "/\"<>\\^`{|}", "//a/b", "?q",
];

#[rustfmt::skip] // More to a line are read more quickly.
const ODD_VERSIONS: [&str; 7] = ["HTTP/1.0", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "http/1.1", "HTTP/1.10", ""];

#[rustfmt::skip] // More to a line are read more quickly.
const ODD_HOSTS: [&str; 14] = [
    "", "Host:", "Host: a b", "Host: a,b", "Host: a/b", "Host: u@a", "Host: a\r\nHost: a",
    "Host: a\r\nhOsT: b", "Host : a", "Host: a:", "Host: [::1]:80", "Host: a:x", "Host: %61",
    "Host: a\r\nX-Host: b",
];

#[rustfmt::skip] // More to a line are read more quickly.
const FIELDS: [&str; 26] = [
    "Accept: */*", "X-A: 1", "x-b:", "X_c: d", "Cookie: a=b", "X-Obs: é", "User-Agent:  x y \t",
    "Max-Forwards: 3", "TE: trailers, gzip", "Trailer: X-T", "Via: 1.0 a", "Keep-Alive: 3",
    "X-Forwarded-For: 1.1.1.1", "X_Forwarded-For: 6", "X-Forwarded-Host: e", "Date: now",
    "Proxy-Connection: keep-alive", "Connection: X-A, host", "Connection: keep-alive",
    "Connection: keep-alive, TE", "Upgrade: websocket", "Connection: Upgrade", "X-Nexus-Error: n",
    "Authorization: b", "Expect: 100-continue", "Transfer_Encoding: chunked",
];

#[rustfmt::skip] // More to a line are read more quickly.
const ODD_FIELDS: [&str; 28] = [
    "Connection: close", "Connection: keep-alive, close", "Connection: é, close",
    "Connection: content-length, transfer-encoding", "Expect: tea", "Expect:", "Expect: 100-Continue",
    "Max-Forwards: 0", "Max-Forwards: x", "Upgrade: h2c", "Content-Length : 3", "X : a", "nothing",
    ": v", "X(y: v", " X: folded", "\tX: y", "X: a\r\n b", "X: a\rb", "X: \0", "X: \u{1}",
    "X: a\nX-B: b", "Transfer-Encoding : chunked", "Transfer-Encoding: chunked\r\n ,x",
    "X: \u{7f}", "Content-Length: 3\r\n 4", "\u{b}Transfer-Encoding: chunked", "Content-Length\r\n: 3",
];

#[rustfmt::skip] // More to a line are read more quickly.
const ENDS: [&str; 12] =
    ["\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\n", "\n", "\r\r\n"];

#[rustfmt::skip] // More to a line are read more quickly.
const BETWEEN: [&str; 10] = ["", "", "", "", "", "", "", "\r\n", "\r\n\r\n", "\n"];

/// One to four requests on a connection, most of them sound, some spoilt, cut anywhere.
pub(crate) fn several() -> impl Strategy<Value = Wire> {
    let one = prop_oneof![6 => sound(bodies::sound()), 2 => sound(bodies::broken()), 4 => odd()];
    let between = select(&BETWEEN[..]);
    let all = vec((between, one), 1..5).prop_map(|all| {
        all.into_iter().flat_map(|(between, one)| [between.as_bytes(), &one].concat()).collect()
    });
    cut(spoilt(all))
}

/// One request that Nexus lets in.
pub(crate) fn one() -> impl Strategy<Value = Wire> {
    cut(prop_oneof![4 => sound(bodies::sound()), 1 => odd()])
}

/// A request whose head nobody can object to, with such a body.
fn sound(body: impl Strategy<Value = Framed>) -> impl Strategy<Value = Vec<u8>> {
    let fields = vec(select(&FIELDS[..]), 0..5);
    (select(&METHODS[..]), select(&TARGETS[..]), fields, body, any::<Index>()).prop_map(
        |(method, target, fields, body, at)| {
            let mut lines: Vec<_> = fields.into_iter().map(str::to_owned).collect();
            lines.push("Host: a".to_owned());
            lines.insert(at.index(lines.len() + 1), body.line.clone());
            written(&format!("{method} {target} HTTP/1.1"), &lines, "\r\n", body)
        },
    )
}

/// A request that may have anything wrong with it, in the framing above all.
fn odd() -> impl Strategy<Value = Vec<u8>> {
    let method = prop_oneof![9 => select(&METHODS[..]), 1 => select(&ODD_METHODS[..])];
    let target = prop_oneof![6 => select(&TARGETS[..]), 2 => select(&ODD_TARGETS[..])];
    let version = prop_oneof![7 => Just("HTTP/1.1"), 1 => select(&ODD_VERSIONS[..])];
    let host = prop_oneof![9 => Just("Host: a"), 1 => select(&ODD_HOSTS[..])];
    let field = prop_oneof![
        6 => select(&FIELDS[..]),
        2 => select(&ODD_FIELDS[..]),
        2 => select(&bodies::LENGTHS[..]),
        2 => select(&bodies::CODINGS[..]),
    ];
    let body = prop_oneof![2 => bodies::sound(), 3 => bodies::odd()];
    let head = (method, target, version, host, vec(field, 0..3));
    (head, body, select(&ENDS[..])).prop_map(|(head, body, end)| {
        let (method, target, version, host, fields) = head;
        let mut lines = vec![host.to_owned(), body.line.clone()];
        lines.extend(fields.into_iter().map(str::to_owned));
        written(&format!("{method} {target} {version}"), &lines, end, body)
    })
}

fn written(first: &str, lines: &[String], end: &str, body: Framed) -> Vec<u8> {
    let mut bytes = format!("{first}{end}").into_bytes();
    for line in lines.iter().filter(|line| !line.is_empty()) {
        bytes.extend_from_slice(line.as_bytes());
        bytes.extend_from_slice(end.as_bytes());
    }
    bytes.extend_from_slice(end.as_bytes());
    bytes.extend(body.bytes);
    bytes
}
