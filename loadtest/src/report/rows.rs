//! The parts of the report, and how each is made.

use std::time::Duration;

use serde::Serialize;

use crate::config::Config;
use crate::plan::Pace;
use crate::tally::{Backend, Failures, Latency, UNNAMED};

/// What was asked for, after defaults.
#[derive(Debug, Serialize)]
pub(super) struct Settings {
    pub(super) url: String,
    pub(super) method: String,
    pub(super) pace: String,
    pub(super) rate_per_s: Option<f64>,
    pub(super) requests: Option<u64>,
    pub(super) duration_s: Option<f64>,
    pub(super) warmup_s: Option<f64>,
    pub(super) workers: usize,
    pub(super) threads: usize,
    pub(super) connections: usize,
    pub(super) keepalive: bool,
    pub(super) requests_per_connection: Option<u64>,
    pub(super) http_version: &'static str,
    pub(super) streams: Option<usize>,
    pub(super) tls: bool,
    pub(super) resume: bool,
    pub(super) timeout_s: f64,
    pub(super) connect_timeout_s: f64,
    pub(super) abort: Option<String>,
    pub(super) expect_size: Option<u64>,
    pub(super) backend_header: String,
    pub(super) run_id: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Totals {
    pub(super) planned: u64,
    pub(super) sent: u64,
    pub(super) ok: u64,
    pub(super) failed: u64,
    pub(super) aborted: u64,
    pub(super) unsent: u64,
    pub(super) body_bytes: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Rates {
    pub(super) sent_per_s: f64,
    pub(super) ok_per_s: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct Latencies {
    pub(super) response: Summary,
    pub(super) service: Summary,
    pub(super) connect: Summary,
    pub(super) handshake: Summary,
}

#[derive(Debug, Serialize)]
pub(super) struct Summary {
    pub(super) count: u64,
    pub(super) min_us: u64,
    pub(super) mean_us: f64,
    pub(super) p50_us: u64,
    pub(super) p90_us: u64,
    pub(super) p95_us: u64,
    pub(super) p99_us: u64,
    pub(super) p999_us: u64,
    pub(super) max_us: u64,
    pub(super) over_1h: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct BackendReport {
    pub(super) name: String,
    pub(super) count: u64,
    pub(super) share: f64,
    pub(super) ok: u64,
    pub(super) errors: u64,
    pub(super) p50_us: u64,
    pub(super) p99_us: u64,
    pub(super) max_us: u64,
    pub(super) first_s: f64,
    pub(super) last_s: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct ErrorReport {
    pub(super) kind: &'static str,
    pub(super) count: u64,
    pub(super) first_s: f64,
    pub(super) last_s: f64,
    pub(super) p50_us: u64,
    pub(super) max_us: u64,
    pub(super) sample: String,
    pub(super) seqs: Vec<u64>,
}

#[derive(Debug, Serialize)]
pub(super) struct ConnectionReport {
    pub(super) opened: u64,
    pub(super) failed: u64,
    pub(super) closed_by_peer: u64,
    pub(super) unasked_bytes: u64,
    pub(super) handshakes_full: u64,
    pub(super) handshakes_resumed: u64,
}

impl Settings {
    pub(super) fn new(config: &Config) -> Self {
        let rate = match config.plan.pace {
            Pace::Open { per_second } => Some(per_second),
            Pace::Closed { .. } => None,
        };
        Self {
            url: config.target.url.clone(),
            method: config.template.method.to_string(),
            pace: config.pace(),
            rate_per_s: rate,
            requests: config.plan.requests,
            duration_s: config.plan.duration.as_ref().map(Duration::as_secs_f64),
            warmup_s: config.warmup.as_ref().map(Duration::as_secs_f64),
            workers: config.workers,
            threads: config.threads,
            connections: config.connections_max(),
            keepalive: config.connections.is_some(),
            requests_per_connection: config.requests_per_connection,
            http_version: if config.streams.is_some() { "2" } else { "1.1" },
            streams: config.streams,
            tls: config.tls.is_some(),
            resume: config.tls.as_ref().is_some_and(|tls| tls.resumes),
            timeout_s: config.timeout.as_secs_f64(),
            connect_timeout_s: config.timeout_connect.as_secs_f64(),
            expect_size: config.expect_size,
            abort: config.abort.map(|abort| abort.to_string()),
            backend_header: config.backend_header_shown.clone(),
            run_id: config.run_id.clone(),
        }
    }
}

impl Summary {
    pub(super) fn new(latency: &Latency) -> Self {
        Self {
            count: latency.count(),
            min_us: latency.min_us(),
            mean_us: latency.mean_us(),
            p50_us: latency.quantile_us(0.5),
            p90_us: latency.quantile_us(0.9),
            p95_us: latency.quantile_us(0.95),
            p99_us: latency.quantile_us(0.99),
            p999_us: latency.quantile_us(0.999),
            max_us: latency.max_us(),
            over_1h: latency.over(),
        }
    }
}

/// By name, and answers without one last.
pub(super) fn backends(backends: &[Backend], answers: u64) -> Vec<BackendReport> {
    let mut rows: Vec<_> = backends
        .iter()
        .map(|backend| BackendReport {
            name: backend.name.clone(),
            count: backend.count,
            share: backend.count as f64 / answers as f64,
            ok: backend.ok,
            errors: backend.count - backend.ok,
            p50_us: backend.latency.quantile_us(0.5),
            p99_us: backend.latency.quantile_us(0.99),
            max_us: backend.latency.max_us(),
            first_s: backend.first.as_secs_f64(),
            last_s: backend.last.as_secs_f64(),
        })
        .collect();
    rows.sort_by(|a, b| (a.name == UNNAMED, &a.name).cmp(&(b.name == UNNAMED, &b.name)));
    rows
}

/// In the order in which a request can meet them.
pub(super) fn errors(failures: &[Failures]) -> Vec<ErrorReport> {
    let mut sorted: Vec<&Failures> = failures.iter().collect();
    sorted.sort_by_key(|failures| failures.kind);
    let rows = sorted.into_iter().map(|failures| ErrorReport {
        kind: failures.kind.name(),
        count: failures.count,
        first_s: failures.first.as_secs_f64(),
        last_s: failures.last.as_secs_f64(),
        p50_us: failures.latency.quantile_us(0.5),
        max_us: failures.latency.max_us(),
        sample: failures.sample.clone(),
        seqs: failures.seqs.clone(),
    });
    rows.collect()
}
