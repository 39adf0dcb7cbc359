//! What is counted, and where: at each station of a request's way.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;

use super::counter::Counter;
use super::histogram::{Histogram, Measured};
use crate::reason::Reason;
use crate::record::Record;
use crate::retry::WhyNot;

/// Classes of statuses: `none`, and one to five hundred.
pub const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Requests that are over, of one worker.
#[derive(Debug, Default)]
pub struct Requests {
    /// By what the client got; see [`CLASSES`].
    pub classes: [Counter; CLASSES.len()],
    /// Those that got no whole answer of a backend, by why.
    pub reasons: ByReason,
    /// 5xx, and answers that broke off by no fault of the client's.
    pub errors: Counter,
    /// Bytes of their bodies.
    pub bytes_in: Counter,
    /// Bytes of their answers' bodies.
    pub bytes_out: Counter,
    /// From the end of their head to the last byte of the answer.
    pub times: Histogram,
}

/// A request that is over, as it is counted: the same at every station.
#[derive(Debug, Clone, Copy)]
pub struct Over {
    class: usize,
    reason: Option<Reason>,
    is_error: bool,
    bytes_in: u64,
    bytes_out: u64,
    time: Measured,
}

impl From<&Record<'_>> for Over {
    fn from(record: &Record<'_>) -> Self {
        Self {
            class: class(record.status),
            reason: record.reason,
            is_error: record.has_failed(),
            bytes_in: record.bytes_in,
            bytes_out: record.bytes_out,
            time: record.duration.into(),
        }
    }
}

/// Returns the class of a status; a client that has left before its answer got none.
fn class(status: u16) -> usize {
    const CLIENT_GONE: u16 = 499;
    match status {
        CLIENT_GONE => 0,
        status => usize::from(status / 100).min(CLASSES.len() - 1),
    }
}

impl Requests {
    /// Counts one more. Only the worker that it belongs to calls this.
    #[inline]
    pub fn count(&self, over: &Over) {
        self.classes[over.class].add(1);
        self.times.count(over.time);
        if over.bytes_in > 0 {
            self.bytes_in.add(over.bytes_in);
        }
        self.bytes_out.add(over.bytes_out);
        if over.is_error {
            self.errors.add(1);
        }
        if let Some(reason) = over.reason {
            self.reasons.count(reason);
        }
    }
}

/// Something by reason; there is no room for it before the first.
#[derive(Debug, Default)]
pub struct ByReason(OnceLock<Box<[Counter; Reason::COUNT]>>);

impl ByReason {
    /// Counts one more. Only the worker that it belongs to calls this.
    #[cold]
    pub fn count(&self, reason: Reason) {
        let counts = self.0.get_or_init(|| Box::new(std::array::from_fn(|_| Counter::default())));
        counts[reason as usize].add(1);
    }

    /// Adds what there is to `sums`.
    pub fn add_to(&self, sums: &mut [u64; Reason::COUNT]) {
        let counts = self.0.get().into_iter().flat_map(|counts| &**counts);
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count.get());
    }
}

/// What one worker counts at a listener.
#[derive(Debug, Default)]
pub struct ListenerCounts {
    /// Requests that came by it.
    pub requests: Requests,
    /// Requests whose head was read whole.
    pub begun: Counter,
    /// Those of them that are over.
    pub ended: Counter,
    /// Connections that were accepted.
    pub opened: Counter,
    /// Those of them that are over.
    pub closed: Counter,
    /// TLS handshakes that succeeded with all that belongs to one.
    pub handshakes_full: Counter,
    /// TLS handshakes that took up an earlier session.
    pub handshakes_resumed: Counter,
    /// TLS handshakes that failed or took too long.
    pub handshakes_failed: Counter,
}

/// What one worker counts at a pool.
#[derive(Debug, Default)]
pub struct PoolCounts {
    /// Requests that it was to answer.
    pub requests: Requests,
    /// Attempts that these made.
    pub attempts: Counter,
    /// Attempts that were not a request's first.
    pub retries: Counter,
    /// Requests whose last failure was not tried again, by why.
    pub not_retried: [Counter; WhyNot::ALL.len()],
    /// How long requests have waited for a place.
    pub queue: Histogram,
}

impl PoolCounts {
    /// Counts a request that is over.
    #[inline]
    pub fn count(&self, over: &Over, record: &Record<'_>) {
        self.requests.count(over);
        self.attempts.add(u64::from(record.attempts));
        if record.attempts > 1 {
            self.retries.add(u64::from(record.attempts) - 1);
        }
        if let Some(why) = record.why_not {
            self.not_retried[why as usize].add(1);
        }
    }
}

/// What one worker counts at a backend.
#[derive(Debug, Default)]
pub struct BackendCounts {
    /// Requests that it answered.
    pub requests: Requests,
    /// Attempts that it got.
    pub attempts: Counter,
    /// Attempts that were sent again, over a new connection, since an idle one had ended.
    pub repeats: Counter,
    /// Attempts that failed before its answer, by why.
    pub failures: ByReason,
    /// Connections opened.
    pub opened: Counter,
    /// Attempts over a connection that was open.
    pub reused: Counter,
    /// Connections that are idle, as of this second.
    pub idle: Counter,
    /// How long it took to open a connection.
    pub connect: Histogram,
    /// From the begin of an attempt to the head of its answer.
    pub first_byte: Histogram,
}

/// What has happened to a backend, whoever saw it: seldom enough to be counted by all together.
#[derive(Debug, Default)]
pub struct Happened {
    /// Probes that succeeded.
    pub probes_ok: AtomicU64,
    /// Probes that failed.
    pub probes_failed: AtomicU64,
    /// How often it came back UP.
    pub ups: AtomicU64,
    /// How often it was ejected.
    pub ejections: AtomicU64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_one_class_and_who_left_has_none() {
        let named = |status| CLASSES[class(status)];
        assert_eq!(
            [101, 200, 304, 404, 499, 503].map(named),
            ["1xx", "2xx", "3xx", "4xx", "none", "5xx"]
        );
        assert_eq!([0, 99, 600, 999].map(named), ["none", "none", "5xx", "5xx"]);
    }
}
