//! A backend that speaks what it is told to, and does with each request as a test likes.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::server::SendResponse;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use tokio::io::{AsyncWriteExt, WriteHalf};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::http1::{self, Reader};
use crate::message::{Body, Sink, Source};
use crate::outcome::{Outcome, Wrong, wrong};
use crate::wire::{Io, Wire, accept};

/// What is under way.
pub(crate) type Task<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What a backend does with a request; what it gives back has been answered.
pub(crate) type Handler = Arc<dyn Fn(Served) -> Task<Outcome<Served>> + Send + Sync>;

/// How a backend speaks.
#[derive(Clone)]
pub(crate) struct Terms {
    pub(crate) wire: Wire,
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
    pub(crate) streams_max: u32,
    /// Bytes that each request may have on their way to it, unread.
    pub(crate) window: u32,
    /// Whether it takes CONNECT with a protocol.
    pub(crate) takes_connect: bool,
}

/// A backend that listens, until it is dropped.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    listening: AbortHandle,
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Backend {
    /// Starts one.
    pub(crate) fn start(runtime: &Handle, terms: Terms, handler: Handler) -> Outcome<Self> {
        let tls = terms.tls.clone();
        Self::raw(runtime, tls, move |io, number| {
            let (terms, handler) = (terms.clone(), Arc::clone(&handler));
            Box::pin(async move {
                if terms.wire.is_http2() {
                    http2(io, number, &terms, handler).await
                } else {
                    http1(io, number, handler).await
                }
            })
        })
    }

    /// Starts one that does with connections as it likes.
    pub(crate) fn raw(
        runtime: &Handle,
        tls: Option<Arc<rustls::ServerConfig>>,
        handler: impl Fn(Io, usize) -> Task<Outcome> + Send + Sync + 'static,
    ) -> Outcome<Self> {
        let _inside = runtime.enter();
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let (address, listener) = (listener.local_addr()?, TcpListener::from_std(listener)?);
        let connections = Arc::<AtomicUsize>::default();
        let (count, handler) = (Arc::clone(&connections), Arc::new(handler));
        let listening = runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, count, handler) = (tls.clone(), Arc::clone(&count), Arc::clone(&handler));
                tokio::spawn(async move {
                    let Ok(io) = accept(stream, tls).await else { return };
                    let number = count.fetch_add(1, Ordering::SeqCst);
                    let _ = handler(io, number).await;
                });
            }
        });
        Ok(Self { address, connections, listening: listening.abort_handle() })
    }

    /// Returns how many connections were accepted, that of the first probe included.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn http1(io: Io, connection: usize, handler: Handler) -> Outcome {
    let (reader, mut writer) = tokio::io::split(io);
    let mut reader = Reader::new(reader);
    while let Some(request) = reader.request().await? {
        let body = match request.headers().contains_key(header::UPGRADE) {
            true => Body::Tunnel,
            false => http1::body(request.headers())?,
        };
        let source = Source::Http1(reader, body, HeaderMap::new());
        let is_head = request.method() == Method::HEAD;
        let (reply, sink) = (Reply::Http1(Some(writer)), None);
        let (orders, _) = unbounded_channel();
        let served = Served { request, source, reply, sink, is_head, connection, orders };
        let Some(served) = told(handler(served).await) else { return Ok(()) };
        match (served.source, served.sink) {
            (
                Source::Http1(back, Body::None | Body::Length(0), _),
                Some(Sink::Http1(again, Body::None | Body::Length(_) | Body::Open)),
            ) => (reader, writer) = (back, again),
            _ => return Ok(()),
        }
    }
    Ok(())
}

/// Tells, of cells that were picked, why a request was not answered.
fn told(ended: Outcome<Served>) -> Option<Served> {
    let told = std::env::var_os("ONLY").is_some();
    if let (true, Err(error)) = (told, &ended) {
        eprintln!("backend: {}", error.0);
    }
    ended.ok()
}

async fn http2(io: Io, number: usize, terms: &Terms, handler: Handler) -> Outcome {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(terms.streams_max);
    builder.initial_window_size(terms.window).initial_connection_window_size(1 << 20);
    if terms.takes_connect {
        builder.enable_connect_protocol();
    }
    let mut connection = builder.handshake::<_, Bytes>(io).await?;
    let (orders, mut ordered) = unbounded_channel();
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            order = ordered.recv() => match order {
                Some(Order::GoAway(said)) => {
                    connection.graceful_shutdown();
                    let _ = said.send(());
                    continue;
                }
                _ => return Ok(()),
            },
        };
        let Some(accepted) = accepted else { return Ok(()) };
        let (request, respond) = accepted?;
        let (parts, body) = request.into_parts();
        let is_head = parts.method == Method::HEAD;
        let served = Served {
            request: http::Request::from_parts(parts, ()),
            source: Source::Http2(body),
            reply: Reply::Http2(respond),
            sink: None,
            is_head,
            connection: number,
            orders: orders.clone(),
        };
        let answering = handler(served);
        tokio::spawn(async move { drop(told(answering.await)) });
    }
}

