//! Stories over real sockets: a Nexus in this process between raw clients and raw backends.
//!
//! `contract` is the table of what any bytes from a client are answered with, `responses` the same
//! for backends; `oracle` compares the engine with hyper's. The rest are stories of what users
//! fear.

#![allow(clippy::unwrap_used, reason = "a test may fail wherever it is")]

mod admin;
mod admission;
mod balancing;
mod cert;
mod cli;
mod config;
mod contract;
mod ejection;
mod failover;
mod grpc;
mod health;
mod hedging;
mod layers;
mod limits;
mod logs;
mod memory;
mod metrics;
mod monitoring;
mod oracle;
mod announced;
mod proxies;
mod proxying;
mod queue;
mod reasons;
mod regression;
mod request_ids;
mod reload;
mod responses;
mod retries;
mod routing;
mod secure;
mod sessions;
mod sharing;
mod shortage;
mod shutdown;
mod slowloris;
mod sockets;
mod timeouts;
mod traces;
mod tunnels;
mod world;
