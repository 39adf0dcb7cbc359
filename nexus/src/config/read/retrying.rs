//! Retry policies, and warnings of attempts that are never made or take too long.

use std::time::Duration;

use crate::config::node::Span;
use crate::config::problem::{Problem, Step};
use crate::config::quantity::show_time;
use crate::config::section::Section;
use crate::retry::{Causes, Methods, Policy, Statuses};
use crate::settings::PoolSettings;

/// Bytes of a body that can be kept: with its head they fit into the largest buffer.
const KEPT_MOST: usize = 256 << 10;

/// Reads a policy; what it does not say is as in `base`.
pub(super) fn read(section: &Section<'_>, base: &Policy) -> Policy {
    let is_said = |key| section.written(key).is_some();
    Policy {
        attempts_max: section.whole_if("attempts").unwrap_or(base.attempts_max),
        on: if is_said("on") { Causes::named(&section.texts("on")) } else { base.on },
        statuses: if is_said("status") {
            Statuses::of(&section.statuses("status"))
        } else {
            base.statuses
        },
        methods: if is_said("methods") {
            Some(Methods::named(&section.texts("methods")))
        } else {
            base.methods
        },
        heeds_key: section.bool_if("idempotency_key").unwrap_or(base.heeds_key),
        per_try: section.time_if("per_try_timeout").or(base.per_try),
        budget: section.whole_if("budget").unwrap_or(base.budget),
        backoff: section.time_if("backoff").unwrap_or(base.backoff),
        hedge: section.hedge("hedge").or(base.hedge),
        kept_bytes_max: section.whole_if("keep_body").unwrap_or(base.kept_bytes_max),
    }
}

/// Warns of attempts that cannot be made, or that nobody waits for; `place` is where the timeouts
/// are said.
pub(super) fn check(
    pool: &PoolSettings,
    (section, place): (&Section<'_>, Span),
    shutdown: Duration,
    problems: &mut Vec<Problem>,
) {
    let (policy, attempts) = (&pool.retry, pool.retry.attempts_max);
    let count = u32::try_from(pool.backends.len()).unwrap_or(u32::MAX);
    if attempts > count && count > 0 && section.written("attempts").is_some() {
        let cause = format!("{attempts} attempts, but the pool has only {count} backends");
        let hint = format!("use {count}: a request is tried on each backend once at most");
        problems.push(Problem::warning(section.place("attempts"), cause, hint));
    }
    for key in [
        "on",
        "status",
        "methods",
        "idempotency_key",
        "per_try_timeout",
        "budget",
        "hedge",
        "keep_body",
    ] {
        if let (1, Some(span)) = (attempts, section.key_span(key)) {
            let cause = format!("`{key}` has no effect with a single attempt");
            let hint = format!("raise `attempts`, or remove `{key}`");
            problems.push(Problem::warning(span, cause, hint));
        }
    }
    if let Some(span) = section.key_span("status").filter(|_| policy.statuses.iter().count() == 0) {
        let cause = "no status in this list is an error: nothing is tried again for it";
        let hint = "name statuses from 400 to 599, such as 503";
        problems.push(Problem::warning(span, cause, hint));
    }
    if policy.kept_bytes_max > KEPT_MOST {
        let cause = "`keep_body` is above 256KiB: so much is never kept";
        let hint = "use 256KiB at most: it is memory for each upload under way";
        problems.push(Problem::error(Step::Meaning, section.place("keep_body"), cause, hint));
    }
    let waits = policy.per_try.filter(|per_try| *per_try >= pool.timeouts.response);
    if let (Some(per_try), Some(span)) = (waits, section.key_span("per_try_timeout")) {
        let (per_try, response) = (show_time(per_try), show_time(pool.timeouts.response));
        let cause = format!(
            "`per_try_timeout`, {per_try}, has no effect: it is not below `timeouts.response`, {response}"
        );
        let hint = "lower it, or remove it";
        problems.push(Problem::warning(span, cause, hint));
    }
    deadlines(pool, (section, place), shutdown, problems);
}

/// Warns of attempts that together take longer than anybody waits for them.
fn deadlines(
    pool: &PoolSettings,
    (section, place): (&Section<'_>, Span),
    shutdown: Duration,
    problems: &mut Vec<Problem>,
) {
    let count = u32::try_from(pool.backends.len()).unwrap_or(u32::MAX);
    let tries = pool.retry.attempts_max.min(count.max(1));
    let (each, limit, what, deadline, cure, place) = if pool.retry.on.response_timeout {
        let names = ("waiting for answers", "`timeouts.shutdown`", "`timeouts.response`");
        let place = section.written("on").map_or(place, |node| node.span);
        (pool.timeouts.response, shutdown, names.0, names.1, names.2, place)
    } else {
        let names = ("connecting", "`timeouts.response`", "`timeouts.connect`");
        (pool.timeouts.connect, pool.timeouts.response, names.0, names.1, names.2, place)
    };
    let all = each.saturating_mul(tries);
    if tries > 1 && all > limit && pool.timeouts.total.is_none() {
        let (all, each, limit) = (show_time(all), show_time(each), show_time(limit));
        let cause = format!(
            "retries outlive their deadline: {what} {tries} times {each} takes {all}, longer than {deadline}, {limit}"
        );
        let hint = format!("lower {cure} or `attempts`, raise {deadline}, or set `timeouts.total`");
        problems.push(Problem::warning(place, cause, hint));
    }
}
