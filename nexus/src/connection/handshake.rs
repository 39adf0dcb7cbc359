//! TLS with a client: who may begin, how long it may take, and what is known of the client after it.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use super::Client;
use crate::dial::Clock;
use crate::metrics::counter::Counter;
use crate::metrics::counts::ListenerCounts;
use crate::snapshot::Published;
use crate::stream::{Stream, Tls};
use crate::tls::{ClientCertificate, Front};

/// What a client is known by that came over TLS.
#[derive(Debug)]
pub struct Secured {
    /// Its certificate, if it showed one that counts.
    pub certificate: Option<ClientCertificate>,
}

/// Carries the handshake to its end; says whether HTTP/2 was agreed on, or `None` if the connection
/// is over.
pub(super) async fn shake(client: &mut Client, front: &Front) -> Option<bool> {
    let timeout = front.settings().handshake_timeout;
    client.deadline.set(timeout);
    let Some(turn) = poll_fn(|cx| poll_turn(cx, client)).await else {
        count(client, |counts| &counts.handshakes_failed);
        return None;
    };
    let Stream::Plain(socket) = client.take_stream() else { return None };
    let mut tls = Tls::accept(socket, Arc::clone(&front.serving().config)).ok()?;
    let shaken = poll_fn(|cx| tls.poll_handshake(cx));
    let shaken = client.deadline.within(timeout, shaken).await;
    drop(turn);
    match shaken {
        Some(Ok(())) if tls.is_resumed() => count(client, |counts| &counts.handshakes_resumed),
        Some(Ok(())) => count(client, |counts| &counts.handshakes_full),
        Some(Err(error)) => {
            count(client, |counts| &counts.handshakes_failed);
            tracing::debug!(client = %client.ip, %error, "a TLS handshake failed");
            return None;
        }
        None => {
            count(client, |counts| &counts.handshakes_failed);
            tracing::debug!(client = %client.ip, "a TLS handshake took too long");
            return None;
        }
    }
    let shown = tls.session().peer_certificates().and_then(<[_]>::first);
    let certificate = shown.and_then(|der| ClientCertificate::read(der));
    client.secured = Some(Rc::new(Secured { certificate }));
    let speaks_http2 = tls.speaks_http2();
    client.stream = Stream::Tls(Box::new(tls));
    Some(speaks_http2)
}

/// Counts a handshake that is over, if they are counted.
fn count(client: &Client, which: fn(&ListenerCounts) -> &Counter) {
    if let Some(hand) = client.worker.counting() {
        which(client.door.counts().of(hand)).add(1);
    }
}

/// Waits for a turn among all handshakes; `None` is too long.
fn poll_turn(cx: &mut Context<'_>, client: &Client) -> Poll<Option<Turn>> {
    let worker = &client.worker;
    let most = worker.view().settings.handshakes_max;
    if let Some(turn) = Turn::take(&worker.published, most) {
        return Poll::Ready(Some(turn));
    }
    client.deadline.call_at_next_tick();
    if client.deadline.poll_passed(cx) { Poll::Ready(None) } else { Poll::Pending }
}

/// One of the handshakes that may be under way, until it is dropped.
struct Turn(Arc<Published>);

impl Turn {
    fn take(published: &Arc<Published>, most: usize) -> Option<Self> {
        let count: &AtomicUsize = &published.handshakes;
        if count.fetch_add(1, Ordering::Relaxed) >= most {
            count.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Self(Arc::clone(published)))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.handshakes.fetch_sub(1, Ordering::Relaxed);
    }
}
