//! Every metric there is, declared once: `/metrics` and docs/metrics.md both go by this table.
//!
//! Names follow <https://prometheus.io/docs/practices/naming/>: base units, `_total` for counts.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use super::process::Process;
use crate::backend::{Backend, STATES, uptime};
use crate::ejection::Standing;
use crate::health::Verdict;
use crate::metrics::counts::CLASSES;
use crate::metrics::histogram::Times;
use crate::metrics::history::History;
use crate::metrics::reading::{BackendReading, ListenerReading, Load, PoolReading, Reasons};
use crate::pool::Pool;
use crate::pool::shortage::Mode;
use crate::reason::Reason;
use crate::reload;
use crate::retry::WhyNot;
use crate::snapshot::{Published, Snapshot};

/// Everything that is told in one answer: taken at one time.
pub struct Whole {
    snapshot: Arc<Snapshot>,
    published: Arc<Published>,
    total: Load,
    listeners: Vec<ListenerReading>,
    routes: Vec<Load>,
    pools: Vec<PoolReading>,
    /// The part of its pool's requests that each backend got in the last seconds.
    shares: Vec<Vec<Option<f64>>>,
    reloads: reload::History,
    process: Option<Process>,
}

impl Whole {
    /// Reads all.
    pub fn read(published: &Arc<Published>, history: &History, reloads: reload::History) -> Self {
        let snapshot = published.current();
        let pools = snapshot.pools.iter();
        Self {
            total: Load::of_all(&published.requests),
            listeners: snapshot
                .listener_counts
                .iter()
                .map(|one| ListenerReading::of(one))
                .collect(),
            routes: snapshot.route_counts.iter().map(|one| Load::of_all(one)).collect(),
            shares: pools.clone().map(|pool| history.shares(pool)).collect(),
            pools: pools.map(PoolReading::of).collect(),
            reloads,
            process: Process::read(),
            published: Arc::clone(published),
            snapshot,
        }
    }

    fn listeners(&self) -> impl Iterator<Item = (String, &ListenerReading)> {
        let settings = self.snapshot.settings.listeners.iter();
        settings.map(|one| one.address.to_string()).zip(&self.listeners)
    }

    fn routes(&self) -> impl Iterator<Item = (&str, &Load)> {
        let table = self.snapshot.settings.routes.iter();
        table.flat_map(|table| table.routes()).map(|one| one.name.as_str()).zip(&self.routes)
    }

    fn pools(&self) -> impl Iterator<Item = (&str, &Pool, &PoolReading)> {
        let pools = self.snapshot.pools.iter().zip(&self.pools);
        pools.map(|(pool, reading)| (pool.settings.name.as_str(), pool, reading))
    }

    fn backends(&self) -> impl Iterator<Item = ([&str; 2], &Backend, &BackendReading)> {
        self.pools().flat_map(|(name, pool, reading)| {
            let backends = pool.backends().iter().zip(&reading.backends);
            backends.map(move |(backend, reading)| ([name, &*backend.name], &**backend, reading))
        })
    }
}

/// The kinds of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, until a restart.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Times, counted by borders.
    Histogram,
}

/// One value.
#[derive(Debug, Clone, Copy)]
pub enum Value<'w> {
    /// A count.
    Count(u64),
    /// Anything else.
    Number(f64),
    /// Times.
    Times(&'w Times),
}

