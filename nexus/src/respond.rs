//! The answer's way back: a backend's, cleaned and framed anew, or one of Nexus's own.

pub mod own;

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::attempts::counts_late;
use crate::connection::After;
use crate::exchange::{Exchange, Upload};
use crate::flow::{Flow, Stop};
use crate::forward::{Answered, Upstream};
use crate::grpc;
use crate::http1::body::Framing;
use crate::http1::egress::{self, Changes, Reply};
use crate::http1::head::Version;
use crate::http1::response::Response;
use crate::reason::Reason;
use crate::retry::Progress;
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
pub async fn relay(exchange: &mut Exchange<'_>, mut answered: Box<Answered>) -> End {
    let is_late = answered.outcome().is_none();
    let Answered { upstream, response, download } = &mut *answered;
    let status = response.head.status;
    let framing = framing_for(exchange.request.head.version, response.body);
    let keep_alive = may_keep_alive(exchange, framing);
    let must_reset = framing == Framing::UntilClose && status != 101;
    if must_reset {
        // Whatever ends this early, the process included, must not look like the answer's end.
        exchange.client.stream.set_linger(Some(Duration::ZERO));
    }
    start(exchange, upstream, response, download, (framing, keep_alive));
    download.ends_connection = !keep_alive;
    if status == 101 {
        let Answered { upstream, download, .. } = *answered;
        return Box::pin(tunnel::run(exchange, upstream, download)).await;
    }
    let flowed = poll_fn(|cx| poll_both(cx, exchange, upstream, download)).await;
    let bytes_out = download.body_bytes;
    match flowed {
        Ok(()) => {
            if is_late {
                let said = grpc::in_trailers(download.trailers()).map_or(500, grpc::as_http);
                counts_late(exchange.pool(), &upstream.backend, said);
            }
            if must_reset {
                exchange.client.stream.set_linger(None);
            }
            let clean = exchange.upload_state == Upload::Done && !download.has_rest();
            let is_reusable = response.keep_alive && clean;
            keep_or_close(exchange, answered.upstream, is_reusable);
            End { status, bytes_out, reason: None, after: after(exchange, keep_alive) }
        }
        Err(reason) => {
            let is_one_stream = upstream.stream.is_http2() && reason == Reason::ResponseTruncated;
            let reason = if is_one_stream { Reason::StreamReset } else { reason };
            upstream.blame(reason, Progress::Answered, Some(download));
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
    let takes_trailers = exchange.request.takes_trailers || exchange.client.stream.is_http2();
    let trailers = framing == Framing::Chunked && takes_trailers;
    if !trailers {
        download.drop_trailers();
    }
    let interim = &mut exchange.interim;
    let fields =
        exchange.view.modifiers(exchange.route).map(|modifiers| &modifiers.response_headers);
    let mark = exchange.known.mark(&exchange.view.settings);
    let (cookie, marks) = (exchange.cookie.as_deref(), mark.as_slice());
    let changes = Changes { target: None, fields, cookie, marks };
    let hsts = exchange.client.hsts();
    let hsts = hsts.as_deref().unwrap_or_default();
    exchange.client.worker.with_date(|date| {
        let (version, own) = (exchange.request.head.version, upstream.backend.own_fields());
        let reply = Reply { framing, version, keep_alive, trailers, own, hsts, date, changes };
        download.start(framing == Framing::Chunked, |out, bytes| {
            out.append(interim);
            egress::response(out, bytes, response, reply);
        });
    });
    // It is there; what follows has its own limits, but for a deadline of the client's.
    exchange.until = exchange.deadline;
    exchange.client.deadline.set(exchange.within(exchange.timeout_stall(false)));
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
        if let Some(lease) = upstream.lease {
            worker.idle.borrow_mut().put(&upstream.backend, (upstream.stream, lease), now);
        }
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
    let has_arrived = exchange.poll_upload(cx, &mut upstream.stream)?;
    if download.moved != moved || has_arrived {
        let stall = exchange.timeout_stall(!download.is_drained());
        exchange.client.deadline.set(exchange.within(stall));
    }
    if exchange.client.deadline.poll_passed(cx) {
        let late = match download.is_drained() {
            _ if exchange.client.worker.deadlines.is_over() => Reason::ShuttingDown,
            _ if exchange.is_too_late() => Reason::TotalTimeout,
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
        Stop::BadBody | Stop::TooLarge => Reason::BadResponse,
        Stop::SinkFailed => Reason::ClientGone,
    }
}
