//! Decides what a request gets. Pure: facts, rules and dice in, a plan out.

use std::time::Duration;

use crate::dice::{salt, scaled};
use crate::fault::Fault;
use crate::rules::Rules;

/// What is known about a request besides the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// What chance depends on: `X-Loadtest-Seq`, or else connection and place on it.
    pub(crate) key: u64,
    /// How often the same sequence number was seen before.
    pub(crate) times_seen: u64,
    /// Requests answered on this connection before.
    pub(crate) answered: u64,
    /// Whether it came over HTTP/2.
    pub(crate) is_http2: bool,
}

/// What a request gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// How long it waits for it.
    pub(crate) after: Duration,
    /// What it gets.
    pub(crate) act: Act,
}

/// What is done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// It is answered with the status at this place in the list.
    Answer(usize),
    /// Something goes wrong. Never [`Fault::Refuse`], which no request lives to see.
    Fault(Fault),
}

/// Decides. `claim` is asked before a fault that may happen only so often: may it, once more?
pub(crate) fn decide(rules: &Rules, facts: Facts, mut claim: impl FnMut(usize) -> bool) -> Plan {
    let after = latency(rules, facts);
    if rules.is_silent() {
        return Plan { after, act: Act::Fault(Fault::Hang(None)) };
    }
    if rules.keepalive_requests.is_some_and(|limit| facts.answered >= limit) {
        return Plan { after, act: Act::Fault(Fault::Close) };
    }
    for (place, rule) in rules.faults.iter().enumerate() {
        let is_met =
            rule.rule.fault.is_for(facts.is_http2) && rule.is_met(roll(rules, rule.salt, facts));
        if is_met && claim(place) {
            return Plan { after, act: Act::Fault(rule.rule.fault) };
        }
    }
    let status = rules.statuses.pick(roll(rules, salt("status"), facts));
    Plan { after, act: Act::Answer(status) }
}

fn latency(rules: &Rules, facts: Facts) -> Duration {
    if rules.jitter.is_zero() {
        return rules.latency;
    }
    let jitter_ns = u64::try_from(rules.jitter.as_nanos()).unwrap_or(u64::MAX / 4);
    let off_ns =
        scaled(roll(rules, salt("jitter"), facts), jitter_ns.saturating_mul(2).saturating_add(1));
    (rules.latency + Duration::from_nanos(off_ns)).saturating_sub(rules.jitter)
}

fn roll(rules: &Rules, salt: u64, facts: Facts) -> u64 {
    rules.dice.roll(salt, facts.key, facts.times_seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flap::{Down, Mode};

    fn rules(faults: &[&str]) -> Rules {
        let mut rules = Rules::healthy("b1");
        for fault in faults {
            rules.add_fault(fault.parse().unwrap());
        }
        rules
    }

    fn facts(key: u64) -> Facts {
        Facts { key, times_seen: 0, answered: 0, is_http2: false }
    }

    fn acts(rules: &Rules, key: u64) -> Act {
        decide(rules, facts(key), |_| true).act
    }

    #[test]
    fn a_healthy_backend_answers_at_once() {
        let plan = decide(&rules(&[]), facts(0), |_| false);
        assert_eq!(plan, Plan { after: Duration::ZERO, act: Act::Answer(0) });
    }

    #[test]
    fn the_first_rule_that_applies_wins() {
        assert_eq!(acts(&rules(&["close", "hang"]), 0), Act::Fault(Fault::Close));
        let exhausted = decide(&rules(&["close", "hang"]), facts(0), |place| place != 0);
        assert_eq!(exhausted.act, Act::Fault(Fault::Hang(None)));
    }

    #[test]
    fn a_rule_with_a_chance_meets_that_share_of_requests_and_always_the_same_ones() {
        let rules = rules(&["close@0.25"]);
        let meets = |key: &u64| acts(&rules, *key) == Act::Fault(Fault::Close);
        let first: Vec<u64> = (0..10_000).filter(meets).collect();
        assert!((2_300..2_700).contains(&first.len()), "{}", first.len());
        let again: Vec<u64> = (0..10_000).rev().filter(meets).collect();
        assert!(first.iter().eq(again.iter().rev()));
    }

    #[test]
    fn the_same_number_seen_again_rolls_anew() {
        let rules = rules(&["close@0.5"]);
        let fate = |times_seen| decide(&rules, Facts { times_seen, ..facts(7) }, |_| true).act;
        assert!((1..20).any(|times| fate(times) != fate(0)));
    }

    #[test]
    fn what_befalls_streams_befalls_no_request_of_http1() {
        let rules = rules(&["refuse_stream", "rst_stream", "goaway"]);
        let meets = |is_http2| decide(&rules, Facts { is_http2, ..facts(0) }, |_| true).act;
        assert_eq!(meets(true), Act::Fault(Fault::RefuseStream));
        assert_eq!(meets(false), Act::Answer(0));
    }

    #[test]
    fn a_rule_that_cannot_apply_is_never_claimed() {
        let rules = rules(&["close@0.000001"]);
        decide(&rules, facts(1), |_| panic!("claimed"));
    }

    #[test]
    fn the_request_after_the_last_of_a_connection_meets_its_end() {
        let mut rules = rules(&[]);
        rules.keepalive_requests = Some(2);
        let act = |answered| decide(&rules, Facts { answered, ..facts(0) }, |_| true).act;
        assert_eq!(
            [act(0), act(1), act(2)],
            [Act::Answer(0), Act::Answer(0), Act::Fault(Fault::Close)]
        );
    }

    #[test]
    fn only_silence_is_being_down_for_a_request() {
        let mut rules = rules(&[]);
        for mode in [Mode::Hang, Mode::Blackhole] {
            rules.down = Some(Down::new(mode, None));
            assert_eq!(acts(&rules, 0), Act::Fault(Fault::Hang(None)));
        }
        rules.down = Some(Down::new(Mode::Refuse, None));
        assert_eq!(acts(&rules, 0), Act::Answer(0));
    }

    #[test]
    fn latency_varies_evenly_in_both_directions_and_never_below_zero() {
        let mut rules = rules(&[]);
        (rules.latency, rules.jitter) = (Duration::from_millis(5), Duration::from_millis(2));
        let waits: Vec<Duration> = (0..1000).map(|key| latency(&rules, facts(key))).collect();
        let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
        assert!(
            (3000..3100).contains(&least.as_micros()) && (6900..7001).contains(&most.as_micros())
        );
        rules.latency = Duration::ZERO;
        assert!((0..1000).any(|key| latency(&rules, facts(key)).is_zero()));
    }
}
