//! How a backend answers: counted by the workers where its pool ejects for that, judged by the
//! control task alone.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::ejection::{Ejection, Others, Rules, Seen, Standing, Step};

/// What was counted, and the judgement.
#[derive(Default)]
pub struct Conduct {
    streak_5xx: AtomicU32,
    streak_gateway: AtomicU32,
    good: AtomicU32,
    bad: AtomicU32,
    micros: AtomicU64,
    /// Requests from before it was tried out that are still under way.
    left_over: AtomicU32,
    is_out: AtomicBool,
    is_half_open: AtomicBool,
    ejection: Mutex<Ejection>,
}

impl Conduct {
    /// Counts an answer, or 502 for a failed attempt; `took` is its time, if that counts. Says
    /// whether it is to be judged at once.
    pub fn count(&self, rules: &Rules, status: u16, took: Option<Duration>) -> bool {
        if !(500..=599).contains(&status) {
            if let Some(took) = took {
                self.micros.fetch_add(took.as_micros() as u64, Relaxed);
            }
            self.good.fetch_add(1, Relaxed);
            // A store that changes nothing would still take the line from other workers.
            for streak in [&self.streak_5xx, &self.streak_gateway] {
                if streak.load(Relaxed) > 0 {
                    streak.store(0, Relaxed);
                }
            }
            return false;
        }
        self.bad.fetch_add(1, Relaxed);
        let streak = self.streak_5xx.fetch_add(1, Relaxed) + 1;
        let gateway = if matches!(status, 502..=504) {
            self.streak_gateway.fetch_add(1, Relaxed) + 1
        } else {
            self.streak_gateway.store(0, Relaxed);
            0
        };
        let reaches = |streak: u32, limit: u32| limit > 0 && streak >= limit;
        let is_over = reaches(streak, rules.consecutive_5xx)
            || reaches(gateway, rules.consecutive_gateway)
            || self.is_half_open.load(Relaxed);
        is_over && !self.is_out.load(Relaxed)
    }

    /// Counts an answer that has not come in this time.
    pub fn took(&self, took: Duration) {
        self.micros.fetch_add(took.as_micros() as u64, Relaxed);
        self.good.fetch_add(1, Relaxed);
    }

    /// Notes how many requests are under way when it begins to be tried out.
    pub fn begin_trials(&self, under_way: u32) {
        self.left_over.store(under_way, Relaxed);
    }

    /// Returns how many requests it may have under way while it is tried out: one, and those from
    /// before, tunnels and downloads, which may last. Only the control task calls this.
    pub fn trial_room(&self, under_way: u32) -> u32 {
        let left_over = self.left_over.load(Relaxed).min(under_way);
        self.left_over.store(left_over, Relaxed);
        left_over.saturating_add(1)
    }

    /// Says whether it gets no requests for what it answered.
    pub fn is_out(&self) -> bool {
        self.is_out.load(Relaxed)
    }

    /// Says whether it is tried out with one request at a time.
    pub fn is_half_open(&self) -> bool {
        self.is_half_open.load(Relaxed)
    }

    /// Returns the judgement.
    pub fn ejection(&self) -> Ejection {
        *self.ejection.lock().expect("nothing panics while it holds this lock")
    }

    /// Returns what was counted since the last change, or in the window.
    pub fn seen(&self) -> Seen {
        Seen {
            streak_5xx: self.streak_5xx.load(Relaxed),
            streak_gateway: self.streak_gateway.load(Relaxed),
            good: self.good.load(Relaxed),
            bad: self.bad.load(Relaxed),
            micros: self.micros.load(Relaxed),
        }
    }

    /// Judges what was counted; returns the standing if it changed. Only the control task calls
    /// this.
    pub fn judge(&self, rules: &Rules, others: Others, now: Duration) -> Option<Standing> {
        let seen = self.seen();
        let mut ejection = self.ejection.lock().expect("nothing panics while it holds this lock");
        let step = ejection.step(rules, seen, others, (now, fastrand::f64()));
        let standing = ejection.standing;
        drop(ejection);
        if step == Step::Stays {
            return None;
        }
        self.begin_anew(standing);
        (step == Step::Changed).then_some(standing)
    }

    /// Ejects it by an operator's word. Only the control task calls this.
    pub fn eject(&self, now: Duration, until: Duration) {
        let mut ejection = self.ejection.lock().expect("nothing panics while it holds this lock");
        ejection.order(now, until);
        let standing = ejection.standing;
        drop(ejection);
        self.begin_anew(standing);
    }

    /// Forgets everything: the pool ejects nobody any more.
    pub fn forget(&self) {
        *self.ejection.lock().expect("nothing panics while it holds this lock") =
            Ejection::default();
        self.begin_anew(Standing::In);
    }

    fn begin_anew(&self, standing: Standing) {
        for count in [&self.streak_5xx, &self.streak_gateway, &self.good, &self.bad] {
            count.store(0, Relaxed);
        }
        self.micros.store(0, Relaxed);
        self.is_out.store(matches!(standing, Standing::Out(..)), Relaxed);
        self.is_half_open.store(matches!(standing, Standing::HalfOpen(_)), Relaxed);
    }
}
