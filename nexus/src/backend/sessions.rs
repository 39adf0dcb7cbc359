//! How many sessions a backend has, of those that a cookie of Nexus tells.
//!
//! Nothing is remembered of any of them. A session ends when its cookie does, and when that is, is
//! known when it is set: it is enough to count by when they began, and to count one that is
//! prolonged anew.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Parts of the time that a cookie lasts, to which the count is exact.
const PARTS: usize = 32;

/// The sessions of one backend that one Nexus began.
#[derive(Debug, Default)]
pub struct Sessions {
    /// By part: its number in the upper half, how many began in it in the lower.
    parts: OnceLock<Box<[AtomicU64]>>,
}

/// Returns how long a part is, in seconds.
fn width(ttl: u32) -> u32 {
    ttl.div_ceil(PARTS as u32).max(1)
}

/// Returns the part that a time is in.
fn part(at: u32, ttl: u32) -> u32 {
    at / width(ttl)
}

impl Sessions {
    fn slot(&self, part: u32) -> &AtomicU64 {
        let parts = self.parts.get_or_init(|| (0..=PARTS).map(|_| AtomicU64::new(0)).collect());
        &parts[part as usize % parts.len()]
    }

    /// Counts one that begins now; `ttl` in seconds.
    pub fn begin(&self, now: u32, ttl: u32) {
        let part = part(now, ttl);
        let one_more = |word: u64| {
            let known = if word >> 32 == u64::from(part) { word } else { u64::from(part) << 32 };
            Some(known + 1)
        };
        let _ = self.slot(part).fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
    }

    /// Counts one no more that began then: it is prolonged, or moves.
    pub fn end(&self, began: u32, ttl: u32) {
        let part = part(began, ttl);
        let one_less = |word: u64| {
            let is_counted = word >> 32 == u64::from(part) && word as u32 > 0;
            is_counted.then(|| word - 1)
        };
        let _ = self.slot(part).fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
    }

    /// Returns how many there are, some of which may have ended a thirtieth of `ttl` ago.
    pub fn count(&self, now: u32, ttl: u32) -> u64 {
        let last = part(now, ttl);
        let words = self.parts.get().into_iter().flatten().map(|slot| slot.load(Ordering::Relaxed));
        let parts = ttl.div_ceil(width(ttl));
        let is_on = |word: &u64| last.wrapping_sub((word >> 32) as u32) <= parts;
        words.filter(is_on).map(|word| u64::from(word as u32)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_end_when_their_cookies_do() {
        let sessions = Sessions::default();
        let (begun, ttl) = (1_700_000_000, 3200);
        assert_eq!(sessions.count(begun, ttl), 0);
        for at in 0..10 {
            sessions.begin(begun + at * 100, ttl);
        }
        assert_eq!(sessions.count(begun + 900, ttl), 10);
        assert_eq!(sessions.count(begun + 900 + ttl, ttl), 1);
        assert_eq!(sessions.count(begun + 1100 + ttl, ttl), 0);
    }

    #[test]
    fn sessions_of_any_length_end_a_part_after_their_time_at_most() {
        for ttl in [1, 2, 31, 33, 63, 3600, 100_000] {
            let sessions = Sessions::default();
            sessions.begin(1_000_000, ttl);
            let count = |after| sessions.count(1_000_000 + after, ttl);
            let end = ttl + 2 * width(ttl);
            assert_eq!((count(ttl), count(end)), (1, 0), "{ttl}");
        }
    }

    #[test]
    fn a_session_that_is_prolonged_is_one() {
        let sessions = Sessions::default();
        sessions.begin(1000, 320);
        sessions.end(1000, 320);
        sessions.begin(1200, 320);
        assert_eq!(sessions.count(1200, 320), 1);
        sessions.end(1, 320);
        assert_eq!(sessions.count(1200, 320), 1, "one that was never counted");
    }
}
