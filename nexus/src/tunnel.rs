//! After `101 Switching Protocols`: bytes both ways until both sides have ended.

use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use crate::connection::After;
use crate::exchange::Exchange;
use crate::flow::Flow;
use crate::forward::Upstream;
use crate::reason::Reason;
use crate::respond::End;
use crate::stream::Stream;
use crate::worker::Picked;

/// One direction of a tunnel.
struct Direction<'f> {
    flow: &'f mut Flow,
    state: State,
}

#[derive(PartialEq, Eq)]
enum State {
    Open,
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
                State::Ending => match to.poll_shutdown(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(())) => self.state = State::Ended,
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(())),
                },
                State::Ended => return Poll::Ready(Ok(())),
            }
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

/// Carries a tunnel to its end. `download` begins with the head of the 101.
///
/// What the client sent behind its request goes to the backend only now: before the 101 it was
/// HTTP, or nothing.
pub async fn run(exchange: &mut Exchange<'_>, mut upstream: Upstream, mut download: Flow) -> End {
    let _counted = Counted::new(&upstream.backend);
    let limit = exchange.timeout_tunnel();
    let Exchange { client, upload, .. } = exchange;
    upload.become_tunnel();
    let mut up = Direction { flow: upload, state: State::Open };
    let mut down = Direction { flow: &mut download, state: State::Open };
    client.deadline.set(limit);
    let reason = poll_fn(|cx| {
        let moved = up.flow.moved + down.flow.moved;
        let uploaded = up.poll(cx, &mut client.stream, &mut upstream.stream);
        let downloaded = down.poll(cx, &mut upstream.stream, &mut client.stream);
        if up.flow.moved + down.flow.moved != moved {
            client.deadline.set(limit);
        }
        match (uploaded, downloaded) {
            (Poll::Ready(Err(())), _) | (_, Poll::Ready(Err(()))) => Poll::Ready(None),
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => Poll::Ready(None),
            _ if client.deadline.poll_passed(cx) => {
                let is_over = client.worker.deadlines.is_over();
                Poll::Ready(Some(if is_over { Reason::ShuttingDown } else { Reason::TunnelIdle }))
            }
            _ => Poll::Pending,
        }
    })
    .await;
    End { status: 101, bytes_out: download.body_bytes, reason, after: After::Close }
}
