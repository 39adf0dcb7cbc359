//! A tree to a configuration, and what its values together make of problems.
//!
//! It reads whatever can be read: a value that cannot has been complained about before, and counts
//! as its default here, so that all problems come up at once.

use crate::config::model::TOP;
use crate::config::node::{Entry, Node, Value};
use crate::config::problem::{Problem, Step};
use crate::config::section::{self, NOWHERE, Section};
use crate::config::{Config, Files};
use crate::http1::forwarded::ForwardedFields;
use crate::settings::{
    Address, ClientTimeouts, ListenerProtocol, ListenerSettings, PoolSettings, SOCKET_MODE,
    Timeouts,
};

mod admin;
mod breaking;
mod lint;
mod logging;
mod pools;
mod probing;
mod retrying;
mod routes;
mod rules;
mod sticky;
mod tls;

use pools::Pool;

/// The pool of the short form.
const DEFAULT_POOL: &str = "default";

/// What is in front of nothing at all: an empty file is as good as none.
const DEFAULT_BACKENDS: [&str; 3] =
    ["http://localhost:8081", "http://localhost:8082", "http://localhost:8083"];

/// Reads a configuration.
pub fn read(root: &Node, files: Files<'_>, problems: &mut Vec<Problem>) -> Config {
    let top = Section::new(&TOP, Some(root));
    let listeners = listeners(&top, files, problems);
    let pools = pools(&top, files, problems);
    let routes = routes::read(&top, &pools, problems);
    let access_log = logging::access_log(&top.section("access_log"), files, &routes, problems);
    let timeouts = timeouts(&top.section("timeouts"));
    let config = Config {
        listeners,
        pools: pools.into_iter().map(|pool| pool.settings).collect(),
        routes,
        workers: top.whole("workers"),
        timeouts,
        trusted: top.networks("trusted_proxies"),
        forwarded_fields: ForwardedFields::called(&top.text("forwarded_fields"))
            .unwrap_or_default(),
        half_close: top.bool("allow_half_close"),
        connections_max: top.whole_if("max_connections"),
        handshakes_max: top.whole("max_handshakes"),
        access_log,
        metrics: top.bool("metrics"),
        request_id: logging::request_id(&top, problems),
        tracing: top.section_if("tracing").and_then(|section| logging::tracing(&section, problems)),
        admin: top.section_if("admin").and_then(|admin| admin::read(&admin, problems)),
        watch: top.bool("watch"),
    };
    lint::top(&top, &config, problems);
    config
}

fn timeouts(section: &Section<'_>) -> Timeouts {
    Timeouts {
        head: section.time("head"),
        idle: section.time("idle"),
        stall: section.time("stall"),
        tunnel: section.time("tunnel"),
        idle_backend: section.time("backend_idle"),
        shutdown: section.time("shutdown"),
    }
}

