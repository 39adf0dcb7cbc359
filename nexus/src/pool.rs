//! A named group of backends: who of them is available, and whose turn it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;

use crate::backend::Backend;
use crate::picker::{BackendId, Picker};

/// The backends that share the requests.
pub struct Pool {
    backends: Box<[Arc<Backend>]>,
    /// Laid out anew by the control task, on every change of health.
    picker: ArcSwap<Picker>,
    /// One counter for all workers: what makes round robin exact.
    turn: AtomicUsize,
}

impl Pool {
    /// Makes a pool; its first turn falls to a backend by chance (`dice`), so that restarts do not
    /// all favour the first.
    pub fn new(backends: Vec<Arc<Backend>>, dice: usize) -> Self {
        let start = dice % backends.len().max(1);
        let pool = Self {
            backends: backends.into(),
            picker: ArcSwap::default(),
            turn: AtomicUsize::new(start),
        };
        pool.lay_out();
        pool
    }

    /// Returns all backends, available or not.
    pub fn backends(&self) -> &[Arc<Backend>] {
        &self.backends
    }

    /// Picks the backend for the next attempt of a request that was `tried` on others before.
    pub fn pick(&self, tried: &[BackendId]) -> Option<&Arc<Backend>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let id = self.picker.load().pick(turn, tried)?;
        Some(&self.backends[usize::from(id.0)])
    }

    /// Makes what was observed of the backends' health count. Only the control task calls this.
    pub fn lay_out(&self) {
        let available = self.backends.iter().filter(|backend| backend.is_up()).map(|b| b.id);
        self.picker.store(Arc::new(Picker::new(available)));
    }
}
