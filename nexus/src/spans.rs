//! What is written down of a request whose trace is recorded, and how a worker hands it over.
//!
//! ```text
//! request ───────────────────────────────────────────
//!   queue ──    attempt ─────── (failed)  attempt ───
//!                 connect ─                 connect ─
//! ```
//!
//! A request that is not recorded has none of this. Workers collect what is over and hand it to the
//! exporter with the next tick; when that cannot keep up, it is dropped and counted.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc;

use crate::backend::Backend;
use crate::reason::Reason;
use crate::record::{Protocol, Record, Stations};
use crate::route::Fields;
use crate::trace::{Begun, Parent, SpanId, Trace, TraceId};

pub mod export;
mod otlp;
pub mod settings;

pub use settings::Tracing;

/// Traces that a worker collects before it hands them over ahead of the next tick.
const BLOCK: usize = 64;

/// Blocks that may wait for the exporter: 4,096 traces, some 8 MiB.
const BLOCKS_MAX: usize = 64;

/// Spans below a request's own: the limits on attempts keep real ones far below this.
const PARTS_MAX: usize = 256;

/// A request that is being written down.
pub struct Recording {
    began: Instant,
    began_at: SystemTime,
    parts: RefCell<Vec<Part>>,
    /// The attempt under way, by its place among the parts.
    current: Cell<Option<usize>>,
}

/// A part of a request's way.
#[derive(Clone)]
pub struct Part {
    /// Its name.
    pub id: SpanId,
    /// The attempt that it is a part of; `None` is the request itself.
    pub parent: Option<SpanId>,
    /// What it is.
    pub kind: Kind,
    /// When it began.
    pub began: Instant,
    /// When it was over; `None` is with the request.
    pub ended: Option<Instant>,
    /// Why it came to nothing, if it did.
    pub reason: Option<Reason>,
}

/// What a part of a request's way is.
#[derive(Clone)]
pub enum Kind {
    /// Waiting for a place at a backend.
    Queue,
    /// An attempt.
    Attempt {
        /// On whom.
        backend: Arc<Backend>,
        /// How many there were before.
        before: u32,
        /// What it answered, if it did.
        status: Option<u16>,
    },
    /// Opening a connection.
    Connect(Arc<Backend>),
}

/// Draws the name of a span.
pub fn new_id() -> SpanId {
    SpanId::new(fastrand::u64(1..)).unwrap_or(SpanId::MIN)
}

impl Recording {
    /// Begins with a request that began then.
    pub fn since(began: Instant) -> Self {
        let began_at = SystemTime::now() - began.elapsed();
        Self { began, began_at, parts: RefCell::default(), current: Cell::new(None) }
    }

    fn push(&self, part: Part) -> Option<usize> {
        let mut parts = self.parts.borrow_mut();
        (parts.len() < PARTS_MAX).then(|| {
            parts.push(part);
            parts.len() - 1
        })
    }

    /// Writes down what is over.
    pub fn step(&self, kind: Kind, began: Instant, reason: Option<Reason>) {
        let parent = match kind {
            Kind::Connect(_) => self.span(),
            Kind::Queue | Kind::Attempt { .. } => None,
        };
        let (id, ended) = (new_id(), Some(Instant::now()));
        self.push(Part { id, parent, kind, began, ended, reason });
    }

    /// Writes down that an attempt begins which follows the others.
    pub fn begin(&self, backend: &Arc<Backend>, before: u32) {
        self.current.set(self.begin_beside(new_id(), backend, before));
    }

    /// Writes down that an attempt begins beside the one under way; returns its place.
    pub fn begin_beside(&self, id: SpanId, backend: &Arc<Backend>, before: u32) -> Option<usize> {
        let kind = Kind::Attempt { backend: Arc::clone(backend), before, status: None };
        let (parent, began) = (None, Instant::now());
        self.push(Part { id, parent, kind, began, ended: None, reason: None })
    }

    /// Returns the span of the attempt under way.
    pub fn span(&self) -> Option<SpanId> {
        Some(self.parts.borrow().get(self.current.get()?)?.id)
    }

    /// Writes down that the attempt under way was answered.
    pub fn answered(&self, answer: u16) {
        let at = self.current.get();
        self.change(at, |part| {
            if let Kind::Attempt { status, .. } = &mut part.kind {
                *status = Some(answer);
            }
        });
    }

