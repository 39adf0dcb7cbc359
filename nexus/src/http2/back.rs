//! HTTP/2 connections to backends: opened, shared by the requests of one worker, and closed.

use std::cell::Cell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::SendStream;
use h2::client::{Builder, ResponseFuture, SendRequest};
use tokio::sync::Notify;

use super::carrier::Carrier;
use super::pulse::{LOOK, Pulse};
use super::{
    HEAD_BYTES_MAX, RESETS_PROVOKED_MAX, RESETS_REMEMBERED_MAX, SEND_BYTES_MAX, STREAMS_MAX,
    WINDOW_ANSWER_BYTES, WINDOW_ANSWERS_BYTES, WINDOW_CONNECTION_BYTES, unseen,
};
use crate::backend::connections::Lease;
use crate::backend::{Backend, Serial};
use crate::http1::body::Framing;
use crate::reason::Reason;
use crate::stream::Stream;
use crate::worker::{Picked, Worker};

/// What stands for the most streams that a backend takes until it has said it: more than it can say.
const UNSAID: usize = usize::MAX - 1;

/// What small DATA frames that nobody has read yet may cost, as `h2` counts it: 256 bytes for each,
/// less its own. So that a connection's window may be full of messages of 16 bytes: when they are
/// more, the connection ends, and with it whatever else it carries.
const SMALL_FRAMES_COST: usize = WINDOW_CONNECTION_BYTES as usize / 16 * (256 - 16);

/// The HTTP/2 connections of one worker.
#[derive(Default)]
pub struct Connections {
    open: HashMap<Serial, Shelf>,
    opening: HashMap<Serial, Rc<Opening>>,
}

/// The connections to one backend.
struct Shelf {
    backend: Arc<Backend>,
    connections: Vec<Rc<Shared>>,
}

/// A connection that requests share.
struct Shared {
    requests: SendRequest<Bytes>,
    scheme: &'static str,
    /// Requests under way.
    streams: Cell<u32>,
    /// When the last of them ended, in ticks.
    since: Cell<u32>,
    /// How often the backend had been DOWN when it was opened.
    downs: u32,
    /// Whether it takes no more requests.
    is_over: Cell<bool>,
    /// Rung when its backend has said how it wants to be asked, or it is over.
    news: Notify,
}

impl Shared {
    /// Says whether one more request may be sent over it.
    fn has_room(&self, backend: &Backend) -> bool {
        let theirs = u32::try_from(self.requests.current_max_send_streams()).unwrap_or(u32::MAX);
        !self.is_over.get()
            && self.downs == backend.downs()
            && self.streams.get() < theirs.min(STREAMS_MAX)
            && self.is_ready()
    }

    /// Says whether the backend has told how many streams it takes, and which.
    fn is_settled(&self) -> bool {
        self.requests.current_max_send_streams() != UNSAID
    }

    /// Waits until it has: a request that came before could be one too many, and an upgrade one
    /// that the backend does not know to be allowed (RFC 8441 §3).
    ///
    /// # Errors
    ///
    /// Fails if the connection is over.
    async fn settle(&self) -> Result<(), Reason> {
        while !self.is_settled() {
            if self.is_over.get() {
                return Err(Reason::BackendReset);
            }
            self.news.notified().await;
        }
        Ok(())
    }

    /// Says whether the backend has not told to go away.
    fn is_ready(&self) -> bool {
        let mut requests = self.requests.clone();
        !matches!(requests.poll_ready(&mut Context::from_waker(Waker::noop())), Poll::Ready(Err(_)))
    }
}

/// Room for one request on a connection, until it is dropped.
pub struct Slot {
    connection: Rc<Shared>,
    worker: Rc<Worker>,
    /// Whether an earlier request used the connection.
    pub is_reused: bool,
}

impl Slot {
    fn take(worker: &Rc<Worker>, connection: &Rc<Shared>, is_reused: bool) -> Self {
        connection.streams.set(connection.streams.get() + 1);
        Self { connection: Rc::clone(connection), worker: Rc::clone(worker), is_reused }
    }

