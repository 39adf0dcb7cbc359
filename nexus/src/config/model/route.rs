//! The keys of a route.

use super::Default::{Absent, Is, Required, Section};
use super::Kind::{Many, One, Short, Table as Keys};
use super::change::{HEADERS, RATE_LIMIT, REWRITE, TIMEOUTS};
use super::matching::MATCH;
use super::retrying::RETRY_OF_ROUTE;
use super::{Group, Key, Kind, Table, key};
use crate::config::scalar::Scalar;
use crate::route::Priority;

/// A rule from requests to what becomes of them.
pub(super) static ROUTE: Table = Table {
    name: "a route",
    keys: KEYS,
    groups: &[Group { keys: &["pool", "split", "redirect", "respond"], is_required: true }],
};

const KEYS: &[Key] = &[
    key(
        "name",
        One(Scalar::Name),
        Absent("made of host and path"),
        "What logs and `nexus explain` call it.",
        "api",
    ),
    key(
        "match",
        Keys(&MATCH),
        Section,
        "Which requests it is for; all parts must match.",
        "{ path_prefix: /api }",
    )
    .known_as(&["when", "rule", "if", "matches"]),
    key("pool", One(Scalar::Name), Absent("–"), "The pool that answers.", "web").known_as(&[
        "backend",
        "service",
        "cluster",
        "upstream",
        "proxy_pass",
        "to",
    ]),
    key(
        "split",
        Short(&SHARES, "pools", &SPLIT),
        Absent("–"),
        "Several pools that answer, by weight.",
        "[{ pool: web, weight: 95 }, { pool: canary, weight: 5 }]",
    )
    .known_as(&["canary", "weighted", "weighted_clusters"]),
    key(
        "redirect",
        Keys(&REDIRECT),
        Absent("–"),
        "Sends the client elsewhere; what is not set stays as the client wrote it.",
        "{ scheme: https }",
    )
    .known_as(&["return", "redirection"]),
    key("respond", Keys(&RESPOND), Absent("–"), "Answers without a backend.", "{ status: 204 }")
        .known_as(&["direct_response", "response"]),
    key(
        "rewrite",
        Keys(&REWRITE),
        Absent("the target stays"),
        "The target that the backend sees. In this order: strip, replace, add.",
        "{ strip_prefix: /api }",
    ),
    key(
        "request_headers",
        Keys(&HEADERS),
        Section,
        "Fields of the request that the backend sees. In this order: remove, set, add.",
        "{ set: { X-Site: main } }",
    ),
    key(
        "response_headers",
        Keys(&HEADERS),
        Section,
        "Fields of the answer that the client sees. In this order: remove, set, add.",
        "{ remove: [Server] }",
    ),
    key(
        "timeouts",
        Keys(&TIMEOUTS),
        Section,
        "How long a backend may take for requests of this route.",
        "{ response: 2m }",
    )
    .known_as(&["timeout"]),
    key(
        "retry",
        Keys(&RETRY_OF_ROUTE),
        Section,
        "What is tried again of requests of this route.",
        "{ attempts: 1 }",
    )
    .known_as(&["retries"]),
    key(
        "body_limit",
        One(Scalar::Size),
        Absent("none"),
        "Bytes in a request's body at most (413).",
        "1MiB",
    )
    .known_as(&["client_max_body_size", "max_body", "max_body_size"]),
    key(
        "mirror",
        Short(&One(Scalar::Name), "pool", &MIRROR),
        Absent("nobody"),
        "A pool that gets a copy of requests once they have their answer; the copy's own answer is thrown away. Bodies up to 64 KiB.",
        "{ pool: canary, percent: 10 }",
    )
    .known_as(&["shadow", "mirroring", "copy_to", "request_mirror"]),
    key(
        "rate_limit",
        Short(&One(Scalar::Rate), "rate", &RATE_LIMIT),
        Absent("none"),
        "How many requests may pass (429 with `Retry-After` beyond that); one limit for each route.",
        "5/m",
    )
    .known_as(&["limit_req", "rate", "throttle", "ratelimit"]),
    key(
        "priority",
        One(Scalar::Choice(&Priority::NAMES)),
        Absent("what the request says, if its pool hears it, or `normal`"),
        "How much requests matter when their pool is `shedding` load.",
        "low",
    ),
];

static MIRROR: Table = Table {
    name: "a mirror",
    keys: &[
        key("pool", One(Scalar::Name), Required, "The pool.", "canary")
            .known_as(&["backend", "name", "service", "cluster"]),
        key(
            "percent",
            One(Scalar::Whole(1, 100)),
            Is("100"),
            "How many of a hundred requests, by chance.",
            "10",
        )
        .known_as(&["share", "weight", "fraction"]),
    ],
    groups: &[],
};

static SPLIT: Table = Table {
    name: "a split",
    keys: &[
        key(
            "pools",
            Many(&A_SHARE),
            Required,
            "The pools and their weights.",
            "[{ pool: web, weight: 1 }]",
        ),
        key(
            "by",
            One(Scalar::Choice(&["request", "client"])),
            Is("request"),
            "What is split: `client` keeps each client on its side.",
            "client",
        ),
    ],
    groups: &[],
};

static A_SHARE: Kind = Keys(&SHARE);
static SHARES: Kind = Many(&A_SHARE);

static SHARE: Table = Table {
    name: "a share of a split",
    keys: &[
        key("pool", One(Scalar::Name), Required, "The pool.", "web")
            .known_as(&["backend", "name", "service"]),
        key(
            "weight",
            One(Scalar::Whole(0, 1_000_000)),
            Required,
            "Its part of the sum of all weights.",
            "5",
        )
        .known_as(&["share", "percent"]),
    ],
    groups: &[],
};

static REDIRECT: Table = Table {
    name: "a redirect",
    keys: &[
        key(
            "scheme",
            One(Scalar::Choice(&["http", "https"])),
            Absent("as it was"),
            "The scheme.",
            "https",
        ),
        key(
            "host",
            One(Scalar::Template),
            Absent("as it was"),
            "The host, with a port if it needs one.",
            "\"www.{host}\"",
        ),
        key(
            "path",
            One(Scalar::Template),
            Absent("path and query as they were"),
            "The path; it may have a query.",
            "\"/new{path}?{query}\"",
        ),
        key(
            "status",
            One(Scalar::OneOf(&[301, 302, 303, 307, 308])),
            Is("308"),
            "The status: 308 is for ever, 307 for now, and both keep the method.",
            "302",
        )
        .known_as(&["code"]),
    ],
    groups: &[],
};

static RESPOND: Table = Table {
    name: "an answer of its own",
    keys: &[
        key("status", One(Scalar::Whole(200, 599)), Is("200"), "The status.", "404")
            .known_as(&["code"]),
        key("body", One(Scalar::Text), Is("\"\""), "The body.", "\"gone fishing\\n\"")
            .known_as(&["text", "content"]),
        key(
            "content_type",
            One(Scalar::FieldValue),
            Is("text/plain; charset=utf-8"),
            "What the body is.",
            "application/json",
        ),
    ],
    groups: &[],
};
