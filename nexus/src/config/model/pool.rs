//! The keys of a pool.

use super::Default::{Absent, Is, Required, Section};
use super::Kind::{Many, One, Short, Table as Keys};
use super::breaking::{BREAKER, SHEDDING};
use super::ejection::EJECTION;
use super::probing::HEALTH_CHECK;
use super::retrying::RETRY;
use super::tls::BACKEND_TLS;
use super::{Group, Kind, Table, key};
use crate::config::scalar::Scalar;
use crate::proxy_protocol::Version;

/// A group of backends.
pub(super) static POOL: Table = Table {
    name: "a pool",
    keys: &[
        key(
            "backends",
            Many(&A_BACKEND),
            Required,
            "Who answers; each in turn.",
            "[\"http://10.0.0.5:8081\", { url: \"http://10.0.0.6:8081\", weight: 2 }]",
        )
        .known_as(&[
            "servers",
            "server",
            "targets",
            "endpoints",
            "members",
            "upstreams",
            "nodes",
        ]),
        key(
            "algorithm",
            One(Scalar::Choice(ALGORITHMS)),
            Is("round_robin"),
            "How a backend is picked; see docs/balancing.md. `ip_hash` is `maglev` by client.",
            "least_connections",
        )
        .known_as(&[
            "balance",
            "lb_policy",
            "policy",
            "strategy",
            "method",
            "load_balancing",
        ]),
        key(
            "hash_key",
            Short(&One(Scalar::Choice(&["client", "path"])), "by", &HASH_KEY),
            Section,
            "What requests are hashed by, for `ring_hash`, `maglev` and `rendezvous`.",
            "{ cookie: session }",
        )
        .known_as(&["hash", "hash_on", "hash_policy", "key"]),
        key(
            "slow_start",
            Short(&One(Scalar::Time), "window", &SLOW_START),
            Absent("at once"),
            "How a backend that comes back, or is new in a running pool, comes to its whole weight.",
            "30s",
        )
        .known_as(&["slowstart", "warmup", "slow_start_config"]),
        key(
            "queue",
            Short(&One(Scalar::Time), "timeout", &QUEUE),
            Absent("503 at once"),
            "How requests wait, in the order in which they came, when all backends are full.",
            "5s",
        )
        .known_as(&["pending", "buffer", "max_pending"]),
        key(
            "sticky",
            Short(&One(Scalar::FieldName), "cookie", &STICKY),
            Absent("no sessions"),
            "How sessions keep their backend; in short the name of a cookie that Nexus sets.",
            "nexus_backend",
        )
        .known_as(&["session", "sessions", "stickiness", "persistence", "affinity", "stick"]),
        key(
            "min_available",
            One(Scalar::Whole(1, 65_535)),
            Is("1"),
            "With fewer available backends a tier gets the help of the next one.",
            "2",
        ),
        key(
            "zone_load",
            One(Scalar::Whole(100, 1000)),
            Is("140"),
            "What the own zone carries of its usual load at most, in percent, before the rest goes to other zones.",
            "100",
        )
        .known_as(&["overprovisioning_factor"]),
        key(
            "health_check",
            Keys(&HEALTH_CHECK),
            Section,
            "How backends are probed.",
            "{ interval: 5s }",
        )
        .known_as(&["check", "health", "healthcheck", "probe"]),
        key(
            "ejection",
            Keys(&EJECTION),
            Absent("never"),
            "When a backend is ejected for what it answers, whatever its health checks say; `{}` is all defaults.",
            "{ consecutive_5xx: 3 }",
        )
        .known_as(&["outlier_detection", "passive", "passive_health_check"]),
        key(
            "breaker",
            Keys(&BREAKER),
            Absent("none"),
            "Limits of the pool as a whole, and when it is given a rest. What takes single backends out is `ejection`.",
            "{ failure_percent: 50 }",
        )
        .known_as(&["circuit_breaker", "circuit_breakers"]),
        key(
            "shedding",
            Keys(&SHEDDING),
            Absent("none"),
            "Refuses requests early (503 with `Retry-After`) when answers become slow, those that matter least first; `{}` is all defaults.",
            "{ tolerance: 200 }",
        )
        .known_as(&["adaptive_concurrency", "load_shedding", "concurrency_limit", "admission_control"]),
        key(
            "too_few",
            Short(&One(Scalar::Choice(&["fail_closed", "panic"])), "then", &TOO_FEW),
            Section,
            "What happens when too few backends are available.",
            "panic",
        )
        .known_as(&["healthy_panic_threshold", "panic", "fail_open", "all_down"]),
        key(
            "tls",
            Keys(&BACKEND_TLS),
            Absent("what `{}` says"),
            "How its backends at `https://` are spoken to; `{}` is all defaults: their certificates are verified by whom this system trusts.",
            "{ ca: backends.pem }",
        )
        .known_as(&["ssl", "transport_socket", "proxy_ssl", "backend_tls"]),
        key(
            "proxy_protocol",
            One(Scalar::Choice(Version::NAMES)),
            Absent("none"),
            "Begin each connection to its backends with the PROXY protocol, which names the client. Each carries one request then, by HTTP/1.1, and is closed.",
            "v2",
        )
        .known_as(&["send_proxy", "send_proxy_v2", "send_proxy_protocol"]),
        key(
            "retry",
            Keys(&RETRY),
            Section,
            "What is tried again on another backend, as far as that is safe.",
            "{ attempts: 2 }",
        )
        .known_as(&["retries", "proxy_next_upstream"]),
        key(
            "timeouts",
            Keys(&TIMEOUTS),
            Section,
            "How long a backend may take.",
            "{ response: 5s }",
        )
        .known_as(&["timeout"]),
    ],
    groups: &[],
};

