//! Every protocol with every other, cell by cell, and peers that nobody here wrote.
//!
//! `table` runs `rows` with every pair of what a client and a backend may speak, and keeps
//! `docs/protocols.md`; `ONLY="h2 > h1: GET"` runs the cells whose name has that in it. `peers` are
//! curl, openssl, h2load, tonic and tungstenite.

#![allow(clippy::unwrap_used, reason = "a test may fail wherever it is")]

mod backend;
mod client;
mod http1;
mod known;
mod message;
mod outcome;
mod peers;
mod rows;
mod secure;
mod table;
mod wire;
mod world;
