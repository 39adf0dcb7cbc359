//! How the others of a pool answer: who of them is the odd one. Pure.

use super::{Rules, Seen};

/// How the others of a pool answer: what a backend is compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peers {
    /// The mean of their success rates, from 0 to 1.
    rate: f64,
    /// The variance of these.
    variance: f64,
    /// The median of their times, in microseconds.
    time: f64,
}

impl Peers {
    /// With fewer nobody can tell who is the odd one.
    const COUNT_MIN: usize = 2;

    /// Sums up those who have answered enough; `None` if too few have.
    pub fn of(rules: &Rules, others: impl Iterator<Item = Seen>) -> Option<Self> {
        let is_enough = |seen: &Seen| seen.all() >= u64::from(rules.requests_min.max(1));
        let others: Vec<_> = others.filter(is_enough).collect();
        if others.len() < Self::COUNT_MIN {
            return None;
        }
        let count = others.len() as f64;
        let rate = others.iter().map(|seen| seen.rate()).sum::<f64>() / count;
        let square = |seen: &Seen| (seen.rate() - rate).powi(2);
        let variance = others.iter().map(square).sum::<f64>() / count;
        let mut times: Vec<_> = others.iter().map(|seen| seen.time()).collect();
        times.sort_by(f64::total_cmp);
        // Of an even number the lower one: a second slow backend must not hide the first.
        Some(Self { rate, variance, time: times[(times.len() - 1) / 2] })
    }

    /// Says whether a success rate is below what chance explains: the others differ by themselves,
    /// and so many requests do not all meet the mean.
    pub(super) fn are_above(&self, rules: &Rules, seen: Seen) -> bool {
        /// A difference that nobody feels is none, however certain it is.
        const DIFFERENCE_MIN: f64 = 0.05;
        let all = seen.all() as f64;
        // Nobody's failures are so rare that none may be chance.
        let rate = self.rate.min(1.0 - 1.0 / all);
        let deviation = (self.variance + rate * (1.0 - rate) / all).sqrt();
        let below = (deviation * f64::from(rules.deviation) / 100.0).max(DIFFERENCE_MIN);
        rules.deviation > 0 && seen.rate() < self.rate - below
    }

    /// Says whether answers take so much longer than theirs.
    pub(super) fn are_faster(&self, rules: &Rules, seen: Seen) -> bool {
        /// A difference that nobody feels is none, in microseconds.
        const DIFFERENCE_MIN: f64 = 5_000.0;
        let limit = self.time * f64::from(rules.latency) / 100.0;
        rules.latency > 0 && seen.time() >= limit.max(self.time + DIFFERENCE_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{NOTHING, RULES};
    use super::super::{Cause, Ejection};
    use super::*;

    /// A window with so many good and bad answers, each good one so many milliseconds long.
    fn window(good: u32, bad: u32, millis: u64) -> Seen {
        Seen { good, bad, micros: u64::from(good) * millis * 1000, ..NOTHING }
    }

    /// Judges the first of several windows beside the rest.
    fn beside(windows: &[Seen]) -> Option<Cause> {
        let only_compares = Rules {
            consecutive_5xx: 0,
            consecutive_gateway: 0,
            failure_percent: 0,
            deviation: 300,
            latency: 300,
            ..RULES
        };
        let peers = Peers::of(&only_compares, windows[1..].iter().copied());
        Ejection::default().cause(&only_compares, windows[0], peers)
    }

    #[test]
    fn the_odd_one_is_found_beside_two_others_and_not_beside_one() {
        let good = window(100, 0, 10);
        assert_eq!(beside(&[window(70, 30, 10), good, good]), Some(Cause::Deviation));
        assert_eq!(beside(&[window(70, 30, 10), good]), None, "which of two is the odd one?");
        assert_eq!(beside(&[window(97, 3, 10), good, good]), None, "three of a hundred are chance");
        assert_eq!(beside(&[window(9_700, 300, 10), good, good]), None, "and too few to matter");
        assert_eq!(beside(&[good, window(70, 30, 10), good]), None);
        let bad = window(70, 30, 10);
        assert_eq!(beside(&[bad, bad, bad]), None, "all are alike: it is not the backends");
        assert_eq!(beside(&[window(3, 6, 10), good, good]), None, "nine prove nothing");
        assert_eq!(
            beside(&[window(0, 100, 0), good, window(0, 0, 0), good]),
            Some(Cause::Deviation)
        );
    }

    #[test]
    fn the_slow_one_is_found_beside_two_others() {
        let usual = window(100, 0, 10);
        assert_eq!(beside(&[window(100, 0, 30), usual, usual]), Some(Cause::Latency));
        assert_eq!(beside(&[window(100, 0, 29), usual, usual]), None);
        assert_eq!(beside(&[window(100, 0, 30), usual]), None);
        assert_eq!(beside(&[usual, window(100, 0, 300), usual]), None);
        let (fast, slower) = (window(100, 0, 1), window(100, 0, 5));
        assert_eq!(beside(&[slower, fast, fast]), None, "nobody feels four milliseconds");
        let slow = window(100, 0, 100);
        assert_eq!(beside(&[slow, slow, usual]), Some(Cause::Latency), "two hide no third");
    }

    proptest::proptest! {
        #[test]
        fn chance_alone_seldom_ejects(seed in 0u64..1 << 40, rate in 0.5f64..1.0, count in 3usize..10) {
            let mut dice = seed | 1;
            let mut roll = || {
                dice ^= dice << 13;
                dice ^= dice >> 7;
                dice ^= dice << 17;
                (dice >> 11) as f64 / (1u64 << 53) as f64
            };
            let mut windows = || {
                let good = (0..200).filter(|_| roll() < rate).count() as u32;
                window(good, 200 - good, 10)
            };
            let ejected = (0..100).filter(|_| {
                let all: Vec<_> = (0..count).map(|_| windows()).collect();
                beside(&all).is_some()
            });
            // Three deviations on one side are one in 740.
            proptest::prop_assert!(ejected.count() <= 5);
        }
    }
}
