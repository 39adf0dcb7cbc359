//! A real queue: so many requests are served at once, more wait in the order in which they came, and
//! beyond that they are turned away. What a thread pool or a database does to those who ask too much.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};

/// Places to be served at.
pub(crate) struct Slots {
    pub(crate) count: u32,
    /// Requests that wait at most.
    pub(crate) queue_max: u64,
    free: Semaphore,
    waiting: AtomicU64,
    turned_away: AtomicU64,
}

/// As many wait as may.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// One who waits, until dropped.
struct Waiting<'a>(&'a AtomicU64);

impl<'a> Waiting<'a> {
    /// Joins the queue, unless it is too long.
    fn join(waiting: &'a AtomicU64, max: u64) -> Option<Self> {
        let one_more = |count| (count < max).then_some(count + 1);
        waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Self(waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Slots {
    pub(crate) fn new(count: u32, queue_max: u64) -> Self {
        let free = Semaphore::new(count as usize);
        Self { count, queue_max, free, waiting: AtomicU64::new(0), turned_away: AtomicU64::new(0) }
    }

    /// Waits for a slot, which is free again when dropped; whoever is dropped leaves the queue.
    pub(crate) async fn enter(&self) -> Result<SemaphorePermit<'_>, Full> {
        // Whoever waits is served first.
        if let Ok(slot) = self.free.try_acquire() {
            return Ok(slot);
        }
        let Some(_waiting) = Waiting::join(&self.waiting, self.queue_max) else {
            self.turned_away.fetch_add(1, Ordering::Relaxed);
            return Err(Full);
        };
        self.free.acquire().await.map_err(|_| Full)
    }

    pub(crate) fn taken(&self) -> u64 {
        u64::from(self.count) - self.free.available_permits() as u64
    }

    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(crate) fn turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn who_came_first_is_served_first_and_whoever_leaves_keeps_nobody_waiting() {
        let slots = Slots::new(1, 3);
        let mut context = Context::from_waker(Waker::noop());
        let mut first = pin!(slots.enter());
        let Poll::Ready(Ok(slot)) = first.as_mut().poll(&mut context) else { panic!("it is free") };
        let mut leaves = Box::pin(slots.enter());
        let (mut second, mut third) = (pin!(slots.enter()), pin!(slots.enter()));
        assert!(leaves.as_mut().poll(&mut context).is_pending());
        assert!(second.as_mut().poll(&mut context).is_pending());
        assert!(third.as_mut().poll(&mut context).is_pending());
        let mut fourth = pin!(slots.enter());
        assert!(matches!(fourth.as_mut().poll(&mut context), Poll::Ready(Err(Full))));
        assert_eq!((slots.taken(), slots.waiting(), slots.turned_away()), (1, 3, 1));
        drop(leaves);
        drop(slot);
        assert!(third.as_mut().poll(&mut context).is_pending(), "the second is first now");
        let Poll::Ready(Ok(slot)) = second.as_mut().poll(&mut context) else { panic!("its turn") };
        drop(slot);
        assert!(third.as_mut().poll(&mut context).is_ready());
        assert_eq!((slots.taken(), slots.waiting()), (0, 0));
    }
}
