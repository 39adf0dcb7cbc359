//! The failures of one class.

use std::time::Duration;

use super::{Latency, Sample};
use crate::outcome::Kind;

/// Sequence numbers kept as examples.
const EXAMPLES_MAX: usize = 20;

/// The failures of one class.
#[derive(Debug)]
pub(crate) struct Failures {
    pub(crate) kind: Kind,
    pub(crate) count: u64,
    pub(crate) latency: Latency,
    pub(crate) first: Duration,
    pub(crate) last: Duration,
    /// What the first of them said.
    pub(crate) sample: String,
    pub(crate) seqs: Vec<u64>,
}

impl Failures {
    pub(super) fn new(kind: Kind, first: Duration, sample: String) -> Self {
        let latency = Latency::coarse();
        Self { kind, count: 0, latency, first, last: first, sample, seqs: Vec::new() }
    }

    pub(super) fn record(&mut self, sample: &Sample<'_>) {
        self.count += 1;
        self.last = sample.ended;
        self.latency.record(sample.response);
        if self.seqs.len() < EXAMPLES_MAX {
            self.seqs.push(sample.seq);
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        if other.first < self.first {
            (self.first, self.sample) = (other.first, other.sample);
        }
        self.count += other.count;
        self.latency.add(&other.latency);
        self.last = self.last.max(other.last);
        self.seqs.extend(other.seqs);
        self.seqs.sort_unstable();
        self.seqs.truncate(EXAMPLES_MAX);
    }
}
