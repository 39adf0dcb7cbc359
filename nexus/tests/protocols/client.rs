//! A client of Nexus that speaks what it is told to.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use tokio::io::{AsyncWriteExt, ReadHalf};

use crate::http1::{self, Reader};
use crate::message::{Body, Sink, Source};
use crate::outcome::{Outcome, Wrong, wrong};
use crate::wire::{Io, Wire, connect, until};

/// The key of a WebSocket client in RFC 6455 §1.3.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// Who everything is asked of.
pub(crate) const HOST: &str = "nexus.test";

/// A client. Over HTTP/2 all its calls share a connection; in HTTP/1.1 each has its own.
pub(crate) struct Client {
    address: SocketAddr,
    tls: Option<Arc<rustls::ClientConfig>>,
    shared: Option<SendRequest<Bytes>>,
}

impl Client {
    pub(crate) async fn connect(
        wire: Wire,
        address: SocketAddr,
        tls: Option<Arc<rustls::ClientConfig>>,
        window: u32,
    ) -> Outcome<Self> {
        let mut client = Self { address, tls, shared: None };
        if wire.is_http2() {
            let io = connect(address, client.tls.clone()).await?;
            let mut builder = h2::client::Builder::new();
            builder.initial_window_size(window).initial_connection_window_size(1 << 20);
            let (requests, connection) = builder.enable_push(false).handshake(io).await?;
            tokio::spawn(connection);
            client.shared = Some(requests);
        }
        Ok(client)
    }

    /// Sends the head of a request.
    pub(crate) async fn call(&self, request: http::Request<()>, body: Body) -> Outcome<Call> {
        match &self.shared {
            Some(requests) => {
                let mut requests = requests.clone().ready().await?;
                let (mut parts, ()) = request.into_parts();
                let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
                parts.uri = format!("https://{HOST}{path}").parse()?;
                if let Body::Length(length) = body {
                    parts.headers.insert(header::CONTENT_LENGTH, length.into());
                }
                let request = http::Request::from_parts(parts, ());
                let (response, stream) = requests.send_request(request, body == Body::None)?;
                Ok(Call { sink: Sink::Http2(stream), answer: Answer::Http2(response) })
            }
            None => {
                let io = connect(self.address, self.tls.clone()).await?;
                let (reader, mut writer) = tokio::io::split(io);
                let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
                let first = format!("{} {path} HTTP/1.1\r\nhost: {HOST}", request.method());
                let head = http1::head(&first, request.headers(), body);
                writer.write_all(&head).await?;
                writer.flush().await?;
                let is_head = request.method() == Method::HEAD;
                let answer = Answer::Http1(Some(Reader::new(reader)), is_head);
                Ok(Call { sink: Sink::Http1(writer, body), answer })
            }
        }
    }

    /// Sends a request without a body.
    pub(crate) async fn get(&self, path: &str) -> Outcome<Call> {
        self.call(request(Method::GET, path), Body::None).await
    }

    /// Asks for a WebSocket, as the protocol has it (RFC 6455 §4.1, RFC 8441 §4).
    pub(crate) async fn upgrade(&self, path: &str) -> Outcome<Call> {
        let mut asked = request(Method::GET, path);
        asked.headers_mut().insert("sec-websocket-version", HeaderValue::from_static("13"));
        match &self.shared {
            None => {
                let headers = asked.headers_mut();
                headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert("sec-websocket-key", HeaderValue::from_static(KEY));
                self.call(asked, Body::Tunnel).await
            }
            Some(requests) => {
                until("Nexus takes CONNECT with a protocol", || {
                    requests.is_extended_connect_protocol_enabled()
                })
                .await?;
                *asked.method_mut() = Method::CONNECT;
                asked.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
                self.call(asked, Body::Tunnel).await
            }
        }
    }
}

/// Begins a request.
pub(crate) fn request(method: Method, path: &str) -> http::Request<()> {
    let request = http::Request::builder().method(method).uri(path);
    request.body(()).expect("tests ask for good paths")
}

/// A request under way, and its answer.
pub(crate) struct Call {
    pub(crate) sink: Sink,
    pub(crate) answer: Answer,
}

impl Call {
    /// Gives it up.
    pub(crate) fn abort(mut self) {
        self.sink.reset();
    }

    /// Returns the final answer, whole, which nothing may come before.
    pub(crate) async fn whole(&mut self) -> Outcome<(http::Response<()>, Bytes)> {
        let head = self.answer.head().await?;
        let body = self.answer.source()?.all().await?;
        Ok((head, body))
    }

    /// Waits for the answer to an upgrade, and says whether it was granted.
    pub(crate) async fn is_granted(&mut self) -> Outcome<bool> {
        let head = self.answer.head().await?;
        Ok(head.status()
            == match self.sink {
                Sink::Http1(..) => StatusCode::SWITCHING_PROTOCOLS,
                Sink::Http2(_) => StatusCode::OK,
            })
    }
}

/// An answer.
pub(crate) enum Answer {
    Http1(Option<Reader<ReadHalf<Io>>>, bool),
    Http2(ResponseFuture),
    Begun(Source),
}

impl Answer {
    /// Waits for the next head, interim or final.
    pub(crate) async fn head(&mut self) -> Outcome<http::Response<()>> {
        match self {
            Self::Begun(_) => wrong("the answer has begun"),
            Self::Http1(reader, is_head) => {
                let reader = reader.as_mut().ok_or_else(|| Wrong("no reader".to_owned()))?;
                let response = reader.response().await?;
                let framing = match response.status().as_u16() {
                    101 => Body::Tunnel,
                    100..=199 => return Ok(response),
                    204 | 304 => Body::None,
                    _ if *is_head => Body::None,
                    _ => http1::body(response.headers())?,
                };
                if let Self::Http1(reader, _) = self
                    && let Some(reader) = reader.take()
                {
                    *self = Self::Begun(Source::Http1(reader, framing, HeaderMap::new()));
                }
                Ok(response)
            }
            Self::Http2(response) => {
                // Not to be asked any more once the final one is there.
                let interim = poll_fn(|cx| match response.poll_informational(cx) {
                    Poll::Ready(Some(interim)) => Poll::Ready(Ok(interim)),
                    _ => std::pin::Pin::new(&mut *response).poll(cx).map(Err),
                });
                match interim.await {
                    Ok(interim) => Ok(interim?),
                    Err(response) => {
                        let (parts, body) = response?.into_parts();
                        *self = Self::Begun(Source::Http2(body));
                        Ok(http::Response::from_parts(parts, ()))
                    }
                }
            }
        }
    }

    /// Returns the body, once the head is there.
    pub(crate) fn source(&mut self) -> Outcome<&mut Source> {
        match self {
            Self::Begun(source) => Ok(source),
            _ => wrong("no answer yet"),
        }
    }
}
