//! Requests that wait for a place at a backend when all are full: in the order in which they came.
//!
//! Nobody else's way leads through here: as long as nobody waits, all that a request sees of it is
//! one number that does not change.
//!
//! # Why does nobody overtake?
//!
//! A place that comes free while somebody waits is not given back, it is handed over: the backend
//! stays as full as it was, and whoever comes in between finds it full. Under the lock the first in
//! line whom the backend suits has it.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;

use super::Pool;
use crate::backend::{Backend, Serial};
use crate::picker::Place;

/// How requests wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueRules {
    /// Up to this time.
    pub timeout: Duration,
    /// So many at once.
    pub waiting_max: usize,
}

/// The requests of one pool that wait, over all workers and snapshots.
#[derive(Default)]
pub struct Queue {
    waiting: AtomicUsize,
    line: Mutex<Line>,
}

/// Who waits, by when they came.
#[derive(Default)]
struct Line {
    last: u64,
    waiters: BTreeMap<u64, Waiter>,
}

/// One request that waits.
struct Waiter {
    wish: Wish,
    word: Option<Word>,
    bell: Arc<Notify>,
}

/// What a request waits for.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The backends of its snapshot.
    pub places: Arc<HashMap<Serial, Place>>,
    /// The only one that will do, if one is.
    pub only: Option<Place>,
    /// Those that were tried.
    pub tried: Vec<Place>,
}

/// What becomes of a request that waited.
enum Word {
    /// It has a place at this backend, taken already.
    Come(Arc<Backend>),
    /// Nobody is available any more.
    Leave,
}

impl Wish {
    /// Says whether a backend will do. One that takes nothing new does for whom no other does.
    fn suits(&self, backend: Serial, is_open: bool) -> bool {
        let Some(place) = self.places.get(&backend) else { return false };
        match self.only {
            Some(only) => only == *place,
            None => is_open && !self.tried.contains(place),
        }
    }
}

impl Queue {
    /// Returns how many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().expect("nothing panics while it holds this lock")
    }

    /// Hands a place that is taken over to whoever waits for it; if nobody does, gives it back.
    pub(super) fn pass_on(&self, backend: &Arc<Backend>) {
        let may_stay = || backend.is_available() && backend.room.may_pass_on();
        if !self.hand_over(backend, may_stay) {
            backend.room.give_back();
            self.serve(backend);
        }
    }

    /// Hands over the places that a backend has left.
    pub(super) fn serve(&self, backend: &Arc<Backend>) {
        let take = || backend.is_available() && backend.room.take();
        while backend.room.is_left() && self.hand_over(backend, take) {}
    }

    /// Hands a place over to the first whom it suits, if `take` finds one to hand over.
    fn hand_over(&self, backend: &Arc<Backend>, take: impl FnOnce() -> bool) -> bool {
        let is_open = backend.room.is_open();
        let mut line = self.lock();
        let mut waiters = line.waiters.values_mut().filter(|waiter| waiter.word.is_none());
        let first = waiters.find(|waiter| waiter.wish.suits(backend.serial, is_open));
        let Some(first) = first.filter(|_| take()) else { return false };
        first.word = Some(Word::Come(Arc::clone(backend)));
        first.bell.notify_one();
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        true
    }

    /// Sends away whoever waits only for this backend, which is gone; or, of all of them, whoever
    /// would take any.
    pub(super) fn send_away(&self, gone: Option<Serial>) {
        if self.waiting() == 0 {
            return;
        }
        let waits_for_it = |wish: &Wish| match gone {
            Some(gone) => wish.only.is_some() && wish.only == wish.places.get(&gone).copied(),
            None => wish.only.is_none(),
        };
        for waiter in self.lock().waiters.values_mut() {
            if waiter.word.is_none() && waits_for_it(&waiter.wish) {
                waiter.word = Some(Word::Leave);
                waiter.bell.notify_one();
                self.waiting.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }
}

/// A request in the line; leaves it when dropped.
pub struct Waiting<'p> {
    pool: &'p Pool,
    number: u64,
    bell: Arc<Notify>,
}

impl<'p> Waiting<'p> {
    /// Joins the line at its end; `None` if it is too long.
    pub fn join(pool: &'p Pool, wish: Wish, waiting_max: usize) -> Option<Self> {
        let bell = Arc::new(Notify::new());
        let mut line = pool.queue.lock();
        if pool.queue.waiting() >= waiting_max {
            return None;
        }
        line.last += 1;
        let number = line.last;
        let waiter = Waiter { wish, word: None, bell: Arc::clone(&bell) };
        line.waiters.insert(number, waiter);
        pool.queue.waiting.fetch_add(1, Ordering::SeqCst);
        drop(line);
        // A place that came free a moment ago was not handed over to anybody.
        pool.backends().iter().for_each(|backend| pool.queue.serve(backend));
        Some(Self { pool, number, bell })
    }

    /// Waits until a place was handed over, and returns it; `None` is that nobody is available.
    pub async fn place(&self) -> Option<Place> {
        loop {
            if let Some(word) = self.heard() {
                return match word {
                    Word::Come(backend) => self.pool.place(&backend),
                    Word::Leave => None,
                };
            }
            self.bell.notified().await;
        }
    }

    /// Returns what was said, and leaves the line with it.
    fn heard(&self) -> Option<Word> {
        let mut line = self.pool.queue.lock();
        let has_word = line.waiters.get(&self.number)?.word.is_some();
        if has_word { line.waiters.remove(&self.number)?.word } else { None }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Some(waiter) = self.pool.queue.lock().waiters.remove(&self.number) else { return };
        match waiter.word {
            None => drop(self.pool.queue.waiting.fetch_sub(1, Ordering::SeqCst)),
            // It was not fetched: somebody else may have it.
            Some(Word::Come(backend)) => self.pool.queue.pass_on(&backend),
            Some(Word::Leave) => {}
        }
    }
}

#[cfg(test)]
mod tests;
