//! One attempt: a connection to a backend, the request over it, the head of the answer back.

pub mod connect;

use std::future::poll_fn;
use std::sync::Arc;

use crate::backend::connections::Lease;
use crate::buffer::Buffer;
use crate::exchange::{Exchange, Incoming};
use crate::flow::Flow;
use crate::grpc;
use crate::health::Incident;
use crate::http1::body::Framing;
use crate::http1::response::Response;
use crate::reason::Reason;
use crate::retry::{Failure, Progress};
use crate::route::{Fields, HeadFields};
use crate::spans::Kind;
use crate::stream::Stream;
use crate::worker::Picked;

use connect::Order;

/// A connection to a backend that carries a request.
pub struct Upstream {
    /// The connection.
    pub stream: Stream,
    /// The right to have it, if it is this request's alone now and may be another's afterwards.
    pub lease: Option<Lease>,
    /// The right to have it, if it is this request's alone for ever: it names the client.
    pub sole: Option<Lease>,
    /// To whom.
    pub backend: Picked,
    /// Whether an earlier request used it.
    pub reused: bool,
    /// How often the backend had been DOWN when it was opened.
    pub downs: u32,
}

impl Upstream {
    /// Counts a failure against the backend, if it is the backend's.
    pub fn blame(&self, reason: Reason, progress: Progress, download: Option<&Flow>) {
        let incident = Incident {
            reason,
            was_stale: self.reused && progress != Progress::Answered,
            is_old: self.downs != self.backend.downs(),
            client_was_slow: download.is_some_and(Flow::was_blocked),
            had_no_length: download.is_some_and(Flow::is_until_close),
        };
        if incident.counts() {
            self.backend.request_failed(reason);
        }
    }
}

/// An answer whose head has come.
pub struct Answered {
    /// Where it comes from.
    pub upstream: Upstream,
    /// Its head, and what was decided about it.
    pub response: Response,
    /// The answer's bytes, of which the head comes first.
    pub download: Flow,
}

impl Answered {
    /// Returns the status that says how it went; `None` if that only comes behind the body, as with
    /// gRPC.
    #[inline]
    pub fn outcome(&self) -> Option<u16> {
        let status = self.response.head.status;
        if self.upstream.stream.is_http2() { self.outcome_of_grpc(status) } else { Some(status) }
    }

    #[cold]
    fn outcome_of_grpc(&self, status: u16) -> Option<u16> {
        let (bytes, fields) = (self.download.bytes(), &self.response.head.fields);
        let fields = HeadFields { bytes, fields };
        match fields.first(b"grpc-status") {
            Some(said) => Some(grpc::as_http(said)),
            None if status == 200 && fields.first(b"content-type").is_some_and(grpc::is_it) => None,
            None => Some(status),
        }
    }
}

/// Tries the request on `backend`, over an idle connection unless it must be a `fresh` one.
///
/// # Errors
///
/// Says what went wrong and how far it got.
pub async fn attempt(
    exchange: &mut Exchange<'_>,
    backend: &Picked,
    fresh: bool,
) -> Result<Box<Answered>, Failure> {
    let mut upstream = match open(exchange, backend, fresh).await {
        Ok(upstream) => upstream,
        Err(reason) => return Err(unopened(backend, reason)),
    };
    exchange.start(backend);
    let mut incoming = Incoming::default();
    let head = poll_fn(|cx| exchange.poll_head(cx, &mut upstream.stream, &mut incoming)).await;
    conclude(upstream, &mut incoming, head, exchange.upload.written)
}

/// Counts it against a backend that there is no connection.
pub fn unopened(backend: &Picked, reason: Reason) -> Failure {
    if reason.is_connection_error() {
        backend.request_failed(reason);
    }
    Failure { reason, progress: Progress::NothingSent, reused: false }
}

/// Makes an answer of what was read, after so many bytes of the request were `written`, or counts it
/// against the backend.
///
/// # Errors
///
/// Says what went wrong and how far it got.
#[inline]
pub fn conclude(
    upstream: Upstream,
    incoming: &mut Incoming,
    head: Result<Response, Reason>,
    written: u64,
) -> Result<Box<Answered>, Failure> {
    let answered = head.and_then(|head| Ok((download(&head, incoming.take())?, head)));
    match answered {
        // In a box: it goes through many hands.
        Ok((download, response)) => Ok(Box::new(Answered { upstream, response, download })),
        Err(reason) => {
            let progress = match written {
                _ if incoming.has_answered => Progress::Answered,
                _ if reason == Reason::StreamRefused => Progress::NothingSent,
                0 => Progress::NothingSent,
                _ => Progress::Sent,
            };
            upstream.blame(reason, progress, None);
            Err(Failure { reason, progress, reused: upstream.reused })
        }
    }
}

/// Makes the flow of an answer whose head lies at the start of what was read.
///
/// # Errors
///
/// Fails if what was read of its body is broken.
fn download(response: &Response, read: Option<(Buffer, usize)>) -> Result<Flow, Reason> {
    let (buffer, len) = read.expect("a head was read into it");
    let framing = if response.head.status == 101 { Framing::UntilClose } else { response.body };
    Flow::new(buffer, response.head.len, len, framing, false).map_err(|_| Reason::BadResponse)
}

/// Takes a connection that is open, or opens a new one.
///
/// # Errors
///
/// Says why there is none.
pub async fn open(
    exchange: &Exchange<'_>,
    backend: &Picked,
    fresh: bool,
) -> Result<Upstream, Reason> {
    let client = &exchange.client;
    let surely = !exchange.request.is_idempotent;
    let open = if fresh { None } else { connect::take(&client.worker, backend, surely) };
    if let Some(upstream) = open {
        return Ok(upstream);
    }
    // In a box: most requests find an open connection and need no room for this.
    let (limit, ends) = (exchange.timeout_connect(), client.ends());
    let order = Order { limit, waits: true, fresh, ends };
    let began = exchange.known.begin();
    let opened = Box::pin(connect::connect(&client.worker, backend, order, &client.deadline)).await;
    if !opened.as_ref().is_ok_and(|upstream| upstream.reused) {
        let kind = || Kind::Connect(Arc::clone(backend));
        exchange.known.step(began, opened.as_ref().err().copied(), kind);
    }
    match opened {
        // Everything is too late then.
        Err(_) if client.worker.deadlines.is_over() => Err(Reason::ShuttingDown),
        Err(_) if exchange.is_too_late() => Err(Reason::TotalTimeout),
        opened => opened,
    }
}
