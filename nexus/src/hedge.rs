//! A second attempt beside one that takes long: the first answer wins, the other is given up.
//!
//! # Why is the second not an attempt like any other?
//!
//! An attempt moves the client's own bytes; two at once cannot. The second sends a copy of a request
//! that is there whole (its body is kept anyway, to be sent again), over a connection of its own.
//! Interim answers to it are not passed on: those of the first are.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

use crate::attempts::{Attempts, Watch};
use crate::dial::Exact;
use crate::exchange::{Exchange, Incoming, Upload};
use crate::forward::connect::{self, Order};
use crate::forward::{self, Answered, Upstream};
use crate::known;
use crate::place::{self, Choice};
use crate::proxy_protocol::Ends;
use crate::reason::{Fault, Reason};
use crate::retry::Failure;
use crate::spans;
use crate::stream::Next;
use crate::worker::{Picked, Taken, Worker};

/// While the second alone is waited for, the coarse clock only tells that Nexus stops.
const AFTER: Duration = Duration::from_secs(1);

/// Tries the request on `backend` as [`forward::attempt`] does, and on another one as well if that
/// has not answered `after` this time.
///
/// # Errors
///
/// Says what went wrong with the first, if neither has answered.
pub async fn attempt(
    exchange: &mut Exchange<'_>,
    attempts: &mut Attempts,
    choice: &Choice,
    (backend, fresh, watch): (&Picked, bool, &Watch),
    after: Duration,
) -> Result<Box<Answered>, Failure> {
    let mut rival = Rival::new(backend, after);
    let opened = {
        let mut opening = pin!(forward::open(exchange, backend, fresh));
        let poll = |cx: &mut Context<'_>| match opening.as_mut().poll(cx) {
            Poll::Ready(opened) => Poll::Ready(Some(opened)),
            Poll::Pending => rival.poll_won(cx, exchange, attempts, choice).map(|()| None),
        };
        poll_fn(poll).await
    };
    let failure = match opened {
        None => return Ok(rival.wins(exchange, attempts, (watch, None))),
        Some(Err(reason)) => forward::unopened(backend, reason),
        Some(Ok(mut upstream)) => {
            exchange.start(backend);
            let mut incoming = Incoming::default();
            let poll = |cx: &mut Context<'_>| match exchange.poll_head(
                cx,
                &mut upstream.stream,
                &mut incoming,
            ) {
                Poll::Ready(head) => Poll::Ready(Some(head)),
                Poll::Pending => rival.poll_won(cx, exchange, attempts, choice).map(|()| None),
            };
            match poll_fn(poll).await {
                None => return Ok(rival.wins(exchange, attempts, (watch, None))),
                Some(head) => {
                    match forward::conclude(upstream, &mut incoming, head, exchange.upload.written)
                    {
                        Ok(answered) => {
                            rival.loses(exchange, attempts);
                            return Ok(answered);
                        }
                        Err(failure) => failure,
                    }
                }
            }
        }
    };
    if rival.is_under_way() && failure.reason.facts().fault == Fault::Backend {
        let left = rival.until.saturating_duration_since(Instant::now());
        exchange.client.deadline.set(left + AFTER);
        let poll = |cx: &mut Context<'_>| match rival.poll_won(cx, exchange, attempts, choice) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending if !rival.is_under_way() => Poll::Ready(Some(failure.reason)),
            Poll::Pending => exchange.poll_over(cx).map(Some),
        };
        return match poll_fn(poll).await {
            None => Ok(rival.wins(exchange, attempts, (watch, Some(failure)))),
            // Why the first has failed, or why there is no more use in waiting.
            Some(reason) => Err(Failure { reason, ..failure }),
        };
    }
    Err(failure)
}

/// What the other attempt comes to.
type Outcome = Result<Box<Answered>, (Picked, Failure)>;

/// The other attempt.
struct Rival {
    /// Whom the first asks.
    first: Picked,
    state: State,
    /// How long it may take.
    until: Instant,
    /// Its place among what is written down.
    span: Option<usize>,
}

