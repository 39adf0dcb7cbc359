//! One connection as the serving code sees it: bytes in, bytes out, bodies read away.

use std::io;

use crate::body::{Body, Step};
use crate::connections::Lease;
use crate::input::{Input, Wait};
use crate::request::{Framing, Request};
use crate::send;
use crate::stream::Stream;

/// Trailers are kept up to this size, to be given back.
const MAX_TRAILER_BYTES: usize = 16 * 1024;
/// A body longer than this is read with a larger buffer.
const SHORT_BODY_BYTES: u64 = 4 * 1024;

pub(crate) struct Link<'a> {
    pub(crate) stream: &'a mut Stream,
    pub(crate) input: Input,
    pub(crate) lease: &'a Lease,
    /// The trailers of the body that is read, with their line ends and the empty line.
    pub(crate) trailers: Vec<u8>,
}

/// Begins to read the body of a request whose head has been consumed.
impl Link<'_> {
    pub(crate) async fn begin_body(&mut self, request: &Request) -> io::Result<Body> {
        let body = Body::new(request.framing);
        self.trailers.clear();
        if body == Body::Done {
            return Ok(body);
        }
        if !matches!(request.framing, Framing::Length(0..SHORT_BODY_BYTES)) {
            self.input.grow_for_body();
        }
        if request.expects_continue && self.input.is_empty() {
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        Ok(body)
    }

    /// Goes one step in a body, reading more where that is needed.
    ///
    /// Data stays at the front of the input until it is consumed; framing is consumed.
    pub(crate) async fn next(&mut self, body: &mut Body) -> io::Result<Option<usize>> {
        loop {
            let is_trailer = *body == Body::Trailer;
            let step = body.step(self.input.filled());
            match step.map_err(|_| io::ErrorKind::InvalidData)? {
                Step::Data(count) => return Ok(Some(count)),
                Step::Framing(count) => {
                    if is_trailer {
                        self.keep_trailer(count)?;
                    }
                    self.input.consume(count);
                }
                Step::More if self.input.fill(self.stream, self.lease, Wait::Always).await? => {}
                Step::More => return Err(io::ErrorKind::UnexpectedEof.into()),
                Step::End => {
                    self.input.shrink();
                    return Ok(None);
                }
            }
        }
    }

    fn keep_trailer(&mut self, line_bytes: usize) -> io::Result<()> {
        if self.trailers.len() + line_bytes > MAX_TRAILER_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.trailers.extend_from_slice(&self.input.filled()[..line_bytes]);
        Ok(())
    }

    /// Reads the body of a request and throws it away.
    pub(crate) async fn discard_body(&mut self, request: &Request) -> io::Result<()> {
        let mut body = self.begin_body(request).await?;
        while let Some(count) = self.next(&mut body).await? {
            self.input.consume(count);
        }
        Ok(())
    }

    /// Sends bytes.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        send::all(self.stream, bytes).await
    }

    /// Reads ahead until the client has left; once there is no more room, that is not seen.
    pub(crate) async fn left(&mut self) -> io::Result<()> {
        while self.input.has_room() {
            if !self.input.fill(self.stream, self.lease, Wait::Always).await? {
                return Ok(());
            }
        }
        std::future::pending().await
    }

    /// Reads and throws away whatever comes, until the client leaves or the connection is to finish.
    pub(crate) async fn outwait(&mut self) -> io::Result<()> {
        loop {
            self.input.consume(self.input.filled().len());
            if !self.input.fill(self.stream, self.lease, Wait::UntilFinishing).await? {
                return Ok(());
            }
        }
    }
}