fn listeners(
    top: &Section<'_>,
    files: Files<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<ListenerSettings> {
    if top.written("listen").is_none() && top.written("listeners").is_none() {
        let node = TOP.key("listeners").and_then(section::default);
        let node = node.expect("listeners have a default");
        let entry = Entry { key: "listeners".to_owned(), span: NOWHERE, node };
        let root = Node::new(NOWHERE, Value::Table(vec![entry]));
        let sections = Section::new(&TOP, Some(&root)).sections("listeners");
        return sections.iter().filter_map(|one| listener(one, files, problems)).collect();
    }
    let sections = top.sections("listeners");
    let long = sections.iter().map(|section| section.place("address"));
    let places: Vec<_> = top.nodes("listen").iter().map(|node| node.span).chain(long).collect();
    let short = top.addresses("listen").into_iter().map(ListenerSettings::from);
    let long = sections.iter().filter_map(|one| listener(one, files, problems));
    let listeners: Vec<_> = short.chain(long).collect();
    let is_empty_list = |key| {
        top.written(key)
            .is_some_and(|node| matches!(&node.value, Value::List(all) if all.is_empty()))
    };
    if is_empty_list("listen") || is_empty_list("listeners") {
        let cause = "there is no listener";
        let hint = "name an address, such as `listen: :8000`, or remove the key for the default";
        let span = top.key_span("listen").or(top.key_span("listeners")).unwrap_or(NOWHERE);
        problems.push(Problem::error(Step::Meaning, span, cause, hint));
    }
    for (at, ListenerSettings { address, .. }) in listeners.iter().enumerate() {
        let is_same =
            |other: &ListenerSettings| other.address == *address && !address.is_any_port();
        let first = listeners[..at].iter().position(is_same);
        if let (Some(first), true) = (first, listeners.len() == places.len()) {
            let cause = format!("two listeners have the address {address}");
            let problem = Problem::error(Step::Meaning, places[at], cause, "remove one of the two");
            problems.push(problem.beside(places[first], "first here"));
        }
    }
    listeners
}

/// Reads a listener.
fn listener(
    section: &Section<'_>,
    files: Files<'_>,
    problems: &mut Vec<Problem>,
) -> Option<ListenerSettings> {
    let timeouts = section.section("timeouts");
    let timeouts = ClientTimeouts {
        head: timeouts.time_if("head"),
        idle: timeouts.time_if("idle"),
        stall: timeouts.time_if("stall"),
    };
    let tls = section.section_if("tls").and_then(|tls| tls::front(&tls, files, problems));
    let address = section.address("address")?;
    let (redirect, hsts) = (tls::redirect(section), tls::hsts(section));
    let is_announced = section.bool("proxy_protocol");
    let mode = u32::from_str_radix(&section.text("mode"), 8).unwrap_or(SOCKET_MODE);
    if let (Address::Tcp(_), Some(span)) = (&address, section.key_span("mode")) {
        let cause = format!("`mode` has no effect: {address} is no socket file");
        let hint = "it is for addresses such as `unix:/run/nexus.sock`; remove it";
        problems.push(Problem::warning(span, cause, hint));
    }
    let protocol = ListenerProtocol::called(&section.text("protocol")).unwrap_or_default();
    let listener =
        ListenerSettings { address, mode, timeouts, tls, is_announced, protocol, redirect, hsts };
    tls::check(section, &listener, problems);
    Some(listener)
}

/// Reads the pools, that of the short form last.
fn pools(top: &Section<'_>, files: Files<'_>, problems: &mut Vec<Problem>) -> Vec<Pool> {
    let zone = top.text_if("zone");
    let shutdown = top.section("timeouts").time("shutdown");
    let around = pools::Around { zone: zone.as_deref(), shutdown, files };
    let mut pools: Vec<Pool> = top
        .named("pools")
        .into_iter()
        .map(|(entry, section)| pools::read(entry, &section, around, problems))
        .collect();
    let is_bare = top.written("pools").is_none() && top.written("routes").is_none();
    match top.key_span("backends") {
        Some(span) => {
            if let Some(other) = pools.iter().find(|pool| pool.settings.name == DEFAULT_POOL) {
                let cause = "`backends` makes a pool `default`, and there is one in `pools`";
                let hint = "put the backends into `pools.default.backends`, or rename that pool";
                problems.push(
                    Problem::error(Step::Meaning, span, cause, hint)
                        .beside(other.span, "the other"),
                );
            }
            let backends = pools::backends(top, problems);
            let settings = PoolSettings { zone, ..PoolSettings::new(DEFAULT_POOL, backends) };
            pools.push(Pool { settings, span, is_short: true });
        }
        None if is_bare => {
            let url = |text: &str| text.parse().ok();
            let backends = DEFAULT_BACKENDS.iter().filter_map(|text| url(text)).collect();
            let settings = PoolSettings::new(DEFAULT_POOL, backends);
            pools.push(Pool { settings, span: NOWHERE, is_short: true });
        }
        None => {}
    }
    pools
}