/// What an HTTP/2 connection is told by one of its requests.
enum Order {
    Die,
    GoAway(oneshot::Sender<()>),
}

/// A request, and the means to answer it.
pub(crate) struct Served {
    pub(crate) request: http::Request<()>,
    pub(crate) source: Source,
    reply: Reply,
    pub(crate) sink: Option<Sink>,
    is_head: bool,
    /// Which of the backend's connections it came over.
    pub(crate) connection: usize,
    orders: UnboundedSender<Order>,
}

enum Reply {
    Http1(Option<WriteHalf<Io>>),
    Http2(SendResponse<Bytes>),
}

impl Served {
    pub(crate) fn path(&self) -> &str {
        self.request.uri().path()
    }

    /// Returns a field's value.
    pub(crate) fn field(&self, name: &str) -> &str {
        let value = self.request.headers().get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Sends the head of an interim answer.
    pub(crate) async fn interim(&mut self, response: http::Response<()>) -> Outcome {
        match &mut self.reply {
            Reply::Http1(Some(io)) => {
                let head = http1::head(&first(response.status()), response.headers(), Body::None);
                io.write_all(&head).await?;
                io.flush().await?;
            }
            Reply::Http1(None) => return wrong("the answer has begun"),
            Reply::Http2(respond) => respond.send_informational(response)?,
        }
        Ok(())
    }

    /// Sends the head of the answer.
    pub(crate) async fn begin(&mut self, mut response: http::Response<()>, body: Body) -> Outcome {
        let sink = match &mut self.reply {
            Reply::Http1(io) => {
                let mut io = io.take().ok_or_else(|| Wrong("it has begun".to_owned()))?;
                let head = http1::head(&first(response.status()), response.headers(), body);
                io.write_all(&head).await?;
                io.flush().await?;
                Sink::Http1(io, body)
            }
            Reply::Http2(respond) => {
                if let Body::Length(length) = body {
                    response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
                }
                let ends = body == Body::None || self.is_head;
                Sink::Http2(respond.send_response(response, ends)?)
            }
        };
        self.sink = Some(sink);
        Ok(())
    }

    pub(crate) fn sink(&mut self) -> Outcome<&mut Sink> {
        self.sink.as_mut().ok_or_else(|| Wrong("the answer has not begun".to_owned()))
    }

    /// Answers 200 with a text, after reading what is left of the request.
    pub(crate) async fn answer(mut self, text: &str) -> Outcome<Self> {
        while self.source.data().await?.is_some() {}
        self.begin(http::Response::new(()), Body::Length(text.len() as u64)).await?;
        if !self.is_head {
            self.sink()?.send(Bytes::copy_from_slice(text.as_bytes())).await?;
            self.sink()?.finish().await?;
        }
        Ok(self)
    }

    /// Grants an upgrade to a WebSocket, however it was asked for.
    pub(crate) async fn switch(&mut self) -> Outcome {
        let mut response = http::Response::new(());
        if let Reply::Http1(_) = self.reply {
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let accept = derive_accept_key(self.field("sec-websocket-key").as_bytes());
            let headers = response.headers_mut();
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert("sec-websocket-accept", accept.parse()?);
        }
        self.begin(response, Body::Tunnel).await
    }

    /// Waits until the request is given up.
    pub(crate) async fn gone(&mut self) -> Outcome {
        match &mut self.reply {
            Reply::Http1(_) => self.source.end().await,
            Reply::Http2(respond) => {
                poll_fn(|cx| respond.poll_reset(cx)).await?;
                Ok(())
            }
        }
    }

    /// Breaks the answer off.
    pub(crate) fn abort(mut self) {
        if let Some(sink) = &mut self.sink {
            sink.reset();
        }
    }

    /// Ends the whole connection, with all that is under way on it.
    pub(crate) fn die(self) {
        let _ = self.orders.send(Order::Die);
    }

    /// Takes no more requests on this connection; what is sent from now on comes after that word.
    pub(crate) async fn go_away(&mut self) -> Outcome {
        let (said, is_said) = oneshot::channel();
        let _ = self.orders.send(Order::GoAway(said));
        Ok(is_said.await?)
    }

    /// Says that nothing was done with the request (RFC 9113 §8.7).
    pub(crate) fn refuse(mut self) {
        if let Reply::Http2(respond) = &mut self.reply {
            respond.send_reset(h2::Reason::REFUSED_STREAM);
        }
    }
}

fn first(status: StatusCode) -> String {
    format!("HTTP/1.1 {} {}", status.as_str(), status.canonical_reason().unwrap_or_default())
}
