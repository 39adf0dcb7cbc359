//! The calls that the admin address answers: one table, and what each does.

use std::fmt::Display;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderName, ORIGIN};
use hyper::{Request, Response};
use serde::Serialize;
use serde_json::{Value as Json, json};
use tokio::sync::oneshot;

use super::rights::{self, Denial, Role, Words};
use super::{Shared, status};
use crate::control::{Change, Command, Refused};
use crate::explain::{self, Origin};
use crate::reload::{self, Problems};
use crate::session;

/// Bytes of a call's body: a configuration of 10,000 routes is a few megabytes.
const BODY_BYTES_MAX: usize = 16 << 20;

/// A call.
#[derive(Debug)]
pub struct Call {
    /// Its method.
    pub method: &'static str,
    /// Its path.
    pub path: &'static str,
    /// Who may make it.
    pub role: Role,
    /// What it does, in one sentence.
    pub meaning: &'static str,
    which: Which,
}

#[derive(Debug, Clone, Copy)]
enum Which {
    Healthz,
    Readyz,
    Status,
    Pools,
    Why,
    Config,
    Explain,
    Plan,
    Reload,
    Confirm,
    Drain,
    Undrain,
    Weight,
}

const fn call(
    method: &'static str,
    path: &'static str,
    role: Role,
    which: Which,
    meaning: &'static str,
) -> Call {
    Call { method, path, role, meaning, which }
}

/// Every call there is.
pub static CALLS: &[Call] = &[
    call("GET", "/healthz", Role::Open, Which::Healthz, "Answers 200 while Nexus runs."),
    call(
        "GET",
        "/readyz",
        Role::Open,
        Which::Readyz,
        "Answers 200 once every backend has been probed, 503 before.",
    ),
    call(
        "GET",
        "/v1/status",
        Role::Read,
        Which::Status,
        "Tells version, uptime, listeners, reloads and all pools.",
    ),
    call(
        "GET",
        "/v1/pools",
        Role::Read,
        Which::Pools,
        "Tells every backend's state, since when and why.",
    ),
    call(
        "GET",
        "/v1/why",
        Role::Read,
        Which::Why,
        "Tells why the backend `?pool=P&backend=URL` gets requests or none: its state, its last turns and probes.",
    ),
    call(
        "GET",
        "/v1/config",
        Role::Read,
        Which::Config,
        "Tells every effective value and where it came from, without secrets.",
    ),
    call(
        "POST",
        "/v1/explain",
        Role::Read,
        Which::Explain,
        "Tells what would become of the request in the body, and why; it is not sent.",
    ),
    call(
        "POST",
        "/v1/plan",
        Role::Read,
        Which::Plan,
        "Tells what the configuration in the body, as one JSON document, would change.",
    ),
    call(
        "POST",
        "/v1/reload",
        Role::Write,
        Which::Reload,
        "Reads the configuration file again; with `?confirm=30s` takes it back unless confirmed.",
    ),
    call(
        "POST",
        "/v1/confirm",
        Role::Write,
        Which::Confirm,
        "Confirms the reload that waits for it.",
    ),
    call(
        "POST",
        "/v1/drain",
        Role::Write,
        Which::Drain,
        "Gives the backend `?pool=P&backend=URL` nothing new; what it has under way goes on, and sessions to `&deadline=10m`.",
    ),
    call(
        "POST",
        "/v1/undrain",
        Role::Write,
        Which::Undrain,
        "Gives the backend `?pool=P&backend=URL` requests again.",
    ),
    call(
        "POST",
        "/v1/weight",
        Role::Write,
        Which::Weight,
        "Gives the backend `?pool=P&backend=URL` the weight `&weight=N`; without it the configured one.",
    ),
];

/// Why a call has no result.
#[derive(Debug, Serialize)]
pub struct Failure {
    #[serde(skip)]
    status: u16,
    code: &'static str,
    message: String,
    hint: &'static str,
    #[serde(skip_serializing_if = "Json::is_null")]
    problems: Json,
}

impl Failure {
    /// Makes a failure.
    pub fn new(status: u16, code: &'static str, message: impl Display, hint: &'static str) -> Self {
        Self { status, code, message: message.to_string(), hint, problems: Json::Null }
    }

