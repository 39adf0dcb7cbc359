//! What is believed of a backend: UP or DOWN. Pure: observations in, a flip or nothing out.

use std::time::Duration;

use crate::reason::Reason;

/// So many times DOWN within [`FLAP_WINDOW`] is flapping.
const FLAP_DOWNS: usize = 3;

/// See [`FLAP_DOWNS`]; the time for which it was kept out does not count.
const FLAP_WINDOW: Duration = Duration::from_secs(60);

/// How long a backend that flaps is kept out at first; then twice as long each time.
const STAY_MIN: Duration = Duration::from_secs(5);

/// How long it is kept out at most.
const STAY_MAX: Duration = Duration::from_secs(60);

/// The health verdict on a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It gets requests.
    Up,
    /// It gets none until a probe succeeds.
    Down(Reason),
}

/// Something that was seen of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observation {
    /// A probe that began after `failures` failures had been seen succeeded.
    ProbeOk {
        /// How many failures were known when the probe began.
        failures: u32,
        /// How many in a row bring a backend that is DOWN back.
        rise: u32,
    },
    /// A probe failed.
    ProbeFailed {
        /// Why.
        reason: Reason,
        /// How many in a row take a backend that is UP out.
        fall: u32,
    },
    /// A request met a connection error.
    RequestFailed(Reason),
}

/// A request's connection to a backend that failed, as far as it may count against the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incident {
    /// What went wrong.
    pub reason: Reason,
    /// Whether the connection had been idle, and no byte of an answer came: it had grown stale.
    pub was_stale: bool,
    /// Whether the connection is from before the backend was DOWN for the last time.
    pub is_old: bool,
    /// Whether the client kept the backend waiting: its patience may have ended.
    pub client_was_slow: bool,
    /// Whether the answer was to end with the connection, so that its end proves little.
    pub had_no_length: bool,
}

impl Incident {
    /// Says whether it shows that the backend is DOWN.
    pub fn counts(&self) -> bool {
        self.reason.is_connection_error()
            && !(self.was_stale || self.is_old || self.client_was_slow || self.had_no_length)
    }
}

/// What is known of a backend's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// What is believed now.
    pub verdict: Verdict,
    /// How many failures were seen in all.
    pub failures: u32,
    /// How many probes in a row, up to the last, spoke against the verdict.
    against: u32,
    /// Whether the verdict is a guess: nothing was seen of the backend.
    is_guess: bool,
    /// When it went DOWN the last times, the latest last.
    downs: [Option<Duration>; FLAP_DOWNS - 1],
    /// How long it is kept out this time, for flapping.
    stay: Duration,
    /// Until then a probe's success does not bring it back.
    until: Duration,
    /// Whether a probe has succeeded in that time.
    is_ready: bool,
}

impl Health {
    /// Begins with a guess, which the first observation settles.
    pub fn guess(verdict: Verdict) -> Self {
        let (stay, until) = (Duration::ZERO, Duration::ZERO);
        let (downs, is_ready) = ([None; FLAP_DOWNS - 1], false);
        Self { verdict, failures: 0, against: 0, is_guess: true, downs, stay, until, is_ready }
    }

    /// Takes an observation into account; returns whether the verdict flipped.
    ///
    /// | state | probe succeeds | probe fails | request fails |
    /// |---|---|---|---|
    /// | a guess | UP | DOWN | DOWN |
    /// | UP | stays, count 0 | `fall` in a row: DOWN | DOWN |
    /// | DOWN | `rise` in a row: UP | stays, count 0 | stays, count 0 |
    ///
    /// A success that is older than the newest failure proves nothing. `now` is the time since some
    /// beginning: one that goes DOWN for the third time within a minute flaps, and is kept out for
    /// 5 s whatever its probes say, then for twice as long each time, a minute at most.
    pub fn observe(&mut self, observation: Observation, now: Duration) -> bool {
        let before = self.verdict;
        let (reason, needed) = match observation {
            Observation::ProbeOk { failures, .. } if failures != self.failures => return false,
            Observation::ProbeOk { rise, .. } => (None, rise),
            Observation::ProbeFailed { reason, fall } => (Some(reason), fall),
            Observation::RequestFailed(reason) => (Some(reason), 1),
        };
        if reason.is_some() {
            self.failures = self.failures.wrapping_add(1);
            self.is_ready = false;
        } else if before != Verdict::Up && now < self.until {
            self.is_ready = true;
            return false;
        }
        let is_against = (before == Verdict::Up) == reason.is_some();
        self.against = if is_against { self.against + 1 } else { 0 };
        if is_against && (self.against >= needed || self.is_guess) {
            self.verdict = reason.map_or(Verdict::Up, Verdict::Down);
            self.against = 0;
        }
        self.is_guess = false;
        let has_flipped = before != self.verdict;
        if has_flipped && reason.is_some() {
            self.keep_out(now);
        }
        has_flipped
    }

