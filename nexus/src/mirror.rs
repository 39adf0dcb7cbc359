//! Copies of requests for another pool, whose answers nobody sees: a new version tried on real
//! traffic.
//!
//! # Why can a copy never hurt the original?
//!
//! It is made of what is in memory anyway, once the original has its answer, and is sent by a task
//! of its own. Copies that would be too many are dropped; so are those of uploads that were not
//! kept whole ([`KEPT_BYTES_MAX`](crate::retry::KEPT_BYTES_MAX)) and of tunnels.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;

use tokio::time::timeout;

use crate::dial::Exact;
use crate::exchange::Exchange;
use crate::forward::connect::{self, Order};
use crate::proxy_protocol::Ends;
use crate::route::{HeaderRules, Mirror};
use crate::stream::{Next, Stream};
use crate::worker::{Picked, Worker};

/// Copies under way at once, in each worker: a slow pool of copies must not hold memory without end.
const UNDER_WAY_MAX: usize = 256;

/// Sends a copy of the request if its route says so and chance has it. The request has its answer.
pub fn copy(exchange: &Exchange<'_>) {
    let Some(mirror) = exchange.modifiers().and_then(|modifiers| modifiers.mirror) else { return };
    if fastrand::u32(..100) < u32::from(mirror.percent) {
        send(exchange, mirror);
    }
}

fn send(exchange: &Exchange<'_>, mirror: Mirror) {
    let place = Rc::clone(&exchange.client.worker.mirrors);
    let Some(place) = Place::take(place) else {
        return tracing::debug!("a copy of a request is dropped: too many are under way");
    };
    let pool = usize::from(mirror.pool.0);
    let Some(picked) = exchange.view.pools[pool].pick(fastrand::u64(..), &[]) else { return };
    let backend = Picked::new(&exchange.view, pool, picked);
    let Some(message) = message(exchange, &backend) else { return };
    let (worker, ends) = (Rc::clone(&exchange.client.worker), exchange.client.ends());
    tokio::task::spawn_local(async move {
        let _place = place;
        if let Err(error) = deliver(&worker, &backend, &message, ends).await {
            tracing::debug!(backend = %backend.name, %error, "a copy of a request was not answered");
        }
    });
}

/// Writes the copy, if all of the request is there.
fn message(exchange: &Exchange<'_>, backend: &Picked) -> Option<Vec<u8>> {
    let modifiers = exchange.modifiers();
    let rules = modifiers.map(|modifiers| modifiers.request_headers.clone()).unwrap_or_default();
    // One request a connection: whatever the copy's answer is, its end is the end of the connection.
    let rules = HeaderRules {
        add: [rules.add, vec![("Connection".to_owned(), "close".to_owned())]].concat(),
        ..rules
    };
    exchange.copy(backend, Some(&rules), None)
}

/// Sends a copy and reads its answer away, within the times of its pool.
async fn deliver(
    worker: &Rc<Worker>,
    backend: &Picked,
    message: &[u8],
    ends: Ends,
) -> Result<(), String> {
    let timeouts = &backend.pool().settings.timeouts;
    let order = Order { limit: timeouts.connect, waits: false, fresh: false, ends };
    let mut upstream = match connect::connect(worker, backend, order, &Exact).await {
        Ok(upstream) => upstream,
        Err(reason) => {
            if reason.is_connection_error() {
                backend.request_failed(reason);
            }
            return Err(reason.code().to_owned());
        }
    };
    match timeout(timeouts.response, exchange_bytes(&mut upstream.stream, message)).await {
        Ok(outcome) => outcome.map_err(|error| error.to_string()),
        Err(_) => Err("it took too long".to_owned()),
    }
}

async fn exchange_bytes(stream: &mut Stream, message: &[u8]) -> std::io::Result<()> {
    let mut left = message;
    while !left.is_empty() {
        let written = poll_fn(|cx| stream.poll_write(cx, left, Next::Unknown)).await?;
        left = &left[written..];
    }
    let mut answer = vec![0; 16 * 1024];
    while poll_fn(|cx| stream.poll_read(cx, &mut answer)).await? > 0 {}
    Ok(())
}

/// One of the copies that may be under way.
struct Place(Rc<Cell<usize>>);

impl Place {
    fn take(taken: Rc<Cell<usize>>) -> Option<Self> {
        if taken.get() >= UNDER_WAY_MAX {
            return None;
        }
        taken.set(taken.get() + 1);
        Some(Self(taken))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
