//! The calls that the admin address answers: who may make which, and whose work each is.

mod ask;
mod change;
pub mod openapi;
mod settings;
mod table;
mod tell;

use hyper::body::Incoming;
use hyper::header::{ACCEPT, ALLOW, AUTHORIZATION, HOST, HeaderMap, HeaderName, ORIGIN};
use hyper::{Method, Request};
use serde::Serialize;

use super::answer::{Failure, Response, json_response, response, text};
use super::metrics::exposition::{self, Format};
use super::metrics::families::Whole;
use super::rights::{self, Denial, Role, Words};
use super::{Shared, dashboard, stats, status};
use crate::control::Change;
use crate::snapshot::Published;
use table::Which;
use tell::{LogLevel, Me, Told};

pub use table::{Answer, CALLS, Call, Kind, Look, Param};

/// Whoever asks.
struct Asker {
    /// The name of the token, or `anybody`.
    name: String,
    headers: HeaderMap,
    /// Whether over a Unix socket.
    is_local: bool,
}

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
    let asker = who(shared, peer, &request, role)?;
    if let Some(file) = dashboard::find(path).filter(|_| request.method() == Method::GET) {
        return Ok(file.response());
    }
    let Some(call) = by_method else { return Ok(no_such(&here)) };
    if call.role == Role::Write {
        let about = request.uri().query().unwrap_or_default();
        tracing::info!(call = call.path, about, by = asker.name, peer, "admin call");
    }
    run(shared, call.which, asker, request).await
}

fn no_such(here: &[&Call]) -> Response {
    let hint = "GET /v1/openapi.json and docs/admin.md have all calls";
    if here.is_empty() {
        return Failure::new(404, "no_such_call", "there is no such call", hint).into_response();
    }
    let methods: Vec<_> = here.iter().map(|call| call.method).collect();
    let methods = methods.join(", ");
    let failure = Failure::new(405, "other_method", format!("use {methods}"), hint);
    let mut response = failure.into_response();
    response.headers_mut().insert(ALLOW, methods.parse().expect("methods are a legal value"));
    response
}

/// Returns who asks, if they may.
fn who(
    shared: &Shared,
    peer: &str,
    request: &Request<Incoming>,
    role: Role,
) -> Result<Asker, Failure> {
    let (headers, is_local) = (request.headers().clone(), peer == "unix");
    let snapshot = shared.published.current();
    let Some(admin) = &snapshot.settings.admin else {
        let hint = "add `admin` to the configuration";
        return Err(Failure::new(503, "closing", "this address is about to close", hint));
    };
    let name = rights::allow(admin, role, words(&headers, is_local));
    let refused = |denial: Denial| {
        let (path, why) = (request.uri().path(), denial.words().1);
        tracing::warn!(peer, denial = why, path, "admin call refused");
    };
    let name = name.inspect_err(|denial| refused(*denial))?.to_owned();
    Ok(Asker { name, headers, is_local })
}

/// Says whether whoever asks may make calls of this role, by what is configured now.
fn allowed(published: &Published, asker: &Asker, role: Role) -> bool {
    let words = words(&asker.headers, asker.is_local);
    let snapshot = published.current();
    let admin = snapshot.settings.admin.as_ref();
    admin.is_some_and(|admin| rights::allow(admin, role, words).is_ok())
}

fn words(headers: &HeaderMap, is_local: bool) -> Words<'_> {
    // What cannot be read is there all the same, and is nothing that would be allowed.
    let field = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let fetch = |name| field(HeaderName::from_static(name));
    let is_visit =
        fetch("sec-fetch-mode") == Some("navigate") && fetch("sec-fetch-dest") == Some("document");
    Words {
        host: field(HOST),
        origin: field(ORIGIN),
        authorization: field(AUTHORIZATION),
        fetch_site: fetch("sec-fetch-site"),
        is_visit,
        is_local,
    }
}

async fn run(
    shared: &Shared,
    which: Which,
    asker: Asker,
    request: Request<Incoming>,
) -> Result<Response, Failure> {
    let change = async |change| change::change(shared, &asker.name, &request, change).await;
    match which {
        Which::Healthz => Ok(text(200, "ok\n")),
        Which::Readyz => {
            let is_ready = shared.published.current().backends().all(|backend| backend.is_probed());
            Ok(if is_ready { text(200, "ready\n") } else { text(503, "probing\n") })
        }
        Which::Metrics => Ok(metrics(shared, &request)),
        Which::Stats => json(&stats::stats(shared, ask::seconds(&request)?)),
        Which::OpenApi => json(&openapi::document()),
        Which::Me => json(&Me::of(shared, &asker)),
        Which::Status => json(&status::status(shared)),
        Which::Pools => json(&status::pools(&shared.published.current())),
        Which::Why => json(&tell::why(shared, &request)?),
        Which::Events => match tell::events(shared, asker, &request)? {
            Told::Now(events) => json(&events),
            Told::Stream(response) => Ok(response),
        },
        Which::Failures => json(&tell::failures(shared, &request)?),
        Which::LogLevel => json(&LogLevel::of(shared)),
        Which::Config => json(&(*shared.effective.borrow())()),
        Which::Explain => json(&settings::explain(shared, request).await?),
        Which::Plan => json(&settings::plan(shared, request).await?),
        Which::Reload => json(&settings::reload(shared, &asker.name, &request).await?),
        Which::Confirm => json(&settings::confirm(shared, &asker.name).await?),
        Which::Drain => json(&change(Change::Drain(change::drains_until(&request)?)).await?),
        Which::Undrain => json(&change(Change::Undrain).await?),
        Which::Weight => json(&change(Change::Weigh(change::weight(&request)?)).await?),
        Which::Enable => json(&change(Change::Enable).await?),
        Which::Disable => json(&change(Change::Disable).await?),
        Which::Eject => json(&change(Change::Eject(change::ejection(&request)?)).await?),
        Which::SetLogLevel => json(&change::set_level(shared, &asker.name, &request).await?),
    }
}

fn metrics(shared: &Shared, request: &Request<Incoming>) -> Response {
    let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
    let format = Format::accepted(accept.unwrap_or_default());
    let reloads = shared.history.borrow().clone();
    let whole = Whole::read(&shared.published, &shared.metrics.borrow(), reloads);
    response(200, format.content_type(), exposition::write(whole, format))
}

fn json(value: &impl Serialize) -> Result<Response, Failure> {
    Ok(json_response(200, &serde_json::json!(value)))
}
