//! How an attempt comes to its connection: one that is open, or a new one.
//!
//! # Why do requests wait for each other's connection?
//!
//! Where one connection carries many requests, those that come while it is being opened wait for it
//! instead of opening one each. When it fails, it fails for all of them.

use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Upstream;
use crate::backend::Scheme;
use crate::backend::connections::Lease;
use crate::dial::{self, Clock};
use crate::http2::Asking;
use crate::http2::back::{self, Connections, Slot};
use crate::proxy_protocol::Ends;
use crate::reason::Reason;
use crate::stream::Stream;
use crate::worker::{Picked, Worker};

/// What a new connection is to be.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    /// How long it may take.
    pub limit: Duration,
    /// Whether it is waited for while the backend has as many as it takes.
    pub waits: bool,
    /// Whether it must be a new one.
    pub fresh: bool,
    /// For whom it is, if the backend is told.
    pub ends: Ends,
}

/// Takes a connection that is open; `surely` asks the socket itself whether it is.
pub fn take(worker: &Rc<Worker>, backend: &Picked, surely: bool) -> Option<Upstream> {
    if backend.url.scheme.may_multiplex()
        && let Some(slot) = worker.http2.borrow_mut().take(worker, backend)
    {
        return Some(shared(worker, backend, slot));
    }
    let (stream, lease) = worker.idle.borrow_mut().take(backend, surely)?;
    count_reuse(worker, backend);
    Some(Upstream { reused: true, ..alone(backend, stream, lease) })
}

/// Opens a connection, as soon as there may be one more.
///
/// # Errors
///
/// Says why there is none.
pub async fn connect(
    worker: &Rc<Worker>,
    backend: &Picked,
    order: Order,
    clock: &impl Clock,
) -> Result<Upstream, Reason> {
    let is_shared = backend.speaks_http2.load(Ordering::Relaxed);
    if is_shared
        && !order.fresh
        && let Some(slot) = worker.http2.borrow_mut().take(worker, backend)
    {
        return Ok(shared(worker, backend, slot));
    }
    if is_shared && let Some(slot) = wait(worker, backend, order.limit, clock).await? {
        // One that somebody else has opened meanwhile is as good as a new one, and one for all who
        // lost theirs at once: but nobody takes up a third over it.
        let upstream = shared(worker, backend, slot);
        return Ok(Upstream { reused: upstream.reused && !order.fresh, ..upstream });
    }
    let opening = is_shared.then(|| Connections::begin_opening(worker, backend));
    let opened = open(worker, backend, order, clock).await;
    if let (Some(opening), Err(reason)) = (opening, &opened) {
        opening.fail(*reason);
    }
    opened
}

/// Waits for a connection that somebody else is opening; `None` means that nobody is.
async fn wait(
    worker: &Rc<Worker>,
    backend: &Picked,
    limit: Duration,
    clock: &impl Clock,
) -> Result<Option<Slot>, Reason> {
    loop {
        let Some(opening) = worker.http2.borrow().opening(backend) else { return Ok(None) };
        let waited = clock.within(limit, opening.wait()).await;
        waited.unwrap_or(Err(Reason::ConnectTimeout))?;
        if let Some(slot) = worker.http2.borrow_mut().take(worker, backend) {
            return Ok(Some(slot));
        }
        if !backend.speaks_http2.load(Ordering::Relaxed) {
            return Ok(None); // It has come back to HTTP/1.1.
        }
    }
}

async fn open(
    worker: &Rc<Worker>,
    backend: &Picked,
    order: Order,
    clock: &impl Clock,
) -> Result<Upstream, Reason> {
    let max = backend.connections_max();
    let lease = match Lease::take(backend, max) {
        Some(lease) => lease,
        None if order.waits => {
            Lease::wait(backend, max, order.limit).await.ok_or(Reason::BackendsFull)?
        }
        None => return Err(Reason::BackendsFull),
    };
    let (mut terms, announced) = (backend.terms()?, backend.pool().settings.proxy_protocol);
    if let Some(version) = announced {
        terms.announce(version, Some(order.ends));
    }
    let began = worker.counting().map(|hand| (hand, Instant::now()));
    let stream = dial::dial(backend, &terms, order.limit, clock).await?;
    if let Some((hand, began)) = began {
        let counts = backend.counts.of(hand);
        counts.opened.add(1);
        counts.connect.count(began.elapsed().into());
    }
    let speaks_http2 = match &stream {
        Stream::Tls(tls) => tls.speaks_http2(),
        _ => backend.url.scheme == Scheme::H2c,
    };
    backend.speaks_http2.store(speaks_http2, Ordering::Relaxed);
    if announced.is_some() {
        return Ok(sole(backend, stream, lease));
    }
    if !speaks_http2 {
        return Ok(alone(backend, stream, lease));
    }
    let begun = clock.within(order.limit, back::begin(worker, backend, (stream, lease))).await;
    Ok(shared(worker, backend, begun.unwrap_or(Err(Reason::ConnectTimeout))?))
}

fn count_reuse(worker: &Worker, backend: &Picked) {
    if let Some(hand) = worker.counting() {
        backend.counts.of(hand).reused.add(1);
    }
}

fn alone(backend: &Picked, stream: Stream, lease: Lease) -> Upstream {
    let (backend, downs) = (backend.clone(), backend.downs());
    Upstream { stream, lease: Some(lease), sole: None, backend, reused: false, downs }
}

fn sole(backend: &Picked, stream: Stream, lease: Lease) -> Upstream {
    let upstream = alone(backend, stream, lease);
    Upstream { sole: upstream.lease, lease: None, ..upstream }
}

fn shared(worker: &Worker, backend: &Picked, slot: Slot) -> Upstream {
    if slot.is_reused {
        count_reuse(worker, backend);
    }
    let (backend, downs, reused) = (backend.clone(), backend.downs(), slot.is_reused);
    let stream = Stream::Asking(Box::new(Asking::new(slot)));
    Upstream { stream, lease: None, sole: None, backend, reused, downs }
}
