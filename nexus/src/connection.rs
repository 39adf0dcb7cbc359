//! One client connection: idle, a request, idle again, until somebody closes it.
//!
//! # What does an idle connection hold?
//!
//! Its socket, a slot on the clock and this small task. What a request needs is made when bytes
//! arrive and gone when the answer is.

mod announced;
mod handshake;

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::buffer::Buffer;
use crate::deadline::{Deadline, TICK};
use crate::flow::Flow;
use crate::http1::gate::{self, Admission};
use crate::http1::head::{self, BadHead, HEAD_BYTES_MAX, RequestHead, TARGET_BYTES_MAX, Version};
use crate::http1::origin::Origin;
use crate::http2;
use crate::http2::front::PREFACE;
use crate::listen::{Door, Patience};
use crate::proxy;
use crate::proxy_protocol::Ends;
use crate::reason::Reason;
use crate::record::Protocol;
use crate::respond::own;
use crate::settings::{HttpsRedirect, ListenerProtocol};
use crate::stream::socket::Socket;
use crate::stream::{Next, Stream};
use crate::worker::{Open, View, Worker};

pub use handshake::Secured;

/// How long an idle connection may still begin a request once Nexus drains; the answer to it says
/// `Connection: close`. Closing at once would cut off requests that are on their way.
const DRAIN_GRACE: Duration = Duration::from_secs(1);

/// A connection whose next request comes within this time stays busy: taking room for one costs as
/// much as finding out what it wants.
const BUSY: Duration = Duration::from_secs(1);

/// How long a client may go on sending what nobody reads, so that it gets to read its answer.
const LINGER: Duration = Duration::from_secs(2);

/// How much of it.
const LINGER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Who is at the other end, and the means to talk to them.
pub struct Client {
    /// The worker that carries the connection.
    pub worker: Rc<Worker>,
    /// The listener that it came by.
    pub door: Rc<Door>,
    /// The connection.
    pub stream: Stream,
    /// The connection's place on the clock.
    pub deadline: Deadline,
    /// The tick in which it was accepted.
    accepted: u32,
    /// The tick in which it had its last answer.
    idle_since: u32,
    /// Whether it may still turn out to speak HTTP/2.
    is_new: bool,
    /// What it is known by, if it came over TLS.
    pub secured: Option<Rc<Secured>>,
    /// Where it comes from, by the proxy that announced it if one did.
    pub ip: IpAddr,
    /// The port there.
    port: u16,
    /// Whom its request is from, once that has met the proxy.
    pub origin: Origin,
}

/// What becomes of a connection after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// It may carry another one.
    KeepAlive,
    /// It is closed.
    Close,
    /// It is closed once the client has had time to read its answer: more of its request may come.
    Linger,
    /// It is reset: the client must see that its answer is not whole.
    Reset,
}

/// Carries a connection from accept to close.
pub async fn serve(open: Open, stream: Stream, peer: SocketAddr) {
    let (worker, door) = (Rc::clone(open.worker()), Rc::clone(open.door()));
    let mut client = Client::new(worker, door, stream, peer);
    let (tls, is_announced, protocol) = {
        let rules = client.door.rules(&client.worker);
        (rules.tls.clone(), rules.is_announced, rules.protocol)
    };
    // In a box of its own: it is over soon.
    if is_announced && Box::pin(announced::hear(&mut client)).await.is_none() {
        return;
    }
    match tls {
        None if protocol == ListenerProtocol::Http2 => {
            return Box::pin(http2::front::serve(client, Vec::new())).await;
        }
        None => client.is_new = protocol == ListenerProtocol::Auto,
        // In a box of its own: it is over soon.
        Some(front) => match Box::pin(handshake::shake(&mut client, &front)).await {
            None => return,
            Some(true) => return Box::pin(http2::front::serve(client, Vec::new())).await,
            Some(false) => {}
        },
    }
    let mut read = client.read_at_once();
    while read.is_some() || client.next(client.idle_left()).await == Idle::Bytes {
        let input = read.take().unwrap_or_default();
        // In a box of its own: an idle connection must not hold room for a busy one.
        match Box::pin(client.busy(input)).await {
            Then::Rest => {}
            Then::End => return,
            Then::Http2(first) => return Box::pin(http2::front::serve(client, first)).await,
        }
    }
}

/// Carries one request of a connection that has many.
pub async fn serve_one(mut client: Client) {
    client.busy(Input::default()).await;
}

