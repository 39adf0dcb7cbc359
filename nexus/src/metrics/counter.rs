//! Numbers that each worker counts for itself, and that whoever asks sums.
//!
//! # Why no `fetch_add`?
//!
//! A counter has one writer, so a load and a store do: no bus is locked, no line of memory moves
//! between cores, and a count costs as much as one of an ordinary variable.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Whose hand counts: a worker's place among all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hand {
    /// Its place, from 0.
    pub at: u16,
    /// How many workers there are.
    pub of: u16,
}

/// A number that one worker writes and anybody reads.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts `more`. Only the worker that it belongs to calls this.
    #[inline]
    pub fn add(&self, more: u64) {
        self.set(self.get().wrapping_add(more));
    }

    /// Takes another value. Only the worker that it belongs to calls this.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Returns the value.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one worker has, apart from what others have: no two of them write to the same line of memory.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Apart<T>(T);

/// One `T` for each worker, made when it is first wanted: most workers never meet most backends.
#[derive(Debug)]
pub struct ByWorker<T>(OnceLock<Box<[Slot<T>]>>);

type Slot<T> = OnceLock<Box<Apart<T>>>;

impl<T> Default for ByWorker<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<T: Default> ByWorker<T> {
    /// Returns what belongs to a worker.
    #[inline]
    pub fn of(&self, hand: Hand) -> &T {
        let all = self.0.get_or_init(|| (0..hand.of).map(|_| OnceLock::new()).collect());
        &all[usize::from(hand.at)].get_or_init(Box::default).0
    }

    /// Returns what belongs to a worker, if it was ever wanted.
    pub fn met(&self, hand: Hand) -> Option<&T> {
        Some(&self.0.get()?[usize::from(hand.at)].get()?.0)
    }

    /// Returns what there is, of all workers.
    pub fn all(&self) -> impl Iterator<Item = &T> + Clone {
        let slots = self.0.get().map(|slots| &**slots).unwrap_or_default();
        slots.iter().filter_map(|slot| slot.get().map(|apart| &apart.0))
    }

    /// Sums one number over all workers.
    pub fn sum(&self, which: impl Fn(&T) -> &Counter) -> u64 {
        self.all().map(|one| which(one).get()).fold(0, u64::wrapping_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_workers_have_counted_is_there_once_they_are_done() {
        let all = ByWorker::<Counter>::default();
        std::thread::scope(|scope| {
            for at in 0..4 {
                let all = &all;
                scope.spawn(move || {
                    (0..10_000).for_each(|_| all.of(Hand { at, of: 4 }).add(2));
                });
            }
        });
        assert_eq!(all.sum(|counter| counter), 80_000);
    }

    #[test]
    fn a_worker_that_never_came_has_nothing() {
        let all = ByWorker::<Counter>::default();
        assert_eq!(all.all().count(), 0);
        all.of(Hand { at: 3, of: 8 }).add(1);
        assert_eq!(all.all().count(), 1);
    }
}
