//! A request under way, and how it moves towards a backend while the answer's head is awaited.

use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use crate::backend::Backend;
use crate::buffer::Buffer;
use crate::connection::Client;
use crate::flow::{Flow, Stop};
use crate::grpc;
use crate::http1::body::Framing;
use crate::http1::egress::{self, Changes};
use crate::http1::gate::Request;
use crate::http1::head::{self, HEAD_BYTES_MAX, Version};
use crate::http1::response::{self, Response};
use crate::http2;
use crate::known::Known;
use crate::pool::Pool;
use crate::reason::Reason;
use crate::retry::Policy;
use crate::route::{Fields, HeadFields, HeaderRules, Modifiers, RouteTimeouts};
use crate::stream::{Next, Stream};
use crate::trace::SpanId;
use crate::worker::View;

/// Interim answers before the final one. Early hints come once or twice; a flood is an attack.
const INTERIM_MAX: u32 = 16;

/// How far the request's way to the backend is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upload {
    /// More of it is to come, or to be written.
    Flowing,
    /// All of it was written.
    Done,
    /// The backend takes no more of it. It may still have answered.
    Broken,
}

/// A request under way, whichever backend it is tried on.
pub struct Exchange<'c> {
    /// Who asked.
    pub client: &'c mut Client,
    /// The snapshot that was current when it came.
    pub view: View,
    /// Where in it the pool is that answers.
    pub pool: usize,
    /// The route that it took, by its place in the table.
    pub route: Option<usize>,
    /// The target that the backend sees, if it is not the client's.
    pub target: Option<Vec<u8>>,
    /// When all attempts are over; `None` sets no end.
    pub until: Option<Instant>,
    /// Until when the client waits for the last byte of its answer, if it said so.
    pub deadline: Option<Instant>,
    /// How long the attempt under way may take, if another may follow it.
    pub per_try: Option<Duration>,
    /// What for.
    pub request: Request,
    /// The request's bytes.
    pub upload: Flow,
    /// How far they are.
    pub upload_state: Upload,
    /// The cookie that Nexus sets, as its field's value.
    pub cookie: Option<String>,
    /// What it is known by across programs.
    pub known: Known,
    /// Interim answers on their way to the client.
    pub interim: Vec<u8>,
    /// Whether a client that waits for `100 Continue` has been told to go on.
    pub was_continued: bool,
}

/// What was read of an answer.
#[derive(Default)]
pub struct Incoming {
    buffer: Option<Buffer>,
    len: usize,
    interims: u32,
    /// Whether any byte of an answer came.
    pub has_answered: bool,
}

impl Incoming {
    /// Reads once.
    ///
    /// # Errors
    ///
    /// Fails if the backend ends the connection, or its head is too large.
    #[inline]
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        backend: &mut Stream,
    ) -> Poll<Result<(), Reason>> {
        if self.buffer.is_none() {
            ready!(backend.poll_read_ready(cx)).map_err(|error| http2::why_unread(&error))?;
        }
        let buffer = self.buffer.get_or_insert_with(Buffer::medium);
        if self.len == buffer.len() && (self.len >= HEAD_BYTES_MAX || !buffer.grow(self.len)) {
            return Poll::Ready(Err(Reason::BadResponse));
        }
        Poll::Ready(match ready!(backend.poll_read(cx, &mut buffer[self.len..])) {
            Err(error) => Err(http2::why_unread(&error)),
            Ok(0) => Err(Reason::BackendClosed),
            Ok(read) => {
                self.len += read;
                self.has_answered = true;
                Ok(())
            }
        })
    }

    /// Looks for the head of the final answer in what was read; those before it, which are to be
    /// passed on (RFC 9110 §15.2), go to `interim`.
    ///
    /// # Errors
    ///
    /// Fails if it is no answer to a request that was a HEAD or not.
    #[inline]
    pub fn parse(
        &mut self,
        to_head: bool,
        mut interim: impl FnMut(&[u8], &Response),
    ) -> Result<Option<Response>, Reason> {
        loop {
            let buffer = self.buffer.as_mut().expect("it was read into");
            let bytes = &buffer[..self.len];
            let parsed = head::parse_response(bytes).map_err(|_| Reason::BadResponse)?;
            let Some(head) = parsed else {
                return Ok(None);
            };
            let len = head.len;
            if len > HEAD_BYTES_MAX {
                return Err(Reason::BadResponse);
            }
            let response = response::admit(bytes, head, to_head)?;
            if !response.is_interim() {
                return Ok(Some(response));
            }
            self.interims += 1;
            if self.interims > INTERIM_MAX {
                return Err(Reason::BadResponse);
            }
            interim(bytes, &response);
            buffer.copy_within(len..self.len, 0);
            self.len -= len;
        }
    }

    fn bytes(&self) -> &[u8] {
        self.buffer.as_ref().map_or(&[], |buffer| &buffer[..self.len])
    }

    /// Returns the bytes, once a head was read into them.
    pub fn take(&mut self) -> Option<(Buffer, usize)> {
        Some((self.buffer.take()?, self.len))
    }
}

