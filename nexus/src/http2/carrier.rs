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
    /// Bytes that were read and thrown away at its end.
    wasted: u64,
    /// What looks at a client's frames first, and its clock.
    watch: Option<(FrameWatch, Rc<Deadlines>)>,
    crumbs: Crumbs,
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
    /// Frames with a small piece of a body that came: see [`Crumbs`].
    pub crumbs: Cell<u32>,
}

impl Carrier {
    /// Carries HTTP/2 over `stream`, of which `first` was read already.
    pub fn new(stream: Stream, first: Vec<u8>) -> (Self, Rc<Meter>) {
        let meter = Rc::<Meter>::default();
        let crumbs = Crumbs::default();
        (Self { stream, first, meter: Rc::clone(&meter), watch: None, crumbs, wasted: 0 }, meter)
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
        self.meter.crumbs.set(self.meter.crumbs.get().saturating_add(self.crumbs.count(came)));
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

/// Counts frames that bring less of a body than it costs to keep them: `h2` has some 400 bytes for
/// each that nobody has read, whatever it brings, and lets windows bound only the bytes.
#[derive(Default)]
struct Crumbs {
    is_begun: bool,
    /// Bytes to come before the next header.
    skip: usize,
    head: [u8; HEAD_LEN],
    head_len: usize,
}

/// The length of what a client says before its first frame (RFC 9113 §3.4).
const PREFACE_LEN: usize = 24;

/// The length of a frame's header (RFC 9113 §4.1).
const HEAD_LEN: usize = 9;

/// DATA below this is a crumb, in bytes.
const CRUMB_BYTES: usize = 256;

impl Crumbs {
    /// Returns how many begin in what came next of a connection, however it was cut.
    fn count(&mut self, mut came: &[u8]) -> u32 {
        if !std::mem::replace(&mut self.is_begun, true) {
            self.skip = PREFACE_LEN;
        }
        let mut count = 0;
        while !came.is_empty() {
            let passed = came.len().min(self.skip);
            self.skip -= passed;
            came = &came[passed..];
            let taken = came.len().min(HEAD_LEN - self.head_len);
            self.head[self.head_len..self.head_len + taken].copy_from_slice(&came[..taken]);
            self.head_len += taken;
            came = &came[taken..];
            if let (HEAD_LEN, [l0, l1, l2, kind, ..]) = (self.head_len, self.head) {
                self.head_len = 0;
                self.skip = u32::from_be_bytes([0, l0, l1, l2]) as usize;
                count += u32::from(kind == DATA && self.skip < CRUMB_BYTES);
            }
        }
        count
    }
}

/// The type of a frame with a piece of a body.
const DATA: u8 = 0;

impl AsyncRead for Carrier {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        if self.first.is_empty() {
            // By way of the worker's own: `h2`'s memory is fresh, and would be there for good once all
            // of it was written to, as reading into it safely has to.
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
        // Of a client only: a backend has nothing to read that it could miss.
        while self.watch.is_some() && self.wasted < LINGER_BYTES_MAX {
            match ready!(self.stream.poll_read(cx, &mut waste)) {
                Ok(read @ 1..) => self.wasted += read as u64,
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn now_ms(clock: &Deadlines) -> u64 {
    u64::from(clock.now()) * TICK.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crumbs_are_counted_however_they_are_cut() {
        let frame = |kind: u8, len: usize| {
            [&[0, (len >> 8) as u8, len as u8, kind, 0, 0, 0, 0, 1][..], &vec![0; len]].concat()
        };
        let frames = [frame(4, 6), frame(DATA, 1), frame(DATA, 256), frame(1, 9), frame(DATA, 255)];
        let all = [&[b'P'; PREFACE_LEN][..], &frames.concat(), &frame(DATA, 0)].concat();
        for cut in 1..all.len() {
            let mut crumbs = Crumbs::default();
            assert_eq!(all.chunks(cut).map(|piece| crumbs.count(piece)).sum::<u32>(), 3, "{cut}");
        }
    }
}
