//! Sends bodies, as fast as the client has room for them.

use std::future::poll_fn;

use bytes::Bytes;
use h2::SendStream;
use http::HeaderMap;
use tokio::time::{Instant, sleep_until};

use super::exchange::Gone;

/// As much at once: a larger piece would only wait in memory.
const PIECE_BYTES: usize = 64 * 1024;

/// Sends bytes; with `is_last` the stream ends with them.
pub(super) async fn data(
    stream: &mut SendStream<Bytes>,
    mut bytes: Bytes,
    is_last: bool,
) -> Result<(), Gone> {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len().min(PIECE_BYTES));
        let room = room(stream).await?;
        let piece = bytes.split_to(room.min(bytes.len()));
        stream.send_data(piece, is_last && bytes.is_empty())?;
    }
    Ok(())
}

async fn room(stream: &mut SendStream<Bytes>) -> Result<usize, Gone> {
    loop {
        match stream.capacity() {
            0 => match poll_fn(|cx| stream.poll_capacity(cx)).await {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(Gone),
            },
            room => return Ok(room),
        }
    }
}

/// Waits until a moment, unless the client leaves before.
pub(super) async fn wait_until(stream: &mut SendStream<Bytes>, due: Instant) -> Result<(), Gone> {
    tokio::select! {
        () = sleep_until(due) => Ok(()),
        _ = poll_fn(|cx| stream.poll_reset(cx)) => Err(Gone),
    }
}

/// Sends `total` bytes of `content` over and over, and ends the stream, with trailers if there are any.
pub(super) async fn repeated(
    stream: &mut SendStream<Bytes>,
    content: &Bytes,
    total: u64,
    trailers: HeaderMap,
) -> Result<(), Gone> {
    let mut left = total;
    while left > 0 {
        let piece = content.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        left -= piece as u64;
        data(stream, content.slice(..piece), left == 0 && trailers.is_empty()).await?;
    }
    end(stream, total > 0, trailers)
}

/// Ends a stream: with trailers if there are any, or else by itself unless the last bytes did.
fn end(stream: &mut SendStream<Bytes>, has_ended: bool, trailers: HeaderMap) -> Result<(), Gone> {
    match (trailers.is_empty(), has_ended) {
        (false, _) => stream.send_trailers(trailers)?,
        (true, false) => stream.send_data(Bytes::new(), true)?,
        (true, true) => {}
    }
    Ok(())
}
