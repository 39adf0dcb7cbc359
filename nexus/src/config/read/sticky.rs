//! Sticky sessions.

use crate::config::node::Origin;
use crate::config::problem::{Problem, Step};
use crate::config::section::Section;
use crate::session::token::Keys;
use crate::session::{By, Cookie, Sticky, WhenFull};

/// Keys that say how Nexus's own cookie is made.
const OF_COOKIE: [&str; 6] = ["keys", "path", "domain", "secure", "http_only", "same_site"];

/// Reads how sessions keep their backend.
pub(super) fn read(section: &Section<'_>, has_queue: bool, problems: &mut Vec<Problem>) -> Sticky {
    let by = match (section.text_if("app_cookie"), section.text_if("header")) {
        (Some(name), _) => By::AppCookie(name),
        (_, Some(name)) => By::Header(name),
        _ if section.written("client").is_some() => By::Client,
        _ => By::Cookie(Box::new(cookie(section, problems))),
    };
    if !matches!(by, By::Cookie(_)) {
        for key in OF_COOKIE.into_iter().filter(|key| section.written(key).is_some()) {
            let cause = format!("`{key}` has no effect: it is for a `cookie` that Nexus sets");
            let hint = "remove it, or tell sessions by `cookie`";
            problems.push(Problem::warning(section.place(key), cause, hint));
        }
    }
    let when_full = match section.text("when_full").as_str() {
        "wait" => WhenFull::Wait,
        _ => WhenFull::Move,
    };
    if when_full == WhenFull::Wait && !has_queue {
        let cause = "sessions cannot wait: the pool has no `queue`, so they are refused (503)";
        let hint = "add `queue: 5s` to the pool, or use `when_full: move`";
        problems.push(Problem::warning(section.place("when_full"), cause, hint));
    }
    let sessions_max = section.whole("max_sessions");
    Sticky { by, ttl: section.time("ttl"), when_full, sessions_max }
}

fn cookie(section: &Section<'_>, problems: &mut Vec<Problem>) -> Cookie {
    let keys = section.texts("keys");
    if section.written("keys").is_none() {
        let cause =
            "sessions end when Nexus does: their cookies are signed with a key made at start";
        let hint = "add `keys: [\"${file:sessions.key}\"]`, the same on all machines";
        problems.push(Problem::warning(section.span(), cause, hint));
    }
    for node in section.nodes("keys").iter().filter(|node| node.origin == Origin::Written) {
        let cause = "a key for sessions stands in the file";
        let hint = "put it into a file of its own that only Nexus can read: `${file:sessions.key}`";
        problems.push(Problem::warning(node.span, cause, hint));
    }
    let (same_site, secure) = (section.text("same_site"), section.bool("secure"));
    if same_site == "none" && !secure {
        let cause = "browsers refuse a cookie with `SameSite=None` that is not `Secure`";
        let hint = "add `secure: true`, or use `same_site: lax`";
        problems.push(Problem::error(Step::Meaning, section.place("same_site"), cause, hint));
    }
    if section.host("domain").is_some_and(|domain| domain.to_string().starts_with('*')) {
        let cause = "a cookie's domain stands for all hosts in it already";
        let hint = "leave `*.` out";
        problems.push(Problem::error(Step::Meaning, section.place("domain"), cause, hint));
    }
    if section.text("path").contains(';') {
        let cause = "a cookie's path has no `;`";
        let hint = "use a path in front of it";
        problems.push(Problem::error(Step::Meaning, section.place("path"), cause, hint));
    }
    Cookie { name: section.text("cookie"), attributes: attributes(section), keys: Keys::new(keys) }
}

/// Writes what stands behind the value.
fn attributes(section: &Section<'_>) -> String {
    let mut all = format!("; Path={}", section.text("path"));
    all += &format!("; Max-Age={}", section.time("ttl").as_secs().max(1));
    if let Some(domain) = section.host("domain") {
        all += &format!("; Domain={domain}");
    }
    if section.bool("secure") {
        all += "; Secure";
    }
    if section.bool("http_only") {
        all += "; HttpOnly";
    }
    all += match section.text("same_site").as_str() {
        "strict" => "; SameSite=Strict",
        "none" => "; SameSite=None",
        _ => "; SameSite=Lax",
    };
    all
}
