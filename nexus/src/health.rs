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
    /// A probe that began after `failures` failures had been seen got through.
    ProbeOk {
        /// How many failures were known when the probe began.
        failures: u32,
    },
    /// A probe did not get through.
    ProbeFailed(Reason),
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
}

impl Default for Health {
    /// Unknown means UP: a balancer that starts serves at once, and the first probe follows at once.
    fn default() -> Self {
        Self { verdict: Verdict::Up, failures: 0 }
    }
}

impl Health {
    /// Takes an observation into account; returns whether the verdict flipped.
    ///
    /// One failure is enough for DOWN, one success for UP, except a success that is older than the
    /// newest failure.
    pub fn observe(&mut self, observation: Observation) -> bool {
        let before = self.verdict;
        match observation {
            Observation::ProbeOk { failures } if failures == self.failures => {
                self.verdict = Verdict::Up;
            }
            Observation::ProbeOk { .. } => {}
            Observation::ProbeFailed(reason) | Observation::RequestFailed(reason) => {
                self.failures = self.failures.wrapping_add(1);
                if before == Verdict::Up {
                    self.verdict = Verdict::Down(reason);
                }
            }
        }
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

    #[test]
    fn the_first_failure_means_down_and_flips_once() {
        let mut health = Health::default();
        assert!(health.observe(FAILED));
        assert!(!health.observe(FAILED));
        assert_eq!(health.verdict, Verdict::Down(Reason::ConnectRefused));
    }

    #[test]
    fn a_probe_brings_it_back_up() {
        let mut health = Health::default();
        health.observe(FAILED);
        assert!(health.observe(Observation::ProbeOk { failures: 1 }));
        assert_eq!(health.verdict, Verdict::Up);
    }

    #[test]
    fn a_probe_that_began_before_the_failure_proves_nothing() {
        let mut health = Health::default();
        health.observe(FAILED);
        assert!(!health.observe(Observation::ProbeOk { failures: 0 }));
        assert_ne!(health.verdict, Verdict::Up);
    }
}
