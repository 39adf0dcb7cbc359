//! What was tried for a request, and what follows from each failure.

mod watch;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::backend::Backend;
use crate::exchange::Exchange;
use crate::forward::Answered;
use crate::metrics::counter::Hand;
use crate::metrics::counts::BackendCounts;
use crate::picker::Place;
use crate::place::{self, Choice};
use crate::pool::Pool;
use crate::pool::admission::Admitted;
use crate::reason::{Fault, Reason};
use crate::record::Failed;
use crate::retry::{self, Again, Failure, Policy, Progress, WhyNot};
use crate::worker::{Picked, Taken};

pub use watch::{Watch, counts_late};

/// What a failure counts as where answers are counted.
const AS_BAD_AS: u16 = 502;

/// What was tried so far.
#[derive(Default)]
pub struct Attempts {
    /// How many.
    pub count: u32,
    /// The places of those that failed, or were left.
    pub tried: Vec<Place>,
    /// What the log says of these.
    pub failed: Vec<Failed>,
    /// Why the last was not followed by another.
    pub why_not: Option<WhyNot>,
    /// Whose hand counts them, if they are counted.
    pub hand: Option<Hand>,
    /// When the last of them began, if the log wants to know.
    began: Option<Instant>,
    /// The place at the backend that answers, until its answer has passed.
    taken: Option<Taken>,
    /// The same of a backend that was asked as well and has answered first.
    pub rival: Option<Taken>,
    /// Its place in the pool as a whole, if the pool counts.
    pub admitted: Option<Admitted>,
}

/// What follows a failure.
pub enum Follow {
    /// The same backend over a new connection; this is no new attempt.
    Fresh,
    /// Another backend, after this time at most.
    Elsewhere(Duration),
    /// Nothing.
    Enough,
}

impl Attempts {
    /// Begins with none.
    pub fn since(began: Option<Instant>, hand: Option<Hand>) -> Self {
        Self { began, hand, ..Self::default() }
    }

    /// Begins the next one, on the backend that has the place that was taken.
    pub fn begin(&mut self, exchange: &mut Exchange<'_>, pool: &Pool, taken: &Taken) -> Picked {
        let backend = taken.picked().clone();
        exchange.known.record(|recording| recording.begin(&backend, self.count));
        self.count += 1;
        exchange.per_try = self.per_try(exchange, pool, backend.place());
        backend
    }

    /// Holds the place of the backend that has answered, until its answer has passed.
    pub fn hold(&mut self, taken: Taken) {
        self.taken = self.rival.take().or(Some(taken));
    }

    /// Says why there is no answer if nobody is left to ask: why the last one failed says more.
    pub fn why_nobody(&self, reason: Reason) -> Reason {
        let last = self.failed.last().map(|failed| failed.reason);
        last.filter(|_| reason.is_nobody()).unwrap_or(reason)
    }

    /// Returns the limit of the attempt at `place`, if another could follow it.
    fn per_try(&self, exchange: &Exchange<'_>, pool: &Pool, place: Place) -> Option<Duration> {
        let policy = exchange.retry();
        let per_try = policy.per_try?;
        let is_last = self.count >= policy.attempts_max || !exchange.request.is_idempotent;
        let tried = || [&self.tried[..], &[place]].concat();
        (!is_last && pool.has_left(&tried()) && pool.has_retry(policy.budget)).then_some(per_try)
    }

    /// Draws the consequences of a failure: writes it down and says what comes next.
    pub fn follow(
        &mut self,
        exchange: &Exchange<'_>,
        pool: &Pool,
        (backend, failure): (&Picked, Failure),
    ) -> Follow {
        if failure.reason.is_connection_error() {
            exchange.client.worker.idle.borrow_mut().close(backend);
            exchange.client.worker.http2.borrow_mut().close(backend);
        }
        self.note(backend, failure);
        let policy = exchange.retry();
        let why = match retry::decide(policy, failure, self.facts(exchange)) {
            Again::Fresh => {
                self.count(backend, |counts| counts.repeats.add(1));
                return Follow::Fresh;
            }
            Again::Elsewhere if !pool.has_left(&[&self.tried[..], &[backend.place()]].concat()) => {
                Some(WhyNot::NobodyElse)
            }
            Again::Elsewhere => self.why_not_again(pool, policy, failure),
            Again::No(why) => Some(why),
        };
        self.why_not = why.or(self.why_not);
        exchange.known.record(|recording| recording.failed(failure.reason));
        match why {
            Some(_) => Follow::Enough,
            // One that was not sent has hurt nobody: it need not wait.
            None if failure.is_unsent() => Follow::Elsewhere(Duration::ZERO),
            None => Follow::Elsewhere(policy.backoff_max(self.count)),
        }
    }