    /// Returns the scheme of its requests, and whether the backend takes an upgrade as CONNECT.
    pub fn about(&self) -> (&'static str, bool) {
        let takes_upgrades = self.connection.requests.is_extended_connect_protocol_enabled();
        (self.connection.scheme, takes_upgrades)
    }

    /// Sends the head of a request.
    ///
    /// # Errors
    ///
    /// Fails, with nothing sent, if the connection is over.
    pub fn send(
        &mut self,
        request: http::Request<()>,
        framing: Framing,
    ) -> io::Result<(ResponseFuture, SendStream<Bytes>)> {
        let mut requests = self.connection.requests.clone();
        let ends = matches!(framing, Framing::None | Framing::Length(0));
        requests.send_request(request, ends).map_err(|_| {
            self.connection.is_over.set(true);
            unseen()
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.connection.streams.set(self.connection.streams.get() - 1);
        self.connection.since.set(self.worker.deadlines.now());
    }
}

impl Connections {
    /// Takes room for a request on a connection to `backend`, if there is some.
    pub fn take(&mut self, worker: &Rc<Worker>, backend: &Backend) -> Option<Slot> {
        let shelf = self.open.get(&backend.serial)?;
        let connection = shelf.connections.iter().find(|open| open.has_room(backend))?;
        Some(Slot::take(worker, connection, true))
    }

    fn put(&mut self, backend: &Arc<Backend>, connection: Rc<Shared>) {
        let new = || Shelf { backend: Arc::clone(backend), connections: Vec::new() };
        self.open.entry(backend.serial).or_insert_with(new).connections.push(connection);
    }

    /// Returns who is opening a connection to `backend`.
    pub fn opening(&self, backend: &Backend) -> Option<Rc<Opening>> {
        self.opening.get(&backend.serial).cloned()
    }

    /// Lets others wait for the connection that is about to be opened, until the guard is dropped.
    pub fn begin_opening(worker: &Rc<Worker>, backend: &Backend) -> OpeningGuard {
        let opening = Rc::<Opening>::default();
        worker.http2.borrow_mut().opening.insert(backend.serial, Rc::clone(&opening));
        OpeningGuard { opening, worker: Rc::clone(worker), serial: backend.serial }
    }

    /// Closes all connections to one backend as soon as they carry nothing.
    pub fn close(&mut self, backend: &Backend) {
        self.open.remove(&backend.serial);
    }

    /// Closes those that carry nothing, to backends of which another worker wants to open one.
    pub fn close_wanted(&mut self) {
        for Shelf { backend, connections } in self.open.values_mut() {
            if backend.connections.are_wanted() {
                connections.retain(|open| open.streams.get() > 0);
            }
        }
    }

    /// Closes those that have carried nothing since tick `oldest`, are over, or lead to a backend
    /// that is not `wanted` any more.
    pub fn sweep(&mut self, oldest: impl Fn(&Backend) -> Option<u32>) {
        self.open.retain(|_, Shelf { backend, connections }| {
            let Some(oldest) = oldest(backend) else { return false };
            connections.retain(|open| {
                let is_young = open.streams.get() > 0 || open.since.get() >= oldest;
                !open.is_over.get() && open.downs == backend.downs() && is_young
            });
            !connections.is_empty()
        });
    }

    /// Returns how many carry no request, to each backend that has any.
    pub fn idle_counts(&self) -> impl Iterator<Item = (&Backend, usize)> {
        let is_idle = |open: &&Rc<Shared>| open.streams.get() == 0 && !open.is_over.get();
        let count = move |shelf: &Shelf| shelf.connections.iter().filter(is_idle).count();
        self.open.values().map(move |shelf| (&*shelf.backend, count(shelf)))
    }
}

/// A connection that is being opened.
#[derive(Default)]
pub struct Opening {
    done: Notify,
    /// Why there will be none.
    failed: Cell<Option<Reason>>,
}

impl Opening {
    /// Waits until it is open, or why it is not.
    ///
    /// # Errors
    ///
    /// Says why it could not be opened; whoever gave up opening it for a reason of its own gives none.
    pub async fn wait(&self) -> Result<(), Reason> {
        self.done.notified().await;
        self.failed.get().map_or(Ok(()), Err)
    }
}

/// The duty to open a connection; whatever comes of it, those who wait are told.
pub struct OpeningGuard {
    opening: Rc<Opening>,
    worker: Rc<Worker>,
    serial: Serial,
}

impl OpeningGuard {
    /// Says why there is no connection.
    pub fn fail(&self, reason: Reason) {
        self.opening.failed.set(Some(reason));
    }
}

impl Drop for OpeningGuard {
    fn drop(&mut self) {
        let mut all = self.worker.http2.borrow_mut();
        if all.opening.get(&self.serial).is_some_and(|it| Rc::ptr_eq(it, &self.opening)) {
            all.opening.remove(&self.serial);
        }
        drop(all);
        self.opening.done.notify_waiters();
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_max_send_streams(UNSAID)
        .initial_connection_window_size(WINDOW_ANSWERS_BYTES)
        .initial_window_size(WINDOW_ANSWER_BYTES)
        .max_header_list_size(HEAD_BYTES_MAX)
        .max_send_buffer_size(SEND_BYTES_MAX)
        .data_frame_budget(SMALL_FRAMES_COST)
        .max_concurrent_reset_streams(RESETS_REMEMBERED_MAX)
        .max_local_error_reset_streams(Some(RESETS_PROVOKED_MAX));
    builder
}

/// Begins HTTP/2 on a connection that was opened, and takes room for the first request.
///
/// # Errors
///
/// Fails if the connection is over already.
pub async fn begin(
    worker: &Rc<Worker>,
    backend: &Picked,
    (stream, lease): (Stream, Lease),
) -> Result<Slot, Reason> {
    let scheme = if matches!(stream, Stream::Tls(_)) { "https" } else { "http" };
    let (carrier, meter) = Carrier::new(stream, Vec::new());
    let handshake = builder().handshake(carrier).await;
    let (requests, mut connection) = handshake.map_err(|_| Reason::BackendReset)?;
    let now = worker.deadlines.now();
    let mut pulse = Pulse::new(connection.ping_pong(), meter, now);
    let shared = Rc::new(Shared {
        requests,
        scheme,
        streams: Cell::default(),
        since: Cell::new(now),
        downs: backend.downs(),
        is_over: Cell::new(false),
        news: Notify::new(),
    });
    let slot = Slot::take(worker, &shared, false);
    let (weak, deadlines) = (Rc::downgrade(&shared), Rc::clone(&worker.deadlines));
    let stall = backend.pool().settings.timeouts.stall;
    let stall = stall.unwrap_or(worker.timeout(|all| all.stall));
    tokio::task::spawn_local(async move {
        let _lease = lease;
        let deadline = deadlines.lend();
        deadline.set(LOOK);
        let mut is_settled = false;
        poll_fn(|cx| {
            if Pin::new(&mut connection).poll(cx).is_ready() {
                return Poll::Ready(());
            }
            if !is_settled && let Some(shared) = weak.upgrade().filter(|open| open.is_settled()) {
                is_settled = true;
                shared.news.notify_one();
            }
            while deadline.poll_passed(cx) {
                if deadlines.is_over() || pulse.is_dead(cx, deadlines.now(), stall) {
                    return Poll::Ready(());
                }
                deadline.set(LOOK);
            }
            Poll::Pending
        })
        .await;
        if let Some(shared) = weak.upgrade() {
            shared.is_over.set(true);
            shared.news.notify_one();
        }
    });
    shared.settle().await?;
    worker.http2.borrow_mut().put(backend, shared);
    Ok(slot)
}
