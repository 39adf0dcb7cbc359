//! A place at a backend for the next attempt: its session's, the picker's, or, when all are full,
//! the next that comes free.

use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::exchange::Exchange;
use crate::picker::Place;
use crate::pool::Pool;
use crate::pool::queue::{Waiting, Wish};
use crate::pool::sessions::Session;
use crate::reason::Reason;
use crate::route;
use crate::session::{self, WhenFull};
use crate::spans::Kind;
use crate::worker::{Picked, Taken};

/// While something is waited for exactly, the coarse clock only tells that Nexus stops.
const AFTER: Duration = Duration::from_secs(1);

/// What a request's backend is chosen by.
pub struct Choice {
    /// What the request is about, if the pool's algorithm goes by that.
    pub key: u64,
    /// The session that it belongs to, if the pool has sessions.
    pub session: Session,
}

impl Choice {
    /// Reads it off a request.
    pub fn of(exchange: &Exchange<'_>, pool: &Pool) -> Self {
        let has_key = pool.settings.algorithm.has_key();
        if !has_key && pool.sessions.is_none() {
            return Self { key: 0, session: Session::default() };
        }
        let (request, bytes) = (&exchange.request, exchange.upload.bytes());
        let fields = route::HeadFields { bytes, fields: &request.head.fields };
        let facts = route::Facts::of(request, &fields, exchange.client.origin.ip);
        let key = if has_key { pool.settings.hash_key.of(&facts) } else { 0 };
        let session = pool.sessions.as_ref().map(|all| all.find(&facts, session::now()));
        Self { key, session: session.unwrap_or_default() }
    }
}

/// Takes a place at a backend that was not tried; `None` if none has one left.
pub fn take(exchange: &Exchange<'_>, choice: &Choice, tried: &[Place]) -> Option<Taken> {
    let pool = exchange.pool();
    let take = |place| Taken::take(&Picked::new(&exchange.view, exchange.pool, place));
    if choice.session.home.is_some()
        && let Some(home) = pool.home(&choice.session, tried)
    {
        let taken = take(home);
        if taken.is_some() && tried.is_empty() {
            pool.budget.apart.fetch_add(1, Ordering::Relaxed);
        }
        if taken.is_some() || waits(pool) {
            return taken;
        }
    }
    let mut left_out = tried.to_vec();
    while let Some(place) = pool.pick(choice.key, &left_out) {
        // It may have gone out a moment ago, before the layers were laid out anew; or another
        // worker took the last place.
        let is_available = pool.backends()[usize::from(place.0)].is_available();
        if let Some(taken) = is_available.then(|| take(place)).flatten() {
            if taken.picked().is_used_anyway() {
                pool.panicked.fetch_add(1, Ordering::Relaxed);
            }
            return Some(taken);
        }
        left_out.push(place);
    }
    None
}

/// Says whether sessions wait for their backend while it is full.
fn waits(pool: &Pool) -> bool {
    pool.settings.sticky.as_ref().is_some_and(|sticky| sticky.when_full == WhenFull::Wait)
}

/// Waits for a place, after [`take`] has found none.
///
/// # Errors
///
/// Says why there is none.
pub async fn wait(
    exchange: &mut Exchange<'_>,
    choice: &Choice,
    tried: &[Place],
) -> Result<Taken, Reason> {
    let began = exchange.known.begin();
    let waited = wait_in_line(exchange, choice, tried).await;
    exchange.known.step(began, waited.as_ref().err().copied(), || Kind::Queue);
    waited
}

async fn wait_in_line(
    exchange: &mut Exchange<'_>,
    choice: &Choice,
    tried: &[Place],
) -> Result<Taken, Reason> {
    let view = std::rc::Rc::clone(&exchange.view);
    let pool = &view.pools[exchange.pool];
    let at = exchange.pool;
    let handed_over = |place| Taken::handed_over(&Picked::new(&view, at, place));
    if let Some(home) = pool.home(&choice.session, tried).filter(|_| waits(pool)) {
        match wait_for(exchange, pool, Some(home), tried).await {
            // It is not there any more: the session moves.
            Err(Reason::NoBackendAvailable) => {}
            waited => return waited.map(handed_over),
        }
        if let Some(taken) = take(exchange, choice, tried) {
            return Ok(taken);
        }
    }
    if !pool.has_left(tried) {
        return Err(Reason::NoBackendAvailable);
    }
    wait_for(exchange, pool, None, tried).await.map(handed_over)
}

/// Waits in the queue, no longer than its deadline and no longer than the client stays; returns
/// where a place is, which is taken already.
async fn wait_for(
    exchange: &mut Exchange<'_>,
    pool: &Pool,
    only: Option<Place>,
    tried: &[Place],
) -> Result<Place, Reason> {
    let Some(rules) = pool.settings.queue else { return Err(Reason::BackendsFull) };
    let timeout = exchange.within(rules.timeout);
    let until = Instant::now() + timeout;
    exchange.client.deadline.set(timeout + AFTER);
    let wish = Wish { places: pool.places(), only, tried: tried.to_vec() };
    let waiting = Waiting::join(pool, wish, rules.waiting_max).ok_or(Reason::QueueFull)?;
    let began = exchange.client.worker.counting().map(|hand| (hand, Instant::now()));
    let waited = tokio::select! {
        biased;
        reason = poll_fn(|cx| exchange.poll_over(cx)) => Err(reason),
        place = waiting.place() => place.ok_or(Reason::NoBackendAvailable),
        () = sleep_until(until) => Err(match exchange.is_too_late() {
            true => Reason::TotalTimeout,
            false => Reason::QueueTimeout,
        }),
    };
    if let Some((hand, began)) = began {
        pool.counts.of(hand).queue.count(began.elapsed().into());
    }
    waited
}

/// Waits before an attempt after the second, as long as chance says, so that those who failed
/// together do not come back together.
///
/// # Errors
///
/// Says why there is no more use in waiting.
pub async fn back_off(exchange: &mut Exchange<'_>, max: Duration) -> Result<(), Reason> {
    let wait = exchange.within(max.mul_f64(fastrand::f64()));
    exchange.client.deadline.set(wait + AFTER);
    tokio::select! {
        biased;
        reason = poll_fn(|cx| exchange.poll_over(cx)) => Err(reason),
        () = sleep_until(Instant::now() + wait) => match exchange.is_too_late() {
            true => Err(Reason::TotalTimeout),
            false => Ok(()),
        },
    }
}
