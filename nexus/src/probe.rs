//! Asks each backend how it is, on a timer: a task per backend, so that one slow backend never
//! delays news of another.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::backend::journal::Probed;
use crate::backend::{Backend, Place, uptime};
use crate::dial::{self, Exact, Terms};
use crate::health::{Observation, Verdict};
use crate::proxy_protocol::Version;
use crate::reason::{Fault, Reason};
use crate::settings::{ProbeKind, Probing};
use crate::tls::Back;

use http::Question;

mod command;
mod grpc;
mod http;

/// How soon a backend that a request found DOWN is probed. One request that kills whoever answers
/// it must not cost the pool a whole interval.
const SECOND_LOOK: Duration = Duration::from_secs(1);

/// What a probe that asks is told.
type Answer<'a> = Pin<Box<dyn Future<Output = Result<(), Reason>> + 'a>>;

/// How the backends of a pool are spoken to.
#[derive(Clone, PartialEq)]
pub struct Manner {
    /// How they prove who they are.
    pub tls: Option<Arc<Back>>,
    /// What connections to them begin with.
    pub proxy_protocol: Option<Version>,
}

/// Probes `backend` at once and then for ever.
pub async fn keep_probing(backend: Arc<Backend>, probing: Probing, manner: Manner) {
    let question = Question::new(&probing.http, &backend.url.authority);
    loop {
        let failures = backend.health().failures;
        let began = Instant::now();
        let outcome = probe(&backend, (&probing, &manner), &question).await;
        let took = began.elapsed();
        match outcome {
            Ok(()) => backend.observe(Observation::ProbeOk { failures, rise: probing.rise }),
            Err(reason) if reason.facts().fault == Fault::Backend => {
                backend.observe(Observation::ProbeFailed { reason, fall: probing.fall });
            }
            // A shortage on this side says nothing about the other.
            Err(reason) => {
                tracing::warn!(backend = %backend.name, cause = reason.code(), "cannot probe");
            }
        }
        backend.probed(Probed { failure: outcome.err(), took });
        let interval = match backend.health().verdict {
            Verdict::Up => probing.interval,
            Verdict::Down(_) => probing.interval_down.unwrap_or(probing.interval),
        };
        let interval = match backend.health().kept_out(uptime()) {
            Some(left) => interval.min(left.max(SECOND_LOOK)),
            None => interval,
        };
        let interval = jittered(interval, probing.jitter, fastrand::u32(0..=2 * probing.jitter));
        // From the beginning of one to that of the next, so that one that hangs is found in time.
        let interval = interval.saturating_sub(took);
        if timeout(interval, backend.doubted()).await.is_ok() {
            sleep(interval.min(SECOND_LOOK)).await;
        }
    }
}

/// Varies `interval` by up to `percent` either way; `dice` is 0 to twice that.
fn jittered(interval: Duration, percent: u32, dice: u32) -> Duration {
    interval * (100 - percent + dice) / 100
}

/// Opens a connection, which carries no request of a client; asks what is to be asked; closes it.
async fn probe(
    backend: &Backend,
    (probing, manner): (&Probing, &Manner),
    question: &Question,
) -> Result<(), Reason> {
    let until = Instant::now() + probing.timeout;
    // Half of the time at most: a look-up that hangs says nothing against known addresses.
    resolve(backend, probing.timeout / 2).await;
    let in_time = async |answer: Answer<'_>| match timeout_at(until, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(Reason::ResponseTimeout),
    };
    if probing.kind == ProbeKind::Command {
        return in_time(Box::pin(command::run(&probing.command, &backend.url))).await;
    }
    let terms = terms(backend, probing, manner)?;
    let left = until.saturating_duration_since(Instant::now());
    let stream = dial::dial(backend, &terms, left, &Exact).await?;
    match probing.kind {
        ProbeKind::Tcp | ProbeKind::Command => Ok(()),
        ProbeKind::Http => in_time(Box::pin(question.ask(stream))).await,
        ProbeKind::Grpc => in_time(Box::pin(grpc::ask(stream, question, &probing.service))).await,
    }
}

/// Returns what a probe's connection is opened with: as those of requests, but for what it speaks.
fn terms(backend: &Backend, probing: &Probing, manner: &Manner) -> Result<Terms, Reason> {
    let mut terms = Terms::of(backend, manner.tls.as_deref())?;
    terms.port = probing.port;
    // Who listens at another port is somebody else.
    if let (Some(version), None) = (manner.proxy_protocol, probing.port) {
        terms.announce(version, None);
    }
    let speaks: &[u8] = match probing.kind {
        ProbeKind::Tcp | ProbeKind::Command => return Ok(terms), // It says nothing: whatever they do.
        ProbeKind::Grpc => b"h2",
        ProbeKind::Http if probing.http.is_http2 => b"h2",
        ProbeKind::Http => b"http/1.1",
    };
    if let Some((config, _)) = &mut terms.tls {
        Arc::make_mut(config).alpn_protocols = vec![speaks.to_vec()];
    }
    Ok(terms)
}

/// Looks the backend's name up again; no answer leaves the addresses as they are.
pub async fn resolve(backend: &Backend, limit: Duration) {
    let Place::Host(host, port) = &backend.url.place else { return };
    let found: Vec<SocketAddr> =
        match timeout(limit, tokio::net::lookup_host((host.as_str(), *port))).await {
            Ok(Ok(found)) => found.collect(),
            Ok(Err(error)) => {
                tracing::debug!(backend = %backend.url, %error, "name look-up failed");
                return;
            }
            Err(_) => return,
        };
    backend.resolve_to(found);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_varies_by_its_percentage() {
        let interval = Duration::from_secs(10);
        assert_eq!(jittered(interval, 10, 0), Duration::from_secs(9));
        assert_eq!(jittered(interval, 10, 10), interval);
        assert_eq!(jittered(interval, 10, 20), Duration::from_secs(11));
        assert_eq!(jittered(interval, 0, 0), interval);
    }
}
