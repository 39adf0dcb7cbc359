//! Calls that change a backend while it runs, or what Nexus says of itself.

use std::borrow::Cow;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;

use super::ask::{ask, named, no_such_backend, query, time};
use super::tell::LogLevel;
use crate::admin::Shared;
use crate::admin::answer::Failure;
use crate::admin::status::{self, PoolStatus};
use crate::control::{Change, Command, Unchanged};
use crate::{level, session};

pub(super) async fn change(
    shared: &Shared,
    who: &str,
    request: &Request<Incoming>,
    change: Change,
) -> Result<Vec<PoolStatus>, Failure> {
    let (pool, backend) = named(request)?;
    let (name, url) = (pool.to_string(), backend.to_string());
    let by = who.into();
    let command = |reply| Command::Backend { pool: name, backend: url, change, by, reply };
    match ask(shared, command).await? {
        Ok(()) => Ok(status::pools(&shared.published.current())),
        Err(Unchanged::NoSuchBackend) => Err(no_such_backend(&pool, &backend)),
        Err(Unchanged::LastAvailable) => {
            let message = format!("nobody else in pool {pool} is available: {backend} stays in");
            let hint = "if it must not answer whatever happens, disable it";
            Err(Failure::new(409, "last_available", message, hint))
        }
    }
}

/// Reads until when a backend that drains keeps its sessions; for ever if nothing is said.
pub(super) fn drains_until(request: &Request<Incoming>) -> Result<u32, Failure> {
    /// Whoever wants more can leave the deadline out.
    const DEADLINE_MAX: Duration = Duration::from_secs(365 * 24 * 3600);
    let Some(text) = query(request, "deadline") else { return Ok(u32::MAX) };
    let seconds = u32::try_from(time(&text, DEADLINE_MAX)?.as_secs()).unwrap_or(u32::MAX);
    Ok(session::now().saturating_add(seconds))
}

/// Reads for how long a backend is ejected.
pub(super) fn ejection(request: &Request<Incoming>) -> Result<Duration, Failure> {
    /// Long enough for a look at what it does.
    const TIME: Duration = Duration::from_secs(60);
    /// Whoever wants more disables it.
    const TIME_MAX: Duration = Duration::from_secs(24 * 3600);
    query(request, "time").map_or(Ok(TIME), |text| time(&text, TIME_MAX))
}

pub(super) fn weight(request: &Request<Incoming>) -> Result<Option<u32>, Failure> {
    /// As in a configuration.
    const WEIGHT_MAX: u32 = 1000;
    let read = |text: Cow<'_, str>| {
        let weight = text.parse().ok().filter(|weight| *weight <= WEIGHT_MAX);
        let hint = "use a whole number from 0 to 1000";
        weight
            .ok_or_else(|| Failure::new(400, "bad_weight", format!("`{text}` is no weight"), hint))
    };
    query(request, "weight").map(read).transpose()
}

/// Writes Nexus's own events from another level on.
pub(super) async fn set_level(
    shared: &Shared,
    who: &str,
    request: &Request<Incoming>,
) -> Result<LogLevel, Failure> {
    let said = query(request, "level").unwrap_or_default();
    let Some(level) = level::read(&said) else {
        let hint = "use error, warn, info, debug or trace: ?level=debug";
        return Err(Failure::new(400, "bad_level", format!("`{said}` is no level"), hint));
    };
    let by = who.into();
    ask(shared, |reply| Command::Level { level, by, reply }).await?;
    Ok(LogLevel::of(shared))
}
