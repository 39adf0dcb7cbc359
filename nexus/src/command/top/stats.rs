//! What `GET /v1/stats` answers, as far as it is shown. What is missing counts as nothing, so that a
//! newer or older Nexus can be watched too.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;

use crate::cli::remote::Named;

/// What was counted, of everything or of one part.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Load {
    pub(crate) requests: u64,
    pub(crate) by_class: BTreeMap<String, u64>,
    pub(crate) reasons: BTreeMap<String, u64>,
    pub(crate) errors: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    /// Requests per second, over the last 10 s.
    pub(crate) rate: f64,
    pub(crate) error_ratio: f64,
    pub(crate) latency_ms: Option<Latency>,
    pub(crate) series: Series,
}

impl Load {
    pub(crate) fn p50(&self) -> Option<f64> {
        self.latency_ms.map(|latency| latency.p50)
    }

    pub(crate) fn p99(&self) -> Option<f64> {
        self.latency_ms.map(|latency| latency.p99)
    }
}

/// Percentiles, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// A value per second, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Series {
    pub(crate) rate: Vec<Option<f64>>,
    pub(crate) errors: Vec<Option<f64>>,
    pub(crate) p99: Vec<Option<f64>>,
}

/// Everything.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Stats {
    pub(crate) at: String,
    pub(crate) version: String,
    pub(crate) uptime_seconds: f64,
    pub(crate) is_counting: bool,
    pub(crate) total: Load,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) pools: Vec<Pool>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Listener {
    pub(crate) connections: Connections,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Connections {
    pub(crate) open: u64,
    pub(crate) idle: u64,
    pub(crate) opened: u64,
    pub(crate) reused: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Pool {
    pub(crate) name: String,
    pub(crate) mode: String,
    pub(crate) circuit: Option<String>,
    pub(crate) up: u64,
    pub(crate) waiting: u64,
    pub(crate) in_flight: u64,
    pub(crate) retries: u64,
    #[serde(flatten)]
    pub(crate) load: Load,
    pub(crate) backends: Vec<Backend>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Backend {
    pub(crate) url: String,
    pub(crate) state: String,
    pub(crate) cause: Option<String>,
    pub(crate) since: String,
    pub(crate) is_draining: bool,
    pub(crate) is_disabled: bool,
    pub(crate) weight: u32,
    pub(crate) in_flight: u64,
    pub(crate) connections: Connections,
    pub(crate) attempts: u64,
    pub(crate) failures: BTreeMap<String, u64>,
    /// Of the pool's requests over the last 10 s; `None` if there were none.
    pub(crate) share: Option<f64>,
    /// By weight, now.
    pub(crate) share_expected: Option<f64>,
    #[serde(flatten)]
    pub(crate) load: Load,
}

impl Stats {
    /// Reads an answer.
    ///
    /// # Errors
    ///
    /// Says what in it is not as it should be.
    pub(crate) fn read(answer: &Json) -> Result<Self, serde_json::Error> {
        Self::deserialize(answer)
    }

    /// Returns requests under way.
    pub(crate) fn in_flight(&self) -> u64 {
        self.pools.iter().map(|pool| pool.in_flight).sum()
    }

    /// Returns clients' connections that are open.
    pub(crate) fn connections(&self) -> u64 {
        self.listeners.iter().map(|listener| listener.connections.open).sum()
    }

    /// Finds a backend and its pool.
    pub(crate) fn find(&self, named: &Named) -> Option<(&Pool, &Backend)> {
        let pool = self.pools.iter().find(|pool| pool.name == named.pool)?;
        let backend = pool.backends.iter().find(|backend| backend.url == named.backend)?;
        Some((pool, backend))
    }
}

/// What a backend is to those who watch: the verdict, or what an operator said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    Down,
    Ejected,
    HalfOpen,
    Disabled,
    Draining,
    Up,
    Unknown,
}

impl State {
    /// Returns its sign: told apart without colours.
    pub(crate) fn sign(self) -> char {
        match self {
            Self::Down => '▼',
            Self::Ejected => '◆',
            Self::HalfOpen => '◐',
            Self::Disabled => '■',
            Self::Draining => '◌',
            Self::Up => '●',
            Self::Unknown => '?',
        }
    }

    /// Returns its word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Down => "DOWN",
            Self::Ejected => "EJECTED",
            Self::HalfOpen => "HALF_OPEN",
            Self::Disabled => "DISABLED",
            Self::Draining => "DRAINING",
            Self::Up => "UP",
            Self::Unknown => "UNKNOWN",
        }
    }
}

impl Backend {
    /// Returns what it is to those who watch. Who is DOWN and drains is DOWN: that is the worse of the two.
    pub(crate) fn standing(&self) -> State {
        match self.state.as_str() {
            "DOWN" => State::Down,
            _ if self.is_disabled => State::Disabled,
            _ if self.is_draining => State::Draining,
            "EJECTED" => State::Ejected,
            "HALF_OPEN" => State::HalfOpen,
            "UP" => State::Up,
            _ => State::Unknown,
        }
    }

    /// Returns its address as people say it.
    pub(crate) fn address(&self) -> &str {
        address(&self.url)
    }
}

/// Leaves out the scheme that nearly all have.
pub(crate) fn address(url: &str) -> &str {
    url.strip_prefix("http://").unwrap_or(url)
}
