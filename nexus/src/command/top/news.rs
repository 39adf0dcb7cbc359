//! What else is shown: events, failures, why a backend gets requests, and who watches.

use serde::Deserialize;

/// Something that happened in Nexus.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Event {
    pub(crate) id: u64,
    pub(crate) at: String,
    pub(crate) kind: String,
    pub(crate) pool: Option<String>,
    pub(crate) backend: Option<String>,
    pub(crate) text: String,
    pub(crate) by: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Events {
    pub(crate) events: Vec<Event>,
}

/// A request that failed.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Failure {
    pub(crate) at: String,
    pub(crate) client: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) host: String,
    pub(crate) protocol: String,
    pub(crate) status: Option<u16>,
    pub(crate) reason: String,
    pub(crate) route: Option<String>,
    pub(crate) pool: Option<String>,
    pub(crate) backend: Option<String>,
    pub(crate) duration_ms: f64,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) not_retried: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) trace_id: Option<String>,
}

/// One of its attempts.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Attempt {
    pub(crate) backend: String,
    pub(crate) reason: String,
    pub(crate) phase: String,
    pub(crate) duration_ms: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Failures {
    pub(crate) failures: Vec<Failure>,
}

/// Why a backend gets requests, or none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Why {
    pub(crate) gets_requests: bool,
    pub(crate) why: String,
    pub(crate) turns: Vec<Entry>,
    pub(crate) probes: Vec<Entry>,
}

/// Something that happened to it, or that a probe found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Entry {
    pub(crate) at: String,
    pub(crate) what: String,
    pub(crate) text: String,
}

/// By what right there is watching.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Me {
    pub(crate) name: Option<String>,
    pub(crate) may_write: bool,
}
