//! The keys that say which requests a route is for.

use super::Default::Absent;
use super::Kind::{Named, One, OneOrMany, Short};
use super::{Group, Table, key};
use crate::config::scalar::Scalar;

/// Which requests a route is for.
pub(super) static MATCH: Table = Table {
    name: "a match",
    keys: &[
        key(
            "host",
            OneOrMany(Scalar::Host),
            Absent("any"),
            "Hosts, without port; `*.example.com` is every host below example.com.",
            "[example.com, \"*.example.com\"]",
        )
        .known_as(&["hosts", "server_name", "domains"]),
        key("path", One(Scalar::Path), Absent("any"), "This path alone.", "/favicon.ico")
            .known_as(&["location", "uri"]),
        key(
            "path_prefix",
            One(Scalar::Path),
            Absent("any"),
            "This path and all below it, by segment: `/a` is for `/a` and `/a/b`, not for `/ab`.",
            "/api",
        )
        .known_as(&["prefix"]),
        key(
            "path_regex",
            One(Scalar::Regex),
            Absent("any"),
            "Paths in which the expression is found, anywhere unless it says `^` and `$`.",
            "'^/v[0-9]+/'",
        )
        .known_as(&["regex"]),
        key(
            "methods",
            OneOrMany(Scalar::Method),
            Absent("any"),
            "Methods; case counts.",
            "[GET, HEAD]",
        )
        .known_as(&["method"]),
        key(
            "headers",
            Named(Scalar::FieldName, &Short(&One(Scalar::FieldValue), "value", &FIELD)),
            Absent("any"),
            "Headers that the request must have; of several lines with one name the first counts.",
            "{ X-Canary: yes, Cookie: { regex: 'beta=1' } }",
        )
        .known_as(&["header"]),
        key(
            "query",
            Named(Scalar::Text, &One(Scalar::Loose)),
            Absent("any"),
            "Pairs that the query must have, as sent: `%20` is not a space.",
            "{ version: 2 }",
        )
        .known_as(&["params", "query_params"]),
        key(
            "clients",
            OneOrMany(Scalar::Network),
            Absent("any"),
            "Networks that the client is in.",
            "[10.0.0.0/8]",
        )
        .known_as(&["client", "source", "remote_ip", "ip"]),
    ],
    groups: &[Group { keys: &["path", "path_prefix", "path_regex"], is_required: false }],
};

static FIELD: Table = Table {
    name: "a header to match",
    keys: &[
        key(
            "value",
            One(Scalar::FieldValue),
            Absent("–"),
            "What it must be, byte for byte.",
            "yes",
        )
        .known_as(&["exact", "is"]),
        key("regex", One(Scalar::Regex), Absent("–"), "What must be found in it.", "'^beta'"),
        key(
            "present",
            One(Scalar::Bool),
            Absent("–"),
            "That it is there, whatever it says.",
            "true",
        ),
    ],
    groups: &[Group { keys: &["value", "regex", "present"], is_required: true }],
};
