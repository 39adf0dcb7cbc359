//! The keys that stand at the top of a file.

use super::Default::{Absent, Is, Required, Section};
use super::Kind::{Many, Named, One, OneOrMany, Short};
use super::logging::{ACCESS_LOG, TRACING};
use super::pool::{A_BACKEND, POOL};
use super::route::ROUTE;
use super::tls::{HSTS, LISTENER_TLS};
use super::{Group, Key, Kind, Table, key};
use crate::config::scalar::{Logs, Scalar};
use crate::http1::forwarded::ForwardedFields;
use crate::settings::ListenerProtocol;

/// A whole configuration.
pub static TOP: Table = Table {
    name: "a configuration",
    keys: TOP_KEYS,
    groups: &[Group { keys: &["listen", "listeners"], is_required: false }],
};

static A_LISTENER: Kind = Short(&One(Scalar::Address), "address", &LISTENER);
static A_POOL: Kind = Kind::Table(&POOL);
static A_ROUTE: Kind = Kind::Table(&ROUTE);

const TOP_KEYS: &[Key] = &[
    key(
        "listen",
        OneOrMany(Scalar::Address),
        Absent("what `listeners` says"),
        "Where clients connect to; the short form of `listeners`.",
        ":8080",
    )
    .known_as(&["bind", "port", "address", "entrypoints"]),
    key(
        "backends",
        Many(&A_BACKEND),
        Absent(
            "none; ports 8081 to 8083 of localhost if there are neither `pools` nor `routes`",
        ),
        "Where requests go; the short form of a pool `default` and a route to it that matches everything.",
        "[\"http://10.0.0.5:8081\", \"http://10.0.0.6:8081\"]",
    )
    .known_as(&["upstream", "upstreams", "servers", "server", "targets", "endpoints"]),
    key(
        "listeners",
        Many(&A_LISTENER),
        Is("[{ address: \":8000\" }]"),
        "Where clients connect to.",
        "[{ address: \"127.0.0.1:8080\" }]",
    )
    .known_as(&["frontend", "frontends"]),
    key(
        "pools",
        Named(Scalar::Name, &A_POOL),
        Absent("one pool, `default`, of the `backends`"),
        "Groups of backends, each under one policy.",
        "{ web: { backends: [\"http://10.0.0.5:8081\"] } }",
    )
    .known_as(&["clusters", "services", "groups"]),
    key(
        "routes",
        Many(&A_ROUTE),
        Absent("everything to the only pool"),
        "Which requests go where: the most specific route wins, wherever it stands.",
        "[{ match: { host: example.com }, redirect: { host: www.example.com } }]",
    )
    .known_as(&["rules", "locations", "location", "virtual_hosts", "routers"]),
    key(
        "workers",
        One(Scalar::Workers),
        Is("auto"),
        "Threads that carry requests; `auto` is one per core. Only a restart changes it.",
        "3",
    )
    .known_as(&["threads", "worker_processes", "nbthread"]),
    key(
        "zone",
        One(Scalar::Name),
        Absent("none"),
        "Where this Nexus stands: backends of the same `zone` are preferred.",
        "eu-1a",
    )
    .known_as(&["locality", "region", "availability_zone"]),
    key(
        "max_connections",
        One(Scalar::Whole(1, u32::MAX as u64)),
        Absent("half of `ulimit -Hn`"),
        "Client connections at once; more wait to be accepted.",
        "10000",
    )
    .known_as(&["maxconn", "worker_connections"]),
    key(
        "max_handshakes",
        One(Scalar::Whole(1, 1_000_000)),
        Is("1000"),
        "TLS handshakes under way at once, over all workers; more wait.",
        "200",
    )
    .known_as(&["maxsslrate", "max_tls_handshakes"]),
    key(
        "trusted_proxies",
        Many(&One(Scalar::Network)),
        Is("[]"),
        "Proxies that are believed whom their requests are from: the client is the first address in `X-Forwarded-For`, from the right, that is none of theirs.",
        "[10.0.0.0/8, \"::1\"]",
    )
    .known_as(&["set_real_ip_from", "trusted_ips"]),
    key(
        "forwarded_fields",
        One(Scalar::Choice(ForwardedFields::NAMES)),
        Is("x_forwarded"),
        "By which fields `trusted_proxies` say whom their requests are from, and backends are told: `X-Forwarded-*`, `Forwarded` (RFC 7239), or both. What is not spoken is not passed on.",
        "forwarded",
    )
    .known_as(&["forwarded", "forwarded_header", "x_forwarded_for", "forwardfor", "real_ip_header"]),
    key(
        "allow_half_close",
        One(Scalar::Bool),
        Is("false"),
        "Answer clients that have closed their sending side (as `nc -N` does) instead of taking it for leaving.",
        "true",
    ),
    key(
        "access_log",
        Short(&One(Scalar::Log(Logs::Output)), "output", &ACCESS_LOG),
        Section,
        "A line per request.",
        "off",
    )
    .known_as(&["log", "logging", "accesslog"]),
    key(
        "request_id",
        One(Scalar::Log(Logs::RequestId)),
        Is("off"),
        "Give each request a name, in this field (`on` is `X-Request-Id`), that its backend, its client and the logs are told; one that `trusted_proxies` gave is kept.",
        "on",
    )
    .known_as(&["unique_id", "request_id_header", "correlation_id"]),
    key(
        "tracing",
        Short(&One(Scalar::Log(Logs::Endpoint)), "otlp", &TRACING),
        Absent("no part in traces: their fields pass as they are"),
        "Where traces of requests are sent (OpenTelemetry).",
        "http://127.0.0.1:4318",
    )
    .known_as(&["opentelemetry", "otel", "otlp", "trace", "traces"]),
    key(
        "timeouts",
        Kind::Table(&TIMEOUTS),
        Section,
        "How long clients and Nexus itself may take; those of backends are a pool's.",
        "{ idle: 30s }",
    )
    .known_as(&["timeout"]),
    key(
        "admin",
        Short(&One(Scalar::AdminAddress), "address", &ADMIN),
        Absent("nowhere"),
        "Where a running Nexus can be asked and told: `nexus status`, `reload`, `plan` and others.",
        "127.0.0.1:9900",
    )
    .known_as(&["api", "stats", "dashboard", "control"]),
    key(
        "metrics",
        One(Scalar::Bool),
        Is("true"),
        "Count requests for `/metrics`, the dashboard and `nexus top`; without `admin` nobody can ask, and nothing is counted.",
        "false",
    )
    .known_as(&["prometheus", "statistics"]),
    key(
        "watch",
        One(Scalar::Bool),
        Is("false"),
        "Reload when this file, or one that it includes or takes a secret from, changes.",
        "true",
    )
    .known_as(&["auto_reload", "reload"]),
    key(
        "include",
        OneOrMany(Scalar::Text),
        Is("[]"),
        "Further files, relative to this one; `*` and `?` in the file's name stand for any letters. Lists are put together, of pools and timeouts each may be said once.",
        "conf.d/*.yaml",
    )
    .known_as(&["imports", "import"]),
];

