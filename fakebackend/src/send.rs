//! Writes bytes to a connection, with as few calls as they need.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;

use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::answer::Wire;
use crate::stream::Stream;

/// Slices in one call: enough that a block of a mebibyte never waits for the next call.
const SLICES: usize = 8;

/// Sends bytes.
pub(crate) async fn all(stream: &mut Stream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    // Under TLS, a write may have gone no further than its buffer.
    stream.flush().await
}

/// Sends an answer, or the part of it that the wire covers.
pub(crate) async fn wire(stream: &mut Stream, wire: Wire<'_>) -> io::Result<()> {
    if let Some(bytes) = wire.together() {
        return all(stream, bytes).await;
    }
    part(stream, wire, 0).await
}

/// Sends what a wire covers from byte `sent` on.
pub(crate) async fn part(stream: &mut Stream, wire: Wire<'_>, mut sent: u64) -> io::Result<()> {
    while sent < wire.total {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = wire.slices(sent, &mut slices);
        sent += vectored(stream, &slices[..count]).await? as u64;
    }
    stream.flush().await
}

/// Sends several pieces one after another.
pub(crate) async fn pieces(stream: &mut Stream, pieces: [&[u8]; 3]) -> io::Result<()> {
    let mut slices = pieces.map(IoSlice::new);
    let mut left = &mut slices[..];
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        let sent = vectored(stream, left).await?;
        IoSlice::advance_slices(&mut left, sent);
    }
    stream.flush().await
}

async fn vectored(stream: &mut Stream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    match poll_fn(|context| Pin::new(&mut *stream).poll_write_vectored(context, slices)).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        sent => Ok(sent),
    }
}
