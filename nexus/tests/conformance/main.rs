//! HTTP/2 by raw frames: whether a server does what RFC 9113 and RFC 7541 want of it.
//!
//! Every row of `cases` is sent on a connection of its own, and a bystander that was connected
//! before must be answered after. `cargo test --test conformance -- PART` runs the rows whose
//! section or sentence has PART in it; `--strict` wants the codes that the RFC names; `--bare` leaves
//! `FrameWatch` out, to see what the `h2` crate does alone.

mod case;
mod cases;
mod client;
mod expect;
mod floods;
mod hpack;
mod known;
mod report;
mod server;
mod wire;

use std::process::ExitCode;

fn main() -> ExitCode {
    let wanted = report::Wanted::from_args(std::env::args().skip(1));
    report::run(&wanted)
}
