//! What a rate limit remembers: a table of fixed size, shared by all workers without a lock.
//!
//! # What is in a slot?
//!
//! 20 bits that tell keys apart, and the moment when what its key has used is paid back, in
//! microseconds modulo 2^44 (203 days). A moment further ahead than the limit allows is one of a
//! round before, so it counts as past.
//!
//! # What if there are more keys than slots?
//!
//! A key lives in one of eight slots. A new one takes that which is paid back first: usually one
//! that would be let through anyway. Two keys that share 20 bits and a set count as one (once in
//! 130,000 pairs of a set). Memory stays the same whoever asks.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::route::{By, Facts, RateLimit};

/// Slots of a limit by client or header: half a mebibyte.
const SLOTS: usize = 1 << 16;
/// Slots in which one key may be.
const WAYS: usize = 8;
/// Bits of a moment.
const MOMENT_BITS: u32 = 44;
const MOMENT: u64 = (1 << MOMENT_BITS) - 1;

/// A rate limit at work.
pub struct Limiter {
    limit: RateLimit,
    began: Instant,
    /// Another for each, so that nobody can choose keys that meet in one set.
    hasher: RandomState,
    slots: Box<[AtomicU64]>,
}

impl Limiter {
    /// Makes one in which nobody has used anything.
    pub fn new(limit: RateLimit) -> Self {
        let count = if limit.by == By::Route { WAYS } else { SLOTS };
        let slots = std::iter::repeat_with(AtomicU64::default).take(count).collect();
        Self { limit, began: Instant::now(), hasher: RandomState::new(), slots }
    }

    /// Returns the limit.
    pub fn limit(&self) -> &RateLimit {
        &self.limit
    }

    /// Counts a request if it may pass.
    ///
    /// # Errors
    ///
    /// Returns for how many seconds it must wait, rounded up.
    pub fn take(&self, facts: &Facts<'_>) -> Result<(), u64> {
        self.take_at(self.key(facts), self.now())
    }

    /// Says whether a request may pass, without counting it.
    ///
    /// # Errors
    ///
    /// Returns for how many seconds it must wait, rounded up.
    pub fn peek(&self, facts: &Facts<'_>) -> Result<(), u64> {
        let (set, tag) = self.place(self.key(facts));
        let found = self.find(set, tag, self.now());
        self.limit.admit(found.ahead).map(drop).map_err(seconds)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn key(&self, facts: &Facts<'_>) -> u64 {
        match &self.limit.by {
            By::Route => 0,
            By::Client => self.hasher.hash_one(network(facts.client)),
            By::Header(name) => match facts.fields.first(name.as_bytes()) {
                Some(value) => self.hasher.hash_one(value),
                None => self.hasher.hash_one(network(facts.client)),
            },
        }
    }

    /// Returns the set that a key may be in, and what tells it from others there.
    fn place(&self, key: u64) -> (&[AtomicU64], u64) {
        let sets = self.slots.len() / WAYS;
        let at = (key as usize % sets) * WAYS;
        // Never 0: that is an empty slot.
        (&self.slots[at..at + WAYS], (key >> MOMENT_BITS) | 1)
    }

    fn take_at(&self, key: u64, now: u64) -> Result<(), u64> {
        let (set, tag) = self.place(key);
        loop {
            let Found { slot, old, ahead } = self.find(set, tag, now);
            let after = self.limit.admit(ahead).map_err(seconds)?;
            let new = (tag << MOMENT_BITS) | (now.wrapping_add(after) & MOMENT);
            if slot.compare_exchange_weak(old, new, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                return Ok(());
            }
        }
    }

    /// Finds the key's slot, or else that which is paid back first.
    fn find<'s>(&self, set: &'s [AtomicU64], tag: u64, now: u64) -> Found<'s> {
        let look = |slot: &'s AtomicU64| {
            let old = slot.load(Ordering::Relaxed);
            Found { slot, old, ahead: self.ahead(old, now) }
        };
        let is_its = |found: &Found<'_>| found.old >> MOMENT_BITS == tag;
        let own = set.iter().map(look).find(is_its);
        own.unwrap_or_else(|| {
            let first = set.iter().map(look).min_by_key(|found| found.ahead);
            Found { ahead: 0, ..first.expect("a set has slots") }
        })
    }

    /// Returns how far ahead of now a slot is.
    fn ahead(&self, slot: u64, now: u64) -> u64 {
        let ahead = (slot & MOMENT).wrapping_sub(now) & MOMENT;
        if slot != 0 && ahead <= self.limit.ahead_max() { ahead } else { 0 }
    }
}

/// A slot as it was found.
struct Found<'s> {
    slot: &'s AtomicU64,
    old: u64,
    /// How far ahead of now its key is.
    ahead: u64,
}

/// Returns who a client is: of an IPv6 address the first 64 bits, since the rest changes daily (RFC
/// 8981).
fn network(client: IpAddr) -> u64 {
    match client.to_canonical() {
        IpAddr::V4(ip) => u64::from(u32::from(ip)),
        IpAddr::V6(ip) => (u128::from(ip) >> 64) as u64,
    }
}

fn seconds(micros: u64) -> u64 {
    micros.div_ceil(1_000_000)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::route::Interval;

    fn limiter(count: u32, seconds: u64, burst: u32, by: By) -> Limiter {
        let interval = Interval { count, period: Duration::from_secs(seconds) };
        Limiter::new(RateLimit { interval, burst, by })
    }

    #[test]
    fn each_key_has_its_own_burst() {
        let limiter = limiter(1, 1, 2, By::Client);
        for key in [1 << 50, 2 << 50, (3 << 50) + 9] {
            let taken: Vec<_> = (0..4).map(|_| limiter.take_at(key, 5)).collect();
            assert_eq!(taken, [Ok(()), Ok(()), Err(1), Err(1)]);
        }
        assert_eq!(limiter.take_at(1 << 50, 1_000_005), Ok(()));
    }

    #[test]
    fn however_many_threads_ask_as_many_pass_as_may() {
        let limiter = limiter(1, 3600, 1000, By::Route);
        let passed: usize = std::thread::scope(|scope| {
            let ask = || (0..1000).filter(|_| limiter.take_at(0, 7).is_ok()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(passed, 1000);
    }

    #[test]
    fn the_moment_may_come_round() {
        let limiter = limiter(1, 1, 1, By::Route);
        let end = MOMENT - 10;
        assert_eq!(limiter.take_at(0, end), Ok(()));
        assert_eq!(limiter.take_at(0, end + 500_000), Err(1), "over the end of the clock");
        assert_eq!(limiter.take_at(0, end + 1_000_000), Ok(()));
        assert_eq!(limiter.take_at(0, end + (MOMENT / 2)), Ok(()), "half a round later");
    }

    #[test]
    fn a_full_set_forgets_whoever_is_paid_back_first() {
        let limiter = limiter(1, 1, 10, By::Client);
        let key = |at: u64| ((at * 2 + 1) << MOMENT_BITS) | 8;
        for at in 0..WAYS as u64 {
            (0..=at).for_each(|_| limiter.take_at(key(at), 0).unwrap());
        }
        limiter.take_at(key(99), 0).unwrap();
        let (set, tag) = limiter.place(key(0));
        assert!(set.iter().all(|slot| slot.load(Ordering::Relaxed) >> MOMENT_BITS != tag));
        let (set, tag) = limiter.place(key(7));
        assert_eq!(limiter.find(set, tag, 0).ahead, 8_000_000, "the others are remembered");
    }
}
