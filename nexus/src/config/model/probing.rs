//! The keys of a health check.

use super::Default::{Absent, Is};
use super::Kind::{Many, Named, One, OneOrMany};
use super::{Table, key};
use crate::config::scalar::Scalar;
use crate::settings::ProbeKind;

/// How backends are probed.
pub(super) static HEALTH_CHECK: Table = Table {
    name: "a health check",
    keys: &[
        key(
            "type",
            One(Scalar::Choice(&ProbeKind::NAMES)),
            Is("tcp"),
            "What a probe does: `tcp` opens a connection, `http` asks for `path` over a connection of its own and looks at the answer, `grpc` asks by `grpc.health.v1` whether `service` is served, `command` runs a program.",
            "http",
        )
        .known_as(&["kind", "protocol", "mode"]),
        key(
            "version",
            One(Scalar::Choice(&["http1", "http2"])),
            Is("http1"),
            "The version of HTTP that an `http` probe speaks; `http2` is spoken at once, as for gRPC.",
            "http2",
        ),
        key(
            "service",
            One(Scalar::Text),
            Is("\"\""),
            "The service that a `grpc` probe asks for; without one the server as a whole.",
            "shop.Cart",
        ),
        key(
            "command",
            Many(&One(Scalar::Text)),
            Is("[]"),
            "The program that a `command` probe runs, and its arguments, in which `{url}`, `{host}` and `{port}` are the backend's; it must exit with 0 within the `timeout`. No shell is between.",
            "[/usr/lib/nexus/check-db, \"{host}\", \"{port}\"]",
        )
        .known_as(&["external", "exec", "script", "program"]),
        key(
            "path",
            One(Scalar::Path),
            Is("/"),
            "What an `http` probe asks for: a path without a query.",
            "/healthz",
        )
        .known_as(&["uri", "url", "endpoint"]),
        key(
            "method",
            One(Scalar::Method),
            Is("GET"),
            "The method of an `http` probe.",
            "HEAD",
        ),
        key(
            "host",
            One(Scalar::FieldValue),
            Absent("the backend's address"),
            "The `Host` of an `http` or `grpc` probe.",
            "example.com",
        )
        .known_as(&["hostname", "authority"]),
        key(
            "headers",
            Named(Scalar::FieldName, &One(Scalar::FieldValue)),
            Is("{}"),
            "Further fields of an `http` or `grpc` probe.",
            "{ X-Probe: nexus }",
        ),
        key(
            "status",
            OneOrMany(Scalar::Statuses),
            Is("200-399"),
            "The statuses that an `http` probe expects.",
            "[200, 204]",
        )
        .known_as(&["statuses", "expect", "expected_statuses", "expected_codes", "codes"]),
        key(
            "body",
            One(Scalar::Text),
            Absent("any"),
            "Text that the answer to an `http` probe must have in its first 64 KiB.",
            "\"OK\"",
        )
        .known_as(&["contains", "expect_body"]),
        key(
            "body_regex",
            One(Scalar::Regex),
            Absent("any"),
            "An expression that the answer to an `http` probe must match in its first 64 KiB.",
            "\"status.*up\"",
        )
        .known_as(&["match", "regex"]),
        key(
            "port",
            One(Scalar::Whole(1, 65_535)),
            Absent("the port of the requests"),
            "The port that is probed.",
            "9000",
        ),
        key(
            "interval",
            One(Scalar::Time),
            Is("10s"),
            "From one probe of a backend to the next.",
            "2s",
        )
        .known_as(&["inter", "period", "every"]),
        key(
            "interval_down",
            One(Scalar::Time),
            Absent("what `interval` says"),
            "The same while the backend is DOWN.",
            "1s",
        )
        .known_as(&["downinter", "unhealthy_interval"]),
        key(
            "jitter",
            One(Scalar::Whole(0, 50)),
            Is("10"),
            "By how much intervals vary either way, in percent: many Nexus must not probe at the same moment.",
            "25",
        )
        .known_as(&["spread", "spread_checks"]),
        key("timeout", One(Scalar::Time), Is("2s"), "Until a probe counts as failed.", "500ms"),
        key(
            "rise",
            One(Scalar::Whole(1, 100)),
            Is("1"),
            "Probes in a row that must succeed until a backend is UP again.",
            "2",
        )
        .known_as(&["passes", "healthy_threshold", "health_passes"]),
        key(
            "fall",
            One(Scalar::Whole(1, 100)),
            Is("1"),
            "Probes in a row that must fail until a backend is DOWN.",
            "3",
        )
        .known_as(&["fails", "unhealthy_threshold", "health_fails"]),
        key(
            "request_errors",
            One(Scalar::Whole(0, 1000)),
            Is("1"),
            "Connection errors of requests in a row that mark a backend DOWN, each of which was tried elsewhere if that is safe; 0 leaves it to the probes.",
            "3",
        )
        .known_as(&["max_fails", "consecutive_local_origin_failure"]),
        key(
            "initial",
            One(Scalar::Choice(&["up", "down"])),
            Is("up"),
            "What a backend counts as until its first probe, which alone decides then.",
            "down",
        )
        .known_as(&["init_state", "init-state"]),
    ],
    groups: &[],
};
