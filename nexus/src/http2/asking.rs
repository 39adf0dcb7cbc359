//! A request that goes to a backend by HTTP/2, as an HTTP/1.1 connection that carries it alone.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use h2::client::ResponseFuture;

use super::back::Slot;
use super::inflow::Inflow;
use super::outflow::{Begun, Outflow};
use super::text::{self, Upgrade};
use super::{broken, failed, is_unseen, unseen};
use crate::http1::head;

/// A request to a backend, and its answer.
pub struct Asking {
    slot: Slot,
    outflow: Outflow,
    sent: Option<Sent>,
    answer: Answer,
}

/// A request that was sent, as far as its answer's head depends on it.
struct Sent {
    is_head: bool,
    upgrade: Option<Upgrade>,
}

enum Answer {
    /// The request was not sent yet.
    None,
    /// Its head is awaited; interim answers were written as text, and read so far.
    Awaited(ResponseFuture, Vec<u8>, usize),
    /// Its body is under way.
    Begun(Inflow),
    /// There will be none.
    Failed(io::Error),
}

impl Asking {
    /// Begins on a connection that has room for a stream.
    pub fn new(slot: Slot) -> Self {
        Self { slot, outflow: Outflow::default(), sent: None, answer: Answer::None }
    }

    /// See [`crate::stream::Stream::poll_read_ready`].
    pub fn poll_read_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match &mut self.answer {
                // Whoever asks is about to send it.
                Answer::None => return Poll::Pending,
                Answer::Failed(error) => return Poll::Ready(Err(again(error))),
                Answer::Begun(inflow) => return inflow.poll_ready(cx),
                Answer::Awaited(_, text, at) if *at < text.len() => return Poll::Ready(Ok(())),
                Answer::Awaited(..) => ready!(self.poll_head(cx))?,
            }
        }
    }

    /// Waits for an interim answer or the head of the final one.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Answer::Awaited(response, text, at) = &mut self.answer else {
            return Poll::Ready(Ok(()));
        };
        text.clear();
        *at = 0;
        if let Poll::Ready(Some(interim)) = response.poll_informational(cx) {
            let (parts, ()) = interim.map_err(failed)?.into_parts();
            text::interim(text, parts.status, &parts.headers);
            return Poll::Ready(Ok(()));
        }
        let (parts, body) = ready!(Pin::new(response).poll(cx)).map_err(failed)?.into_parts();
        let Some(sent) = &self.sent else { return Poll::Ready(Err(broken())) };
        let mut head = Vec::with_capacity(512);
        let about = (body.is_end_stream(), sent.is_head);
        let framing = text::response(&mut head, &parts, about, sent.upgrade.as_ref());
        self.answer = Answer::Begun(Inflow::new(head, body, framing));
        Poll::Ready(Ok(()))
    }

    /// See [`crate::stream::Stream::poll_read`].
    pub fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_read_ready(cx))?;
        match &mut self.answer {
            Answer::Begun(inflow) => inflow.poll_read(cx, into),
            Answer::Awaited(_, text, at) => {
                let len = into.len().min(text.len() - *at);
                into[..len].copy_from_slice(&text[*at..*at + len]);
                *at += len;
                Poll::Ready(Ok(len))
            }
            Answer::None | Answer::Failed(_) => Poll::Pending,
        }
    }

    /// See [`crate::stream::Stream::poll_write`].
    ///
    /// # Errors
    ///
    /// Fails with `InvalidInput` for a request that cannot be said in HTTP/2.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { slot, outflow, sent, answer } = self;
        outflow.poll_write(cx, bytes, |bytes| {
            let begun = begin(slot, bytes);
            let (response, told, begun) = begun.inspect_err(|error| {
                *answer = Answer::Failed(again(error));
            })?;
            *sent = Some(told);
            *answer = Answer::Awaited(response, Vec::new(), 0);
            Ok(begun)
        })
    }

    /// Ends the sending side of a tunnel.
    pub fn end(&mut self) -> io::Result<()> {
        self.outflow.end()
    }
}

/// Sends the head of a request.
fn begin(slot: &mut Slot, bytes: &[u8]) -> io::Result<(ResponseFuture, Sent, Begun)> {
    let head = head::parse_own_request(bytes).ok().flatten().ok_or(io::ErrorKind::InvalidInput)?;
    let said = text::to_request(bytes, &head, slot.about());
    let (request, framing, upgrade) = said.map_err(|_| io::ErrorKind::InvalidInput)?;
    let is_head = head.method.of(bytes) == b"HEAD";
    let (response, stream) = slot.send(request, framing)?;
    Ok((response, Sent { is_head, upgrade }, Begun::Body(stream, framing)))
}

/// Tells an error once more.
fn again(error: &io::Error) -> io::Error {
    match is_unseen(error) {
        true => unseen(),
        false => error.kind().into(),
    }
}
