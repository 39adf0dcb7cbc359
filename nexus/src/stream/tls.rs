//! TLS over a socket: rustls does the cryptography, this moves its records.
//!
//! # When is a write done?
//!
//! When its last record has left for the kernel. So nobody above needs to flush, whoever waits for a
//! slow reader does so with its own bytes still at hand, and at most one write lies encrypted here.

use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{
    ClientConfig, ClientConnection, Connection, HandshakeKind, ServerConfig, ServerConnection,
};

use super::Next;
use super::socket::{Socket, at_once};
use crate::tls::refusal;

/// TLS over a socket, to a client or to a backend.
pub struct Tls {
    socket: Socket,
    session: Connection,
    /// Bytes of the write under way that are encrypted already.
    accepted: usize,
    /// Bytes that were decrypted and not yet read.
    readable: usize,
    /// Whether its end was announced.
    is_ended: bool,
    /// Whether it must not look as if it had ended well.
    is_broken_off: bool,
}

impl Tls {
    /// Begins with a client that has connected.
    ///
    /// # Errors
    ///
    /// Fails if the configuration cannot be used, which rustls would have told of before.
    pub fn accept(socket: Socket, config: Arc<ServerConfig>) -> io::Result<Self> {
        let session = ServerConnection::new(config).map_err(io::Error::other)?;
        Ok(Self::over(socket, session.into()))
    }

    /// Begins with a backend that was connected to.
    ///
    /// # Errors
    ///
    /// As [`Tls::accept`].
    pub fn connect(
        socket: Socket,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> io::Result<Self> {
        let session = ClientConnection::new(config, name).map_err(io::Error::other)?;
        Ok(Self::over(socket, session.into()))
    }

    fn over(socket: Socket, session: Connection) -> Self {
        let (accepted, readable) = (0, 0);
        Self { socket, session, accepted, readable, is_ended: false, is_broken_off: false }
    }

    /// Returns the socket.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Returns what was agreed on.
    pub fn session(&self) -> &Connection {
        &self.session
    }

    /// Says whether both sides agreed on HTTP/2 (RFC 7301).
    pub fn speaks_http2(&self) -> bool {
        self.session.alpn_protocol() == Some(b"h2")
    }

    /// Says whether the handshake took up an earlier session.
    pub fn is_resumed(&self) -> bool {
        self.session.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Carries the handshake to its end.
    ///
    /// # Errors
    ///
    /// Fails if the other side leaves, or it comes to no agreement; the alert has been sent then.
    pub fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_flush(cx))?;
            if !self.session.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            if ready!(self.poll_receive(cx))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// Waits until there is something to read, or the end.
    pub fn poll_read_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.readable == 0 {
            // What it has to say, to a key update say, need not wait for the next write.
            if let Poll::Ready(Err(error)) = self.poll_flush(cx) {
                return Poll::Ready(Err(error));
            }
            if ready!(self.poll_receive(cx))? == 0 {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads; none means that the other side has ended, and said so.
    ///
    /// # Errors
    ///
    /// Fails with `UnexpectedEof` if it has not said so: somebody may have cut the rest off.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_read_ready(cx))?;
        let read = self.session.reader().read(into)?;
        self.readable = self.readable.saturating_sub(read);
        Poll::Ready(Ok(read))
    }

    /// Writes some of several pieces.
    pub fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
        next: Next,
    ) -> Poll<io::Result<usize>> {
        if self.accepted == 0 {
            self.accepted = self.session.writer().write_vectored(pieces)?;
            let all: usize = pieces.iter().map(|piece| piece.len()).sum();
            if next == Next::End && self.accepted == all {
                self.say_end();
            }
        }
        ready!(self.poll_flush(cx))?;
        Poll::Ready(Ok(std::mem::take(&mut self.accepted)))
    }

    /// Ends the sending side.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.say_end();
        ready!(self.poll_flush(cx))?;
        self.socket.poll_shutdown(cx)
    }

    /// See [`super::Stream::set_linger`].
    pub fn set_linger(&mut self, linger: Option<Duration>) {
        self.is_broken_off = linger.is_some();
        self.socket.set_linger(linger);
    }

    fn say_end(&mut self) {
        if !self.is_ended {
            self.is_ended = true;
            self.session.send_close_notify();
        }
    }

    /// Sends what is encrypted.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.session.wants_write() {
            let mut socket = Polled { socket: &mut self.socket, cx };
            match at_once(self.session.write_tls(&mut socket)) {
                None => return Poll::Pending,
                Some(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Receives once, and decrypts; none means that the socket has ended.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut socket = Polled { socket: &mut self.socket, cx };
        let received = match at_once(self.session.read_tls(&mut socket)) {
            None => return Poll::Pending,
            Some(received) => received?,
        };
        match self.session.process_new_packets() {
            Ok(state) => {
                self.readable = state.plaintext_bytes_to_read();
                let is_over = state.peer_has_closed() && self.readable == 0;
                Poll::Ready(Ok(if is_over { 0 } else { received }))
            }
            Err(error) => {
                // The alert: if it cannot leave now, it does not.
                let _ = match refusal(&error) {
                    Some(alert) => self.socket.poll_write(cx, alert, Next::End).map_ok(drop),
                    None => self.poll_flush(cx),
                };
                Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)))
            }
        }
    }
}

/// Whoever drops it has ended its last message: that is said, if it can be said at once.
impl Drop for Tls {
    fn drop(&mut self) {
        if !self.is_broken_off && !self.session.is_handshaking() {
            self.say_end();
            let _ = self.poll_flush(&mut Context::from_waker(Waker::noop()));
        }
    }
}

/// The socket as rustls wants it.
struct Polled<'s, 'c, 'w> {
    socket: &'s mut Socket,
    cx: &'c mut Context<'w>,
}

impl Read for Polled<'_, '_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        now(self.socket.poll_read(self.cx, into))
    }
}

impl Write for Polled<'_, '_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        now(self.socket.poll_write(self.cx, bytes, Next::Unknown))
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match pieces {
            [only] => self.write(only),
            _ => now(self.socket.poll_write_vectored(self.cx, pieces)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn now<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