    /// Decides how long one that has just gone DOWN is kept out.
    fn keep_out(&mut self, now: Duration) {
        let window = FLAP_WINDOW + 2 * self.stay;
        let is_flapping = self.downs[0].is_some_and(|first| now.saturating_sub(first) <= window);
        self.stay =
            if is_flapping { (2 * self.stay).clamp(STAY_MIN, STAY_MAX) } else { Duration::ZERO };
        self.until = now + self.stay;
        self.downs.rotate_left(1);
        self.downs[FLAP_DOWNS - 2] = Some(now);
    }

    /// Returns for how long a backend that is DOWN is still kept out for flapping.
    pub fn kept_out(&self, now: Duration) -> Option<Duration> {
        let left = self.until.saturating_sub(now);
        (self.verdict != Verdict::Up && !left.is_zero()).then_some(left)
    }

    /// Says whether it is DOWN for nothing but its flapping.
    pub fn is_ready(&self) -> bool {
        self.verdict != Verdict::Up && self.is_ready
    }

    /// Brings it back although it flaps, if its last probe has succeeded: there is nobody else.
    /// Returns whether the verdict flipped.
    pub fn release(&mut self) -> bool {
        let is_ready = self.is_ready();
        if is_ready {
            (self.verdict, self.is_ready, self.until) = (Verdict::Up, false, Duration::ZERO);
            // A time that was not served does not make the next one longer.
            self.stay /= 2;
        }
        is_ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Duration = Duration::ZERO;
    const FAILED: Observation = Observation::RequestFailed(Reason::ConnectRefused);

    #[test]
    fn only_what_the_backend_did_by_itself_counts() {
        let reason = Reason::BackendReset;
        let (was_stale, is_old, client_was_slow, had_no_length) = (false, false, false, false);
        let plain = Incident { reason, was_stale, is_old, client_was_slow, had_no_length };
        assert!(plain.counts());
        assert!(!Incident { reason: Reason::ClientGone, ..plain }.counts());
        assert!(!Incident { reason: Reason::NoSocket, ..plain }.counts());
        assert!(!Incident { was_stale: true, ..plain }.counts());
        assert!(!Incident { is_old: true, ..plain }.counts());
        assert!(!Incident { client_was_slow: true, ..plain }.counts());
        assert!(!Incident { had_no_length: true, ..plain }.counts());
    }

    const OK: Observation = Observation::ProbeOk { failures: 0, rise: 1 };

    fn failed(fall: u32) -> Observation {
        Observation::ProbeFailed { reason: Reason::ConnectTimeout, fall }
    }

    fn up() -> Health {
        let mut health = Health::guess(Verdict::Up);
        health.observe(OK, T0);
        health
    }

    #[test]
    fn a_failed_request_means_down_at_once_and_flips_once() {
        let mut health = up();
        assert!(health.observe(FAILED, T0));
        assert!(!health.observe(FAILED, T0));
        assert_eq!(health.verdict, Verdict::Down(Reason::ConnectRefused));
    }

    #[test]
    fn a_probe_brings_it_back_up() {
        let mut health = up();
        health.observe(FAILED, T0);
        assert!(health.observe(Observation::ProbeOk { failures: 1, rise: 1 }, T0));
        assert_eq!(health.verdict, Verdict::Up);
    }

    #[test]
    fn a_probe_that_began_before_the_failure_proves_nothing() {
        let mut health = up();
        health.observe(FAILED, T0);
        assert!(!health.observe(OK, T0));
        assert_ne!(health.verdict, Verdict::Up);
    }

    #[test]
    fn the_first_result_settles_a_guess() {
        let mut health = Health::guess(Verdict::Up);
        assert!(health.observe(failed(3), T0));
        let mut health = Health::guess(Verdict::Down(Reason::NotProbed));
        assert!(health.observe(Observation::ProbeOk { failures: 0, rise: 3 }, T0));
        let mut health = Health::guess(Verdict::Up);
        health.observe(FAILED, T0);
        let ok = Observation::ProbeOk { failures: 1, rise: 2 };
        assert!(!health.observe(ok, T0), "what a request saw is no guess");
        assert!(health.observe(ok, T0));
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A probe that succeeds now.
    fn ok(health: &Health) -> Observation {
        Observation::ProbeOk { failures: health.failures, rise: 1 }
    }

    #[test]
    fn who_flaps_is_kept_out_for_longer_each_time_and_forgiven_later() {
        let mut health = up();
        let mut now = 0;
        for stay in [0, 0, 5, 10, 20, 40, 60, 60] {
            assert!(health.observe(FAILED, seconds(now)));
            assert_eq!(health.kept_out(seconds(now)), Some(seconds(stay)).filter(|_| stay > 0));
            if stay > 0 {
                assert!(!health.observe(ok(&health), seconds(now + stay - 1)), "after {stay} s");
                assert!(health.is_ready());
            }
            now += stay;
            assert!(health.observe(ok(&health), seconds(now)));
            now += 1;
        }
        now += 180;
        assert!(health.observe(FAILED, seconds(now)));
        assert_eq!(health.kept_out(seconds(now)), None, "forgiven");
    }

    #[test]
    fn who_flaps_but_is_needed_comes_back_if_its_probe_says_so() {
        let mut health = up();
        for now in 0..3 {
            health.observe(FAILED, seconds(now));
            health.observe(ok(&health), seconds(now));
        }
        assert!(health.is_ready());
        health.observe(FAILED, seconds(3));
        assert!(!health.release(), "its last probe was before that");
        health.observe(ok(&health), seconds(4));
        assert!(health.release());
        assert_eq!(health.verdict, Verdict::Up);
    }

    #[test]
    fn a_stay_that_was_cut_short_makes_the_next_one_no_longer() {
        let mut health = up();
        for (now, stay) in (0..).zip([0, 0, 5, 5, 5, 5]) {
            health.observe(FAILED, seconds(now));
            assert_eq!(health.kept_out(seconds(now)), Some(seconds(stay)).filter(|_| stay > 0));
            health.observe(ok(&health), seconds(now));
            assert_eq!(health.release(), stay > 0);
        }
    }

    proptest::proptest! {
        #[test]
        fn nobody_is_kept_out_before_the_third_time_or_for_more_than_a_minute(
            seen in proptest::collection::vec((proptest::bool::ANY, 0u64..40), 1..200),
        ) {
            let (mut health, mut now, mut downs) = (up(), 0, 0);
            for (is_ok, after) in seen {
                now += after;
                let observation = if is_ok { ok(&health) } else { FAILED };
                let kept_out = health.kept_out(seconds(now));
                let has_flipped = health.observe(observation, seconds(now));
                downs += usize::from(has_flipped && !is_ok);
                let left = health.kept_out(seconds(now)).unwrap_or_default();
                proptest::prop_assert!(left <= STAY_MAX);
                proptest::prop_assert!(left.is_zero() || downs >= FLAP_DOWNS);
                proptest::prop_assert!(!(has_flipped && is_ok && kept_out.is_some()));
            }
        }

        #[test]
        fn no_verdict_flips_without_its_threshold(
            seen in proptest::collection::vec(0u8..3, 1..200),
            rise in 1u32..5,
            fall in 1u32..5,
        ) {
            let mut health = up();
            let (mut last, mut now) = (Vec::new(), T0);
            for what in seen {
                let observation = match what {
                    0 => Observation::ProbeOk { failures: health.failures, rise },
                    1 => failed(fall),
                    _ => FAILED,
                };
                let before = health.verdict;
                now += FLAP_WINDOW; // Nothing of this flaps.
                let has_flipped = health.observe(observation, now);
                last.push(what);
                let in_a_row = |wanted: u8| {
                    last.iter().rev().take_while(|what| **what == wanted).count()
                };
                let (oks, failures) = (in_a_row(0), in_a_row(1));
                let is_due = match (before, what) {
                    (Verdict::Up, 2) => true,
                    (Verdict::Up, 1) => failures == fall as usize,
                    (Verdict::Down(_), 0) => oks == rise as usize,
                    _ => false,
                };
                proptest::prop_assert_eq!(has_flipped, is_due);
                if has_flipped {
                    last.clear();
                }
            }
        }
    }
}
