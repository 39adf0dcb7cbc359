//! Who answers badly gets no requests for a while, whatever its probes say. Pure: what was seen and
//! the time in, a new standing out.

use std::time::Duration;

mod peers;

pub use peers::Peers;

/// When a backend is ejected, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// After so many 5xx or failed attempts in a row; 0 is never.
    pub consecutive_5xx: u32,
    /// After so many 502, 503, 504 or failed attempts in a row; 0 is never.
    pub consecutive_gateway: u32,
    /// When so many percent of a window's answers were 5xx or failures; 0 is never.
    pub failure_percent: u32,
    /// In a window with fewer answers the share proves nothing.
    pub requests_min: u32,
    /// How far below the others' a window's success rate is when it ejects, in percent of what
    /// chance explains: 300 is three standard deviations; 0 is never.
    pub deviation: u32,
    /// How long the answers of a window take when that ejects, in percent of the others' time; 0 is
    /// never.
    pub latency: u32,
    /// How long a window is.
    pub window: Duration,
    /// How long the first ejection lasts; each further one so much longer.
    pub time: Duration,
    /// How long an ejection lasts at most.
    pub time_max: Duration,
    /// So many percent of a pool are ejected at most, but one may always be.
    pub percent_max: u32,
    /// So many good answers in a row, one request at a time, end an ejection.
    pub half_open: u32,
}

impl Rules {
    /// Rules without any limit: what others begin with.
    pub const NEVER: Self = Self {
        consecutive_5xx: 0,
        consecutive_gateway: 0,
        failure_percent: 0,
        requests_min: 20,
        deviation: 0,
        latency: 0,
        window: Duration::from_secs(10),
        time: Duration::from_secs(30),
        time_max: Duration::from_secs(300),
        percent_max: 50,
        half_open: 5,
    };

    /// Says whether any limit is set.
    pub fn has_limit(&self) -> bool {
        self.consecutive_5xx > 0 || self.consecutive_gateway > 0 || self.looks_back()
    }

    /// Says whether backends are judged by what they answered in a window of time.
    pub fn looks_back(&self) -> bool {
        self.failure_percent > 0 || self.compares()
    }

    /// Says whether backends are compared with each other.
    pub fn compares(&self) -> bool {
        self.deviation > 0 || self.latency > 0
    }
}

/// Why a backend is ejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// 5xx in a row.
    Consecutive5xx,
    /// 502, 503, 504 in a row.
    ConsecutiveGateway,
    /// Too many of a window.
    FailurePercent,
    /// More of a window than chance explains, beside the others.
    Deviation,
    /// It takes much longer than the others.
    Latency,
    /// A bad answer while it was tried out.
    StillBad,
    /// Slow answers while it was tried out.
    StillSlow,
    /// An operator said so.
    Operator,
}

impl Cause {
    /// Returns the stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Consecutive5xx => "consecutive_5xx",
            Self::ConsecutiveGateway => "consecutive_gateway",
            Self::FailurePercent => "failure_percent",
            Self::Deviation => "deviation",
            Self::Latency => "latency",
            Self::StillBad => "still_bad",
            Self::StillSlow => "still_slow",
            Self::Operator => "operator",
        }
    }
}

/// Whether a backend gets requests, as far as its answers decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    /// As many as it should.
    #[default]
    In,
    /// None until then.
    Out(Cause, Duration),
    /// One at a time, to see how it answers.
    HalfOpen(Cause),
}

/// Answers that were counted since the last change, or the beginning of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// 5xx and failures, the last in a row.
    pub streak_5xx: u32,
    /// 502, 503, 504 and failures, the last in a row.
    pub streak_gateway: u32,
    /// Others than 5xx.
    pub good: u32,
    /// 5xx and failures.
    pub bad: u32,
    /// How long the good ones took together, in microseconds, if somebody wants to know.
    pub micros: u64,
}

impl Seen {
    fn all(self) -> u64 {
        u64::from(self.good) + u64::from(self.bad)
    }

    /// Returns the part of good ones, from 0 to 1.
    fn rate(self) -> f64 {
        f64::from(self.good) / self.all().max(1) as f64
    }

    /// Returns how long a good one took, in microseconds.
    fn time(self) -> f64 {
        self.micros as f64 / f64::from(self.good.max(1))
    }
}

/// What the rest of the pool allows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Others {
    /// Whether one more may be ejected.
    pub may_eject: bool,
    /// Whether anybody else is available.
    pub is_anybody: bool,
    /// How they answer, if the rules compare and there are enough of them.
    pub peers: Option<Peers>,
}

