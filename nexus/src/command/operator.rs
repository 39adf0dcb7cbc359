//! Taking a hand in a Nexus that runs: a backend in or out, the level of its events.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::Outcome;
use super::remote::{failed, find};
use crate::cli::operator::{Disable, Eject, Enable, LogLevel};
use crate::cli::remote::{Named, Where};
use crate::config::World;

/// Writes the call that changes a backend.
pub(super) fn change(what: &str, Named { pool, backend }: &Named) -> String {
    let written = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    format!("/v1/{what}?pool={}&backend={}", written(pool), written(backend))
}

/// Makes a call that changes something; `said` is what to say when it has.
pub(super) fn changed(at: &Where, world: &dyn World, path: &str, said: String) -> Outcome {
    match find(at, None, world) {
        Ok(remote) => match remote.call("POST", path, String::new()) {
            Ok(_) => Outcome::fine(said),
            Err(error) => failed(error),
        },
        Err(outcome) => outcome,
    }
}

/// Gives a backend no requests at all.
pub fn disable(how: &Disable, world: &dyn World) -> Outcome {
    let Named { pool, backend } = &how.backend;
    let said = format!("{pool}/{backend} is disabled\n");
    changed(&how.at, world, &change("disable", &how.backend), said)
}

/// Gives a backend requests again.
pub fn enable(how: &Enable, world: &dyn World) -> Outcome {
    let Named { pool, backend } = &how.backend;
    let said = format!("{pool}/{backend} is enabled\n");
    changed(&how.at, world, &change("enable", &how.backend), said)
}

/// Gives a backend no requests for a while.
pub fn eject(how: &Eject, world: &dyn World) -> Outcome {
    let Named { pool, backend } = &how.backend;
    let path = format!("{}&time={}ms", change("eject", &how.backend), how.time.as_millis());
    let time = humantime::format_duration(how.time);
    changed(&how.at, world, &path, format!("{pool}/{backend} is ejected for {time}\n"))
}

/// Tells from which level on events are written, or changes it.
pub fn log_level(how: &LogLevel, world: &dyn World) -> Outcome {
    let (method, path) = match &how.level {
        Some(level) => ("POST", format!("/v1/log-level?level={level}")),
        None => ("GET", "/v1/log-level".to_owned()),
    };
    let told = find(&how.at, None, world)
        .and_then(|remote| remote.call(method, &path, String::new()).map_err(failed));
    match told {
        Ok(told) if how.form.is_json() => Outcome::fine(format!("{told:#}\n")),
        Ok(told) => Outcome::fine(format!("{}\n", told["level"].as_str().unwrap_or("–"))),
        Err(outcome) => outcome,
    }
}
