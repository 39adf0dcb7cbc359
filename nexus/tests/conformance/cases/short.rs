//! PING and GOAWAY (RFC 9113 §6.7, §6.8).

use crate::case::{Case, case};
use crate::client::{Client, Heard};
use crate::expect::{KEPT, Outcome};
use crate::wire::{Code, flag, kind};

pub(super) const CASES: &[Case] = &[
    case("9113 §6.7", "PING is answered with what it said", |c| {
        for said in [*b"01234567", [0; 8], [0xff; 8]] {
            c.frame(kind::PING, flag::NONE, 0, &said);
            let is_same = |heard: &Heard| matches!(heard, Heard::Pong(pong) if *pong == said);
            c.until("PING is answered", |heard| is_same(heard).then_some(()))?;
        }
        KEPT
    }),
    case("9113 §6.7", "the answer to a PING is not answered, asked for or not", |c| {
        // The second is what the `h2` crate says when it shuts down.
        for said in [*b"unasked!", [0x0b, 0x7b, 0xa2, 0xf0, 0x8b, 0x9b, 0xfe, 0x54]] {
            c.frame(kind::PING, flag::ACK, 0, &said);
        }
        c.frame(kind::PING, flag::NONE, 0, b"do ask!!");
        let first = c.until("PING is answered", |heard| match heard {
            Heard::Pong(said) => Some(*said),
            _ => None,
        })?;
        if &first == b"do ask!!" { c.ignored() } else { Err(format!("answered {first:x?}")) }
    }),
    case("9113 §6.7", "PING of a stream is a connection error", |c| {
        c.frame(kind::PING, flag::NONE, 1, &[0; 8]);
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
    case("9113 §6.7", "PING of seven bytes is a connection error", |c| sized(c, kind::PING, 7)),
    case("9113 §6.7", "PING of nine bytes is a connection error", |c| sized(c, kind::PING, 9)),
    case("9113 §6.7", "PING of no bytes is a connection error", |c| sized(c, kind::PING, 0)),
    case("9113 §6.8", "GOAWAY of a stream is a connection error", |c| {
        c.frame(kind::GOAWAY, flag::NONE, 1, &[0; 8]);
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
    case("9113 §6.8", "GOAWAY of seven bytes is a connection error", |c| {
        sized(c, kind::GOAWAY, 7)
    }),
    case("9113 §6.8", "a request that is under way is answered after GOAWAY", |c| {
        c.post(1, &[]);
        c.frame(kind::GOAWAY, flag::NONE, 0, &[0; 8]);
        c.data(1, flag::END_STREAM, b"still here");
        c.told(1, "length=10")
    }),
    case("9113 §6.8", "GOAWAY may say why, and may come twice", |c| {
        c.post(1, &[]);
        let why = [&[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0][..], b"because"].concat();
        c.frame(kind::GOAWAY, flag::NONE, 0, &why);
        c.frame(kind::GOAWAY, flag::NONE, 0, &[0; 8]);
        c.data(1, flag::END_STREAM, b"twice");
        c.told(1, "length=5")
    }),
    case("9113 §6.8", "the connection ends after GOAWAY, once nothing is under way", |c| {
        c.frame(kind::GOAWAY, flag::NONE, 0, &[0; 8]);
        c.leave();
        c.until("the connection ends", |heard| matches!(heard, Heard::Closed).then_some(()))?;
        KEPT
    }),
    case("9113 §7", "GOAWAY with an unknown code is one like any other", |c| {
        c.post(1, &[]);
        c.frame(kind::GOAWAY, flag::NONE, 0, &[0, 0, 0, 0, 0, 0, 0, 0xff]);
        c.data(1, flag::END_STREAM, b"unknown");
        c.told(1, "length=7")
    }),
];

fn sized(c: &mut Client, kind: u8, len: usize) -> Outcome {
    c.frame(kind, flag::NONE, 0, &vec![0; len]);
    c.connection_error(&[Code::FRAME_SIZE_ERROR])
}
