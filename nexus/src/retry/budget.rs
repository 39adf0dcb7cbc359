//! How much of what a pool gets may be retries: a pool that fails must not get more for it.
//!
//! Attempts at requests that may have run count; one of which nothing was sent costs its backend
//! nothing. Over the last ten seconds there are so many percent of the requests at most, but ten in
//! any case, or a pool with little to do could never retry.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Seconds that are looked back.
const WINDOW: usize = 10;

/// Retries in a window that are always allowed.
const RETRIES_MIN: usize = 10;

/// What a pool may still retry.
#[derive(Default)]
pub struct Budget {
    window: Mutex<Window>,
    /// Requests that took nobody's turn: those of sessions.
    pub apart: AtomicUsize,
}

impl Budget {
    /// Begins the next second, when so many requests have taken turns so far.
    pub fn tick(&self, turns: usize) {
        let requests = self.requests(turns);
        self.lock().tick(requests);
    }

    /// Takes one retry out; says whether there was one left.
    pub fn take(&self, turns: usize, percent: u32) -> bool {
        let requests = self.requests(turns);
        self.lock().take(requests, percent)
    }

    /// Says whether there is one left.
    pub fn is_left(&self, turns: usize, percent: u32) -> bool {
        let requests = self.requests(turns);
        self.lock().is_left(requests, percent)
    }

    fn requests(&self, turns: usize) -> usize {
        turns.wrapping_add(self.apart.load(Ordering::Relaxed))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Window> {
        self.window.lock().expect("nothing panics while it holds this lock")
    }
}

/// The last seconds. Pure.
#[derive(Default)]
struct Window {
    /// The number of requests at the beginning of each second; `None` before the first.
    requests: [Option<usize>; WINDOW],
    /// Retries in each second.
    retries: [usize; WINDOW],
    now: usize,
}

impl Window {
    fn tick(&mut self, requests: usize) {
        self.now = (self.now + 1) % WINDOW;
        self.requests[self.now] = Some(requests);
        self.retries[self.now] = 0;
    }

    fn is_left(&self, requests: usize, percent: u32) -> bool {
        let oldest = (1..=WINDOW).find_map(|after| self.requests[(self.now + after) % WINDOW]);
        let begun = oldest.map_or(0, |oldest| requests.wrapping_sub(oldest));
        let share = begun.saturating_mul(percent as usize) / 100;
        let max = if percent == 0 { 0 } else { share.max(RETRIES_MIN) };
        self.retries.iter().sum::<usize>() < max
    }

    fn take(&mut self, requests: usize, percent: u32) -> bool {
        let is_left = self.is_left(requests, percent);
        self.retries[self.now] += usize::from(is_left);
        is_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_pool_has_ten_and_a_busy_one_its_share() {
        let mut window = Window::default();
        window.tick(5000);
        assert_eq!((0..100).filter(|_| window.take(5020, 20)).count(), 10);
        assert_eq!((0..1000).filter(|_| window.take(6000, 20)).count(), 190);
        assert!(!Window::default().take(0, 0), "0 % is never");
    }

    #[test]
    fn what_was_spent_comes_back_after_the_window() {
        let mut window = Window::default();
        window.tick(0);
        assert_eq!((0..100).filter(|_| window.take(0, 20)).count(), 10);
        for _ in 1..WINDOW {
            window.tick(0);
            assert!(!window.take(0, 20));
        }
        window.tick(0);
        assert!(window.take(0, 20));
    }

    #[test]
    fn counts_may_wrap() {
        let mut window = Window::default();
        window.tick(usize::MAX - 9);
        assert_eq!((0..1000).filter(|_| window.take(990, 20)).count(), 200);
    }

    proptest::proptest! {
        #[test]
        fn no_window_has_more_than_its_share(
            seconds in proptest::collection::vec((0usize..500, 0usize..500), 1..60),
            percent in 1u32..100,
        ) {
            let (mut window, mut requests) = (Window::default(), 0);
            let mut seen = Vec::new();
            for (new, wanted) in seconds {
                window.tick(requests);
                requests += new;
                let retries = (0..wanted).filter(|_| window.take(requests, percent)).count();
                seen.push((new, retries));
                let last = &seen[seen.len().saturating_sub(WINDOW)..];
                let sum = last.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
                let max = (sum.0 * percent as usize / 100).max(RETRIES_MIN);
                // What was allowed in an earlier, busier second stays.
                let earlier = sum.1 - retries;
                proptest::prop_assert!(retries == 0 || earlier + retries <= max);
            }
        }
    }
}
