//! A request's wait for a place at a backend when all are full: no longer than its deadline, and no
//! longer than its client stays.

use std::future::poll_fn;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::exchange::Exchange;
use crate::picker::Place;
use crate::pool::Pool;
use crate::pool::queue::{Waiting, Wish};
use crate::reason::Reason;

/// Waits for a place at a backend, and returns where; it is taken already.
///
/// # Errors
///
/// Says why there is none.
pub async fn wait(
    exchange: &mut Exchange<'_>,
    pool: &Pool,
    only: Option<Place>,
    tried: &[Place],
) -> Result<Place, Reason> {
    /// The coarse clock only tells that Nexus stops; the deadline is kept exactly.
    const AFTER: Duration = Duration::from_secs(1);
    let Some(rules) = pool.settings.queue else { return Err(Reason::BackendsFull) };
    let until = Instant::now() + rules.timeout;
    exchange.client.deadline.set(rules.timeout + AFTER);
    let wish = Wish { places: pool.places(), only, tried: tried.to_vec() };
    let waiting = Waiting::join(pool, wish, rules.waiting_max).ok_or(Reason::QueueFull)?;
    tokio::select! {
        biased;
        reason = poll_fn(|cx| exchange.poll_over(cx)) => Err(reason),
        place = waiting.place() => place.ok_or(Reason::NoBackendAvailable),
        () = sleep_until(until) => Err(Reason::QueueTimeout),
    }
}
