//! Reloads: where new settings come from, what came of the last ones, and taking one back.
//!
//! ```text
//! SIGHUP, `nexus reload`, the file changed ──▶ Source ──▶ settings ──▶ control ──▶ snapshot
//! ```
//!
//! A signal, a call and a changed file go the same way. Reading may take a while (look-ups of files,
//! thousands of routes), so it is done on a thread of its own; the control task only swaps.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value as Json;

use crate::config::disk::Looks;
use crate::control::Refused;
use crate::plan::Plan;
use crate::settings::Settings;

/// Where a running Nexus gets its settings from anew: a file, with the flags it was started with.
pub trait Source: Send + Sync {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// Returns all that is wrong with them.
    fn read(&self) -> Result<Reading, Problems>;

    /// Reads settings out of `text`, a whole configuration as one JSON document.
    ///
    /// # Errors
    ///
    /// Returns all that is wrong with them.
    fn read_text(&self, text: &str) -> Result<Reading, Problems>;

    /// Returns what the files that it read looked like just before: if one looks otherwise, the
    /// settings may be others.
    fn looks(&self) -> Looks;
}

/// Settings that were read.
pub struct Reading {
    /// What to run with.
    pub settings: Settings,
    /// What is odd about them, though not wrong.
    pub warnings: Problems,
    /// Every effective value.
    pub effective: Effective,
}

/// Writes every effective value, as `nexus check --print --format json` does, without secrets. Made
/// when somebody asks: of many routes that is more than the routes themselves.
pub type Effective = Arc<dyn Fn() -> Json + Send + Sync>;

/// What is wrong with settings, in the two forms in which people and programs want it.
#[derive(Debug, Clone, Default)]
pub struct Problems {
    /// With place, cause and hint.
    pub text: String,
    /// The same as a list.
    pub list: Json,
}

/// Who asks for a change, for the log: `SIGHUP`, `the file changed`, or a token's name.
pub type By = Arc<str>;

/// Why a reload changed nothing.
#[derive(Debug)]
pub enum Failure {
    /// Nexus runs without a file.
    NoSource,
    /// The settings cannot be used.
    Problems(Problems),
    /// They can be used, but not by a Nexus that runs.
    Refused(Refused),
    /// Another reload waits for its confirmation, for so many seconds more.
    Unconfirmed(u64),
}

impl Failure {
    /// Returns the stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSource => "no_file",
            Self::Problems(_) => "bad_configuration",
            Self::Refused(Refused::NeedsRestart(_)) => "needs_restart",
            Self::Refused(Refused::Bind(..) | Refused::Admin(..)) => "cannot_listen",
            Self::Refused(Refused::Stopping) => "stopping",
            Self::Unconfirmed(_) => "unconfirmed",
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoSource => {
                f.write_str("there is nothing to reload: Nexus was started without --config")
            }
            Self::Problems(problems) => f.write_str(problems.text.trim_end()),
            Self::Refused(refused) => refused.fmt(f),
            Self::Unconfirmed(seconds) => write!(
                f,
                "another reload waits for its confirmation (`nexus confirm`), or is rolled back in {seconds} s"
            ),
        }
    }
}

/// What a reload did.
#[derive(Debug, Clone, JsonSchema, Serialize)]
pub struct Report {
    /// What has changed.
    pub plan: Plan,
    /// What is odd about the new settings.
    pub warnings: Json,
    /// The same for people.
    #[serde(skip)]
    pub warnings_text: String,
    /// Seconds until it is rolled back unless confirmed.
    pub confirm_within: Option<u64>,
}

/// What became of reloads so far.
#[derive(Debug, Clone, Default, JsonSchema, Serialize)]
pub struct History {
    /// How many changed the settings, roll-backs included.
    pub succeeded: u64,
    /// How many changed nothing.
    pub failed: u64,
    /// How many were taken back, since nobody confirmed them.
    pub rolled_back: u64,
    /// The last one.
    pub last: Option<Last>,
    /// When settings were taken up last; `None` is at start.
    #[serde(skip)]
    pub loaded_at: Option<SystemTime>,
    /// Until when a reload must be confirmed.
    pub confirm_until: Option<String>,
}

/// The last reload.
#[derive(Debug, Clone, JsonSchema, Serialize)]
pub struct Last {
    /// When it was.
    pub at: String,
    /// Who asked for it.
    pub by: String,
    /// `ok`, or why not.
    pub outcome: &'static str,
    /// What was said.
    pub detail: String,
}

impl History {
    /// Notes how a reload ended.
    pub fn note(&mut self, by: &str, outcome: Result<&Plan, &Failure>) {
        let (outcome, detail) = match outcome {
            Ok(plan) => ("ok", plan.to_string()),
            Err(failure) => (failure.code(), failure.to_string()),
        };
        if outcome == "ok" {
            self.succeeded += 1;
            self.loaded_at = Some(SystemTime::now());
        } else {
            self.failed += 1;
        }
        self.last = Some(Last { at: stamp(SystemTime::now()), by: by.to_owned(), outcome, detail });
    }
}

/// A reload that is taken back unless somebody confirms it.
pub struct Unconfirmed {
    /// What to go back to.
    pub before: Settings,
    /// The effective values of it.
    pub effective: Effective,
    /// When.
    pub until: tokio::time::Instant,
}

impl Unconfirmed {
    /// Returns for how long it still waits.
    pub fn left(&self) -> Duration {
        self.until.saturating_duration_since(tokio::time::Instant::now())
    }
}

/// Writes a time as RFC 3339 has it.
pub fn stamp(at: SystemTime) -> String {
    humantime::format_rfc3339_seconds(at).to_string()
}
