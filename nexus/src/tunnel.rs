//! After `101 Switching Protocols`: bytes both ways until both sides have ended.
//!
//! # What becomes of a WebSocket when Nexus stops?
//!
//! It goes on as long as Nexus does, less a moment: then both sides are told, between two frames,
//! that the endpoint goes away (1001), and have that moment to say that they have understood.

use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::connection::{After, Client};
use crate::deadline::TICK;
use crate::exchange::Exchange;
use crate::flow::Flow;
use crate::forward::Upstream;
use crate::reason::Reason;
use crate::respond::End;
use crate::stream::Stream;
use crate::websocket;
use crate::worker::Picked;

/// How long before Nexus stops WebSockets are told of it.
const NOTICE: Duration = Duration::from_secs(2);

/// One direction of a tunnel.
struct Direction<'f> {
    flow: &'f mut Flow,
    state: State,
    /// What tells a WebSocket's sink that it is over.
    farewell: Vec<u8>,
}

#[derive(PartialEq, Eq)]
enum State {
    Open,
    /// The sink was told that it is over: nothing follows, and the source's own end is awaited.
    Told,
    /// The source has ended; the sink is to be told.
    Ending,
    Ended,
}

impl Direction<'_> {
    /// Moves bytes; ready when the source has ended and the sink knows.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Stream,
        to: &mut Stream,
    ) -> Poll<Result<(), ()>> {
        loop {
            match self.state {
                State::Open => match self.flow.poll(cx, from, to) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(())) => self.state = State::Ending,
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(())),
                },
                State::Told => {
                    ready!(self.flow.poll_flush(cx, to)).map_err(drop)?;
                    ready!(self.poll_end(cx, from));
                    self.state = State::Ending;
                }
                State::Ending => match to.poll_shutdown(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(())) => self.state = State::Ended,
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(())),
                },
                State::Ended => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Reads on, and throws away, until the source says that it is over, or is.
    fn poll_end(&mut self, cx: &mut Context<'_>, from: &mut Stream) -> Poll<()> {
        let mut waste = [0; 4096];
        while let Some(frames) = self.flow.frames.as_mut().filter(|frames| !frames.is_closed) {
            match ready!(from.poll_read(cx, &mut waste)) {
                Ok(read @ 1..) => frames.pass(&waste[..read]),
                _ => break,
            }
        }
        Poll::Ready(())
    }

    /// Tells a WebSocket's sink that it is over, as soon as that fits between two frames.
    fn say_farewell(&mut self) {
        let is_between = self.flow.frames.as_ref().is_some_and(|frames| frames.is_between());
        if self.state == State::Open && is_between && self.flow.is_drained() {
            self.flow.put(&self.farewell);
            self.state = State::Told;
        }
    }
}

/// One of the tunnels that a backend has, until it is dropped.
struct Counted(Picked);

impl Counted {
    fn new(backend: &Picked) -> Self {
        backend.tunnels.fetch_add(1, Ordering::Relaxed);
        Self(backend.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.tunnels.fetch_sub(1, Ordering::Relaxed);
    }
}

/// When a tunnel's WebSocket is told that Nexus stops.
#[derive(Default)]
struct Notice(Option<u32>);

impl Notice {
    /// Says whether it is time; the clock wakes whoever waits for it.
    fn is_due(&mut self, client: &Client) -> bool {
        if !client.worker.is_draining() {
            return false;
        }
        let now = client.worker.deadlines.now();
        let due = *self.0.get_or_insert_with(|| {
            let wait = client.worker.timeout(|all| all.shutdown).saturating_sub(NOTICE);
            now + u32::try_from(wait.as_millis() / TICK.as_millis()).unwrap_or(u32::MAX - now)
        });
        if now < due {
            client.deadline.call_at_next_tick();
        }
        now >= due
    }
}

/// Carries a tunnel to its end. `download` begins with the head of the 101.
///
/// What the client sent behind its request goes to the backend only now: before the 101 it was
/// HTTP, or nothing.
pub async fn run(exchange: &mut Exchange<'_>, mut upstream: Upstream, mut download: Flow) -> End {
    let _counted = Counted::new(&upstream.backend);
    let limit = exchange.timeout_tunnel();
    let is_websocket = exchange.request.upgrade.is_some_and(|protocol| {
        protocol.of(exchange.upload.bytes()).eq_ignore_ascii_case(b"websocket")
    });
    let Exchange { client, upload, .. } = exchange;
    upload.become_tunnel();
    if is_websocket {
        upload.follow_frames();
        download.follow_frames();
    }
    let masked = websocket::going_away_masked(fastrand::u32(..).to_ne_bytes());
    let mut up = Direction { flow: upload, state: State::Open, farewell: masked.to_vec() };
    let farewell = websocket::GOING_AWAY.to_vec();
    let mut down = Direction { flow: &mut download, state: State::Open, farewell };
    let mut notice = Notice::default();
    client.deadline.set(limit);
    let reason = poll_fn(|cx| {
        loop {
            let moved = up.flow.moved + down.flow.moved;
            let uploaded = up.poll(cx, &mut client.stream, &mut upstream.stream);
            let downloaded = down.poll(cx, &mut upstream.stream, &mut client.stream);
            if up.flow.moved + down.flow.moved != moved {
                client.deadline.set(limit);
            }
            match (uploaded, downloaded) {
                (Poll::Ready(Err(())), _) | (_, Poll::Ready(Err(()))) => return Poll::Ready(None),
                (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(None),
                _ if client.deadline.poll_passed(cx) => {
                    let is_over = client.worker.deadlines.is_over();
                    let idle = if is_over { Reason::ShuttingDown } else { Reason::TunnelIdle };
                    return Poll::Ready(Some(idle));
                }
                _ => {}
            }
            let open = [&up.state, &down.state].map(|state| *state == State::Open);
            if is_websocket && notice.is_due(client) {
                up.say_farewell();
                down.say_farewell();
            }
            if open == [&up.state, &down.state].map(|state| *state == State::Open) {
                return Poll::Pending;
            }
        }
    })
    .await;
    End { status: 101, bytes_out: download.body_bytes, reason, after: After::Close }
}
