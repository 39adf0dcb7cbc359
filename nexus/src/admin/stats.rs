//! What was counted, and how fast things go, as the dashboard and `nexus top` show it.

use std::collections::BTreeMap;
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Shared, status};
use crate::backend::Backend;
use crate::metrics::counts::CLASSES;
use crate::metrics::history::Track;
use crate::metrics::reading::{BackendReading, ListenerReading, Load, PoolReading, Reasons};
use crate::pool::Pool;
use crate::reason::Reason;
use crate::retry::WhyNot;
use crate::settings::{BackendSettings, ListenerSettings};

/// The whole of it.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Stats {
    at: String,
    version: &'static str,
    uptime_seconds: f64,
    /// From one point of a series to the next.
    step_seconds: u32,
    /// Whether anything is counted (`metrics`).
    is_counting: bool,
    total: LoadStats,
    listeners: Vec<ListenerStats>,
    routes: Vec<RouteStats>,
    pools: Vec<PoolStats>,
}

/// Requests that are over.
#[derive(Debug, JsonSchema, Serialize)]
pub struct LoadStats {
    requests: u64,
    /// By what the client got; `none`: it left before it got anything.
    by_class: BTreeMap<&'static str, u64>,
    /// Those without a whole answer of a backend, by reason code.
    reasons: BTreeMap<&'static str, u64>,
    /// 5xx, or broken off by no fault of the client's.
    errors: u64,
    /// Bytes of their bodies.
    bytes_in: u64,
    /// Bytes of their answers' bodies.
    bytes_out: u64,
    /// Requests a second, over the last ten.
    rate: f64,
    /// Errors among the requests of the last ten seconds, from 0 to 1.
    error_ratio: f64,
    /// Of the requests of the last ten seconds; `None` of none.
    latency_ms: Option<Latency>,
    series: Series,
}

/// Times that so many of a hundred requests stayed below.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Latency {
    p50: f64,
    p90: f64,
    p99: f64,
}

/// The last seconds one by one, oldest first.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Series {
    /// Requests a second.
    rate: Vec<f32>,
    /// Errors a second.
    errors: Vec<f32>,
    /// In milliseconds.
    p50: Vec<Option<f32>>,
    /// In milliseconds.
    p99: Vec<Option<f32>>,
}

/// A listener.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ListenerStats {
    address: String,
    is_tls: bool,
    connections: Connections,
    in_flight: u64,
    #[serde(flatten)]
    load: LoadStats,
}

/// Connections of clients.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Connections {
    open: u64,
    opened: u64,
}

/// A route.
#[derive(Debug, JsonSchema, Serialize)]
pub struct RouteStats {
    name: String,
    #[serde(flatten)]
    load: LoadStats,
}

/// A pool.
#[derive(Debug, JsonSchema, Serialize)]
pub struct PoolStats {
    name: String,
    /// `usual`, `panic` (all are used) or `closed` (none is, since too few are left).
    mode: &'static str,
    /// `closed`, `open` or `half_open`; `None` without a breaker.
    circuit: Option<&'static str>,
    /// Backends that are well.
    up: usize,
    /// Requests that wait for a place.
    waiting: usize,
    /// Requests under way at its backends.
    in_flight: u64,
    attempts: u64,
    /// Attempts that were not a request's first.
    retries: u64,
    /// Requests whose last failure was not tried again, by why.
    not_retried: BTreeMap<&'static str, u64>,
    #[serde(flatten)]
    load: LoadStats,
    backends: Vec<BackendStats>,
}

/// A backend.
#[derive(Debug, JsonSchema, Serialize)]
pub struct BackendStats {
    url: String,
    state: &'static str,
    /// The reason code, if it is not UP.
    cause: Option<&'static str>,
    since: String,
    is_draining: bool,
    is_disabled: bool,
    /// With what an operator said.
    weight: u32,
    in_flight: u32,
    connections: BackendConnections,
    attempts: u64,
    /// Attempts that failed before its answer, by reason code.
    failures: BTreeMap<&'static str, u64>,
    /// The part of the pool's requests that it answered in the last ten seconds; `None` of none.
    share: Option<f64>,
    /// The part that it is to get by weight, as things are now.
    share_expected: f64,
    #[serde(flatten)]
    load: LoadStats,
}

/// Connections to a backend.
#[derive(Debug, JsonSchema, Serialize)]
pub struct BackendConnections {
    open: u32,
    /// As of the last second.
    idle: u64,
    opened: u64,
    /// Attempts over one that was open.
    reused: u64,
}

