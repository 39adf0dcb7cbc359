//! What hyper makes of the bytes of a connection.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};
use hyper::rt::ReadBufCursor;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, client, header, server};
use nexus::http1::body::Framing;

use super::message::{Message, trailer};
use super::wire::Wire;

/// A connection on which set pieces come, one a read, and then the end; what is written to it is
/// gone.
struct Pieces {
    left: VecDeque<Bytes>,
    /// Whether the next read finds something.
    is_ready: bool,
    /// Whether pieces come only once something was written.
    waits: bool,
}

impl Pieces {
    fn of(wire: &Wire, waits: bool) -> Self {
        let left = wire.pieces().map(Bytes::copy_from_slice).collect();
        Self { left, is_ready: false, waits }
    }
}

impl hyper::rt::Read for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.is_ready = !self.is_ready && !self.waits;
        if !self.is_ready {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(piece) = self.left.front_mut() {
            into.put_slice(&piece.split_to(piece.len().min(into.remaining())));
            if piece.is_empty() {
                self.left.pop_front();
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for Pieces {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.waits = false;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Polls until it is over: nothing here waits for anything but its turn.
fn drive<F: Future>(future: F) -> F::Output {
    const TURNS_MAX: usize = 1_000_000;
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    let mut polls = (0..TURNS_MAX).map(|_| future.as_mut().poll(&mut cx));
    polls
        .find_map(|polled| match polled {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
        .expect("hyper comes to an end")
}

/// Reads requests as long as hyper's server does.
pub(crate) fn requests(wire: &Wire) -> Vec<Message> {
    let messages = RefCell::new(Vec::new());
    let service = service_fn(async |request: Request<Incoming>| {
        let at = {
            let mut messages = messages.borrow_mut();
            messages.push(request_head(&request));
            messages.len() - 1
        };
        read_body(request.into_body(), |change| change(&mut messages.borrow_mut()[at])).await;
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    });
    let mut builder = server::conn::http1::Builder::new();
    let _ = drive(builder.half_close(true).serve_connection(Pieces::of(wire, false), service));
    messages.take()
}

fn request_head(request: &Request<Incoming>) -> Message {
    let (uri, fields) = (request.uri(), request.headers());
    let host = match uri.authority() {
        Some(authority) => authority.to_string(),
        None => fields
            .get(header::HOST)
            .map_or_else(String::new, |host| String::from_utf8_lossy(host.as_bytes()).into_owned()),
    };
    let target = uri.path_and_query().map_or_else(|| uri.to_string(), ToString::to_string);
    let start = format!("{} {target}", request.method());
    Message::begun(start, host, framing(request.body(), Framing::Chunked))
}

fn framing(body: &Incoming, open: Framing) -> Framing {
    match body.size_hint().exact() {
        _ if body.is_end_stream() => Framing::Length(0),
        Some(length) => Framing::Length(length),
        None => open,
    }
}

/// Reads a body to its end, or to where it breaks.
async fn read_body(mut body: Incoming, change: impl Fn(&mut dyn FnMut(&mut Message))) {
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return;
        };
        if let Some(data) = frame.data_ref() {
            change(&mut |message| message.body.extend_from_slice(data));
        } else if let Some(fields) = frame.trailers_ref() {
            let lines = fields.iter().map(|(name, value)| trailer(name.as_str(), value.as_bytes()));
            let mut trailers: Vec<_> = lines.collect();
            trailers.sort();
            change(&mut |message| message.trailers.clone_from(&trailers));
        }
    }
    change(&mut |message| message.is_whole = true);
}

/// Reads the answer to one request as hyper's client does; returns it and what comes behind it.
pub(crate) fn answer(wire: &Wire, to_head: bool) -> Option<(Message, Vec<u8>)> {
    let message = RefCell::new(None);
    let method = if to_head { Method::HEAD } else { Method::GET };
    let mut builder = client::conn::http1::Builder::new();
    builder.max_headers(nexus::http1::head::RESPONSE_FIELDS_MAX);
    let rest = drive(async {
        let made = builder.handshake::<_, Empty<Bytes>>(Pieces::of(wire, true)).await;
        let (mut sender, mut connection) = made.expect("nothing is exchanged yet");
        let request = Request::builder().method(method).uri("/").body(Empty::new());
        let mut exchange = pin!(async {
            let sent = sender.send_request(request.expect("it is valid")).await;
            let Ok(response) = sent else {
                return;
            };
            let status = response.status().as_u16().to_string();
            let framing = framing(response.body(), Framing::UntilClose);
            let framing = match framing {
                Framing::UntilClose if is_chunked(response.headers()) => Framing::Chunked,
                known => known,
            };
            message.replace(Some(Message::begun(status, String::new(), framing)));
            read_body(response.into_body(), |change| {
                change(message.borrow_mut().as_mut().expect("it was put there"));
            })
            .await;
        });
        let mut is_over = false;
        poll_fn(|cx| {
            is_over = is_over || connection.poll_without_shutdown(cx).is_ready();
            exchange.as_mut().poll(cx)
        })
        .await;
        let parts = connection.into_parts();
        let mut rest = parts.read_buf.to_vec();
        for mut piece in parts.io.left {
            rest.extend_from_slice(&piece.copy_to_bytes(piece.len()));
        }
        rest
    });
    message.take().map(|message| (message, rest))
}

/// Says whether a body of unknown length is chunked: where hyper sees a coding, it read it so.
fn is_chunked(fields: &header::HeaderMap) -> bool {
    let codings = fields.get_all(header::TRANSFER_ENCODING);
    codings.iter().next_back().is_some_and(|last| {
        let last = last.as_bytes().rsplit(|byte| *byte == b',').next().unwrap_or_default();
        last.trim_ascii().eq_ignore_ascii_case(b"chunked")
    })
}