/// A backend, or its address alone.
pub(super) static A_BACKEND: Kind = Short(&One(Scalar::Url), "url", &BACKEND);

static BACKEND: Table = Table {
    name: "a backend",
    keys: &[
        key(
            "url",
            One(Scalar::Url),
            Required,
            "Where it is, `http://host:port`; a name stands for all addresses that it resolves to.",
            "http://10.0.0.5:8081",
        )
        .known_as(&["address", "host", "server", "target", "uri", "addr"]),
        key(
            "weight",
            One(Scalar::Whole(0, 1000)),
            Is("1"),
            "Its part of the sum of all weights; 0 is no new requests.",
            "5",
        )
        .known_as(&["share"]),
        key(
            "max_requests",
            One(Scalar::Whole(1, 1_000_000)),
            Absent("no limit"),
            "Requests that it has under way at most, exact over all workers; if all are full, 503.",
            "200",
        )
        .known_as(&["limit", "max_concurrency"]),
        key(
            "max_connections",
            One(Scalar::Whole(1, 1_000_000)),
            Absent("no limit"),
            "Connections open to it at most, idle ones included, exact over all workers; so also a `max_requests`.",
            "500",
        )
        .known_as(&["maxconn", "max_conns"]),
        key(
            "tier",
            One(Scalar::Whole(0, 9)),
            Is("0"),
            "Backends of tier 1 are used when nobody of tier 0 is left, and so on.",
            "1",
        )
        .known_as(&["backup", "priority", "is_backup"]),
        key(
            "zone",
            One(Scalar::Name),
            Absent("none"),
            "Where it stands: those in the `zone` of this Nexus are preferred.",
            "eu-1a",
        )
        .known_as(&["locality", "region", "availability_zone"]),
    ],
    groups: &[],
};

/// The names of the algorithms.
const ALGORITHMS: &[&str] = &[
    "round_robin",
    "least_connections",
    "random",
    "power_of_two",
    "peak_ewma",
    "ring_hash",
    "maglev",
    "rendezvous",
    "ip_hash",
    "first",
];

static SLOW_START: Table = Table {
    name: "a slow start",
    keys: &[
        key("window", One(Scalar::Time), Required, "Until it has its whole weight.", "30s")
            .known_as(&["duration", "time"]),
        key(
            "floor",
            One(Scalar::Whole(1, 100)),
            Is("10"),
            "What it has at least, in percent of its weight.",
            "1",
        )
        .known_as(&["min", "min_weight_percent"]),
        key(
            "shape",
            One(Scalar::Choice(&["linear", "quadratic"])),
            Is("linear"),
            "`linear` grows evenly, `quadratic` slowly first.",
            "quadratic",
        )
        .known_as(&["aggression", "curve"]),
    ],
    groups: &[],
};

