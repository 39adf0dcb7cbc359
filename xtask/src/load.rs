//! The load tester: started with a plan, watched while it runs, its report read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::process::{Launch, Process, Sink};

pub(crate) use report::{Answer, Report};

mod report;

/// A load under way.
pub(crate) struct Load {
    process: Process,
    report: PathBuf,
}

/// The counts of a run so far, as the tester prints them twice a second.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Progress {
    /// Successful requests.
    #[serde(default)]
    pub(crate) ok: u64,
    /// Failed requests.
    #[serde(default)]
    pub(crate) failed: u64,
    /// 99 of 100 were answered within this time, in milliseconds.
    #[serde(default)]
    pub(crate) p99_ms: f64,
    /// Answers by the backend's URL.
    #[serde(default)]
    pub(crate) backends: BTreeMap<String, u64>,
}

impl Load {
    /// Starts a load with these flags; its report goes into `folder`.
    pub(crate) fn start(
        program: &Path,
        url: &str,
        flags: &[String],
        folder: &Path,
    ) -> Result<Self> {
        let report = folder.join("loadtest.json");
        let mut args = vec![url.to_owned()];
        args.extend(["--output-format", "json", "-o"].map(str::to_owned));
        args.push(report.display().to_string());
        args.extend_from_slice(flags);
        let process = Process::start(Launch {
            name: "loadtest".into(),
            program: program.to_owned(),
            args,
            stdout: Sink::Null,
            stderr: Sink::Lines(Some(folder.join("loadtest.stderr"))),
        })?;
        Ok(Self { process, report })
    }

    /// Progress since the last call with this cursor, with the moments at which it was told.
    pub(crate) fn new_progress(&self, seen: &mut usize) -> Result<Vec<(Instant, Progress)>> {
        let lines = self.process.stderr()?.new_lines(seen);
        Ok(lines
            .iter()
            .filter_map(|line| Some((line.at, serde_json::from_str(&line.text).ok()?)))
            .collect())
    }

    /// Whether it has ended.
    pub(crate) fn ended(&mut self) -> Result<bool> {
        Ok(self.process.ended()?.is_some())
    }

    /// Waits for its end and reads the report; failed requests are not an error here.
    pub(crate) fn finish(&mut self, limit: Duration) -> Result<Report> {
        let Some(status) = self.process.wait(limit)? else {
            bail!("loadtest did not end within {limit:?}");
        };
        let said = || self.process.stderr().map(crate::lines::Lines::text).unwrap_or_default();
        if !matches!(status.code(), Some(0 | 1 | 3)) {
            bail!("loadtest ended with {status}: {}", said());
        }
        let text = std::fs::read_to_string(&self.report)
            .with_context(|| format!("loadtest left no report ({status}): {}", said()))?;
        Report::parse(&text)
    }
}
