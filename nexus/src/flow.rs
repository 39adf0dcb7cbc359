//! One direction of a message: bytes from one connection, framing taken out and put on anew, bytes
//! to the other. Back-pressure is by not reading: nothing is read while anything waits to be
//! written.
//!
//! ```text
//! buffer  │ head, if kept │ data, written and kept │ data to write │ rest: not this message's │
//!         0            floor                  data.start      data.end                   rest.end
//! ```
//!
//! # Why may written data be kept?
//!
//! A request that may have to be sent again needs its body again. As long as it fits, the read
//! buffer itself is the copy: [`Flow::rewind`] just moves back to the floor.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::task::{Context, Poll, ready};

use crate::buffer::Buffer;
use crate::http1::body::{Body, Framing};
use crate::http1::egress;
use crate::recycle::Recycled;
use crate::retry::KEPT_BYTES_MAX;
use crate::stream::{Next, Stream};
use crate::websocket::Frames;

/// Up to here data is copied behind the head: one plain write is cheaper than a vectored one.
const COPY_BYTES_MAX: usize = 4 * 1024;

/// Why a flow stopped before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The source ended before the message did.
    SourceEnded,
    /// The source failed.
    SourceFailed,
    /// The framing of the body is broken.
    BadBody,
    /// The body is larger than it may be.
    TooLarge,
    /// What was read could not be written.
    SinkFailed,
}

/// One direction of a message.
pub struct Flow {
    buffer: Option<Buffer>,
    /// The size to take a buffer in again, once one grew.
    size: usize,
    floor: usize,
    data: Range<usize>,
    rest: Range<usize>,
    /// What goes out before the data: a head, the size of a chunk.
    prefix: Recycled<u8>,
    prefix_at: usize,
    /// What goes out after it.
    suffix: Recycled<u8>,
    suffix_at: usize,
    body: Body,
    ends_with_source: bool,
    trailers: Vec<u8>,
    /// Whether trailers are sent on.
    has_trailers: bool,
    to_chunked: bool,
    /// Whether written data is kept.
    keep: bool,
    /// Whether written data was let go.
    is_lossy: bool,
    was_blocked: bool,
    /// Whether the last read filled all the room there was.
    was_full: bool,
    /// Whether the sink is closed behind it.
    pub ends_connection: bool,
    /// The frames of a WebSocket, if it carries one.
    pub frames: Option<Box<Frames>>,
    /// Bytes of the body read so far.
    pub body_bytes: u64,
    /// Bytes of the body at most; of a larger one the end is never sent on.
    pub body_bytes_max: u64,
    /// Bytes of the body that are kept, so that it can be sent again.
    pub kept_bytes_max: usize,
    /// Bytes written since the last rewind.
    pub written: u64,
    /// Bytes moved in all: what does not change stalls.
    pub moved: u64,
}

impl Flow {
    /// Starts a flow whose first bytes, up to `end`, have been read; the body begins at `at`.
    ///
    /// The bytes before it stay where they are if they are `kept`.
    ///
    /// # Errors
    ///
    /// Hands the buffer back if what was read of the body is broken.
    pub fn new(
        mut buffer: Buffer,
        at: usize,
        end: usize,
        framing: Framing,
        kept: bool,
    ) -> Result<Self, Buffer> {
        let was_full = end == buffer.len();
        let mut body = Body::from(framing);
        let mut trailers = Vec::new();
        let decoded = body.decode(&mut buffer[at..end], |lines| trailers.extend_from_slice(lines));
        let Ok(piece) = decoded else {
            return Err(buffer);
        };
        Ok(Self {
            size: buffer.len(),
            buffer: Some(buffer),
            floor: if kept { at } else { 0 },
            data: at..at + piece.data,
            rest: at + piece.consumed..end,
            prefix: Recycled::default(),
            prefix_at: 0,
            suffix: Recycled::default(),
            suffix_at: 0,
            body,
            ends_with_source: framing == Framing::UntilClose,
            trailers,
            has_trailers: true,
            to_chunked: false,
            keep: kept,
            is_lossy: false,
            was_blocked: false,
            was_full,
            ends_connection: false,
            frames: None,
            body_bytes: piece.data as u64,
            body_bytes_max: u64::MAX,
            kept_bytes_max: KEPT_BYTES_MAX,
            written: 0,
            moved: 0,
        })
    }

    /// Returns the bytes before the floor: the head.
    pub fn head(&self) -> &[u8] {
        self.buffer.as_ref().map_or(&[], |buffer| &buffer[..self.floor])
    }

    /// Returns all that lies in the buffer.
    pub fn bytes(&self) -> &[u8] {
        self.buffer.as_deref().unwrap_or_default()
    }

    /// Returns whether the message was read to its end.
    pub fn is_read(&self) -> bool {
        self.body.is_done()
    }

