//! A socket whose bytes `FrameWatch` sees before the `h2` crate does.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Instant;

use h2::Reason;
use nexus::http2::frames::FrameWatch;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// What the watch has said, for whoever drives the connection.
#[derive(Default)]
pub(crate) struct Said {
    reason: Mutex<Option<Reason>>,
    bell: Notify,
}

impl Said {
    /// Waits for a verdict that ends the connection.
    pub(crate) async fn end(&self) -> Reason {
        loop {
            let rung = self.bell.notified();
            if let Some(reason) = *self.reason.lock().expect("nobody panics") {
                return reason;
            }
            rung.await;
        }
    }
}

/// The socket.
pub(crate) struct Watched {
    stream: TcpStream,
    watch: FrameWatch,
    began: Instant,
    said: Arc<Said>,
}

impl Watched {
    pub(crate) fn new(stream: TcpStream) -> (Self, Arc<Said>) {
        let said = Arc::new(Said::default());
        let (watch, began) = (FrameWatch::new(0), Instant::now());
        (Self { stream, watch, began, said: Arc::clone(&said) }, said)
    }
}

impl AsyncRead for Watched {
    /// Reads; what comes with the frame that ends the connection is held back.
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        std::task::ready!(Pin::new(&mut self.stream).poll_read(context, into))?;
        let now_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let Some(reason) = self.watch.see(&into.filled()[before..], now_ms).reason() else {
            return Poll::Ready(Ok(()));
        };
        into.set_filled(before);
        *self.said.reason.lock().expect("nobody panics") = Some(reason);
        self.said.bell.notify_one();
        Poll::Pending
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
