//! What a running Nexus tells of itself.

use std::sync::atomic::Ordering;

use schemars::JsonSchema;
use serde::Serialize;

use super::Shared;
use crate::backend::journal::{Probed, Turn, sentence};
use crate::backend::{Backend, uptime};
use crate::ejection::Standing;
use crate::health::Verdict;
use crate::picker::Place;
use crate::pool::Pool;
use crate::pool::shortage::Mode;
use crate::reason::Reason;
use crate::reload::{History, stamp};
use crate::session;
use crate::settings::BackendSettings;
use crate::snapshot::Snapshot;

/// The whole of it.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Status {
    version: &'static str,
    pid: u32,
    uptime_seconds: u64,
    workers: usize,
    listeners: Vec<String>,
    connections_open: usize,
    /// TLS handshakes with clients under way.
    handshakes: usize,
    /// HTTP/2 connections that were ended since their clients broke the protocol or asked too much.
    http2_ended: u64,
    reloads: History,
    pools: Vec<PoolStatus>,
}

/// A pool and its backends.
#[derive(Debug, JsonSchema, Serialize)]
pub struct PoolStatus {
    name: String,
    /// `usual`, `panic` (all are used) or `closed` (none is, since too few are left).
    mode: &'static str,
    /// Attempts made in panic.
    panicked: u64,
    /// `closed`, `open` or `half_open`; `None` without a breaker.
    circuit: Option<&'static str>,
    /// Requests under way at most, as load shedding has it now.
    limit: Option<u32>,
    /// Requests under way, if breaker or load shedding counts them.
    under_way: Option<u32>,
    /// Requests that breaker or load shedding have refused.
    refused: u64,
    up: usize,
    /// Requests that wait for a place.
    waiting: usize,
    backends: Vec<BackendStatus>,
}

/// A backend and what is believed of it.
#[derive(Debug, JsonSchema, Serialize)]
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
    /// Whether it is kept out for flapping.
    is_flapping: bool,
    /// How often it was ejected in a row.
    ejections: u32,
    /// With what an operator said.
    weight: u32,
    is_draining: bool,
    /// Whether an operator lets it have no requests at all.
    is_disabled: bool,
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

/// Why a backend gets requests, or none.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Why {
    pool: String,
    #[serde(flatten)]
    status: BackendStatus,
    gets_requests: bool,
    /// In words.
    why: String,
    turns: Vec<Entry>,
    probes: Vec<Entry>,
}

/// Something that happened.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Entry {
    at: String,
    /// The stable code.
    what: &'static str,
    text: String,
}

/// Returns the state of everything.
pub fn status(shared: &Shared) -> Status {
    let snapshot = shared.published.current();
    Status {
        version: env!("CARGO_PKG_VERSION"),
        pid: std::process::id(),
        uptime_seconds: shared.began.elapsed().as_secs(),
        workers: snapshot.settings.workers,
        listeners: snapshot
            .settings
            .listeners
            .iter()
            .map(|listener| listener.address.to_string())
            .collect(),
        connections_open: shared.published.open.load(Ordering::Relaxed),
        handshakes: shared.published.handshakes.load(Ordering::Relaxed),
        http2_ended: shared.published.http2_ended.load(Ordering::Relaxed),
        reloads: shared.history.borrow().clone(),
        pools: pools(&snapshot),
    }
}

/// Returns the state of all pools.
pub fn pools(snapshot: &Snapshot) -> Vec<PoolStatus> {
    let now = session::now();
    let one = |pool: &Pool| PoolStatus {
        name: pool.settings.name.clone(),
        mode: pool.mode().name(),
        panicked: pool.panicked.load(Ordering::Relaxed),
        circuit: circuit(pool),
        limit: pool.settings.shedding.as_ref().map(|_| pool.admission.limit()),
        under_way: (pool.settings.breaker.is_some() || pool.settings.shedding.is_some())
            .then(|| pool.admission.under_way()),
        refused: pool.admission.refused(),
        up: pool.backends().iter().filter(|backend| backend.is_well()).count(),
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

/// Returns why a backend gets requests or none.
pub fn why(pool: &Pool, place: Place) -> Why {
    let at = usize::from(place.0);
    let (found, wanted) = (&pool.backends()[at], &pool.settings.backends[at]);
    let weight = found.orders.weight(wanted.weight);
    let mut words = Vec::new();
    match found.health().verdict {
        Verdict::Down(reason) => {
            words.push(sentence(reason));
            let left = found.health().kept_out(uptime());
            words.extend(left.map(|left| format!("it flaps: kept out for {left:.1?} more")));
        }
        Verdict::Up if !found.is_probed() => words.push("no probe has come back yet".to_owned()),
        Verdict::Up => words.push("its probe succeeds".to_owned()),
    }
    let ejection = found.conduct.ejection();
    match ejection.standing {
        Standing::In => {}
        Standing::Out(cause, until) => words.push(format!(
            "ejected for {:.1} s more, the {}. time in a row: {}",
            until.saturating_sub(uptime()).as_secs_f32(),
            ejection.times,
            cause.code()
        )),
        Standing::HalfOpen(cause) => words
            .push(format!("tried out, one request at a time, after an ejection: {}", cause.code())),
    }
    match pool.mode() {
        Mode::Usual => {}
        Mode::Panic => words.push("used anyway: the pool is in panic".to_owned()),
        Mode::Closed => words.push("the pool is closed: too few backends are left".to_owned()),
    }
    if found.orders.is_draining() {
        words.push("draining".to_owned());
    }
    if found.orders.is_disabled() {
        words.push("disabled by an operator".to_owned());
    }
    words.push(format!("weight {weight}, {} requests under way", found.in_flight()));
    let turn =
        |(at, turn): (_, Turn)| Entry { at: stamp(at), what: turn.code(), text: turn.to_string() };
    let probe = |(at, probed): (_, Probed)| Entry {
        at: stamp(at),
        what: probed.failure.map_or("ok", Reason::code),
        text: probed.to_string(),
    };
    Why {
        pool: pool.settings.name.clone(),
        status: backend(pool, found, wanted, session::now()),
        gets_requests: found.is_available() && !pool.is_closed() && weight > 0,
        why: words.join("; "),
        turns: found.journal.turns().into_iter().map(turn).collect(),
        probes: found.journal.probes().into_iter().map(probe).collect(),
    }
}

/// Returns how a pool's breaker stands, if it has one.
pub fn circuit(pool: &Pool) -> Option<&'static str> {
    pool.settings.breaker.as_ref().map(|_| match pool.admission.standing() {
        Standing::In => "closed",
        Standing::Out(..) => "open",
        Standing::HalfOpen(_) => "half_open",
    })
}

fn backend(pool: &Pool, backend: &Backend, wanted: &BackendSettings, now: u32) -> BackendStatus {
    let ejection = backend.conduct.ejection();
    let (state, cause) = backend.state();
    BackendStatus {
        url: backend.name.to_string(),
        state,
        cause,
        since: stamp(backend.since()),
        is_probed: backend.is_probed(),
        downs: backend.downs(),
        is_flapping: backend.health().kept_out(uptime()).is_some(),
        ejections: ejection.times,
        weight: backend.orders.weight(wanted.weight),
        is_draining: backend.orders.is_draining(),
        is_disabled: backend.orders.is_disabled(),
        tier: wanted.tier,
        zone: wanted.zone.clone(),
        in_flight: backend.in_flight(),
        tunnels: backend.tunnels.load(Ordering::Relaxed),
        connections: backend.connections.open(),
        sessions: pool.sessions.as_ref().map(|sessions| sessions.count(backend, now)),
    }
}
