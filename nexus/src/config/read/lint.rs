//! What is hardly meant so at the top of a file.

use crate::config::Config;
use crate::config::problem::Problem;
use crate::config::section::Section;

/// Warns of what is odd about listeners and networks.
pub(super) fn top(top: &Section<'_>, config: &Config, problems: &mut Vec<Problem>) {
    for (node, network) in top.nodes("trusted_proxies").iter().zip(&config.trusted) {
        if network.prefix_len() == 0 {
            let cause = format!("{network} trusts everybody: any client can claim to be another");
            let hint = "name the networks of your own proxies, such as `10.0.0.0/8`";
            problems.push(Problem::warning(node.span, cause, hint));
        }
    }
    for listener in top.sections("listeners") {
        if let (true, Some(span)) = (config.trusted.is_empty(), listener.key_span("proxy_protocol"))
            && listener.bool("proxy_protocol")
        {
            let cause = "every connection is closed: `proxy_protocol` is for `trusted_proxies`, and there are none";
            let hint = "name the proxies in front, such as `trusted_proxies: [10.0.0.0/8]`";
            problems.push(Problem::warning(span, cause, hint));
        }
    }
    let pools = top.named("pools");
    let sections = pools.iter().map(|(_, pool)| *pool).chain([*top]);
    for backend in sections.flat_map(|section| section.sections("backends")) {
        if let (None, Some(zone)) = (top.written("zone"), backend.key_span("zone")) {
            let cause = "this zone makes no difference: the file does not say where Nexus stands";
            let hint = "add `zone` at the top of the file, such as `zone: ${ZONE}`";
            problems.push(Problem::warning(zone, cause, hint));
        }
        let Some(url) = backend.url("url") else { continue };
        let is_here = matches!(url.host(), "localhost" | "127.0.0.1" | "::1");
        let is_own = |port: u16| {
            config.listeners.iter().filter_map(|own| own.address.tcp()).any(|own| {
                own.port() == port && (own.ip().is_unspecified() || own.ip().is_loopback())
            })
        };
        if is_here && is_own(url.port()) {
            let cause =
                format!("{url} is where Nexus itself listens: requests would go in a circle");
            let hint = "name the port of the backend, or listen on another";
            problems.push(Problem::warning(backend.place("url"), cause, hint));
        }
    }
}
