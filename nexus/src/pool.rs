//! A named group of backends: who of them is available, and whose turn it is.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::backend::{Backend, BackendUrl};
use crate::picker::{Algorithm, Ask, Candidate, Loads, Picker, Place, hash};
use crate::settings::PoolSettings;

/// The backends that share the requests.
pub struct Pool {
    /// What was asked for.
    pub settings: PoolSettings,
    backends: Box<[Arc<Backend>]>,
    /// Laid out anew by the control task, on every change of health.
    picker: ArcSwap<Picker>,
    /// One counter for all workers, and for all snapshots: what makes round robin exact.
    turn: Arc<AtomicUsize>,
    /// The same for further attempts, which must not take anybody's turn.
    turn_again: AtomicUsize,
    /// Requests that all backends together have under way, if anybody wants to know.
    in_flight: Arc<AtomicU64>,
    is_counted: bool,
}

/// Returns milliseconds since the first call.
pub fn now_ms() -> u32 {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    BEGAN.get_or_init(Instant::now).elapsed().as_millis() as u32
}

impl Pool {
    /// Builds a pool out of what its predecessor `old` has and what is new.
    ///
    /// The first turn of a new pool falls to a backend by chance (`dice`), so that restarts do not
    /// all favour the first.
    pub fn build(
        settings: PoolSettings,
        old: Option<&Pool>,
        bell: &Arc<Notify>,
        dice: usize,
    ) -> Self {
        let backends = old.iter().flat_map(|old| &old.backends);
        let known: HashMap<_, _> = backends.map(|backend| (&backend.url, backend)).collect();
        let known = |url: &BackendUrl| known.get(url).copied().cloned();
        let made = |url: &BackendUrl| Arc::new(Backend::new(url.clone(), Arc::clone(bell)));
        let urls = settings.backends.iter().map(|wanted| &wanted.url);
        let backends: Box<[_]> = urls.map(|url| known(url).unwrap_or_else(|| made(url))).collect();
        let start = dice % backends.len().max(1);
        let turn =
            old.map_or_else(|| Arc::new(AtomicUsize::new(start)), |old| Arc::clone(&old.turn));
        let in_flight = old.map(|old| Arc::clone(&old.in_flight)).unwrap_or_default();
        let has_limit = settings.backends.iter().any(|wanted| wanted.requests_max.is_some());
        let pool = Self {
            is_counted: has_limit || settings.algorithm.counts(),
            settings,
            backends,
            picker: ArcSwap::default(),
            turn,
            turn_again: AtomicUsize::new(start),
            in_flight,
        };
        pool.lay_out();
        pool
    }

    /// Returns all backends, available or not.
    pub fn backends(&self) -> &[Arc<Backend>] {
        &self.backends
    }

    /// Picks the backend for the next attempt of a request that was `tried` on others before.
    /// `key` is what the request is about, if the algorithm goes by that.
    pub fn pick(&self, key: u64, tried: &[Place]) -> Option<Place> {
        let turn = if tried.is_empty() { &*self.turn } else { &self.turn_again };
        let turn = turn.fetch_add(1, Ordering::Relaxed);
        // Round robin needs no dice: they cost more than the pick.
        let is_by_turn = self.settings.algorithm == Algorithm::RoundRobin;
        let dice = if is_by_turn { 0 } else { fastrand::u64(..) };
        self.picker.load().pick(&Ask { turn, dice, key, tried }, &Busy::of(self))
    }

    /// Returns whose turn it would be, and the turn's number, without taking it. Where chance
    /// decides there is nobody to name.
    pub fn next(&self, key: u64) -> (Option<Place>, usize) {
        let turn = self.turn.load(Ordering::Relaxed);
        let ask = Ask { turn, dice: 0, key, tried: &[] };
        let is_by_chance = self.settings.algorithm.is_by_chance();
        let picked = || self.picker.load().pick(&ask, &Busy::of(self));
        (if is_by_chance { None } else { picked() }, turn)
    }

    /// Makes what was observed of the backends' health count. Only the control task calls this.
    pub fn lay_out(&self) {
        let all = (0..).map(Place).zip(&self.backends).zip(&self.settings.backends);
        let candidates = all.map(|((place, backend), wanted)| Candidate {
            place,
            weight: wanted.weight,
            is_available: backend.is_up(),
            id: hash(backend.name.as_bytes()),
        });
        self.picker.store(Arc::new(Picker::new(self.settings.algorithm, candidates)));
    }

    /// Counts one more request of a backend, if requests are counted here and it takes one more.
    /// Checked and counted in one step: no two requests get the last place.
    pub fn take(&self, place: Place) -> Take {
        if !self.is_counted {
            return Take::Uncounted;
        }
        let at = usize::from(place.0);
        let max = self.settings.backends[at].requests_max.unwrap_or(u32::MAX);
        if !self.backends[at].take(max) {
            return Take::Full;
        }
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Take::Counted
    }

    /// Counts one request less.
    pub fn give_back(&self, place: Place) {
        self.backends[usize::from(place.0)].give_back();
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether a backend takes one more request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// Nobody counts.
    Uncounted,
    /// It does; it is to be given back.
    Counted,
    /// It has as many as it takes.
    Full,
}

/// How busy the backends of a pool are.
struct Busy<'p> {
    pool: &'p Pool,
    now_ms: u32,
}

impl<'p> Busy<'p> {
    fn of(pool: &'p Pool) -> Self {
        let now_ms = if pool.settings.algorithm.times() { now_ms() } else { 0 };
        Self { pool, now_ms }
    }

    fn backend(&self, place: Place) -> &Backend {
        &self.pool.backends[usize::from(place.0)]
    }
}

impl Loads for Busy<'_> {
    fn in_flight(&self, place: Place) -> u32 {
        self.backend(place).in_flight()
    }

    fn total(&self) -> u64 {
        self.pool.in_flight.load(Ordering::Relaxed)
    }

    fn latency(&self, place: Place) -> f32 {
        self.backend(place).latency.expected(self.now_ms)
    }

    fn has_room(&self, place: Place) -> bool {
        let max = self.pool.settings.backends[usize::from(place.0)].requests_max;
        max.is_none_or(|max| self.in_flight(place) < max)
    }
}
