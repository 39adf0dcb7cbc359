//! A scenario as written: `scenarios/NAME.toml`, where each key that is not known is an error.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::bound::Bound;
use time::{some_time, time};

pub(crate) use fill::Health;
pub(crate) use step::{Step, Verb};

mod check;
mod fill;
mod step;
mod time;

/// One scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// The file's name without its ending.
    #[serde(skip)]
    pub(crate) name: String,
    /// What happens and what must hold, in a sentence.
    pub(crate) about: String,
    /// `long`: too long for every change; `later`: Nexus cannot do it yet.
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    /// The whole takes no longer, or something around it is broken.
    #[serde(default = "limit", deserialize_with = "time")]
    pub(crate) limit: Duration,
    /// Flags of Nexus, beyond `--listen` and `--backend`.
    #[serde(default)]
    pub(crate) nexus: Vec<String>,
    /// Its configuration file, in which `{b1}` stands for a backend's URL; without it, flags do.
    pub(crate) config: Option<String>,
    /// How Nexus probes: what the names in sums of times stand for.
    pub(crate) health: Option<Health>,
    /// Who else is connected from the begin of the load to its end.
    #[serde(default)]
    pub(crate) beside: Vec<Beside>,
    /// The backends.
    #[serde(default)]
    pub(crate) backends: Backends,
    /// The load on Nexus.
    pub(crate) load: LoadPlan,
    /// What is done while the load runs.
    #[serde(default, rename = "step")]
    pub(crate) steps: Vec<Step>,
    /// What must hold.
    pub(crate) expect: Expect,
}

/// Somebody whose one connection must outlast everything.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Beside {
    /// Says something over a WebSocket again and again, and wants it back.
    Websocket,
    /// Reads an answer that comes drop by drop.
    Download,
    /// Begin to speak, a byte at a time, and never come to the end: Nexus must part with them.
    Slowloris,
    /// Come again and again with the cookies that they got; none may leave their backend early.
    Sessions,
}

/// The fake backends: `b1`, `b2`, …
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Backends {
    /// How many.
    #[serde(default = "three")]
    pub(crate) count: usize,
    /// What they speak to Nexus.
    #[serde(default)]
    pub(crate) protocol: BackendProtocol,
    /// Flags of each.
    #[serde(default)]
    pub(crate) flags: Vec<String>,
}

/// What backends speak, and with it how their URLs begin.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BackendProtocol {
    #[default]
    Http,
    H2c,
    Https,
    Unix,
}

/// What clients speak.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LoadProtocol {
    /// HTTP/1.1.
    #[default]
    Http,
    /// HTTP/1.1 over TLS.
    Https,
    /// HTTP/2 without asking.
    H2c,
    /// HTTP/2 over TLS.
    H2,
}

impl LoadProtocol {
    /// Whether clients come over TLS.
    pub(crate) fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::H2)
    }

    fn is_http2(self) -> bool {
        matches!(self, Self::H2c | Self::H2)
    }
}

/// What the load tester does.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoadPlan {
    /// Requests with one request under way at a time each.
    pub(crate) workers: u64,
    /// What clients speak.
    #[serde(default)]
    pub(crate) protocol: LoadProtocol,
    /// Requests at once on an HTTP/2 connection.
    #[serde(default = "one")]
    pub(crate) streams: u64,
    /// Requests in a second; without it, as fast as answers come.
    pub(crate) rate: Option<u64>,
    /// Requests in all.
    pub(crate) requests: Option<u64>,
    /// For so long.
    #[serde(default, deserialize_with = "some_time")]
    pub(crate) duration: Option<Duration>,
    /// Other flags of `loadtest`.
    #[serde(default)]
    pub(crate) flags: Vec<String>,
}

