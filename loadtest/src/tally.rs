//! Adds up what came of requests. Pure: the times are in the samples.
//!
//! Each thread has one and nobody else touches it; after the run they are merged, which is exact.

mod backend;
mod failures;
mod latency;
mod runs;

use std::time::Duration;

pub(crate) use self::backend::Backend;
pub(crate) use self::failures::Failures;
pub(crate) use self::latency::Latency;
pub(crate) use self::runs::runs;
use crate::outcome::{Failure, Kind};

/// Distinct names of backends or reasons at most; what comes after counts under `(other)`.
const NAMES_MAX: usize = 1024;

/// Stands for the name of a backend where an answer has none.
pub(crate) const UNNAMED: &str = "(no header)";
const OTHER: &str = "(other)";

/// One request that has ended. Times count from the start of the run.
#[derive(Debug)]
pub(crate) struct Sample<'a> {
    pub(crate) seq: u64,
    pub(crate) ended: Duration,
    /// From when it was meant to start to its end.
    pub(crate) response: Duration,
    /// From when it was sent to its end.
    pub(crate) service: Duration,
    pub(crate) status: Option<u16>,
    pub(crate) backend: Option<&'a [u8]>,
    pub(crate) reason: Option<&'a [u8]>,
    pub(crate) body: u64,
    pub(crate) failure: Option<&'a Failure>,
}

impl Sample<'_> {
    fn is_aborted(&self) -> bool {
        self.failure.is_some_and(|failure| failure.kind == Kind::Aborted)
    }
}

/// Everything that a run, or a thread's part of it, has measured.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) sent: u64,
    pub(crate) ok: u64,
    /// Given up on purpose: neither succeeded nor failed.
    pub(crate) aborted: u64,
    pub(crate) body_bytes: u64,
    /// Of successful requests only, as is `service`.
    pub(crate) response: Latency,
    pub(crate) service: Latency,
    pub(crate) connect: Latency,
    /// The part of connecting that TLS takes.
    pub(crate) handshake: Latency,
    pub(crate) timer_lag: Latency,
    pub(crate) late_starts: u64,
    pub(crate) late_worst: Duration,
    pub(crate) backends: Vec<Backend>,
    pub(crate) statuses: Vec<(u16, u64)>,
    pub(crate) reasons: Vec<(String, u64)>,
    pub(crate) failures: Vec<Failures>,
    pub(crate) failed_seqs: Vec<u64>,
    pub(crate) aborted_seqs: Vec<u64>,
    pub(crate) connections: Connections,
    pub(crate) last_end: Duration,
    /// Processor time of the whole process when the thread was through.
    pub(crate) cpu: Duration,
}

