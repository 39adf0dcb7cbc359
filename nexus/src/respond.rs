//! The answer's way back: a backend's, cleaned and framed anew, or one of Nexus's own.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use socket2::SockRef;

use crate::connection::{After, Client};
use crate::flow::{Flow, Stop};
use crate::forward::{Answered, Exchange, Upload, Upstream};
use crate::http1::body::Framing;
use crate::http1::egress::{self, Changes, Given, OwnAnswer, Reply};
use crate::http1::gate::Request;
use crate::http1::head::{Version, members};
use crate::http1::response::Response;
use crate::log::Record;
use crate::reason::{Fault, Reason};
use crate::retry::Progress;
use crate::route::{Action, Route};
use crate::tunnel;

/// How an exchange ended.
#[derive(Debug, Clone, Copy)]
pub struct End {
    /// What the client got.
    pub status: u16,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// Why it is not a backend's whole answer.
    pub reason: Option<Reason>,
    /// What becomes of the client's connection.
    pub after: After,
}

impl End {
    fn broken(status: u16, reason: Reason, after: After) -> Self {
        Self { status, bytes_out: 0, reason: Some(reason), after }
    }
}

/// Sends a backend's answer to the client, while the rest of the request may still flow.
pub async fn relay(exchange: &mut Exchange<'_>, answered: Answered) -> End {
    let Answered { mut upstream, response, mut download } = answered;
    let status = response.head.status;
    let framing = framing_for(exchange.request.head.version, response.body);
    let keep_alive = may_keep_alive(exchange, framing);
    let must_reset = framing == Framing::UntilClose && status != 101;
    if must_reset {
        // Whatever ends this early, the process included, must not look like the answer's end.
        let _ = exchange.client.stream.set_zero_linger();
    }
    start(exchange, &upstream, &response, &mut download, (framing, keep_alive));
    if status == 101 {
        return Box::pin(tunnel::run(exchange, upstream, download)).await;
    }
    let flowed = poll_fn(|cx| poll_both(cx, exchange, &mut upstream, &mut download)).await;
    let bytes_out = download.body_bytes;
    match flowed {
        Ok(()) => {
            if must_reset {
                let _ = SockRef::from(&exchange.client.stream).set_linger(None);
            }
            let clean = exchange.upload_state == Upload::Done && !download.has_rest();
            keep_or_close(exchange, upstream, response.keep_alive && clean);
            End { status, bytes_out, reason: None, after: after(exchange, keep_alive) }
        }
        Err(reason) => {
            upstream.blame(reason, Progress::Answered, Some(&download));
            let after = if must_reset { After::Reset } else { After::Close };
            End { bytes_out, ..End::broken(status, reason, after) }
        }
    }
}

/// Puts the head for the client in front of an answer.
fn start(
    exchange: &mut Exchange<'_>,
    upstream: &Upstream,
    response: &Response,
    download: &mut Flow,
    (framing, keep_alive): (Framing, bool),
) {
    let trailers = framing == Framing::Chunked && exchange.request.takes_trailers;
    if !trailers {
        download.drop_trailers();
    }
    let interim = &mut exchange.interim;
    let fields =
        exchange.view.modifiers(exchange.route).map(|modifiers| &modifiers.response_headers);
    let changes = Changes { target: None, fields };
    exchange.client.worker.with_date(|date| {
        let (version, own) = (exchange.request.head.version, &upstream.backend.own_fields);
        let reply = Reply { framing, version, keep_alive, trailers, own, date, changes };
        download.start(framing == Framing::Chunked, |out, bytes| {
            out.append(interim);
            egress::response(out, bytes, response, reply);
        });
    });
    exchange.client.deadline.set(exchange.view.settings.timeouts.stall);
}

/// Says how a body is framed for a client: by what it is.
fn framing_for(version: Version, body: Framing) -> Framing {
    match (version, body) {
        (Version::Http11, Framing::UntilClose) => Framing::Chunked,
        (Version::Http10, Framing::Chunked) => Framing::UntilClose,
        (_, as_it_is) => as_it_is,
    }
}

fn may_keep_alive(exchange: &Exchange<'_>, framing: Framing) -> bool {
    exchange.request.keep_alive
        && exchange.upload_state == Upload::Done
        && framing != Framing::UntilClose
        && !exchange.client.is_draining()
}

