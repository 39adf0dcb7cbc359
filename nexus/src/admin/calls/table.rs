//! Every call there is: what the address answers, and all that documents say of it.

use crate::admin::rights::Role;

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
    pub(super) which: Which,
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

const fn get(path: &'static str, role: Role, which: Which, meaning: &'static str) -> Call {
    Call { method: "GET", path, role, meaning, params: &[], which }
}

const fn post(path: &'static str, role: Role, which: Which, meaning: &'static str) -> Call {
    Call { method: "POST", path, role, meaning, params: &[], which }
}

impl Call {
    const fn with(self, params: &'static [Param]) -> Self {
        Self { params, ..self }
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
    Kind::Number(300),
    "How many of the last seconds each series has; 60 without.",
);
const CONFIRM: Param =
    optional("confirm", Kind::Time, "Taken back after this time unless confirmed.");

/// Every call there is. The checks for rights, the document at `/v1/openapi.json` and the table in
/// docs/admin.md all go by it.
#[rustfmt::skip] // A table reads best with a row a line.
pub static CALLS: &[Call] = &[
    get("/healthz", Role::Open, Which::Healthz, "Answers 200 while Nexus runs."),
    get("/readyz", Role::Open, Which::Readyz, "Answers 200 once every backend has been probed, 503 before."),
    get("/metrics", Role::Read, Which::Metrics, "Tells all metrics, as Prometheus reads them; docs/metrics.md has a list."),
    get("/v1/stats", Role::Read, Which::Stats, "Tells what was counted, how fast things go, and the last `?seconds=60` one by one.").with(&[SECONDS]),
    get("/v1/status", Role::Read, Which::Status, "Tells version, uptime, listeners, reloads and all pools."),
    get("/v1/pools", Role::Read, Which::Pools, "Tells every backend's state, since when and why."),
    get("/v1/why", Role::Read, Which::Why, "Tells why the backend `?pool=P&backend=URL` gets requests or none: its state, its last turns and probes.").with(&[POOL, BACKEND]),
    get("/v1/config", Role::Read, Which::Config, "Tells every effective value and where it came from, without secrets."),
    post("/v1/explain", Role::Read, Which::Explain, "Tells what would become of the request in the body, and why; it is not sent."),
    post("/v1/plan", Role::Read, Which::Plan, "Tells what the configuration in the body, as one JSON document, would change."),
    post("/v1/reload", Role::Write, Which::Reload, "Reads the configuration file again; with `?confirm=30s` takes it back unless confirmed.").with(&[CONFIRM]),
    post("/v1/confirm", Role::Write, Which::Confirm, "Confirms the reload that waits for it."),
    post("/v1/drain", Role::Write, Which::Drain, "Gives the backend `?pool=P&backend=URL` nothing new; what it has under way goes on, and sessions to `&deadline=10m`.").with(&[POOL, BACKEND, DEADLINE]),
    post("/v1/undrain", Role::Write, Which::Undrain, "Gives the backend `?pool=P&backend=URL` requests again.").with(&[POOL, BACKEND]),
    post("/v1/weight", Role::Write, Which::Weight, "Gives the backend `?pool=P&backend=URL` the weight `&weight=N`; without it the configured one.").with(&[POOL, BACKEND, WEIGHT]),
];
