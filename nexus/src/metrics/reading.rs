//! One look at all counters: sums over workers, for whoever asks.

use crate::backend::Backend;
use crate::metrics::counter::{ByWorker, Counter};
use crate::metrics::counts::{
    BackendCounts, ByReason, CLASSES, ListenerCounts, PoolCounts, Requests,
};
use crate::metrics::histogram::Times;
use crate::pool::Pool;
use crate::reason::Reason;
use crate::retry::WhyNot;

/// Counts by reason, in the order of [`Reason::ALL`].
pub type Reasons = [u64; Reason::COUNT];

/// Requests that are over.
#[derive(Debug, Clone)]
pub struct Load {
    /// By class of status; see [`CLASSES`].
    pub classes: [u64; CLASSES.len()],
    /// Those without a whole answer of a backend, by why.
    pub reasons: Reasons,
    /// 5xx, and answers that broke off by no fault of the client's.
    pub errors: u64,
    /// Bytes of their bodies.
    pub bytes_in: u64,
    /// Bytes of their answers' bodies.
    pub bytes_out: u64,
    /// How long they took.
    pub times: Times,
}

impl Load {
    /// Sums what all workers have counted.
    pub fn of<'r>(all: impl Iterator<Item = &'r Requests> + Clone) -> Self {
        let sum = |which: fn(&Requests) -> &Counter| all.clone().map(|one| which(one).get()).sum();
        let mut classes = [0; CLASSES.len()];
        for one in all.clone() {
            classes.iter_mut().zip(&one.classes).for_each(|(sum, count)| *sum += count.get());
        }
        Self {
            classes,
            reasons: by_reason(all.clone().map(|one| &one.reasons)),
            errors: sum(|one| &one.errors),
            bytes_in: sum(|one| &one.bytes_in),
            bytes_out: sum(|one| &one.bytes_out),
            times: Times::sum(all.map(|one| &one.times)),
        }
    }

    /// The same of counters that are nothing else.
    pub fn of_all(counts: &ByWorker<Requests>) -> Self {
        Self::of(each(counts, |one| one))
    }

    /// The same of what is counted beside other things.
    pub fn of_part<T: Default>(counts: &ByWorker<T>, part: fn(&T) -> &Requests) -> Self {
        Self::of(counts.all().map(part))
    }

    /// Returns how many there were.
    pub fn requests(&self) -> u64 {
        self.classes.iter().sum()
    }
}

/// Returns a part of what each worker has counted.
fn each<'c, T: Default, P>(
    counts: &'c ByWorker<T>,
    part: fn(&'c T) -> &'c P,
) -> impl Iterator<Item = &'c P> + Clone {
    counts.all().map(part)
}

fn by_reason<'r>(all: impl Iterator<Item = &'r ByReason>) -> Reasons {
    let mut sums = [0; Reason::COUNT];
    all.for_each(|one| one.add_to(&mut sums));
    sums
}

/// What was counted at a listener.
#[derive(Debug)]
pub struct ListenerReading {
    /// Its requests.
    pub load: Load,
    /// Requests under way.
    pub in_flight: u64,
    /// Connections that were accepted.
    pub opened: u64,
    /// Those of them that are open.
    pub open: u64,
    /// TLS handshakes: full, resumed, failed.
    pub handshakes: [u64; 3],
}

impl ListenerReading {
    /// Reads it.
    pub fn of(counts: &ByWorker<ListenerCounts>) -> Self {
        // What ends is read before what begins, so that nothing is less than none.
        let (closed, ended) = (counts.sum(|one| &one.closed), counts.sum(|one| &one.ended));
        let (opened, begun) = (counts.sum(|one| &one.opened), counts.sum(|one| &one.begun));
        Self {
            load: Load::of(each(counts, |one| &one.requests)),
            in_flight: begun.saturating_sub(ended),
            opened,
            open: opened.saturating_sub(closed),
            handshakes: [
                counts.sum(|one| &one.handshakes_full),
                counts.sum(|one| &one.handshakes_resumed),
                counts.sum(|one| &one.handshakes_failed),
            ],
        }
    }
}

/// What was counted at a pool.
#[derive(Debug)]
pub struct PoolReading {
    /// Its requests.
    pub load: Load,
    /// Attempts that these made.
    pub attempts: u64,
    /// Attempts that were not a request's first.
    pub retries: u64,
    /// Requests whose last failure was not tried again, in the order of [`WhyNot::ALL`].
    pub not_retried: [u64; WhyNot::ALL.len()],
    /// How long requests have waited for a place.
    pub queue: Times,
    /// Its backends, in their order.
    pub backends: Vec<BackendReading>,
}

impl PoolReading {
    /// Reads it.
    pub fn of(pool: &Pool) -> Self {
        let counts: &ByWorker<PoolCounts> = &pool.counts;
        let not_retried = std::array::from_fn(|why| counts.sum(|one| &one.not_retried[why]));
        Self {
            load: Load::of(each(counts, |one| &one.requests)),
            attempts: counts.sum(|one| &one.attempts),
            retries: counts.sum(|one| &one.retries),
            not_retried,
            queue: Times::sum(each(counts, |one| &one.queue)),
            backends: pool.backends().iter().map(|backend| BackendReading::of(backend)).collect(),
        }
    }
}

/// What was counted at a backend.
#[derive(Debug)]
pub struct BackendReading {
    /// Requests that it answered.
    pub load: Load,
    /// Attempts that it got; what was sent again since an idle connection had ended is none.
    pub attempts: u64,
    /// What was.
    pub repeats: u64,
    /// Attempts that failed before its answer, by why.
    pub failures: Reasons,
    /// Connections opened.
    pub opened: u64,
    /// Attempts over a connection that was open.
    pub reused: u64,
    /// Connections that are idle, as of this second.
    pub idle: u64,
    /// How long it took to open a connection.
    pub connect: Times,
    /// From the begin of an attempt to the head of its answer.
    pub first_byte: Times,
}

impl BackendReading {
    /// Reads it.
    pub fn of(backend: &Backend) -> Self {
        let counts: &ByWorker<BackendCounts> = &backend.counts;
        let repeats = counts.sum(|one| &one.repeats);
        Self {
            load: Load::of(each(counts, |one| &one.requests)),
            attempts: counts.sum(|one| &one.attempts).saturating_sub(repeats),
            repeats,
            failures: by_reason(each(counts, |one| &one.failures)),
            opened: counts.sum(|one| &one.opened),
            reused: counts.sum(|one| &one.reused),
            idle: counts.sum(|one| &one.idle),
            connect: Times::sum(each(counts, |one| &one.connect)),
            first_byte: Times::sum(each(counts, |one| &one.first_byte)),
        }
    }
}
