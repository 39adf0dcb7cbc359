//! The keys of what is written down of requests.

use super::Default::{Absent, Is};
use super::Kind::{Many, Named, One, OneOrMany};
use super::{Kind, Table, key};
use crate::config::scalar::{Logs, Scalar};
use crate::log::FACILITIES;

pub(super) static ACCESS_LOG: Table = Table {
    name: "the access log",
    keys: &[
        key(
            "output",
            One(Scalar::Log(Logs::Output)),
            Is("stdout"),
            "Where the lines go: `stdout`, `off`, `file:PATH` (opened anew on SIGUSR1), `syslog:/dev/log` or `syslog:udp://ADDRESS:PORT` (RFC 5424). Only a restart changes it.",
            "\"file:/var/log/nexus/access.log\"",
        )
        .known_as(&["path", "file", "destination", "target"]),
        key(
            "format",
            One(Scalar::Log(Logs::Format)),
            Is("text"),
            "How a line is written: `text` for people, one `json` object, `combined` as web servers do, or a template; docs/logs.md has the names.",
            "\"{client} {method} {path} {status} {duration_ms}\"",
        )
        .known_as(&["log_format", "template", "encoding"]),
        key(
            "sample",
            One(Scalar::Log(Logs::Share)),
            Absent("100%; with a `filter` nothing but what it lets through"),
            "How many of the requests are written, besides those that failed and those that `filter` names, which all are; with a request id or a trace it goes by that, so that others who do the same keep the same ones.",
            "10%",
        )
        .known_as(&["sampling", "rate", "ratio", "percent"]),
        key(
            "filter",
            Kind::Table(&FILTER),
            Absent("none"),
            "Which requests are written in any case: those that meet one of the conditions.",
            "{ status: 5xx, slow: 500ms }",
        )
        .known_as(&["if", "when", "only"]),
        key(
            "facility",
            One(Scalar::Choice(FACILITIES)),
            Is("local0"),
            "What a syslog is told that the lines are about. Only a restart changes it.",
            "local3",
        ),
    ],
    groups: &[],
};

static FILTER: Table = Table {
    name: "a filter of the access log",
    keys: &[
        key(
            "status",
            OneOrMany(Scalar::Statuses),
            Absent("none"),
            "Answers with one of these statuses.",
            "[5xx, 400-499]",
        )
        .known_as(&["statuses", "code", "codes", "status_code"]),
        key("slow", One(Scalar::Time), Absent("none"), "Answers that took so long.", "500ms")
            .known_as(&["slower_than", "duration", "min_duration", "latency"]),
        key(
            "routes",
            Many(&One(Scalar::Text)),
            Absent("none"),
            "Requests of these routes, by name.",
            "[web]",
        )
        .known_as(&["route"]),
    ],
    groups: &[],
};

static A_VALUE: Kind = One(Scalar::FieldValue);

pub(super) static TRACING: Table = Table {
    name: "tracing",
    keys: &[
        key(
            "otlp",
            One(Scalar::Log(Logs::Endpoint)),
            Is("http://127.0.0.1:4318"),
            "The collector that spans are sent to, by OTLP over HTTP; without a path it is `/v1/traces`. Only a restart changes it, and what is below but `sample` and `accept`.",
            "http://10.0.0.9:4318",
        )
        .known_as(&["endpoint", "url", "address", "collector", "exporter"]),
        key(
            "sample",
            One(Scalar::Log(Logs::Share)),
            Is("10%"),
            "How many of the traces that begin here are recorded; one that goes on is as it was.",
            "1%",
        )
        .known_as(&["sampling", "rate", "ratio", "sampler", "percent"]),
        key(
            "accept",
            One(Scalar::Choice(&["trusted", "everybody"])),
            Is("trusted"),
            "Whose traces go on: those of `trusted_proxies`, or anybody's. Those of others begin anew, with a link to what they said.",
            "everybody",
        )
        .known_as(&["trust", "propagate", "parent"]),
        key(
            "service",
            One(Scalar::Name),
            Is("nexus"),
            "What this Nexus is called in traces (`service.name`).",
            "edge",
        )
        .known_as(&["service_name", "name"]),
        key(
            "headers",
            Named(Scalar::FieldName, &A_VALUE),
            Is("{}"),
            "Further fields for the collector; secrets are best kept out of the file, as `${file:otlp.key}`.",
            "{ X-Scope: edge }",
        ),
        key(
            "timeout",
            One(Scalar::Time),
            Is("10s"),
            "How long the collector may take.",
            "3s",
        ),
    ],
    groups: &[],
};