/// What must hold of the whole run, as its client saw it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    /// Requests begun.
    pub(crate) sent: Option<Bound>,
    /// Requests that succeeded.
    pub(crate) ok: Option<Bound>,
    /// Requests that did not.
    pub(crate) failed: Option<Bound>,
    /// Requests that the client gave up on purpose (`--abort`).
    pub(crate) aborted: Option<Bound>,
    /// Requests that succeeded though no backend has seen them.
    pub(crate) lost: Option<Bound>,
    /// Requests that backends have seen more than once.
    pub(crate) run_twice: Option<Bound>,
    /// Requests that all backends have seen, for each that was sent.
    pub(crate) amplification: Option<Bound>,
    /// The most memory that Nexus had.
    pub(crate) nexus_memory: Option<Bound>,
    /// Median time of an answer, failed requests included.
    pub(crate) p50: Option<Bound>,
    /// 99 of 100.
    pub(crate) p99: Option<Bound>,
    /// The slowest.
    pub(crate) max: Option<Bound>,
    /// Answers by backend, as numbers or shares.
    #[serde(default)]
    pub(crate) share: BTreeMap<String, Bound>,
    /// 99 of 100 successful answers of a backend, by its name.
    #[serde(default)]
    pub(crate) p99_of: BTreeMap<String, Bound>,
    /// Answers by status.
    #[serde(default)]
    pub(crate) status: BTreeMap<String, Bound>,
    /// The only kinds of failure that may occur.
    pub(crate) only_errors: Option<Vec<String>>,
    /// Backends that sessions may leave before their cookies have run out: they are taken away.
    #[serde(default)]
    pub(crate) may_be_left: Vec<String>,
    /// The same, for a part of the run.
    #[serde(default)]
    pub(crate) window: Vec<Window>,
}

/// What must hold of the answers that came between two moments.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Window {
    /// From this time of the run …
    #[serde(deserialize_with = "time")]
    pub(crate) from: Duration,
    /// … to this, or to its end.
    #[serde(default, deserialize_with = "some_time")]
    pub(crate) to: Option<Duration>,
    /// Requests that succeeded.
    pub(crate) ok: Option<Bound>,
    /// Requests that did not.
    pub(crate) failed: Option<Bound>,
    /// 99 of 100 answers came within this time, failed requests included.
    pub(crate) p99: Option<Bound>,
    /// Answers by backend.
    #[serde(default)]
    pub(crate) share: BTreeMap<String, Bound>,
}

impl Scenario {
    /// Reads and checks a file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        Self::parse(&name, &text).with_context(|| format!("{}", path.display()))
    }

    /// Reads and checks a scenario called `name`.
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self> {
        let mut scenario: Self = toml::from_str(&fill::fill(text)?)?;
        scenario.name = name.to_owned();
        check::check(&scenario)?;
        Ok(scenario)
    }

    /// The names of its backends.
    pub(crate) fn backend_ids(&self) -> Vec<String> {
        (1..=self.backends.count).map(|number| format!("b{number}")).collect()
    }

    /// Whether it is left out unless it is named: too long for every change, or for later.
    pub(crate) fn is_left_out(&self) -> bool {
        self.tags.iter().any(|tag| tag == "long" || tag == "later")
    }

    /// Whether anybody needs a certificate.
    pub(crate) fn needs_identity(&self) -> bool {
        self.load.protocol.is_tls() || self.backends.protocol == BackendProtocol::Https
    }
}

impl LoadPlan {
    /// As flags of the load tester.
    pub(crate) fn flags(&self) -> Vec<String> {
        let mut flags = vec![format!("--workers={}", self.workers)];
        if self.protocol.is_http2() {
            flags.extend(["--http2".to_owned(), format!("--streams={}", self.streams)]);
        }
        flags.extend(self.rate.map(|rate| format!("--rate={rate}")));
        flags.extend(self.requests.map(|requests| format!("--requests={requests}")));
        flags.extend(self.duration.map(|time| format!("--duration={}ms", time.as_millis())));
        flags.extend_from_slice(&self.flags);
        flags
    }
}

impl Default for Backends {
    fn default() -> Self {
        Self { count: three(), protocol: BackendProtocol::Http, flags: Vec::new() }
    }
}

fn one() -> u64 {
    1
}

fn three() -> usize {
    3
}

fn limit() -> Duration {
    Duration::from_secs(60)
}

#[cfg(test)]
mod tests;
