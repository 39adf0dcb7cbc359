//! Frames in general (RFC 9113 §4) and the extension of the protocol (§5.5).

use crate::case::{Case, case};
use crate::client::Heard;
use crate::expect::{KEPT, same};
use crate::hpack;
use crate::wire::{Code, flag, frame_saying, kind, padded};

pub(super) const CASES: &[Case] = &[
    case("9113 §4.1", "frames of an unknown type are ignored", |c| {
        c.frame(kind::UNKNOWN, 0xff, 0, b"whatever");
        c.frame(kind::UNKNOWN, 0, 1, b"");
        c.frame(kind::UNKNOWN, 0, 2, b"even");
        c.ignored()
    }),
    case("9113 §4.1", "frames of an unknown type are ignored within a request", |c| {
        c.post(1, &[]);
        c.frame(kind::UNKNOWN, 0xff, 1, &[7; 100]);
        c.data(1, flag::END_STREAM, b"body");
        c.told(1, "length=4")
    }),
    case("9113 §4.1", "undefined flags are ignored on PING", |c| {
        c.frame(kind::PING, 0xfe, 0, b"flagged!");
        let is_pong = |heard: &Heard| matches!(heard, Heard::Pong(p) if p == b"flagged!");
        c.until("a PING is answered", |heard| is_pong(heard).then_some(()))?;
        c.ignored()
    }),
    case("9113 §4.1", "undefined flags are ignored on HEADERS and DATA", |c| {
        c.head(1, flag::END_HEADERS | 0xd2, &hpack::post());
        c.data(1, flag::END_STREAM | 0xf6, b"body");
        c.told(1, "length=4")
    }),
    case("9113 §4.1", "undefined flags are ignored on SETTINGS and WINDOW_UPDATE", |c| {
        c.frame(kind::SETTINGS, 0xfe, 0, &[]);
        c.frame(kind::WINDOW_UPDATE, 0xff, 0, &[0, 0, 0, 1]);
        c.ignored()
    }),
    case("9113 §4.1", "the reserved bit of a stream's identifier is ignored", |c| {
        c.frame(kind::PING, 0, 1 << 31, b"reserved");
        c.head(1 << 31 | 1, flag::ALL, &hpack::get());
        c.answered(1, "200")
    }),
    case("9113 §4.1", "a frame may come byte by byte", |c| {
        let block = hpack::get();
        for byte in frame_saying(block.len(), kind::HEADERS, flag::ALL, 1, &block) {
            c.send(&[byte]);
        }
        c.answered(1, "200")
    }),
    case("9113 §4.2", "DATA of 2^14 bytes is taken", |c| {
        c.post(1, &[]);
        c.data(1, flag::END_STREAM, &[b'x'; 1 << 14]);
        c.told(1, "length=16384")
    }),
    case("9113 §4.2", "HEADERS of 2^14 bytes are taken, if as too large a head", |c| {
        let around = hpack::get().len() + hpack::literal("x", [b'x'; 1000]).len() - 1000;
        let value = "x".repeat((1 << 14) - around - 1 - 200);
        let block = [hpack::get(), hpack::literal("x", value)].concat();
        c.head(1, flag::ALL | flag::PADDED, &padded(&block, 200, 200));
        let status = c.answer(1)?.status;
        if status == "431" { KEPT } else { same("the answer's status", "200", &status) }
    }),
    case("9113 §4.2", "DATA larger than was agreed on is an error of its size", |c| {
        c.post(1, &[]);
        c.data(1, flag::END_STREAM, &vec![0; c.limits.frame as usize + 1]);
        c.stream_error(1, &[Code::FRAME_SIZE_ERROR])
    }),
    case("9113 §4.2", "HEADERS larger than was agreed on are a connection error", |c| {
        let value = "x".repeat(c.limits.frame as usize);
        c.head(1, flag::ALL, &[hpack::get(), hpack::literal("x", value)].concat());
        c.connection_error(&[Code::FRAME_SIZE_ERROR])
    }),
    case("9113 §4.2", "CONTINUATION larger than was agreed on is a connection error", |c| {
        c.head(1, flag::END_STREAM, &hpack::get());
        let block = hpack::literal("x", "x".repeat(c.limits.frame as usize));
        c.frame(kind::CONTINUATION, flag::END_HEADERS, 1, &block);
        c.connection_error(&[Code::FRAME_SIZE_ERROR])
    }),
    case("9113 §4.2", "SETTINGS larger than was agreed on are a connection error", |c| {
        let one = [0xf0, 0, 0, 0, 0, 0];
        c.frame(kind::SETTINGS, 0, 0, &one.repeat(c.limits.frame as usize / 6 + 1));
        c.connection_error(&[Code::FRAME_SIZE_ERROR])
    }),
    case("9113 §4.2", "a larger frame of an unknown type is an error of its size", |c| {
        c.frame(kind::UNKNOWN, 0, 0, &vec![0; c.limits.frame as usize + 1]);
        c.connection_error(&[Code::FRAME_SIZE_ERROR])
    }),
    case("9113 §4.2", "the longest length that there is is an error before its bytes come", |c| {
        c.send(&frame_saying(0x00ff_ffff, kind::DATA, 0, 1, &[]));
        c.connection_error(&[Code::FRAME_SIZE_ERROR, Code::PROTOCOL_ERROR])
    }),
    case("9113 §4.3", "a block that cannot be decoded is a connection error", |c| {
        c.head(1, flag::ALL, &[hpack::get(), vec![0x40]].concat());
        c.connection_error(&[Code::COMPRESSION_ERROR])
    }),
    case("9113 §4.3", "PRIORITY within a block is a connection error", |c| {
        c.head(1, flag::END_STREAM, &hpack::get());
        c.frame(kind::PRIORITY, 0, 1, &[0, 0, 0, 0, 15]);
        c.frame(kind::CONTINUATION, flag::END_HEADERS, 1, &hpack::literal("x", "y"));
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
    case("9113 §4.3", "HEADERS of another stream within a block are a connection error", |c| {
        c.head(1, flag::END_STREAM, &hpack::get());
        c.get(3, &[]);
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
    case("9113 §4.3", "the state of compression is kept across requests that are refused", |c| {
        let late = hpack::literal(":method", "GET");
        c.head(1, flag::ALL, &[hpack::get(), hpack::added("x-echo", "kept"), late].concat());
        c.head(3, flag::ALL, &[hpack::get(), hpack::indexed(hpack::DYNAMIC)].concat());
        c.told(3, "echo=kept")
    }),
    case("9113 §5.5", "a frame of an unknown type within a block is a connection error", |c| {
        c.head(1, flag::END_STREAM, &hpack::get());
        c.frame(kind::UNKNOWN, 0, 1, b"between");
        c.frame(kind::CONTINUATION, flag::END_HEADERS, 1, &hpack::literal("x", "y"));
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
];
