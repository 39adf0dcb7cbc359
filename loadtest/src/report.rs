//! The report: what was measured, in the shape that is written out. `docs/loadtest.md` says what
//! each figure means.

mod chart;
mod rows;
mod text;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::time::SystemTime;

use anyhow::{Context, Result};
use serde::Serialize;

use self::rows::{
    BackendReport, ConnectionReport, ErrorReport, Latencies, Rates, Settings, Summary, Totals,
};
use crate::cli::Format;
use crate::config::Config;
use crate::run::Job;
use crate::tally::{Tally, runs};

/// Some requests failed, or were not sent, or the report could not be written.
pub(crate) const EXIT_FAILED: u8 = 1;
/// The arguments are wrong.
pub(crate) const EXIT_USAGE: u8 = 2;
/// No request could connect.
pub(crate) const EXIT_UNREACHABLE: u8 = 3;
/// Stopped by a signal.
const EXIT_INTERRUPTED: u8 = 130;

/// Grows by one when a consumer of the JSON has to change.
const SCHEMA: u32 = 1;

/// One run, as JSON has it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    schema: u32,
    config: Settings,
    started: String,
    ended: String,
    duration_s: f64,
    interrupted: bool,
    totals: Totals,
    rate: Rates,
    latency: Latencies,
    timer_lag: Summary,
    late_starts: u64,
    late_worst_us: u128,
    backends: Vec<BackendReport>,
    statuses: BTreeMap<u16, u64>,
    errors: Vec<ErrorReport>,
    reasons: BTreeMap<String, u64>,
    connections: ConnectionReport,
    failed_seqs: Vec<[u64; 2]>,
    aborted_seqs: Vec<[u64; 2]>,
    cpu_us_per_request: f64,
}

impl Report {
    pub(crate) fn new(job: &Job, tally: &Tally, interrupted: bool) -> Self {
        let duration = tally.last_end.as_secs_f64();
        let per_second = |count: u64| {
            if duration > 0.0 { count as f64 / duration } else { 0.0 }
        };
        let started = job.measured().begun().map_or_else(SystemTime::now, |begun| begun.wall);
        let time = |at: SystemTime| humantime::format_rfc3339_millis(at).to_string();
        let planned = job.config.plan.planned().unwrap_or(tally.sent);
        let answers: u64 = tally.backends.iter().map(|backend| backend.count).sum();
        let connections = tally.connections;
        Self {
            schema: SCHEMA,
            config: Settings::new(&job.config),
            started: time(started),
            ended: time(started + tally.last_end),
            duration_s: duration,
            interrupted,
            totals: Totals {
                planned,
                sent: tally.sent,
                ok: tally.ok,
                failed: tally.failed(),
                aborted: tally.aborted,
                unsent: planned.saturating_sub(tally.sent),
                body_bytes: tally.body_bytes,
            },
            rate: Rates { sent_per_s: per_second(tally.sent), ok_per_s: per_second(tally.ok) },
            latency: Latencies {
                response: Summary::new(&tally.response),
                service: Summary::new(&tally.service),
                connect: Summary::new(&tally.connect),
                handshake: Summary::new(&tally.handshake),
            },
            timer_lag: Summary::new(&tally.timer_lag),
            late_starts: tally.late_starts,
            late_worst_us: tally.late_worst.as_micros(),
            backends: rows::backends(&tally.backends, answers),
            statuses: tally.statuses.iter().copied().collect(),
            errors: rows::errors(&tally.failures),
            reasons: tally.reasons.iter().cloned().collect(),
            connections: ConnectionReport {
                opened: connections.opened,
                failed: connections.failed,
                closed_by_peer: connections.closed_by_peer,
                unasked_bytes: connections.unasked_bytes,
                handshakes_full: connections.handshakes_full,
                handshakes_resumed: connections.handshakes_resumed,
            },
            failed_seqs: runs(tally.failed_seqs.clone()),
            aborted_seqs: runs(tally.aborted_seqs.clone()),
            cpu_us_per_request: tally.cpu.as_secs_f64() * 1e6 / tally.sent.max(1) as f64,
        }
    }

    /// Whether all went well, as a number.
    pub(crate) fn exit_code(&self, tally: &Tally) -> u8 {
        let connects = tally.failures.iter().filter(|failures| failures.kind.is_connect());
        let unconnected: u64 = connects.map(|failures| failures.count).sum();
        match &self.totals {
            _ if self.interrupted => EXIT_INTERRUPTED,
            totals if totals.sent > 0 && unconnected == totals.sent => EXIT_UNREACHABLE,
            totals if totals.failed > 0 || totals.unsent > 0 || totals.sent == 0 => EXIT_FAILED,
            _ => 0,
        }
    }
}

/// Writes the report where and how it was asked for.
pub(crate) fn write(report: &Report, tally: &Tally, config: &Config) -> Result<()> {
    let text = match config.format {
        Format::Text => text::render(report, tally),
        Format::Json => serde_json::to_string_pretty(report)? + "\n",
    };
    match &config.output {
        Some(path) => {
            fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
        }
        None => io::stdout().write_all(text.as_bytes()).context("cannot write to stdout"),
    }
}
