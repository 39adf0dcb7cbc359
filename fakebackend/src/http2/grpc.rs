//! Two gRPC services, without any generated code: the standard health check, and an echo.
//!
//! A message is a byte (is it compressed?), its length in four bytes, and its content; an answer
//! ends with trailers that say how it went (grpc.io, "gRPC over HTTP2").

use bytes::{Buf, Bytes, BytesMut};
use h2::SendStream;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response};

use super::exchange::{Exchange, Gone};
use super::{answer, send};
use crate::health::Health;

/// A call of the health service.
const CHECK: &str = "/grpc.health.v1.Health/Check";
/// What an echo's name begins with.
const ECHO: &str = "/echo.Echo/";
/// The services that the health service knows; the empty name is the server itself.
const SERVICES: [&str; 2] = ["", "echo.Echo"];

/// Bytes before a message.
const PREFIX_BYTES: usize = 5;
/// Longest message that is kept.
const MAX_MESSAGE_BYTES: usize = 4 << 20;
/// How often an answer that streams repeats the request, unless `x-fake-count` says it.
const TIMES: usize = 3;

const OK: u16 = 0;
const NOT_FOUND: u16 = 5;
const RESOURCE_EXHAUSTED: u16 = 8;
const UNIMPLEMENTED: u16 = 12;
const INTERNAL: u16 = 13;

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// Everything comes back as it comes: one message, or many both ways.
    Echo,
    /// The one message comes back several times.
    ServerStream,
    /// The last of many messages comes back.
    ClientStream,
    /// No such thing.
    Unknown,
}

/// Whether a request asks the standard health service.
pub(super) fn is_check(head: &Parts) -> bool {
    head.uri.path() == CHECK && is_grpc(head)
}

fn is_grpc(head: &Parts) -> bool {
    let kind = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.is_some_and(|kind| kind.starts_with(b"application/grpc"))
}

/// What a request calls; none if it is no gRPC.
pub(super) fn call(head: &Parts) -> Option<Call> {
    is_grpc(head).then(|| match head.uri.path().strip_prefix(ECHO) {
        Some("Unary" | "Bidi") => Call::Echo,
        Some("ServerStream") => Call::ServerStream,
        Some("ClientStream") => Call::ClientStream,
        _ => Call::Unknown,
    })
}

/// Answers a call.
pub(super) async fn answer(exchange: &mut Exchange, call: Call) -> Result<(), Gone> {
    if call == Call::Unknown {
        exchange.discard_body().await?;
        return fail(exchange, UNIMPLEMENTED);
    }
    let seen = exchange.visitor.fields("HTTP/2.0");
    let mut response = answer::head(exchange, 200, &seen);
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    let mut stream = exchange.respond.send_response(response, false)?;
    let how = match call {
        Call::ServerStream => several(exchange, &mut stream).await?,
        Call::ClientStream => last(exchange, &mut stream).await?,
        _ => back(exchange, &mut stream).await?,
    };
    Ok(stream.send_trailers(status(how))?)
}

async fn back(exchange: &mut Exchange, stream: &mut SendStream<Bytes>) -> Result<u16, Gone> {
    while let Some(piece) = exchange.next().await? {
        send::data(stream, piece, false).await?;
    }
    Ok(OK)
}

async fn several(exchange: &mut Exchange, stream: &mut SendStream<Bytes>) -> Result<u16, Gone> {
    let times = exchange.head.headers.get("x-fake-count").and_then(|count| count.to_str().ok());
    let times = times.map_or(Some(TIMES), |count| count.parse().ok());
    let message = match (Messages::default().next(exchange).await?, times) {
        (Ok(Some(message)), Some(times)) => (message, times),
        (Err(how), _) => return Ok(how),
        _ => return Ok(INTERNAL),
    };
    for _ in 0..message.1 {
        send::data(stream, message.0.clone(), false).await?;
    }
    exchange.discard_body().await?;
    Ok(OK)
}

async fn last(exchange: &mut Exchange, stream: &mut SendStream<Bytes>) -> Result<u16, Gone> {
    let (mut messages, mut last) = (Messages::default(), None);
    loop {
        match messages.next(exchange).await? {
            Ok(Some(message)) => last = Some(message),
            Ok(None) => break,
            Err(how) => return Ok(how),
        }
    }
    let Some(message) = last else { return Ok(INTERNAL) };
    send::data(stream, message, false).await?;
    Ok(OK)
}

