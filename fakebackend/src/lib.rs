//! An HTTP backend that behaves, fails or flaps on demand: what can be asked of it, and what does it?
//!
//! The modules stand in the order in which they are met: first what is asked for, then the way of
//! a request from the socket to the answer, then what is remembered and how it all changes while
//! it runs. Deciding ([`behaviour`]) reads no socket and no clock; [`serve`] does what was decided.

pub mod cli;
mod quantity;

pub mod fault;
pub mod flap;
pub mod status;

mod port;
mod workers;

mod connections;
mod socket;
mod stream;
mod opening;
mod proxied;
mod tls;

mod http2;
mod serve;

mod input;
mod link;
pub mod request;

pub mod behaviour;
mod dice;
mod rules;
mod slots;

pub mod answer;
mod bandwidth;
pub mod body;
pub mod drip;
mod echo;
pub mod health;
mod malformed;
mod misframed;
mod send;
mod websocket;

mod clients;
pub mod journal;
mod stats;

mod calls;
mod control;
mod gate;
mod start;

pub use start::run;
