//! Counters of what was done.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::fault::Fault;

const FIRST_STATUS: usize = 200;

/// The counters, written by the workers and read by the control port.
pub(crate) struct Stats {
    requests: AtomicU64,
    done: AtomicU64,
    refused: AtomicU64,
    health_checks: AtomicU64,
    http2: [AtomicU64; 2],
    tls: [AtomicU64; 3],
    answers: [AtomicU64; 400],
    faults: [AtomicU64; Fault::NAMES.len()],
}

/// The counters at one moment.
#[derive(Debug, Serialize)]
pub(crate) struct Counts {
    /// Request heads read.
    requests: u64,
    /// Requests whose answer is not out yet (or whose hanging is not over).
    in_flight: u64,
    /// Answers whose sending began, by status.
    answers: BTreeMap<u16, u64>,
    /// Requests that something went wrong with on purpose, by fault.
    faults: BTreeMap<&'static str, u64>,
    /// Requests refused because they were no HTTP, or too large.
    bad_requests: u64,
    /// Health checks, which are no requests.
    health_checks: u64,
    /// What of it came over HTTP/2.
    http2: Http2,
    /// What came of handshakes.
    tls: Tls,
}

#[derive(Debug, Serialize)]
struct Http2 {
    connections: u64,
    requests: u64,
}

#[derive(Debug, Serialize)]
struct Tls {
    full: u64,
    resumed: u64,
    failed: u64,
}

/// What came of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handshake {
    Full = 0,
    Resumed = 1,
    Failed = 2,
}

/// A request under way, over on drop.
pub(crate) struct UnderWay<S: AsRef<Stats>>(S);

impl Default for Stats {
    fn default() -> Self {
        Self {
            requests: AtomicU64::new(0),
            done: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            health_checks: AtomicU64::new(0),
            http2: Default::default(),
            tls: Default::default(),
            answers: [const { AtomicU64::new(0) }; 400],
            faults: [const { AtomicU64::new(0) }; Fault::NAMES.len()],
        }
    }
}

impl Stats {
    pub(crate) fn begin<S: AsRef<Self>>(this: S) -> UnderWay<S> {
        this.as_ref().requests.fetch_add(1, Ordering::Relaxed);
        UnderWay(this)
    }

    pub(crate) fn http2_connection(&self) {
        self.http2[0].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn http2_request(&self) {
        self.http2[1].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn shook_hands(&self, how: Handshake) {
        self.tls[how as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn answered(&self, status: u16) {
        if let Some(count) = self.answers.get((status as usize).wrapping_sub(FIRST_STATUS)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn faulted(&self, fault: Fault) {
        self.faults[fault.place()].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn health_checked(&self) {
        self.health_checks.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn in_flight(&self) -> u64 {
        // The later counter first, so that it is never ahead of the earlier.
        let done = self.done.load(Ordering::Acquire);
        self.requests.load(Ordering::Acquire).saturating_sub(done)
    }

    pub(crate) fn read(&self) -> Counts {
        let in_flight = self.in_flight();
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counted = |(place, count): (usize, &AtomicU64)| match load(count) {
            0 => None,
            count => Some(((FIRST_STATUS + place) as u16, count)),
        };
        Counts {
            requests: load(&self.requests),
            in_flight,
            answers: self.answers.iter().enumerate().filter_map(counted).collect(),
            faults: Fault::NAMES
                .into_iter()
                .zip(self.faults.iter().map(load))
                .filter(|&(_, count)| count > 0)
                .collect(),
            bad_requests: load(&self.refused),
            health_checks: load(&self.health_checks),
            http2: Http2 { connections: load(&self.http2[0]), requests: load(&self.http2[1]) },
            tls: Tls {
                full: load(&self.tls[Handshake::Full as usize]),
                resumed: load(&self.tls[Handshake::Resumed as usize]),
                failed: load(&self.tls[Handshake::Failed as usize]),
            },
        }
    }
}

impl AsRef<Self> for Stats {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl<S: AsRef<Stats>> Drop for UnderWay<S> {
    fn drop(&mut self) {
        self.0.as_ref().done.fetch_add(1, Ordering::Release);
    }
}
