//! What protects a pool as a whole.

use crate::config::problem::{Problem, Step};
use crate::config::section::Section;
use crate::ejection::Rules;
use crate::pool::admission::{Breaker, Shedding};
use crate::pool::gradient;

/// Keys that only concern an open circuit.
const OF_CIRCUIT: [&str; 5] = ["min_requests", "window", "time", "max_time", "half_open"];

/// Reads a circuit breaker.
pub(super) fn breaker(section: &Section<'_>, problems: &mut Vec<Problem>) -> Breaker {
    let rules = Rules {
        failure_percent: section.whole("failure_percent"),
        requests_min: section.whole("min_requests"),
        window: section.time("window"),
        time: section.time("time"),
        time_max: section.time("max_time"),
        half_open: section.whole("half_open"),
        ..Rules::NEVER
    };
    let breaker = Breaker {
        requests_max: section.whole_if("max_requests"),
        retries_max: section.whole_if("max_retries"),
        rules,
    };
    let has_limit = breaker.requests_max.is_some() || breaker.retries_max.is_some();
    if breaker.rules().is_none() && !has_limit {
        let cause = "`breaker` has no effect: no limit is set";
        let hint = "set `failure_percent`, `max_requests` or `max_retries`, or remove it";
        problems.push(Problem::warning(section.span(), cause, hint));
    } else if breaker.rules().is_none() {
        for span in OF_CIRCUIT.iter().filter_map(|key| section.key_span(key)) {
            let cause = "this has no effect: the circuit never opens";
            problems.push(Problem::warning(span, cause, "set `failure_percent`, or remove it"));
        }
    }
    breaker
}

/// Reads how load is shed.
pub(super) fn shedding(section: &Section<'_>, problems: &mut Vec<Problem>) -> Shedding {
    let rules = gradient::Rules {
        min: section.whole("min"),
        max: section.whole("max"),
        tolerance: section.whole("tolerance"),
    };
    if rules.min > rules.max {
        let cause = format!("`min`, {}, is above `max`, {}", rules.min, rules.max);
        let hint = "lower `min`, or raise `max`";
        problems.push(Problem::error(Step::Meaning, section.place("min"), cause, hint));
    }
    let rules = gradient::Rules { max: rules.max.max(rules.min), ..rules };
    Shedding { rules, priority_header: section.text_if("priority_header") }
}