/// Where values are put.
pub type Sink<'s> = &'s mut dyn FnMut(&[&str], Value<'_>);

/// One metric, with all its series.
pub struct Family {
    /// Its name; a counter's ends in `_total`.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it says, in one sentence.
    pub help: &'static str,
    /// Puts all its series.
    pub put: fn(&Whole, Sink<'_>),
}

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
    put: fn(&Whole, Sink<'_>),
) -> Family {
    Family { name, kind: Kind::Counter, labels, help, put }
}

const fn gauge(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
    put: fn(&Whole, Sink<'_>),
) -> Family {
    Family { name, kind: Kind::Gauge, labels, help, put }
}

const fn histogram(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
    put: fn(&Whole, Sink<'_>),
) -> Family {
    Family { name, kind: Kind::Histogram, labels, help, put }
}

fn one(put: Sink<'_>, value: f64) {
    put(&[], Value::Number(value));
}

fn classes(load: &Load, labels: &[&str], put: Sink<'_>) {
    for (class, count) in CLASSES.iter().zip(load.classes) {
        put(&[labels, &[*class]].concat(), Value::Count(count));
    }
}

/// Reasons that never were make no series.
fn reasons(counts: &Reasons, labels: &[&str], put: Sink<'_>) {
    for (reason, count) in Reason::ALL.iter().zip(counts).filter(|(_, count)| **count > 0) {
        put(&[labels, &[reason.code()]].concat(), Value::Count(*count));
    }
}

fn each_listener(whole: &Whole, put: Sink<'_>, value: fn(&ListenerReading) -> Value<'_>) {
    whole.listeners().for_each(|(name, reading)| put(&[&name], value(reading)));
}

fn each_pool(
    whole: &Whole,
    put: Sink<'_>,
    value: for<'v> fn(&'v Pool, &'v PoolReading) -> Value<'v>,
) {
    whole.pools().for_each(|(name, pool, reading)| put(&[name], value(pool, reading)));
}

fn each_backend(
    whole: &Whole,
    put: Sink<'_>,
    value: for<'v> fn(&'v Backend, &'v BackendReading) -> Value<'v>,
) {
    whole.backends().for_each(|(names, backend, reading)| put(&names, value(backend, reading)));
}

fn is(yes: bool) -> Value<'static> {
    Value::Number(f64::from(u8::from(yes)))
}

fn since_1970(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64()
}

fn process(whole: &Whole, put: Sink<'_>, value: fn(&Process) -> f64) {
    if let Some(process) = &whole.process {
        one(put, value(process));
    }
}

fn certificates(whole: &Whole, put: Sink<'_>) {
    for listener in &whole.snapshot.settings.listeners {
        let Some(front) = &listener.tls else { continue };
        for certificate in &front.serving().certificates {
            let (address, title) = (listener.address.to_string(), certificate.title());
            let labels = [address.as_str(), certificate.path.as_str(), title.as_str()];
            put(&labels, Value::Number(since_1970(certificate.not_after)));
        }
    }
}

fn states(whole: &Whole, put: Sink<'_>) {
    for ([pool, name], backend, _) in whole.backends() {
        let now = backend.state().0;
        for state in STATES {
            put(&[pool, name, state], is(state == now));
        }
    }
}

fn modes(whole: &Whole, put: Sink<'_>) {
    for (name, pool, _) in whole.pools() {
        for mode in [Mode::Usual, Mode::Panic, Mode::Closed] {
            put(&[name, mode.name()], is(pool.mode() == mode));
        }
    }
}

fn circuits(whole: &Whole, put: Sink<'_>) {
    for (name, pool, _) in whole.pools().filter(|(_, pool, _)| pool.settings.breaker.is_some()) {
        put(&[name], is(matches!(pool.admission.standing(), Standing::Out(..))));
    }
}

fn handshakes(whole: &Whole, put: Sink<'_>) {
    let settings = whole.snapshot.settings.listeners.iter().zip(&whole.listeners);
    for (listener, reading) in settings.filter(|(listener, _)| listener.tls.is_some()) {
        let address = listener.address.to_string();
        for (outcome, count) in ["full", "resumed", "failed"].iter().zip(reading.handshakes) {
            put(&[&address, outcome], Value::Count(count));
        }
    }
}

fn not_retried(whole: &Whole, put: Sink<'_>) {
    for (name, _, reading) in whole.pools() {
        for (why, count) in WhyNot::ALL.iter().zip(reading.not_retried) {
            put(&[name, why.code()], Value::Count(count));
        }
    }
}

fn probes(whole: &Whole, put: Sink<'_>) {
    for ([pool, name], backend, _) in whole.backends() {
        let happened = &backend.happened;
        for (outcome, count) in [("ok", &happened.probes_ok), ("failed", &happened.probes_failed)] {
            put(&[pool, name, outcome], Value::Count(count.load(Ordering::Relaxed)));
        }
    }
}

fn flips(whole: &Whole, put: Sink<'_>) {
    for ([pool, name], backend, _) in whole.backends() {
        put(&[pool, name, "down"], Value::Count(u64::from(backend.downs())));
        put(&[pool, name, "up"], Value::Count(backend.happened.ups.load(Ordering::Relaxed)));
    }
}

fn shares(whole: &Whole, put: Sink<'_>) {
    for ((name, pool, _), shares) in whole.pools().zip(&whole.shares) {
        for (backend, share) in pool.backends().iter().zip(shares) {
            put(&[name, &backend.name], Value::Number(share.unwrap_or(f64::NAN)));
        }
    }
}

fn expected_shares(whole: &Whole, put: Sink<'_>) {
    for (name, pool, _) in whole.pools() {
        for (backend, share) in pool.backends().iter().zip(pool.shares()) {
            put(&[name, &backend.name], Value::Number(share));
        }
    }
}

fn reloads(whole: &Whole, put: Sink<'_>) {
    put(&["ok"], Value::Count(whole.reloads.succeeded));
    put(&["failed"], Value::Count(whole.reloads.failed));
    put(&["rolled_back"], Value::Count(whole.reloads.rolled_back));
}

fn weights(whole: &Whole, put: Sink<'_>) {
    for (name, pool, _) in whole.pools() {
        for (backend, wanted) in pool.backends().iter().zip(&pool.settings.backends) {
            let weight = backend.orders.weight(wanted.weight);
            put(&[name, &backend.name], Value::Number(f64::from(weight)));
        }
    }
}

const LISTENER: &[&str] = &["listener"];
const ROUTE: &[&str] = &["route"];
const POOL: &[&str] = &["pool"];
const BACKEND: &[&str] = &["pool", "backend"];

/// All.
#[rustfmt::skip] // A table reads best with a row a line.
pub static FAMILIES: &[Family] = &[
    gauge("nexus_build_info", &["version"], "1; the label says which version runs.", |_, put| put(&[env!("CARGO_PKG_VERSION")], Value::Number(1.0))),
    gauge("nexus_uptime_seconds", &[], "Since it began.", |_, put| one(put, uptime().as_secs_f64())),
    gauge("nexus_workers", &[], "Threads that carry requests.", |w, put| one(put, w.snapshot.settings.workers as f64)),
    gauge("nexus_connections_open", &[], "Client connections that are open.", |w, put| one(put, w.published.open.load(Ordering::Relaxed) as f64)),
    gauge("nexus_connections_max", &[], "Client connections that may be (`max_connections`).", |w, put| one(put, w.snapshot.settings.connections_max as f64)),
    gauge("nexus_tls_handshakes_in_progress", &[], "TLS handshakes with clients under way.", |w, put| one(put, w.published.handshakes.load(Ordering::Relaxed) as f64)),
    counter("nexus_http2_connections_ended_total", &[], "HTTP/2 connections that were ended since their clients broke the protocol or asked too much.", |w, put| put(&[], Value::Count(w.published.http2_ended.load(Ordering::Relaxed)))),
    counter("nexus_log_lines_dropped_total", &[], "Lines of the request log that were dropped, since their output could not keep up or failed.", |w, put| put(&[], Value::Count(w.published.log_lines_dropped.load(Ordering::Relaxed)))),
    counter("nexus_trace_spans_dropped_total", &[], "Spans of traces that were dropped, since the receiver could not keep up or failed.", |w, put| put(&[], Value::Count(w.published.spans_dropped.load(Ordering::Relaxed)))),
    counter("nexus_config_reloads_total", &["outcome"], "Reloads, by what came of them.", reloads),
    gauge("nexus_config_last_reload_successful", &[], "1 if the last reload was, or there was none.", |w, put| one(put, f64::from(u8::from(w.reloads.last.as_ref().is_none_or(|last| last.outcome == "ok"))))),
    gauge("nexus_config_last_reload_success_timestamp_seconds", &[], "When settings were taken up last, in seconds since 1970.", |w, put| one(put, since_1970(w.reloads.loaded_at.unwrap_or_else(|| SystemTime::now() - uptime())))),

    counter("nexus_requests_total", &["class"], "Requests that are over, by what the client got; `none`: it left before it got anything.", |w, put| classes(&w.total, &[], put)),
    counter("nexus_request_reasons_total", &["reason"], "Requests without a whole answer of a backend, by reason code (docs/reasons.md).", |w, put| reasons(&w.total.reasons, &[], put)),
    counter("nexus_request_errors_total", &[], "Requests answered with 5xx, or broken off by no fault of the client's.", |w, put| put(&[], Value::Count(w.total.errors))),
    counter("nexus_request_received_bytes_total", &[], "Bytes of their bodies.", |w, put| put(&[], Value::Count(w.total.bytes_in))),
    counter("nexus_request_sent_bytes_total", &[], "Bytes of their answers' bodies.", |w, put| put(&[], Value::Count(w.total.bytes_out))),
    histogram("nexus_request_duration_seconds", &[], "From the end of a request's head to the last byte of its answer.", |w, put| put(&[], Value::Times(&w.total.times))),

    counter("nexus_listener_requests_total", &["listener", "class"], "The same by listener.", |w, put| w.listeners().for_each(|(name, one)| classes(&one.load, &[&name], put))),
    counter("nexus_listener_request_reasons_total", &["listener", "reason"], "The same by listener.", |w, put| w.listeners().for_each(|(name, one)| reasons(&one.load.reasons, &[&name], put))),
    counter("nexus_listener_request_errors_total", LISTENER, "The same by listener.", |w, put| each_listener(w, put, |one| Value::Count(one.load.errors))),
    counter("nexus_listener_received_bytes_total", LISTENER, "The same by listener.", |w, put| each_listener(w, put, |one| Value::Count(one.load.bytes_in))),
    counter("nexus_listener_sent_bytes_total", LISTENER, "The same by listener.", |w, put| each_listener(w, put, |one| Value::Count(one.load.bytes_out))),
    histogram("nexus_listener_request_duration_seconds", LISTENER, "The same by listener.", |w, put| each_listener(w, put, |one| Value::Times(&one.load.times))),
    gauge("nexus_listener_requests_in_flight", LISTENER, "Requests under way.", |w, put| each_listener(w, put, |one| Value::Number(one.in_flight as f64))),
    counter("nexus_listener_connections_total", LISTENER, "Connections that were accepted.", |w, put| each_listener(w, put, |one| Value::Count(one.opened))),
    gauge("nexus_listener_connections_open", LISTENER, "Connections that are open.", |w, put| each_listener(w, put, |one| Value::Number(one.open as f64))),
    counter("nexus_listener_tls_handshakes_total", &["listener", "outcome"], "TLS handshakes with clients: `full`, `resumed` or `failed`.", handshakes),
    gauge("nexus_certificate_expiry_timestamp_seconds", &["listener", "file", "names"], "When a certificate expires, in seconds since 1970.", certificates),

    counter("nexus_route_requests_total", &["route", "class"], "Requests that are over, by route.", |w, put| w.routes().for_each(|(name, load)| classes(load, &[name], put))),
    counter("nexus_route_request_reasons_total", &["route", "reason"], "The same by reason code.", |w, put| w.routes().for_each(|(name, load)| reasons(&load.reasons, &[name], put))),
    counter("nexus_route_request_errors_total", ROUTE, "Requests answered with 5xx, or broken off by no fault of the client's.", |w, put| w.routes().for_each(|(name, load)| put(&[name], Value::Count(load.errors)))),
    counter("nexus_route_received_bytes_total", ROUTE, "Bytes of requests' bodies.", |w, put| w.routes().for_each(|(name, load)| put(&[name], Value::Count(load.bytes_in)))),
    counter("nexus_route_sent_bytes_total", ROUTE, "Bytes of answers' bodies.", |w, put| w.routes().for_each(|(name, load)| put(&[name], Value::Count(load.bytes_out)))),
    histogram("nexus_route_request_duration_seconds", ROUTE, "From the end of a request's head to the last byte of its answer.", |w, put| w.routes().for_each(|(name, load)| put(&[name], Value::Times(&load.times)))),

    counter("nexus_pool_requests_total", &["pool", "class"], "Requests that a pool was to answer and that are over.", |w, put| w.pools().for_each(|(name, _, one)| classes(&one.load, &[name], put))),
    counter("nexus_pool_request_reasons_total", &["pool", "reason"], "The same by reason code.", |w, put| w.pools().for_each(|(name, _, one)| reasons(&one.load.reasons, &[name], put))),
    counter("nexus_pool_request_errors_total", POOL, "Requests answered with 5xx, or broken off by no fault of the client's.", |w, put| each_pool(w, put, |_, one| Value::Count(one.load.errors))),
    counter("nexus_pool_received_bytes_total", POOL, "Bytes of requests' bodies.", |w, put| each_pool(w, put, |_, one| Value::Count(one.load.bytes_in))),
    counter("nexus_pool_sent_bytes_total", POOL, "Bytes of answers' bodies.", |w, put| each_pool(w, put, |_, one| Value::Count(one.load.bytes_out))),
    histogram("nexus_pool_request_duration_seconds", POOL, "From the end of a request's head to the last byte of its answer.", |w, put| each_pool(w, put, |_, one| Value::Times(&one.load.times))),
    histogram("nexus_pool_queue_duration_seconds", POOL, "How long requests waited for a place that had to, whatever came of it.", |w, put| each_pool(w, put, |_, one| Value::Times(&one.queue))),
    gauge("nexus_pool_queue_waiting", POOL, "Requests that wait for a place.", |w, put| each_pool(w, put, |pool, _| Value::Number(pool.queue.waiting() as f64))),
    counter("nexus_pool_attempts_total", POOL, "Attempts that requests made.", |w, put| each_pool(w, put, |_, one| Value::Count(one.attempts))),
    counter("nexus_pool_retries_total", POOL, "Attempts that were not a request's first.", |w, put| each_pool(w, put, |_, one| Value::Count(one.retries))),
    counter("nexus_pool_not_retried_total", &["pool", "why"], "Requests whose last failure was not tried again, by why.", not_retried),
    counter("nexus_pool_refused_total", POOL, "Requests that breaker or load shedding have refused.", |w, put| each_pool(w, put, |pool, _| Value::Count(pool.admission.refused()))),
    counter("nexus_pool_panic_attempts_total", POOL, "Attempts that were made in panic.", |w, put| each_pool(w, put, |pool, _| Value::Count(pool.panicked.load(Ordering::Relaxed)))),
    gauge("nexus_pool_mode", &["pool", "mode"], "1 for the mode that the pool is in: `usual`, `panic` or `closed`.", modes),
    gauge("nexus_pool_circuit_open", POOL, "1 while the pool's breaker gives it a rest.", circuits),
    gauge("nexus_pool_backends", POOL, "Backends that are configured.", |w, put| each_pool(w, put, |pool, _| Value::Number(pool.backends().len() as f64))),
    gauge("nexus_pool_backends_available", POOL, "Backends that may be picked.", |w, put| each_pool(w, put, |pool, _| Value::Number(pool.candidates() as f64))),

    counter("nexus_backend_requests_total", &["pool", "backend", "class"], "Requests that it answered.", |w, put| w.backends().for_each(|(names, _, one)| classes(&one.load, &names, put))),
    counter("nexus_backend_request_reasons_total", &["pool", "backend", "reason"], "Its answers that broke off, by reason code.", |w, put| w.backends().for_each(|(names, _, one)| reasons(&one.load.reasons, &names, put))),
    counter("nexus_backend_request_errors_total", BACKEND, "Its answers with 5xx, or broken off by no fault of the client's.", |w, put| each_backend(w, put, |_, one| Value::Count(one.load.errors))),
    counter("nexus_backend_received_bytes_total", BACKEND, "Bytes of requests' bodies.", |w, put| each_backend(w, put, |_, one| Value::Count(one.load.bytes_in))),
    counter("nexus_backend_sent_bytes_total", BACKEND, "Bytes of its answers' bodies.", |w, put| each_backend(w, put, |_, one| Value::Count(one.load.bytes_out))),
    histogram("nexus_backend_request_duration_seconds", BACKEND, "From the end of a request's head to the last byte of its answer.", |w, put| each_backend(w, put, |_, one| Value::Times(&one.load.times))),
    histogram("nexus_backend_first_byte_duration_seconds", BACKEND, "From the begin of an attempt to the head of its answer.", |w, put| each_backend(w, put, |_, one| Value::Times(&one.first_byte))),
    histogram("nexus_backend_connect_duration_seconds", BACKEND, "How long it took to open a connection, TLS included.", |w, put| each_backend(w, put, |_, one| Value::Times(&one.connect))),
    counter("nexus_backend_attempts_total", BACKEND, "Attempts that it got.", |w, put| each_backend(w, put, |_, one| Value::Count(one.attempts))),
    counter("nexus_backend_attempt_failures_total", &["pool", "backend", "reason"], "Attempts that failed before its answer, by reason code; what was sent again counts too.", |w, put| w.backends().for_each(|(names, _, one)| reasons(&one.failures, &names, put))),
    counter("nexus_backend_repeats_total", BACKEND, "Attempts that were sent again over a new connection, since an idle one had ended.", |w, put| each_backend(w, put, |_, one| Value::Count(one.repeats))),
    gauge("nexus_backend_requests_in_flight", BACKEND, "Requests under way, tunnels included.", |w, put| each_backend(w, put, |one, _| Value::Number(f64::from(one.in_flight())))),
    gauge("nexus_backend_tunnels", BACKEND, "Those of them that are tunnels.", |w, put| each_backend(w, put, |one, _| Value::Number(f64::from(one.tunnels.load(Ordering::Relaxed))))),
    gauge("nexus_backend_connections_open", BACKEND, "Connections that are open, idle ones included.", |w, put| each_backend(w, put, |one, _| Value::Number(f64::from(one.connections.open())))),
    gauge("nexus_backend_connections_idle", BACKEND, "Connections that wait for a request, as of the last second.", |w, put| each_backend(w, put, |_, one| Value::Number(one.idle as f64))),
    counter("nexus_backend_connections_total", BACKEND, "Connections that were opened for requests.", |w, put| each_backend(w, put, |_, one| Value::Count(one.opened))),
    counter("nexus_backend_connections_reused_total", BACKEND, "Attempts over a connection that was open.", |w, put| each_backend(w, put, |_, one| Value::Count(one.reused))),
    gauge("nexus_backend_up", BACKEND, "1 if the verdict on it is UP.", |w, put| each_backend(w, put, |one, _| is(matches!(one.health().verdict, Verdict::Up)))),
    gauge("nexus_backend_state", &["pool", "backend", "state"], "1 for the state that it is in.", states),
    gauge("nexus_backend_state_since_timestamp_seconds", BACKEND, "Since when it is UP or DOWN, in seconds since 1970.", |w, put| each_backend(w, put, |one, _| Value::Number(since_1970(one.since())))),
    gauge("nexus_backend_draining", BACKEND, "1 while it drains.", |w, put| each_backend(w, put, |one, _| is(one.orders.is_draining()))),
    counter("nexus_backend_probes_total", &["pool", "backend", "outcome"], "Active health checks: `ok` or `failed`.", probes),
    counter("nexus_backend_flips_total", &["pool", "backend", "to"], "How often the verdict flipped: `up` or `down`.", flips),
    counter("nexus_backend_ejections_total", BACKEND, "How often it was ejected.", |w, put| each_backend(w, put, |one, _| Value::Count(one.happened.ejections.load(Ordering::Relaxed)))),
    gauge("nexus_backend_weight", BACKEND, "Its weight, with what an operator said.", weights),
    gauge("nexus_backend_share_ratio", BACKEND, "The part of its pool's requests that it answered in the last ten seconds; not a number if there were none.", shares),
    gauge("nexus_backend_share_expected_ratio", BACKEND, "The part that it is to get by weight, as things are now.", expected_shares),

    counter("process_cpu_seconds_total", &[], "Time on processors.", |w, put| process(w, put, |one| one.cpu_seconds)),
    gauge("process_resident_memory_bytes", &[], "Memory in use.", |w, put| process(w, put, |one| one.resident_bytes as f64)),
    gauge("process_virtual_memory_bytes", &[], "Memory that was asked for.", |w, put| process(w, put, |one| one.virtual_bytes as f64)),
    gauge("process_open_fds", &[], "Files and sockets that are open.", |w, put| process(w, put, |one| one.open_fds as f64)),
    gauge("process_max_fds", &[], "How many may be.", |w, put| process(w, put, |one| one.max_fds as f64)),
    gauge("process_threads", &[], "Threads.", |w, put| process(w, put, |one| one.threads as f64)),
    gauge("process_start_time_seconds", &[], "When it began, in seconds since 1970.", |w, put| process(w, put, |one| one.start_time)),
];