/// What a step has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing; counting goes on.
    Stays,
    /// Counting begins anew.
    NewWindow,
    /// The standing changed, and counting begins anew.
    Changed,
}

/// A backend's standing and its past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ejection {
    /// The standing now.
    pub standing: Standing,
    /// How often it was ejected in a row.
    pub times: u32,
    /// When the standing began.
    since: Duration,
    /// When the window began.
    window_since: Duration,
}

impl Ejection {
    /// Looks at what was seen up to `now`, the time since some beginning; `dice` is from 0 to 1.
    ///
    /// | standing | what is seen | becomes |
    /// |---|---|---|
    /// | in | a limit is reached, and one more may be ejected | out |
    /// | out | its time is over | half open |
    /// | half open | a bad answer, or slow ones after an ejection for that | out, for longer |
    /// | half open | `half_open` good answers, no bad one | in |
    /// | out, half open | nobody else is available | in |
    pub fn step(&mut self, rules: &Rules, seen: Seen, others: Others, at: (Duration, f64)) -> Step {
        let (now, dice) = at;
        let next = match self.standing {
            Standing::In => match self.cause(rules, seen, others.peers) {
                Some(cause) if others.may_eject && others.is_anybody => {
                    // A long time of good conduct makes good.
                    if now.saturating_sub(self.since) >= rules.time_max {
                        self.times = 0;
                    }
                    self.out(rules, cause, (now, dice))
                }
                _ => Standing::In,
            },
            _ if !others.is_anybody => Standing::In,
            Standing::Out(cause, until) if now >= until => Standing::HalfOpen(cause),
            Standing::HalfOpen(_) if seen.bad > 0 => self.out(rules, Cause::StillBad, (now, dice)),
            Standing::HalfOpen(Cause::Latency | Cause::StillSlow)
                if seen.good >= rules.half_open
                    && others.peers.is_some_and(|peers| peers.are_faster(rules, seen)) =>
            {
                self.out(rules, Cause::StillSlow, (now, dice))
            }
            Standing::HalfOpen(_) if seen.good >= rules.half_open => Standing::In,
            as_it_is => as_it_is,
        };
        let is_window_over =
            next == Standing::In && now.saturating_sub(self.window_since) >= rules.window;
        if next != self.standing {
            (self.standing, self.since, self.window_since) = (next, now, now);
            Step::Changed
        } else if is_window_over && rules.looks_back() {
            self.window_since = now;
            Step::NewWindow
        } else {
            Step::Stays
        }
    }

    /// Goes out until then by an operator's word, whatever the rules say of how many may be. It does
    /// not count as one in a row.
    pub fn order(&mut self, now: Duration, until: Duration) {
        self.standing = Standing::Out(Cause::Operator, until);
        (self.since, self.window_since) = (now, now);
    }

    /// Says whether it is over at `now` where no rules are: then only an operator ejects, and nobody
    /// counts the answers by which it could be tried out.
    pub fn is_over(&self, now: Duration, is_anybody: bool) -> bool {
        match self.standing {
            Standing::Out(Cause::Operator, until) => now >= until || !is_anybody,
            _ => true,
        }
    }

    fn cause(&self, rules: &Rules, seen: Seen, peers: Option<Peers>) -> Option<Cause> {
        let reaches = |streak: u32, limit: u32| limit > 0 && streak >= limit;
        let all = seen.all();
        let is_enough = all >= u64::from(rules.requests_min.max(1));
        let peers = peers.filter(|_| is_enough);
        let limit = u64::from(rules.failure_percent);
        if reaches(seen.streak_gateway, rules.consecutive_gateway) {
            Some(Cause::ConsecutiveGateway)
        } else if reaches(seen.streak_5xx, rules.consecutive_5xx) {
            Some(Cause::Consecutive5xx)
        } else if limit > 0 && is_enough && u64::from(seen.bad) * 100 >= limit * all {
            Some(Cause::FailurePercent)
        } else if peers.is_some_and(|peers| peers.are_above(rules, seen)) {
            Some(Cause::Deviation)
        } else if peers.is_some_and(|peers| peers.are_faster(rules, seen)) {
            Some(Cause::Latency)
        } else {
            None
        }
    }