/// What follows a time of being busy.
enum Then {
    /// It rests.
    Rest,
    /// It ends.
    End,
    /// It speaks HTTP/2, and this was read of it.
    Http2(Vec<u8>),
}

/// How a connection's idleness ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Idle {
    /// There are bytes.
    Bytes,
    /// It has lasted as long as it was asked about.
    Lasts,
    /// The connection is over.
    Over,
}

impl Client {
    /// Begins with a connection that was just accepted.
    fn new(worker: Rc<Worker>, door: Rc<Door>, stream: Stream, from: SocketAddr) -> Self {
        let deadline = worker.deadlines.lend();
        let accepted = worker.deadlines.now();
        let (ip, port) = (from.ip().to_canonical(), from.port());
        let origin = Origin::of(ip);
        Self {
            worker,
            door,
            stream,
            deadline,
            accepted,
            idle_since: accepted,
            is_new: false,
            secured: None,
            ip,
            port,
            origin,
        }
    }

    /// Takes another address for the one that it comes from.
    fn comes_from(&mut self, from: SocketAddr) {
        (self.ip, self.port) = (from.ip().to_canonical(), from.port());
        self.origin = Origin::of(self.ip);
    }

    /// Returns the ends of the connection of whom its request is from; a port that is not known is 0.
    pub fn ends(&self) -> Ends {
        let port = if self.origin.ip == self.ip { self.port } else { 0 };
        Ends::of(SocketAddr::new(self.origin.ip, port), self.door.address())
    }

    /// Returns the client of one request, which `stream` carries.
    pub fn with_stream(&self, stream: Stream) -> Self {
        let (worker, door) = (Rc::clone(&self.worker), Rc::clone(&self.door));
        let secured = self.secured.clone();
        let from = SocketAddr::new(self.ip, self.port);
        Self { secured, ..Self::new(worker, door, stream, from) }
    }

    /// Finds out whom a request is from, whose head lies in `bytes`.
    pub fn meet(&mut self, view: &View, request: &gate::Request, bytes: &[u8]) {
        let (fields, said_by) = (&request.head.fields, view.settings.forwarded_fields);
        self.origin = Origin::find(self.ip, bytes, fields, said_by, |ip| view.settings.trusts(ip));
    }

    /// Takes the connection away, for something else than HTTP/1.
    pub fn take_stream(&mut self) -> Stream {
        std::mem::replace(&mut self.stream, Socket::none().into())
    }

    /// Says whether the next answer is the last on this connection.
    pub fn is_draining(&self) -> bool {
        self.worker.is_draining() || self.door.is_closing()
    }

    /// Returns how it speaks, if a head of its says this version.
    pub fn protocol(&self, said: Version) -> Protocol {
        match said {
            _ if self.stream.is_http2() => Protocol::Http2,
            Version::Http10 => Protocol::Http10,
            Version::Http11 => Protocol::Http11,
        }
    }

    /// Returns how long it may take.
    pub fn timeouts(&self) -> Patience {
        self.door.timeouts(&self.worker)
    }

    /// Returns where all requests of its listener are redirected to, if they are.
    pub fn redirect(&self) -> Option<HttpsRedirect> {
        self.door.redirect()
    }

    /// Returns the line that tells browsers to come by TLS only, or nothing.
    pub fn hsts(&self) -> Option<Rc<[u8]>> {
        self.door.hsts(self.secured.is_some())
    }

    /// Says whether a client that waits for its answer is watched, whether it stays.
    ///
    /// One that has just come is not before the next tick: most have their answer by then.
    pub fn is_watched(&self) -> bool {
        let is_watched = self.stream.is_watched() || self.worker.deadlines.now() > self.accepted;
        if !is_watched {
            self.deadline.call_at_next_tick();
        }
        is_watched
    }

    /// Reads what came with the connection.
    fn read_at_once(&mut self) -> Option<Input> {
        let mut input = Input::default();
        input.len = self.stream.try_read(&mut input.buffer).ok()?;
        (input.len > 0).then_some(input)
    }

    /// Returns how long it may still be idle.
    fn idle_left(&self) -> Duration {
        let idle = self.worker.deadlines.now().saturating_sub(self.idle_since);
        self.timeouts().idle.saturating_sub(TICK * idle)
    }

    /// Waits for the next request as long as the connection counts as busy.
    async fn next_soon(&mut self) -> Idle {
        self.idle_since = self.worker.deadlines.now();
        let left = self.idle_left();
        match self.worker.rest() {
            Some(_resting) if left > BUSY => self.next(BUSY).await,
            _ => Idle::Lasts,
        }
    }

