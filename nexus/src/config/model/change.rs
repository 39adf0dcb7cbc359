//! The keys that say what a route changes on the way to a backend and back.

use super::Default::{Absent, Is, Required};
use super::Kind::{Named, One, OneOrMany};
use super::{Group, Table, key};
use crate::config::scalar::Scalar;

/// The target that the backend sees.
pub(super) static REWRITE: Table = Table {
    name: "a rewrite",
    keys: &[
        key(
            "strip_prefix",
            One(Scalar::Path),
            Absent("–"),
            "Goes from the front of the path, by segment; a path without it stays.",
            "/api",
        ),
        key(
            "regex",
            One(Scalar::Regex),
            Absent("–"),
            "What is replaced where it is found first in the path; with `replace`.",
            "'^/v1/(.*)$'",
        ),
        key(
            "replace",
            One(Scalar::Text),
            Absent("–"),
            "What takes its place; `$1` is the first group. With `regex`.",
            "\"/v2/$1\"",
        )
        .known_as(&["with", "replacement"]),
        key("add_prefix", One(Scalar::Path), Absent("–"), "Comes in front of the path.", "/v2"),
    ],
    groups: &[],
};

/// Changes to the fields of a head.
pub(super) static HEADERS: Table = Table {
    name: "changes to headers",
    keys: &[
        key(
            "remove",
            OneOrMany(Scalar::FieldName),
            Is("[]"),
            "Fields that go, in any case of their name.",
            "[Server, X-Powered-By]",
        )
        .known_as(&["delete", "del", "hide"]),
        key(
            "set",
            Named(Scalar::FieldName, &One(Scalar::FieldValue)),
            Is("{}"),
            "Fields that replace all of their name.",
            "{ X-Site: main }",
        ),
        key(
            "add",
            Named(Scalar::FieldName, &One(Scalar::FieldValue)),
            Is("{}"),
            "Fields that come after those of their name.",
            "{ Vary: Origin }",
        )
        .known_as(&["append"]),
    ],
    groups: &[],
};

/// How long a backend may take for requests of a route.
pub(super) static TIMEOUTS: Table = Table {
    name: "timeouts of a route",
    keys: &[
        key(
            "connect",
            One(Scalar::Time),
            Absent("the pool's"),
            "Until a backend accepts a connection.",
            "500ms",
        ),
        key(
            "response",
            One(Scalar::Time),
            Absent("the pool's"),
            "From the end of a request to the head of its answer (504).",
            "2m",
        )
        .known_as(&["read", "upstream"]),
        key(
            "total",
            One(Scalar::Time),
            Absent("the pool's"),
            "From the head of a request to the head of its answer, over all attempts and waits (504).",
            "10s",
        )
        .known_as(&["request", "deadline"]),
        key(
            "stall",
            One(Scalar::Time),
            Absent("the pool's"),
            "Without a byte from or to a backend in the middle of a body (504, or the answer breaks off).",
            "10s",
        ),
        key(
            "tunnel",
            One(Scalar::Time),
            Absent("the pool's"),
            "Without a byte moving in a tunnel (WebSocket).",
            "12h",
        )
        .known_as(&["websocket", "upgrade"]),
    ],
    groups: &[],
};

/// How many requests may pass.
pub(super) static RATE_LIMIT: Table = Table {
    name: "a rate limit",
    keys: &[
        key(
            "rate",
            One(Scalar::Rate),
            Required,
            "So many requests in a second, minute, hour or day; they may come in any rhythm that keeps to it.",
            "5/m",
        )
        .known_as(&["requests", "limit", "average"]),
        key(
            "burst",
            One(Scalar::Whole(1, 1_000_000)),
            Absent("as many as the rate names"),
            "How many may come at once after a rest.",
            "3",
        ),
        key(
            "by",
            One(Scalar::Choice(&["client", "route"])),
            Is("client"),
            "Whose requests count together: those from one address (of IPv6 the first 64 bits), or all.",
            "route",
        )
        .known_as(&["key", "per"]),
        key(
            "by_header",
            One(Scalar::FieldName),
            Absent("–"),
            "A header whose value says whose they are instead; who does not send it counts by client.",
            "X-Api-Key",
        ),
    ],
    groups: &[Group { keys: &["by", "by_header"], is_required: false }],
};
