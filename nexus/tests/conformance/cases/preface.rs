//! How HTTP/2 begins (RFC 9113 §3).

use crate::case::{Case, raw};
use crate::client::Heard;
use crate::expect::{KEPT, Outcome};
use crate::hpack;
use crate::wire::{Code, PREFACE, flag, frame, kind};

pub(super) const CASES: &[Case] = &[
    raw("9113 §3.4", "the first frame of a server is SETTINGS", |c| {
        c.send(&[PREFACE, &frame(kind::SETTINGS, 0, 0, &[])].concat());
        let first = c.until("something comes", |heard| {
            Some(matches!(heard, Heard::Settings).then_some(()).ok_or("not SETTINGS"))
        })?;
        first.map_err(str::to_owned)?;
        KEPT
    }),
    raw("9113 §3.4", "requests may come before anything was heard from the server", |c| {
        let request = frame(kind::HEADERS, flag::ALL, 1, &hpack::get());
        c.send(&[PREFACE, &frame(kind::SETTINGS, 0, 0, &[]), &request].concat());
        c.answered(1, "200")
    }),
    raw("9113 §3.4", "a preface may come byte by byte", |c| {
        for byte in [PREFACE, &frame(kind::SETTINGS, 0, 0, &[])].concat() {
            c.send(&[byte]);
        }
        c.get(1, &[]);
        c.answered(1, "200")
    }),
    raw("9113 §3.4", "an invalid preface ends the connection", |c| {
        c.send(b"INVALID CONNECTION PREFACE\r\n\r\n");
        refused(c.connection_error(&[Code::PROTOCOL_ERROR]))
    }),
    raw("9113 §3.4", "a preface that is wrong in its last byte ends the connection", |c| {
        c.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r");
        refused(c.connection_error(&[Code::PROTOCOL_ERROR]))
    }),
    raw("9113 §3.4", "a client that leaves within the preface is let go", |c| {
        c.send(&PREFACE[..20]);
        c.leave();
        refused(c.connection_error(&[Code::PROTOCOL_ERROR]))
    }),
    raw("9113 §3.4", "a preface without SETTINGS is a connection error", |c| {
        c.send(&[PREFACE, &frame(kind::HEADERS, flag::ALL, 1, &hpack::get())].concat());
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
    raw("9113 §3.4", "a preface with PING for SETTINGS is a connection error", |c| {
        c.send(&[PREFACE, &frame(kind::PING, 0, 0, &[0; 8])].concat());
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
    raw("9113 §3.4", "a preface with an unknown frame for SETTINGS is a connection error", |c| {
        c.send(&[PREFACE, &frame(kind::UNKNOWN, 0, 0, &[])].concat());
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
    raw("9113 §3.4", "a server's settings are legal", |c| {
        c.send(PREFACE);
        c.settings(&[])?;
        let limits = &c.limits;
        let is_legal = limits.window < 1 << 31
            && (16_384..1 << 24).contains(&limits.frame)
            && limits.push.is_none_or(|push| push == 0);
        if is_legal { KEPT } else { Err(format!("legal settings: no, but {limits:?}")) }
    }),
];

/// GOAWAY may be left out where the preface shows that the peer does not speak HTTP/2.
fn refused(outcome: Outcome) -> Outcome {
    outcome.and(KEPT)
}
