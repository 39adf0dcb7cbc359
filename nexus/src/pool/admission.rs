//! Whether a pool lets a request in at all: its circuit breaker, its limits, and its load shedding.
//! Only pools that ask for one of these count anything here.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::backend::conduct::Conduct;
use crate::backend::uptime;
use crate::ejection::{Others, Rules, Standing};
use crate::reason::Reason;
use crate::route::Priority;

use super::gradient::{self, Gradient, Sample};

/// Limits of a whole pool, and when it is given a rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    /// Requests under way at once; `None` is no limit.
    pub requests_max: Option<u32>,
    /// Of those, requests that are tried again; `None` is no limit but the budget.
    pub retries_max: Option<u32>,
    /// When answers are so bad that none is asked for.
    pub rules: Rules,
}

impl Breaker {
    /// Returns when it opens, if it ever does.
    pub fn rules(&self) -> Option<&Rules> {
        self.rules.has_limit().then_some(&self.rules)
    }
}

/// How load that is too much is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shedding {
    /// How the limit is found.
    pub rules: gradient::Rules,
    /// A field in which requests say their priority.
    pub priority_header: Option<String>,
}

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// When it may come again, in seconds, if that is known.
    pub retry_after: Option<u64>,
}

/// What a pool has let in, over all workers and snapshots.
#[derive(Default)]
pub struct Admission {
    under_way: AtomicU32,
    retrying: AtomicU32,
    /// Of those under way, the ones that show whether the pool answers again.
    trials: AtomicU32,
    /// How the pool as a whole answers.
    conduct: Conduct,
    /// The limit that was found, if one is looked for.
    limit: AtomicU32,
    gradient: Mutex<Option<Gradient>>,
    micros: AtomicU64,
    answers: AtomicU32,
    peak: AtomicU32,
    refused: AtomicU64,
}

impl Admission {
    /// Lets a request in, if there is room.
    ///
    /// # Errors
    ///
    /// Says why it is not let in.
    pub fn enter(
        self: &Arc<Self>,
        breaker: Option<&Breaker>,
        shedding: Option<&Shedding>,
        priority: Priority,
    ) -> Result<Admitted, Refused> {
        if self.conduct.is_out() {
            return Err(self.refuse(Reason::CircuitOpen, self.seconds_left()));
        }
        let is_trial = self.conduct.is_half_open();
        if is_trial && self.trials.fetch_update(Relaxed, Relaxed, one_below(1)).is_err() {
            return Err(self.refuse(Reason::CircuitOpen, Some(1)));
        }
        let fixed = breaker.and_then(|breaker| breaker.requests_max).unwrap_or(u32::MAX);
        let found = shedding.map_or(u32::MAX, |_| priority.part(self.limit()));
        // Whoever is tried out has a place of its own: tunnels from before may fill the others.
        let max = if is_trial { u32::MAX } else { fixed.min(found) };
        match self.under_way.fetch_update(Relaxed, Relaxed, one_below(max)) {
            Ok(before) => {
                let began = shedding.map(|_| {
                    self.peak.fetch_max(before + 1, Relaxed);
                    Instant::now()
                });
                let (is_trial, is_retrying) = (Cell::new(is_trial), Cell::new(false));
                let admission = Arc::clone(self);
                Ok(Admitted { admission, began, is_trial, is_retrying })
            }
            Err(taken) if taken >= fixed => Err(self.refuse(Reason::PoolFull, None)),
            Err(_) => Err(self.refuse(Reason::Overloaded, Some(1))),
        }
    }

    /// Counts a request that is not let in.
    pub(super) fn refuse(&self, reason: Reason, retry_after: Option<u64>) -> Refused {
        self.refused.fetch_add(1, Relaxed);
        Refused { reason, retry_after }
    }

    /// Returns how long the breaker stays open, in whole seconds.
    fn seconds_left(&self) -> Option<u64> {
        match self.conduct.ejection().standing {
            Standing::Out(_, until) => {
                Some(until.saturating_sub(uptime()).as_secs_f64().ceil() as u64).map(|s| s.max(1))
            }
            _ => None,
        }
    }

    /// Returns the limit that was found, before the first step any.
    pub fn limit(&self) -> u32 {
        match self.limit.load(Relaxed) {
            0 => u32::MAX,
            limit => limit,
        }
    }

