//! Bodies and the fields that say, rightly or not, where they end.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// A body as it is on the wire, and the field line that tells of its end.
#[derive(Debug, Clone)]
pub(crate) struct Framed {
    /// Empty for none.
    pub(crate) line: String,
    pub(crate) bytes: Vec<u8>,
}

#[rustfmt::skip] // More to a line are read more quickly.
pub(crate) const LENGTHS: [&str; 16] = [
    "Content-Length: 0", "Content-Length: 3", "content-length: 3", "Content-Length: 03",
    "Content-Length: 5", "Content-Length: 3, 3", "Content-Length: 3, 4", "Content-Length: +3",
    "Content-Length:", "Content-Length: 3 3", "Content-Length: -1", "Content-Length: 0x3",
    "Content-Length: 18446744073709551615", "Content-Length: 18446744073709551616",
    "Content-Length: 9223372036854775808", "Content-Length: 3\r\nContent-Length: 3",
];

#[rustfmt::skip] // More to a line are read more quickly.
pub(crate) const CODINGS: [&str; 14] = [
    "Transfer-Encoding: chunked", "transfer-encoding: ChUnKeD", "Transfer-Encoding: \tchunked ",
    "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked, gzip",
    "Transfer-Encoding: identity", "Transfer-Encoding: xchunked", "Transfer-Encoding:",
    "Transfer-Encoding: chunked,", "Transfer-Encoding: chunked;q=1",
    "Transfer-Encoding: \"chunked\"", "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
];

/// What bodies are made of: some of it is framing to whoever reads on too early.
#[rustfmt::skip] // More to a line are read more quickly.
const DATA: [&str; 10] = [
    "", "abc", "abcde", "0\r\n\r\n", "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n", "\n",
    "3\r\nabc\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", "\0é",
];

#[rustfmt::skip] // More to a line are read more quickly.
const EXTENSIONS: [&str; 12] =
    ["", "", "", "", "", "", " ", "\t ", ";a=b", ";a=\"b;c\"", " ; a", ";a=\"\\\"\""];

#[rustfmt::skip] // More to a line are read more quickly.
const TRAILERS: [&str; 9] = [
    "", "", "", "", "X-T: v\r\n", "x-t:  v \r\nX-U:\r\n", "Content-Length: 5\r\nX-T: é\r\n",
    "Host: evil\r\nTransfer-Encoding: chunked\r\n", "If-Match: x\r\nX-Forwarded-For: y\r\n",
];

/// What can be wrong with the parts of a chunked body: size, its end, data, its end, the last
/// chunk, trailers, the end.
#[rustfmt::skip] // More to a line are read more quickly.
const ODD_PARTS: [&[&str]; 7] = [
    &[
        "0x3", "+3", "-3", " 3", "", "00000000000000003", "11111111111111111", "3;a\nb", "3;a\rb",
        "g", "3;a=\"b", "3;\0", "3 3", "fffffffffffffffe", "100000003", "10000000000000003",
    ],
    &["\n", "\r", "\r\r\n", ""],
    &["ab", "abcd", ""],
    &["\n", "\r", "XX", ""],
    &["0\n", "00\r\n", "", "0;\r\n"],
    &["foo\r\n", "X: y\n", "X: a\r\n b\r\n", ": v\r\n", " X: y\r\n", "\n", "X: \0\r\n", "X : y\r\n"],
    &["\n", "\r", ""],
];

/// Data of a body.
pub(crate) fn data() -> impl Strategy<Value = Vec<u8>> {
    vec(select(&DATA[..]), 0..3).prop_map(|parts| parts.concat().into_bytes())
}

/// A body that ends where its field says, or none at all.
pub(crate) fn sound() -> impl Strategy<Value = Framed> {
    prop_oneof![
        2 => Just(Framed { line: String::new(), bytes: vec![] }),
        3 => data().prop_map(|bytes| {
            Framed { line: format!("Content-Length: {}", bytes.len()), bytes }
        }),
        4 => chunked(),
    ]
}

/// A body in sound chunks.
pub(crate) fn chunked() -> impl Strategy<Value = Framed> {
    let chunk = (data(), select(&EXTENSIONS[..]), any::<bool>());
    let chunk = chunk.prop_map(|(data, extension, is_upper)| {
        if data.is_empty() {
            return vec![];
        }
        let len = data.len();
        let size = if is_upper { format!("{len:X}") } else { format!("0{len:x}") };
        [size.as_bytes(), extension.as_bytes(), b"\r\n", &data, b"\r\n"].concat()
    });
    let line = select(&CODINGS[..3]);
    (line, vec(chunk, 0..4), select(&EXTENSIONS[..]), select(&TRAILERS[..])).prop_map(
        |(line, chunks, extension, trailers)| {
            let mut bytes = chunks.concat();
            bytes.extend(format!("0{extension}\r\n{trailers}\r\n").bytes());
            Framed { line: line.to_owned(), bytes }
        },
    )
}

/// A body and a field that need not have to do with each other.
pub(crate) fn odd() -> impl Strategy<Value = Framed> {
    let line = prop_oneof![
        2 => Just(""),
        4 => select(&LENGTHS[..]),
        3 => Just("Transfer-Encoding: chunked"),
        2 => select(&CODINGS[..]),
    ];
    let bytes =
        prop_oneof![2 => data(), 2 => chunked().prop_map(|body| body.bytes), 3 => broken_chunks()];
    (line, bytes).prop_map(|(line, bytes)| Framed { line: line.to_owned(), bytes })
}

/// A chunked body in chunks with something wrong.
pub(crate) fn broken() -> impl Strategy<Value = Framed> {
    let line = "Transfer-Encoding: chunked";
    broken_chunks().prop_map(move |bytes| Framed { line: line.to_owned(), bytes })
}

/// Chunks of which one part is wrong, or two.
fn broken_chunks() -> impl Strategy<Value = Vec<u8>> {
    let size = select(&["3", "3;a", "3;a=\"b\"", "3 "][..]);
    let faults = vec((0..7usize, any::<Index>()), 1..3);
    (size, select(&TRAILERS[..]), faults).prop_map(|(size, trailers, faults)| {
        let mut parts = [size, "\r\n", "abc", "\r\n", "0\r\n", trailers, "\r\n"];
        for (part, which) in faults {
            parts[part] = ODD_PARTS[part][which.index(ODD_PARTS[part].len())];
        }
        parts.concat().into_bytes()
    })
}