enum State {
    /// Until then the first is waited for alone.
    Waits(Pin<Box<Sleep>>),
    /// It is under way, at a place of its own.
    UnderWay(Taken, Watch, Pin<Box<dyn Future<Output = Outcome>>>),
    /// It has answered.
    Answered(Taken, Box<Answered>),
    /// There is none, or none any more.
    Over,
}

impl Rival {
    fn new(first: &Picked, after: Duration) -> Self {
        let waits = State::Waits(Box::pin(sleep_until(Instant::now() + after)));
        Self { first: first.clone(), state: waits, until: Instant::now(), span: None }
    }

    fn is_under_way(&self) -> bool {
        matches!(self.state, State::UnderWay(..))
    }

    /// Begins it when its time has come; ready when it has answered.
    fn poll_won(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &Exchange<'_>,
        attempts: &mut Attempts,
        choice: &Choice,
    ) -> Poll<()> {
        if let State::Waits(sleep) = &mut self.state {
            ready!(sleep.as_mut().poll(cx));
            self.state = self.begin(exchange, attempts, choice).unwrap_or(State::Over);
        }
        let State::UnderWay(_, _, answer) = &mut self.state else { return Poll::Pending };
        let outcome = ready!(answer.as_mut().poll(cx));
        let State::UnderWay(taken, watch, _) = std::mem::replace(&mut self.state, State::Over)
        else {
            unreachable!("it was under way a moment ago");
        };
        match outcome {
            Ok(answered) => {
                watch.counts(exchange.pool(), &answered.upstream.backend, answered.outcome());
                self.state = State::Answered(taken, answered);
                Poll::Ready(())
            }
            Err((backend, failure)) => {
                watch.failed(exchange.pool(), &backend, failure);
                attempts.note(&backend, failure);
                exchange.known.record(|recording| recording.end(self.span, failure.reason));
                Poll::Pending
            }
        }
    }

    /// Sends a copy to another backend, if the request may run twice, is there whole, and the pool
    /// has a place and a retry left.
    fn begin(
        &mut self,
        exchange: &Exchange<'_>,
        attempts: &mut Attempts,
        choice: &Choice,
    ) -> Option<State> {
        let (policy, pool) = (exchange.retry(), exchange.pool());
        let may_run_twice = exchange.request.is_idempotent && attempts.count < policy.attempts_max;
        let tried = || [&attempts.tried[..], &[self.first.place()]].concat();
        let taken = may_run_twice.then(|| place::take(exchange, choice, &tried())).flatten()?;
        let backend = taken.picked().clone();
        let span = known::new_span(&exchange.known);
        let message =
            exchange.copy(&backend, exchange.modifiers().map(|all| &all.request_headers), span)?;
        if !attempts.may_hedge(pool, policy) {
            return None;
        }
        exchange.known.record(|recording| {
            let id = span.unwrap_or_else(spans::new_id);
            self.span = recording.begin_beside(id, &backend, attempts.count);
        });
        attempts.count += 1;
        attempts.tried.push(backend.place());
        let limits = Limits {
            connect: exchange.timeout_connect(),
            response: exchange.timeout_response(),
            until: exchange.until.map(Instant::from_std),
            ends: exchange.client.ends(),
        };
        self.until = Instant::now() + limits.connect + limits.response;
        let watch = Watch::start(pool, &backend, attempts.hand);
        let worker = Rc::clone(&exchange.client.worker);
        let answer = ask(worker, backend, message, exchange.request.is_head, limits);
        Some(State::UnderWay(taken, watch, Box::pin(answer)))
    }