static STICKY: Table = Table {
    name: "sticky sessions",
    keys: &[
        key(
            "cookie",
            One(Scalar::FieldName),
            Absent("–"),
            "A cookie that Nexus sets, whose signed value says the backend and nothing else.",
            "nexus_backend",
        )
        .known_as(&["insert", "name"]),
        key(
            "app_cookie",
            One(Scalar::FieldName),
            Absent("–"),
            "A cookie that the application sets; who sets it, keeps it.",
            "JSESSIONID",
        )
        .known_as(&["learn", "application_cookie"]),
        key(
            "header",
            One(Scalar::FieldName),
            Absent("–"),
            "A header; requests with the same value are one session.",
            "X-Session",
        ),
        key(
            "client",
            One(Scalar::Choice(&["address"])),
            Absent("–"),
            "The client's address (of IPv6 the first 64 bits).",
            "address",
        )
        .known_as(&["source", "ip", "source_ip"]),
        key(
            "ttl",
            One(Scalar::Time),
            Is("1h"),
            "How long a session lasts after its last request; a cookie is set anew when half of it is over.",
            "10m",
        )
        .known_as(&["expires", "max_age", "timeout"]),
        key(
            "when_full",
            One(Scalar::Choice(&["move", "wait"])),
            Is("move"),
            "What happens while the session's backend is full: `move` to another for good, or `wait` in the `queue`.",
            "wait",
        ),
        key(
            "max_sessions",
            One(Scalar::Whole(1, 100_000_000)),
            Is("100000"),
            "Sessions that are remembered at most, at 10 to 20 bytes each; then the one that was silent longest is forgotten. One told by `cookie` needs no memory.",
            "1000000",
        )
        .known_as(&["size"]),
        key(
            "keys",
            Many(&One(Scalar::Secret)),
            Is("[]"),
            "What `cookie` is signed with, the first, and may have been signed with before. The same keys on several machines share all sessions; without any, sessions end when Nexus does.",
            "[0123456789abcdef]",
        )
        .known_as(&["key", "secret", "secrets"]),
        key("path", One(Scalar::Path), Is("/"), "The `Path` of `cookie`.", "/app"),
        key(
            "domain",
            One(Scalar::Host),
            Absent("the host that was asked"),
            "The `Domain` of `cookie`.",
            "example.com",
        ),
        key("secure", One(Scalar::Bool), Is("false"), "Whether `cookie` is `Secure`.", "true"),
        key(
            "http_only",
            One(Scalar::Bool),
            Is("true"),
            "Whether `cookie` is `HttpOnly`: hidden from scripts.",
            "false",
        )
        .known_as(&["httponly"]),
        key(
            "same_site",
            One(Scalar::Choice(&["lax", "strict", "none"])),
            Is("lax"),
            "The `SameSite` of `cookie`; `none` needs `secure`.",
            "strict",
        )
        .known_as(&["samesite"]),
    ],
    groups: &[Group { keys: &["cookie", "app_cookie", "header", "client"], is_required: true }],
};

static QUEUE: Table = Table {
    name: "a queue",
    keys: &[
        key("timeout", One(Scalar::Time), Required, "How long a request waits (503).", "5s")
            .known_as(&["deadline", "time"]),
        key(
            "max",
            One(Scalar::Whole(1, 1_000_000)),
            Is("1000"),
            "Requests that wait at once; more are refused at once (503).",
            "100",
        )
        .known_as(&["size", "length", "max_pending", "max_waiting"]),
    ],
    groups: &[],
};

static TOO_FEW: Table = Table {
    name: "too few backends",
    keys: &[
        key(
            "then",
            One(Scalar::Choice(&["fail_closed", "panic"])),
            Is("fail_closed"),
            "`fail_closed` answers 503 at once; `panic` uses all, available or not, and says so in `X-Nexus-Mode: panic`.",
            "panic",
        ),
        key(
            "below",
            One(Scalar::Whole(0, 100)),
            Is("0"),
            "With fewer of the backends available, in percent, there are too few; 0 is when nobody is.",
            "50",
        )
        .known_as(&["threshold", "percent"]),
    ],
    groups: &[],
};

static HASH_KEY: Table = Table {
    name: "a hash key",
    keys: &[
        key(
            "by",
            One(Scalar::Choice(&["client", "path"])),
            Is("client"),
            "The client's address (of IPv6 the first 64 bits), or the path without its query.",
            "path",
        ),
        key(
            "header",
            One(Scalar::FieldName),
            Absent("–"),
            "A header; a request without it is hashed by client.",
            "X-User",
        ),
        key(
            "cookie",
            One(Scalar::FieldName),
            Absent("–"),
            "A cookie; a request without it is hashed by client.",
            "session",
        ),
        key(
            "query",
            One(Scalar::FieldName),
            Absent("–"),
            "A pair of the query; a request without it is hashed by client.",
            "user",
        ),
    ],
    groups: &[Group { keys: &["by", "header", "cookie", "query"], is_required: false }],
};

static TIMEOUTS: Table = Table {
    name: "timeouts of a pool",
    keys: &[
        key(
            "connect",
            One(Scalar::Time),
            Is("2s"),
            "Until a backend accepts a connection.",
            "500ms",
        ),
        key(
            "response",
            One(Scalar::Time),
            Is("30s"),
            "From the end of a request to the head of its answer (504).",
            "5s",
        )
        .known_as(&["read", "server", "upstream"]),
        key(
            "total",
            One(Scalar::Time),
            Absent("no limit"),
            "From the head of a request to the head of its answer, over all attempts and waits (504).",
            "10s",
        )
        .known_as(&["request", "deadline"]),
        key(
            "stall",
            One(Scalar::Time),
            Absent("what `timeouts` at the top says"),
            "Without a byte from or to a backend in the middle of a body (504, or the answer breaks off).",
            "10s",
        ),
        key(
            "tunnel",
            One(Scalar::Time),
            Absent("what `timeouts` at the top says"),
            "Without a byte moving in a tunnel (WebSocket).",
            "12h",
        )
        .known_as(&["websocket", "upgrade"]),
        key(
            "idle",
            One(Scalar::Time),
            Absent("what `timeouts.backend_idle` at the top says"),
            "Until an idle connection to a backend is closed; keep it below the backend's own.",
            "4s",
        )
        .known_as(&["keepalive", "keep_alive", "backend_idle"]),
    ],
    groups: &[],
};
