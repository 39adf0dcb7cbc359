//! Every call there is: what the address answers, and all that documents say of it.

use schemars::Schema;
use schemars::generate::SchemaGenerator;

use super::openapi::{any, of};
use super::settings::{Confirmed, Planned, Reloaded, Value};
use super::tell::{EventList, FailureList, LogLevel, Me};
use crate::admin::rights::Role;
use crate::admin::stats::Stats;
use crate::admin::status::{PoolStatus, Status, Why};
use crate::explain::{Explanation, Question};
use crate::level;
use crate::metrics::history;

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
    /// What its query may say.
    pub params: &'static [Param],
    /// How its body looks, if it needs one.
    pub body: Option<Look>,
    /// What is answered when all is well.
    pub answer: Answer,
    pub(super) which: Which,
}

/// How a JSON document looks.
pub type Look = fn(&mut SchemaGenerator) -> Schema;

/// What is answered when all is well.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    /// Text of this content type.
    Text(&'static str),
    /// A JSON document.
    Json(Look),
    /// Events as they happen, or those that were as a JSON document.
    Stream(Look),
}

/// A value in a call's query.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// Whether the call cannot do without.
    pub is_required: bool,
    /// What it may be.
    pub kind: Kind,
    /// What it says, in one sentence.
    pub meaning: &'static str,
}

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text; the example shows its form.
    Text(&'static str),
    /// A whole number of at most so much.
    Number(u32),
    /// A time, such as `30s` or `500ms`.
    Time,
    /// One of these words.
    Word(&'static [&'static str]),
}

/// Which function answers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which {
    Healthz,
    Readyz,
    Metrics,
    Stats,
    OpenApi,
    Me,
    Status,
    Pools,
    Why,
    Events,
    Failures,
    LogLevel,
    Config,
    Explain,
    Plan,
    Reload,
    Confirm,
    Drain,
    Undrain,
    Weight,
    Enable,
    Disable,
    Eject,
    SetLogLevel,
}

const fn get(path: &'static str, role: Role, which: Which, meaning: &'static str) -> Call {
    let answer = Answer::Text("text/plain");
    Call { method: "GET", path, role, meaning, params: &[], body: None, answer, which }
}

const fn post(path: &'static str, role: Role, which: Which, meaning: &'static str) -> Call {
    Call { method: "POST", ..get(path, role, which, meaning) }
}

impl Call {
    /// Says what its query may say.
    const fn with(self, params: &'static [Param]) -> Self {
        Self { params, ..self }
    }

    /// Says how its body looks.
    const fn takes(self, body: Look) -> Self {
        Self { body: Some(body), ..self }
    }

    /// Says that events are answered, and how they look as one JSON document.
    const fn streams(self, look: Look) -> Self {
        Self { answer: Answer::Stream(look), ..self }
    }

    /// Says how the JSON document looks that is answered.
    const fn gives(self, look: Look) -> Self {
        Self { answer: Answer::Json(look), ..self }
    }
}

const fn needed(name: &'static str, kind: Kind, meaning: &'static str) -> Param {
    Param { name, is_required: true, kind, meaning }
}

const fn optional(name: &'static str, kind: Kind, meaning: &'static str) -> Param {
    Param { name, is_required: false, kind, meaning }
}

const POOL: Param = needed("pool", Kind::Text("web"), "The pool's name.");
const BACKEND: Param = needed(
    "backend",
    Kind::Text("http://10.0.0.5:8081"),
    "The backend's URL; `http://` may be left out.",
);
const DEADLINE: Param =
    optional("deadline", Kind::Time, "How long its sessions may stay; for ever without.");
const WEIGHT: Param =
    optional("weight", Kind::Number(1000), "The weight; the configured one without.");
const SECONDS: Param = optional(
    "seconds",
    Kind::Number(history::KEPT as u32),
    "How many of the last seconds each series has; 60 without.",
);
const CONFIRM: Param =
    optional("confirm", Kind::Time, "Taken back after this time unless confirmed.");

const AFTER: Param =
    optional("after", Kind::Number(u32::MAX), "The number of the last event that is known.");
const LIMIT: Param = optional("limit", Kind::Number(u32::MAX), "How many at most; 50 without.");
const TIME: Param = optional("time", Kind::Time, "For how long; 60s without, 24h at most.");
const LEVEL: Param = needed("level", Kind::Word(level::NAMES), "The level.");

