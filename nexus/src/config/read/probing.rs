//! Health checks.

use crate::config::problem::{Problem, Step};
use crate::config::quantity::show_time;
use crate::config::section::Section;
use crate::settings::{HttpProbe, ProbeKind, Probing};

/// Keys that only concern some kinds of probes.
const OF_KINDS: [(&str, &[ProbeKind]); 10] = [
    ("version", &[ProbeKind::Http]),
    ("path", &[ProbeKind::Http]),
    ("method", &[ProbeKind::Http]),
    ("status", &[ProbeKind::Http]),
    ("body", &[ProbeKind::Http]),
    ("body_regex", &[ProbeKind::Http]),
    ("host", &[ProbeKind::Http, ProbeKind::Grpc]),
    ("headers", &[ProbeKind::Http, ProbeKind::Grpc]),
    ("service", &[ProbeKind::Grpc]),
    ("command", &[ProbeKind::Command]),
];

/// Reads how backends are probed.
pub(super) fn read(section: &Section<'_>, problems: &mut Vec<Problem>) -> Probing {
    let probing = Probing {
        kind: ProbeKind::called(&section.text("type")).unwrap_or(ProbeKind::Tcp),
        service: section.text("service"),
        command: section.texts("command"),
        http: HttpProbe {
            is_http2: section.text("version") == "http2",
            method: section.text("method"),
            path: section.text("path"),
            host: section.text_if("host"),
            headers: section.pairs("headers"),
            statuses: section.statuses("status"),
            body: section.text_if("body"),
            body_regex: section.regex("body_regex").map(|regex| regex.as_str().to_owned()),
        },
        port: section.whole_if("port"),
        interval: section.time("interval"),
        interval_down: section.time_if("interval_down"),
        jitter: section.whole("jitter"),
        timeout: section.time("timeout"),
        rise: section.whole("rise"),
        fall: section.whole("fall"),
        request_errors: section.whole("request_errors"),
        starts_up: section.text("initial") == "up",
    };
    without_effect(section, probing.kind, problems);
    if probing.kind == ProbeKind::Command && probing.command.is_empty() {
        let cause = "a probe by command needs a `command`";
        let hint = "name a program that exits with 0 if all is well: `command: [/path/to/check, \"{host}\", \"{port}\"]`";
        problems.push(Problem::error(Step::Meaning, section.place("type"), cause, hint));
    }
    if probing.timeout > probing.interval {
        let (timeout, interval) = (show_time(probing.timeout), show_time(probing.interval));
        let cause = format!("a probe may take {timeout}, longer than the interval of {interval}");
        let hint = format!("use a timeout below {interval}: a backend that hangs is found late");
        problems.push(Problem::warning(section.place("timeout"), cause, hint));
    }
    probing
}

/// Nothing is silently ignored.
fn without_effect(section: &Section<'_>, kind: ProbeKind, problems: &mut Vec<Problem>) {
    let others = OF_KINDS.iter().filter(|(_, kinds)| !kinds.contains(&kind));
    for (span, kinds) in others.filter_map(|(key, kinds)| Some((section.key_span(key)?, kinds))) {
        let cause = match kind {
            ProbeKind::Tcp => "this has no effect: the probe only opens a connection".to_owned(),
            _ => format!("this has no effect with `type: {}`", kind.name()),
        };
        let hint = format!("add `type: {}`, or remove it", kinds[0].name());
        problems.push(Problem::warning(span, cause, hint));
    }
    if let (ProbeKind::Command, Some(span)) = (kind, section.key_span("port")) {
        let cause = "this has no effect with `type: command`";
        problems.push(Problem::warning(span, cause, "give it to the program as an argument"));
    }
}
