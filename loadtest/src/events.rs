//! Writes one JSON line per request to a file, if asked to.
//!
//! Each thread keeps lines until there are enough of them for one write, so the file is sorted by
//! thread and time, not by number.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::tally::Sample;

/// Lines of a thread are written once they are this long.
const WRITE_AT_BYTES: usize = 64 * 1024;

/// The file.
#[derive(Debug)]
pub(crate) struct Events {
    file: Mutex<File>,
}

/// One thread's lines that are not written yet.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pending: Vec<u8>,
}

#[derive(Serialize)]
struct Line<'a> {
    seq: u64,
    ended_s: f64,
    response_us: u128,
    service_us: u128,
    outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backend: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Events {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let file =
            File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { file: Mutex::new(file) })
    }

    /// Adds a line, and writes what has come together if it is enough.
    pub(crate) fn record(&self, lines: &mut Lines, sample: &Sample<'_>) {
        let line = Line {
            seq: sample.seq,
            ended_s: sample.ended.as_secs_f64(),
            response_us: sample.response.as_micros(),
            service_us: sample.service.as_micros(),
            outcome: sample.failure.map_or("ok", |failure| failure.kind.name()),
            status: sample.status,
            backend: sample.backend.and_then(|name| std::str::from_utf8(name).ok()),
            error: sample.failure.map(ToString::to_string),
        };
        if serde_json::to_writer(&mut lines.pending, &line).is_ok() {
            lines.pending.push(b'\n');
        }
        if lines.pending.len() >= WRITE_AT_BYTES {
            self.write(lines);
        }
    }

    /// Writes what has come together.
    pub(crate) fn write(&self, lines: &mut Lines) {
        let file = self.file.lock();
        let written = file.map(|mut file| file.write_all(&lines.pending));
        if !matches!(written, Ok(Ok(()))) {
            eprintln!(
                "loadtest: cannot write to the events file: {} bytes lost",
                lines.pending.len()
            );
        }
        lines.pending.clear();
    }
}