    /// Returns how many requests are under way.
    pub fn under_way(&self) -> u32 {
        self.under_way.load(Relaxed)
    }

    /// Returns how many were refused.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// Returns the breaker's standing.
    pub fn standing(&self) -> Standing {
        self.conduct.ejection().standing
    }

    /// Judges how the pool answers; returns whether its breaker is open, or half. Only the control
    /// task calls this.
    pub(super) fn judge(&self, pool: &str, rules: &Rules) -> bool {
        let others = Others { may_eject: true, is_anybody: true, peers: None };
        match self.conduct.judge(rules, others, uptime()) {
            Some(Standing::Out(cause, until)) => {
                let seconds = (until.saturating_sub(uptime())).as_secs_f32();
                tracing::warn!(pool, cause = cause.code(), seconds, "pool's circuit is open");
            }
            Some(Standing::HalfOpen(_)) => tracing::info!(pool, "pool's circuit is half open"),
            Some(Standing::In) => tracing::info!(pool, "pool's circuit is closed again"),
            None => {}
        }
        self.conduct.is_out() || self.conduct.is_half_open()
    }

    /// Forgets how the pool answered: it has no breaker any more.
    pub(super) fn forget(&self) {
        if self.standing() != Standing::In {
            self.conduct.forget();
        }
    }

    /// Finds the limit anew by what was seen since the last time. Only the control task calls this.
    pub(super) fn adapt(&self, rules: &gradient::Rules) {
        let (micros, answers) = (self.micros.swap(0, Relaxed), self.answers.swap(0, Relaxed));
        let peak = self.peak.swap(self.under_way(), Relaxed);
        let mut gradient = self.gradient.lock().expect("nothing panics while it holds this lock");
        let gradient = gradient.get_or_insert_with(|| Gradient::new(rules));
        if answers > 0 {
            gradient.step(rules, Sample { micros: micros as f64 / f64::from(answers), peak });
        }
        self.limit.store(gradient.limit().clamp(rules.min, rules.max), Relaxed);
    }
}

/// Counts one more, as long as there are fewer than `max`.
fn one_below(max: u32) -> impl FnMut(u32) -> Option<u32> {
    move |taken| (taken < max).then(|| taken + 1)
}

/// A request that was let in, until it is over.
pub struct Admitted {
    admission: Arc<Admission>,
    began: Option<Instant>,
    /// Whether the place of a trial is still held.
    is_trial: Cell<bool>,
    is_retrying: Cell<bool>,
}

impl Admitted {
    /// Says whether it may be tried again beside those that are; from then on it is one of them.
    pub fn may_retry(&self, breaker: Option<&Breaker>) -> bool {
        let Some(max) = breaker.and_then(|breaker| breaker.retries_max) else { return true };
        let retrying = &self.admission.retrying;
        let take = || retrying.fetch_update(Relaxed, Relaxed, one_below(max)).is_ok();
        if !self.is_retrying.get() {
            self.is_retrying.set(take());
        }
        self.is_retrying.get()
    }

    /// Counts what came of it: a status, 502 or 504 for a failure of backends.
    pub fn answered(&self, breaker: Option<&Breaker>, status: u16) {
        /// Of what failed only this took its time: other failures come too quickly to be usual.
        const TIMED_OUT: u16 = 504;
        let is_timely = status < 500 || status == TIMED_OUT;
        if let Some(began) = self.began.filter(|_| is_timely) {
            self.took(began.elapsed());
        }
        let conduct = &self.admission.conduct;
        // Of a pool that is tried out only the trials count, not what comes late from before.
        let counts = self.is_trial.get() || !conduct.is_half_open();
        if let Some(rules) = breaker.and_then(Breaker::rules).filter(|_| counts) {
            conduct.count(rules, status, None);
        }
        self.end_trial(); // What follows, a tunnel or a download, may last.
    }

    fn end_trial(&self) {
        if self.is_trial.take() {
            self.admission.trials.fetch_sub(1, Relaxed);
        }
    }

    fn took(&self, took: Duration) {
        self.admission.micros.fetch_add(took.as_micros() as u64, Relaxed);
        self.admission.answers.fetch_add(1, Relaxed);
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.admission.under_way.fetch_sub(1, Relaxed);
        self.end_trial();
        if self.is_retrying.get() {
            self.admission.retrying.fetch_sub(1, Relaxed);
        }
    }
}
