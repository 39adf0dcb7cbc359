//! Does to a request over HTTP/2 what was decided to go wrong with it.
//!
//! A connection is shared: what closes or resets it befalls all requests that are under way on it.

use bytes::Bytes;
use h2::{Reason, SendStream};
use http::HeaderValue;
use http::header::CONTENT_LENGTH;

use super::exchange::{Exchange, Gone};
use super::{Ending, answer, send};
use crate::bandwidth;
use crate::connections::End;
use crate::fault::{Code, Fault, Misframed};

/// Goes wrong.
pub(super) async fn go(exchange: &mut Exchange, fault: Fault) -> Result<(), Gone> {
    match fault {
        Fault::Hang(None) => exchange.outwait(None).await,
        Fault::Hang(Some(bytes)) => {
            let stream = part(exchange, bytes).await?;
            exchange.outwait(stream).await
        }
        Fault::Close | Fault::Refuse => {
            exchange.discard_body().await?;
            end(exchange, End::Close).await
        }
        Fault::Reset(None) => end(exchange, End::Reset).await,
        Fault::Reset(Some(bytes)) => {
            let _stream = part(exchange, bytes).await?;
            end(exchange, End::Reset).await
        }
        Fault::Truncate(bytes) => match part(exchange, bytes).await? {
            Some(mut stream) => Ok(stream.send_data(Bytes::new(), true)?),
            None => Ok(()),
        },
        Fault::Malformed(_) => refuse(exchange, Reason::PROTOCOL_ERROR).await,
        Fault::Framing(kind) => misframed(exchange, kind).await,
        Fault::Bandwidth(rate) => {
            exchange.discard_body().await?;
            exchange.shared.stats.answered(200);
            answer::thin(exchange, bandwidth::pieces(rate)).await
        }
        Fault::Status { code, retry_after } => {
            exchange.discard_body().await?;
            exchange.shared.stats.answered(code);
            let more = retry_after.map(|seconds| ("retry-after", seconds.to_string()));
            answer::plain(exchange, code, more.as_slice()).await
        }
        Fault::GoAway(None) => {
            let _ = exchange.endings.send(Ending::GoAway(None)).await;
            exchange.answer(200, std::time::Duration::ZERO).await
        }
        Fault::GoAway(code) => {
            exchange.discard_body().await?;
            let _ = exchange.endings.send(Ending::GoAway(code)).await;
            exchange.outwait(None).await
        }
        Fault::RstStream { code: Code(code), bytes: None } => {
            exchange.respond.send_reset(Reason::from(code));
            Ok(())
        }
        Fault::RstStream { code: Code(code), bytes: Some(bytes) } => {
            let stream = part(exchange, bytes).await?;
            // A reset throws away what is not written yet: the connection's task does it now.
            tokio::task::yield_now().await;
            match stream {
                Some(mut stream) => stream.send_reset(Reason::from(code)),
                None => exchange.respond.send_reset(Reason::from(code)),
            }
            Ok(())
        }
        // Done where the request is met.
        Fault::RefuseStream => Ok(()),
    }
}

/// Has the connection end, and waits until it has.
async fn end(exchange: &mut Exchange, end: End) -> Result<(), Gone> {
    let _ = exchange.endings.send(Ending::End(end)).await;
    std::future::pending().await
}

async fn refuse(exchange: &mut Exchange, why: Reason) -> Result<(), Gone> {
    exchange.discard_body().await?;
    exchange.respond.send_reset(why);
    Ok(())
}

/// Sends the head of an answer and so many bytes of a body that is announced longer.
async fn part(exchange: &mut Exchange, bytes: u64) -> Result<Option<SendStream<Bytes>>, Gone> {
    exchange.discard_body().await?;
    let announced = exchange.rules.shape.more_than(bytes);
    let Some(mut stream) = answer::begin(exchange, 200, Some(announced), &[])? else {
        return Ok(None);
    };
    let content = exchange.rules.shape.content(announced);
    let mut left = bytes;
    while left > 0 {
        let piece = content.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        send::data(&mut stream, content.slice(..piece), false).await?;
        left -= piece as u64;
    }
    Ok(Some(stream))
}

/// Lies about the length, where HTTP/2 has one to lie about; what it has no place for is a reset.
async fn misframed(exchange: &mut Exchange, kind: Misframed) -> Result<(), Gone> {
    exchange.discard_body().await?;
    let size = exchange.rules.shape.body_bytes;
    let content = exchange.rules.shape.content(size);
    let announced: &[u64] = match kind {
        Misframed::ClTooLong => &[size + 1],
        Misframed::ClTooShort => &[size.saturating_sub(1)],
        Misframed::TwoCl => &[size, size + 1],
        Misframed::ClAndTe | Misframed::TeObs | Misframed::ExtraBytes => {
            return refuse(exchange, Reason::PROTOCOL_ERROR).await;
        }
    };
    let mut response = answer::head(exchange, 200, &[]);
    for length in announced {
        response.headers_mut().append(CONTENT_LENGTH, HeaderValue::from(*length));
    }
    let mut stream = exchange.respond.send_response(response, false)?;
    send::repeated(&mut stream, &content, size, http::HeaderMap::new()).await
}