/// Tells it all, with so many `seconds` of each series.
pub fn stats(shared: &Shared, seconds: usize) -> Stats {
    let snapshot = shared.published.current();
    let history = shared.metrics.borrow();
    let told = |load: &Load, track: Option<&Track>| LoadStats::of(load, track, seconds);
    let listeners = snapshot.settings.listeners.iter().zip(&snapshot.listener_counts);
    let listener = |(settings, counts): (&ListenerSettings, _)| {
        let reading = ListenerReading::of(counts);
        ListenerStats {
            address: settings.address.to_string(),
            is_tls: settings.tls.is_some(),
            connections: Connections { open: reading.open, opened: reading.opened },
            in_flight: reading.in_flight,
            load: told(&reading.load, history.listeners.get(&settings.address)),
        }
    };
    let routes = snapshot.settings.routes.iter().flat_map(|table| table.routes());
    let routes = routes.zip(&snapshot.route_counts).map(|(route, counts)| RouteStats {
        name: route.name.clone(),
        load: told(&Load::of_all(counts), history.routes.get(&route.name)),
    });
    let pool = |pool: &Pool| {
        let reading = PoolReading::of(pool);
        let shares = history.shares(pool).into_iter().zip(pool.shares());
        let backends = pool.backends().iter().zip(&pool.settings.backends);
        let backends = backends.zip(&reading.backends).zip(shares);
        let backends = backends.map(|(((backend, wanted), reading), shares)| {
            let load = told(&reading.load, history.backends.get(&backend.serial));
            BackendStats::of((backend, wanted), reading, shares, load)
        });
        let backends = backends.collect();
        PoolStats::of(
            pool,
            &reading,
            told(&reading.load, history.pools.get(&pool.settings.name)),
            backends,
        )
    };
    Stats {
        at: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: shared.began.elapsed().as_secs_f64(),
        step_seconds: 1,
        is_counting: snapshot.is_counted(),
        total: told(&Load::of_all(&shared.published.requests), Some(&history.total)),
        listeners: listeners.map(|(settings, counts)| listener((settings, counts))).collect(),
        routes: routes.collect(),
        pools: snapshot.pools.iter().map(pool).collect(),
    }
}

impl LoadStats {
    fn of(load: &Load, track: Option<&Track>, seconds: usize) -> Self {
        let now = track.map(Track::now).unwrap_or_default();
        let latency = |[p50, p90, p99]: [f64; 3]| {
            let [p50, p90, p99] = [p50, p90, p99].map(|time| rounded(time * 1000.0));
            Latency { p50, p90, p99 }
        };
        Self {
            requests: load.requests(),
            by_class: CLASSES.into_iter().zip(load.classes).collect(),
            reasons: by_code(&load.reasons),
            errors: load.errors,
            bytes_in: load.bytes_in,
            bytes_out: load.bytes_out,
            rate: rounded(now.rate),
            error_ratio: now.error_ratio,
            latency_ms: now.quantiles.map(latency),
            series: Series::of(track, seconds),
        }
    }
}

impl Series {
    fn of(track: Option<&Track>, seconds: usize) -> Self {
        let points = || track.into_iter().flat_map(|track| track.series(seconds));
        let ms = |time: Option<f32>| time.map(|time| rounded(f64::from(time) * 1000.0) as f32);
        Self {
            rate: points().map(|point| point.rate).collect(),
            errors: points().map(|point| point.errors).collect(),
            p50: points().map(|point| ms(point.p50)).collect(),
            p99: points().map(|point| ms(point.p99)).collect(),
        }
    }
}

impl PoolStats {
    fn of(
        pool: &Pool,
        reading: &PoolReading,
        load: LoadStats,
        backends: Vec<BackendStats>,
    ) -> Self {
        let not_retried = WhyNot::ALL.iter().zip(reading.not_retried);
        Self {
            name: pool.settings.name.clone(),
            mode: pool.mode().name(),
            circuit: status::circuit(pool),
            up: pool.backends().iter().filter(|backend| backend.is_well()).count(),
            waiting: pool.queue.waiting(),
            in_flight: pool.backends().iter().map(|one| u64::from(one.in_flight())).sum(),
            attempts: reading.attempts,
            retries: reading.retries,
            not_retried: not_retried
                .filter(|(_, count)| *count > 0)
                .map(|(why, count)| (why.code(), count))
                .collect(),
            load,
            backends,
        }
    }
}

impl BackendStats {
    fn of(
        (backend, wanted): (&Backend, &BackendSettings),
        reading: &BackendReading,
        (share, share_expected): (Option<f64>, f64),
        load: LoadStats,
    ) -> Self {
        let (state, cause) = backend.state();
        Self {
            url: backend.name.to_string(),
            state,
            cause,
            since: crate::reload::stamp(backend.since()),
            is_draining: backend.orders.is_draining(),
            is_disabled: backend.orders.is_disabled(),
            weight: backend.orders.weight(wanted.weight),
            in_flight: backend.in_flight(),
            connections: BackendConnections {
                open: backend.connections.open(),
                idle: reading.idle,
                opened: reading.opened,
                reused: reading.reused,
            },
            attempts: reading.attempts,
            failures: by_code(&reading.failures),
            share,
            share_expected,
            load,
        }
    }
}

fn by_code(counts: &Reasons) -> BTreeMap<&'static str, u64> {
    let counts = Reason::ALL.iter().zip(counts).filter(|(_, count)| **count > 0);
    counts.map(|(reason, count)| (reason.code(), *count)).collect()
}

/// Rounds to a thousandth: what comes after is noise.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
