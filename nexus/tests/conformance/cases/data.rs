//! DATA and RST_STREAM, PRIORITY, the frames of one stream (RFC 9113 §6.1, §6.3, §6.4).

use crate::case::{Case, case};
use crate::client::Client;
use crate::expect::Outcome;
use crate::hpack;
use crate::wire::{Code, flag, frame, kind, padded};

pub(super) const CASES: &[Case] = &[
    case("9113 §6.1", "DATA of no stream is a connection error", |c| {
        c.data(0, flag::END_STREAM, b"nobody's");
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
    case("9113 §6.1", "a body may come in several frames, empty ones too", |c| {
        c.post(1, &[]);
        for part in ["one", "", "two", "", "three"] {
            c.data(1, flag::NONE, part.as_bytes());
        }
        c.data(1, flag::END_STREAM, b"");
        c.told(1, "length=11")
    }),
    case("9113 §6.1", "a body may come in many small frames at once", |c| {
        c.post(1, &[]);
        c.send(&frame(kind::DATA, flag::NONE, 1, b"0123456789").repeat(500));
        c.data(1, flag::END_STREAM, b"");
        c.told(1, "length=5000")
    }),
    case("9113 §6.1", "padding is no part of a body", |c| {
        c.post(1, &[]);
        c.data(1, flag::PADDED, &padded(b"one", 0, 0));
        c.data(1, flag::PADDED, &padded(b"two", 255, 255));
        c.data(1, flag::PADDED | flag::END_STREAM, &padded(b"", 9, 9));
        c.told(1, "length=6")
    }),
    case("9113 §6.1", "padding as long as the frame is a connection error", |c| {
        c.post(1, &[]);
        c.data(1, flag::PADDED | flag::END_STREAM, &padded(b"body", 5, 0));
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
    case("9113 §6.1", "padding longer than the frame is a connection error", |c| {
        c.post(1, &[]);
        c.data(1, flag::PADDED | flag::END_STREAM, &padded(b"body", 255, 0));
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
    case("9113 §6.1", "padded DATA without a length of padding is a connection error", |c| {
        c.post(1, &[]);
        c.data(1, flag::PADDED | flag::END_STREAM, b"");
        c.connection_error(&[Code::FRAME_SIZE_ERROR, Code::PROTOCOL_ERROR])
    }),
    case("9113 §6.3", "PRIORITY of no stream is a connection error", |c| {
        c.frame(kind::PRIORITY, 0, 0, &[0, 0, 0, 1, 15]);
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
    case("9113 §6.3", "PRIORITY of four bytes is an error of its size", |c| priority(c, 4)),
    case("9113 §6.3", "PRIORITY of six bytes is an error of its size", |c| priority(c, 6)),
    case("9113 §6.3", "PRIORITY of any weight and dependency is ignored", |c| {
        for payload in [[0, 0, 0, 0, 0], [0, 0, 0, 0, 255], [0, 0, 0, 9, 1], [0x80, 0, 0, 1, 2]] {
            c.frame(kind::PRIORITY, 0, 3, &payload);
        }
        c.get(3, &[]);
        c.answered(3, "200")
    }),
    case("9113 §6.4", "RST_STREAM of no stream is a connection error", |c| {
        c.frame(kind::RST_STREAM, 0, 0, &[0, 0, 0, 8]);
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
    case("9113 §6.4", "RST_STREAM of three bytes is a connection error", |c| {
        c.post(1, &[]);
        c.frame(kind::RST_STREAM, 0, 1, &[0; 3]);
        c.connection_error(&[Code::FRAME_SIZE_ERROR])
    }),
    case("9113 §6.4", "RST_STREAM of five bytes is a connection error", |c| {
        c.post(1, &[]);
        c.frame(kind::RST_STREAM, 0, 1, &[0; 5]);
        c.connection_error(&[Code::FRAME_SIZE_ERROR])
    }),
    case("9113 §6.4", "RST_STREAM ends one stream and no other", |c| {
        c.post(1, &[]);
        c.post(3, &[]);
        c.frame(kind::RST_STREAM, 0, 1, &[0, 0, 0, 8]);
        c.data(3, flag::END_STREAM, b"goes on");
        c.told(3, "length=7")
    }),
    case("9113 §7", "RST_STREAM with an unknown code is one like any other", |c| {
        c.post(1, &[]);
        c.frame(kind::RST_STREAM, 0, 1, &[0, 0, 0, 0xff]);
        c.ignored()
    }),
];

fn priority(c: &mut Client, len: usize) -> Outcome {
    c.head(1, flag::END_HEADERS, &hpack::post());
    c.frame(kind::PRIORITY, 0, 1, &vec![0; len]);
    c.stream_error(1, &[Code::FRAME_SIZE_ERROR])
}
