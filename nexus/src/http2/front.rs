//! A client's HTTP/2 connection, from its preface to its end.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};

use super::carrier::{Carrier, Meter};
use super::frames::Verdict;
use super::pulse::{LOOK, Pulse};
use super::text;
use super::{
    Asked, HEAD_BYTES_MAX, RESETS_PENDING_MAX, RESETS_PROVOKED_MAX, RESETS_REMEMBERED_MAX,
    SEND_BYTES_MAX, STREAMS_MAX, WINDOW_CONNECTION_BYTES, WINDOW_STREAM_BYTES,
};
use crate::connection::{self, Client};
use crate::deadline::TICK;
use crate::dial::Clock;
use crate::stream::Stream;

/// What opens a connection (RFC 9113 §3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long a connection may take to end that carries nothing any more.
const LINGER: Duration = Duration::from_secs(2);

/// Frames with a small piece of a body, since the connection last carried nothing, from which on its
/// window is [`WINDOW_NARROW_BYTES`]. A client may mean well: messages of gRPC are often small.
const CRUMBS_MAX: u32 = 4096;

/// Bytes of bodies that may be unread on a connection whose client sends them in small pieces: as
/// many pieces, at worst, each of which costs `h2` some 400 bytes. The window that RFC 9113 begins
/// with.
const WINDOW_NARROW_BYTES: u32 = 65_535;

/// Overhead of small pieces that `h2` lets be unread beyond what large ones make up for, as it counts
/// that: 256 bytes for each, less its own. So that a client may fill all that it has, before its
/// window is narrow and after, with messages of 16 bytes. Beyond it the connection ends.
const CRUMB_BYTES_MAX: usize =
    (CRUMBS_MAX as usize + WINDOW_NARROW_BYTES as usize / 16) * (256 - 16);

/// Carries a client's connection, of which `first` was read already, to its end.
pub async fn serve(mut client: Client, first: Vec<u8>) {
    let stream = client.take_stream();
    let (carrier, meter) = Carrier::new(stream, first);
    let carrier = carrier.watched(&client.worker.deadlines);
    let handshake = builder().handshake::<_, Bytes>(carrier);
    let limit = client.timeouts().head;
    let Some(Ok(mut connection)) = client.deadline.within(limit, handshake).await else { return };
    let now = client.worker.deadlines.now();
    let pulse = Pulse::new(connection.ping_pong(), Rc::clone(&meter), now);
    let (streams, idle_since, ends, is_narrow) = (Rc::default(), now, None, false);
    let mut front = Front { client, pulse, meter, streams, idle_since, ends, is_narrow };
    front.look_soon();
    poll_fn(|cx| front.poll(cx, &mut connection)).await;
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .initial_connection_window_size(WINDOW_CONNECTION_BYTES)
        .initial_window_size(WINDOW_STREAM_BYTES)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX)
        .max_send_buffer_size(SEND_BYTES_MAX)
        .max_concurrent_reset_streams(RESETS_REMEMBERED_MAX)
        .max_pending_accept_reset_streams(RESETS_PENDING_MAX)
        .max_local_error_reset_streams(Some(RESETS_PROVOKED_MAX))
        .data_frame_budget(CRUMB_BYTES_MAX)
        .enable_connect_protocol();
    builder
}

/// A connection under way.
struct Front {
    client: Client,
    pulse: Pulse,
    meter: Rc<Meter>,
    /// Requests under way.
    streams: Rc<Cell<u32>>,
    /// The tick since which there is none.
    idle_since: u32,
    /// The tick in which the client was told to begin none any more.
    ends: Option<u32>,
    /// Whether its window is narrow.
    is_narrow: bool,
}

impl Front {
    /// Moves it on; ready when it has ended.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut Connection<Carrier, Bytes>,
    ) -> Poll<()> {
        loop {
            match connection.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => self.begin(request, respond),
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => match self.meter.verdict.take() {
                    Some(verdict) => self.judge(connection, verdict),
                    None => break,
                },
            }
        }
        self.set_window(connection);
        while self.client.deadline.poll_passed(cx)
            || self.client.is_draining() && self.ends.is_none()
        {
            if self.client.worker.deadlines.is_over() || self.look(cx, connection) {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    /// Narrows the window of a client that sends small pieces, until nothing is under way: all that
    /// came has been read by then.
    fn set_window(&mut self, connection: &mut Connection<Carrier, Bytes>) {
        let crumbs = &self.meter.crumbs;
        if self.streams.get() == 0 {
            crumbs.set(0);
        }
        let is_narrow = crumbs.get() > CRUMBS_MAX;
        if is_narrow != std::mem::replace(&mut self.is_narrow, is_narrow) {
            let window = if is_narrow { WINDOW_NARROW_BYTES } else { WINDOW_CONNECTION_BYTES };
            connection.set_target_window_size(window);
        }
    }

    /// Ends a connection whose client asks too much, or breaks the protocol.
    fn judge(&mut self, connection: &mut Connection<Carrier, Bytes>, verdict: Verdict) {
        let Some(reason) = verdict.reason() else { return };
        tracing::debug!(client = %self.client.ip, ?verdict, "an HTTP/2 connection is ended");
        let published = &self.client.worker.published;
        published.http2_ended.fetch_add(1, Ordering::Relaxed);
        connection.abrupt_shutdown(reason);
        self.ends = Some(self.client.worker.deadlines.now());
        self.client.deadline.set(LINGER);
    }

    fn begin(&mut self, request: http::Request<h2::RecvStream>, mut respond: SendResponse<Bytes>) {
        if text::is_malformed(&request) {
            return respond.send_reset(h2::Reason::PROTOCOL_ERROR);
        }
        self.idle_since = self.client.worker.deadlines.now();
        let under_way = UnderWay::new(&self.streams);
        let stream = Stream::Asked(Box::new(Asked::new(request, respond)));
        let client = self.client.with_stream(stream);
        // In a box: tasks are moved about before they run.
        tokio::task::spawn_local(Box::pin(async move {
            connection::serve_one(client).await;
            drop(under_way);
        }));
    }

    /// Looks after the connection; says whether it is dead.
    fn look(&mut self, cx: &mut Context<'_>, connection: &mut Connection<Carrier, Bytes>) -> bool {
        let patience = self.client.timeouts();
        let now = self.client.worker.deadlines.now();
        if self.streams.get() > 0 {
            self.idle_since = now;
        }
        let is_idle = TICK * now.saturating_sub(self.idle_since) >= patience.idle;
        match self.ends {
            None if is_idle || self.client.is_draining() => {
                self.ends = Some(now);
                connection.graceful_shutdown();
                cx.waker().wake_by_ref(); // It has something to say now.
                self.client.deadline.set(LINGER);
            }
            // Whoever has nothing under way, and does not go, is not waited for.
            Some(ends) if !connection.has_streams() && TICK * (now - ends) >= LINGER => {
                return true;
            }
            Some(_) => self.client.deadline.set(LINGER),
            None => self.look_soon(),
        }
        self.pulse.is_dead(cx, now, patience.stall)
    }

    fn look_soon(&self) {
        let patience = self.client.timeouts();
        self.client.deadline.set(LOOK.min(patience.idle).min(patience.stall));
    }
}

/// A request under way, until it is dropped.
struct UnderWay(Rc<Cell<u32>>);

impl UnderWay {
    fn new(all: &Rc<Cell<u32>>) -> Self {
        all.set(all.get() + 1);
        Self(Rc::clone(all))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
