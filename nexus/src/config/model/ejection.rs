//! The keys that say when backends are ejected for what they answer.

use super::Default::Is;
use super::Kind::One;
use super::{Table, key};
use crate::config::scalar::Scalar;

/// When a backend is ejected, and for how long.
pub(super) static EJECTION: Table = Table {
    name: "an ejection",
    keys: &[
        key(
            "consecutive_5xx",
            One(Scalar::Whole(0, 10_000)),
            Is("5"),
            "Answers with 5xx, or attempts without an answer, in a row that eject a backend; 0 is never.",
            "3",
        )
        .known_as(&["consecutive_errors", "max_fails"]),
        key(
            "consecutive_gateway",
            One(Scalar::Whole(0, 10_000)),
            Is("0"),
            "The same for 502, 503 and 504 alone.",
            "3",
        )
        .known_as(&["consecutive_gateway_errors", "consecutive_gateway_failure"]),
        key(
            "failure_percent",
            One(Scalar::Whole(0, 100)),
            Is("0"),
            "Answers with 5xx, or attempts without an answer, in percent of a window that eject a backend; 0 is never.",
            "50",
        )
        .known_as(&["failure_percentage", "error_rate", "failure_percentage_threshold"]),
        key(
            "min_requests",
            One(Scalar::Whole(1, 1_000_000)),
            Is("20"),
            "With fewer answers in a window `failure_percent`, `deviation` and `latency` do not count.",
            "100",
        )
        .known_as(&["minimum_volume", "request_volume"]),
        key(
            "deviation",
            One(Scalar::Whole(0, 1000)),
            Is("0"),
            "How far below that of the others the success rate of a window is that ejects, in percent of the standard deviation (300 is three) and at least 5 points; needs two others with enough answers; 0 is never.",
            "300",
        )
        .known_as(&["success_rate_stdev_factor"]),
        key(
            "latency",
            One(Scalar::Whole(0, 10_000)),
            Is("0"),
            "How long the good answers of a window take on average when that ejects, in percent of the median of the others, and at least 5 ms more; needs two others with enough answers; 0 is never.",
            "300",
        )
        .known_as(&["unhealthy_latency"]),
        key("window", One(Scalar::Time), Is("10s"), "How long a window is.", "30s"),
        key(
            "time",
            One(Scalar::Time),
            Is("30s"),
            "How long the first ejection lasts; the second twice as long, and so on, up to a tenth more by chance.",
            "10s",
        )
        .known_as(&["base_ejection_time", "fail_timeout", "duration"]),
        key(
            "max_time",
            One(Scalar::Time),
            Is("5m"),
            "How long an ejection lasts at most; after as long without one the count begins anew.",
            "1m",
        )
        .known_as(&["max_ejection_time"]),
        key(
            "max_percent",
            One(Scalar::Whole(0, 100)),
            Is("50"),
            "Backends of the pool that are ejected at most, in percent; one may always be, the last that is available never.",
            "30",
        )
        .known_as(&["max_ejection_percent"]),
        key(
            "half_open",
            One(Scalar::Whole(1, 1000)),
            Is("5"),
            "After its time a backend gets one request at a time; so many good answers end the ejection, one bad one begins the next.",
            "20",
        )
        .known_as(&["half_open_requests", "success_threshold"]),
    ],
    groups: &[],
};
