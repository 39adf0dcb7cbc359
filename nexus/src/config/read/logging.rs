//! What is written down of requests.

use crate::config::Files;
use crate::config::nearest;
use crate::config::problem::{Problem, Step};
use crate::config::section::Section;
use crate::log::{self, AccessLog, Filter, LogFormat, Output};
use crate::route::Table;

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
