//! How many requests a backend has under way, and how many it takes.
//!
//! Snapshots come and go while requests are under way: what counts is what the latest said.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// The places at a backend for requests.
#[derive(Debug)]
pub struct Room {
    taken: AtomicU32,
    /// Only the control task writes this.
    max: AtomicU32,
    /// And this.
    is_open: AtomicBool,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            taken: AtomicU32::new(0),
            max: AtomicU32::new(u32::MAX),
            is_open: AtomicBool::new(true),
        }
    }
}

impl Room {
    /// Says how many may be taken at once, and whether whoever is new may take one.
    pub fn set(&self, max: u32, is_open: bool) {
        self.max.store(max, Ordering::SeqCst);
        self.is_open.store(is_open, Ordering::SeqCst);
    }

    /// Returns how many are taken.
    pub fn taken(&self) -> u32 {
        self.taken.load(Ordering::SeqCst)
    }

    /// Returns how many may be.
    pub fn max(&self) -> u32 {
        self.max.load(Ordering::Relaxed)
    }

    /// Says whether whoever is new may take one.
    pub fn is_open(&self) -> bool {
        self.is_open.load(Ordering::SeqCst)
    }

    /// Says whether there is one left.
    pub fn is_left(&self) -> bool {
        self.taken() < self.max()
    }

    /// Says whether one that is given back may be taken again at once.
    pub fn may_pass_on(&self) -> bool {
        self.taken() <= self.max()
    }

    /// Takes one if there is one left. Checked and taken in one step: no two have the last.
    pub fn take(&self) -> bool {
        let max = self.max();
        let one_more = |taken: u32| (taken < max).then(|| taken + 1);
        self.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).is_ok()
    }

    /// Gives one back.
    pub fn give_back(&self) {
        self.taken.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_taken_than_there_are_and_fewer_when_there_are_fewer() {
        let room = Room::default();
        room.set(2, true);
        assert_eq!([room.take(), room.take(), room.take()], [true, true, false]);
        room.set(1, false);
        assert!(!room.may_pass_on() && !room.is_left() && !room.is_open());
        room.give_back();
        assert!(room.may_pass_on() && !room.is_left());
        room.give_back();
        assert!(room.take());
    }
}
