//! Asks each backend how it is, on a timer: a task per backend, so that one slow backend never
//! delays news of another.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::backend::Backend;
use crate::dial;
use crate::health::Observation;
use crate::reason::Reason;
use crate::settings::Probing;

/// How soon a backend that a request found DOWN is probed. One request that kills whoever answers
/// it must not cost the pool a whole interval.
const SECOND_LOOK: Duration = Duration::from_secs(1);

/// By how much an interval varies, in hundredths: many Nexus must not probe at the same moment.
const JITTER: u32 = 10;

/// Probes `backend` at once and then for ever.
pub async fn keep_probing(backend: Arc<Backend>, probing: Probing) {
    loop {
        let failures = backend.health().failures;
        match probe(&backend, probing.timeout).await {
            Ok(()) => backend.observe(Observation::ProbeOk { failures }),
            Err(reason) if reason.is_connection_error() => {
                backend.observe(Observation::ProbeFailed(reason));
            }
            // A shortage on this side says nothing about the other.
            Err(reason) => {
                tracing::warn!(backend = %backend.name, cause = reason.code(), "cannot probe");
            }
        }
        backend.probed();
        let interval = jittered(probing.interval, fastrand::u32(0..=2 * JITTER));
        if timeout(interval, backend.doubted()).await.is_ok() {
            sleep(interval.min(SECOND_LOOK)).await;
        }
    }
}

/// Varies `interval` by up to [`JITTER`] hundredths either way; `dice` is 0 to twice that.
fn jittered(interval: Duration, dice: u32) -> Duration {
    interval * (100 - JITTER + dice) / 100
}

/// Opens a connection and closes it again.
async fn probe(backend: &Backend, limit: Duration) -> Result<(), Reason> {
    resolve(backend, limit).await;
    let within = async |limit, address| timeout(limit, dial::connect(address)).await.ok();
    dial::dial(backend, limit, within).await.map(drop)
}

/// Looks the backend's name up again; no answer leaves the addresses as they are.
pub async fn resolve(backend: &Backend, limit: Duration) {
    let (host, port) = (backend.url.host.as_str(), backend.url.port);
    let found: Vec<SocketAddr> = match timeout(limit, tokio::net::lookup_host((host, port))).await {
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
    fn an_interval_varies_by_a_tenth() {
        let interval = Duration::from_secs(10);
        assert_eq!(jittered(interval, 0), Duration::from_secs(9));
        assert_eq!(jittered(interval, JITTER), interval);
        assert_eq!(jittered(interval, 2 * JITTER), Duration::from_secs(11));
    }
}
