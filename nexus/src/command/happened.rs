//! What has happened in a Nexus that runs: events, and requests that failed.

use std::io::Write;

use serde_json::Value as Json;

use super::Outcome;
use super::remote::{failed, find, list};
use crate::cli::operator::{Events, Failures};
use crate::config::World;

/// Tells what has happened; with `--follow` writes it to `output`, and then what happens.
pub fn events(how: &Events, world: &dyn World, output: &mut dyn Write) -> Outcome {
    let remote = match find(&how.at, None, world) {
        Ok(remote) => remote,
        Err(outcome) => return outcome,
    };
    let path = format!("/v1/events?after={}", how.after);
    if how.follow {
        let mut write = |event: &Json| {
            let line = if how.form.is_json() { format!("{event}\n") } else { event_text(event) };
            output.write_all(line.as_bytes()).and_then(|()| output.flush()).is_ok()
        };
        return match remote.follow(&path, &mut write) {
            Ok(()) => Outcome::fine(""),
            Err(error) => failed(error),
        };
    }
    match remote.call("GET", &path, String::new()) {
        Ok(told) if how.form.is_json() => Outcome::fine(format!("{told:#}\n")),
        Ok(told) => match list(&told, "events") {
            [] => Outcome::fine("nothing has happened\n"),
            events => Outcome::fine(events.iter().map(event_text).collect::<String>()),
        },
        Err(error) => failed(error),
    }
}

/// Writes an event as one line.
fn event_text(event: &Json) -> String {
    let word = |name: &str| event[name].as_str();
    if let Some(missed) = event["missed"].as_u64() {
        return format!("… {missed} events were missed\n");
    }
    let about = match (word("pool"), word("backend")) {
        (Some(pool), Some(backend)) => format!("  {pool}/{backend}"),
        (Some(pool), None) => format!("  {pool}"),
        _ => String::new(),
    };
    let text = word("text").unwrap_or_default();
    let text = text.lines().map(str::trim).collect::<Vec<_>>().join("; ");
    let by = word("by").map(|by| format!("  by {by}")).unwrap_or_default();
    let (at, kind) = (word("at").unwrap_or("–"), word("kind").unwrap_or("–"));
    format!("{at}  {kind:19}{about}  {text}{by}\n")
}

/// Tells which requests have failed.
pub fn failures(how: &Failures, world: &dyn World) -> Outcome {
    let path = format!("/v1/failures?limit={}", how.limit);
    let told = find(&how.at, None, world)
        .and_then(|remote| remote.call("GET", &path, String::new()).map_err(failed));
    match told {
        Ok(told) if how.form.is_json() => Outcome::fine(format!("{told:#}\n")),
        Ok(told) => match list(&told, "failures") {
            [] => Outcome::fine("no request has failed\n"),
            failures => Outcome::fine(failures.iter().map(failure_text).collect::<String>()),
        },
        Err(outcome) => outcome,
    }
}

/// Writes a request that failed as a line, and one for each attempt.
fn failure_text(failure: &Json) -> String {
    let word = |value: &Json| value.as_str().unwrap_or("–").to_owned();
    let named = |name: &str| failure[name].as_str().map(|value| format!(", {name} {value}"));
    let mut text = format!(
        "{}  {} {}{}  {} {}, from {}{}{}, after {} ms",
        word(&failure["at"]),
        word(&failure["method"]),
        word(&failure["host"]),
        word(&failure["path"]),
        failure["status"],
        word(&failure["reason"]),
        word(&failure["client"]),
        named("route").unwrap_or_default(),
        named("pool").unwrap_or_default(),
        failure["duration_ms"],
    );
    if let Some(why) = failure["not_retried"].as_str() {
        text += &format!("; not retried: {why}");
    }
    text += "\n";
    for attempt in list(failure, "attempts") {
        let (backend, reason) = (word(&attempt["backend"]), word(&attempt["reason"]));
        let (phase, time) = (word(&attempt["phase"]), &attempt["duration_ms"]);
        text += &format!("  {backend}  {reason}, waiting for {phase}, {time} ms\n");
    }
    text
}
