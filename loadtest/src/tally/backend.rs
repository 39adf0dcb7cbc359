//! The answers that one backend gave.

use std::time::Duration;

use super::{Latency, Sample};

/// The answers that one backend gave.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) name: String,
    pub(crate) count: u64,
    pub(crate) ok: u64,
    pub(crate) latency: Latency,
    pub(crate) first: Duration,
    pub(crate) last: Duration,
}

impl Backend {
    pub(super) fn new(name: &str, first: Duration) -> Self {
        let latency = Latency::coarse();
        Self { name: name.to_owned(), count: 0, ok: 0, latency, first, last: first }
    }

    pub(super) fn record(&mut self, sample: &Sample<'_>) {
        self.count += 1;
        self.last = sample.ended;
        if sample.failure.is_none() {
            self.ok += 1;
            self.latency.record(sample.response);
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.ok += other.ok;
        self.latency.add(&other.latency);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}
