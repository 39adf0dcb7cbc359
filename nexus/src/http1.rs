//! The HTTP/1 engine: bytes to messages and back, with no socket, no clock and no task in it.
//!
//! ```text
//! bytes ─→ head ─→ gate ─→ (retry, route, headers) ─→ egress ─→ bytes
//!            └──── body: decode ──────────────→ encode ────┘
//! ```
//!
//! # Why not hyper's?
//!
//! Half of a proxy's duties on HTTP/1 lie below hyper's interface: 1xx forwarding, `408`, early
//! answers during an upload, field order and case, "was a byte sent?". hyper is the oracle of the
//! differential tests instead (`tests/it/oracle.rs`).

pub mod body;
pub mod chunked;
pub mod egress;
pub mod forwarded;
pub mod gate;
pub mod head;
pub mod origin;
pub mod response;
