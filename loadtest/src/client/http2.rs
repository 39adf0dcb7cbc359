//! HTTP/2: a connection that several workers share, one request of each at a time.
//!
//! The connection has a task of its own. A worker that finds none opens one, and the others of the
//! same trunk wait for it.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::time::Instant;

use bytes::Bytes;
use h2::SendStream;
use h2::client::{Builder, ResponseFuture, SendRequest};
use hyper::body::Body;
use tokio::sync::Mutex;

use super::deadline::Deadline;
use super::{Exchange, Head, dial};
use crate::outcome::{Failure, Stage};
use crate::request::Outgoing;
use crate::worker::Thread;

/// What may come of bodies before we have read them: on one stream, on all of a connection.
const WINDOW_BYTES: u32 = 1 << 20;
const WINDOW_ALL_BYTES: u32 = 16 << 20;

/// A place for one connection, shared by workers.
pub(crate) struct Trunk {
    thread: Weak<Thread>,
    connection: RefCell<Option<Shared>>,
    /// Connections opened so far: the number of the last.
    opened: Cell<u64>,
    /// Held while one is being opened.
    opening: Mutex<()>,
}

/// A connection that requests can go out on.
#[derive(Clone)]
struct Shared {
    number: u64,
    /// Whether others may use it.
    is_kept: bool,
    send: SendRequest<Bytes>,
    /// Requests that it has carried or carries.
    carried: u64,
}

/// The client of one worker.
pub(crate) struct Http2 {
    thread: Rc<Thread>,
    trunk: Rc<Trunk>,
    deadline: Deadline,
}

/// What has come of a response so far.
#[derive(Default)]
struct Seen {
    head: Option<Head>,
    size: u64,
}

impl Trunk {
    pub(crate) fn new(thread: &Rc<Thread>) -> Rc<Self> {
        Rc::new(Self {
            thread: Rc::downgrade(thread),
            connection: RefCell::default(),
            opened: Cell::new(0),
            opening: Mutex::new(()),
        })
    }

    /// The connection for one more request, if there is one with room for it.
    fn take(&self, most: Option<u64>) -> Option<Shared> {
        let mut connection = self.connection.borrow_mut();
        let shared = connection.as_mut()?;
        shared.carried += 1;
        let taken = shared.clone();
        if most.is_some_and(|most| taken.carried >= most) {
            // It ends by itself when the last request on it has.
            *connection = None;
        }
        Some(taken)
    }

    /// Lets go of a connection that takes no more; whoever comes first counts it.
    fn close(&self, number: u64) {
        let is_it = |shared: &mut Shared| shared.number == number;
        if self.connection.borrow_mut().take_if(is_it).is_some()
            && let Some(thread) = self.thread.upgrade()
        {
            thread.tally.borrow_mut().connections.closed_by_peer += 1;
        }
    }
}

impl Http2 {
    pub(super) fn new(thread: Rc<Thread>, trunk: Rc<Trunk>) -> Self {
        Self { thread, trunk, deadline: Deadline::new() }
    }

    /// Opens the trunk's connection ahead of the first request, if connections are kept.
    pub(super) async fn open(&self) -> bool {
        if self.thread.job.config.connections.is_none() {
            return true;
        }
        let _opening = self.trunk.opening.lock().await;
        if self.trunk.connection.borrow().is_some() {
            return true;
        }
        let Ok(shared) = self.fresh().await else { return false };
        *self.trunk.connection.borrow_mut() = Some(shared);
        true
    }

    /// Sends the request with this number and reads its response.
    pub(super) async fn exchange(&mut self, seq: Option<u64>, started: Instant) -> Exchange {
        let thread = Rc::clone(&self.thread);
        let config = &thread.job.config;
        let aborts = config.abort_of(seq);
        let mut sent = started;
        loop {
            let shared = match self.connection(&mut sent).await {
                Ok(shared) => shared,
                Err(failure) => return Exchange::unconnected(failure),
            };
            self.deadline.set(sent + aborts.map_or(config.timeout, |abort| abort.after));
            let ready = self.deadline.race(shared.send.clone().ready()).await;
            let mut send = match ready {
                Some(Ok(send)) => send,
                Some(Err(error)) => {
                    self.ended(&shared);
                    if shared.carried > 1 {
                        // Nothing was written: the connection had ended, or takes no more.
                        continue;
                    }
                    return Exchange::unanswered(sent, Failure::stream(error, Stage::Head));
                }
                None => {
                    let failure = Failure::timeout(Stage::Head).or_aborted(aborts.is_some());
                    return Exchange::unanswered(sent, failure);
                }
            };
            let (head, body) = config.template.stamp(seq).into_parts();
            let request = http::Request::from_parts(head, ());
            let Ok((response, stream)) = send.send_request(request, body.is_end_stream()) else {
                self.ended(&shared);
                continue;
            };
            let mut seen = Seen::default();
            let talk = talk(response, stream, body, &mut seen);
            let end = match self.deadline.race(talk).await {
                Some(end) => end,
                None => Err(Failure::timeout(seen.stage())),
            };
            let end = end.map_err(|failure| failure.or_aborted(aborts.is_some()));
            if end.as_ref().is_err_and(|failure| failure.kind.is_peer_close()) {
                self.ended(&shared);
            }
            return match (end, seen.head) {
                (Err(failure), None) => Exchange::unanswered(sent, failure),
                (end, head) => Exchange::ended(sent, head, seen.size, end, config),
            };
        }
    }

