//! How long attempts take, all but 5 of 100: when hedging asks another backend.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Steps to each doubling: a percentile is exact to a fifth.
const STEPS: u32 = 4;

/// Up to 2^32 microseconds, an hour.
const BUCKETS: usize = 32 * STEPS as usize;

/// With fewer answers nothing is known.
const COUNT_MIN: u32 = 20;

/// What was measured: counted by the workers, summed up by the control task.
pub struct Times {
    counts: [AtomicU32; BUCKETS],
    /// In microseconds; 0 is not known.
    p95: AtomicU64,
}

impl Default for Times {
    fn default() -> Self {
        Self { counts: [const { AtomicU32::new(0) }; BUCKETS], p95: AtomicU64::new(0) }
    }
}

impl Times {
    /// Counts an answer.
    pub fn observe(&self, took: Duration) {
        self.counts[bucket(took.as_micros() as u64)].fetch_add(1, Relaxed);
    }

    /// Returns the time within which 95 of 100 answers come, if it is known.
    pub fn p95(&self) -> Option<Duration> {
        let micros = self.p95.load(Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros))
    }

    /// Sums up; what is older than a few seconds fades. Only the control task calls this.
    pub fn tick(&self) {
        let counts: Vec<_> = self.counts.iter().map(|count| count.load(Relaxed)).collect();
        let all: u32 = counts.iter().sum();
        if all < COUNT_MIN {
            return;
        }
        let mut left = all - all / 20;
        let at = counts.iter().position(|count| {
            left = left.saturating_sub(*count);
            left == 0
        });
        let at = at.unwrap_or(BUCKETS - 1);
        self.p95.store(end(at), Relaxed);
        for (count, seen) in self.counts.iter().zip(counts) {
            count.fetch_sub(seen.div_ceil(4), Relaxed);
        }
    }
}

/// Returns where a time is counted: by its highest bit, and the two below that.
fn bucket(micros: u64) -> usize {
    let micros = micros.clamp(u64::from(STEPS), u64::from(u32::MAX));
    let exponent = micros.ilog2();
    let step = (micros >> (exponent - 2)) as u32 & (STEPS - 1);
    (exponent * STEPS + step) as usize
}

/// Returns the end of a bucket, in microseconds.
fn end(bucket: usize) -> u64 {
    let (exponent, step) = (bucket as u32 / STEPS, bucket as u32 % STEPS);
    (u64::from(STEPS + step + 1)) << exponent.saturating_sub(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_ends_where_the_next_begins_and_is_a_fourth_wide_at_most() {
        for micros in (4..100_000).chain([1 << 31, u64::from(u32::MAX)]) {
            let end = end(bucket(micros));
            assert!(micros < end && end <= micros + micros / 4 + 1, "{micros} {end}");
        }
        assert_eq!((bucket(0), bucket(u64::MAX)), (bucket(4), BUCKETS - 1));
    }

    #[test]
    fn ninety_five_of_a_hundred_are_below_and_old_times_fade() {
        let times = Times::default();
        let observe = |millis, count| {
            (0..count).for_each(|_| times.observe(Duration::from_millis(millis)));
        };
        observe(10, 19);
        times.tick();
        assert_eq!(times.p95(), None, "too few");
        observe(10, 931);
        observe(500, 50);
        times.tick();
        let p95 = times.p95().unwrap().as_micros();
        assert!((10_000..12_500).contains(&p95), "{p95}");
        // Few at each of many times, as an incident leaves them, fade as well.
        (100..2000).step_by(20).for_each(|millis| observe(millis, 3));
        for _ in 0..20 {
            observe(1, 100);
            times.tick();
        }
        let p95 = times.p95().unwrap().as_micros();
        assert!((1_000..1_250).contains(&p95), "{p95}");
    }
}