impl<'c> Exchange<'c> {
    /// Begins with nothing sent.
    pub fn new(
        client: &'c mut Client,
        view: View,
        request: Request,
        mut upload: Flow,
        route: Option<usize>,
    ) -> Self {
        let limit = view.modifiers(route).and_then(|modifiers| modifiers.body_bytes_max);
        upload.body_bytes_max = limit.unwrap_or(u64::MAX);
        Self {
            client,
            view,
            pool: 0,
            route,
            target: None,
            until: None,
            deadline: None,
            per_try: None,
            cookie: None,
            known: Known::default(),
            request,
            upload,
            upload_state: Upload::Flowing,
            interim: Vec::new(),
            was_continued: false,
        }
    }
}

impl Exchange<'_> {
    /// Settles, once its pool is known, how long it may take and whether it may run twice.
    pub fn begin(&mut self) {
        if self.client.stream.is_http2() {
            self.begin_grpc();
        }
        let total = self.timeout_total().map(|total| Instant::now() + total);
        self.until = [total, self.deadline].into_iter().flatten().min();
        self.upload.kept_bytes_max = self.retry().kept_bytes_max;
        let (policy, request, bytes) = (self.retry(), &self.request, self.upload.bytes());
        if policy.methods.is_some() || policy.heeds_key {
            let fields = HeadFields { bytes, fields: &request.head.fields };
            let has_key = fields.first(b"idempotency-key").is_some();
            let method = request.head.method.of(bytes);
            self.request.is_idempotent =
                policy.may_run_twice(method, request.is_idempotent, has_key);
        }
    }

    /// Takes note of what a call of gRPC says of itself.
    #[cold]
    fn begin_grpc(&mut self) {
        let fields = HeadFields { bytes: self.upload.bytes(), fields: &self.request.head.fields };
        if fields.first(b"content-type").is_some_and(grpc::is_it) {
            let timeout = fields.first(b"grpc-timeout").and_then(grpc::timeout);
            self.deadline = timeout.map(|timeout| Instant::now() + timeout);
        }
    }

    /// Returns the pool that answers.
    pub fn pool(&self) -> &Pool {
        &self.view.pools[self.pool]
    }

    /// Returns what the route changes.
    pub fn modifiers(&self) -> Option<&Modifiers> {
        self.view.modifiers(self.route)
    }

    /// Returns the time from the end of the request to the head of its answer.
    pub fn timeout_response(&self) -> Duration {
        let timeout = self.by_route(|route| route.response);
        let timeout = timeout.unwrap_or(self.pool().settings.timeouts.response);
        self.within(self.per_try().map_or(timeout, |per_try| timeout.min(per_try)))
    }

    /// Returns the limit of an attempt after which another is possible.
    fn per_try(&self) -> Option<Duration> {
        self.per_try.filter(|_| self.upload.is_replayable())
    }

    /// Returns the time from the request's head to the head of its answer, over all attempts.
    fn timeout_total(&self) -> Option<Duration> {
        self.by_route(|route| route.total).or(self.pool().settings.timeouts.total)
    }

    /// Returns the time until a backend accepts a connection.
    pub fn timeout_connect(&self) -> Duration {
        let timeout = self.by_route(|route| route.connect);
        self.within(timeout.unwrap_or(self.pool().settings.timeouts.connect))
    }

    /// Returns the time without a byte in the middle of a body: the client's, if it is its turn, or
    /// the backend's.
    pub fn timeout_stall(&self, waits_for_client: bool) -> Duration {
        if waits_for_client {
            return self.client.timeouts().stall;
        }
        let pool = || self.pool().settings.timeouts.stall;
        let stall = self.by_route(|route| route.stall).or_else(pool);
        stall.unwrap_or(self.view.settings.timeouts.stall)
    }

    /// Returns the time without a byte in a tunnel.
    pub fn timeout_tunnel(&self) -> Duration {
        let pool = || self.pool().settings.timeouts.tunnel;
        let tunnel = self.by_route(|route| route.tunnel).or_else(pool);
        tunnel.unwrap_or(self.view.settings.timeouts.tunnel)
    }

    /// Returns a time that the route may have a say in.
    fn by_route(&self, which: fn(&RouteTimeouts) -> Option<Duration>) -> Option<Duration> {
        self.modifiers().and_then(|modifiers| which(&modifiers.timeouts))
    }

    /// Returns what of a limit is left before all attempts are over.
    pub fn within(&self, limit: Duration) -> Duration {
        let left = |until: Instant| until.saturating_duration_since(Instant::now());
        self.until.map_or(limit, |until| limit.min(left(until)))
    }

    /// Says whether all attempts are over.
    pub fn is_too_late(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// Returns what may be tried again.
    pub fn retry(&self) -> &Policy {
        let by_route = self.modifiers().and_then(|modifiers| modifiers.retry.as_ref());
        by_route.unwrap_or(&self.pool().settings.retry)
    }

    /// Writes the whole request anew, for somebody else; `None` if not all of it is there, or it is
    /// about this very connection.
    pub fn copy(
        &self,
        backend: &Backend,
        fields: Option<&HeaderRules>,
        span: Option<SpanId>,
    ) -> Option<Vec<u8>> {
        let request = &self.request;
        let is_copied = request.upgrade.is_none() && !self.awaits_continue();
        let body = self.upload.kept_body().filter(|_| is_copied)?;
        let told = self.known.told(&self.view, span);
        let marks = told.marks();
        let marks = marks.as_slice();
        let changes = Changes { target: self.target.as_deref(), fields, cookie: None, marks };
        let authority = backend.url.authority.as_bytes();
        let (mut out, bytes) = (Vec::new(), self.upload.bytes());
        let client = told_of(self.client, &self.view);
        egress::request(&mut out, bytes, request, client, authority, changes);
        if request.body == Framing::Chunked && !body.is_empty() {
            egress::chunk_size(&mut out, body.len());
            out.extend_from_slice(body);
            out.extend_from_slice(b"\r\n");
        } else {
            out.extend_from_slice(body);
        }
        if request.body == Framing::Chunked {
            out.extend_from_slice(b"0\r\n\r\n");
        }
        Some(out)
    }

    /// Puts the request at its start.
    pub fn start(&mut self, backend: &Backend) {
        let client = told_of(self.client, &self.view);
        let told = self.known.told(&self.view, self.known.span());
        let marks = told.marks();
        let marks = marks.as_slice();
        self.upload.rewind();
        let (request, authority) = (&self.request, backend.url.authority.as_bytes());
        let to_chunked = request.body == Framing::Chunked;
        let fields = self.view.modifiers(self.route).map(|modifiers| &modifiers.request_headers);
        let changes = Changes { target: self.target.as_deref(), fields, cookie: None, marks };
        self.upload.start(to_chunked, |out, bytes| {
            egress::request(out, bytes, request, client, authority, changes);
        });
        self.upload_state = Upload::Flowing;
        let stall = || self.within(self.timeout_stall(false));
        let limit = if self.awaits_continue() { self.timeout_response() } else { stall() };
        self.client.deadline.set(limit);
    }

    /// Says whether the client waits for the backend's word before it sends its body.
    fn awaits_continue(&self) -> bool {
        self.request.expects_continue && !self.was_continued && self.upload.body_bytes == 0
    }

    /// Moves the request on while waiting for the head of the final answer.
    ///
    /// # Errors
    ///
    /// Says what went wrong, on either side.
    pub fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        backend: &mut Stream,
        incoming: &mut Incoming,
    ) -> Poll<Result<Response, Reason>> {
        loop {
            self.poll_interim(cx)?;
            if self.poll_upload(cx, backend)? {
                self.client.deadline.set(self.timeout_response());
            }
            // What the client has not taken yet must not pile up.
            let polled = if self.interim.is_empty() {
                self.poll_incoming(cx, backend, incoming)
            } else {
                Poll::Pending
            };
            match polled {
                Poll::Ready(Ok(Some(response))) => {
                    self.check_switch(incoming.bytes(), &response)?;
                    return Poll::Ready(Ok(response));
                }
                Poll::Ready(Ok(None)) => {} // More may already be there, or go out to the client.
                Poll::Ready(Err(reason)) => return Poll::Ready(Err(reason)),
                Poll::Pending if self.client.deadline.poll_passed(cx) => {
                    return Poll::Ready(Err(self.why_late()));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Says who is to blame for a deadline that passed before the answer.
    fn why_late(&self) -> Reason {
        let waits_for_client = self.upload_state == Upload::Flowing
            && self.upload.is_drained()
            && !self.awaits_continue();
        match waits_for_client {
            _ if self.client.worker.deadlines.is_over() => Reason::ShuttingDown,
            _ if self.is_too_late() => Reason::TotalTimeout,
            true => Reason::BodyTimeout,
            false if self.per_try().is_some() => Reason::PerTryTimeout,
            false => Reason::ResponseTimeout,
        }
    }

    /// Writes interim answers to the client.
    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Result<(), Reason> {
        while !self.interim.is_empty() {
            match self.client.stream.poll_write(cx, &self.interim, Next::Unknown) {
                Poll::Ready(Ok(written)) if written > 0 => drop(self.interim.drain(..written)),
                Poll::Ready(_) => return Err(Reason::ClientGone),
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    /// Moves the request towards the backend; once it is there, watches whether the client stays.
    /// Returns whether it has just arrived.
    ///
    /// # Errors
    ///
    /// Fails for the client's faults only: a backend that takes no more may still have answered.
    pub fn poll_upload(
        &mut self,
        cx: &mut Context<'_>,
        backend: &mut Stream,
    ) -> Result<bool, Reason> {
        let mut has_arrived = false;
        if self.upload_state == Upload::Flowing {
            let moved = self.upload.moved;
            let polled = self.upload.poll(cx, &mut self.client.stream, backend);
            if self.upload.moved != moved {
                // Of what has arrived the caller says what it waits for now.
                if polled.is_pending() && !self.awaits_continue() {
                    let stall = self.timeout_stall(self.upload.is_drained());
                    self.client.deadline.set(self.within(stall));
                }
                if !self.request.is_idempotent {
                    self.upload.let_go();
                }
            }
            match polled {
                // While the backend takes nothing, nothing is read that would tell of the end.
                Poll::Pending if self.client.stream.poll_given_up(cx).is_ready() => {
                    return Err(Reason::ClientGone);
                }
                Poll::Pending => return Ok(false),
                Poll::Ready(Ok(())) => {
                    self.upload_state = Upload::Done;
                    has_arrived = true;
                }
                Poll::Ready(Err(Stop::SinkFailed)) => self.upload_state = Upload::Broken,
                Poll::Ready(Err(Stop::BadBody)) => return Err(Reason::BadBody),
                Poll::Ready(Err(Stop::TooLarge)) => return Err(Reason::BodyTooLarge),
                Poll::Ready(Err(Stop::SourceEnded)) => return Err(Reason::BodyIncomplete),
                Poll::Ready(Err(Stop::SourceFailed)) => return Err(Reason::ClientGone),
            }
        }
        if self.upload_state == Upload::Done && self.poll_gone(cx).is_ready() {
            return Err(Reason::ClientGone);
        }
        Ok(has_arrived)
    }

    /// Says whether a client that ends its side may still want its answer; HTTP/2 has another word for
    /// leaving.
    fn may_half_close(&self) -> bool {
        self.view.settings.half_close && !self.client.stream.is_http2()
    }

    /// Waits for a client whose request was read to leave.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.may_half_close() || !self.client.is_watched() {
            return Poll::Pending;
        }
        self.upload.poll_gone(cx, &mut self.client.stream)
    }

    /// Waits, while nothing of the request is under way, for a reason to give it up.
    pub fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<Reason> {
        if self.client.deadline.poll_passed(cx) {
            return Poll::Ready(Reason::ShuttingDown);
        }
        let is_gone = if self.upload.is_read() {
            self.poll_gone(cx).is_ready()
        } else {
            // More of its body may be there, which must not be read now: the socket is asked.
            self.client.deadline.call_at_next_tick();
            !self.may_half_close() && self.client.stream.has_ended()
        };
        if is_gone { Poll::Ready(Reason::ClientGone) } else { Poll::Pending }
    }

    /// Reads towards a head; `None` asks to be called again.
    fn poll_incoming(
        &mut self,
        cx: &mut Context<'_>,
        backend: &mut Stream,
        incoming: &mut Incoming,
    ) -> Poll<Result<Option<Response>, Reason>> {
        if let Err(reason) = ready!(incoming.poll_read(cx, backend)) {
            return Poll::Ready(Err(reason));
        }
        let is_head = self.request.is_head;
        incoming.parse(is_head, |bytes, response| self.pass_interim(bytes, response)).into()
    }

    fn pass_interim(&mut self, bytes: &[u8], response: &Response) {
        let speaks_it = self.request.head.version == Version::Http11;
        // Asked for, and still waited for.
        let is_awaited = self.awaits_continue();
        if speaks_it && (response.head.status != 100 || is_awaited) {
            self.was_continued |= response.head.status == 100;
            egress::interim(&mut self.interim, bytes, response);
        }
    }

    /// Refuses a switch of protocols that the client did not offer.
    fn check_switch(&self, bytes: &[u8], response: &Response) -> Result<(), Reason> {
        if response.head.status != 101 {
            return Ok(());
        }
        let offered = self.request.upgrade.map(|span| span.of(self.upload.bytes()));
        match offered {
            Some(offered) if response::takes_up(bytes, &response.head, offered) => Ok(()),
            _ => Err(Reason::UnexpectedUpgrade),
        }
    }
}

/// Returns what a backend is told of the client.
fn told_of<'c>(client: &'c Client, view: &View) -> egress::Client<'c> {
    let secured = client.secured.as_deref();
    egress::Client {
        ip: client.ip,
        is_trusted: client.origin.is_trusted,
        told_by: view.settings.forwarded_fields,
        is_secured: secured.is_some(),
        certificate: secured.and_then(|secured| secured.certificate.as_ref()),
    }
}