static LISTENER: Table = Table {
    name: "a listener",
    keys: &[
        key(
            "address",
            One(Scalar::Address),
            Required,
            "Where clients connect to; `:8000` is every address of this machine, `unix:PATH` a socket of its own, whose clients count as 127.0.0.1.",
            "127.0.0.1:8080",
        )
        .known_as(&["listen", "bind", "port"]),
        key(
            "mode",
            One(Scalar::Mode),
            Is("\"0660\""),
            "Who may connect at `unix:PATH`: the mode of its file, in octal.",
            "\"0600\"",
        )
        .known_as(&["permissions", "umask", "socket_mode"]),
        key(
            "timeouts",
            Kind::Table(&CLIENT_TIMEOUTS),
            Section,
            "How long its clients may take.",
            "{ idle: 5s }",
        )
        .known_as(&["timeout"]),
        key(
            "tls",
            Short(&One(Scalar::File), "cert", &LISTENER_TLS),
            Absent("none: plain HTTP"),
            "Its certificates and keys; in short one file with both. Files that change are read again.",
            "site.pem",
        )
        .known_as(&["ssl", "https", "ssl_certificate", "crt"]),
        key(
            "proxy_protocol",
            One(Scalar::Bool),
            Is("false"),
            "Connections begin with the PROXY protocol (version 1 or 2), which names the client; those that come from others than `trusted_proxies`, or begin otherwise, are closed.",
            "true",
        )
        .known_as(&["accept_proxy", "accept_proxy_protocol"]),
        key(
            "protocol",
            One(Scalar::Choice(ListenerProtocol::NAMES)),
            Is("auto"),
            "What is spoken without `tls`: `auto` is HTTP/2 where a client begins with it, `http2` nothing else. With `tls`, `alpn` says it.",
            "http1",
        )
        .known_as(&["http_version", "http2", "h2c", "codec_type"]),
        key(
            "redirect_https",
            One(Scalar::Https),
            Is("false"),
            "Answer every request with a redirect (308) to the same at https, on this port; `true` is 443.",
            "true",
        )
        .known_as(&["https_redirect", "redirect_to_https", "ssl_redirect"]),
        key(
            "hsts",
            Short(&One(Scalar::Time), "max_age", &HSTS),
            Absent("not said"),
            "Tell browsers to come by https only, for this long (`Strict-Transport-Security`).",
            "365d",
        )
        .known_as(&["strict_transport_security"]),
    ],
    groups: &[],
};

