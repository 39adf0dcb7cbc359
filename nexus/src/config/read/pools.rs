//! Pools.

use std::time::Duration;

use crate::backend::Scheme;
use crate::config::Files;
use crate::config::node::{Entry, Span};
use crate::config::problem::{Problem, Step};
use crate::config::quantity::show_time;
use crate::config::read::{breaking, probing, retrying, sticky, tls};
use crate::config::section::Section;
use crate::ejection::Rules;
use crate::picker::{Algorithm, HashKey};
use crate::pool::Ramp;
use crate::pool::queue::QueueRules;
use crate::pool::shortage::Shortage;
use crate::proxy_protocol::Version;
use crate::retry::Policy;
use crate::route::Modifiers;
use crate::settings::{BackendSettings, PoolSettings, PoolTimeouts};
use crate::tls::Protocol;

/// A pool that was read.
pub(super) struct Pool {
    /// What it says.
    pub settings: PoolSettings,
    /// Where its name stands.
    pub span: Span,
    /// Whether it is made of the short form's `backends`, which has a route of its own.
    pub is_short: bool,
}

/// What a pool needs to know of the rest of the file.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    /// Where this Nexus stands.
    pub zone: Option<&'a str>,
    /// How long what is under way may take at the end.
    pub shutdown: Duration,
    /// Where the files that it names are.
    pub files: Files<'a>,
}

/// Reads a pool.
pub(super) fn read(
    entry: &Entry,
    section: &Section<'_>,
    around: Around<'_>,
    problems: &mut Vec<Problem>,
) -> Pool {
    let Around { zone, shutdown, files } = around;
    let timeouts = section.section("timeouts");
    let backends = backends(section, problems);
    let health_check = section.section("health_check");
    let retry = section.section("retry");
    let too_few = section.section("too_few");
    let (algorithm, hash_key) = balancing(section, &backends, problems);
    let settings = PoolSettings {
        name: entry.key.clone(),
        backends,
        algorithm,
        hash_key,
        slow_start: section.section_if("slow_start").map(|slow_start| Ramp {
            window: slow_start.time("window"),
            floor: slow_start.whole("floor"),
            is_late: slow_start.text("shape") == "quadratic",
        }),
        available_min: section.whole("min_available"),
        zone: zone.map(str::to_owned),
        queue: section.section_if("queue").map(|queue| QueueRules {
            timeout: queue.time("timeout"),
            waiting_max: queue.whole("max"),
        }),
        sticky: section
            .section_if("sticky")
            .map(|sticky| sticky::read(&sticky, section.written("queue").is_some(), problems)),
        zone_load_max: section.whole("zone_load"),
        probing: probing::read(&health_check, problems),
        shortage: Shortage {
            below: too_few.whole("below"),
            panics: too_few.text("then") == "panic",
        },
        ejection: section.section_if("ejection").map(|ejection| ejections(&ejection, problems)),
        breaker: section.section_if("breaker").map(|breaker| breaking::breaker(&breaker, problems)),
        shedding: section
            .section_if("shedding")
            .map(|shedding| breaking::shedding(&shedding, problems)),
        tls: section.section_if("tls").and_then(|tls| tls::back(&tls, files, problems)),
        proxy_protocol: Version::called(&section.text("proxy_protocol")),
        retry: retrying::read(&retry, &Policy::default()),
        timeouts: PoolTimeouts {
            connect: timeouts.time("connect"),
            response: timeouts.time("response"),
            total: timeouts.time_if("total"),
            stall: timeouts.time_if("stall"),
            tunnel: timeouts.time_if("tunnel"),
            idle: timeouts.time_if("idle"),
        },
    };
    let is_written = timeouts.written("connect").is_some();
    let written = timeouts.place(if is_written { "connect" } else { "response" });
    retrying::check(&settings, (&retry, written), shutdown, problems);
    announced(section, &settings, problems);
    in_clear_text(section, problems);
    Pool { settings, span: entry.span, is_short: false }
}