    /// Waits for the next request, up to a limit.
    async fn next(&mut self, limit: Duration) -> Idle {
        self.deadline.set(limit);
        let mut in_grace = false;
        poll_fn(|cx| {
            if let Poll::Ready(ready) = self.stream.poll_read_ready(cx) {
                return Poll::Ready(if ready.is_ok() { Idle::Bytes } else { Idle::Over });
            }
            if self.is_draining() && !in_grace {
                in_grace = true;
                self.deadline.set(DRAIN_GRACE);
            }
            match self.deadline.poll_passed(cx) {
                false => Poll::Pending,
                true if in_grace => Poll::Ready(Idle::Over),
                true => Poll::Ready(Idle::Lasts),
            }
        })
        .await
    }

    /// Serves requests as long as they follow each other.
    async fn busy(&mut self, mut input: Input) -> Then {
        loop {
            let (after, rest) = match self.read_head(&mut input).await {
                Ok(None) if self.is_new && input.is_preface() => {
                    return Then::Http2(input.buffer[..input.len].to_vec());
                }
                Ok(None) => return Then::End,
                Ok(Some(head)) => self.answer(input, head).await,
                Err(reason) => {
                    let after = own::refuse_unread(self, &input.buffer[..input.len], reason).await;
                    (after, Some(input))
                }
            };
            self.is_new = false;
            match (after, rest) {
                _ if self.stream.is_http2() => return Then::End,
                (After::KeepAlive, Some(rest)) if rest.len > 0 => input = rest,
                (After::KeepAlive, rest) => {
                    drop(rest); // Whoever has work may have its buffer.
                    match self.next_soon().await {
                        Idle::Bytes => input = Input::default(),
                        Idle::Lasts => return Then::Rest,
                        Idle::Over => return Then::End,
                    }
                }
                (After::Close, _) if self.stream.is_quiet(false) => return Then::End,
                (After::Reset, _) => {
                    self.stream.set_linger(Some(Duration::ZERO));
                    return Then::End;
                }
                (After::Close | After::Linger, _) => {
                    self.linger().await;
                    return Then::End;
                }
            }
        }
    }

    /// Answers the request whose head was read; returns what came after it.
    async fn answer(&mut self, input: Input, head: RequestHead) -> (After, Option<Input>) {
        let began = self.worker.begin();
        let _under_way = self.worker.counting().map(|hand| self.door.begin(hand));
        let Input { buffer, len, .. } = input;
        let (head_len, method, target) = (head.len, head.method, head.target);
        match gate::admit(&buffer[..len], head) {
            Err(reason) => (own::refuse_unread(self, &buffer[..len], reason).await, None),
            Ok(admission) => {
                let (Admission::Forward(request) | Admission::AnswerOptions(request)) = &admission;
                let upload = match Flow::new(buffer, head_len, len, request.body, true) {
                    Ok(upload) => upload,
                    Err(buffer) => {
                        let words = (method.of(&buffer), target.of(&buffer));
                        return (own::refuse_named(self, words, Reason::BadBody).await, None);
                    }
                };
                let (after, rest) = match admission {
                    Admission::Forward(request) => proxy::serve(self, request, upload, began).await,
                    Admission::AnswerOptions(request) => {
                        (own::options(self, &request, &upload, began).await, upload.into_rest())
                    }
                };
                let rest = rest.map(|(buffer, len)| Input { buffer, len });
                (after, rest)
            }
        }
    }

    /// Reads until the input holds a whole head; `None` means the client left or was idle.
    async fn read_head(&mut self, input: &mut Input) -> Result<Option<RequestHead>, Reason> {
        self.deadline.set(self.timeouts().head);
        let mut unparsed = 0;
        loop {
            unparsed -= input.skip_empty_lines().min(unparsed);
            if self.is_new && input.may_be_preface() {
                if input.is_preface() {
                    return Ok(None);
                }
                unparsed = input.len;
            }
            // A head ends with a line: without a new one there is nothing new to find.
            else if memchr::memchr(b'\n', &input.buffer[unparsed..input.len]).is_some()
                || unparsed == 0
            {
                if let Some(head) = input.parse()? {
                    return Ok(Some(head));
                }
                unparsed = input.len;
            }
            input.make_room()?;
            let read = poll_fn(|cx| self.poll_read_head(cx, input)).await?;
            if read == 0 {
                return Ok(None);
            }
            input.len += read;
        }
    }

