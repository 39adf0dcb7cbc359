//! A connection's bytes: read and written at once where that is possible, awaited where it is not.
//!
//! # Why is a new connection not watched by the reactor?
//!
//! Registering a socket and forgetting it again costs two system calls, an allocation in the kernel
//! and one here. The request of a new connection is mostly there when it is accepted, and its answer
//! fits into the socket: a connection that closes after one answer needs no reactor at all. It is
//! registered when it first has to be awaited.

use std::io::{self, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SendFlags, send};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// Tells the kernel that more follows; where it cannot be told, the last bytes leave by themselves.
#[cfg(target_os = "linux")]
const MORE: SendFlags = SendFlags::MORE;
#[cfg(not(target_os = "linux"))]
const MORE: SendFlags = SendFlags::empty();

/// What the kernel calls a connection whose other side has ended; elsewhere only a reset is known.
#[cfg(target_os = "linux")]
const ENDED: PollFlags = PollFlags::RDHUP;
#[cfg(not(target_os = "linux"))]
const ENDED: PollFlags = PollFlags::HUP;

/// What comes after some bytes on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// They are to leave now, whatever comes.
    Unknown,
    /// At once the connection's end, so that both may leave in one packet.
    End,
}

/// A connection, to a client or to a backend.
pub struct Stream(State);

enum State {
    /// Nobody waits for it.
    Bare(std::net::TcpStream),
    /// The reactor tells when it is ready.
    Watched(TcpStream),
    /// The reactor had no room for it.
    Lost,
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self(State::Watched(stream))
    }
}

impl Stream {
    /// Takes a socket, which must not block.
    pub fn bare(socket: std::net::TcpStream) -> Self {
        Self(State::Bare(socket))
    }

    /// Says whether the reactor tells when it is ready.
    #[inline]
    pub fn is_watched(&self) -> bool {
        matches!(self.0, State::Watched(_))
    }

    /// Reads what is there.
    ///
    /// # Errors
    ///
    /// Fails with `WouldBlock` if nothing is.
    #[inline]
    pub fn try_read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            State::Bare(socket) => socket.read(into),
            State::Watched(stream) => stream.try_read(into),
            State::Lost => Err(lost()),
        }
    }

    /// Says whether the connection is open and silent, as it must be between two requests.
    ///
    /// What the reactor has heard is known without a system call; `surely` asks the socket itself.
    #[inline]
    pub fn is_quiet(&mut self, surely: bool) -> bool {
        let would_block = |result: io::Result<usize>| {
            result.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
        };
        would_block(self.try_read(&mut [0]))
            && match &self.0 {
                State::Watched(stream) if surely => {
                    would_block(SockRef::from(stream).peek(&mut [MaybeUninit::uninit()]))
                }
                _ => true,
            }
    }

    /// Says whether the other side has ended, whatever it sent before that was not read yet.
    pub fn has_ended(&self) -> bool {
        let ended = |socket: BorrowedFd<'_>| {
            let mut asked = [PollFd::from_borrowed_fd(socket, ENDED)];
            let now = Timespec { tv_sec: 0, tv_nsec: 0 };
            let ended = ENDED | PollFlags::HUP | PollFlags::ERR;
            poll(&mut asked, Some(&now)).is_ok() && asked[0].revents().intersects(ended)
        };
        match &self.0 {
            State::Bare(socket) => ended(socket.as_fd()),
            State::Watched(stream) => ended(stream.as_fd()),
            State::Lost => true,
        }
    }

    /// Waits until there is something to read, or the end.
    #[inline]
    pub fn poll_read_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watched()?.poll_read_ready(cx)
    }

    /// Reads; none means that the other side has ended.
    #[inline]
    pub fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        if let State::Bare(socket) = &mut self.0
            && let Some(read) = at_once(socket.read(into))
        {
            return Poll::Ready(read);
        }
        let mut into = ReadBuf::new(into);
        ready!(Pin::new(self.watched()?).poll_read(cx, &mut into))?;
        Poll::Ready(Ok(into.filled().len()))
    }

    /// Writes some of `bytes`.
    #[inline]
    pub fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        next: Next,
    ) -> Poll<io::Result<usize>> {
        let flags = SendFlags::NOSIGNAL | if next == Next::End { MORE } else { SendFlags::empty() };
        if let State::Bare(socket) = &self.0
            && let Some(written) = at_once(send(socket, bytes, flags).map_err(io::Error::from))
        {
            return Poll::Ready(written);
        }
        let stream = self.watched()?;
        if next == Next::Unknown {
            return Pin::new(stream).poll_write(cx, bytes);
        }
        loop {
            ready!(stream.poll_write_ready(cx))?;
            let written = stream.try_io(Interest::WRITABLE, || Ok(send(&*stream, bytes, flags)?));
            if let Some(written) = at_once(written) {
                return Poll::Ready(written);
            }
        }
    }

    /// Writes some of several pieces.
    #[inline]
    pub fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let State::Bare(socket) = &mut self.0
            && let Some(written) = at_once(socket.write_vectored(pieces))
        {
            return Poll::Ready(written);
        }
        Pin::new(self.watched()?).poll_write_vectored(cx, pieces)
    }

    /// Ends the sending side.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            State::Bare(socket) => Poll::Ready(socket.shutdown(Shutdown::Write)),
            State::Watched(stream) => Pin::new(stream).poll_shutdown(cx),
            State::Lost => Poll::Ready(Err(lost())),
        }
    }

    /// Says whether closing throws away what was not sent yet (`Some(0)`); if it cannot, it does
    /// not.
    pub fn set_linger(&self, linger: Option<Duration>) {
        let _ = match &self.0 {
            State::Bare(socket) => SockRef::from(socket).set_linger(linger),
            State::Watched(stream) => SockRef::from(stream).set_linger(linger),
            State::Lost => Ok(()),
        };
    }

    /// Has the reactor watch the connection from now on.
    #[inline]
    fn watched(&mut self) -> io::Result<&mut TcpStream> {
        if !self.is_watched() {
            self.watch()?;
        }
        match &mut self.0 {
            State::Watched(stream) => Ok(stream),
            _ => Err(lost()),
        }
    }

    #[cold]
    fn watch(&mut self) -> io::Result<()> {
        if let State::Bare(socket) = std::mem::replace(&mut self.0, State::Lost) {
            self.0 = State::Watched(TcpStream::from_std(socket)?);
        }
        Ok(())
    }
}

/// What came of a call, unless it would have had to wait.
fn at_once<T>(result: io::Result<T>) -> Option<io::Result<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        result => Some(result),
    }
}

fn lost() -> io::Error {
    io::ErrorKind::NotConnected.into()
}
