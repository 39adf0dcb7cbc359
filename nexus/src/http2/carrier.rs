//! What carries an HTTP/2 connection, as `h2` wants it, and what passes there as others want to know.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::{FrameWatch, Verdict};
use crate::buffer::Buffer;
use crate::deadline::{Deadlines, TICK};
use crate::stream::{Next, Stream};

/// A connection that speaks HTTP/2.
pub struct Carrier {
    stream: Stream,
    /// What was read before it was known to be HTTP/2.
    first: Vec<u8>,
    meter: Rc<Meter>,
    /// What looks at a client's frames first, and its clock.
    watch: Option<(FrameWatch, Rc<Deadlines>)>,
}

/// How much is read, and thrown away, of a connection whose end was announced: closing a socket with
/// unread bytes resets it, and takes the announcement along.
const LINGER_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// What passes on a connection.
#[derive(Debug, Default)]
pub struct Meter {
    /// Bytes that came.
    pub read: Cell<u64>,
    /// Bytes that left.
    pub written: Cell<u64>,
    /// Whether some wait to leave.
    pub is_blocked: Cell<bool>,
    /// Why it must end, if the client's frames say so.
    pub verdict: Cell<Option<Verdict>>,
    /// Whether all has left that ever will.
    pub is_shut: Cell<bool>,
}

impl Carrier {
    /// Carries HTTP/2 over `stream`, of which `first` was read already.
    pub fn new(stream: Stream, first: Vec<u8>) -> (Self, Rc<Meter>) {
        let meter = Rc::<Meter>::default();
        (Self { stream, first, meter: Rc::clone(&meter), watch: None }, meter)
    }

    /// Has a client's frames looked at before anything is done about them.
    pub fn watched(self, clock: &Rc<Deadlines>) -> Self {
        let watch = FrameWatch::new(now_ms(clock));
        Self { watch: Some((watch, Rc::clone(clock))), ..self }
    }

    /// Says whether what came may be read.
    fn may_pass(&mut self, came: &[u8]) -> bool {
        self.came(came.len());
        let Some((watch, clock)) = &mut self.watch else { return true };
        let verdict = watch.see(came, now_ms(clock));
        if verdict.reason().is_some() {
            self.meter.verdict.set(Some(verdict));
        }
        verdict.reason().is_none()
    }

    fn came(&self, bytes: usize) {
        self.meter.read.set(self.meter.read.get() + bytes as u64);
    }

    fn left(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.meter.is_blocked.set(written.is_pending());
        if let Poll::Ready(Ok(bytes)) = written {
            self.meter.written.set(self.meter.written.get() + bytes as u64);
        }
        written
    }
}

impl AsyncRead for Carrier {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        if self.first.is_empty() {
            // By way of a buffer that is ready: making all of `into` ready costs more than copying
            // what comes.
            let mut buffer = Buffer::small();
            let len = into.remaining().min(buffer.len());
            let read = ready!(self.stream.poll_read(cx, &mut buffer[..len]))?;
            into.put_slice(&buffer[..read]);
        } else {
            let len = self.first.len().min(into.remaining());
            into.put_slice(&self.first[..len]);
            self.first.drain(..len);
        }
        if self.may_pass(&into.filled()[before..]) {
            return Poll::Ready(Ok(()));
        }
        into.set_filled(before); // Nothing of it is to be done.
        Poll::Pending
    }
}

impl AsyncWrite for Carrier {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.stream.poll_write(cx, bytes, Next::Unknown);
        self.left(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.stream.poll_write_vectored(cx, pieces);
        self.left(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(())) // A write is done when it has left.
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.meter.is_shut.get() {
            ready!(self.stream.poll_shutdown(cx))?;
            self.meter.is_shut.set(true);
        }
        let mut waste = [0; 4096];
        while self.meter.read.get() < LINGER_BYTES_MAX {
            match ready!(self.stream.poll_read(cx, &mut waste)) {
                Ok(read @ 1..) => self.came(read),
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn now_ms(clock: &Deadlines) -> u64 {
    u64::from(clock.now()) * TICK.as_millis() as u64
}
