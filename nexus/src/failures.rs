//! The last requests that failed, with what was tried for each: what an operator wants to see first.
//!
//! # What does a failure cost?
//!
//! A worker writes into a ring of its own, and never waits for it: if somebody reads that ring just
//! then, one entry less is kept. Of a flood only as many are written in a tick as a ring holds; more
//! would only push each other out. A request that did not fail pays two comparisons.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use schemars::JsonSchema;
use serde::Serialize;

use crate::log;
use crate::reason::Reason;
use crate::record::{Failed, Record, Stations};
use crate::retry::WhyNot;
use crate::ring;

/// Requests that each worker keeps.
pub const KEPT: usize = 64;

/// Bytes of a text that a client has chosen.
const TEXT_BYTES_MAX: usize = 256;

/// A request that failed.
#[derive(Debug, Clone, JsonSchema, Serialize)]
pub struct FailedRequest {
    #[serde(skip)]
    over: SystemTime,
    /// When it was over.
    pub at: String,
    /// Who asked.
    pub client: IpAddr,
    /// How.
    pub method: String,
    /// For what; never with the query, which may hold secrets.
    pub path: String,
    /// The host that was asked for; empty if none was named.
    pub host: String,
    /// The version of HTTP.
    pub protocol: &'static str,
    /// What the client got.
    pub status: u16,
    /// The reason code; of the last attempt, if the answer was a backend's after all.
    pub reason: &'static str,
    /// The route that it took.
    pub route: Option<String>,
    /// The pool that was to answer.
    pub pool: Option<String>,
    /// The backend whose answer it was.
    pub backend: Option<String>,
    /// From the end of the request's head to the last byte of the answer.
    pub duration_ms: f64,
    /// The attempts that failed, in their order.
    pub attempts: Vec<FailedAttempt>,
    /// Why the last failure was not tried again.
    pub not_retried: Option<&'static str>,
    /// Its number, if requests have any.
    pub request_id: Option<String>,
    /// The number of its trace, if it has any.
    pub trace_id: Option<String>,
}

/// An attempt that failed.
#[derive(Debug, Clone, JsonSchema, Serialize)]
pub struct FailedAttempt {
    /// On whom.
    pub backend: String,
    /// The reason code.
    pub reason: &'static str,
    /// What was waited for: `connect`, `response` or `answer`.
    pub phase: &'static str,
    /// How long it took.
    pub duration_ms: f64,
}

/// Says whether a request failed, and not by its client.
pub fn is_one(record: &Record<'_>) -> bool {
    record.is_broken() || record.status >= 500 && !record.failed.is_empty()
}

impl FailedRequest {
    fn of(record: &Record<'_>, stations: Stations<'_>) -> Self {
        let over = SystemTime::now();
        let mut attempts: Vec<_> = record.failed.iter().map(attempt).collect();
        let last = record.failed.last().map(|failed| failed.reason);
        // Whoever broke off in the middle of its answer is not among those that gave none.
        if let (Some(backend), Some(reason)) = (record.backend, record.reason) {
            let before: Duration = record.failed.iter().map(|failed| failed.took).sum();
            attempts.push(FailedAttempt {
                backend: backend.to_owned(),
                reason: reason.code(),
                phase: "answer",
                duration_ms: millis(record.duration.saturating_sub(before)),
            });
        }
        Self {
            over,
            at: humantime::format_rfc3339_millis(over).to_string(),
            client: record.client,
            method: plain(record.method),
            path: plain(record.path()),
            host: plain(record.host),
            protocol: record.protocol.name(),
            status: record.status,
            reason: record.reason.or(last).map_or("", Reason::code),
            route: stations.route_name().map(str::to_owned),
            pool: stations.pool_name().map(str::to_owned),
            backend: record.backend.map(str::to_owned),
            duration_ms: millis(record.duration),
            attempts,
            not_retried: record.why_not.map(WhyNot::code),
            request_id: record.request_id.map(str::to_owned),
            trace_id: record.trace_id.map(|id| id.to_string()),
        }
    }
}

fn attempt(failed: &Failed) -> FailedAttempt {
    FailedAttempt {
        backend: failed.backend.name.to_string(),
        reason: failed.reason.code(),
        phase: failed.phase(),
        duration_ms: millis(failed.took),
    }
}

/// Returns milliseconds, exact to a thousandth.
fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

/// Returns what a client has chosen as text, of which no terminal, no page and no reader of JSON
/// takes anything for something else.
fn plain(bytes: &[u8]) -> String {
    let mut text = log::printable(&bytes[..bytes.len().min(TEXT_BYTES_MAX)]);
    if bytes.len() > TEXT_BYTES_MAX {
        text.push('…');
    }
    text
}

/// The last failed requests of one worker.
#[derive(Debug, Default)]
pub struct Ring {
    entries: Mutex<VecDeque<Arc<FailedRequest>>>,
    /// The tick in which the last was written, and how many were in it. Only its worker writes it.
    tick: AtomicU32,
    in_tick: AtomicU32,
}

impl Ring {
    /// Keeps a request that failed, in this tick of the worker's clock. Only its worker calls this.
    #[cold]
    pub fn keep(&self, tick: u32, record: &Record<'_>, stations: Stations<'_>) {
        if self.tick.swap(tick, Ordering::Relaxed) != tick {
            self.in_tick.store(0, Ordering::Relaxed);
        }
        if self.in_tick.fetch_add(1, Ordering::Relaxed) >= KEPT as u32 {
            return;
        }
        let Ok(mut entries) = self.entries.try_lock() else { return };
        ring::keep(&mut entries, Arc::new(FailedRequest::of(record, stations)), KEPT);
    }
}

/// The rings of all workers.
#[derive(Debug, Default)]
pub struct Failures(Mutex<Vec<Arc<Ring>>>);

impl Failures {
    /// Gives a worker its ring.
    pub fn join(&self) -> Arc<Ring> {
        let ring = Arc::new(Ring::default());
        self.rings().push(Arc::clone(&ring));
        ring
    }

    /// Returns so many of the last failed requests of all workers, the latest first.
    pub fn last(&self, limit: usize) -> Vec<Arc<FailedRequest>> {
        let mut all = Vec::new();
        for ring in self.rings().iter() {
            let entries = ring.entries.lock().expect("nothing panics while it holds this lock");
            all.extend(entries.iter().cloned());
        }
        all.sort_by_key(|failed| std::cmp::Reverse(failed.over));
        all.truncate(limit);
        all
    }

    fn rings(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Ring>>> {
        self.0.lock().expect("nothing panics while it holds this lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_bytes_become_visible_ones_and_no_text_is_long() {
        assert_eq!(plain(b"/a\x1b[2J\r\n\xff\"<b>"), "/a\\x1b[2J\\x0d\\x0a\\xff\"<b>");
        assert_eq!(plain(&[b'a'; 10_000]).len(), TEXT_BYTES_MAX + '…'.len_utf8());
    }
}
