//! Health checks.

use crate::config::problem::Problem;
use crate::config::quantity::show_time;
use crate::config::section::Section;
use crate::settings::{HttpProbe, ProbeKind, Probing};

/// Keys that only concern HTTP.
const OF_HTTP: [&str; 7] = ["path", "method", "host", "headers", "status", "body", "body_regex"];

/// Reads how backends are probed.
pub(super) fn read(section: &Section<'_>, problems: &mut Vec<Problem>) -> Probing {
    let is_http = section.text("type") == "http";
    let probing = Probing {
        kind: if is_http { ProbeKind::Http } else { ProbeKind::Tcp },
        http: HttpProbe {
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
    for span in OF_HTTP.iter().filter(|_| !is_http).filter_map(|key| section.key_span(key)) {
        let cause = "this has no effect: the probe only opens a connection";
        problems.push(Problem::warning(span, cause, "add `type: http`, or remove it"));
    }
    if probing.timeout > probing.interval {
        let (timeout, interval) = (show_time(probing.timeout), show_time(probing.interval));
        let cause = format!("a probe may take {timeout}, longer than the interval of {interval}");
        let hint = format!("use a timeout below {interval}: a backend that hangs is found late");
        problems.push(Problem::warning(section.place("timeout"), cause, hint));
    }
    probing
}
