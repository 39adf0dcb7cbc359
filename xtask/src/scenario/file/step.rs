//! The steps of a scenario: what can be done to backends and to Nexus, and when.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use super::time::{some_time, time};

/// One step.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Written")]
pub(crate) struct Step {
    /// When, from the start of the load; without it, right after the step before.
    pub(crate) at: Option<Duration>,
    /// Which backends: one's name, `all`, or none where the step is not about backends.
    pub(crate) backend: Option<String>,
    /// What.
    pub(crate) verb: Verb,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verb {
    /// SIGKILL.
    Kill,
    /// SIGTERM, and wait for the end.
    Terminate,
    /// Start again on the same port.
    Start,
    /// SIGSTOP.
    Pause,
    /// SIGCONT.
    Resume,
    /// Add a fault, in the syntax of `fakebackend --fault`.
    Fault(String),
    /// Remove all faults.
    Heal,
    /// Refuse (or hang, or reset) new connections, and treat open ones so; the journal lives on.
    Down { mode: String, existing: String },
    /// The contrary.
    Up,
    /// Answer so late from now on.
    Latency(String),
    /// Serve so many requests at once from now on.
    Slots(u32),
    /// Go up and down by itself; `off` ends that.
    Flap(String),
    /// Wait until Nexus says so about the backend; a failure when it takes longer than `within`.
    Await { message: String, within: Duration },
    /// Wait until nothing is under way any more, in Nexus and in the backends; a failure when that
    /// takes longer than `within`.
    AwaitCalm { within: Duration },
    /// Tell health checks so from now on, whatever happens to requests.
    Health(String),
    /// SIGTERM to Nexus.
    StopNexus,
    /// Write one of these configuration files after the other, and reload, so many times a second,
    /// for so long.
    Reload { with: Vec<String>, rate: u32, lasts: Duration },
    /// Let backends of the pool `web` drain, and wait until nothing is left of them; a failure when
    /// that takes longer than `within`, which is the drain's deadline too.
    Drain { within: Duration },
    /// Give them requests again.
    Undrain,
    /// SIGTERM to Nexus, and another one at the same address.
    RestartNexus,
}

impl Verb {
    /// Whether Nexus is told over its admin address.
    pub(super) fn needs_admin(&self) -> bool {
        matches!(
            self,
            Self::Reload { .. }
                | Self::Drain { .. }
                | Self::Undrain
                | Self::RestartNexus
                | Self::AwaitCalm { .. }
        )
    }

    /// Whether it is about Nexus and not about backends.
    fn is_for_nexus(&self) -> bool {
        matches!(
            self,
            Self::StopNexus | Self::Reload { .. } | Self::RestartNexus | Self::AwaitCalm { .. }
        )
    }
}

/// What health checks can be told.
const HEALTHS: [&str; 3] = ["ok", "fail", "hang"];

/// A step with all keys that there are.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, deserialize_with = "some_time")]
    at: Option<Duration>,
    #[serde(rename = "do")]
    verb: String,
    backend: Option<String>,
    fault: Option<String>,
    mode: Option<String>,
    existing: Option<String>,
    flap: Option<String>,
    latency: Option<String>,
    slots: Option<u32>,
    says: Option<String>,
    within: Option<Within>,
    with: Option<Vec<String>>,
    rate: Option<u32>,
    lasts: Option<Within>,
}

