//! The keys of what protects a pool as a whole: its circuit breaker, and load shedding.

use super::Default::{Absent, Is};
use super::Kind::One;
use super::{Table, key};
use crate::config::scalar::Scalar;

/// Limits of a pool, and when it is given a rest.
pub(super) static BREAKER: Table = Table {
    name: "a circuit breaker",
    keys: &[
        key(
            "max_requests",
            One(Scalar::Whole(1, 1_000_000)),
            Absent("no limit"),
            "Requests that the whole pool has under way at most; more are refused at once (503). Those that wait are limited by the `queue`.",
            "1000",
        )
        .known_as(&["max_concurrency", "max_active"]),
        key(
            "max_retries",
            One(Scalar::Whole(0, 1_000_000)),
            Absent("no limit but the `budget`"),
            "Requests under way at once that are tried again.",
            "20",
        ),
        key(
            "failure_percent",
            One(Scalar::Whole(0, 100)),
            Is("0"),
            "Requests whose answer was 5xx, or that no backend answered, in percent of a window that open the circuit: then nobody is asked for a `time` (503); 0 is never.",
            "50",
        )
        .known_as(&["error_rate", "failure_rate", "error_threshold"]),
        key(
            "min_requests",
            One(Scalar::Whole(1, 1_000_000)),
            Is("20"),
            "With fewer requests in a window `failure_percent` does not count.",
            "100",
        )
        .known_as(&["minimum_volume", "request_volume"]),
        key("window", One(Scalar::Time), Is("10s"), "How long a window is.", "30s"),
        key(
            "time",
            One(Scalar::Time),
            Is("5s"),
            "How long the circuit is open at first; the second time in a row twice as long, and so on, up to a tenth more by chance.",
            "10s",
        )
        .known_as(&["sleep_window", "fallback_duration", "open_time"]),
        key(
            "max_time",
            One(Scalar::Time),
            Is("1m"),
            "How long the circuit is open at most.",
            "5m",
        ),
        key(
            "half_open",
            One(Scalar::Whole(1, 1000)),
            Is("5"),
            "After its time one request at a time is let in; so many good answers close the circuit, one bad one opens it again.",
            "20",
        )
        .known_as(&["half_open_requests", "success_threshold"]),
    ],
    groups: &[],
};

/// How load that is too much is refused.
pub(super) static SHEDDING: Table = Table {
    name: "load shedding",
    keys: &[
        key(
            "min",
            One(Scalar::Whole(1, 1_000_000)),
            Is("10"),
            "Requests that the pool has under way are never limited to fewer.",
            "50",
        )
        .known_as(&["min_concurrency", "min_limit"]),
        key(
            "max",
            One(Scalar::Whole(1, 1_000_000)),
            Is("10000"),
            "They are never more.",
            "500",
        )
        .known_as(&["max_concurrency", "max_limit", "max_concurrency_limit"]),
        key(
            "tolerance",
            One(Scalar::Whole(110, 1000)),
            Is("150"),
            "Answers may take so long, in percent of what is usual, before fewer requests are let in.",
            "200",
        )
        .known_as(&["rtt_tolerance"]),
        key(
            "priority_header",
            One(Scalar::FieldName),
            Absent("none is heard"),
            "A field in which a request says `low`, `normal` or `high`: `low` may use 70 % of the limit, `normal` 90 %, `high` all. Whoever can send it is believed; a route's `priority` counts more.",
            "X-Priority",
        ),
    ],
    groups: &[],
};
