//! What a call says, and how the control task is told of it.

use std::borrow::Cow;
use std::fmt::Display;
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::Request;
use hyper::body::{Body, Bytes, Incoming};
use percent_encoding::percent_decode_str;
use tokio::sync::oneshot;

use crate::admin::Shared;
use crate::admin::answer::Failure;
use crate::control::Command;
use crate::metrics::history;

/// Bytes of a call's body: a configuration of 10,000 routes is a few megabytes.
const BODY_BYTES_MAX: usize = 16 << 20;

/// Tells the control task to do something, and waits for its answer.
pub(super) async fn ask<T>(
    shared: &Shared,
    command: impl FnOnce(oneshot::Sender<T>) -> Command,
) -> Result<T, Failure> {
    let stopping = || Failure::new(503, "stopping", "Nexus is stopping", "it was told to stop");
    let (reply, answer) = oneshot::channel();
    shared.commands.send(command(reply)).await.map_err(|_| stopping())?;
    answer.await.map_err(|_| stopping())
}

/// Reads the body of a call.
pub(super) async fn body(request: Request<Incoming>) -> Result<Bytes, Failure> {
    let unread = |error: &dyn Display| {
        let hint = "send one JSON document of 16 MiB at most";
        Failure::new(413, "bad_body", format!("cannot read the body: {error}"), hint)
    };
    let body = request.into_body();
    // Who says at once how long it is, is refused at once.
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(unread(&"it is too long"));
    }
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
    Ok(body.map_err(|error| unread(&error))?.to_bytes())
}

/// Returns a value of the query; as browsers write it, `%3A` is `:`.
pub(super) fn query<'r>(request: &'r Request<Incoming>, name: &str) -> Option<Cow<'r, str>> {
    let pairs = request.uri().query().unwrap_or_default().split('&');
    let mut pairs = pairs.filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(known, _)| *known == name)?;
    Some(percent_decode_str(value).decode_utf8_lossy())
}

/// Reads a whole number of the query.
pub(super) fn number(request: &Request<Incoming>, name: &str) -> Result<Option<u64>, Failure> {
    let read = |text: Cow<'_, str>| {
        let bad = |_| {
            let message = format!("`{name}={text}` is no whole number");
            Failure::new(400, "bad_number", message, "use digits only")
        };
        text.parse().map_err(bad)
    };
    query(request, name).map(read).transpose()
}

/// Returns the pool and the backend that a call is about.
pub(super) fn named(request: &Request<Incoming>) -> Result<(Cow<'_, str>, Cow<'_, str>), Failure> {
    let hint = "name both: ?pool=web&backend=http://10.0.0.5:8081";
    let missing = || Failure::new(400, "no_name", "pool or backend is missing", hint);
    query(request, "pool").zip(query(request, "backend")).ok_or_else(missing)
}

pub(super) fn no_such_backend(pool: &str, backend: &str) -> Failure {
    let hint = "GET /v1/pools, or `nexus status`, names all";
    let message = format!("there is no backend {backend} in a pool {pool}");
    Failure::new(404, "no_such_backend", message, hint)
}

/// Returns how many seconds of each series are asked for.
pub(super) fn seconds(request: &Request<Incoming>) -> Result<usize, Failure> {
    const USUAL: usize = 60;
    let Some(text) = query(request, "seconds") else { return Ok(USUAL) };
    text.parse().ok().filter(|seconds| *seconds <= history::KEPT).ok_or_else(|| {
        let hint = "use a whole number from 0 to 300";
        Failure::new(400, "bad_seconds", format!("`{text}` is no number of seconds"), hint)
    })
}

pub(super) fn time(text: &str, max: Duration) -> Result<Duration, Failure> {
    let time = humantime::parse_duration(text).ok();
    time.filter(|time| !time.is_zero() && *time <= max).ok_or_else(|| {
        let max = humantime::format_duration(max);
        let message = format!("`{text}` is no time to wait, of {max} at most");
        Failure::new(400, "bad_time", message, "use a time such as 30s")
    })
}