/// Says what follows an answer that was written whole.
fn after(exchange: &Exchange<'_>, keep_alive: bool) -> After {
    if keep_alive {
        After::KeepAlive
    } else if exchange.upload.is_read() && !exchange.upload.has_rest() {
        After::Close
    } else {
        After::Linger
    }
}

fn keep_or_close(exchange: &Exchange<'_>, upstream: Upstream, is_reusable: bool) {
    let worker = &exchange.client.worker;
    if is_reusable && !worker.is_draining() {
        let now = worker.deadlines.now();
        worker.idle.borrow_mut().put(&upstream.backend, upstream.stream, now);
    }
}

/// Moves both directions on until the answer has passed.
fn poll_both(
    cx: &mut Context<'_>,
    exchange: &mut Exchange<'_>,
    upstream: &mut Upstream,
    download: &mut Flow,
) -> Poll<Result<(), Reason>> {
    let moved = download.moved;
    let polled = download.poll(cx, &mut upstream.stream, &mut exchange.client.stream);
    match polled {
        Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
        Poll::Ready(Err(stop)) => return Poll::Ready(Err(why_stopped(stop))),
        Poll::Pending => {}
    }
    let deadline = exchange.view.settings.timeouts.stall;
    exchange.poll_upload(cx, &mut upstream.stream)?;
    if download.moved != moved {
        exchange.client.deadline.set(deadline);
    }
    if exchange.client.deadline.poll_passed(cx) {
        let late = match download.is_drained() {
            _ if exchange.client.worker.deadlines.is_over() => Reason::ShuttingDown,
            true => Reason::ResponseStalled,
            false => Reason::ClientStalled,
        };
        return Poll::Ready(Err(late));
    }
    Poll::Pending
}

fn why_stopped(stop: Stop) -> Reason {
    match stop {
        Stop::SourceEnded | Stop::SourceFailed => Reason::ResponseTruncated,
        Stop::BadBody => Reason::BadResponse,
        Stop::SinkFailed => Reason::ClientGone,
    }
}

/// Answers with a reason instead of a backend's answer.
pub async fn refuse(exchange: &mut Exchange<'_>, reason: Reason, attempts: u32) -> End {
    let facts = reason.facts();
    let mut end = End::broken(facts.status, reason, After::Close);
    if matches!(reason, Reason::ClientGone | Reason::ClientStalled) {
        return end;
    }
    let request = &exchange.request;
    let keep_alive = request.keep_alive
        && (facts.fault != Fault::Client || reason == Reason::NoRoute)
        && exchange.upload.is_read()
        && !exchange.client.is_draining();
    let mut out = std::mem::take(&mut exchange.interim);
    let json = wants_json(request, exchange.upload.bytes());
    let (to_head, version) = (request.is_head, request.head.version);
    exchange.client.worker.with_date(|date| {
        let answer = OwnAnswer { reason, attempts, json, to_head, version, keep_alive, date };
        egress::own(&mut out, answer);
    });
    end.after = match exchange.client.write_all(&out).await {
        Ok(()) if keep_alive => After::KeepAlive,
        Ok(()) => After::Linger,
        Err(_) => After::Close,
    };
    end
}

/// Answers with the fixed answer of the request's route.
pub async fn fixed(exchange: &mut Exchange<'_>) -> End {
    let view = Rc::clone(&exchange.view);
    let route =
        view.settings.routes.as_ref().zip(exchange.route).map(|(table, at)| &table.routes()[at]);
    let Some(Route { action: Action::Respond(fixed), modifiers, .. }) = route else {
        unreachable!("only such a route leads here");
    };
    let changes = Changes { target: None, fields: Some(&modifiers.response_headers) };
    let (status, content_type, body) = (fixed.status, fixed.content_type.as_str(), &fixed.body[..]);
    give(exchange, Given { status, location: None, content_type, body, changes }).await
}

/// Sends the client elsewhere.
pub async fn redirect(exchange: &mut Exchange<'_>, status: u16, location: &[u8]) -> End {
    let view = Rc::clone(&exchange.view);
    let fields = view.modifiers(exchange.route).map(|modifiers| &modifiers.response_headers);
    let changes = Changes { target: None, fields };
    let (content_type, body) = ("", &[][..]);
    give(exchange, Given { status, location: Some(location), content_type, body, changes }).await
}

