//! A socket: read and written at once where that is possible, awaited where it is not.
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
use rustix::net::{RecvFlags, SendFlags, recv, send};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::Next;

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

/// A socket, to a client or to a backend.
pub struct Socket(State);

enum State {
    /// Nobody waits for it.
    Bare(std::net::TcpStream),
    /// The reactor tells when it is ready.
    Watched(TcpStream),
    /// A socket of this machine's, always watched.
    Unix(UnixStream),
    /// The reactor had no room for it.
    Lost,
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Self {
        Self(State::Watched(stream))
    }
}

impl From<UnixStream> for Socket {
    fn from(stream: UnixStream) -> Self {
        Self(State::Unix(stream))
    }
}

impl Socket {
    /// Takes a socket, which must not block.
    pub fn bare(socket: std::net::TcpStream) -> Self {
        Self(State::Bare(socket))
    }

    /// Stands where a socket was.
    pub fn none() -> Self {
        Self(State::Lost)
    }

    /// Says whether the reactor tells when it is ready.
    #[inline]
    pub fn is_watched(&self) -> bool {
        matches!(self.0, State::Watched(_) | State::Unix(_))
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
            State::Unix(stream) => stream.try_read(into),
            State::Lost => Err(lost()),
        }
    }

    /// Asks the kernel whether nothing has come that the reactor has not told of yet.
    pub fn is_silent(&self) -> bool {
        let silent = |socket: SockRef<'_>| {
            socket
                .peek(&mut [MaybeUninit::uninit()])
                .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
        };
        match &self.0 {
            State::Watched(stream) => silent(SockRef::from(stream)),
            State::Unix(stream) => silent(SockRef::from(stream)),
            State::Bare(_) | State::Lost => true,
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
            State::Unix(stream) => ended(stream.as_fd()),
            State::Lost => true,
        }
    }

    /// Waits until there is something to read, or the end.
    #[inline]
    pub fn poll_read_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.watched()? {
            Watched::Tcp(stream) => stream.poll_read_ready(cx),
            Watched::Unix(stream) => stream.poll_read_ready(cx),
        }
    }

    /// Looks at what is there to read, and leaves it there; none means that the other side has ended.
    ///
    /// Whoever looks has to read all of it before looking again: the reactor tells of news only.
    pub fn poll_peek(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        fn peek(socket: impl AsFd, into: &mut [u8]) -> io::Result<usize> {
            recv(socket, into, RecvFlags::PEEK).map(|(len, _)| len).map_err(io::Error::from)
        }
        if let State::Bare(socket) = &self.0
            && let Some(seen) = at_once(peek(socket, into))
        {
            return Poll::Ready(seen);
        }
        loop {
            let seen = match self.watched()? {
                Watched::Tcp(stream) => {
                    ready!(stream.poll_read_ready(cx))?;
                    stream.try_io(Interest::READABLE, || peek(&*stream, into))
                }
                Watched::Unix(stream) => {
                    ready!(stream.poll_read_ready(cx))?;
                    stream.try_io(Interest::READABLE, || peek(&*stream, into))
                }
            };
            if let Some(seen) = at_once(seen) {
                return Poll::Ready(seen);
            }
        }
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
        ready!(match self.watched()? {
            Watched::Tcp(stream) => Pin::new(stream).poll_read(cx, &mut into),
            Watched::Unix(stream) => Pin::new(stream).poll_read(cx, &mut into),
        })?;
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
        let stream = match self.watched()? {
            Watched::Tcp(stream) => stream,
            Watched::Unix(stream) => return Pin::new(stream).poll_write(cx, bytes),
        };
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
        match self.watched()? {
            Watched::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Watched::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
        }
    }

    /// Ends the sending side.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            State::Bare(socket) => Poll::Ready(socket.shutdown(Shutdown::Write)),
            State::Watched(stream) => Pin::new(stream).poll_shutdown(cx),
            State::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            State::Lost => Poll::Ready(Err(lost())),
        }
    }

    /// Says whether closing throws away what was not sent yet (`Some(0)`); if it cannot, it does
    /// not.
    pub fn set_linger(&self, linger: Option<Duration>) {
        let _ = match &self.0 {
            State::Bare(socket) => SockRef::from(socket).set_linger(linger),
            State::Watched(stream) => SockRef::from(stream).set_linger(linger),
            State::Unix(_) | State::Lost => Ok(()),
        };
    }

    /// Has the reactor watch the connection from now on.
    #[inline]
    fn watched(&mut self) -> io::Result<Watched<'_>> {
        if !self.is_watched() {
            self.watch()?;
        }
        match &mut self.0 {
            State::Watched(stream) => Ok(Watched::Tcp(stream)),
            State::Unix(stream) => Ok(Watched::Unix(stream)),
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

/// A socket of which the reactor tells.
enum Watched<'s> {
    Tcp(&'s mut TcpStream),
    Unix(&'s mut UnixStream),
}

/// What came of a call, unless it would have had to wait.
pub(super) fn at_once<T>(result: io::Result<T>) -> Option<io::Result<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        result => Some(result),
    }
}

fn lost() -> io::Error {
    io::ErrorKind::NotConnected.into()
}
