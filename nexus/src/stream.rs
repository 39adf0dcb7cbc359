//! A connection's bytes, whatever carries them: a socket, TLS over a socket, or one stream of an
//! HTTP/2 connection.
//!
//! # Why does an HTTP/2 stream look like a connection of its own?
//!
//! So that everything above knows one protocol. An HTTP/2 request reads like an HTTP/1.1 connection
//! that carries this one request, and takes an HTTP/1.1 answer; translating is done at the edge, in
//! `http2`. The gate, the routes, retries and limits are there once.

pub mod socket;
mod tls;

use std::io::{self, IoSlice};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::http2::{Asked, Asking};
use socket::Socket;

pub use tls::Tls;

/// What comes after some bytes on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// They are to leave now, whatever comes.
    Unknown,
    /// At once the connection's end, so that both may leave in one packet.
    End,
}

/// A connection, to a client or to a backend.
pub enum Stream {
    /// A socket.
    Plain(Socket),
    /// TLS over a socket.
    Tls(Box<Tls>),
    /// A request of a client that came by HTTP/2.
    Asked(Box<Asked>),
    /// A request that a backend is asked by HTTP/2.
    Asking(Box<Asking>),
}

impl<S: Into<Socket>> From<S> for Stream {
    fn from(socket: S) -> Self {
        Self::Plain(socket.into())
    }
}

impl Stream {
    /// Says whether the reactor tells when it is ready.
    #[inline]
    pub fn is_watched(&self) -> bool {
        match self {
            Self::Plain(socket) => socket.is_watched(),
            Self::Tls(tls) => tls.socket().is_watched(),
            Self::Asked(_) | Self::Asking(_) => true,
        }
    }

    /// Says whether it is one of many on an HTTP/2 connection.
    pub fn is_http2(&self) -> bool {
        matches!(self, Self::Asked(_) | Self::Asking(_))
    }

    /// Reads what is there.
    ///
    /// # Errors
    ///
    /// Fails with `WouldBlock` if nothing is.
    #[inline]
    pub fn try_read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Self::Plain(socket) = self {
            return socket.try_read(into);
        }
        match self.poll_read(&mut Context::from_waker(Waker::noop()), into) {
            Poll::Ready(read) => read,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Says whether the connection is open and silent, as it must be between two requests.
    ///
    /// What the reactor has heard is known without a system call; `surely` asks the socket itself.
    #[inline]
    pub fn is_quiet(&mut self, surely: bool) -> bool {
        let read = self.try_read(&mut [0]);
        read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
            && match self {
                Self::Plain(socket) if surely => socket.is_silent(),
                Self::Tls(tls) if surely => tls.socket().is_silent(),
                _ => true,
            }
    }

    /// Says whether the other side has ended, whatever it sent before that was not read yet.
    pub fn has_ended(&mut self) -> bool {
        match self {
            Self::Plain(socket) => socket.has_ended(),
            Self::Tls(tls) => tls.socket().has_ended(),
            Self::Asked(asked) => asked.was_given_up(),
            Self::Asking(_) => false,
        }
    }

    /// Waits for the client to give a request of an HTTP/2 connection up; of others only reading tells.
    #[inline]
    pub fn poll_given_up(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Asked(asked) => asked.poll_given_up(cx),
            _ => Poll::Pending,
        }
    }

    /// Waits until there is something to read, or the end.
    #[inline]
    pub fn poll_read_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(socket) => socket.poll_read_ready(cx),
            Self::Tls(tls) => tls.poll_read_ready(cx),
            Self::Asked(asked) => asked.poll_read_ready(cx),
            Self::Asking(asking) => asking.poll_read_ready(cx),
        }
    }

    /// Reads; none means that the other side has ended.
    #[inline]
    pub fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => socket.poll_read(cx, into),
            Self::Tls(tls) => tls.poll_read(cx, into),
            Self::Asked(asked) => asked.poll_read(cx, into),
            Self::Asking(asking) => asking.poll_read(cx, into),
        }
    }

    /// Writes some of `bytes`.
    #[inline]
    pub fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        next: Next,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => socket.poll_write(cx, bytes, next),
            Self::Tls(tls) => tls.poll_write(cx, &[IoSlice::new(bytes)], next),
            Self::Asked(asked) => asked.poll_write(cx, bytes),
            Self::Asking(asking) => asking.poll_write(cx, bytes),
        }
    }

    /// Writes some of several pieces.
    #[inline]
    pub fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => socket.poll_write_vectored(cx, pieces),
            Self::Tls(tls) => tls.poll_write(cx, pieces, Next::Unknown),
            Self::Asked(_) | Self::Asking(_) => {
                let first = pieces.iter().find(|piece| !piece.is_empty());
                self.poll_write(cx, first.map_or(&[], |piece| piece), Next::Unknown)
            }
        }
    }

    /// Ends the sending side.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(socket) => socket.poll_shutdown(cx),
            Self::Tls(tls) => tls.poll_shutdown(cx),
            Self::Asked(asked) => Poll::Ready(asked.end()),
            Self::Asking(asking) => Poll::Ready(asking.end()),
        }
    }

    /// Says whether closing throws away what was not sent yet (`Some(0)`); if it cannot, it does
    /// not.
    pub fn set_linger(&mut self, linger: Option<Duration>) {
        match self {
            Self::Plain(socket) => socket.set_linger(linger),
            Self::Tls(tls) => tls.set_linger(linger),
            // A stream that ends before its message does is reset in any case.
            Self::Asked(_) | Self::Asking(_) => {}
        }
    }
}
