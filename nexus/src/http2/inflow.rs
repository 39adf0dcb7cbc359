//! A message's bytes on their way in: what `h2` hands over, as HTTP/1.1 would have sent it.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;

use super::{failed, text};
use crate::http1::body::Framing;
use crate::http1::egress;

/// A message that comes by HTTP/2.
pub struct Inflow {
    /// What goes before the data: a head, the size of a chunk.
    text: Vec<u8>,
    text_at: usize,
    data: Bytes,
    body: RecvStream,
    is_chunked: bool,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Data,
    Trailers,
    Done,
}

impl Inflow {
    /// Begins with a message whose head was written as `text`; its body follows as `framing` says.
    pub fn new(text: Vec<u8>, body: RecvStream, framing: Framing) -> Self {
        let state = if framing == Framing::None { State::Done } else { State::Data };
        let is_chunked = framing == Framing::Chunked;
        Self { text, text_at: 0, data: Bytes::new(), body, is_chunked, state }
    }

    /// Says whether there is nothing more to come.
    pub fn is_done(&self) -> bool {
        self.state == State::Done && self.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.text_at == self.text.len() && self.data.is_empty()
    }

    /// Waits until there is something to read, or it is done.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.is_empty() && self.state != State::Done {
            self.text.clear();
            self.text_at = 0;
            match self.state {
                State::Data => match ready!(self.body.poll_data(cx)) {
                    Some(Ok(data)) if data.is_empty() => {}
                    Some(Ok(data)) => {
                        if self.is_chunked {
                            egress::chunk_size(&mut self.text, data.len());
                        }
                        self.data = data;
                    }
                    Some(Err(error)) => return Poll::Ready(Err(failed(error))),
                    None if self.is_chunked => self.state = State::Trailers,
                    None => self.state = State::Done,
                },
                State::Trailers => {
                    let trailers = ready!(self.body.poll_trailers(cx)).map_err(failed)?;
                    self.text.extend_from_slice(b"0\r\n");
                    if let Some(trailers) = trailers {
                        text::fields(&mut self.text, &trailers);
                    }
                    self.text.extend_from_slice(b"\r\n");
                    self.state = State::Done;
                }
                State::Done => {}
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads as much as is there; none means that it is done.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut read = 0;
        while read < into.len() {
            match self.poll_ready(cx) {
                Poll::Ready(Ok(())) if self.is_done() => break,
                Poll::Ready(Ok(())) => read += self.take(&mut into[read..]),
                _ if read > 0 => break, // What went wrong is told next time.
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(read))
    }

    fn take(&mut self, into: &mut [u8]) -> usize {
        let text = &self.text[self.text_at..];
        if !text.is_empty() {
            let len = text.len().min(into.len());
            into[..len].copy_from_slice(&text[..len]);
            self.text_at += len;
            return len;
        }
        let len = self.data.len().min(into.len());
        into[..len].copy_from_slice(&self.data.split_to(len));
        // Whoever is gone needs no window.
        let _ = self.body.flow_control().release_capacity(len);
        if self.data.is_empty() && self.is_chunked {
            self.text.clear();
            self.text.extend_from_slice(b"\r\n");
            self.text_at = 0;
        }
        len
    }
}
