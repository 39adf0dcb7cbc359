//! Fields and pseudo-fields (RFC 9113 §8.2, §8.3).

use crate::case::{Case, case};
use crate::client::Client;
use crate::expect::{KEPT, Outcome};
use crate::hpack;
use crate::wire::flag;

const METHOD: (&str, &str) = (":method", "GET");
const SCHEME: (&str, &str) = (":scheme", "http");
const PATH: (&str, &str) = (":path", "/");
const AUTHORITY: (&str, &str) = (":authority", "conformance");

pub(super) const CASES: &[Case] = &[
    case("9113 §8.2.1", "a name in upper case is malformed", |c| field(c, b"X-Upper", b"v")),
    case("9113 §8.2.1", "a name with one upper-case letter is malformed", |c| {
        field(c, b"x-uppeR", b"v")
    }),
    case("9113 §8.2.1", "a name with an upper-case letter in trailers is malformed", |c| {
        trailer(c, "X-Trailer", "v")
    }),
    case("9113 §8.2.1", "a name of no characters is malformed", |c| field(c, b"", b"v")),
    case("9113 §8.2.1", "a name with a space is malformed", |c| field(c, b"x y", b"v")),
    case("9113 §8.2.1", "a name with NUL is malformed", |c| field(c, b"x\0y", b"v")),
    case("9113 §8.2.1", "a name with a line end is malformed", |c| field(c, b"x\r\ny", b"v")),
    case("9113 §8.2.1", "a name with DEL is malformed", |c| field(c, b"x\x7fy", b"v")),
    case("9113 §8.2.1", "a name beyond ASCII is malformed", |c| field(c, b"x\xc3\xa4", b"v")),
    case("9113 §8.2.1", "a name with a colon in it is malformed", |c| field(c, b"x:y", b"v")),
    case("9113 §8.2.1", "a value with NUL is malformed", |c| field(c, b"x", b"a\0b")),
    case("9113 §8.2.1", "a value with CR is malformed", |c| field(c, b"x", b"a\rb")),
    case("9113 §8.2.1", "a value with LF is malformed", |c| field(c, b"x", b"a\nb")),
    case("9113 §8.2.1", "a value that smuggles a field is malformed", |c| {
        field(c, b"x", b"a\r\ntransfer-encoding: chunked")
    }),
    case("9113 §8.2.1", "a value that begins with a space is malformed", |c| {
        field(c, b"x", b" v")
    }),
    case("9113 §8.2.1", "a value that begins with a tab is malformed", |c| field(c, b"x", b"\tv")),
    case("9113 §8.2.1", "a value that ends with a space is malformed", |c| field(c, b"x", b"v ")),
    case("9113 §8.2.1", "a value that ends with a tab is malformed", |c| field(c, b"x", b"v\t")),
    case("9113 §8.2.1", "a value of a space is malformed", |c| field(c, b"x", b" ")),
    case("9113 §8.2.1", "a value with NUL in trailers is malformed", |c| {
        trailer(c, "x-trailer", "a\0b")
    }),
    case("9113 §8.2.1", "a value may be empty, and have spaces within", |c| {
        c.get(1, &[("x-empty", ""), ("x-echo", "a b\tc")]);
        c.told(1, "echo=a b\tc")
    }),
    case("9113 §8.2.1", "a value beyond ASCII passes", |c| {
        c.get(1, &[("x-echo", "ä")]);
        c.told(1, "echo=ä")
    }),
    case("9113 §8.2.2", "connection is malformed", |c| field(c, b"connection", b"close")),
    case("9113 §8.2.2", "keep-alive is malformed", |c| field(c, b"keep-alive", b"timeout=5")),
    case("9113 §8.2.2", "proxy-connection is malformed", |c| {
        field(c, b"proxy-connection", b"keep-alive")
    }),
    case("9113 §8.2.2", "transfer-encoding is malformed", |c| {
        field(c, b"transfer-encoding", b"chunked")
    }),
    case("9113 §8.2.2", "upgrade is malformed", |c| field(c, b"upgrade", b"websocket")),
    case("9113 §8.2.2", "te other than trailers is malformed", |c| field(c, b"te", b"gzip")),
    case("9113 §8.2.2", "te with more than trailers is malformed", |c| {
        field(c, b"te", b"trailers, gzip")
    }),
    case("9113 §8.2.2", "te that is trailers passes", |c| {
        c.get(1, &[("te", "trailers")]);
        c.answered(1, "200")
    }),
    case("9113 §8.2.2", "connection in trailers is malformed", |c| {
        trailer(c, "connection", "close")
    }),
    case("9113 §8.2.3", "cookies may come in pieces", |c| {
        c.get(1, &[("cookie", "a=1"), ("cookie", "b=2")]);
        c.answered(1, "200")
    }),
    case("9113 §8.3", "an unknown pseudo-field is malformed", |c| {
        asked(c, &[METHOD, SCHEME, AUTHORITY, PATH, (":unknown", "v")])
    }),
    case("9113 §8.3", "a pseudo-field of answers is malformed", |c| {
        asked(c, &[METHOD, SCHEME, AUTHORITY, PATH, (":status", "200")])
    }),
    case("9113 §8.3", "a pseudo-field after a field is malformed", |c| {
        asked(c, &[METHOD, SCHEME, AUTHORITY, ("x", "y"), PATH])
    }),
    case("9113 §8.3", "a pseudo-field after a field is malformed, in CONTINUATION too", |c| {
        c.head(1, flag::END_STREAM, &hpack::block(&[METHOD, SCHEME, AUTHORITY, ("x", "y")]));
        let rest = hpack::block(&[PATH]);
        c.frame(crate::wire::kind::CONTINUATION, flag::END_HEADERS, 1, &rest);
        c.malformed(1)
    }),
    case("9113 §8.3", "a pseudo-field in trailers is malformed: :path", |c| {
        trailer(c, ":path", "/other")
    }),
    case("9113 §8.3", "a pseudo-field in trailers is malformed: :method", |c| {
        trailer(c, ":method", "GET")
    }),
    case("9113 §8.3", "a pseudo-field in trailers is malformed: :status", |c| {
        trailer(c, ":status", "200")
    }),
    case("9113 §8.3.1", "two :method are malformed", |c| {
        asked(c, &[METHOD, METHOD, SCHEME, AUTHORITY, PATH])
    }),
    case("9113 §8.3.1", "two :scheme are malformed", |c| {
        asked(c, &[METHOD, SCHEME, SCHEME, AUTHORITY, PATH])
    }),
    case("9113 §8.3.1", "two :authority are malformed", |c| {
        asked(c, &[METHOD, SCHEME, AUTHORITY, AUTHORITY, PATH])
    }),
    case("9113 §8.3.1", "two :path are malformed", |c| {
        asked(c, &[METHOD, SCHEME, AUTHORITY, PATH, PATH])
    }),
    case("9113 §8.3.1", "a request without :method is malformed", |c| {
        asked(c, &[SCHEME, AUTHORITY, PATH])
    }),
    case("9113 §8.3.1", "a request without :scheme is malformed", |c| {
        asked(c, &[METHOD, AUTHORITY, PATH])
    }),
    case("9113 §8.3.1", "a request without :path is malformed", |c| {
        asked(c, &[METHOD, SCHEME, AUTHORITY])
    }),
    case("9113 §8.3.1", "a request without :path and :authority is malformed", |c| {
        asked(c, &[METHOD, SCHEME, ("host", "conformance")])
    }),
    case("9113 §8.3.1", "a request without pseudo-fields is malformed", |c| {
        asked(c, &[("host", "conformance")])
    }),
    case("9113 §8.3.1", "a request of no fields at all is malformed", |c| asked(c, &[])),
    case("9113 §8.3.1", "an empty :path is malformed", |c| {
        asked(c, &[METHOD, SCHEME, AUTHORITY, (":path", "")])
    }),
    case("9113 §8.3.1", "a :path that begins with no slash is malformed", |c| {
        asked(c, &[METHOD, SCHEME, AUTHORITY, (":path", "other")])
    }),
    case("9113 §8.3.1", "a :path that is an address is malformed", |c| {
        asked(c, &[METHOD, SCHEME, AUTHORITY, (":path", "http://other/")])
    }),
    case("9113 §8.3.1", "a :path of all is malformed, but with OPTIONS", |c| {
        asked(c, &[METHOD, SCHEME, AUTHORITY, (":path", "*")])
    }),
    case("9113 §8.3.1", "a :path with a space is malformed", |c| {
        asked(c, &[METHOD, SCHEME, AUTHORITY, (":path", "/a b")])
    }),
    case("9113 §8.3.1", "a :path with a line end is malformed", |c| {
        asked(c, &[METHOD, SCHEME, AUTHORITY, (":path", "/ HTTP/1.1\r\nx: y")])
    }),
    case("9113 §8.3.1", "a :path with a fragment is malformed", |c| {
        asked(c, &[METHOD, SCHEME, AUTHORITY, (":path", "/a#b")])
    }),
    case("9113 §8.3.1", "a :method that is no token is malformed", |c| {
        asked(c, &[(":method", "GE T"), SCHEME, AUTHORITY, PATH])
    }),
    case("9113 §8.3.1", "an empty :method is malformed", |c| {
        asked(c, &[(":method", ""), SCHEME, AUTHORITY, PATH])
    }),
    case("9113 §8.3.1", "an empty :scheme is malformed", |c| {
        asked(c, &[METHOD, (":scheme", ""), AUTHORITY, PATH])
    }),
    case("9113 §8.3.1", "a :scheme that is no name is malformed", |c| {
        asked(c, &[METHOD, (":scheme", "http://other/"), AUTHORITY, PATH])
    }),
    case("9113 §8.3.1", "an :authority with a user is malformed", |c| {
        asked(c, &[METHOD, SCHEME, (":authority", "user@conformance"), PATH])
    }),
    case("9113 §8.3.1", "an :authority with a path is malformed", |c| {
        asked(c, &[METHOD, SCHEME, (":authority", "conformance/path"), PATH])
    }),
    case("9113 §8.3.1", "an :authority with a line end is malformed", |c| {
        asked(c, &[METHOD, SCHEME, (":authority", "a\r\nx: y"), PATH])
    }),
    case("9113 §8.3.1", "an empty :authority is malformed", |c| {
        asked(c, &[METHOD, SCHEME, (":authority", ""), PATH])
    }),
    case("9113 §8.3.1", "host that differs from :authority is malformed", |c| {
        asked(c, &[METHOD, SCHEME, AUTHORITY, PATH, ("host", "other")])
    }),
    case("9113 §8.3.1", "host that is :authority is legal", |c| {
        c.ask(1, &[METHOD, SCHEME, AUTHORITY, PATH, ("host", "conformance")]);
        c.answered(1, "200")
    }),
    case("9113 §8.3.1", "host alone will do", |c| {
        c.ask(1, &[METHOD, SCHEME, PATH, ("host", "conformance")]);
        c.answered(1, "200")
    }),
    case("9113 §8.3.1", "neither :authority nor host is malformed", |c| {
        asked(c, &[METHOD, SCHEME, PATH])
    }),
    case("9113 §8.3.1", "two hosts are malformed", |c| {
        asked(c, &[METHOD, SCHEME, PATH, ("host", "conformance"), ("host", "conformance")])
    }),
    case("9113 §8.3.1", "pseudo-fields may come in any order", |c| {
        c.ask(1, &[PATH, AUTHORITY, SCHEME, METHOD, ("x-echo", "any")]);
        c.told(1, "echo=any")
    }),
    case("9113 §8.3.1", "a query is a part of the path", |c| {
        c.ask(1, &[METHOD, SCHEME, AUTHORITY, (":path", "/p?q=1&r=%20")]);
        c.told(1, "GET /p")
    }),
    case("9113 §10.5.1", "a head that is too large is refused, and harms nobody else", |c| {
        let most = c.limits.header_list.unwrap_or(64 << 10) as usize;
        let mut block = hpack::get();
        for at in 0..most / 900 + 2 {
            block.extend(hpack::literal(format!("x-{at}"), "y".repeat(900)));
        }
        in_frames(c, 1, &block);
        let status = c.answer(1)?.status;
        if status != "431" {
            return Err(format!("the answer's status is 431: no, but {status}"));
        }
        c.ignored()
    }),
    case("9113 §10.5.1", "trailers that are too large are refused", |c| {
        let most = c.limits.header_list.unwrap_or(64 << 10) as usize;
        c.post(1, &[]);
        let mut block = hpack::literal("x-trailer", "first");
        for at in 0..most / 900 + 2 {
            block.extend(hpack::literal(format!("x-{at}"), "y".repeat(900)));
        }
        in_frames(c, 1, &block);
        match c.answer(1) {
            Ok(answer) if answer.status == "200" => Err("trailers were cut short".to_owned()),
            _ => KEPT,
        }
    }),
];