/// Every call there is. The checks for rights, the document at `/v1/openapi.json` and the table in
/// docs/admin.md all go by it.
#[rustfmt::skip] // A table reads best with a row a line.
pub static CALLS: &[Call] = &[
    get("/healthz", Role::Open, Which::Healthz, "Answers 200 while Nexus runs."),
    get("/readyz", Role::Open, Which::Readyz, "Answers 200 once every backend has been probed, 503 before."),
    get("/metrics", Role::Read, Which::Metrics, "Tells all metrics, as Prometheus reads them; docs/metrics.md has a list."),
    get("/v1/stats", Role::Read, Which::Stats, "Tells what was counted, how fast things go, and the last `?seconds=60` one by one.").with(&[SECONDS]).gives(of::<Stats>),
    get("/v1/openapi.json", Role::Open, Which::OpenApi, "Tells all calls, as an OpenAPI 3.1 document.").gives(any),
    get("/v1/me", Role::Read, Which::Me, "Tells whose token it is that asks, and whether it may write.").gives(of::<Me>),
    get("/v1/status", Role::Read, Which::Status, "Tells version, uptime, listeners, reloads and all pools.").gives(of::<Status>),
    get("/v1/pools", Role::Read, Which::Pools, "Tells every backend's state, since when and why.").gives(of::<Vec<PoolStatus>>),
    get("/v1/why", Role::Read, Which::Why, "Tells why the backend `?pool=P&backend=URL` gets requests or none: its state, its last turns and probes.").with(&[POOL, BACKEND]).gives(of::<Why>),
    get("/v1/events", Role::Read, Which::Events, "Tells what happened, `?after=ID`, and then what happens, as server-sent events; with `Accept: application/json` only what happened.").with(&[AFTER]).streams(of::<EventList>),
    get("/v1/failures", Role::Read, Which::Failures, "Tells the last `?limit=50` requests that failed, and not by their client, with what was tried for each.").with(&[LIMIT]).gives(of::<FailureList>),
    get("/v1/log-level", Role::Read, Which::LogLevel, "Tells from which level on Nexus writes its own events.").gives(of::<LogLevel>),
    get("/v1/config", Role::Read, Which::Config, "Tells every effective value and where it came from, without secrets.").gives(of::<Vec<Value>>),
    post("/v1/explain", Role::Read, Which::Explain, "Tells what would become of the request in the body, and why; it is not sent.").takes(of::<Question>).gives(of::<Explanation>),
    post("/v1/plan", Role::Read, Which::Plan, "Tells what the configuration in the body, as one JSON document, would change.").takes(any).gives(of::<Planned>),
    post("/v1/reload", Role::Write, Which::Reload, "Reads the configuration file again; with `?confirm=30s` takes it back unless confirmed.").with(&[CONFIRM]).gives(of::<Reloaded>),
    post("/v1/confirm", Role::Write, Which::Confirm, "Confirms the reload that waits for it.").gives(of::<Confirmed>),
    post("/v1/drain", Role::Write, Which::Drain, "Gives the backend `?pool=P&backend=URL` nothing new; what it has under way goes on, and sessions to `&deadline=10m`.").with(&[POOL, BACKEND, DEADLINE]).gives(of::<Vec<PoolStatus>>),
    post("/v1/undrain", Role::Write, Which::Undrain, "Gives the backend `?pool=P&backend=URL` requests again.").with(&[POOL, BACKEND]).gives(of::<Vec<PoolStatus>>),
    post("/v1/weight", Role::Write, Which::Weight, "Gives the backend `?pool=P&backend=URL` the weight `&weight=N`; without it the configured one.").with(&[POOL, BACKEND, WEIGHT]).gives(of::<Vec<PoolStatus>>),
    post("/v1/disable", Role::Write, Which::Disable, "Gives the backend `?pool=P&backend=URL` no requests at all, those of its sessions neither; what it has under way goes on, and so do its probes.").with(&[POOL, BACKEND]).gives(of::<Vec<PoolStatus>>),
    post("/v1/enable", Role::Write, Which::Enable, "Takes back that the backend `?pool=P&backend=URL` is disabled, or ejected.").with(&[POOL, BACKEND]).gives(of::<Vec<PoolStatus>>),
    post("/v1/eject", Role::Write, Which::Eject, "Ejects the backend `?pool=P&backend=URL` for `&time=60s`, as if its answers were bad; refused if nobody else is available.").with(&[POOL, BACKEND, TIME]).gives(of::<Vec<PoolStatus>>),
    post("/v1/log-level", Role::Write, Which::SetLogLevel, "Writes Nexus's own events from `?level=debug` on: `error`, `warn`, `info`, `debug` or `trace`.").with(&[LEVEL]).gives(of::<LogLevel>),
];
