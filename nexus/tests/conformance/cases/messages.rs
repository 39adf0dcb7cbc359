//! Requests and answers (RFC 9113 §8.1, §8.5) and their lengths (§8.1.1).

use crate::case::{Case, case};
use crate::client::{Client, Heard};
use crate::expect::{KEPT, Outcome, same};
use crate::hpack;
use crate::wire::{Code, flag};

pub(super) const CASES: &[Case] = &[
    case("9113 §8.1", "GET is answered", |c| {
        c.get(1, &[]);
        c.told(1, "GET / echo= length=0")
    }),
    case("9113 §8.1", "HEAD is answered without a body", |c| {
        let fields = [(":method", "HEAD"), (":scheme", "http"), (":path", "/")];
        c.ask(1, &[&fields[..], &[(":authority", "conformance")]].concat());
        let answer = c.answer(1)?;
        same("the answer's status", "200", &answer.status)?;
        same("the body", "", &answer.body)
    }),
    case("9113 §8.1", "POST is answered once its body was read", |c| {
        c.post(1, &[("content-length", "4")]);
        c.data(1, flag::END_STREAM, b"body");
        c.told(1, "POST / echo= length=4")
    }),
    case("9113 §8.1", "a GET may have a body", |c| {
        c.head(1, flag::END_HEADERS, &hpack::get());
        c.data(1, flag::END_STREAM, b"body");
        c.told(1, "GET / echo= length=4")
    }),
    case("9113 §8.1", "methods are whatever they are", |c| {
        let fields = [(":method", "BREW"), (":scheme", "http"), (":path", "/")];
        c.ask(1, &[&fields[..], &[(":authority", "conformance")]].concat());
        c.told(1, "BREW / ")
    }),
    case("9113 §8.1", "OPTIONS may ask for all", |c| {
        let fields = [(":method", "OPTIONS"), (":scheme", "http"), (":path", "*")];
        c.ask(1, &[&fields[..], &[(":authority", "conformance")]].concat());
        c.answered(1, "200")
    }),
    case("9113 §8.1", "requests are answered side by side", |c| {
        (0..10).for_each(|at| c.post(at * 2 + 1, &[]));
        for at in (0..10).rev() {
            c.data(at * 2 + 1, flag::END_STREAM, &vec![b'x'; at as usize]);
            c.told(at * 2 + 1, &format!("length={at} "))?;
        }
        KEPT
    }),
    case("9113 §8.1", "trailers come after the body", |c| {
        c.post(1, &[]);
        c.data(1, flag::NONE, b"body");
        c.head(1, flag::ALL, &hpack::block(&[("x-trailer", "after")]));
        c.told(1, "length=4 trailer=after")
    }),
    case("9113 §8.1", "trailers may come without a body", |c| {
        c.post(1, &[]);
        c.head(1, flag::ALL, &hpack::block(&[("x-trailer", "alone")]));
        c.told(1, "length=0 trailer=alone")
    }),
    case("9113 §8.1", "trailers may be continued", |c| {
        c.post(1, &[]);
        c.head(1, flag::END_STREAM, &[]);
        let block = hpack::block(&[("x-trailer", "continued")]);
        c.frame(crate::wire::kind::CONTINUATION, flag::END_HEADERS, 1, &block);
        c.told(1, "length=0 trailer=continued")
    }),
    case("9113 §8.1", "trailers that do not end the stream are malformed", |c| {
        c.post(1, &[]);
        c.data(1, flag::NONE, b"body");
        c.head(1, flag::END_HEADERS, &hpack::block(&[("x-trailer", "not the end")]));
        c.malformed(1)
    }),
    case("9113 §8.1", "DATA after trailers is an error of a closed stream", |c| {
        c.settings(&[(crate::wire::setting::INITIAL_WINDOW_SIZE, 0)])?;
        c.post(1, &[]);
        c.head(1, flag::ALL, &hpack::block(&[("x-trailer", "end")]));
        c.data(1, flag::END_STREAM, b"late");
        c.stream_error(1, &[Code::STREAM_CLOSED])
    }),
    case("9113 §8.1", "an answer's fields have lower-case names and one status, first", |c| {
        c.get(1, &[]);
        let fields = c.answer(1)?.fields;
        let pseudo = fields.iter().filter(|(name, _)| name.starts_with(':')).count();
        let is_lower = |name: &str| !name.bytes().any(|byte| byte.is_ascii_uppercase());
        let one_hop = ["connection", "keep-alive", "transfer-encoding", "upgrade"];
        let is_fine = fields[0].0 == ":status"
            && pseudo == 1
            && fields.iter().all(|(name, _)| is_lower(name) && !one_hop.contains(&name.as_str()));
        if is_fine { KEPT } else { Err(format!("legal fields: no, but {fields:?}")) }
    }),
    case("9113 §8.1.1", "a body shorter than its length is malformed", |c| {
        body(c, "5", &["body"])
    }),
    case("9113 §8.1.1", "a body longer than its length is malformed", |c| body(c, "3", &["body"])),
    case("9113 §8.1.1", "a body in parts that is shorter than its length is malformed", |c| {
        body(c, "11", &["body", "", "body"])
    }),
    case("9113 §8.1.1", "a body in parts that is longer than its length is malformed", |c| {
        body(c, "5", &["body", "body"])
    }),
    case("9113 §8.1.1", "a length without a body is malformed", |c| {
        c.head(1, flag::ALL, &[hpack::post(), hpack::literal("content-length", "1")].concat());
        c.malformed(1)
    }),
    case("9113 §8.1.1", "a body for a length of 0 is malformed", |c| body(c, "0", &["b"])),
    case("9113 §8.1.1", "a body that trailers cut short is malformed", |c| {
        c.post(1, &[("content-length", "5")]);
        c.data(1, flag::NONE, b"body");
        c.head(1, flag::ALL, &hpack::block(&[("x-trailer", "short")]));
        c.malformed(1)
    }),
    case("9113 §8.1.1", "a length is kept with padding and trailers beside", |c| {
        c.post(1, &[("content-length", "4")]);
        c.data(1, flag::PADDED, &crate::wire::padded(b"body", 50, 50));
        c.head(1, flag::ALL, &hpack::block(&[("x-trailer", "kept")]));
        c.told(1, "length=4 trailer=kept")
    }),
    case("9113 §8.1.1", "a length of 0 without a body is legal", |c| {
        c.get(1, &[("content-length", "0")]);
        c.answered(1, "200")
    }),
    case("9113 §8.1.1", "a length that is no number is malformed: abc", |c| length(c, &["abc"])),
    case("9113 §8.1.1", "a length that is no number is malformed: +4", |c| length(c, &["+4"])),
    case("9113 §8.1.1", "a length that is no number is malformed: -4", |c| length(c, &["-4"])),
    case("9113 §8.1.1", "a length that is no number is malformed: 4, 5", |c| length(c, &["4, 5"])),
    case("9113 §8.1.1", "a length that is no number is malformed: none", |c| length(c, &[""])),
    case("9113 §8.1.1", "an empty length without a body is malformed", |c| {
        c.get(1, &[("content-length", "")]);
        c.malformed(1)
    }),
    case("9113 §8.1.1", "a length that is said twice is one, or malformed", |c| {
        c.post(1, &[("content-length", "4"), ("content-length", "4")]);
        c.data(1, flag::END_STREAM, b"body");
        c.told(1, "length=4").or_else(|_| c.ignored())
    }),
    case("9113 §8.1.1", "a length above 2^64 is malformed", |c| {
        length(c, &["18446744073709551620"])
    }),
    case("9113 §8.1.1", "two lengths that differ are malformed", |c| length(c, &["4", "5"])),
    case("9113 §8.1.1", "two lengths that differ are malformed, the other way round", |c| {
        length(c, &["5", "4"])
    }),
    case("9113 §8.5", "CONNECT with :scheme and :path is malformed", |c| {
        let fields = [(":method", "CONNECT"), (":authority", "conformance:443")];
        c.ask(1, &[&fields[..], &[(":scheme", "http"), (":path", "/")]].concat());
        c.malformed(1)
    }),
    case("9113 §8.5", "CONNECT without :authority is malformed", |c| {
        c.ask(1, &[(":method", "CONNECT")]);
        c.malformed(1)
    }),
    case("9113 §8.5", "CONNECT is answered or refused, alone", |c| {
        c.ask(1, &[(":method", "CONNECT"), (":authority", "conformance:443")]);
        c.until("something comes of it", |heard| {
            matches!(heard, Heard::Head { .. } | Heard::Reset { .. }).then_some(())
        })?;
        c.ignored()
    }),
];

fn body(c: &mut Client, len: &str, parts: &[&str]) -> Outcome {
    c.post(1, &[("content-length", len)]);
    let (last, first) = parts.split_last().expect("a body has parts");
    first.iter().for_each(|part| c.data(1, flag::NONE, part.as_bytes()));
    c.data(1, flag::END_STREAM, last.as_bytes());
    c.malformed(1)
}

/// A body of four bytes with these lengths.
fn length(c: &mut Client, lengths: &[&str]) -> Outcome {
    let fields: Vec<_> = lengths.iter().map(|len| ("content-length", *len)).collect();
    c.post(1, &fields);
    c.data(1, flag::END_STREAM, b"body");
    c.malformed(1)
}