/// Says which backends are spoken to in clear text although their pool says how to verify them.
fn in_clear_text(section: &Section<'_>, problems: &mut Vec<Problem>) {
    let Some(span) = section.key_span("tls") else { return };
    for backend in section.sections("backends") {
        if let Some(url) = backend.url("url").filter(|url| url.scheme != Scheme::Https) {
            let cause = format!("{url} is spoken to in clear text, whatever `tls` says");
            let hint = "write `https://`, or move it to a pool of its own";
            let problem = Problem::warning(backend.place("url"), cause, hint);
            problems.push(problem.beside(span, "has no effect on it"));
        }
    }
}

/// Refuses HTTP/2 where each connection names its client.
fn announced(section: &Section<'_>, settings: &PoolSettings, problems: &mut Vec<Problem>) {
    let is_asked = settings.proxy_protocol.is_some();
    let Some(span) = section.key_span("proxy_protocol").filter(|_| is_asked) else { return };
    let alone = "a connection that begins with the PROXY protocol carries one client's request";
    for backend in section.sections("backends") {
        let Some(url) = backend.url("url").filter(|url| url.scheme == Scheme::H2c) else {
            continue;
        };
        let cause = format!("{url} speaks HTTP/2 only, and {alone}");
        let hint =
            "remove `proxy_protocol`: backends are told of clients by `X-Forwarded-For`, too";
        let problem = Problem::error(Step::Meaning, backend.place("url"), cause, hint);
        problems.push(problem.beside(span, "asked for here"));
    }
    let offered = settings.tls.as_ref().map(|tls| &tls.settings().alpn);
    if offered.is_some_and(|offered| !offered.contains(&Protocol::Http1)) {
        let cause = format!("`alpn` leaves HTTP/2 only, and {alone}");
        let hint = "add `http/1.1` to `alpn`, or remove `proxy_protocol`";
        let place = section.section("tls").place("alpn");
        problems
            .push(Problem::error(Step::Meaning, place, cause, hint).beside(span, "asked for here"));
    }
}

/// Reads the `backends` of a pool or of the short form.
pub(super) fn backends(section: &Section<'_>, problems: &mut Vec<Problem>) -> Vec<BackendSettings> {
    let mut read: Vec<(BackendSettings, Span)> = Vec::new();
    let written = section.sections("backends");
    if let (true, Some(node)) = (written.is_empty(), section.written("backends")) {
        let hint = "add one, such as `- http://10.0.0.5:8081`";
        problems.push(Problem::error(Step::Meaning, node.span, "there is no backend", hint));
    }
    for backend in written {
        let (Some(url), span) = (backend.url("url"), backend.place("url")) else { continue };
        if let Some((_, first)) = read.iter().find(|(other, _)| other.url == url) {
            let cause = format!("{url} is there twice");
            let hint = "remove one of the two: the backend gets two shares of the requests";
            problems.push(Problem::warning(span, cause, hint).beside(*first, "first here"));
        }
        let weight = backend.whole("weight");
        if weight == 0 {
            let cause = format!("{url} has weight 0: it gets no new requests");
            let hint = "give it a weight, or remove it";
            problems.push(Problem::warning(backend.place("weight"), cause, hint));
        }
        let backend = BackendSettings {
            url,
            weight,
            requests_max: backend.whole_if("max_requests"),
            connections_max: backend.whole_if("max_connections"),
            tier: backend.whole("tier"),
            zone: backend.text_if("zone"),
        };
        read.push((backend, span));
    }
    read.into_iter().map(|(backend, _)| backend).collect()
}

