//! A message's bytes on their way out: what Nexus writes as HTTP/1.1, handed to `h2` piece by piece.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::SendStream;

use super::{broken, failed, text};
use crate::http1::body::Framing;

/// What follows a head that was sent.
pub enum Begun {
    /// Another: it was an interim answer.
    Interim,
    /// The body, on this stream.
    Body(SendStream<Bytes>, Framing),
}

/// A message that leaves by HTTP/2.
#[derive(Default)]
pub struct Outflow {
    state: State,
    /// A head, or trailers, of which not all was written.
    partial: Vec<u8>,
    /// Where the body goes, once the head is away.
    pub stream: Option<SendStream<Bytes>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Head,
    /// So many bytes of data are left.
    Length(u64),
    /// The size of a chunk, as far as it was written.
    Size(usize),
    /// So many bytes of a chunk are left, its line end not counted.
    Chunk(usize),
    /// So many bytes of a chunk's line end are left.
    ChunkEnd(usize),
    Trailers,
    /// All that comes is data.
    Tunnel,
    Done,
}

impl Outflow {
    /// Says whether all of the message was written.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Writes some of `bytes`; `begin` sends a head that is whole.
    ///
    /// # Errors
    ///
    /// Fails if the stream or its connection has ended.
    pub fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        mut begin: impl FnMut(&[u8]) -> io::Result<Begun>,
    ) -> Poll<io::Result<usize>> {
        let mut at = 0;
        while at < bytes.len() {
            match self.poll_step(cx, &bytes[at..], &mut begin) {
                Poll::Ready(Ok(written)) => at += written,
                _ if at > 0 => break, // What went wrong is told next time.
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(at))
    }

    fn poll_step(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        begin: &mut impl FnMut(&[u8]) -> io::Result<Begun>,
    ) -> Poll<io::Result<usize>> {
        match self.state {
            State::Head => Poll::Ready(self.head(bytes, begin)),
            State::Length(left) => {
                let most = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                let sent = ready!(self.poll_data(cx, &bytes[..most], most as u64 == left))?;
                let left = left - sent as u64;
                self.state = if left == 0 { State::Done } else { State::Length(left) };
                Poll::Ready(Ok(sent))
            }
            State::Size(so_far) => Poll::Ready(self.size(so_far, bytes[0])),
            State::Chunk(left) => self.poll_chunk(cx, left, bytes),
            State::ChunkEnd(left) => {
                self.state = if left == 1 { State::Size(0) } else { State::ChunkEnd(left - 1) };
                Poll::Ready(Ok(1))
            }
            State::Trailers => Poll::Ready(self.trailers(bytes)),
            State::Tunnel => self.poll_data(cx, bytes, false),
            State::Done => Poll::Ready(Ok(bytes.len())), // Nothing follows a message.
        }
    }

    fn head(
        &mut self,
        bytes: &[u8],
        begin: &mut impl FnMut(&[u8]) -> io::Result<Begun>,
    ) -> io::Result<usize> {
        const END: &[u8] = b"\r\n\r\n";
        // A head is written in one go, as far as the sink takes it: and this one takes all.
        let Some(len) = memchr::memmem::find(bytes, END).map(|at| at + END.len()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        if let Begun::Body(stream, framing) = begin(&bytes[..len])? {
            self.stream = Some(stream);
            self.state = match framing {
                Framing::None => State::Done,
                Framing::Length(length) => State::Length(length),
                Framing::Chunked => State::Size(0),
                Framing::UntilClose => State::Tunnel,
            };
        }
        Ok(len)
    }

    /// Takes one byte of a size line, as `egress::chunk_size` writes them.
    fn size(&mut self, so_far: usize, byte: u8) -> io::Result<usize> {
        self.state = match (byte as char).to_digit(16) {
            Some(digit) => State::Size(so_far << 4 | digit as usize),
            None if byte == b'\r' => State::Size(so_far),
            None if so_far == 0 => State::Trailers,
            None => State::Chunk(so_far),
        };
        Ok(1)
    }

    fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
        left: usize,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        const LAST: &[u8] = b"\r\n0\r\n\r\n";
        let is_last = bytes.get(left..).is_some_and(|rest| rest == LAST);
        let most = left.min(bytes.len());
        let sent = ready!(self.poll_data(cx, &bytes[..most], is_last))?;
        if is_last && sent == left {
            self.state = State::Done;
            return Poll::Ready(Ok(bytes.len()));
        }
        self.state = if sent == left { State::ChunkEnd(2) } else { State::Chunk(left - sent) };
        Poll::Ready(Ok(sent))
    }

    fn trailers(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
        let is_end = self.partial.last().is_none_or(|last| *last == b'\n');
        if is_end && &bytes[..line] == b"\r\n" {
            self.finish()?;
        } else {
            self.partial.extend_from_slice(&bytes[..line]);
        }
        Ok(line)
    }

    /// Ends the message.
    fn finish(&mut self) -> io::Result<()> {
        let trailers = text::to_trailers(&self.partial);
        let stream = self.stream.as_mut().ok_or_else(broken)?;
        self.state = State::Done;
        match trailers.is_empty() {
            true => stream.send_data(Bytes::new(), true),
            false => stream.send_trailers(trailers),
        }
        .map_err(failed)
    }

    /// Ends a tunnel's sending side.
    pub fn end(&mut self) -> io::Result<()> {
        if self.state == State::Tunnel { self.finish() } else { Ok(()) }
    }

    /// Sends some of `data`, as much as the windows let pass; `is_last` if nothing follows all of it.
    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
        data: &[u8],
        is_last: bool,
    ) -> Poll<io::Result<usize>> {
        let stream = self.stream.as_mut().ok_or_else(broken)?;
        if stream.capacity() < data.len() {
            stream.reserve_capacity(data.len());
        }
        while stream.capacity() == 0 {
            match ready!(stream.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(failed(error))),
                None => return Poll::Ready(Err(broken())),
            }
        }
        let len = stream.capacity().min(data.len());
        let ends = is_last && len == data.len();
        stream.send_data(Bytes::copy_from_slice(&data[..len]), ends).map_err(failed)?;
        Poll::Ready(Ok(len))
    }
}