    /// Returns it as an answer.
    pub fn into_response(self) -> Response<Full<Bytes>> {
        json_response(self.status, &json!({ "error": self }))
    }
}

impl From<Denial> for Failure {
    fn from(denial: Denial) -> Self {
        let (status, code, message, hint) = denial.words();
        Self::new(status, code, message, hint)
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        let hint = "correct the file; nothing has changed";
        let mut failure = Self::new(422, "bad_configuration", problems.text.trim_end(), hint);
        failure.problems = problems.list;
        failure
    }
}

impl From<reload::Failure> for Failure {
    fn from(failure: reload::Failure) -> Self {
        let (status, hint) = match failure {
            reload::Failure::Problems(problems) => return problems.into(),
            reload::Failure::NoSource => {
                (409, "start Nexus with --config FILE to be able to reload")
            }
            reload::Failure::Refused(Refused::Stopping) => (503, "it stops"),
            reload::Failure::Refused(_) => (409, "nothing has changed"),
            reload::Failure::Unconfirmed(_) => (409, "confirm it first, or wait"),
        };
        Self::new(status, failure.code(), failure, hint)
    }
}

/// Answers a call.
pub async fn answer(
    shared: &Shared,
    peer: &str,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    match find(shared, peer, request).await {
        Ok(response) => response,
        Err(failure) => failure.into_response(),
    }
}

async fn find(
    shared: &Shared,
    peer: &str,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Failure> {
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

fn no_such(here: &[&Call]) -> Response<Full<Bytes>> {
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
) -> Result<Response<Full<Bytes>>, Failure> {
    let result = match which {
        Which::Healthz => return Ok(text(200, "ok\n")),
        Which::Readyz => {
            let is_ready = shared.published.current().backends().all(|backend| backend.is_probed());
            return Ok(if is_ready { text(200, "ready\n") } else { text(503, "probing\n") });
        }
        Which::Status => json!(status::status(shared)),
        Which::Pools => json!(status::pools(&shared.published.current())),
        Which::Why => why(shared, &request)?,
        Which::Config => (*shared.effective.borrow())(),
        Which::Explain => explain(shared, request).await?,
        Which::Plan => plan(shared, request).await?,
        Which::Reload => reload(shared, who, &request).await?,
        Which::Confirm => confirm(shared, who).await?,
        Which::Drain => {
            let until = drains_until(&request)?;
            change(shared, who, &request, Change::Drain(until)).await?
        }
        Which::Undrain => change(shared, who, &request, Change::Undrain).await?,
        Which::Weight => {
            let change_to = weight(&request)?;
            change(shared, who, &request, Change::Weigh(change_to)).await?
        }
    };
    Ok(json_response(200, &result))
}

/// Reads the body of a call.
async fn body(request: Request<Incoming>) -> Result<Bytes, Failure> {
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

async fn explain(shared: &Shared, request: Request<Incoming>) -> Result<Json, Failure> {
    let bad = |error: &dyn Display| {
        let hint = "send {\"host\": \"example.com\", \"path\": \"/\"}, with method, headers and client if they matter";
        Failure::new(422, "bad_question", error, hint)
    };
    let body = body(request).await?;
    let question = serde_json::from_slice(&body).map_err(|error| bad(&error))?;
    let snapshot = shared.published.current();
    let told = explain::explain(&snapshot, Origin::Running, &question);
    Ok(json!(told.map_err(|error| bad(&error))?))
}

async fn plan(shared: &Shared, request: Request<Incoming>) -> Result<Json, Failure> {
    let text = String::from_utf8_lossy(&body(request).await?).into_owned();
    let planned = ask(shared, |reply| Command::Plan { text, reply }).await??;
    Ok(
        json!({ "plan": planned.plan, "text": planned.plan.to_string(), "warnings": planned.warnings }),
    )
}

async fn reload(shared: &Shared, who: &str, request: &Request<Incoming>) -> Result<Json, Failure> {
    let query = request.uri().query().unwrap_or_default();
    let confirm = query.split('&').find_map(|pair| pair.strip_prefix("confirm="));
    let confirm = confirm.map(confirm_time).transpose()?;
    let by = who.into();
    let report = ask(shared, |reply| Command::Reread { confirm, by, reply }).await??;
    let mut answer = json!(report);
    answer["text"] = report.plan.to_string().into();
    answer["warnings_text"] = report.warnings_text.into();
    Ok(answer)
}

/// Reads for how long a reload waits for its confirmation.
fn confirm_time(text: &str) -> Result<Duration, Failure> {
    /// A reload that nobody confirms for longer has been forgotten.
    const CONFIRM_MAX: Duration = Duration::from_secs(24 * 3600);
    time(text, CONFIRM_MAX)
}

/// Reads until when a backend that drains keeps its sessions; for ever if nothing is said.
fn drains_until(request: &Request<Incoming>) -> Result<u32, Failure> {
    /// Whoever wants more can leave the deadline out.
    const DEADLINE_MAX: Duration = Duration::from_secs(365 * 24 * 3600);
    let Some(text) = query(request, "deadline") else { return Ok(u32::MAX) };
    let seconds = u32::try_from(time(text, DEADLINE_MAX)?.as_secs()).unwrap_or(u32::MAX);
    Ok(session::now().saturating_add(seconds))
}

fn time(text: &str, max: Duration) -> Result<Duration, Failure> {
    let time = humantime::parse_duration(text).ok();
    time.filter(|time| !time.is_zero() && *time <= max).ok_or_else(|| {
        let max = humantime::format_duration(max);
        let message = format!("`{text}` is no time to wait, of {max} at most");
        Failure::new(400, "bad_time", message, "use a time such as 30s")
    })
}

async fn confirm(shared: &Shared, who: &str) -> Result<Json, Failure> {
    let by = who.into();
    if ask(shared, |reply| Command::Confirm { by, reply }).await? {
        return Ok(json!({ "confirmed": true }));
    }
    let hint = "it was confirmed or rolled back before, or was no `--confirm` reload";
    Err(Failure::new(409, "nothing_to_confirm", "no reload waits for a confirmation", hint))
}

/// Returns a value of the query.
fn query<'r>(request: &'r Request<Incoming>, name: &str) -> Option<&'r str> {
    let pairs = request.uri().query().unwrap_or_default().split('&');
    pairs
        .filter_map(|pair| pair.split_once('='))
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value)
}

