//! What an attempt says of its backend, as far as the pool wants to know.

use std::time::{Duration, Instant};

use super::AS_BAD_AS;
use crate::backend::{Backend, now_ms};
use crate::ejection::Rules;
use crate::forward::Answered;
use crate::pool::Pool;
use crate::pool::times::Times;
use crate::reason::Fault;
use crate::retry::Failure;
use crate::worker::Picked;

/// What an attempt says of its backend, as far as the pool wants to know.
pub struct Watch<'p> {
    /// When it began, if the algorithm goes by time.
    began: Option<Instant>,
    /// How bad answers eject, if they do.
    rules: Option<&'p Rules>,
    /// Whether connection errors are counted.
    counts_errors: bool,
    /// How long attempts take, if hedging wants to know.
    times: Option<&'p Times>,
}

impl<'p> Watch<'p> {
    /// Begins with an attempt.
    pub fn start(pool: &'p Pool) -> Self {
        let settings = &pool.settings;
        let rules = settings.ejection.as_ref();
        let times = pool.times();
        let is_timed = settings.algorithm.times()
            || times.is_some()
            || rules.is_some_and(|rules| rules.latency > 0);
        Self {
            began: is_timed.then(Instant::now),
            rules,
            counts_errors: settings.probing.request_errors > 1,
            times,
        }
    }

    /// Looks back at an attempt that began then.
    pub fn since(pool: &'p Pool, began: Instant) -> Self {
        let watch = Self::start(pool);
        Self { began: watch.began.map(|_| began), ..watch }
    }

    /// Tells of an answer.
    #[inline]
    pub fn answered(self, backend: &Picked, answered: &Answered) {
        // Whoever was asked as well has a watch of its own.
        if answered.upstream.backend.serial == backend.serial {
            self.counts(backend, answered.response.head.status);
        }
    }

    /// Counts an answer with this status.
    pub fn counts(self, backend: &Backend, status: u16) {
        let took = self.began.map(|began| began.elapsed());
        if let Some(took) = took {
            backend.latency.observe(took.as_micros() as f32, now_ms());
            if let Some(times) = self.times {
                times.observe(took);
            }
        }
        if let Some(rules) = self.rules {
            backend.answered(rules, status, took.filter(|_| rules.latency > 0));
        }
        if self.counts_errors {
            backend.forgive();
        }
    }

    /// Tells of a failure, which counts as a slow answer, or whoever fails quickly would look best.
    pub fn failed(&self, backend: &Backend, failure: Failure) {
        if failure.reason.facts().fault != Fault::Backend {
            return;
        }
        const AS_SLOW_AS: Duration = Duration::from_secs(1);
        if let Some(began) = self.began {
            backend.latency.observe(began.elapsed().max(AS_SLOW_AS).as_micros() as f32, now_ms());
        }
        if let Some(rules) = self.rules.filter(|_| !failure.was_stale()) {
            backend.answered(rules, AS_BAD_AS, None);
        }
    }
}
