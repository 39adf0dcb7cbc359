//! HEADERS, PUSH_PROMISE and CONTINUATION, the frames of blocks (RFC 9113 §6.2, §6.6, §6.10).

use crate::case::{Case, case};
use crate::client::Client;
use crate::expect::Outcome;
use crate::hpack;
use crate::wire::{Code, flag, kind, padded};

pub(super) const CASES: &[Case] = &[
    case("9113 §6.2", "HEADERS of no stream are a connection error", |c| {
        c.get(0, &[]);
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
    case("9113 §6.2", "padding is no part of a block", |c| {
        let block = padded(&hpack::get(), 200, 200);
        c.head(1, flag::ALL | flag::PADDED, &block);
        c.answered(1, "200")
    }),
    case("9113 §6.2", "priority is no part of a block", |c| {
        let block = [&[0x80, 0, 0, 0, 255][..], &hpack::get()].concat();
        c.head(1, flag::ALL | flag::PRIORITY, &block);
        c.answered(1, "200")
    }),
    case("9113 §6.2", "padding and priority are no part of a block", |c| {
        let block = [&[0, 0, 0, 0, 0][..], &hpack::get()].concat();
        c.head(1, flag::ALL | flag::PRIORITY | flag::PADDED, &padded(&block, 3, 3));
        c.answered(1, "200")
    }),
    case("9113 §6.2", "padding longer than the frame is a connection error", |c| {
        c.head(1, flag::ALL | flag::PADDED, &padded(&hpack::get(), 255, 0));
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
    case("9113 §6.2", "padded HEADERS without a length of padding are a connection error", |c| {
        c.head(1, flag::ALL | flag::PADDED, &[]);
        c.connection_error(&[Code::FRAME_SIZE_ERROR, Code::PROTOCOL_ERROR])
    }),
    case("9113 §6.2", "HEADERS too short for their priority are a connection error", |c| {
        c.head(1, flag::ALL | flag::PRIORITY, &[0; 4]);
        c.connection_error(&[Code::FRAME_SIZE_ERROR, Code::PROTOCOL_ERROR])
    }),
    case("9113 §6.2", "padding that reaches into the priority is a connection error", |c| {
        c.head(1, flag::ALL | flag::PRIORITY | flag::PADDED, &padded(&[0; 5], 3, 0));
        c.connection_error(&[Code::FRAME_SIZE_ERROR, Code::PROTOCOL_ERROR])
    }),
    case("9113 §6.2", "PRIORITY where CONTINUATION must come is a connection error", |c| {
        interrupted(c, kind::PRIORITY, &[0; 5])
    }),
    case("9113 §6.2", "DATA where CONTINUATION must come is a connection error", |c| {
        interrupted(c, kind::DATA, b"body")
    }),
    case("9113 §6.2", "HEADERS where CONTINUATION must come are a connection error", |c| {
        interrupted(c, kind::HEADERS, &hpack::get())
    }),
    case("9113 §6.2", "RST_STREAM where CONTINUATION must come is a connection error", |c| {
        interrupted(c, kind::RST_STREAM, &[0; 4])
    }),
    case("9113 §6.2", "WINDOW_UPDATE where CONTINUATION must come is a connection error", |c| {
        interrupted(c, kind::WINDOW_UPDATE, &[0, 0, 0, 1])
    }),
    case("9113 §6.2", "PING where CONTINUATION must come is a connection error", |c| {
        c.head(1, flag::END_STREAM, &hpack::get());
        c.frame(kind::PING, 0, 0, &[0; 8]);
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
    case("9113 §6.2", "SETTINGS where CONTINUATION must come are a connection error", |c| {
        c.head(1, flag::END_STREAM, &hpack::get());
        c.frame(kind::SETTINGS, 0, 0, &[]);
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
    case("9113 §6.6", "PUSH_PROMISE of a client is a connection error", |c| {
        c.post(1, &[]);
        let block = [&[0, 0, 0, 2][..], &hpack::get()].concat();
        c.frame(kind::PUSH_PROMISE, flag::END_HEADERS, 1, &block);
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
    case("9113 §6.6", "PUSH_PROMISE of no stream is a connection error", |c| {
        let block = [&[0, 0, 0, 2][..], &hpack::get()].concat();
        c.frame(kind::PUSH_PROMISE, flag::END_HEADERS, 0, &block);
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
    case("9113 §6.6", "PUSH_PROMISE of a malformed request is a connection error", |c| {
        c.post(1, &[]);
        let bad = hpack::literal("connection", "close");
        let block = [&[0, 0, 0, 2][..], &hpack::get(), &bad].concat();
        c.frame(kind::PUSH_PROMISE, flag::END_HEADERS, 1, &block);
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
    case("9113 §6.10", "a block may be continued, anywhere", |c| {
        let block = [hpack::get(), hpack::block(&[("x-echo", "in pieces")])].concat();
        let (first, rest) = block.split_at(block.len() - 12);
        c.head(1, flag::END_STREAM, first);
        c.frame(kind::CONTINUATION, 0, 1, &rest[..1]);
        c.frame(kind::CONTINUATION, 0, 1, &[]);
        c.frame(kind::CONTINUATION, flag::END_HEADERS, 1, &rest[1..]);
        c.told(1, "echo=in pieces")
    }),
    case("9113 §6.10", "HEADERS may be empty, and all that they say continued", |c| {
        c.head(1, flag::END_STREAM, &[]);
        c.frame(kind::CONTINUATION, flag::END_HEADERS, 1, &hpack::get());
        c.answered(1, "200")
    }),
    case("9113 §6.10", "CONTINUATION of no stream is a connection error", |c| {
        c.head(1, flag::END_STREAM, &hpack::get());
        c.frame(kind::CONTINUATION, flag::END_HEADERS, 0, &hpack::literal("x", "y"));
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
    case("9113 §6.10", "CONTINUATION of another stream is a connection error", |c| {
        c.head(1, flag::END_STREAM, &hpack::get());
        c.frame(kind::CONTINUATION, flag::END_HEADERS, 3, &hpack::literal("x", "y"));
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
    case("9113 §6.10", "CONTINUATION of a complete block is a connection error", |c| {
        c.post(1, &[]);
        c.frame(kind::CONTINUATION, flag::END_HEADERS, 1, &hpack::literal("x", "y"));
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
    case("9113 §6.10", "CONTINUATION after the last CONTINUATION is a connection error", |c| {
        c.head(1, flag::NONE, &hpack::post());
        c.frame(kind::CONTINUATION, flag::END_HEADERS, 1, &hpack::literal("x", "y"));
        c.frame(kind::CONTINUATION, flag::END_HEADERS, 1, &hpack::literal("x", "y"));
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
    case("9113 §6.10", "CONTINUATION after DATA is a connection error", |c| {
        c.post(1, &[]);
        c.data(1, flag::NONE, b"body");
        c.frame(kind::CONTINUATION, flag::END_HEADERS, 1, &hpack::literal("x", "y"));
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
];

fn interrupted(c: &mut Client, kind: u8, payload: &[u8]) -> Outcome {
    c.head(1, flag::NONE, &hpack::post());
    c.frame(kind, 0, 1, payload);
    c.connection_error(&[Code::PROTOCOL_ERROR])
}
