//! What an attempt says of its backend, as far as the pool wants to know.

use std::time::{Duration, Instant};

use super::AS_BAD_AS;
use crate::backend::{Backend, now_ms};
use crate::forward::Answered;
use crate::metrics::counter::Hand;
use crate::pool::Pool;
use crate::reason::{Fault, Reason};
use crate::retry::Failure;
use crate::worker::Picked;

/// An attempt that is watched.
pub struct Watch {
    /// Whose hand counts it, if it is counted.
    hand: Option<Hand>,
    /// When it began, if that matters.
    began: Option<Instant>,
    /// Whether it shows if an ejected backend answers well again. Others, from before, may come late
    /// and show nothing.
    is_trial: bool,
}

impl Watch {
    /// Begins with an attempt.
    pub fn start(pool: &Pool, backend: &Backend, hand: Option<Hand>) -> Self {
        let rules = pool.settings.ejection.as_ref();
        if let Some(hand) = hand {
            backend.counts.of(hand).attempts.add(1);
        }
        let is_timed = hand.is_some()
            || pool.settings.algorithm.times()
            || pool.times().is_some()
            || rules.is_some_and(|rules| rules.latency > 0);
        Self {
            hand,
            began: is_timed.then(Instant::now),
            is_trial: rules.is_some() && backend.conduct.is_half_open(),
        }
    }

    /// Tells of an answer.
    #[inline]
    pub fn answered(self, pool: &Pool, backend: &Picked, answered: &Answered) {
        // Whoever was asked as well has a watch of its own.
        if answered.upstream.backend.serial == backend.serial {
            self.counts(pool, backend, answered.outcome());
        }
    }

    /// Counts an answer with this status; `None` is one that [`counts_late`] is told of.
    pub fn counts(self, pool: &Pool, backend: &Backend, status: Option<u16>) {
        let took = self.began.map(|began| began.elapsed());
        if let Some(took) = took {
            took_so_long(pool, backend, took);
            if let Some(hand) = self.hand {
                backend.counts.of(hand).first_byte.count(took.into());
            }
        }
        let rules = pool.settings.ejection.as_ref().filter(|_| self.shows(backend));
        if let (Some(rules), Some(status)) = (rules, status) {
            backend.answered(rules, status, took.filter(|_| rules.latency > 0));
        }
        if pool.settings.probing.request_errors > 1 {
            backend.forgive();
        }
    }

    /// Tells of a failure, which counts as a slow answer, or whoever fails quickly would look best.
    pub fn failed(&self, pool: &Pool, backend: &Backend, failure: Failure) {
        const AS_SLOW_AS: Duration = Duration::from_secs(1);
        // All attempts were too late, but it is this one that did not answer.
        let has_hung = failure.reason == Reason::TotalTimeout && !failure.is_unsent();
        if failure.reason.facts().fault != Fault::Backend && !has_hung {
            return;
        }
        if let Some(began) = self.began.filter(|_| pool.settings.algorithm.times()) {
            backend.latency.observe(began.elapsed().max(AS_SLOW_AS).as_micros() as f32, now_ms());
        }
        let counts = self.shows(backend) && !failure.was_stale();
        if let Some(rules) = pool.settings.ejection.as_ref().filter(|_| counts) {
            backend.answered(rules, AS_BAD_AS, None);
        }
    }

    /// Tells that it was given up since another has answered first: it has taken so long at least.
    pub fn outrun(&self, pool: &Pool, backend: &Backend) {
        let Some(took) = self.began.map(|began| began.elapsed()) else { return };
        took_so_long(pool, backend, took);
        let rules = pool.settings.ejection.as_ref().filter(|_| self.shows(backend));
        if rules.is_some_and(|rules| rules.latency > 0) {
            backend.conduct.took(took);
        }
    }

    fn shows(&self, backend: &Backend) -> bool {
        self.is_trial || !backend.conduct.is_half_open()
    }
}

/// Counts an answer whose status came behind its body.
pub fn counts_late(pool: &Pool, backend: &Backend, status: u16) {
    if let Some(rules) = pool.settings.ejection.as_ref() {
        backend.answered(rules, status, None);
    }
}

fn took_so_long(pool: &Pool, backend: &Backend, took: Duration) {
    if pool.settings.algorithm.times() {
        backend.latency.observe(took.as_micros() as f32, now_ms());
    }
    if let Some(times) = pool.times() {
        times.observe(took);
    }
}
