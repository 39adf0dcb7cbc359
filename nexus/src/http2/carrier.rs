//! What carries an HTTP/2 connection, as `h2` wants it, and what passes there as others want to know.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::stream::{Next, Stream};

/// A connection that speaks HTTP/2.
pub struct Carrier {
    stream: Stream,
    /// What was read before it was known to be HTTP/2.
    first: Vec<u8>,
    meter: Rc<Meter>,
}

/// What passes on a connection.
#[derive(Debug, Default)]
pub struct Meter {
    /// Bytes that came.
    pub read: Cell<u64>,
    /// Bytes that left.
    pub written: Cell<u64>,
    /// Whether some wait to leave.
    pub is_blocked: Cell<bool>,
}

impl Carrier {
    /// Carries HTTP/2 over `stream`, of which `first` was read already.
    pub fn new(stream: Stream, first: Vec<u8>) -> (Self, Rc<Meter>) {
        let meter = Rc::<Meter>::default();
        (Self { stream, first, meter: Rc::clone(&meter) }, meter)
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
        if !self.first.is_empty() {
            let len = self.first.len().min(into.remaining());
            into.put_slice(&self.first[..len]);
            self.first.drain(..len);
            self.came(len);
            return Poll::Ready(Ok(()));
        }
        let read = ready!(self.stream.poll_read(cx, into.initialize_unfilled()))?;
        into.advance(read);
        self.came(read);
        Poll::Ready(Ok(()))
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
        self.stream.poll_shutdown(cx)
    }
}