/// What happened to connections, those opened ahead of the run included.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Connections {
    pub(crate) opened: u64,
    pub(crate) failed: u64,
    pub(crate) closed_by_peer: u64,
    /// Idle connections on which bytes came that nobody had asked for.
    pub(crate) unasked_bytes: u64,
    /// TLS handshakes that were done in full.
    pub(crate) handshakes_full: u64,
    /// Those that resumed a session.
    pub(crate) handshakes_resumed: u64,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            sent: 0,
            ok: 0,
            aborted: 0,
            body_bytes: 0,
            response: Latency::fine(),
            service: Latency::fine(),
            connect: Latency::fine(),
            handshake: Latency::fine(),
            timer_lag: Latency::fine(),
            late_starts: 0,
            late_worst: Duration::ZERO,
            backends: Vec::new(),
            statuses: Vec::new(),
            reasons: Vec::new(),
            failures: Vec::new(),
            failed_seqs: Vec::new(),
            aborted_seqs: Vec::new(),
            connections: Connections::default(),
            last_end: Duration::ZERO,
            cpu: Duration::ZERO,
        }
    }

    /// Adds one request.
    pub(crate) fn record(&mut self, sample: &Sample<'_>) {
        self.sent += 1;
        self.body_bytes += sample.body;
        self.last_end = self.last_end.max(sample.ended);
        if sample.is_aborted() {
            self.aborted += 1;
            self.aborted_seqs.push(sample.seq);
            return;
        }
        if let Some(status) = sample.status {
            count(&mut self.statuses, |have| *have == status, || status, 1);
            self.record_backend(sample);
        }
        if let Some(reason) = sample.reason {
            let reason = String::from_utf8_lossy(reason);
            self.count_reason(&reason, 1);
        }
        match sample.failure {
            None => {
                self.ok += 1;
                self.response.record(sample.response);
                self.service.record(sample.service);
            }
            Some(failure) => self.record_failure(sample, failure),
        }
    }

    fn record_backend(&mut self, sample: &Sample<'_>) {
        let name = sample.backend.unwrap_or(UNNAMED.as_bytes());
        let index = self.backends.iter().position(|have| have.name.as_bytes() == name);
        let backend = match index {
            Some(index) => &mut self.backends[index],
            None => self.backend(&String::from_utf8_lossy(name), sample.ended),
        };
        backend.record(sample);
    }

    /// The backend of that name, new if need be.
    fn backend(&mut self, name: &str, first: Duration) -> &mut Backend {
        let name = if self.backends.len() < NAMES_MAX { name } else { OTHER };
        let index = self.backends.iter().position(|have| have.name == name);
        let index = index.unwrap_or_else(|| {
            self.backends.push(Backend::new(name, first));
            self.backends.len() - 1
        });
        &mut self.backends[index]
    }

    fn record_failure(&mut self, sample: &Sample<'_>, failure: &Failure) {
        self.failed_seqs.push(sample.seq);
        let failures = self.failures_of(failure.kind, sample.ended, || failure.to_string());
        failures.record(sample);
    }

    fn failures_of(
        &mut self,
        kind: Kind,
        first: Duration,
        say: impl FnOnce() -> String,
    ) -> &mut Failures {
        let index = self.failures.iter().position(|have| have.kind == kind);
        let index = index.unwrap_or_else(|| {
            self.failures.push(Failures::new(kind, first, say()));
            self.failures.len() - 1
        });
        &mut self.failures[index]
    }

    fn count_reason(&mut self, reason: &str, times: u64) {
        let full = self.reasons.len() >= NAMES_MAX;
        let known = self.reasons.iter().any(|(have, _)| have == reason);
        let reason = if full && !known { OTHER } else { reason };
        count(&mut self.reasons, |have| have == reason, || reason.to_owned(), times);
    }

    /// Counts a request that had to wait this long for a free worker.
    pub(crate) fn started_late(&mut self, lag: Duration) {
        self.late_starts += 1;
        self.late_worst = self.late_worst.max(lag);
    }

    pub(crate) fn failed(&self) -> u64 {
        self.sent - self.ok - self.aborted
    }

    /// Adds another thread's part.
    pub(crate) fn merge(&mut self, other: Self) {
        self.sent += other.sent;
        self.ok += other.ok;
        self.aborted += other.aborted;
        self.body_bytes += other.body_bytes;
        self.response.add(&other.response);
        self.service.add(&other.service);
        self.connect.add(&other.connect);
        self.handshake.add(&other.handshake);
        self.timer_lag.add(&other.timer_lag);
        self.late_starts += other.late_starts;
        self.late_worst = self.late_worst.max(other.late_worst);
        for (status, times) in other.statuses {
            count(&mut self.statuses, |have| *have == status, || status, times);
        }
        for (reason, times) in other.reasons {
            self.count_reason(&reason, times);
        }
        for backend in other.backends {
            self.backend(&backend.name, backend.first).add(&backend);
        }
        for failures in other.failures {
            let sample = failures.sample.clone();
            self.failures_of(failures.kind, failures.first, || sample).add(failures);
        }
        self.failed_seqs.extend(other.failed_seqs);
        self.aborted_seqs.extend(other.aborted_seqs);
        self.connections.add(other.connections);
        self.last_end = self.last_end.max(other.last_end);
        self.cpu = self.cpu.max(other.cpu);
    }
}

impl Connections {
    fn add(&mut self, other: Self) {
        self.opened += other.opened;
        self.failed += other.failed;
        self.closed_by_peer += other.closed_by_peer;
        self.unasked_bytes += other.unasked_bytes;
        self.handshakes_full += other.handshakes_full;
        self.handshakes_resumed += other.handshakes_resumed;
    }
}

/// Adds to the count of a key, which are few: a list is faster than a map.
fn count<K>(
    counts: &mut Vec<(K, u64)>,
    is: impl Fn(&K) -> bool,
    key: impl FnOnce() -> K,
    times: u64,
) {
    match counts.iter_mut().find(|(have, _)| is(have)) {
        Some((_, count)) => *count += times,
        None => counts.push((key(), times)),
    }
}

#[cfg(test)]
mod tests;