#[derive(Deserialize)]
struct Within(#[serde(deserialize_with = "time")] Duration);

impl TryFrom<Written> for Step {
    type Error = String;

    fn try_from(mut written: Written) -> Result<Self, String> {
        let verb = written.take_verb()?;
        let Written { at, backend, fault, mode, existing, flap, says, within, .. } = written;
        let Written { latency, slots, with, rate, lasts, verb: name, .. } = written;
        let rest = [
            ("fault", fault.is_some()),
            ("mode", mode.is_some()),
            ("existing", existing.is_some()),
            ("flap", flap.is_some()),
            ("latency", latency.is_some()),
            ("slots", slots.is_some()),
            ("says", says.is_some()),
            ("within", within.is_some()),
            ("with", with.is_some()),
            ("rate", rate.is_some()),
            ("lasts", lasts.is_some()),
        ];
        if let Some((key, _)) = rest.iter().find(|(_, left)| *left) {
            return Err(format!("{name} takes no {key}"));
        }
        match (verb.is_for_nexus(), &backend) {
            (true, Some(_)) => Err(format!("{name} takes no backend")),
            (false, None) => Err(format!("{name} needs a backend")),
            _ => Ok(Self { at, backend, verb }),
        }
    }
}

impl Step {
    /// Whether it is done to the backend of this name.
    pub(crate) fn concerns(&self, id: &str) -> bool {
        self.backend.as_deref().is_some_and(|named| named == "all" || named == id)
    }
}

impl Written {
    /// The verb with what it needs, taken out; keys that are left do not belong to it.
    fn take_verb(&mut self) -> Result<Verb, String> {
        let need = |key: &str| format!("{} needs {key}", self.verb);
        Ok(match self.verb.as_str() {
            "kill" => Verb::Kill,
            "terminate" => Verb::Terminate,
            "start" => Verb::Start,
            "pause" => Verb::Pause,
            "resume" => Verb::Resume,
            "fault" => Verb::Fault(self.fault.take().ok_or_else(|| need("fault"))?),
            "heal" => Verb::Heal,
            "down" => Verb::Down {
                mode: self.mode.take().unwrap_or_else(|| "refuse".to_owned()),
                existing: self.existing.take().unwrap_or_else(|| "reset".to_owned()),
            },
            "up" => Verb::Up,
            "latency" => Verb::Latency(self.latency.take().ok_or_else(|| need("latency"))?),
            "slots" => Verb::Slots(self.slots.take().ok_or_else(|| need("slots"))?),
            "flap" => Verb::Flap(self.flap.take().ok_or_else(|| need("flap"))?),
            "await" => Verb::Await {
                message: self.says.take().ok_or_else(|| need("says"))?,
                within: self.within.take().ok_or_else(|| need("within"))?.0,
            },
            "await_calm" => {
                Verb::AwaitCalm { within: self.within.take().ok_or_else(|| need("within"))?.0 }
            }
            "health" => match self.says.take().ok_or_else(|| need("says"))? {
                says if HEALTHS.contains(&says.as_str()) => Verb::Health(says),
                says => return Err(format!("health says ok, fail or hang, not {says:?}")),
            },
            "drain" => Verb::Drain { within: self.within.take().ok_or_else(|| need("within"))?.0 },
            "undrain" => Verb::Undrain,
            "restart_nexus" => Verb::RestartNexus,
            "stop_nexus" => Verb::StopNexus,
            "reload" => Verb::Reload {
                with: self.with.take().filter(|all| !all.is_empty()).ok_or_else(|| need("with"))?,
                rate: self.rate.take().filter(|rate| *rate > 0).ok_or_else(|| need("rate"))?,
                lasts: self.lasts.take().ok_or_else(|| need("lasts"))?.0,
            },
            other => return Err(format!("there is no step {other:?}")),
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let backend = self.backend.as_deref().unwrap_or_default();
        match &self.verb {
            Verb::Kill => write!(f, "kill {backend}"),
            Verb::Terminate => write!(f, "terminate {backend}"),
            Verb::Start => write!(f, "start {backend}"),
            Verb::Pause => write!(f, "pause {backend}"),
            Verb::Resume => write!(f, "resume {backend}"),
            Verb::Fault(fault) => write!(f, "fault {backend}: {fault}"),
            Verb::Heal => write!(f, "heal {backend}"),
            Verb::Down { mode, existing } => {
                write!(f, "take down {backend}: {mode} new connections, {existing} open ones")
            }
            Verb::Up => write!(f, "bring up {backend}"),
            Verb::Latency(time) => write!(f, "{backend} takes {time}"),
            Verb::Slots(count) => write!(f, "{backend} serves {count} at once"),
            Verb::Flap(flap) => write!(f, "flap {backend}: {flap}"),
            Verb::Await { message, within } => {
                write!(f, "await \"{message}\" {backend} within {within:?}")
            }
            Verb::AwaitCalm { within } => {
                write!(f, "await that nothing is under way within {within:?}")
            }
            Verb::Health(says) => write!(f, "health checks of {backend}: {says}"),
            Verb::StopNexus => f.write_str("stop Nexus (SIGTERM)"),
            Verb::Drain { within } => write!(f, "drain {backend} within {within:?}"),
            Verb::Undrain => write!(f, "undrain {backend}"),
            Verb::RestartNexus => f.write_str("restart Nexus (SIGTERM)"),
            Verb::Reload { rate, lasts, .. } => {
                write!(f, "reload {rate} times a second for {lasts:?}")
            }
        }
    }
}
