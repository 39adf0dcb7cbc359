//! What the load tester reports at its end, as far as it is judged here.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result};
use serde::Deserialize;

/// The report of one run.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Report {
    started: String,
    /// How long it sent, in seconds.
    pub(crate) duration_s: f64,
    /// Requests.
    pub(crate) totals: Totals,
    /// From when a request was due to the end of its answer.
    pub(crate) latency: Latencies,
    /// How late the tester's own timers were.
    #[serde(default)]
    pub(crate) timer_lag: Latency,
    /// By backend, as the answers name it.
    pub(crate) backends: Vec<PerBackend>,
    /// Answers by status.
    #[serde(default)]
    pub(crate) statuses: BTreeMap<String, u64>,
    /// Failures by kind.
    #[serde(default)]
    pub(crate) errors: Vec<Failures>,
    /// Numbers of the failed requests: first and last of each run of them.
    #[serde(default)]
    pub(crate) failed_seqs: Vec<(u64, u64)>,
    /// The same of those that were given up on purpose.
    #[serde(default)]
    pub(crate) aborted_seqs: Vec<(u64, u64)>,
}

/// Counts of requests.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Totals {
    /// Begun; their numbers are 0 to this.
    pub(crate) sent: u64,
    /// Answered with a status below 400 and a complete body.
    pub(crate) ok: u64,
    /// The others.
    pub(crate) failed: u64,
    /// Given up on purpose: neither.
    #[serde(default)]
    pub(crate) aborted: u64,
}

/// Distributions of times.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Latencies {
    /// From when a request was due.
    pub(crate) response: Latency,
}

/// One distribution, in microseconds; zero when nothing was measured.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Latency {
    /// Half were faster.
    pub(crate) p50_us: f64,
    /// 99 of 100 were faster.
    pub(crate) p99_us: f64,
    /// The slowest.
    pub(crate) max_us: f64,
}

/// One backend's part.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PerBackend {
    /// Its URL.
    pub(crate) name: String,
    /// Its answers.
    pub(crate) count: u64,
    /// 99 of 100 of the successful ones came within this time, in microseconds.
    #[serde(default)]
    pub(crate) p99_us: f64,
}

/// Failures of one kind.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Failures {
    /// `connect_refused`, `reset_in_body`, …
    pub(crate) kind: String,
    /// How many.
    pub(crate) count: u64,
}

/// One request of the events file.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Answer {
    /// When it was over, in seconds from the beginning of the run.
    pub(crate) ended_s: f64,
    /// From when it was due to its end.
    pub(crate) response_us: f64,
    /// `ok`, or the kind of its failure.
    pub(crate) outcome: String,
    /// The URL of the backend that answered.
    pub(crate) backend: Option<String>,
}

impl Report {
    /// Reads a report.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        serde_json::from_str(text).context("loadtest's report is not as agreed")
    }

    /// When the run began.
    pub(crate) fn started(&self) -> Result<SystemTime> {
        humantime::parse_rfc3339_weak(&self.started)
            .with_context(|| format!("loadtest's report: started is {:?}", self.started))
    }
}

impl Answer {
    /// Whether the request succeeded.
    pub(crate) fn is_ok(&self) -> bool {
        self.outcome == "ok"
    }

    /// Whether the client gave it up on purpose.
    pub(crate) fn is_aborted(&self) -> bool {
        self.outcome == "aborted"
    }

    /// Reads an events file.
    pub(crate) fn read_all(path: &Path) -> Result<Vec<Self>> {
        let file = File::open(path).context("loadtest left no events file")?;
        let mut answers = Vec::new();
        for line in BufReader::new(file).lines() {
            answers.push(serde_json::from_str(&line?).context("an event of loadtest")?);
        }
        Ok(answers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_whatever_else_it_carries() {
        let report = Report::parse(
            r#"{"schema":1,"config":{"n":3},"started":"2026-11-23T06:50:00.250Z","duration_s":1.5,
                "totals":{"planned":3,"sent":3,"ok":2,"failed":1,"unsent":0},
                "latency":{"response":{"p50_us":900,"p99_us":1200,"max_us":1300,"count":3},"service":{}},
                "backends":[{"name":"http://127.0.0.1:1","count":2,"share":1.0}],
                "statuses":{"200":2},"errors":[{"kind":"timeout","count":1,"sample":"…"}],
                "failed_seqs":[[1,1]],"late_starts":0}"#,
        )
        .unwrap();
        assert_eq!((report.totals.sent, report.totals.ok, report.totals.failed), (3, 2, 1));
        assert_eq!(report.failed_seqs, [(1, 1)]);
        assert_eq!(report.errors[0].kind, "timeout");
        let since = report.started().unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(since.subsec_millis(), 250);
    }
}