static CLIENT_TIMEOUTS: Table = Table {
    name: "timeouts of a listener",
    keys: &[
        key(
            "head",
            One(Scalar::Time),
            Absent("what `timeouts` at the top says"),
            "From the first byte of a request to the end of its head (408).",
            "5s",
        )
        .known_as(&["header", "client_header_timeout", "request"]),
        key(
            "idle",
            One(Scalar::Time),
            Absent("what `timeouts` at the top says"),
            "Between two requests on a client's connection.",
            "5s",
        )
        .known_as(&["keepalive", "keep_alive", "client"]),
        key(
            "stall",
            One(Scalar::Time),
            Absent("what `timeouts` at the top says"),
            "Without a byte from or to the client in the middle of a body (408, or the connection ends).",
            "10s",
        )
        .known_as(&["read", "write", "send", "body"]),
    ],
    groups: &[],
};

static ADMIN: Table = Table {
    name: "the admin address",
    keys: &[
        key(
            "address",
            One(Scalar::AdminAddress),
            Is("127.0.0.1:9900"),
            "An address of this machine, or `unix:PATH` for a socket that only its owner may use.",
            "unix:/run/nexus.sock",
        )
        .known_as(&["listen", "bind", "port", "socket"]),
        key(
            "hosts",
            OneOrMany(Scalar::Host),
            Is("[]"),
            "Names by which it may be called, besides IP addresses and `localhost`.",
            "nexus.internal",
        ),
        key(
            "tokens",
            Many(&A_TOKEN),
            Is("[]"),
            "Who may do what. With none everybody who reaches the address may read, and nobody change anything.",
            "[{ name: ops, token: \"0123456789abcdef\", role: write }]",
        )
        .known_as(&["users", "auth", "keys"]),
    ],
    groups: &[],
};

static A_TOKEN: Kind = Kind::Table(&TOKEN);

static TOKEN: Table = Table {
    name: "a token",
    keys: &[
        key("name", One(Scalar::Name), Required, "What the log calls whoever shows it.", "ops"),
        key(
            "token",
            One(Scalar::Secret),
            Required,
            "The secret; best kept out of the file, as `${file:admin.token}`.",
            "0123456789abcdef",
        )
        .known_as(&["secret", "password", "key"]),
        key(
            "role",
            One(Scalar::Choice(&["read", "write"])),
            Is("read"),
            "Whether it allows changes: `write` allows everything.",
            "write",
        )
        .known_as(&["rights", "access"]),
    ],
    groups: &[],
};

static TIMEOUTS: Table = Table {
    name: "timeouts",
    keys: &[
        key(
            "head",
            One(Scalar::Time),
            Is("10s"),
            "From the first byte of a request to the end of its head (408).",
            "5s",
        )
        .known_as(&["header", "client_header_timeout", "request"]),
        key(
            "idle",
            One(Scalar::Time),
            Is("60s"),
            "Between two requests on a client's connection.",
            "2m",
        )
        .known_as(&["keepalive", "keep_alive", "client"]),
        key(
            "stall",
            One(Scalar::Time),
            Is("60s"),
            "Without a byte moving in the middle of a body, either way.",
            "30s",
        )
        .known_as(&["read", "write", "send", "body"]),
        key(
            "tunnel",
            One(Scalar::Time),
            Is("1h"),
            "Without a byte moving in a tunnel (WebSocket).",
            "12h",
        )
        .known_as(&["websocket", "upgrade"]),
        key(
            "backend_idle",
            One(Scalar::Time),
            Is("55s"),
            "Until an idle connection to a backend is closed; keep it below the backend's own.",
            "4s",
        ),
        key(
            "shutdown",
            One(Scalar::Time),
            Is("30s"),
            "For what is under way when Nexus is told to stop.",
            "10s",
        )
        .known_as(&["graceful", "drain", "grace_period"]),
    ],
    groups: &[],
};
