//! Timeouts on a coarse clock of the worker's own.
//!
//! # Why not a timer per request?
//!
//! A timer that is armed and disarmed for every request costs more than parsing its head. Here a
//! connection keeps one slot for its life, setting a deadline is a store, and a sweep every
//! [`TICK`] wakes those that are due. A deadline so comes up to one tick late, never early.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::dial::Clock;

/// How coarse the clock is.
pub const TICK: Duration = Duration::from_millis(100);

/// The most ticks that pass at once.
const JUMP_MAX: u32 = 2;

/// The due time of a slot that waits for nothing.
const NEVER: u32 = u32::MAX;

/// The deadlines of one worker.
#[derive(Default)]
pub struct Deadlines {
    now: Cell<u32>,
    /// Whether everything is due: the worker stops.
    is_over: Cell<bool>,
    slots: RefCell<Slots>,
}

#[derive(Default)]
struct Slots {
    due: Vec<u32>,
    /// Whether to wake at the next tick, due or not.
    called: Vec<bool>,
    wakers: Vec<Option<Waker>>,
    free: Vec<u32>,
}

impl Deadlines {
    /// Returns the ticks since the worker began.
    pub fn now(&self) -> u32 {
        self.now.get()
    }

    /// Lends a slot, which returns itself when dropped.
    pub fn lend(self: &Rc<Self>) -> Deadline {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.free.pop().unwrap_or_else(|| {
            slots.due.push(NEVER);
            slots.called.push(false);
            slots.wakers.push(None);
            u32::try_from(slots.due.len() - 1).expect("connections are far below 4 billion")
        });
        Deadline { owner: Rc::clone(self), slot }
    }

    /// Moves the clock on by `ticks` and wakes whoever is due.
    ///
    /// A worker that was held up for long must not take its own lateness for others': of a jump
    /// only [`JUMP_MAX`] count.
    pub fn sweep(&self, ticks: u32) {
        let now = self.now.get().saturating_add(ticks.min(JUMP_MAX));
        self.now.set(now);
        self.wake(|due, called| called || due <= now);
    }

    /// Makes everything due, for ever.
    pub fn end(&self) {
        self.is_over.set(true);
        self.wake_all();
    }

    /// Says whether everything is due because the worker stops.
    pub fn is_over(&self) -> bool {
        self.is_over.get()
    }

    /// Wakes everyone who waits, to look around: the worker is draining.
    pub fn wake_all(&self) {
        self.wake(|due, _| due != NEVER);
    }

    fn wake(&self, is_meant: impl Fn(u32, bool) -> bool) {
        let mut slots = self.slots.borrow_mut();
        let Slots { due, called, wakers, .. } = &mut *slots;
        for ((waker, due), called) in wakers.iter_mut().zip(due).zip(called) {
            if is_meant(*due, std::mem::take(called))
                && let Some(waker) = waker.take()
            {
                waker.wake();
            }
        }
    }
}

/// One connection's place on the clock.
pub struct Deadline {
    owner: Rc<Deadlines>,
    slot: u32,
}

impl Deadline {
    /// Sets the deadline to `after` from now.
    pub fn set(&self, after: Duration) {
        let ticks = after.as_millis().div_ceil(TICK.as_millis());
        // One more: the current tick is already partly over.
        let ticks = u32::try_from(ticks + 1).unwrap_or(NEVER);
        let due = self.owner.now.get().saturating_add(ticks).min(NEVER - 1);
        self.owner.slots.borrow_mut().due[self.slot as usize] = due;
    }

    /// Has the task that waits woken at the next tick, to look around.
    pub fn call_at_next_tick(&self) {
        self.owner.slots.borrow_mut().called[self.slot as usize] = true;
    }

    /// Says whether the deadline has passed; if not, the task is woken when it has.
    pub fn poll_passed(&self, cx: &mut Context<'_>) -> bool {
        let mut slots = self.owner.slots.borrow_mut();
        let slot = self.slot as usize;
        if slots.due[slot] <= self.owner.now.get() || self.owner.is_over.get() {
            return true;
        }
        match &slots.wakers[slot] {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            _ => slots.wakers[slot] = Some(cx.waker().clone()),
        }
        false
    }
}

/// Coarse, as everything here.
impl Clock for Deadline {
    async fn within<T>(&self, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
        self.set(limit);
        let mut future = pin!(future);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if self.poll_passed(cx) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        let mut slots = self.owner.slots.borrow_mut();
        slots.due[self.slot as usize] = NEVER;
        slots.called[self.slot as usize] = false;
        slots.wakers[self.slot as usize] = None;
        slots.free.push(self.slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Bell(AtomicUsize);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_deadline_is_never_early_and_at_most_one_tick_late() {
        let (clock, bell) = (Rc::new(Deadlines::default()), Arc::new(Bell::default()));
        let waker = Waker::from(Arc::clone(&bell));
        let mut cx = Context::from_waker(&waker);
        let deadline = clock.lend();
        deadline.set(Duration::from_millis(150));
        for tick in 1..=2 {
            clock.sweep(1);
            assert!(!deadline.poll_passed(&mut cx), "early at tick {tick}");
        }
        clock.sweep(1);
        assert!(deadline.poll_passed(&mut cx));
        assert_eq!(bell.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_worker_that_was_held_up_does_not_blame_others() {
        let clock = Rc::new(Deadlines::default());
        let deadline = clock.lend();
        deadline.set(Duration::from_secs(1));
        clock.sweep(50);
        assert!(!deadline.poll_passed(&mut Context::from_waker(Waker::noop())));
    }

    #[test]
    fn a_dropped_slot_is_lent_again_and_wakes_nobody() {
        let clock = Rc::new(Deadlines::default());
        drop(clock.lend());
        let deadline = clock.lend();
        assert_eq!(deadline.slot, 0);
        clock.sweep(1_000);
        assert!(!deadline.poll_passed(&mut Context::from_waker(Waker::noop())));
    }
}