    /// Returns whether it ends with its source's connection.
    pub fn is_until_close(&self) -> bool {
        self.ends_with_source
    }

    /// Returns whether bytes came that are not this message's.
    pub fn has_rest(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Returns whether something waits to be written.
    pub fn is_drained(&self) -> bool {
        self.prefix_at == self.prefix.len()
            && self.data.is_empty()
            && self.suffix_at == self.suffix.len()
    }

    /// Returns whether all of the body that was read is still there.
    pub fn is_replayable(&self) -> bool {
        !self.is_lossy
    }

    /// Returns the body, if all of it was read and is still there.
    pub fn kept_body(&self) -> Option<&[u8]> {
        let is_whole = self.is_read() && self.is_replayable();
        is_whole.then(|| &self.bytes()[self.floor..self.data.end])
    }

    /// Lets written data go from now on.
    pub fn let_go(&mut self) {
        self.keep = false;
    }

    /// Returns the lines of the trailers, once they were read.
    pub fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    /// Keeps trailers from being sent on.
    pub fn drop_trailers(&mut self) {
        self.has_trailers = false;
    }

    /// Returns whether the sink ever made the source wait.
    pub fn was_blocked(&self) -> bool {
        self.was_blocked
    }

    /// Puts the head `write` writes before the data, and says whether the data goes out chunked.
    pub fn start(&mut self, to_chunked: bool, write: impl FnOnce(&mut Vec<u8>, &[u8])) {
        self.prefix.clear();
        self.prefix_at = 0;
        self.suffix.clear();
        self.suffix_at = 0;
        self.written = 0;
        self.to_chunked = to_chunked;
        write(&mut self.prefix, self.buffer.as_deref().unwrap_or_default());
        self.frame();
    }

    /// Goes back to the start of the body, for [`Flow::start`] to send it again.
    pub fn rewind(&mut self) {
        self.data.start = self.floor;
    }

    /// Follows the WebSocket frames of a tunnel from here on, of what waits to be written too.
    pub fn follow_frames(&mut self) {
        let mut frames = Box::<Frames>::default();
        // Some may wait behind the head, where they were copied to.
        let from = self.data.end.saturating_sub(self.body_bytes as usize);
        frames.pass(&self.bytes()[from..self.data.end]);
        self.frames = Some(frames);
    }

    /// Puts `bytes` behind all that was read.
    pub fn put(&mut self, bytes: &[u8]) {
        self.prefix.extend_from_slice(bytes);
    }

    /// Writes what was put.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>, to: &mut Stream) -> Poll<io::Result<()>> {
        while !self.is_drained() {
            ready!(self.poll_drain(cx, to))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Turns into a tunnel: what came behind the message, and all that follows, passes as it is.
    pub fn become_tunnel(&mut self) {
        self.data = self.rest.clone();
        self.rest = self.data.end..self.data.end;
        self.body_bytes = self.data.len() as u64;
        self.body = Body::UntilClose;
        self.to_chunked = false;
        self.keep = false;
    }

    /// Returns the buffer with the rest at its front, and how long that is.
    pub fn into_rest(mut self) -> Option<(Buffer, usize)> {
        let mut buffer = self.buffer.take()?;
        let len = self.rest.len();
        buffer.copy_within(self.rest.clone(), 0);
        Some((buffer, len))
    }

    /// Puts the framing around the data that waits.
    fn frame(&mut self) {
        if self.to_chunked {
            if !self.data.is_empty() {
                egress::chunk_size(&mut self.prefix, self.data.len());
                self.suffix.extend_from_slice(b"\r\n");
            }
            if self.body.is_done() {
                self.suffix.extend_from_slice(b"0\r\n");
                if self.has_trailers {
                    self.suffix.extend_from_slice(&self.trailers);
                }
                self.suffix.extend_from_slice(b"\r\n");
            }
        }
        if !self.prefix.is_empty() && self.data.len() <= COPY_BYTES_MAX {
            if let Some(buffer) = &self.buffer {
                self.prefix.extend_from_slice(&buffer[self.data.clone()]);
            }
            self.prefix.append(&mut self.suffix);
            self.data.start = self.data.end;
        }
    }

    /// Moves bytes until the message has passed or one side makes wait.
    ///
    /// # Errors
    ///
    /// Says on which side it stopped.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Stream,
        to: &mut Stream,
    ) -> Poll<Result<(), Stop>> {
        loop {
            while !self.is_drained() {
                let drained = self.poll_drain(cx, to);
                self.was_blocked |= drained.is_pending();
                ready!(drained).map_err(|_| Stop::SinkFailed)?;
            }
            if self.body.is_done() {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_fill(cx, from))?;
        }
    }

    /// Writes once.
    fn poll_drain(&mut self, cx: &mut Context<'_>, to: &mut Stream) -> Poll<io::Result<()>> {
        let next =
            if self.ends_connection && self.body.is_done() { Next::End } else { Next::Unknown };
        let prefix = &self.prefix[self.prefix_at..];
        let suffix = &self.suffix[self.suffix_at..];
        let data = self.buffer.as_ref().map_or(&[][..], |buffer| &buffer[self.data.clone()]);
        let written = ready!(match (prefix, data, suffix) {
            (only, [], []) | ([], only, []) | ([], [], only) => to.poll_write(cx, only, next),
            _ => {
                let slices = [IoSlice::new(prefix), IoSlice::new(data), IoSlice::new(suffix)];
                to.poll_write_vectored(cx, &slices)
            }
        })?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.advance(written);
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, written: usize) {
        self.written += written as u64;
        self.moved += written as u64;
        let of_prefix = written.min(self.prefix.len() - self.prefix_at);
        let of_data = (written - of_prefix).min(self.data.len());
        self.prefix_at += of_prefix;
        self.data.start += of_data;
        self.suffix_at += written - of_prefix - of_data;
        if self.prefix_at == self.prefix.len() {
            self.prefix.clear();
            self.prefix_at = 0;
        }
        if self.suffix_at == self.suffix.len() {
            self.suffix.clear();
            self.suffix_at = 0;
        }
    }

    /// Reads once, when all that was read before is written.
    fn poll_fill(&mut self, cx: &mut Context<'_>, from: &mut Stream) -> Poll<Result<(), Stop>> {
        let room = self.room();
        let buffer = match &mut self.buffer {
            Some(buffer) => buffer,
            none => {
                ready!(from.poll_read_ready(cx)).map_err(|_| Stop::SourceFailed)?;
                none.insert(Buffer::of(self.size))
            }
        };
        let room = room.start..room.end.min(buffer.len());
        match from.poll_read(cx, &mut buffer[room.clone()]) {
            Poll::Pending => {
                if self.floor == 0 {
                    self.buffer = None; // Nothing is in it; another connection may have work.
                }
                Poll::Pending
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(Stop::SourceFailed)),
            Poll::Ready(Ok(read)) => {
                self.was_full = read == room.len();
                Poll::Ready(self.absorb(read))
            }
        }
    }

    /// Finds the room to read into; lets written data go, or grows, where it must.
    fn room(&mut self) -> Range<usize> {
        let limit = self.floor + self.kept_bytes_max;
        if self.keep && self.data.end >= limit {
            self.keep = false;
        }
        if !self.keep {
            self.forget();
        }
        if let Some(buffer) = &mut self.buffer {
            let wants_more = if self.keep { self.data.end == buffer.len() } else { self.was_full };
            if wants_more {
                let has_grown = buffer.grow(self.data.end);
                self.was_full = false;
                self.size = buffer.len();
                if self.keep && !has_grown {
                    self.keep = false;
                    self.forget();
                }
            }
        }
        self.data.end..if self.keep { limit } else { usize::MAX }
    }

    /// Makes room by what was written.
    fn forget(&mut self) {
        self.is_lossy |= self.data.end > self.floor;
        self.data = self.floor..self.floor;
    }

    /// Takes note of `read` bytes behind the data; none means that the source ended.
    fn absorb(&mut self, read: usize) -> Result<(), Stop> {
        if read == 0 && !self.body.end() {
            return Err(Stop::SourceEnded);
        }
        self.moved += read as u64;
        let at = self.data.end;
        let trailers = &mut self.trailers;
        let buffer = self.buffer.as_mut().expect("it was just read into");
        let piece = self
            .body
            .decode(&mut buffer[at..at + read], |lines| trailers.extend_from_slice(lines))
            .map_err(|_| Stop::BadBody)?;
        if let Some(frames) = &mut self.frames {
            frames.pass(&buffer[at..at + piece.data]);
        }
        self.body_bytes += piece.data as u64;
        if self.body_bytes > self.body_bytes_max {
            return Err(Stop::TooLarge);
        }
        self.data.end = at + piece.data;
        self.rest = at + piece.consumed..at + read;
        self.frame();
        Ok(())
    }

    /// Waits for news from a source whose message was read: ready when it has left.
    ///
    /// What else it says is the rest: its next message.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>, from: &mut Stream) -> Poll<()> {
        let Some(buffer) = &mut self.buffer else {
            return Poll::Pending;
        };
        while self.rest.end < buffer.len() {
            match ready!(from.poll_read(cx, &mut buffer[self.rest.end..])) {
                Ok(read) if read > 0 => self.rest.end += read,
                _ => return Poll::Ready(()),
            }
        }
        Poll::Pending
    }
}
