//! What happened in one run of a scenario: everything that is judged afterwards.

use std::collections::BTreeMap;
use std::time::Duration;

use super::accounts::Accounts;
use crate::load::{Answer, Report};

/// The facts of one run.
pub(crate) struct Facts {
    /// What the load tester reports.
    pub(crate) report: Report,
    /// Each request, when a part of the run is to be judged; times are those of the scenario.
    pub(crate) answers: Vec<Answer>,
    /// Journals against the client's view, when that is to be judged.
    pub(crate) accounts: Option<Accounts>,
    /// The backends' URLs by their names.
    pub(crate) urls: BTreeMap<String, String>,
    /// The steps as they were done.
    pub(crate) steps: Vec<Done>,
    /// What Nexus said of its backends.
    pub(crate) said: Vec<Said>,
    /// How those fared who were connected all the time.
    pub(crate) beside: Vec<Companion>,
    /// The most memory that Nexus had, in bytes, when that is to be judged.
    pub(crate) nexus_memory: Option<u64>,
    /// How Nexus fared.
    pub(crate) nexus: NexusEnd,
}

/// How somebody fared who was connected all the time.
#[derive(Clone, Debug)]
pub(crate) struct Companion {
    /// Who.
    pub(crate) name: &'static str,
    /// What they did (`398 messages came back`), or what went wrong.
    pub(crate) outcome: Result<String, String>,
}

/// A step that was done.
pub(crate) struct Done {
    /// When it was to be done.
    pub(crate) planned: Option<Duration>,
    /// When it was begun.
    pub(crate) at: Duration,
    /// What.
    pub(crate) what: String,
    /// What an awaited event took, and what was allowed; `None` when it never came.
    pub(crate) awaited: Option<(Option<Duration>, Duration)>,
}

/// Something that Nexus said.
pub(crate) struct Said {
    /// When.
    pub(crate) at: Duration,
    /// What.
    pub(crate) what: String,
}

/// How Nexus fared.
#[derive(Clone, Debug, Default)]
pub(crate) struct NexusEnd {
    /// How it ended before it was asked to.
    pub(crate) crashed: Option<String>,
    /// How it ended when it was asked to (`exit code 0`), or why not.
    pub(crate) stopped: String,
    /// Panics in its own log.
    pub(crate) panics: usize,
}

/// A step that comes later than this after its time tells of a machine that is too busy.
pub(crate) const LATE: Duration = Duration::from_millis(100);
/// The same for the load tester's own timers.
const LAG_US: f64 = 50_000.0;

impl Facts {
    /// Why times measured in this run mean nothing, if so.
    pub(crate) fn starved(&self) -> Option<String> {
        let late = |step: &Done| step.at.checked_sub(step.planned?).filter(|late| *late > LATE);
        if let Some(late) = self.steps.iter().filter_map(late).max() {
            return Some(format!("a step came {} ms late", late.as_millis()));
        }
        let lag = self.report.timer_lag.p99_us;
        (lag > LAG_US).then(|| format!("timers of the load tester came {:.0} ms late", lag / 1e3))
    }
}
