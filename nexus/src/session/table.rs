//! Which backend a session is with, for sessions that something else than a cookie of Nexus tells.
//!
//! One table of single words for all workers: nobody waits, and it never grows. Where it is full the
//! session that was silent longest is forgotten.
//!
//! ```text
//! tag of the session: 24 bits │ backend: 20 bits │ last sign of life: 20 bits
//! ```

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Sessions that share a set, of which one may push another out.
const SET: usize = 16;

/// Parts of the time that a session lasts, to which signs of life are exact.
const PARTS: u32 = 64;

const NUMBER_BITS: u32 = 20;
const NUMBER_MASK: u64 = (1 << NUMBER_BITS) - 1;

/// Sessions, and where they are.
pub struct Table {
    slots: Box<[AtomicU64]>,
    /// A part of the time that a session lasts, in milliseconds.
    part_ms: u64,
    /// Seeded by chance: nobody can choose who shares a set.
    hasher: RandomState,
}

/// Where a session's entry is, if it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    set: usize,
    tag: u64,
}

/// A word of the table, taken apart.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    tag: u64,
    backend: u32,
    moment: u32,
}

impl Entry {
    /// 0 is nothing: backends are numbered from 1.
    fn read(word: u64) -> Option<Self> {
        let moment = (word & NUMBER_MASK) as u32;
        let backend = (word >> NUMBER_BITS & NUMBER_MASK) as u32;
        (backend != 0).then_some(Self { tag: word >> (2 * NUMBER_BITS), backend, moment })
    }

    fn word(self) -> u64 {
        self.tag << (2 * NUMBER_BITS)
            | u64::from(self.backend) << NUMBER_BITS
            | u64::from(self.moment)
    }

    /// Returns how many parts ago its last sign of life was.
    fn age(self, moment: u32) -> u32 {
        moment.wrapping_sub(self.moment) & NUMBER_MASK as u32
    }
}

impl Table {
    /// Makes room for so many sessions of this length.
    pub fn new(sessions_max: usize, ttl: Duration) -> Self {
        // Twice as many: sets are not filled evenly.
        let sets = (sessions_max * 2).div_ceil(SET).next_power_of_two();
        let part_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX) / u64::from(PARTS);
        let slots = (0..sets * SET).map(|_| AtomicU64::new(0)).collect();
        Self { slots, part_ms: part_ms.max(1), hasher: RandomState::new() }
    }

    /// Returns where the session is that this text tells.
    pub fn key(&self, text: &[u8]) -> Key {
        let hash = self.hasher.hash_one(text);
        let sets = self.slots.len() / SET;
        Key { set: hash as usize % sets * SET, tag: hash >> (2 * NUMBER_BITS) }
    }

    fn moment(&self, now_ms: u64) -> u32 {
        ((now_ms / self.part_ms) & NUMBER_MASK) as u32
    }

    fn set(&self, key: Key) -> &[AtomicU64] {
        &self.slots[key.set..key.set + SET]
    }

    /// Returns the backend that a session is with, by the number that [`Table::put`] was told.
    pub fn find(&self, key: Key, now_ms: u64) -> Option<u32> {
        let moment = self.moment(now_ms);
        let words = self.set(key).iter().map(|slot| slot.load(Ordering::Relaxed));
        let is_it = |entry: &Entry| entry.tag == key.tag && entry.age(moment) <= PARTS;
        words.filter_map(Entry::read).find(is_it).map(|entry| entry.backend)
    }

    /// Notes a sign of life of a session, and with which backend it is: a number from 1 to 2^20 − 1.
    pub fn put(&self, key: Key, backend: u32, now_ms: u64) {
        let moment = self.moment(now_ms);
        let entry = Entry { tag: key.tag, backend, moment };
        loop {
            let words = self.set(key).iter().map(|slot| slot.load(Ordering::Relaxed));
            // Its own place; else a free one; else that of whoever was silent longest.
            let worth = |word: u64| match Entry::read(word) {
                Some(known) if known.tag == key.tag => u32::MAX,
                None => u32::MAX - 1,
                Some(known) => known.age(moment),
            };
            let best = words.enumerate().max_by_key(|(_, word)| worth(*word));
            let (at, old) = best.expect("a set has slots");
            if old == entry.word() {
                return; // The usual case writes nothing.
            }
            let slot = &self.set(key)[at];
            let put =
                slot.compare_exchange(old, entry.word(), Ordering::Relaxed, Ordering::Relaxed);
            if put.is_ok() {
                return;
            }
        }
    }

    /// Counts the sessions that are with a backend. Looks at all: for people, not for requests.
    pub fn count(&self, backend: u32, now_ms: u64) -> usize {
        let moment = self.moment(now_ms);
        let entries =
            self.slots.iter().filter_map(|slot| Entry::read(slot.load(Ordering::Relaxed)));
        entries.filter(|entry| entry.backend == backend && entry.age(moment) <= PARTS).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(64);

    fn text(at: u32) -> [u8; 4] {
        at.to_be_bytes()
    }

    #[test]
    fn a_session_is_found_until_it_has_been_silent_too_long() {
        let table = Table::new(100, TTL);
        let key = table.key(b"me");
        assert_eq!(table.find(key, 0), None);
        table.put(key, 7, 0);
        assert_eq!((table.find(key, 64_999), table.find(key, 65_000)), (Some(7), None));
        table.put(key, 7, 60_000);
        table.put(key, 8, 60_000);
        assert_eq!((table.find(key, 120_000), table.count(7, 60_000)), (Some(8), 0));
    }

    #[test]
    fn a_full_table_forgets_whoever_was_silent_longest() {
        let table = Table::new(1, TTL);
        let keys: Vec<_> =
            (0..20).map(|at| table.key(&text(at))).filter(|key| key.set == 0).collect();
        for (second, key) in (0..).zip(&keys) {
            table.put(*key, 1, second * 1000);
        }
        let now = keys.len() as u64 * 1000;
        let found: Vec<_> = keys.iter().map(|key| table.find(*key, now).is_some()).collect();
        let old = keys.len() - SET;
        assert!(found[..old].iter().all(|found| !found) && found[old..].iter().all(|found| *found));
    }

    #[test]
    fn there_is_room_for_nearly_all_that_are_asked_for() {
        let table = Table::new(10_000, TTL);
        (0..10_000).for_each(|at| table.put(table.key(&text(at)), 1 + at % 3, 0));
        let found =
            (0..10_000).filter(|at| table.find(table.key(&text(*at)), 0) == Some(1 + at % 3));
        let found = found.count();
        assert!(found >= 9_900, "{found}");
        let counted: usize = (1..=3).map(|backend| table.count(backend, 0)).sum();
        assert!(counted.abs_diff(found) <= 5, "{counted} and {found}: two may share a tag");
    }

    #[test]
    fn many_writers_lose_nothing() {
        let table = Table::new(10_000, TTL);
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let table = &table;
                scope.spawn(move || {
                    (0..1000).for_each(|at| table.put(table.key(&text(worker * 1000 + at)), 9, 0));
                });
            }
        });
        assert!(table.count(9, 0) >= 3990);
    }
}