    /// Writes the first down as lost, with its failure if it had one; returns the answer.
    fn wins(
        self,
        exchange: &mut Exchange<'_>,
        attempts: &mut Attempts,
        (watch, failure): (&Watch, Option<Failure>),
    ) -> Box<Answered> {
        let State::Answered(taken, answered) = self.state else {
            unreachable!("it has answered");
        };
        match failure {
            Some(failure) => watch.failed(exchange.pool(), &self.first, failure),
            None => watch.outrun(exchange.pool(), &self.first),
        }
        let lost = failure.unwrap_or(Failure::OUTRUN);
        exchange.known.record(|recording| {
            recording.failed(lost.reason);
            recording.take_over(self.span);
        });
        attempts.note(&self.first, lost);
        attempts.tried.push(self.first.place());
        // Whoever answers has the whole request: nothing of what the first was sent is for it.
        exchange.upload_state = Upload::Done;
        attempts.rival = Some(taken);
        answered
    }

    /// Writes it down as lost, if it was under way.
    fn loses(self, exchange: &Exchange<'_>, attempts: &mut Attempts) {
        if let State::UnderWay(taken, ..) = self.state {
            exchange.known.record(|recording| recording.end(self.span, Reason::Outrun));
            attempts.note(taken.picked(), Failure::OUTRUN);
        }
    }
}

/// How long the other attempt may take.
struct Limits {
    connect: Duration,
    response: Duration,
    /// When all attempts are over.
    until: Option<Instant>,
    /// For whom it is, if the backend is told.
    ends: Ends,
}

impl Limits {
    /// Says why something was too late: for itself, or since all is.
    fn why(&self, reason: Reason) -> Reason {
        let is_over = self.until.is_some_and(|until| Instant::now() >= until);
        if is_over { Reason::TotalTimeout } else { reason }
    }

    /// Returns when something is too late that may take so long.
    fn until(&self, limit: Duration) -> Instant {
        let own = Instant::now() + limit;
        self.until.map_or(own, |until| own.min(until))
    }
}

/// Sends a copy of a request, and reads the head of its answer.
async fn ask(
    worker: Rc<Worker>,
    backend: Picked,
    message: Vec<u8>,
    to_head: bool,
    limits: Limits,
) -> Outcome {
    let order = Order { limit: limits.connect, waits: false, fresh: false, ends: limits.ends };
    let opened = match connect::take(&worker, &backend, false) {
        Some(open) => Ok(open),
        None => connect::connect(&worker, &backend, order, &Exact).await,
    };
    let mut upstream = match opened {
        Ok(open) => open,
        Err(reason) => {
            let failure = forward::unopened(&backend, limits.why(reason));
            return Err((backend, failure));
        }
    };
    let mut incoming = Incoming::default();
    let head = poll_head(&mut upstream, &message, &mut incoming, to_head);
    let head = timeout_at(limits.until(limits.response), head).await;
    let head = head.unwrap_or_else(|_| Err(limits.why(Reason::ResponseTimeout)));
    // All of it was written, or as much as the backend has taken.
    let written = message.len() as u64;
    forward::conclude(upstream, &mut incoming, head, written).map_err(|failure| (backend, failure))
}

/// Writes the message and reads on to the head of the final answer.
async fn poll_head(
    upstream: &mut Upstream,
    message: &[u8],
    incoming: &mut Incoming,
    to_head: bool,
) -> Result<crate::http1::response::Response, Reason> {
    let mut at = 0;
    poll_fn(|cx| {
        while at < message.len() {
            match ready!(upstream.stream.poll_write(cx, &message[at..], Next::Unknown)) {
                Ok(written) if written > 0 => at += written,
                // It may have answered all the same.
                _ => at = message.len(),
            }
        }
        loop {
            match ready!(incoming.poll_read(cx, &mut upstream.stream)) {
                Ok(()) => {}
                Err(reason) => return Poll::Ready(Err(reason)),
            }
            match incoming.parse(to_head, |_, _| {}) {
                Ok(None) => {}
                Ok(Some(head)) if head.head.status == 101 => {
                    return Poll::Ready(Err(Reason::UnexpectedUpgrade));
                }
                Ok(Some(head)) => return Poll::Ready(Ok(head)),
                Err(reason) => return Poll::Ready(Err(reason)),
            }
        }
    })
    .await
}
