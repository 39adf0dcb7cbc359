//! How many requests may pass in a time: the generic cell rate algorithm (ITU-T I.371, annex A).
//!
//! All that is remembered of somebody is one moment: when what they have used will be paid back.
//! Each request adds its interval to it; one that would reach further ahead than the burst allows
//! does not pass.

use std::fmt;
use std::time::Duration;

/// How many requests may pass in a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimit {
    /// From one request to the next when they come steadily.
    pub interval: Interval,
    /// How many may come at once after a rest.
    pub burst: u32,
    /// Whose requests are counted together.
    pub by: By,
}

/// So many requests in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// Requests.
    pub count: u32,
    /// In this time.
    pub period: Duration,
}

/// Whose requests are counted together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// Those of one client address; of IPv6 the first 64 bits count.
    Client,
    /// All of the route.
    Route,
    /// Those whose header of this name says the same; without it they count by client.
    Header(String),
}

impl Interval {
    /// Returns what one request costs, in microseconds; at least 1.
    pub fn micros(self) -> u64 {
        let period = u64::try_from(self.period.as_micros()).unwrap_or(u64::MAX);
        (period / u64::from(self.count.max(1))).max(1)
    }
}

impl RateLimit {
    /// Returns how far ahead of now somebody can be, in microseconds.
    pub fn ahead_max(&self) -> u64 {
        self.interval.micros().saturating_mul(u64::from(self.burst.max(1)))
    }

    /// Decides about a request of somebody who is `ahead` of now by so many microseconds: how far
    /// they are ahead after it, or how long they must wait.
    ///
    /// # Errors
    ///
    /// Returns the wait in microseconds.
    pub fn admit(&self, ahead: u64) -> Result<u64, u64> {
        let after = ahead.saturating_add(self.interval.micros());
        let max = self.ahead_max();
        if after <= max { Ok(after) } else { Err(after - max) }
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.period.as_secs() {
            1 => "s",
            60 => "m",
            3600 => "h",
            86400 => "d",
            _ => return write!(f, "{}/{:?}", self.count, self.period),
        };
        write!(f, "{}/{unit}", self.count)
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { interval, burst, by } = self;
        match by {
            By::Client => write!(f, "{interval} for each client, {burst} at once"),
            By::Route => write!(f, "{interval} for all together, {burst} at once"),
            By::Header(name) => write!(f, "{interval} for each {name}, {burst} at once"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limit(count: u32, period: u64, burst: u32) -> RateLimit {
        let interval = Interval { count, period: Duration::from_secs(period) };
        RateLimit { interval, burst, by: By::Client }
    }

    /// Sends requests at these microseconds; returns which pass.
    fn pass(limit: &RateLimit, at: &[u64]) -> Vec<bool> {
        let mut paid_at = 0_u64;
        let mut one = |now: &u64| match limit.admit(paid_at.saturating_sub(*now)) {
            Ok(ahead) => {
                paid_at = now + ahead;
                true
            }
            Err(_) => false,
        };
        at.iter().map(&mut one).collect()
    }

    #[test]
    fn a_burst_passes_and_then_one_an_interval() {
        let limit = limit(10, 1, 3);
        let at = [0, 0, 0, 0, 99_999, 100_000, 100_001, 200_000, 10_000_000, 10_000_000];
        let expected = [true, true, true, false, false, true, false, true, true, true];
        assert_eq!(pass(&limit, &at), expected);
    }

    #[test]
    fn the_wait_is_as_long_as_it_takes() {
        let limit = limit(10, 1, 1);
        assert_eq!(limit.admit(0), Ok(100_000));
        assert_eq!(limit.admit(70_000), Err(70_000));
        assert_eq!(limit.admit(100_000), Err(100_000));
    }

    proptest! {
        #[test]
        fn never_more_pass_than_burst_and_rate_allow(
            count in 1..1000u32,
            burst in 1..50u32,
            gaps in prop::collection::vec(0..50_000u64, 1..300),
        ) {
            let limit = limit(count, 1, burst);
            let at: Vec<u64> = gaps.iter().scan(0, |now, gap| { *now += gap; Some(*now) }).collect();
            let passed = pass(&limit, &at).into_iter().filter(|passed| *passed).count() as u64;
            let earned = (at[at.len() - 1] - at[0]) / limit.interval.micros();
            prop_assert!(passed <= u64::from(burst) + earned, "{passed}");
        }

        #[test]
        fn whoever_keeps_to_the_rate_is_never_stopped(count in 1..1000u32, requests in 1..300u64) {
            let limit = limit(count, 1, 1);
            let at: Vec<u64> = (0..requests).map(|at| at * limit.interval.micros()).collect();
            prop_assert!(pass(&limit, &at).into_iter().all(|passed| passed));
        }
    }
}
