//! A connection as HTTP sees it: plain, or with TLS around it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_rustls::server::TlsStream;

use crate::socket::{Replay, Socket};

/// Whoever does not take the last word of TLS within this time never will.
const LIMIT_GOODBYE: Duration = Duration::from_millis(100);

/// A connection.
pub(crate) enum Stream {
    Plain(Socket),
    Tls(Box<TlsStream<Replay<Socket>>>),
}

impl Stream {
    /// Has it reset when it is closed.
    pub(crate) fn reset_on_close(&self) {
        match self {
            Self::Plain(socket) => socket.reset_on_close(),
            Self::Tls(tls) => tls.get_ref().0.stream.reset_on_close(),
        }
    }

    /// Says that nothing more comes, where TLS wants it said; closing the socket says the rest.
    pub(crate) async fn say_goodbye(&mut self) {
        if let Self::Tls(tls) = self {
            let _ = tokio::time::timeout(LIMIT_GOODBYE, tls.shutdown()).await;
        }
    }
}

impl Stream {
    /// Says that nothing more comes, and reads until the client has closed too: closed with bytes
    /// unread, a socket is reset, and what was said last may never be heard.
    pub(crate) async fn linger(&mut self) {
        let _ = self.shutdown().await;
        let mut unread = [0; 4096];
        while matches!(self.read(&mut unread).await, Ok(1..)) {}
    }
}

/// Does the same with either.
macro_rules! either {
    ($stream:expr, $inner:ident => $what:expr) => {
        match $stream.get_mut() {
            Stream::Plain($inner) => $what,
            Stream::Tls($inner) => $what,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, inner => Pin::new(inner).poll_read(cx, into))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, inner => Pin::new(inner).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, inner => Pin::new(inner).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, inner => Pin::new(inner).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, inner => Pin::new(inner).poll_shutdown(cx))
    }
}