/// An ordinary request with one more field.
fn field(c: &mut Client, name: &[u8], value: &[u8]) -> Outcome {
    c.head(1, flag::ALL, &[hpack::get(), hpack::literal(name, value)].concat());
    c.malformed(1)
}

/// A request of these fields.
fn asked(c: &mut Client, fields: &[(&str, &str)]) -> Outcome {
    c.ask(1, fields);
    c.malformed(1)
}

/// A request with one trailer.
fn trailer(c: &mut Client, name: &str, value: &str) -> Outcome {
    c.post(1, &[]);
    c.data(1, flag::NONE, b"body");
    c.head(1, flag::ALL, &hpack::literal(name, value));
    c.malformed(1)
}

/// Sends a block that ends a stream in as few frames as it takes.
fn in_frames(c: &mut Client, stream: u32, block: &[u8]) {
    let mut parts = block.chunks(c.limits.frame as usize).peekable();
    let (mut kind, mut flags) = (crate::wire::kind::HEADERS, flag::END_STREAM);
    while let Some(part) = parts.next() {
        let end = if parts.peek().is_none() { flag::END_HEADERS } else { 0 };
        c.frame(kind, flags | end, stream, part);
        (kind, flags) = (crate::wire::kind::CONTINUATION, 0);
    }
}