    /// Counts a connection that the peer has closed, once for all who share it.
    fn ended(&self, shared: &Shared) {
        if shared.is_kept {
            self.trunk.close(shared.number);
        } else {
            self.thread.tally.borrow_mut().connections.closed_by_peer += 1;
        }
    }

    /// A connection for one request: the trunk's, or one of its own where none is kept. The time of
    /// sending moves to when one was opened.
    async fn connection(&self, sent: &mut Instant) -> Result<Shared, Failure> {
        let config = &self.thread.job.config;
        if config.connections.is_none() {
            let fresh = self.fresh().await?;
            *sent = Instant::now();
            return Ok(Shared { is_kept: false, ..fresh });
        }
        let most = config.requests_per_connection;
        if let Some(shared) = self.trunk.take(most) {
            return Ok(shared);
        }
        let _opening = self.trunk.opening.lock().await;
        loop {
            // Somebody may have opened one meanwhile.
            if let Some(shared) = self.trunk.take(most) {
                *sent = Instant::now();
                return Ok(shared);
            }
            let fresh = self.fresh().await?;
            *self.trunk.connection.borrow_mut() = Some(fresh);
        }
    }

    /// Opens a connection, and a task that drives it.
    async fn fresh(&self) -> Result<Shared, Failure> {
        let stream = dial::dial(&self.thread).await?;
        let mut builder = Builder::new();
        builder
            .enable_push(false)
            .initial_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_ALL_BYTES);
        let handshake = builder.handshake(stream).await;
        let (send, connection) = handshake.map_err(|error| Failure::stream(error, Stage::Head))?;
        let number = self.trunk.opened.get() + 1;
        self.trunk.opened.set(number);
        let trunk = Rc::downgrade(&self.trunk);
        tokio::task::spawn_local(async move {
            let _ = connection.await;
            if let Some(trunk) = trunk.upgrade() {
                trunk.close(number);
            }
        });
        Ok(Shared { number, is_kept: true, send, carried: 0 })
    }
}

impl Seen {
    /// How far the response has come.
    fn stage(&self) -> Stage {
        if self.head.is_some() { Stage::Body } else { Stage::Head }
    }
}

/// Sends a body and reads the response, both at once; done when the response is.
async fn talk(
    response: ResponseFuture,
    stream: SendStream<Bytes>,
    body: Outgoing,
    seen: &mut Seen,
) -> Result<(), Failure> {
    let mut upload = pin!(upload(stream, body));
    let mut download = pin!(download(response, seen));
    let mut is_uploaded = false;
    poll_fn(|cx| {
        is_uploaded = is_uploaded || upload.as_mut().poll(cx).is_ready();
        download.as_mut().poll(cx)
    })
    .await
}

/// Sends a body, as far as the server wants it.
async fn upload(mut stream: SendStream<Bytes>, mut body: Outgoing) -> Option<()> {
    while !body.is_end_stream() {
        let frame = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await?;
        let mut data = frame.ok()?.into_data().ok()?;
        while !data.is_empty() {
            stream.reserve_capacity(data.len());
            if stream.capacity() == 0 {
                poll_fn(|cx| stream.poll_capacity(cx)).await?.ok()?;
                continue;
            }
            let piece = data.split_to(stream.capacity().min(data.len()));
            stream.send_data(piece, data.is_empty() && body.is_end_stream()).ok()?;
        }
    }
    // A response may come after the whole body only: the stream must live until then.
    std::future::pending().await
}

/// Reads a response without keeping its body.
async fn download(response: ResponseFuture, seen: &mut Seen) -> Result<(), Failure> {
    let response = response.await.map_err(|error| Failure::stream(error, Stage::Head))?;
    let (head, mut body) = response.into_parts();
    seen.head = Some(Head { status: head.status.as_u16(), headers: head.headers });
    let in_body = |error| Failure::stream(error, Stage::Body);
    while let Some(piece) = body.data().await {
        let piece = piece.map_err(in_body)?;
        seen.size += piece.len() as u64;
        body.flow_control().release_capacity(piece.len()).map_err(in_body)?;
    }
    body.trailers().await.map(drop).map_err(in_body)
}
