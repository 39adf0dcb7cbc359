//! Connections that are open to one backend, over all workers.
//!
//! # What if all are open, and idle at other workers?
//!
//! Whoever finds all open says that one is wanted: other workers then close the ones that idle with
//! them, or carry no request, at their next tick instead of keeping them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use super::Backend;

/// The connections of one backend.
#[derive(Debug, Default)]
pub struct Connections {
    open: AtomicU32,
    /// How many requests wait for one.
    wanted: AtomicU32,
    /// Rung when one that was wanted may be opened.
    freed: Notify,
}

impl Connections {
    /// Returns how many are open, idle ones included.
    pub fn open(&self) -> u32 {
        self.open.load(Ordering::Relaxed)
    }

    /// Says whether somebody waits for one.
    pub fn are_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed) > 0
    }
}

/// The right to have one connection open, until it is dropped.
pub struct Lease(Arc<Backend>);

impl Lease {
    /// Takes one, unless there are `max`.
    pub fn take(backend: &Arc<Backend>, max: u32) -> Option<Self> {
        let one_more = |open: u32| (open < max).then(|| open + 1);
        let open = &backend.connections.open;
        open.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).ok()?;
        Some(Self(Arc::clone(backend)))
    }

    /// Waits for one up to a limit.
    pub async fn wait(backend: &Arc<Backend>, max: u32, limit: Duration) -> Option<Self> {
        let _wanted = Wanted::new(&backend.connections.wanted);
        let wait = async {
            loop {
                match Self::take(backend, max) {
                    Some(lease) => return lease,
                    None => backend.connections.freed.notified().await,
                }
            }
        };
        tokio::time::timeout(limit, wait).await.ok()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let connections = &self.0.connections;
        connections.open.fetch_sub(1, Ordering::SeqCst);
        if connections.wanted.load(Ordering::SeqCst) > 0 {
            connections.freed.notify_one();
        }
    }
}

/// Says that one is wanted, until it is dropped.
struct Wanted<'b>(&'b AtomicU32);

impl<'b> Wanted<'b> {
    fn new(count: &'b AtomicU32) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Verdict;

    fn backend() -> Arc<Backend> {
        Arc::new(Backend::new("http://10.0.0.1".parse().unwrap(), Arc::default(), Verdict::Up))
    }

    #[test]
    fn no_more_are_open_than_may_be() {
        let backend = backend();
        let leases: Vec<_> = (0..5).filter_map(|_| Lease::take(&backend, 3)).collect();
        assert_eq!((leases.len(), backend.connections.open()), (3, 3));
        drop(leases);
        assert_eq!(backend.connections.open(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_has_the_next_one_or_gives_up_in_time() {
        let backend = backend();
        let (one, limit) = (Lease::take(&backend, 1), Duration::from_secs(2));
        let (waited, ()) = tokio::join!(Lease::wait(&backend, 1, limit), async {
            assert!(backend.connections.are_wanted());
            drop(one);
        });
        assert!(waited.is_some() && !backend.connections.are_wanted());
        assert!(Lease::wait(&backend, 1, limit).await.is_none(), "it is still open");
        assert!(!backend.connections.are_wanted());
    }
}
