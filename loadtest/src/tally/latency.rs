//! Latencies of one sort: a histogram with exact edges beside it.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Latencies from 1 µs to an hour; longer ones are counted, and their maximum is kept.
const HIGHEST_US: u64 = 3_600_000_000;

/// Digits of precision: 0.1 % for the run (184 KiB each), under 1 % for a backend (26 KiB each).
const DIGITS_FINE: u8 = 3;
const DIGITS_COARSE: u8 = 2;

/// How long things took.
#[derive(Clone, Debug)]
pub(crate) struct Latency {
    histogram: Histogram<u64>,
    sum_us: u64,
    min_us: u64,
    max_us: u64,
    over: u64,
}

impl Latency {
    /// To 0.1 %.
    pub(crate) fn fine() -> Self {
        Self::with_digits(DIGITS_FINE)
    }

    /// To 1 %, in a seventh of the memory.
    pub(crate) fn coarse() -> Self {
        Self::with_digits(DIGITS_COARSE)
    }

    fn with_digits(digits: u8) -> Self {
        let histogram = Histogram::new_with_bounds(1, HIGHEST_US, digits)
            .expect("the bounds are constants that the crate accepts");
        Self { histogram, sum_us: 0, min_us: u64::MAX, max_us: 0, over: 0 }
    }

    /// Adds one; microseconds are rounded up, so that nothing takes no time at all.
    pub(crate) fn record(&mut self, took: Duration) {
        let us = u64::try_from(took.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX).max(1);
        self.sum_us = self.sum_us.saturating_add(us);
        self.min_us = self.min_us.min(us);
        self.max_us = self.max_us.max(us);
        self.over += u64::from(us > HIGHEST_US);
        self.histogram.saturating_record(us.min(HIGHEST_US));
    }

    /// Adds what another thread recorded; exact.
    pub(crate) fn add(&mut self, other: &Self) {
        self.histogram.add(&other.histogram).expect("both have the same bounds");
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
        self.min_us = self.min_us.min(other.min_us);
        self.max_us = self.max_us.max(other.max_us);
        self.over += other.over;
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.histogram.reset();
        (self.sum_us, self.min_us, self.max_us, self.over) = (0, u64::MAX, 0, 0);
    }

    pub(crate) fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The value that this share of the samples does not exceed; 0 if there are none.
    pub(crate) fn quantile_us(&self, quantile: f64) -> u64 {
        match self.count() {
            0 => 0,
            _ => self.histogram.value_at_quantile(quantile).clamp(self.min_us(), self.max_us),
        }
    }

    pub(crate) fn min_us(&self) -> u64 {
        if self.count() == 0 { 0 } else { self.min_us }
    }

    pub(crate) fn max_us(&self) -> u64 {
        self.max_us
    }

    pub(crate) fn mean_us(&self) -> f64 {
        match self.count() {
            0 => 0.0,
            count => self.sum_us as f64 / count as f64,
        }
    }

    /// How many took more than an hour.
    pub(crate) fn over(&self) -> u64 {
        self.over
    }

    /// How many lie in each of `(from, to]`, in µs, where every `to` is the next `from`.
    pub(crate) fn counts_up_to(&self, edges_us: &[u64]) -> Vec<u64> {
        let mut from = 0;
        let counts = edges_us.iter().map(|&to| {
            let count = self.histogram.count_between(from, to.min(HIGHEST_US));
            from = to + 1;
            count
        });
        counts.collect()
    }
}
