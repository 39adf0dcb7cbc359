//! What a running Nexus tells of itself.

use std::sync::atomic::Ordering;

use serde::Serialize;

use super::Shared;
use crate::backend::Backend;
use crate::ejection::Standing;
use crate::health::Verdict;
use crate::pool::Pool;
use crate::reload::{History, stamp};
use crate::session;
use crate::settings::BackendSettings;
use crate::snapshot::Snapshot;

/// The whole of it.
#[derive(Debug, Serialize)]
pub struct Status {
    version: &'static str,
    pid: u32,
    uptime_seconds: u64,
    workers: usize,
    listeners: Vec<String>,
    connections_open: usize,
    reloads: History,
    pools: Vec<PoolStatus>,
}

/// A pool and its backends.
#[derive(Debug, Serialize)]
pub struct PoolStatus {
    name: String,
    up: usize,
    /// Requests that wait for a place.
    waiting: usize,
    backends: Vec<BackendStatus>,
}

/// A backend and what is believed of it.
#[derive(Debug, Serialize)]
pub struct BackendStatus {
    url: String,
    state: &'static str,
    /// The reason code, if it is DOWN, ejected or tried out after that.
    cause: Option<&'static str>,
    since: String,
    /// Whether a probe has come back from it.
    is_probed: bool,
    /// How often it went DOWN.
    downs: u32,
    /// How often it was ejected in a row.
    ejections: u32,
    /// With what an operator said.
    weight: u32,
    is_draining: bool,
    tier: u8,
    zone: Option<String>,
    /// Requests under way, tunnels included.
    in_flight: u32,
    tunnels: u32,
    /// Connections that are open, idle ones included.
    connections: u32,
    /// Sessions that are with it; `None` if the pool has none.
    sessions: Option<u64>,
}

/// Returns the state of everything.
pub fn status(shared: &Shared) -> Status {
    let snapshot = shared.published.current();
    Status {
        version: env!("CARGO_PKG_VERSION"),
        pid: std::process::id(),
        uptime_seconds: shared.began.elapsed().as_secs(),
        workers: snapshot.settings.workers,
        listeners: snapshot.settings.listeners.iter().map(ToString::to_string).collect(),
        connections_open: shared.published.open.load(Ordering::Relaxed),
        reloads: shared.history.borrow().clone(),
        pools: pools(&snapshot),
    }
}

/// Returns the state of all pools.
pub fn pools(snapshot: &Snapshot) -> Vec<PoolStatus> {
    let now = session::now();
    let one = |pool: &Pool| PoolStatus {
        name: pool.settings.name.clone(),
        up: pool.backends().iter().filter(|backend| backend.is_available()).count(),
        waiting: pool.queue.waiting(),
        backends: pool
            .backends()
            .iter()
            .zip(&pool.settings.backends)
            .map(|(known, wanted)| backend(pool, known, wanted, now))
            .collect(),
    };
    snapshot.pools.iter().map(one).collect()
}

fn backend(pool: &Pool, backend: &Backend, wanted: &BackendSettings, now: u32) -> BackendStatus {
    let ejection = backend.conduct.ejection();
    let (state, cause) = match (backend.health().verdict, ejection.standing) {
        (Verdict::Down(reason), _) => ("DOWN", Some(reason.code())),
        (Verdict::Up, Standing::In) => ("UP", None),
        (Verdict::Up, Standing::Out(cause, _)) => ("EJECTED", Some(cause.code())),
        (Verdict::Up, Standing::HalfOpen(cause)) => ("HALF_OPEN", Some(cause.code())),
    };
    BackendStatus {
        url: backend.name.to_string(),
        state,
        cause,
        since: stamp(backend.since()),
        is_probed: backend.is_probed(),
        downs: backend.downs(),
        ejections: ejection.times,
        weight: backend.orders.weight(wanted.weight),
        is_draining: backend.orders.is_draining(),
        tier: wanted.tier,
        zone: wanted.zone.clone(),
        in_flight: backend.in_flight(),
        tunnels: backend.tunnels.load(Ordering::Relaxed),
        connections: backend.connections.open(),
        sessions: pool.sessions.as_ref().map(|sessions| sessions.count(backend, now)),
    }
}
