//! Answers over HTTP/2: the same heads and bodies as over HTTP/1, in other frames.

use std::time::Duration;

use bytes::Bytes;
use h2::SendStream;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRAILER};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use tokio::time::Instant;

use super::exchange::{Exchange, Gone};
use super::send;
use crate::drip::Drip;

/// Fields that are about an HTTP/1 connection and have no place here (RFC 9113 section 8.2.2).
const CONNECTION_FIELDS: [&str; 4] = ["keep-alive", "upgrade", "proxy-connection", "te"];

/// Fields as a map, without those that have no place here.
pub(super) fn fields<'a>(all: impl Iterator<Item = (&'a str, &'a str)>) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in all {
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value)
            && !CONNECTION_FIELDS.contains(&name.as_str())
        {
            map.append(name, value);
        }
    }
    map
}

/// The head of an answer with these fields beside those of every answer.
pub(super) fn head(exchange: &Exchange, status: u16, more: &[(&str, String)]) -> Response<()> {
    let mut response = Response::new(());
    // Statuses were checked when they were asked for.
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    let more = more.iter().map(|(name, value)| (*name, value.as_str()));
    *response.headers_mut() = fields(exchange.rules.shape.fields().chain(more));
    response
}

/// The head of an answer whose body is text of this size.
fn text(exchange: &Exchange, status: u16, length: Option<u64>) -> Response<()> {
    let mut response = head(exchange, status, &[]);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    response
}

/// Answers as any path is answered.
pub(super) async fn plain(
    exchange: &mut Exchange,
    status: u16,
    more: &[(&str, String)],
) -> Result<(), Gone> {
    let Some(mut stream) = begin(exchange, status, None, more)? else { return Ok(()) };
    let shape = &exchange.rules.shape;
    let trailers = trailers(exchange);
    send::repeated(&mut stream, &shape.content(shape.body_bytes), shape.body_bytes, trailers).await
}

fn trailers(exchange: &Exchange) -> HeaderMap {
    let all = &exchange.rules.shape.trailers;
    fields(all.iter().map(|(name, value)| (&**name, &**value)))
}

/// Sends the head of an ordinary answer, `announced` bytes long if that is another size than its
/// own; none if no body may follow.
pub(super) fn begin(
    exchange: &mut Exchange,
    status: u16,
    announced: Option<u64>,
    more: &[(&str, String)],
) -> Result<Option<SendStream<Bytes>>, Gone> {
    let shape = &exchange.rules.shape;
    let has_body = !matches!(status, 204 | 304);
    let length = announced.unwrap_or(shape.body_bytes);
    let is_told = announced.is_some() || !shape.is_chunked;
    let mut response = match has_body {
        true => text(exchange, status, is_told.then_some(length)),
        false => head(exchange, status, &[]),
    };
    let trailers = trailers(exchange);
    for name in trailers.keys().filter(|_| has_body) {
        response.headers_mut().append(TRAILER, HeaderValue::from(name.clone()));
    }
    let more = more.iter().map(|(name, value)| (*name, value.as_str()));
    response.headers_mut().extend(fields(more));
    let is_over = !has_body || exchange.is_head() || (length == 0 && trailers.is_empty());
    let stream = exchange.respond.send_response(response, is_over)?;
    Ok((!is_over).then_some(stream))
}

/// Answers with a few words of our own.
pub(super) async fn short(
    exchange: &mut Exchange,
    status: u16,
    body: &'static str,
) -> Result<(), Gone> {
    let response = Response::builder()
        .status(status)
        .header(CONTENT_LENGTH, body.len())
        .body(())
        .map_err(|_| Gone)?;
    let is_over = exchange.is_head();
    let mut stream = exchange.respond.send_response(response, is_over)?;
    if is_over {
        return Ok(());
    }
    send::data(&mut stream, Bytes::from_static(body.as_bytes()), true).await
}

/// Answers drop by drop.
pub(super) async fn drip(exchange: &mut Exchange, status: u16, drip: Drip) -> Result<(), Gone> {
    let response = text(exchange, status, Some(drip.bytes()));
    let is_over = exchange.is_head() || drip.count == 0;
    let mut stream = exchange.respond.send_response(response, is_over)?;
    if is_over {
        return Ok(());
    }
    let mut due = Instant::now();
    for drop in 0..drip.count {
        due += drip.every;
        send::wait_until(&mut stream, due).await?;
        send::data(&mut stream, Drip::drop(drop).into(), drop + 1 == drip.count).await?;
    }
    Ok(())
}

/// Answers at `rate` bytes a second, in pieces so large, each so long after the one before.
pub(super) async fn thin(
    exchange: &mut Exchange,
    (piece, every): (u64, Duration),
) -> Result<(), Gone> {
    let Some(mut stream) = begin(exchange, 200, None, &[])? else { return Ok(()) };
    let total = exchange.rules.shape.body_bytes;
    let content = exchange.rules.shape.content(total);
    let trailers = trailers(exchange);
    let (mut sent, mut due) = (0, Instant::now());
    while sent < total {
        due += every;
        send::wait_until(&mut stream, due).await?;
        let at = (sent % content.len() as u64) as usize;
        let most = usize::try_from(piece.min(total - sent)).unwrap_or(usize::MAX);
        let bytes = content.slice(at..content.len().min(at + most));
        sent += bytes.len() as u64;
        send::data(&mut stream, bytes, sent == total && trailers.is_empty()).await?;
    }
    if !trailers.is_empty() {
        stream.send_trailers(trailers)?;
    }
    Ok(())
}
