//! A named group of backends: who of them is available, and whose turn it is.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::backend::{Backend, BackendUrl};
use crate::picker::{Picker, Place};
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
        let backends = settings.backends.iter().map(|url| known(url).unwrap_or_else(|| made(url)));
        let backends: Box<[_]> = backends.collect();
        let start = dice % backends.len().max(1);
        let turn =
            old.map_or_else(|| Arc::new(AtomicUsize::new(start)), |old| Arc::clone(&old.turn));
        let pool = Self {
            settings,
            backends,
            picker: ArcSwap::default(),
            turn,
            turn_again: AtomicUsize::new(start),
        };
        pool.lay_out();
        pool
    }

    /// Returns all backends, available or not.
    pub fn backends(&self) -> &[Arc<Backend>] {
        &self.backends
    }

    /// Picks the backend for the next attempt of a request that was `tried` on others before.
    pub fn pick(&self, tried: &[Place]) -> Option<Place> {
        let turn = if tried.is_empty() { &*self.turn } else { &self.turn_again };
        let turn = turn.fetch_add(1, Ordering::Relaxed);
        self.picker.load().pick(turn, tried)
    }

    /// Returns whose turn it is, and the turn's number, without taking it.
    pub fn next(&self) -> (Option<Place>, usize) {
        let turn = self.turn.load(Ordering::Relaxed);
        (self.picker.load().pick(turn, &[]), turn)
    }

    /// Makes what was observed of the backends' health count. Only the control task calls this.
    pub fn lay_out(&self) {
        let places = (0..).map(Place).zip(&self.backends);
        let available = places.filter(|(_, backend)| backend.is_up()).map(|(place, _)| place);
        self.picker.store(Arc::new(Picker::new(available)));
    }
}