fn weight(request: &Request<Incoming>) -> Result<Option<u32>, Failure> {
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

async fn change(
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

/// Returns the pool and the backend that a call is about.
fn named(request: &Request<Incoming>) -> Result<(&str, &str), Failure> {
    let hint = "name both: ?pool=web&backend=http://10.0.0.5:8081";
    let missing = || Failure::new(400, "no_name", "pool or backend is missing", hint);
    query(request, "pool").zip(query(request, "backend")).ok_or_else(missing)
}

fn no_such_backend(pool: &str, backend: &str) -> Failure {
    let hint = "GET /v1/pools, or `nexus status`, names all";
    let message = format!("there is no backend {backend} in a pool {pool}");
    Failure::new(404, "no_such_backend", message, hint)
}

fn why(shared: &Shared, request: &Request<Incoming>) -> Result<Json, Failure> {
    let (pool, backend) = named(request)?;
    let snapshot = shared.published.current();
    let (found, place) =
        snapshot.find(pool, backend).ok_or_else(|| no_such_backend(pool, backend))?;
    Ok(json!(status::why(found, place)))
}

/// Tells the control task to do something, and waits for its answer.
async fn ask<T>(
    shared: &Shared,
    command: impl FnOnce(oneshot::Sender<T>) -> Command,
) -> Result<T, Failure> {
    let stopping = || Failure::new(503, "stopping", "Nexus is stopping", "it was told to stop");
    let (reply, answer) = oneshot::channel();
    shared.commands.send(command(reply)).await.map_err(|_| stopping())?;
    answer.await.map_err(|_| stopping())
}

fn json_response(status: u16, value: &Json) -> Response<Full<Bytes>> {
    let mut body = serde_json::to_vec_pretty(value).expect("values are JSON");
    body.push(b'\n');
    response(status, "application/json", body)
}

fn text(status: u16, body: &'static str) -> Response<Full<Bytes>> {
    response(status, "text/plain; charset=utf-8", body)
}

fn response(status: u16, content_type: &str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .header(CONTENT_TYPE, content_type)
        .header(CACHE_CONTROL, "no-store")
        .body(Full::new(body.into()))
        .expect("status and fields are legal")
}
