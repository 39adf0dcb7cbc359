//! The keys of a retry policy: a pool's, and a route's, whose defaults are those of its pool.

use super::Default::{Absent, Is};
use super::Kind::{One, OneOrMany};
use super::{Default, Key, Table, key};
use crate::config::scalar::Scalar;
use crate::retry::{Causes, Methods};

/// What is tried again of requests of a pool.
pub(super) static RETRY: Table = Table {
    name: "a retry policy",
    keys: &keys([
        Is("3"),
        Is("[connect, reset_before_response]"),
        Is("[]"),
        Absent("those that are idempotent"),
        Is("false"),
        Absent("no limit of its own"),
        Is("20"),
        Is("25ms"),
        Absent("never"),
        Is("64KiB"),
    ]),
    groups: &[],
};

/// What is tried again of requests of a route.
pub(super) static RETRY_OF_ROUTE: Table = Table {
    name: "a retry policy of a route",
    keys: &keys([Absent("the pool's; of a split, its first pool's"); 10]),
    groups: &[],
};

/// Returns the keys of a retry policy, with these defaults.
#[expect(clippy::too_many_lines, reason = "a table, not a procedure")]
const fn keys(defaults: [Default; 10]) -> [Key; 10] {
    let [attempts, on, statuses, methods, heeds_key, per_try, budget, backoff, hedge, keep] =
        defaults;
    [
        key(
            "attempts",
            One(Scalar::Whole(1, 100)),
            attempts,
            "Backends that one request is tried on at most; 1 is never again.",
            "2",
        )
        .known_as(&["retries", "tries", "max", "max_attempts", "count"]),
        key(
            "on",
            OneOrMany(Scalar::Choice(&Causes::NAMES)),
            on,
            "After which failures: `connect` (nothing was sent), `reset_before_response` (the connection ended without an answer), `response_timeout`, `bad_response` (an answer that is not valid HTTP).",
            "[connect, reset_before_response, response_timeout]",
        )
        .known_as(&["retry_on", "on_timeout", "conditions", "causes"]),
        key(
            "status",
            OneOrMany(Scalar::Statuses),
            statuses,
            "After which statuses of an answer, from 400 to 599, as long as somebody else has room; never if the answer says `Retry-After` with more than 0.",
            "[502, 503, 504]",
        )
        .known_as(&["statuses", "status_codes", "retriable_status_codes", "codes"]),
        key(
            "methods",
            OneOrMany(Scalar::Choice(&Methods::NAMES)),
            methods,
            "Which requests may run twice: without this GET, HEAD, OPTIONS, TRACE, PUT and DELETE. One of which nothing was sent is tried again whatever its method.",
            "[GET, HEAD]",
        )
        .known_as(&["retry_non_idempotent"]),
        key(
            "idempotency_key",
            One(Scalar::Bool),
            heeds_key,
            "Whether a request with an `Idempotency-Key` may run twice, too: only if the backends heed it.",
            "true",
        ),
        key(
            "per_try_timeout",
            One(Scalar::Time),
            per_try,
            "From the end of a request to the head of its answer, for an attempt that another may follow; the last has the `response` of the `timeouts`.",
            "2s",
        )
        .known_as(&["per_try", "try_timeout"]),
        key(
            "budget",
            One(Scalar::Whole(0, 1000)),
            budget,
            "Retries of requests that may have run, in percent of the pool's requests of the last ten seconds; 10 in ten seconds are always allowed, unless this is 0.",
            "10",
        )
        .known_as(&["retry_budget", "budget_percent"]),
        key(
            "backoff",
            One(Scalar::Time),
            backoff,
            "What a third attempt at a request that was sent waits at most, by chance; further ones twice as long each, up to ten times. The second comes at once.",
            "100ms",
        )
        .known_as(&["back_off", "delay", "interval"]),
        key(
            "hedge",
            One(Scalar::Hedge),
            hedge,
            "Asks another backend, too, when one has not answered after this time, or after `p95`, within which 95 of 100 answers of the pool come, as measured; the first answer wins. Only for requests that may run twice and are there whole; counts as an attempt and as a retry of the `budget`.",
            "50ms",
        )
        .known_as(&["hedging", "hedge_after", "speculative"]),
        key(
            "keep_body",
            One(Scalar::Size),
            keep,
            "Bytes of a request's body that are kept so that it can be sent again, 256KiB at most; a larger upload is not tried again once it is under way (`not_retried=body_not_kept` in the log).",
            "256KiB",
        )
        .known_as(&["buffer", "body_limit", "max_body_buffer", "replay_limit"]),
    ]
}