/// Reads how a backend is picked.
fn balancing(
    section: &Section<'_>,
    backends: &[BackendSettings],
    problems: &mut Vec<Problem>,
) -> (Algorithm, HashKey) {
    let name = section.text("algorithm");
    let algorithm = Algorithm::called(&name).unwrap_or_default();
    let key = section.section("hash_key");
    let header = key.text_if("header").map(HashKey::Header);
    let cookie = || key.text_if("cookie").map(HashKey::Cookie);
    let query = || key.text_if("query").map(HashKey::Query);
    let by = if key.text("by") == "path" { HashKey::Path } else { HashKey::Client };
    let hash_key = header.or_else(cookie).or_else(query).unwrap_or(by);
    if let Some(span) = section.key_span("hash_key").filter(|_| !algorithm.has_key()) {
        let cause = format!("`hash_key` has no effect with `{name}`");
        let hint = "use it with `ring_hash`, `maglev` or `rendezvous`, or remove it";
        problems.push(Problem::warning(span, cause, hint));
    } else if let Some(span) = section.key_span("hash_key").filter(|_| name == "ip_hash") {
        let cause = "`ip_hash` goes by client, whatever `hash_key` says";
        let hint = "use `maglev` with `hash_key`, or remove `hash_key`";
        problems.push(Problem::error(Step::Meaning, span, cause, hint));
    }
    let has_no_limit = backends.iter().all(|backend| backend.under_way_max().is_none());
    if let (true, Some(span)) = (has_no_limit, section.key_span("queue")) {
        let cause = "`queue` has no effect: no backend has a limit, so none is ever full";
        let hint = "give backends `max_requests`, or remove `queue`";
        problems.push(Problem::warning(span, cause, hint));
    }
    if algorithm == Algorithm::First && has_no_limit {
        let cause = "`first` sends everything to the first backend: none has a limit";
        let hint = "give backends `max_requests`: the next is used when one is full";
        problems.push(Problem::warning(section.place("algorithm"), cause, hint));
    }
    let has_no_weight = backends.iter().all(|backend| backend.weight == 0);
    if has_no_weight && !backends.is_empty() {
        let cause = "all backends have weight 0: no request is answered";
        let hint = "give at least one a weight above 0";
        problems.push(Problem::warning(section.place("backends"), cause, hint));
    }
    (algorithm, hash_key)
}

/// Reads when backends are ejected.
fn ejections(section: &Section<'_>, problems: &mut Vec<Problem>) -> Rules {
    let rules = Rules {
        consecutive_5xx: section.whole("consecutive_5xx"),
        consecutive_gateway: section.whole("consecutive_gateway"),
        failure_percent: section.whole("failure_percent"),
        requests_min: section.whole("min_requests"),
        deviation: section.whole("deviation"),
        latency: section.whole("latency"),
        window: section.time("window"),
        time: section.time("time"),
        time_max: section.time("max_time"),
        percent_max: section.whole("max_percent"),
        half_open: section.whole("half_open"),
    };
    if !rules.has_limit() {
        let cause = "`ejection` has no effect: no limit is set";
        let hint = "set `consecutive_5xx`, `consecutive_gateway`, `failure_percent`, `deviation` or `latency`";
        problems.push(Problem::warning(section.span(), cause, hint));
    }
    if rules.time > rules.time_max {
        let (time, max) = (show_time(rules.time), show_time(rules.time_max));
        let cause = format!("an ejection of {time} is longer than `max_time`, {max}");
        let hint = "raise `max_time`, or lower `time`";
        problems.push(Problem::warning(section.place("time"), cause, hint));
    }
    rules
}

/// Warns of what a route says of its pool's attempts and times.
pub(super) fn of_route(
    pool: &Pool,
    section: &Section<'_>,
    modifiers: &Modifiers,
    shutdown: Duration,
    problems: &mut Vec<Problem>,
) {
    let (retry, timeouts) = (section.section("retry"), section.section("timeouts"));
    if section.written("retry").is_none() && section.written("timeouts").is_none() {
        return;
    }
    let settings = PoolSettings {
        retry: modifiers.retry.unwrap_or(pool.settings.retry),
        timeouts: PoolTimeouts {
            connect: modifiers.timeouts.connect.unwrap_or(pool.settings.timeouts.connect),
            response: modifiers.timeouts.response.unwrap_or(pool.settings.timeouts.response),
            total: modifiers.timeouts.total.or(pool.settings.timeouts.total),
            ..pool.settings.timeouts
        },
        ..pool.settings.clone()
    };
    let by_timeout = timeouts.written("response").is_some();
    let written = if by_timeout { timeouts.place("response") } else { retry.span() };
    retrying::check(&settings, (&retry, written), shutdown, problems);
}
