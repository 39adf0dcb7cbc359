//! What is believed of a backend: UP or DOWN. Pure: observations in, a flip or nothing out.

use crate::reason::Reason;

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
}

impl Health {
    /// Begins with a guess, which the first observation settles.
    pub fn guess(verdict: Verdict) -> Self {
        Self { verdict, failures: 0, against: 0, is_guess: true }
    }

    /// Takes an observation into account; returns whether the verdict flipped.
    ///
    /// | state | probe succeeds | probe fails | request fails |
    /// |---|---|---|---|
    /// | a guess | UP | DOWN | DOWN |
    /// | UP | stays, count 0 | `fall` in a row: DOWN | DOWN |
    /// | DOWN | `rise` in a row: UP | stays, count 0 | stays, count 0 |
    ///
    /// A success that is older than the newest failure proves nothing.
    pub fn observe(&mut self, observation: Observation) -> bool {
        let before = self.verdict;
        let (reason, needed) = match observation {
            Observation::ProbeOk { failures, .. } if failures != self.failures => return false,
            Observation::ProbeOk { rise, .. } => (None, rise),
            Observation::ProbeFailed { reason, fall } => (Some(reason), fall),
            Observation::RequestFailed(reason) => (Some(reason), 1),
        };
        if reason.is_some() {
            self.failures = self.failures.wrapping_add(1);
        }
        let is_against = (before == Verdict::Up) == reason.is_some();
        self.against = if is_against { self.against + 1 } else { 0 };
        if is_against && (self.against >= needed || self.is_guess) {
            self.verdict = reason.map_or(Verdict::Up, Verdict::Down);
            self.against = 0;
        }
        self.is_guess = false;
        before != self.verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        health.observe(OK);
        health
    }

    #[test]
    fn a_failed_request_means_down_at_once_and_flips_once() {
        let mut health = up();
        assert!(health.observe(FAILED));
        assert!(!health.observe(FAILED));
        assert_eq!(health.verdict, Verdict::Down(Reason::ConnectRefused));
    }

    #[test]
    fn a_probe_brings_it_back_up() {
        let mut health = up();
        health.observe(FAILED);
        assert!(health.observe(Observation::ProbeOk { failures: 1, rise: 1 }));
        assert_eq!(health.verdict, Verdict::Up);
    }

    #[test]
    fn a_probe_that_began_before_the_failure_proves_nothing() {
        let mut health = up();
        health.observe(FAILED);
        assert!(!health.observe(OK));
        assert_ne!(health.verdict, Verdict::Up);
    }

    #[test]
    fn the_first_result_settles_a_guess() {
        let mut health = Health::guess(Verdict::Up);
        assert!(health.observe(failed(3)));
        let mut health = Health::guess(Verdict::Down(Reason::NotProbed));
        assert!(health.observe(Observation::ProbeOk { failures: 0, rise: 3 }));
        let mut health = Health::guess(Verdict::Up);
        health.observe(FAILED);
        let ok = Observation::ProbeOk { failures: 1, rise: 2 };
        assert!(!health.observe(ok), "what a request saw is no guess");
        assert!(health.observe(ok));
    }

    proptest::proptest! {
        #[test]
        fn no_verdict_flips_without_its_threshold(
            seen in proptest::collection::vec(0u8..3, 1..200),
            rise in 1u32..5,
            fall in 1u32..5,
        ) {
            let mut health = up();
            let mut last = Vec::new();
            for what in seen {
                let observation = match what {
                    0 => Observation::ProbeOk { failures: health.failures, rise },
                    1 => failed(fall),
                    _ => FAILED,
                };
                let before = health.verdict;
                let has_flipped = health.observe(observation);
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
