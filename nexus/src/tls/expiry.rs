//! When it is time to say that a certificate expires. Pure but for the type of a time.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::tls::facts::CertificateFacts;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long before it expires a certificate is warned about: automatic renewal comes 30 days before
/// the end, so one that has 14 left was not renewed, and two weeks are enough to do it by hand.
pub const WARNED_BEFORE: Duration = Duration::from_secs(14 * 24 * 3600);

/// From one warning to the next: once a day is seldom enough not to be filtered out.
pub const SAID_EVERY: Duration = DAY;

/// How a certificate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It counts, and will for a while.
    Fine,
    /// It counts for less than [`WARNED_BEFORE`], which is so many days begun.
    EndsIn(u64),
    /// It counts no more.
    Expired,
    /// It does not count yet.
    Early,
}

impl Standing {
    /// Judges a certificate at this time.
    pub fn of(facts: &CertificateFacts, now: SystemTime) -> Self {
        let CertificateFacts { not_before, not_after, .. } = facts;
        if *not_before > now {
            return Self::Early;
        }
        match not_after.duration_since(now) {
            Ok(left) if left.is_zero() => Self::Expired,
            Ok(left) if left < WARNED_BEFORE => {
                Self::EndsIn(left.as_secs().div_ceil(DAY.as_secs()))
            }
            Ok(_) => Self::Fine,
            Err(_) => Self::Expired,
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fine => f.write_str("is fine"),
            Self::EndsIn(1) => f.write_str("expires within a day"),
            Self::EndsIn(days) => write!(f, "expires in {days} days"),
            Self::Expired => f.write_str("has expired: clients refuse it"),
            Self::Early => f.write_str("does not count yet: clients refuse it"),
        }
    }
}

/// Says whether it is time to speak of certificates again, after it was done at `last`. A clock
/// that was set back does not silence anybody.
pub fn is_time(last: Option<SystemTime>, now: SystemTime) -> bool {
    last.is_none_or(|last| now.duration_since(last).map_or(true, |since| since >= SAID_EVERY))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(days: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + DAY * 20_000 + DAY * u32::try_from(days).unwrap()
    }

    /// Judges a certificate that counts from day 10 to day 100.
    #[track_caller]
    fn check(now: SystemTime, expected: Standing) {
        let facts = CertificateFacts {
            path: String::new(),
            names: Vec::new(),
            subject: String::new(),
            not_before: at(10),
            not_after: at(100),
            key: String::new(),
            is_default: true,
        };
        assert_eq!(Standing::of(&facts, now), expected);
    }

    #[test]
    fn the_last_two_weeks_are_warned_of() {
        let second = Duration::from_secs(1);
        check(at(9), Standing::Early);
        check(at(10), Standing::Fine);
        check(at(86), Standing::Fine);
        check(at(86) + second, Standing::EndsIn(14));
        check(at(98), Standing::EndsIn(2));
        check(at(99), Standing::EndsIn(1));
        check(at(100) - second, Standing::EndsIn(1));
        check(at(100), Standing::Expired);
        check(at(400), Standing::Expired);
    }

    #[test]
    fn it_is_said_at_once_and_then_once_a_day() {
        assert!(is_time(None, at(5)));
        assert!(!is_time(Some(at(5)), at(5)));
        assert!(!is_time(Some(at(5)), at(6) - Duration::from_secs(1)));
        assert!(is_time(Some(at(5)), at(6)));
        assert!(is_time(Some(at(5)), at(4)), "the clock was set back");
    }
}
