//! Answers as backends write them, carelessly or not.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::bodies::{self, Framed};
use super::wire::{Wire, cut, spoilt};

#[rustfmt::skip] // More to a line are read more quickly.
const STATUSES: [&str; 12] = [
    "200 OK", "200 OK", "200", "201 ", "404 Not Found", "500 é", "204 No Content", "304 ", "206 x y",
    "101 Switching Protocols", "426 \t", "205 Reset",
];

#[rustfmt::skip] // More to a line are read more quickly.
const ODD_STATUSES: [&str; 8] =
    ["99 X", "099 X", "abc", "600 X", "999 X", "1000 X", "200\rX", "20 0"];

#[rustfmt::skip] // More to a line are read more quickly.
const INTERIM: [&str; 6] = [
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
    "HTTP/1.1 102 P\r\nContent-Length: 3\r\n\r\n",
    "HTTP/1.1 199 \n\n",
    "HTTP/1.1 100 C\r\nContent-Length: x\r\n\r\n",
    "\r\n",
];

#[rustfmt::skip] // More to a line are read more quickly.
const FIELDS: [&str; 18] = [
    "Server: x", "X-A: 1", "x-b:", "Set-Cookie: a", "Set-Cookie: b", "Date: then", "X-Obs: é",
    "Keep-Alive: timeout=3", "Connection: close", "Connection: keep-alive", "Connection: X-A",
    "Trailer: X-T", "Upgrade: websocket", "Proxy-Authenticate: x", "X-Backend-Server: liar",
    "X-Nexus-Error: no", "X-Forwarded-By: me", "Location: /",
];

#[rustfmt::skip] // More to a line are read more quickly.
const ODD_FIELDS: [&str; 9] = [
    "X : a", "nothing", ": v", " X: folded", "X: a\r\n b", "X: a\rb", "X: \0", "X: a\nX-B: b",
    "Transfer-Encoding : chunked",
];

/// An answer, interim ones before it and anything behind, cut anywhere.
pub(crate) fn any_answer() -> impl Strategy<Value = Wire> {
    let interim = prop_oneof![
        5 => Just(vec![]),
        1 => vec(select(&INTERIM[..]), 1..3),
    ];
    let behind = prop_oneof![3 => Just(vec![]), 1 => bodies::data()];
    let all =
        (interim, prop_oneof![sound(), odd()], behind).prop_map(|(interim, answer, behind)| {
            [interim.concat().as_bytes(), &answer, &behind].concat()
        });
    cut(spoilt(all))
}

/// An answer that Nexus may take.
pub(crate) fn one() -> impl Strategy<Value = Wire> {
    cut(prop_oneof![4 => sound(), 1 => odd()])
}

fn sound() -> impl Strategy<Value = Vec<u8>> {
    let until_close = bodies::data().prop_map(|bytes| Framed { line: String::new(), bytes });
    let body = prop_oneof![4 => bodies::sound(), 1 => bodies::broken(), 1 => until_close];
    let version = prop_oneof![6 => Just("HTTP/1.1"), 1 => Just("HTTP/1.0")];
    let line = (version, select(&STATUSES[..]));
    (line, vec(select(&FIELDS[..]), 0..5), body, any::<Index>()).prop_map(
        |((version, status), fields, body, at)| {
            let mut lines: Vec<_> = fields.into_iter().map(str::to_owned).collect();
            lines.insert(at.index(lines.len() + 1), body.line.clone());
            written(&format!("{version} {status}"), &lines, "\r\n", &body.bytes)
        },
    )
}

fn odd() -> impl Strategy<Value = Vec<u8>> {
    let status = prop_oneof![6 => select(&STATUSES[..]), 1 => select(&ODD_STATUSES[..])];
    let version = prop_oneof![
        6 => Just("HTTP/1.1"),
        2 => Just("HTTP/1.0"),
        1 => select(&["HTTP/1.2", "HTTP/2", "http/1.1", ""][..]),
    ];
    let field = prop_oneof![
        3 => select(&FIELDS[..]),
        1 => select(&ODD_FIELDS[..]),
        3 => select(&bodies::LENGTHS[..]),
        3 => select(&bodies::CODINGS[..]),
    ];
    let body = prop_oneof![2 => bodies::sound(), 3 => bodies::odd()];
    let end = prop_oneof![6 => Just("\r\n"), 1 => Just("\n")];
    (version, status, vec(field, 0..3), body, end).prop_map(
        |(version, status, fields, body, end)| {
            let mut lines = vec![body.line.clone()];
            lines.extend(fields.into_iter().map(str::to_owned));
            written(&format!("{version} {status}"), &lines, end, &body.bytes)
        },
    )
}

fn written(first: &str, lines: &[String], end: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{first}{end}").into_bytes();
    for line in lines.iter().filter(|line| !line.is_empty()) {
        bytes.extend_from_slice(line.as_bytes());
        bytes.extend_from_slice(end.as_bytes());
    }
    bytes.extend_from_slice(end.as_bytes());
    bytes.extend_from_slice(body);
    bytes
}