/// Answers a health check as the health endpoint would.
pub(super) async fn check(exchange: &mut Exchange, says: Health) -> Result<(), Gone> {
    let message = match Messages::default().next(exchange).await? {
        Ok(message) => message.unwrap_or_default(),
        Err(how) => return fail(exchange, how),
    };
    exchange.discard_body().await?;
    let is_serving: u8 = match says {
        Health::Hang => return exchange.outwait(None).await,
        Health::Ok => 1,
        Health::Fail => 2,
    };
    match service(message.get(PREFIX_BYTES..).unwrap_or_default()) {
        Some(service) if SERVICES.iter().any(|known| known.as_bytes() == service) => {}
        Some(_) => return fail(exchange, NOT_FOUND),
        None => return fail(exchange, INTERNAL),
    }
    let kind = ("content-type", "application/grpc".to_owned());
    let mut response = answer::head(exchange, 200, &[kind]);
    response.headers_mut().remove("x-fake-id");
    let mut stream = exchange.respond.send_response(response, false)?;
    // HealthCheckResponse { status = 1: SERVING or NOT_SERVING }
    let message = Bytes::copy_from_slice(&[0, 0, 0, 0, 2, 0x08, is_serving]);
    send::data(&mut stream, message, false).await?;
    Ok(stream.send_trailers(status(OK))?)
}

/// The service of a `HealthCheckRequest { service = 1 }`; none if it is none.
fn service(message: &[u8]) -> Option<&[u8]> {
    match message {
        [] => Some(b""),
        // A name of 128 bytes or more is no service of ours, whatever it is.
        [0x0a, length @ ..=0x7f, name @ ..] if name.len() == usize::from(*length) => Some(name),
        [0x0a, ..] => Some(b"?"),
        _ => None,
    }
}

/// Answers with trailers alone.
fn fail(exchange: &mut Exchange, how: u16) -> Result<(), Gone> {
    let mut response = Response::new(());
    *response.headers_mut() = status(how);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    exchange.respond.send_response(response, true)?;
    Ok(())
}

fn status(how: u16) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", how.into());
    trailers
}

/// Messages taken from a body, whatever pieces they come in.
#[derive(Default)]
struct Messages {
    rest: BytesMut,
}

impl Messages {
    /// The next message with what stands before it; none at the end of the body. The inner error is
    /// how the call ends.
    async fn next(&mut self, exchange: &mut Exchange) -> Result<Result<Option<Bytes>, u16>, Gone> {
        loop {
            if let Some(whole) = whole(&self.rest) {
                if whole > PREFIX_BYTES + MAX_MESSAGE_BYTES {
                    return Ok(Err(RESOURCE_EXHAUSTED));
                }
                if self.rest.len() >= whole {
                    return Ok(Ok(Some(self.rest.split_to(whole).freeze())));
                }
            }
            match exchange.next().await? {
                Some(piece) => self.rest.extend_from_slice(&piece),
                None if self.rest.has_remaining() => return Ok(Err(INTERNAL)),
                None => return Ok(Ok(None)),
            }
        }
    }
}

/// Bytes of the message at the front with what stands before it, once that can be told.
fn whole(input: &[u8]) -> Option<usize> {
    let &[_, a, b, c, d] = input.first_chunk()?;
    Some(PREFIX_BYTES + u32::from_be_bytes([a, b, c, d]) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_of_a_check_is_read() {
        assert_eq!(service(b""), Some(&b""[..]));
        assert_eq!(service(b"\x0a\x09echo.Echo"), Some(&b"echo.Echo"[..]));
        assert_eq!(service(b"\x0a\x09echo"), Some(&b"?"[..]));
        assert_eq!(service(b"\x12\x00"), None);
    }

    #[test]
    fn a_message_is_as_long_as_its_prefix_says() {
        assert_eq!(whole(&[0, 0, 0, 0]), None);
        assert_eq!(whole(&[0, 0, 0, 1, 2]), Some(5 + 258));
    }
}
