//! How long a backend takes to answer: rises with a slow answer at once, falls with time.

use std::sync::atomic::{AtomicU64, Ordering};

/// After this many milliseconds an answer counts for 37 %: slow enough that one quick answer does
/// not make a slow backend look good, fast enough that a recovered one is seen within seconds.
const DECAY_MS: f32 = 10_000.0;

/// A moving peak, written by whichever worker has an answer: microseconds as a float in the upper
/// half, and when in milliseconds in the lower. 0 is nothing known.
#[derive(Debug, Default)]
pub struct Latency(AtomicU64);

impl Latency {
    /// Takes an answer into account.
    pub fn observe(&self, micros: f32, now_ms: u32) {
        let mut old = self.0.load(Ordering::Relaxed);
        loop {
            let (known, weight) = (value(old), left(old, now_ms));
            let next = if old == 0 || micros >= known {
                micros
            } else {
                known * weight + micros * (1.0 - weight)
            };
            let new = (u64::from(next.max(1.0).to_bits()) << 32) | u64::from(now_ms);
            match self.0.compare_exchange_weak(old, new, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(other) => old = other,
            }
        }
    }

    /// Returns what is to be expected now, in microseconds; 0 is not known.
    pub fn expected(&self, now_ms: u32) -> f32 {
        let known = self.0.load(Ordering::Relaxed);
        if known == 0 { 0.0 } else { (value(known) * left(known, now_ms)).max(1.0) }
    }
}

fn value(known: u64) -> f32 {
    f32::from_bits((known >> 32) as u32)
}

/// Returns how much of what was known still counts.
fn left(known: u64, now_ms: u32) -> f32 {
    // A worker may be a moment ahead of another.
    let age = now_ms.wrapping_sub(known as u32) as i32;
    (-(age.max(0) as f32) / DECAY_MS).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_at_once_and_falls_with_time() {
        let latency = Latency::default();
        assert_eq!(latency.expected(5), 0.0);
        latency.observe(1000.0, 0);
        latency.observe(9000.0, 1);
        assert_eq!(latency.expected(1), 9000.0);
        latency.observe(1000.0, 2);
        assert!(latency.expected(2) > 8900.0, "one quick answer is no proof");
        assert!((latency.expected(10_002) / latency.expected(2) - 0.3679).abs() < 0.01);
        latency.observe(1000.0, 60_000);
        assert!(latency.expected(60_000) < 1100.0);
    }

    #[test]
    fn the_clock_may_come_round_and_workers_may_differ_by_a_moment() {
        let latency = Latency::default();
        latency.observe(1000.0, u32::MAX - 5);
        assert!(latency.expected(5) > 990.0);
        assert_eq!(latency.expected(u32::MAX - 50), 1000.0);
    }
}
