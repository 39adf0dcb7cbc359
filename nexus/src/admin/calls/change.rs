//! Calls that change a backend while it runs.

use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use serde_json::{Value as Json, json};

use super::ask::{ask, named, no_such_backend, query, time};
use crate::admin::answer::Failure;
use crate::admin::{Shared, status};
use crate::control::{Change, Command};
use crate::session;

pub(super) async fn change(
    shared: &Shared,
    who: &str,
    request: &Request<Incoming>,
    change: Change,
) -> Result<Json, Failure> {
    let (pool, backend) = named(request)?;
    let (name, url) = (pool.to_owned(), backend.to_owned());
    let by = who.into();
    let command = |reply| Command::Backend { pool: name, backend: url, change, by, reply };
    if ask(shared, command).await? {
        return Ok(json!(status::pools(&shared.published.current())));
    }
    Err(no_such_backend(pool, backend))
}

/// Reads until when a backend that drains keeps its sessions; for ever if nothing is said.
pub(super) fn drains_until(request: &Request<Incoming>) -> Result<u32, Failure> {
    /// Whoever wants more can leave the deadline out.
    const DEADLINE_MAX: Duration = Duration::from_secs(365 * 24 * 3600);
    let Some(text) = query(request, "deadline") else { return Ok(u32::MAX) };
    let seconds = u32::try_from(time(text, DEADLINE_MAX)?.as_secs()).unwrap_or(u32::MAX);
    Ok(session::now().saturating_add(seconds))
}

pub(super) fn weight(request: &Request<Incoming>) -> Result<Option<u32>, Failure> {
    /// As in a configuration.
    const WEIGHT_MAX: u32 = 1000;
    let read = |text: &str| {
        let weight = text.parse().ok().filter(|weight| *weight <= WEIGHT_MAX);
        let hint = "use a whole number from 0 to 1000";
        weight
            .ok_or_else(|| Failure::new(400, "bad_weight", format!("`{text}` is no weight"), hint))
    };
    query(request, "weight").map(read).transpose()
}
