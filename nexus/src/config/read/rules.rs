//! What a route does with the requests that it matches.

use std::time::Duration;

use crate::config::node::Node;
use crate::config::problem::{Problem, Step};
use crate::config::read::retrying;
use crate::config::section::Section;
use crate::retry::Policy;
use crate::route::{
    Action, By, Fixed, HeaderRules, Modifiers, PoolId, Priority, RateLimit, Redirect, Rewrite,
    RouteTimeouts, Split, Substitution,
};

/// Fields that Nexus writes itself, from what a message is.
const OWN_FIELDS: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// Says whether a field is one that Nexus writes itself.
pub(super) fn is_own_field(name: &str) -> bool {
    OWN_FIELDS.iter().any(|own| name.eq_ignore_ascii_case(own))
}

/// Reads a split whose pools have been looked up.
pub(super) fn split(
    section: &Section<'_>,
    shares: &[(Section<'_>, Option<PoolId>, Option<u32>)],
    problems: &mut Vec<Problem>,
) -> Option<Split> {
    let mut all = Vec::new();
    for (share, pool, weight) in shares {
        if *weight == Some(0) {
            let cause = "a share with weight 0 gets no requests";
            let hint = "give it a weight, or remove it";
            problems.push(Problem::warning(share.place("weight"), cause, hint));
        }
        all.extend(pool.zip(*weight));
    }
    let by_client = section.text("by") == "client";
    let is_complete = all.len() == shares.len();
    match Split::new(all, by_client) {
        Ok(split) => Some(split),
        Err(_) if !is_complete => None,
        Err(_) => {
            let cause = "no pool of the split gets any requests";
            let hint = "give at least one a weight above 0";
            problems.push(Problem::error(Step::Meaning, section.place("pools"), cause, hint));
            None
        }
    }
}

/// Reads what Nexus answers itself.
pub(super) fn answer(section: &Section<'_>) -> Option<Action> {
    let status = |section: &Section<'_>| section.whole("status");
    if let Some(redirect) = section.section_if("redirect") {
        return Some(Action::Redirect(Redirect {
            scheme: redirect.text_if("scheme"),
            host: redirect.template("host"),
            path: redirect.template("path"),
            status: status(&redirect),
        }));
    }
    let respond = section.section_if("respond")?;
    Some(Action::Respond(Fixed {
        status: status(&respond),
        body: respond.text("body").into_bytes(),
        content_type: respond.text("content_type"),
    }))
}

/// Reads what a route changes; `policy` is the retry policy of its pool.
pub(super) fn modifiers(
    section: &Section<'_>,
    policy: Option<Policy>,
    problems: &mut Vec<Problem>,
) -> Modifiers {
    let action = ["redirect", "respond"].into_iter().find(|key| section.written(key).is_some());
    if let Some(action) = action {
        without_effect(section, action, problems);
    }
    let retry = section
        .section_if("retry")
        .map(|retry| retrying::read(&retry, &policy.unwrap_or_default()));
    Modifiers {
        rewrite: section.section_if("rewrite").map(|rewrite| self::rewrite(&rewrite, problems)),
        request_headers: headers(&section.section("request_headers"), problems),
        response_headers: headers(&section.section("response_headers"), problems),
        timeouts: timeouts(&section.section("timeouts")),
        retry,
        body_bytes_max: section.whole_if("body_limit"),
        mirror: None,
        priority: section.text_if("priority").and_then(|name| Priority::called(name.as_bytes())),
        rate_limit: section.section_if("rate_limit").and_then(|limit| rate_limit(&limit, problems)),
    }
}

fn timeouts(section: &Section<'_>) -> RouteTimeouts {
    RouteTimeouts {
        connect: section.time_if("connect"),
        response: section.time_if("response"),
        total: section.time_if("total"),
        stall: section.time_if("stall"),
        tunnel: section.time_if("tunnel"),
    }
}

/// Reads how many requests may pass.
fn rate_limit(section: &Section<'_>, problems: &mut Vec<Problem>) -> Option<RateLimit> {
    /// Somebody who has used up a burst is let through again after this time at most.
    const AHEAD_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
    let interval = section.rate("rate")?;
    let burst = section.whole_if("burst").unwrap_or(interval.count);
    let by = match section.text_if("by_header") {
        Some(name) => By::Header(name),
        None if section.text("by") == "route" => By::Route,
        None => By::Client,
    };
    let limit = RateLimit { interval, burst, by };
    if u128::from(limit.ahead_max()) > AHEAD_MAX.as_micros() {
        let cause =
            format!("a burst of {burst} takes more than 30 days to be there again at {interval}");
        let hint = "use a smaller `burst` or a higher `rate`";
        problems.push(Problem::error(Step::Meaning, section.place("burst"), cause, hint));
    }
    Some(limit)
}

/// Nothing is silently ignored: what changes messages to and from a backend needs a backend.
fn without_effect(section: &Section<'_>, action: &str, problems: &mut Vec<Problem>) {
    let of_backends =
        ["rewrite", "request_headers", "timeouts", "retry", "body_limit", "mirror", "priority"];
    for key in of_backends {
        if let Some(span) = section.key_span(key) {
            let cause = format!("`{key}` has no effect beside `{action}`");
            let hint = format!("remove it: with `{action}` no backend is asked");
            problems.push(Problem::error(Step::Meaning, span, cause, hint));
        }
    }
}

fn rewrite(section: &Section<'_>, problems: &mut Vec<Problem>) -> Rewrite {
    let (regex, replace) = (section.written("regex"), section.written("replace"));
    let alone = |node: &Node, key: &str, other: &str| {
        let cause = format!("`{key}` has no effect without `{other}`");
        Problem::error(Step::Meaning, node.span, cause, format!("add `{other}`, or remove `{key}`"))
    };
    match (regex, replace) {
        (Some(node), None) => problems.push(alone(node, "regex", "replace")),
        (None, Some(node)) => problems.push(alone(node, "replace", "regex")),
        _ => {}
    }
    let with = section.text_if("replace");
    let made = section.regex("regex").zip(with).and_then(|(regex, with)| {
        Substitution::new(regex, &with)
            .map_err(|why| {
                let cause =
                    format!("`replace` names a group that `regex` does not have: `{}`", why.0);
                problems.push(Problem::error(
                    Step::Meaning,
                    section.place("replace"),
                    cause,
                    why.to_string(),
                ));
            })
            .ok()
    });
    Rewrite {
        strip_prefix: section.text_if("strip_prefix"),
        replace: made,
        add_prefix: section.text_if("add_prefix"),
    }
}

fn headers(section: &Section<'_>, problems: &mut Vec<Problem>) -> HeaderRules {
    let removed = section.nodes("remove").iter().filter_map(|node| Some((node.text()?, node.span)));
    let named = ["set", "add"].into_iter().filter_map(|key| section.written(key));
    let named = named.flat_map(Node::entries).map(|entry| (entry.key.as_str(), entry.span));
    for (name, span) in removed.clone().filter(|(name, _)| name.eq_ignore_ascii_case("host")) {
        let cause = format!("`{name}` cannot be removed");
        let hint = "set it to another host instead: HTTP/1.1 needs one";
        problems.push(Problem::error(Step::Meaning, span, cause, hint));
    }
    for (name, span) in removed.chain(named) {
        if OWN_FIELDS.contains(&name.to_ascii_lowercase().as_str()) {
            let cause = format!("`{name}` is Nexus's own to write");
            let hint = "remove it: it says how this very message is sent, which Nexus knows best";
            problems.push(Problem::error(Step::Meaning, span, cause, hint));
        }
    }
    HeaderRules {
        remove: section.texts("remove"),
        set: section.pairs("set"),
        add: section.pairs("add"),
    }
}