    /// Goes out for longer each time, and never for the same time as others.
    fn out(&mut self, rules: &Rules, cause: Cause, (now, dice): (Duration, f64)) -> Standing {
        const JITTER: f64 = 0.1;
        self.times = self.times.saturating_add(1);
        let time = rules.time.saturating_mul(self.times).min(rules.time_max);
        let time = time.mul_f64(1.0 + JITTER * dice).min(rules.time_max);
        Standing::Out(cause, now + time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const RULES: Rules = Rules {
        consecutive_5xx: 3,
        consecutive_gateway: 2,
        failure_percent: 50,
        requests_min: 10,
        deviation: 0,
        latency: 0,
        window: Duration::from_secs(10),
        time: Duration::from_secs(30),
        time_max: Duration::from_secs(100),
        percent_max: 50,
        half_open: 2,
    };
    const FREE: Others = Others { may_eject: true, is_anybody: true, peers: None };
    pub(super) const NOTHING: Seen =
        Seen { streak_5xx: 0, streak_gateway: 0, good: 0, bad: 0, micros: 0 };

    fn at(seconds: u64) -> (Duration, f64) {
        (Duration::from_secs(seconds), 0.0)
    }

    fn out(cause: Cause, until: u64) -> Standing {
        Standing::Out(cause, Duration::from_secs(until))
    }

    #[test]
    fn each_limit_ejects_when_it_is_reached() {
        let cases = [
            (Seen { streak_5xx: 2, bad: 2, ..NOTHING }, None),
            (Seen { streak_5xx: 3, bad: 3, ..NOTHING }, Some(Cause::Consecutive5xx)),
            (
                Seen { streak_gateway: 2, streak_5xx: 2, bad: 2, ..NOTHING },
                Some(Cause::ConsecutiveGateway),
            ),
            (Seen { good: 4, bad: 5, ..NOTHING }, None),
            (Seen { good: 5, bad: 5, ..NOTHING }, Some(Cause::FailurePercent)),
            (Seen { good: 6, bad: 5, ..NOTHING }, None),
        ];
        for (seen, cause) in cases {
            let mut ejection = Ejection::default();
            ejection.step(&RULES, seen, FREE, at(1));
            let expected = cause.map_or(Standing::In, |cause| out(cause, 31));
            assert_eq!(ejection.standing, expected, "{seen:?}");
        }
        let off = Rules { consecutive_5xx: 0, consecutive_gateway: 0, failure_percent: 0, ..RULES };
        let all = Seen { streak_5xx: 99, streak_gateway: 99, bad: 99, ..NOTHING };
        assert_eq!(Ejection::default().step(&off, all, FREE, at(1)), Step::Stays);
    }

    #[test]
    fn it_comes_back_by_good_answers_only_and_stays_out_longer_each_time() {
        let bad = Seen { streak_5xx: 3, bad: 3, ..NOTHING };
        let mut ejection = Ejection::default();
        ejection.step(&RULES, bad, FREE, at(0));
        assert_eq!(ejection.step(&RULES, NOTHING, FREE, at(29)), Step::Stays);
        assert_eq!(ejection.step(&RULES, NOTHING, FREE, at(30)), Step::Changed);
        assert_eq!(ejection.standing, Standing::HalfOpen(Cause::Consecutive5xx));
        ejection.step(&RULES, Seen { bad: 1, ..NOTHING }, FREE, at(31));
        assert_eq!(ejection.standing, out(Cause::StillBad, 91), "twice as long");
        ejection.step(&RULES, NOTHING, FREE, at(91));
        assert_eq!(ejection.step(&RULES, Seen { good: 1, ..NOTHING }, FREE, at(92)), Step::Stays);
        ejection.step(&RULES, Seen { good: 2, ..NOTHING }, FREE, at(93));
        assert_eq!(ejection.standing, Standing::In);
        ejection.step(&RULES, bad, FREE, at(94));
        assert_eq!(ejection.standing, out(Cause::Consecutive5xx, 184), "three times as long");
    }

    #[test]
    fn a_long_time_of_good_conduct_makes_good_however_many_windows_it_has() {
        let bad = Seen { streak_5xx: 3, bad: 3, ..NOTHING };
        let mut ejection = Ejection::default();
        ejection.step(&RULES, bad, FREE, at(0));
        ejection.step(&RULES, NOTHING, FREE, at(30));
        ejection.step(&RULES, Seen { good: 2, ..NOTHING }, FREE, at(31));
        for seconds in (41..=131).step_by(10) {
            let step = ejection.step(&RULES, Seen { good: 50, ..NOTHING }, FREE, at(seconds));
            assert_eq!(step, Step::NewWindow);
        }
        ejection.step(&RULES, bad, FREE, at(132));
        assert_eq!(ejection.standing, out(Cause::Consecutive5xx, 162), "as the first time");
    }

    #[test]
    fn who_is_alone_stays_in_or_is_let_in() {
        let bad = Seen { streak_5xx: 3, bad: 3, ..NOTHING };
        let alone = Others { is_anybody: false, ..FREE };
        let mut ejection = Ejection::default();
        assert_eq!(ejection.step(&RULES, bad, alone, at(0)), Step::Stays);
        assert_eq!(
            ejection.step(&RULES, bad, Others { may_eject: false, ..FREE }, at(0)),
            Step::Stays
        );
        ejection.step(&RULES, bad, FREE, at(0));
        assert_eq!(ejection.step(&RULES, NOTHING, alone, at(1)), Step::Changed);
        assert_eq!(ejection.standing, Standing::In);
    }

    #[test]
    fn whom_an_operator_ejected_is_tried_out_by_rules_and_just_comes_back_without() {
        let mut ejection = Ejection::default();
        ejection.order(at(0).0, at(60).0);
        assert_eq!(ejection.standing, out(Cause::Operator, 60));
        assert!(!ejection.is_over(at(59).0, true) && ejection.is_over(at(60).0, true));
        assert!(ejection.is_over(at(1).0, false), "nobody else is available");
        assert_eq!(ejection.step(&RULES, NOTHING, FREE, at(59)), Step::Stays);
        assert_eq!(ejection.step(&RULES, NOTHING, FREE, at(60)), Step::Changed);
        assert_eq!(ejection.standing, Standing::HalfOpen(Cause::Operator));
        assert!(ejection.is_over(at(61).0, true), "the rules are gone");
        ejection.step(&RULES, Seen { bad: 1, ..NOTHING }, FREE, at(61));
        assert_eq!(ejection.standing, out(Cause::StillBad, 91), "the first one that counts");
    }

    #[test]
    fn who_was_slow_comes_back_when_it_is_as_fast_as_the_others() {
        let window = |good: u32, _: u32, millis: u64| Seen {
            good,
            micros: u64::from(good) * millis * 1000,
            ..NOTHING
        };
        let rules = Rules { latency: 300, ..RULES };
        let usual = window(100, 0, 10);
        let peers = Peers::of(&rules, [usual, usual].into_iter());
        let others = Others { peers, ..FREE };
        let mut ejection = Ejection::default();
        ejection.step(&rules, window(50, 0, 200), others, at(0));
        assert_eq!(ejection.standing, out(Cause::Latency, 30));
        ejection.step(&rules, NOTHING, others, at(30));
        ejection.step(&rules, window(2, 0, 200), others, at(31));
        assert_eq!(ejection.standing, out(Cause::StillSlow, 91));
        ejection.step(&rules, NOTHING, others, at(91));
        ejection.step(&rules, window(2, 0, 12), others, at(92));
        assert_eq!(ejection.standing, Standing::In);
    }

    proptest::proptest! {
        #[test]
        fn no_change_without_its_reason_and_no_stay_beyond_its_limit(
            seen in proptest::collection::vec((0u32..5, 0u32..3, 0u32..20, 0u32..20, 0u64..50), 1..200),
            dice in 0.0f64..1.0,
        ) {
            let (mut ejection, mut now) = (Ejection::default(), Duration::ZERO);
            for (streak_5xx, streak_gateway, good, bad, seconds) in seen {
                now += Duration::from_secs(seconds);
                let seen = Seen { streak_5xx, streak_gateway, good, bad, micros: 0 };
                let before = ejection;
                ejection.step(&RULES, seen, FREE, (now, dice));
                let is_bad = ejection.cause(&RULES, seen, None).is_some();
                match (before.standing, ejection.standing) {
                    (Standing::In, Standing::Out(_, until)) => {
                        proptest::prop_assert!(is_bad);
                        proptest::prop_assert!(until - now >= RULES.time);
                        proptest::prop_assert!(until - now <= RULES.time_max);
                    }
                    (Standing::In, Standing::In) => proptest::prop_assert!(!is_bad),
                    (Standing::Out(_, until), Standing::HalfOpen(_)) => proptest::prop_assert!(now >= until),
                    (Standing::Out(_, until), Standing::Out(..)) => proptest::prop_assert!(now < until),
                    (Standing::HalfOpen(_), Standing::In) => {
                        proptest::prop_assert!(bad == 0 && good >= RULES.half_open);
                    }
                    (Standing::HalfOpen(_), Standing::Out(Cause::StillBad, until)) => {
                        proptest::prop_assert!(bad > 0 && until - now <= RULES.time_max);
                    }
                    (Standing::HalfOpen(_), Standing::HalfOpen(_)) => proptest::prop_assert!(bad == 0),
                    (before, after) => proptest::prop_assert!(false, "{:?} became {:?}", before, after),
                }
            }
        }
    }
}