/// Answers with what the configuration says; no backend is asked.
async fn give(exchange: &mut Exchange<'_>, given: Given<'_>) -> End {
    let request = &exchange.request;
    let keep_alive =
        request.keep_alive && exchange.upload.is_read() && !exchange.client.is_draining();
    let (version, to_head) = (request.head.version, request.is_head);
    let mut out = Vec::new();
    exchange.client.worker.with_date(|date| {
        let own = b"X-Forwarded-By: Nexus\r\n";
        let (framing, trailers, changes) = (Framing::None, false, given.changes);
        let reply = Reply { framing, version, keep_alive, trailers, own, date, changes };
        egress::given(&mut out, given, reply, to_head);
    });
    let bytes_out = if to_head { 0 } else { given.body.len() as u64 };
    let after = match exchange.client.write_all(&out).await {
        Ok(()) if keep_alive => After::KeepAlive,
        Ok(()) => After::Linger,
        Err(_) => After::Close,
    };
    End { status: given.status, bytes_out, reason: None, after }
}

/// Says whether the client prefers JSON to text for people.
fn wants_json(request: &Request, bytes: &[u8]) -> bool {
    let is_accept = |label: &[u8]| label.eq_ignore_ascii_case(b"accept");
    let fields = request.head.fields.iter().filter(|field| is_accept(field.label.of(bytes)));
    let first = fields.flat_map(|field| members(field.value.of(bytes))).next();
    let kind = first.and_then(|member| member.split(|byte| *byte == b';').next());
    kind.is_some_and(|kind| kind.trim_ascii().eq_ignore_ascii_case(b"application/json"))
}

/// Answers bytes that are no request that could be forwarded; the connection cannot go on.
pub async fn refuse_unread(client: &mut Client, bytes: &[u8], reason: Reason) -> After {
    refuse_named(client, first_words(bytes), reason).await
}

/// The same for a request whose method and target are known.
pub async fn refuse_named(client: &mut Client, words: (&[u8], &[u8]), reason: Reason) -> After {
    let mut out = Vec::new();
    client.worker.with_date(|date| {
        let version = Version::Http11;
        let answer = OwnAnswer {
            reason,
            attempts: 0,
            json: false,
            to_head: false,
            version,
            keep_alive: false,
            date,
        };
        egress::own(&mut out, answer);
    });
    let (method, target) = words;
    client.worker.write_log(&Record {
        client: client.ip,
        method,
        target,
        status: reason.facts().status,
        backend: None,
        failed: &[],
        attempts: 0,
        duration: std::time::Duration::ZERO,
        bytes_in: 0,
        bytes_out: 0,
        reason: Some(reason),
        why_not: None,
    });
    if client.write_all(&out).await.is_ok() { After::Linger } else { After::Close }
}

/// Guesses method and path of a request that could not be parsed, for the log: printable or nothing.
fn first_words(bytes: &[u8]) -> (&[u8], &[u8]) {
    /// Enough to recognise it by.
    const LOGGED_MAX: usize = 256;
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ').map(|word| {
        let is_text = !word.is_empty() && word.iter().all(u8::is_ascii_graphic);
        if is_text { &word[..word.len().min(LOGGED_MAX)] } else { b"-" }
    });
    (words.next().unwrap_or(b"-"), words.next().unwrap_or(b"-"))
}

/// Answers OPTIONS that must not go any further.
pub async fn options(
    client: &mut Client,
    request: &Request,
    upload: &Flow,
    began: Option<Instant>,
) -> After {
    let keep_alive = request.keep_alive && upload.is_read() && !client.is_draining();
    let mut out = Vec::new();
    client
        .worker
        .with_date(|date| egress::options(&mut out, request.head.version, keep_alive, date));
    let written = client.write_all(&out).await;
    if let Some(began) = began {
        let bytes = upload.bytes();
        client.worker.write_log(&Record {
            client: client.ip,
            method: request.head.method.of(bytes),
            target: request.head.target.of(bytes),
            status: 204,
            backend: None,
            failed: &[],
            attempts: 0,
            duration: began.elapsed(),
            bytes_in: upload.body_bytes,
            bytes_out: 0,
            reason: None,
            why_not: None,
        });
    }
    match written {
        Ok(()) if keep_alive => After::KeepAlive,
        Ok(()) => After::Linger,
        Err(_) => After::Close,
    }
}
