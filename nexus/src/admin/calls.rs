//! The calls that the admin address answers: who may make which, and whose work each is.

mod ask;
mod change;
mod settings;
mod table;

use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, ALLOW, AUTHORIZATION, HOST, HeaderName, ORIGIN};
use serde_json::{Value as Json, json};

use super::answer::{Failure, Response, json_response, response, text};
use super::rights::{self, Role, Words};
use super::{Shared, stats, status};
use crate::control::Change;
use crate::metrics::exposition::{self, Format};
use crate::metrics::families::Whole;
use ask::{named, no_such_backend};
use table::Which;

pub use table::{CALLS, Call, Kind, Param};

/// Answers a call.
pub async fn answer(shared: &Shared, peer: &str, request: Request<Incoming>) -> Response {
    match find(shared, peer, request).await {
        Ok(response) => response,
        Err(failure) => failure.into_response(),
    }
}

async fn find(
    shared: &Shared,
    peer: &str,
    request: Request<Incoming>,
) -> Result<Response, Failure> {
    let path = request.uri().path();
    let here: Vec<_> = CALLS.iter().filter(|call| call.path == path).collect();
    let by_method = here.iter().find(|call| call.method == request.method().as_str());
    // What is not there needs no right to be told so, but the right name.
    let role = by_method.map_or(Role::Open, |call| call.role);
    let who = who(shared, peer, &request, role)?;
    let Some(call) = by_method else { return Ok(no_such(&here)) };
    if call.role == Role::Write {
        tracing::info!(call = call.path, by = %who, peer, "admin call");
    }
    run(shared, call.which, &who, request).await
}

fn no_such(here: &[&Call]) -> Response {
    let Some(call) = here.first() else {
        let hint = "docs/admin.md has all calls";
        return Failure::new(404, "no_such_call", "there is no such call", hint).into_response();
    };
    let hint = "docs/admin.md has all calls";
    let failure = Failure::new(405, "other_method", format!("use {}", call.method), hint);
    let mut response = failure.into_response();
    let allow = call.method.parse().expect("a method is a legal value");
    response.headers_mut().insert(ALLOW, allow);
    response
}

/// Returns who asks, if they may.
fn who(
    shared: &Shared,
    peer: &str,
    request: &Request<Incoming>,
    role: Role,
) -> Result<String, Failure> {
    let field =
        |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    let words = Words {
        host: field(HOST),
        origin: field(ORIGIN),
        authorization: field(AUTHORIZATION),
        is_local: peer == "unix",
    };
    let snapshot = shared.published.current();
    let Some(admin) = &snapshot.settings.admin else {
        let hint = "add `admin` to the configuration";
        return Err(Failure::new(503, "closing", "this address is about to close", hint));
    };
    let allowed = rights::allow(admin, role, words);
    if let Err(denial) = allowed {
        tracing::warn!(
            peer,
            denial = denial.words().1,
            path = request.uri().path(),
            "admin call refused"
        );
    }
    Ok(allowed?.to_owned())
}

async fn run(
    shared: &Shared,
    which: Which,
    who: &str,
    request: Request<Incoming>,
) -> Result<Response, Failure> {
    let result = match which {
        Which::Healthz => return Ok(text(200, "ok\n")),
        Which::Readyz => {
            let is_ready = shared.published.current().backends().all(|backend| backend.is_probed());
            return Ok(if is_ready { text(200, "ready\n") } else { text(503, "probing\n") });
        }
        Which::Metrics => return Ok(metrics(shared, &request)),
        Which::Stats => json!(stats::stats(shared, ask::seconds(&request)?)),
        Which::Status => json!(status::status(shared)),
        Which::Pools => json!(status::pools(&shared.published.current())),
        Which::Why => why(shared, &request)?,
        Which::Config => (*shared.effective.borrow())(),
        Which::Explain => settings::explain(shared, request).await?,
        Which::Plan => settings::plan(shared, request).await?,
        Which::Reload => settings::reload(shared, who, &request).await?,
        Which::Confirm => settings::confirm(shared, who).await?,
        Which::Drain => {
            let until = change::drains_until(&request)?;
            change::change(shared, who, &request, Change::Drain(until)).await?
        }
        Which::Undrain => change::change(shared, who, &request, Change::Undrain).await?,
        Which::Weight => {
            let change_to = change::weight(&request)?;
            change::change(shared, who, &request, Change::Weigh(change_to)).await?
        }
    };
    Ok(json_response(200, &result))
}

fn metrics(shared: &Shared, request: &Request<Incoming>) -> Response {
    let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
    let format = Format::accepted(accept.unwrap_or_default());
    let reloads = shared.history.borrow().clone();
    let whole = Whole::read(&shared.published, &shared.metrics.borrow(), reloads);
    response(200, format.content_type(), exposition::write(whole, format))
}

fn why(shared: &Shared, request: &Request<Incoming>) -> Result<Json, Failure> {
    let (pool, backend) = named(request)?;
    let snapshot = shared.published.current();
    let (found, place) =
        snapshot.find(pool, backend).ok_or_else(|| no_such_backend(pool, backend))?;
    Ok(json!(status::why(found, place)))
}
