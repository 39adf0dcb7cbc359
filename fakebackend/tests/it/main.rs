//! Stories over real sockets: the program as it is shipped, and what a client of it sees.

#![allow(clippy::unwrap_used, reason = "a story stops where it fails")]

mod answers;
mod control;
mod echo;
mod faults;
mod flags;
mod flap;
mod grpc;
mod harness;
mod http2;
mod http2_faults;
mod journal;
mod places;
mod stop;
mod streams;
mod tls;
mod wire2;
