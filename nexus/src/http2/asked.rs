//! A request that came by HTTP/2, as an HTTP/1.1 connection that carries it alone.

use std::io;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;

use super::inflow::Inflow;
use super::outflow::{Begun, Outflow};
use super::{failed, text};
use crate::http1::body::Framing;
use crate::http1::head::{self, ResponseHead};

/// A request of a client, and the way for its answer.
pub struct Asked {
    inflow: Inflow,
    outflow: Outflow,
    respond: SendResponse<Bytes>,
    is_head: bool,
    is_connect: bool,
}

impl Asked {
    /// Begins with a request.
    pub fn new(request: http::Request<RecvStream>, respond: SendResponse<Bytes>) -> Self {
        let (parts, body) = request.into_parts();
        let mut bytes = Vec::with_capacity(512);
        let key = u128::to_ne_bytes(fastrand::u128(..));
        let framing = text::request(&mut bytes, &parts, body.is_end_stream(), key);
        let is_connect = framing == Framing::UntilClose;
        Self {
            inflow: Inflow::new(bytes, body, framing),
            outflow: Outflow::default(),
            respond,
            is_head: parts.method == http::Method::HEAD,
            is_connect,
        }
    }

    /// See [`crate::stream::Stream::has_ended`].
    pub fn was_given_up(&mut self) -> bool {
        self.poll_given_up(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    /// Says whether it has become a tunnel, whose either side may end first.
    fn is_tunnel(&self) -> bool {
        self.is_connect && self.outflow.stream.is_some()
    }

    /// Waits for the client to give the request up.
    pub fn poll_given_up(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.outflow.stream {
            Some(stream) => stream.poll_reset(cx).map(|_| ()),
            None => self.respond.poll_reset(cx).map(|_| ()),
        }
    }

    /// See [`crate::stream::Stream::poll_read_ready`].
    pub fn poll_read_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.inflow.poll_ready(cx))?;
        if self.inflow.is_done() && !self.is_tunnel() {
            ready!(self.poll_given_up(cx));
        }
        Poll::Ready(Ok(()))
    }

    /// See [`crate::stream::Stream::poll_read`]: once the request was read, none means that the
    /// client has given it up.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let read = ready!(self.inflow.poll_read(cx, into))?;
        if read == 0 && !self.is_tunnel() {
            ready!(self.poll_given_up(cx));
        }
        Poll::Ready(Ok(read))
    }

    /// See [`crate::stream::Stream::poll_write`].
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { outflow, respond, is_head, is_connect, .. } = self;
        outflow.poll_write(cx, bytes, |bytes| {
            let head = head::parse_own_response(bytes).ok().flatten();
            let head = head.ok_or(io::ErrorKind::InvalidInput)?;
            begin(respond, bytes, &head, (*is_head, *is_connect))
        })
    }

    /// Ends the sending side of a tunnel.
    pub fn end(&mut self) -> io::Result<()> {
        self.outflow.end()
    }
}

/// Sends the head of an answer.
fn begin(
    respond: &mut SendResponse<Bytes>,
    bytes: &[u8],
    head: &ResponseHead,
    about: (bool, bool),
) -> io::Result<Begun> {
    let said = text::to_response(bytes, head, about);
    let (response, framing) = said.map_err(|_| io::ErrorKind::InvalidInput)?;
    if response.status().is_informational() {
        respond.send_informational(response).map_err(failed)?;
        return Ok(Begun::Interim);
    }
    let stream = respond.send_response(response, framing == Framing::None).map_err(failed)?;
    Ok(Begun::Body(stream, framing))
}

/// An answer that is not whole must not look whole.
impl Drop for Asked {
    fn drop(&mut self) {
        if !self.outflow.is_done() {
            let reason = if self.outflow.stream.is_some() && self.is_connect {
                h2::Reason::CANCEL
            } else {
                h2::Reason::INTERNAL_ERROR
            };
            self.respond.send_reset(reason);
        }
    }
}
