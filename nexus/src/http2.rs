//! HTTP/2 on both sides: connections that carry many requests, each of which looks to everything
//! above like an HTTP/1.1 connection of its own.
//!
//! ```text
//! client ══ HTTP/2 ══▶ front ─▶ Asked ─▶ gate, routes, attempts … ─▶ Asking ─▶ back ══ HTTP/2 ══▶ backend
//!                              HTTP/1.1 text                HTTP/1.1 text
//! ```
//!
//! Frames, windows and header compression are the `h2` crate's work. What it leaves open is here: the
//! translation (`text`, `inflow`, `outflow`), when connections begin and end, and what is too much.

pub mod asked;
pub mod asking;
pub mod back;
pub mod carrier;
pub mod frames;
pub mod front;
pub mod inflow;
pub mod outflow;
pub mod pulse;
pub mod text;

pub use asked::Asked;
pub use asking::Asking;

use std::io;

use crate::reason::Reason;

/// Bytes of all requests' or answers' bodies that may be on their way to Nexus, unread, on one
/// connection: what one connection can make Nexus hold.
pub const WINDOW_CONNECTION_BYTES: u32 = 1024 * 1024;

/// The same for one stream: a quarter, so that a body that nobody reads does not stop the others.
pub const WINDOW_STREAM_BYTES: u32 = 256 * 1024;

/// Bytes of one answer that may be on their way from a backend, unread.
pub const WINDOW_ANSWER_BYTES: u32 = 64 * 1024;

/// The same of all answers on one connection: of as many as there may be, so that clients who take
/// theirs slowly never hold up the answers to others.
pub const WINDOW_ANSWERS_BYTES: u32 = STREAMS_MAX * WINDOW_ANSWER_BYTES;

/// Bytes of one stream that wait to be sent.
pub const SEND_BYTES_MAX: usize = 64 * 1024;

/// Streams at once on one connection, either way. RFC 9113 §6.5.2 recommends at least 100.
pub const STREAMS_MAX: u32 = 128;

/// Bytes of a head, as HTTP/2 counts them (RFC 9113 §6.5.2): as for HTTP/1.
pub const HEAD_BYTES_MAX: u32 = crate::http1::head::HEAD_BYTES_MAX as u32;

/// Streams that were reset and are still remembered: frames for them may be on their way.
pub const RESETS_REMEMBERED_MAX: usize = 64;

/// Streams that a client may reset before anybody has looked at them (CVE-2023-44487).
pub const RESETS_PENDING_MAX: usize = 20;

/// Resets that a client may provoke by what it does wrong (CVE-2025-8671).
pub const RESETS_PROVOKED_MAX: usize = 256;

/// An answer that says: the backend has not begun with it (RFC 9113 §8.7).
#[derive(Debug)]
struct Unseen;

impl std::fmt::Display for Unseen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the stream was refused")
    }
}

impl std::error::Error for Unseen {}

/// Makes an error of a stream that of a connection.
fn failed(error: h2::Error) -> io::Error {
    let is_unseen = error.is_remote()
        && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM));
    if is_unseen {
        return unseen();
    }
    if error.is_remote() && error.is_reset() {
        return io::ErrorKind::ConnectionAborted.into();
    }
    match error.is_library() {
        true => io::Error::new(io::ErrorKind::InvalidData, error),
        false if error.is_io() => error.into_io().unwrap_or_else(broken),
        false => io::Error::new(io::ErrorKind::ConnectionReset, error),
    }
}

fn unseen() -> io::Error {
    io::Error::other(Unseen)
}

fn is_unseen(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Unseen>)
}

fn broken() -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

/// Says what an error while reading an answer means.
pub fn why_unread(error: &io::Error) -> Reason {
    match error.kind() {
        _ if is_unseen(error) => Reason::StreamRefused,
        io::ErrorKind::InvalidInput => Reason::BadTarget,
        io::ErrorKind::InvalidData => Reason::BadResponse,
        io::ErrorKind::ConnectionAborted => Reason::StreamReset,
        io::ErrorKind::UnexpectedEof => Reason::BackendClosed,
        _ => Reason::BackendReset,
    }
}
