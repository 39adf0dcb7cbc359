//! How a backend that comes back comes to its whole weight. Pure.

use std::time::Duration;

/// How a backend that comes back comes to its whole weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ramp {
    /// After this time.
    pub window: Duration,
    /// What it has at least, in percent.
    pub floor: u32,
    /// Whether it grows slowly first: with the square of the time.
    pub is_late: bool,
}

impl Ramp {
    /// All of it, in percent.
    pub(super) const WHOLE: u32 = 100;

    /// Returns the part in percent after this time; `None` is all, for good.
    pub fn part(&self, back_for: Duration) -> Option<u32> {
        let gone = back_for.as_secs_f64() / self.window.as_secs_f64();
        if gone >= 1.0 {
            return None;
        }
        let part = if self.is_late { gone * gone } else { gone };
        Some(((part * f64::from(Self::WHOLE)) as u32).max(self.floor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_begins_at_its_floor_and_ends_at_its_window() {
        let ramp = Ramp { window: Duration::from_secs(10), floor: 10, is_late: false };
        let parts = |ramp: Ramp| {
            [0, 500, 5000, 9990, 10_000].map(|ms| ramp.part(Duration::from_millis(ms)))
        };
        assert_eq!(parts(ramp), [Some(10), Some(10), Some(50), Some(99), None]);
        assert_eq!(
            parts(Ramp { is_late: true, ..ramp }),
            [Some(10), Some(10), Some(25), Some(99), None]
        );
    }
}