    /// Takes a retry out of what the pool has of them, or says why there is none.
    fn why_not_again(&self, pool: &Pool, policy: &Policy, failure: Failure) -> Option<WhyNot> {
        let breaker = pool.settings.breaker.as_ref();
        match &self.admitted {
            Some(admitted) if !admitted.may_retry(breaker) => Some(WhyNot::TooManyRetries),
            // An attempt of which nothing was sent has cost nobody anything.
            _ if failure.is_unsent() || pool.take_retry(policy.budget) => None,
            _ => Some(WhyNot::BudgetUsedUp),
        }
    }

    /// Says whether there may be a second attempt beside one that takes long, and counts it.
    pub fn may_hedge(&self, pool: &Pool, policy: &Policy) -> bool {
        let beside = Failure::OUTRUN;
        self.why_not_again(pool, policy, beside).is_none()
    }

    /// Tells the pool what has come of the request, a status, if it counts that.
    pub fn tell_pool(&self, pool: &Pool, status: u16) {
        if let Some(admitted) = &self.admitted {
            admitted.answered(pool.settings.breaker.as_ref(), status);
        }
    }

    /// Takes a place elsewhere instead of an answer whose status is retried, if the policy and the
    /// pool have one.
    #[inline]
    pub fn leave(
        &mut self,
        exchange: &Exchange<'_>,
        choice: &Choice,
        answered: &Answered,
    ) -> Option<Taken> {
        let is_retried = exchange.retry().statuses.has(answered.outcome().unwrap_or_default());
        if is_retried { self.leave_for(exchange, choice, answered) } else { None }
    }

    /// The same, once the status is known to be one. Without a place the answer is the best that
    /// there is.
    #[cold]
    fn leave_for(
        &mut self,
        exchange: &Exchange<'_>,
        choice: &Choice,
        answered: &Answered,
    ) -> Option<Taken> {
        let (bytes, fields) = (answered.download.bytes(), &answered.response.head.fields);
        let is_retry_after = |label: &[u8]| label.eq_ignore_ascii_case(b"retry-after");
        let after = fields.iter().find(|field| is_retry_after(field.label.of(bytes)));
        let is_put_off = after.is_some_and(|field| field.value.of(bytes) != b"0");
        let (policy, pool, backend) =
            (exchange.retry(), exchange.pool(), &answered.upstream.backend);
        let (reason, progress) = (Reason::RetriedStatus, Progress::Answered);
        let failure = Failure { reason, progress, reused: answered.upstream.reused };
        let facts = retry::Facts { is_put_off, ..self.facts(exchange) };
        let tried = || [&self.tried[..], &[backend.place()]].concat();
        let next = match retry::decide(policy, failure, facts) {
            Again::No(why) => Err(why),
            _ => place::take(exchange, choice, &tried()).ok_or(WhyNot::NobodyElse),
        };
        let next = next.and_then(|next| match self.why_not_again(pool, policy, failure) {
            Some(why) => Err(why),
            None => Ok(next),
        });
        self.why_not = next.as_ref().err().copied().or(self.why_not);
        if next.is_ok() {
            let status = answered.response.head.status;
            exchange.known.record(|recording| {
                recording.answered(status);
                recording.failed(reason);
            });
            self.note(backend, failure);
            self.rival = None;
        }
        next.ok()
    }

    fn facts(&self, exchange: &Exchange<'_>) -> retry::Facts {
        retry::Facts {
            attempts: self.count,
            is_idempotent: exchange.request.is_idempotent,
            is_replayable: exchange.upload.is_replayable(),
            is_put_off: false,
        }
    }

    /// Writes an attempt down that has failed, unless that was the client's fault.
    pub fn note(&mut self, backend: &Picked, Failure { reason, progress, .. }: Failure) {
        if reason.facts().fault != Fault::Client {
            let took = self.began.map(|began| began.elapsed()).unwrap_or_default();
            self.count(backend, |counts| counts.failures.count(reason));
            self.failed.push(Failed { backend: Arc::clone(backend), reason, progress, took });
        }
        self.began = self.began.map(|_| Instant::now());
    }

    fn count(&self, backend: &Backend, with: impl FnOnce(&BackendCounts)) {
        if let Some(hand) = self.hand {
            with(backend.counts.of(hand));
        }
    }
}
