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
pub mod listen;
pub mod connection;
pub mod proxy_protocol;
pub mod proxy;
pub mod route;
pub mod pool;
pub mod picker;
pub mod attempts;
pub mod place;
pub mod forward;
pub mod hedge;
pub mod exchange;
pub mod known;
pub mod respond;
pub mod tunnel;
pub mod websocket;
pub mod mirror;

// What the way consults.
pub mod way;
pub mod http1;
pub mod http2;
pub mod grpc;
pub mod flow;
pub mod stream;
pub mod tls;
pub mod retry;
pub mod limiter;
pub mod session;
pub mod snapshot;
pub mod backend;
pub mod health;
pub mod ejection;
pub mod dial;
pub mod record;
pub mod request_id;
pub mod failures;
pub mod log;
pub mod metrics;
pub mod trace;
pub mod spans;
pub mod reason;

// What a worker lends.
pub mod worker;
pub mod deadline;
pub mod buffer;
pub mod recycle;
pub mod ring;
pub mod finish;

// Beside the way, and above it.
pub mod probe;
pub mod settings;
pub mod config;
pub mod command;
pub mod cli;
pub mod explain;
pub mod plan;
pub mod reload;
pub mod watch;
pub mod level;
pub mod events;
pub mod admin;
pub mod control;
pub mod app;
