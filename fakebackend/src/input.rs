//! Bytes read from a connection and not used yet.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use crate::connections::Lease;
use crate::request::MAX_HEAD_BYTES;
use crate::stream::Stream;

/// Room for the heads that come in practice; a longer one makes it grow up to [`MAX_HEAD_BYTES`].
const START_BYTES: usize = 4 * 1024;
/// Room while a body is being read: large enough that the call costs less than the copy.
const BODY_BYTES: usize = 64 * 1024;

/// A read buffer.
pub(crate) struct Input {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    pub(crate) fn new() -> Self {
        Self { buffer: vec![0; START_BYTES], start: 0, end: 0 }
    }

    pub(crate) fn filled(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(crate) fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.end);
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Everything that has been read and not used, taken out.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let taken = self.filled().to_vec();
        self.consume(taken.len());
        taken
    }

    /// Makes room for pieces of a body.
    pub(crate) fn grow_for_body(&mut self) {
        if self.buffer.len() < BODY_BYTES {
            self.buffer.resize(BODY_BYTES, 0);
        }
    }

    /// Gives back what a body or a long head needed.
    pub(crate) fn shrink(&mut self) {
        if self.buffer.len() > START_BYTES && self.is_empty() {
            self.buffer.truncate(START_BYTES);
            self.buffer.shrink_to_fit();
        }
    }

    /// Reads more behind what is there; `false` at the end of the stream, or once the connection
    /// is to finish and nothing more has come.
    pub(crate) async fn fill(
        &mut self,
        stream: &mut Stream,
        lease: &Lease,
        wait: Wait,
    ) -> io::Result<bool> {
        self.make_room();
        poll_fn(|context| {
            let mut room = ReadBuf::new(&mut self.buffer[self.end..]);
            let read = Pin::new(&mut *stream).poll_read(context, &mut room);
            if read.is_pending() && wait == Wait::UntilFinishing && lease.is_finishing() {
                return Poll::Ready(Ok(false));
            }
            ready!(read)?;
            let count = room.filled().len();
            self.end += count;
            Poll::Ready(Ok(count > 0))
        })
        .await
    }

    /// Says whether more can be read before anything is consumed.
    pub(crate) fn has_room(&self) -> bool {
        self.end - self.start < self.buffer.len().max(MAX_HEAD_BYTES)
    }

    fn make_room(&mut self) {
        if self.end < self.buffer.len() {
            return;
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        } else if self.buffer.len() < MAX_HEAD_BYTES {
            self.buffer.resize((self.buffer.len() * 2).min(MAX_HEAD_BYTES), 0);
        }
    }
}

/// How long to wait for more bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// For as long as the client stays: a request is under way.
    Always,
    /// Until the connection is told to finish: nothing is under way.
    UntilFinishing,
}
