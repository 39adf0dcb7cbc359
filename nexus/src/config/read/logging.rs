//! What is written down of requests.

use crate::config::Files;
use crate::config::nearest;
use crate::config::node::{Node, Origin};
use crate::config::problem::{Problem, Step};
use crate::config::section::Section;
use crate::log::{self, AccessLog, Filter, LogFormat, Output};
use crate::route::Table;
use crate::spans::Tracing;
use crate::spans::settings::{Endpoint, Headers};

use super::rules::is_own_field;

/// Reads the access log; `None` is off.
pub(super) fn access_log(
    section: &Section<'_>,
    files: Files<'_>,
    routes: &Table,
    problems: &mut Vec<Problem>,
) -> Option<AccessLog> {
    let filter = section.section("filter");
    let filter = Filter {
        statuses: filter.statuses("status"),
        slow: filter.time_if("slow"),
        routes: route_names(&filter, routes, problems),
    };
    let output = Output::parse(&section.text("output")).ok().flatten()?;
    let output = match (output, section.written("output")) {
        (Output::File(path), Some(node)) => Output::File(files.beside(node, &path)),
        (output, _) => output,
    };
    if let (false, Some(span)) = (output.is_syslog(), section.key_span("facility")) {
        let cause = format!("`facility` has no effect: the lines go to {output}");
        problems.push(Problem::warning(span, cause, "it is for a syslog; remove it"));
    }
    let facility = log::facility(&section.text("facility"));
    let format = LogFormat::parse(&section.text("format")).unwrap_or(LogFormat::Text);
    Some(AccessLog { output, facility, format, sample: section.whole_if("sample"), filter })
}

/// Reads the names of routes, which must be there.
fn route_names(section: &Section<'_>, routes: &Table, problems: &mut Vec<Problem>) -> Vec<String> {
    let known = || routes.routes().iter().map(|route| route.name.as_str());
    for node in section.nodes("routes") {
        let name = node.text().unwrap_or_default();
        // Routes that cannot be read were complained about before.
        if !routes.routes().is_empty() && !known().any(|known| known == name) {
            let cause = format!("there is no route `{name}`");
            let hint = match nearest::to(name, known()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the routes are {}", known().collect::<Vec<_>>().join(", ")),
            };
            problems.push(Problem::error(Step::Meaning, node.span, cause, hint));
        }
    }
    section.texts("routes")
}

/// The field with what a request is called.
const REQUEST_ID: &str = "X-Request-Id";

/// Reads the field that says what a request is called; `None` is off.
pub(super) fn request_id(top: &Section<'_>, problems: &mut Vec<Problem>) -> Option<String> {
    let header = match top.text("request_id").as_str() {
        "off" => return None,
        "on" => REQUEST_ID.to_owned(),
        header => header.to_owned(),
    };
    if is_own_field(&header) || header.eq_ignore_ascii_case("host") {
        let cause = format!("`{header}` is Nexus's own to write");
        let hint = "use another field, or `on` for `X-Request-Id`";
        problems.push(Problem::error(Step::Meaning, top.place("request_id"), cause, hint));
    }
    Some(header)
}

/// Reads where traces go.
pub(super) fn tracing(section: &Section<'_>, problems: &mut Vec<Problem>) -> Option<Tracing> {
    let entries = section.written("headers").map_or(&[][..], Node::entries);
    for entry in entries {
        let name = &entry.key;
        if is_own_field(name) || name.eq_ignore_ascii_case("host") {
            let cause = format!("`{name}` is Nexus's own to write");
            let hint = "remove it: it says how this very message is sent, which Nexus knows best";
            problems.push(Problem::error(Step::Meaning, entry.span, cause, hint));
        } else if is_secret(name) && entry.node.origin == Origin::Written {
            let cause = format!("the secret in `{name}` stands in the file");
            let hint = "put it into a file of its own that only Nexus can read: `${file:otlp.key}`";
            problems.push(Problem::warning(entry.node.span, cause, hint));
        }
    }
    Some(Tracing {
        endpoint: Endpoint::parse(&section.text("otlp")).ok()?,
        sample: section.whole("sample"),
        believes_all: section.text("accept") == "everybody",
        service: section.text("service"),
        headers: Headers(section.pairs("headers")),
        timeout: section.time("timeout"),
    })
}

/// Says whether a field is likely to hold what nobody may know.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["authorization", "key", "token", "secret"].iter().any(|word| name.contains(word))
}