    fn poll_read_head(
        &mut self,
        cx: &mut Context<'_>,
        input: &mut Input,
    ) -> Poll<Result<usize, Reason>> {
        match self.stream.poll_read(cx, &mut input.buffer[input.len..]) {
            Poll::Ready(read) => Poll::Ready(Ok(read.unwrap_or(0))),
            Poll::Pending if !self.deadline.poll_passed(cx) => Poll::Pending,
            Poll::Pending if input.len == 0 => Poll::Ready(Ok(0)),
            Poll::Pending => Poll::Ready(Err(Reason::HeadTimeout)),
        }
    }

    /// Writes all of `bytes`, unless the client stalls or leaves.
    pub async fn write_all(&mut self, bytes: &[u8]) -> Result<(), Reason> {
        self.deadline.set(self.timeouts().stall);
        let mut at = 0;
        poll_fn(|cx| {
            while at < bytes.len() {
                match self.stream.poll_write(cx, &bytes[at..], Next::Unknown) {
                    Poll::Ready(Ok(written)) if written > 0 => at += written,
                    Poll::Ready(_) => return Poll::Ready(Err(Reason::ClientGone)),
                    Poll::Pending if self.deadline.poll_passed(cx) => {
                        return Poll::Ready(Err(Reason::ClientStalled));
                    }
                    Poll::Pending => return Poll::Pending,
                }
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Ends the sending side and reads on for a while: closing a socket with unread bytes resets
    /// it, and takes an answer that is still on its way down with it.
    async fn linger(&mut self) {
        self.deadline.set(LINGER);
        let mut waste = Buffer::small();
        let mut left = LINGER_BYTES_MAX;
        poll_fn(|cx| {
            let _ = ready!(self.stream.poll_shutdown(cx));
            while left > 0 && !self.deadline.poll_passed(cx) {
                match ready!(self.stream.poll_read(cx, &mut waste)) {
                    Ok(read) if read > 0 => left = left.saturating_sub(read),
                    _ => break,
                }
            }
            Poll::Ready(())
        })
        .await;
    }
}

/// What has been read and not yet understood.
struct Input {
    buffer: Buffer,
    len: usize,
}

impl Default for Input {
    fn default() -> Self {
        Self { buffer: Buffer::small(), len: 0 }
    }
}

impl Input {
    fn parse(&mut self) -> Result<Option<RequestHead>, Reason> {
        let parsed = head::parse_request(&self.buffer[..self.len]).map_err(|bad| match bad {
            BadHead::Malformed => Reason::MalformedRequest,
            BadHead::Version if self.buffer.starts_with(b"PRI ") => Reason::MalformedRequest,
            BadHead::Version => Reason::VersionNotSupported,
            BadHead::TooManyFields => Reason::HeadTooLarge,
        })?;
        // One read may bring more than the limit: what counts is the head, not how it came.
        match parsed {
            Some(head) if head.len > HEAD_BYTES_MAX => {
                let is_target = head.target.of(&self.buffer).len() > TARGET_BYTES_MAX;
                Err(if is_target { Reason::TargetTooLong } else { Reason::HeadTooLarge })
            }
            parsed => Ok(parsed),
        }
    }

    /// Forgets empty lines before a head (RFC 9112 §2.2); returns how many bytes they took.
    fn skip_empty_lines(&mut self) -> usize {
        let mut empty = 0;
        loop {
            empty += match &self.buffer[empty..self.len] {
                [b'\r', b'\n', ..] => 2,
                [b'\n', ..] => 1,
                _ => break,
            };
        }
        if empty > 0 {
            self.buffer.copy_within(empty..self.len, 0);
            self.len -= empty;
        }
        empty
    }

    /// Says whether it begins as HTTP/2 does.
    #[inline]
    fn may_be_preface(&self) -> bool {
        let len = self.len.min(PREFACE.len());
        self.buffer[0] == b'P' && len > 0 && self.buffer[..len] == PREFACE[..len]
    }

    /// Says whether that is all there.
    fn is_preface(&self) -> bool {
        self.len >= PREFACE.len() && self.may_be_preface()
    }

    fn make_room(&mut self) -> Result<(), Reason> {
        if self.len >= HEAD_BYTES_MAX {
            let has_line = memchr::memchr(b'\n', &self.buffer[..self.len]).is_some();
            return Err(if has_line { Reason::HeadTooLarge } else { Reason::TargetTooLong });
        }
        if self.len == self.buffer.len() {
            self.buffer.grow(self.len);
        }
        Ok(())
    }
}
