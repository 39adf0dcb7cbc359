//! Nexus, an HTTP load balancer.
//!
//! A request meets the modules below in the order in which they are declared:
//!
//! ```text
//! listen → connection → proxy ─→ route → pool → forward ─→ backend
//!                         └──────── respond ←─────────┘
//! ```
//!
//! Start with [`proxy`]: it is the whole way in one function. `ARCHITECTURE.md` has the layers and
//! the invariants.

// The request's way.
pub mod connection;
pub mod exchange;
pub mod forward;
pub mod listen;
pub mod picker;
pub mod pool;
pub mod proxy;
pub mod respond;
pub mod route;
pub mod tunnel;

// What the way consults.
pub mod backend;
pub mod dial;
pub mod flow;
pub mod health;
pub mod http1;
pub mod log;
pub mod reason;
pub mod retry;
pub mod snapshot;

// What a worker lends.
pub mod buffer;
pub mod deadline;
pub mod recycle;
pub mod worker;

// Beside the way, and above it.
pub mod app;
pub mod cli;
pub mod command;
pub mod config;
pub mod control;
pub mod probe;
pub mod settings;
