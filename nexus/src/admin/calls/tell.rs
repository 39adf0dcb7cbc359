//! Calls that tell what has happened, and to whom they tell it.

use std::sync::Arc;

use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::task::spawn_local;

use super::ask::{named, no_such_backend, number};
use super::{Asker, allowed};
use crate::admin::Shared;
use crate::admin::answer::{Body, Failure, Response, with_body};
use crate::admin::rights::Role;
use crate::admin::status::{self, Why};
use crate::events::Event;
use crate::failures::FailedRequest;
use crate::level;

/// Failed requests that are told of unless somebody wants fewer or more.
const FAILURES: u64 = 50;

/// Who asks, and what they may do.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Me {
    /// The name of the token; `anybody` without one.
    name: String,
    /// Whether it may make calls that change something.
    may_write: bool,
}

impl Me {
    pub(super) fn of(shared: &Shared, asker: &Asker) -> Self {
        let may_write = allowed(&shared.published, asker, Role::Write);
        Self { name: asker.name.clone(), may_write }
    }
}

/// From which level on Nexus writes its own events.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct LogLevel {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    level: &'static str,
}

impl LogLevel {
    pub(super) fn of(shared: &Shared) -> Self {
        Self { level: level::name(shared.levels.level()) }
    }
}

/// The last events, the oldest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct EventList {
    events: Vec<Event>,
}

/// The last requests that failed, the latest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct FailureList {
    failures: Vec<FailedRequest>,
}

/// What has happened: all of it at once, or from now on as it happens.
pub(super) enum Told {
    Now(EventList),
    Stream(Response),
}

/// Tells what has happened after the event that is named, in the form that is asked for.
pub(super) fn events(
    shared: &Shared,
    asker: Asker,
    request: &Request<Incoming>,
) -> Result<Told, Failure> {
    let field =
        |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    let last_seen = field(HeaderName::from_static("last-event-id"));
    let last_seen = last_seen.and_then(|text| text.trim().parse().ok());
    let after = match last_seen {
        Some(id) => id,
        None => number(request, "after")?.unwrap_or(0),
    };
    let accept = field(ACCEPT).unwrap_or_default();
    if accept.contains("application/json") && !accept.contains("text/event-stream") {
        let events = shared.events.borrow().after(after);
        let events = events.into_iter().map(Arc::unwrap_or_clone).collect();
        return Ok(Told::Now(EventList { events }));
    }
    let Some((follower, pieces)) = shared.events.borrow().follow(after) else {
        let hint = "close another, or ask with Accept: application/json";
        return Err(Failure::new(503, "too_many_followers", "as many follow as may", hint));
    };
    let published = Arc::clone(&shared.published);
    // It ends with whoever follows, or with the thread: nothing waits for it.
    spawn_local(follower.run(move || allowed(&published, &asker, Role::Read)));
    let mut response = with_body(200, "text/event-stream", Body::Stream(pieces));
    // A proxy in between must pass on each event as it comes.
    let unbuffered = HeaderName::from_static("x-accel-buffering");
    response.headers_mut().insert(unbuffered, HeaderValue::from_static("no"));
    Ok(Told::Stream(response))
}

/// Tells which requests failed last.
pub(super) fn failures(
    shared: &Shared,
    request: &Request<Incoming>,
) -> Result<FailureList, Failure> {
    let limit = number(request, "limit")?.unwrap_or(FAILURES);
    let failures = shared.published.failures.last(usize::try_from(limit).unwrap_or(usize::MAX));
    let failures = failures.into_iter().map(Arc::unwrap_or_clone).collect();
    Ok(FailureList { failures })
}

/// Tells why a backend gets requests, or none.
pub(super) fn why(shared: &Shared, request: &Request<Incoming>) -> Result<Why, Failure> {
    let (pool, backend) = named(request)?;
    let snapshot = shared.published.current();
    let (found, place) =
        snapshot.find(&pool, &backend).ok_or_else(|| no_such_backend(&pool, &backend))?;
    Ok(status::why(found, place))
}