    /// Writes down that the attempt under way came to nothing.
    pub fn failed(&self, reason: Reason) {
        self.end(self.current.take(), reason);
    }

    /// The same of an attempt beside it.
    pub fn end(&self, at: Option<usize>, why: Reason) {
        self.change(at, |part| {
            (part.ended, part.reason) = (Some(Instant::now()), Some(why));
        });
    }

    /// Has the attempt beside take the place of the one under way.
    pub fn take_over(&self, at: Option<usize>) {
        self.current.set(at);
    }

    fn change(&self, at: Option<usize>, change: impl FnOnce(&mut Part)) {
        let mut parts = self.parts.borrow_mut();
        if let Some(part) = at.and_then(|at| parts.get_mut(at)) {
            change(part);
        }
    }

    /// Ends it with what is known of the request.
    pub fn finish(&self, trace: &Trace, record: &Record<'_>, stations: &Stations<'_>) -> Finished {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (parent, link) = match trace.begun {
            Begun::By(parent) => (Some(parent.span), None),
            Begun::Here(link) => (None, link),
            Begun::Unrecorded => (None, None),
        };
        let mut parts = self.parts.take();
        if let Some(part) = self.current.get().and_then(|at| parts.get_mut(at)) {
            part.reason = record.reason;
        }
        Finished {
            trace: trace.own.trace,
            span: trace.own.span,
            parent,
            link,
            flags: trace.own.flags(),
            began: self.began,
            began_at: self.began_at,
            took: self.began.elapsed(),
            client: record.client,
            protocol: record.protocol,
            is_secured: record.is_secured,
            method: text(record.method),
            path: text(record.path()),
            host: text(record.host),
            user_agent: record.fields.first(b"user-agent").map(text),
            status: record.status,
            bytes_in: record.bytes_in,
            bytes_out: record.bytes_out,
            route: stations.route_name().map(ToOwned::to_owned),
            pool: stations.pool_name().map(ToOwned::to_owned),
            request_id: record.request_id.map(ToOwned::to_owned),
            reason: record.reason,
            has_failed: record.has_failed(),
            parts,
        }
    }
}

/// A request that is over, and was recorded.
pub struct Finished {
    /// Its trace.
    pub trace: TraceId,
    /// Its own span.
    pub span: SpanId,
    /// The span that it was sent from.
    pub parent: Option<SpanId>,
    /// What a client said whose word does not count.
    pub link: Option<Parent>,
    /// The flags of its trace.
    pub flags: u8,
    /// When it began, on the clock that its parts are timed by.
    pub began: Instant,
    /// The same on everybody's clock.
    pub began_at: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// Whom it was from.
    pub client: IpAddr,
    /// How the client spoke.
    pub protocol: Protocol,
    /// Whether over TLS.
    pub is_secured: bool,
    /// The method.
    pub method: String,
    /// The target up to its query.
    pub path: String,
    /// The host that was asked for.
    pub host: String,
    /// With what it was sent.
    pub user_agent: Option<String>,
    /// What the client got.
    pub status: u16,
    /// Bytes of its body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// Its route.
    pub route: Option<String>,
    /// Its pool.
    pub pool: Option<String>,
    /// What it is called.
    pub request_id: Option<String>,
    /// Why the answer is not a backend's, or broke off.
    pub reason: Option<Reason>,
    /// Whether something went wrong that was not the client's doing.
    pub has_failed: bool,
    /// What it met on its way.
    pub parts: Vec<Part>,
}

/// A worker's end of the way to the exporter.
pub struct Traces {
    blocks: mpsc::Sender<Vec<Finished>>,
    waiting: Vec<Finished>,
    dropped: Arc<AtomicU64>,
}

impl Traces {
    /// Hands over what is over.
    pub fn push(&mut self, finished: Finished) {
        self.waiting.push(finished);
        if self.waiting.len() >= BLOCK {
            self.flush();
        }
    }

    /// Hands over what was collected.
    pub fn flush(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        if let Err(refused) = self.blocks.try_send(std::mem::take(&mut self.waiting)) {
            let lost =
                refused.into_inner().iter().map(|finished| 1 + finished.parts.len()).sum::<usize>();
            self.dropped.fetch_add(lost as u64, Ordering::Relaxed);
        }
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        self.flush();
    }
}
