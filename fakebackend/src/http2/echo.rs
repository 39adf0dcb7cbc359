//! Gives a request back: its body and trailers as they come, or its head if it has no body.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;

use super::exchange::{Exchange, Gone};
use super::{answer, send};

/// Echoes a request.
pub(super) async fn answer(exchange: &mut Exchange, status: u16) -> Result<(), Gone> {
    let seen = exchange.visitor.fields("HTTP/2.0");
    let mut response = answer::head(exchange, status, &seen);
    let headers = response.headers_mut();
    if exchange.body.is_end_stream() {
        let text = Bytes::from(head(&exchange.head));
        headers.insert(CONTENT_TYPE, http::HeaderValue::from_static("text/plain"));
        headers.insert(CONTENT_LENGTH, text.len().into());
        let is_over = exchange.is_head();
        let mut stream = exchange.respond.send_response(response, is_over)?;
        return if is_over { Ok(()) } else { send::data(&mut stream, text, true).await };
    }
    for name in [CONTENT_TYPE, CONTENT_LENGTH] {
        if let Some(value) = exchange.head.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    if exchange.is_head() {
        exchange.discard_body().await?;
        exchange.respond.send_response(response, true)?;
        return Ok(());
    }
    let mut stream = exchange.respond.send_response(response, false)?;
    while let Some(piece) = exchange.next().await? {
        let is_last = exchange.body.is_end_stream();
        if piece.is_empty() && is_last {
            stream.send_data(piece, true)?;
        } else {
            send::data(&mut stream, piece, is_last).await?;
        }
        if is_last {
            return Ok(());
        }
    }
    match exchange.body.trailers().await? {
        Some(trailers) => stream.send_trailers(trailers)?,
        None => stream.send_data(Bytes::new(), true)?,
    }
    Ok(())
}

/// A head as text: pseudo-fields first, then each field in the order in which it was kept.
fn head(head: &Parts) -> Vec<u8> {
    let mut text = format!(":method: {}\n", head.method).into_bytes();
    let mut pseudo = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            text.extend_from_slice(format!(":{name}: {value}\n").as_bytes());
        }
    };
    pseudo("scheme", head.uri.scheme_str());
    pseudo("authority", head.uri.authority().map(http::uri::Authority::as_str));
    pseudo("path", head.uri.path_and_query().map(http::uri::PathAndQuery::as_str));
    for (name, value) in &head.headers {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.push(b'\n');
    }
    text
}
