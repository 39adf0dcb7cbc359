//! The request log: a line per request, made by the worker, written by a thread of its own.
//!
//! A slow terminal must not slow a request: a worker collects its lines and hands them over in
//! blocks; when the writer cannot keep up, blocks are dropped and counted, and the count is
//! written as soon as there is room again.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, SystemTime};

use crate::finish::Finish;
use crate::http1::egress::decimal;
use crate::record::{Record, Stations};
use crate::request_id;

mod line;
mod output;
mod rules;
mod syslog;
mod template;

use output::{Lost, Out};
pub use rules::{AccessLog, FACILITIES, Filter, LogFormat, Output, WHOLE, facility};
pub use template::{BadTemplate, Gap, Template};

/// Bytes that a worker collects before it hands them over ahead of the next tick.
const BLOCK_BYTES: usize = 32 * 1024;

/// Blocks that may wait for the writer: 4 MiB of lines, some seconds of full load.
const BLOCKS_MAX: usize = 128;

/// How long the writer may take to finish when Nexus stops.
const FINISH: Duration = Duration::from_secs(1);

/// The thread that writes; dropped, it finishes what it was given.
pub struct Writer {
    blocks: Option<SyncSender<Vec<u8>>>,
    dropped: Arc<AtomicU64>,
    reopens: Arc<AtomicBool>,
    finished: Finish,
}

impl Writer {
    /// Starts a thread that writes where the log is asked to go; `stdout` stands for standard
    /// output, and lines that are lost are added to `dropped`.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be opened, or no thread be started.
    pub fn start(
        asked: &AccessLog,
        stdout: impl Write + Send + 'static,
        dropped: Arc<AtomicU64>,
    ) -> io::Result<Self> {
        let (blocks, given) = sync_channel(BLOCKS_MAX);
        let finished = Finish::default();
        let reopens = Arc::new(AtomicBool::new(false));
        let bell = finished.clone();
        let mut scribe = Scribe {
            out: Out::open(asked, Box::new(stdout))?,
            reopens: Arc::clone(&reopens),
            dropped: Arc::clone(&dropped),
            told: 0,
            is_failing: false,
        };
        std::thread::Builder::new().name("log".to_owned()).spawn(move || {
            scribe.write_all(&given);
            bell.tell();
        })?;
        Ok(Self { blocks: Some(blocks), dropped, reopens, finished })
    }

    /// Gives a worker its end.
    pub fn log(&self) -> Log {
        Log {
            blocks: self.blocks().clone(),
            dropped: Arc::clone(&self.dropped),
            lines: Vec::with_capacity(BLOCK_BYTES + 1024),
            count: 0,
            stamp: line::Stamp::default(),
        }
    }

    /// Has a file opened anew by its name: the old one was moved away.
    pub fn reopen(&self) {
        self.reopens.store(true, Ordering::Release);
        // Nothing to write wakes it; if there is no room for that it is awake.
        let _ = self.blocks().try_send(Vec::new());
    }

    fn blocks(&self) -> &SyncSender<Vec<u8>> {
        self.blocks.as_ref().expect("it is there until the drop")
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.blocks = None;
        self.finished.wait(FINISH);
    }
}

/// What runs on the writer's thread.
struct Scribe {
    out: Out,
    reopens: Arc<AtomicBool>,
    dropped: Arc<AtomicU64>,
    /// How many of the lines that were lost have been told of.
    told: u64,
    /// Whether the last block could not be written.
    is_failing: bool,
}

impl Scribe {
    fn write_all(&mut self, blocks: &Receiver<Vec<u8>>) {
        while let Ok(block) = blocks.recv() {
            if self.reopens.swap(false, Ordering::Acquire) {
                match self.out.reopen() {
                    Ok(()) => tracing::info!("the request log is opened anew"),
                    Err(error) => {
                        tracing::warn!(%error, "the request log cannot be opened anew, the old one is kept");
                    }
                }
            }
            if block.is_empty() {
                continue;
            }
            let written = self.out.write(&block);
            self.tell(written);
            let lost = self.dropped.load(Ordering::Relaxed) - self.told;
            if lost > 0 {
                self.told += lost;
                tracing::warn!(lines = lost, "the request log could not keep up and dropped lines");
            }
        }
    }

    /// Counts what could not be written, and says so once.
    fn tell(&mut self, written: Result<(), Lost>) {
        match written {
            Ok(()) if self.is_failing => {
                self.is_failing = false;
                tracing::info!(dropped = self.told, "the request log is written again");
            }
            Ok(()) => {}
            Err(Lost { lines, error }) => {
                self.dropped.fetch_add(lines, Ordering::Relaxed);
                self.told += lines;
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::warn!(%error, "the request log cannot be written, lines are dropped and counted");
                }
            }
        }
    }
}

/// A worker's end of the log.
pub struct Log {
    blocks: SyncSender<Vec<u8>>,
    dropped: Arc<AtomicU64>,
    lines: Vec<u8>,
    count: u64,
    stamp: line::Stamp,
}

impl Log {
    /// Writes a request down, if it is one of those that are to be.
    pub fn write(&mut self, rules: &AccessLog, record: &Record<'_>, stations: &Stations<'_>) {
        let (route, pool) = (stations.route_name(), stations.pool_name());
        self.write_named(rules, record, (route, pool));
    }

    fn write_named(
        &mut self,
        rules: &AccessLog,
        record: &Record<'_>,
        (route, pool): (Option<&str>, Option<&str>),
    ) {
        if !rules.takes(record, route, || dice(record)) {
            return;
        }
        self.stamp.set(SystemTime::now());
        let entry = line::Entry { stamp: &self.stamp, record, route, pool };
        line::write(&mut self.lines, &rules.format, &entry);
        self.count += 1;
        if self.lines.len() >= BLOCK_BYTES {
            self.flush();
        }
    }

    /// Hands what was collected to the writer.
    pub fn flush(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        let block = std::mem::replace(&mut self.lines, Vec::with_capacity(BLOCK_BYTES + 1024));
        if let Err(TrySendError::Full(block) | TrySendError::Disconnected(block)) =
            self.blocks.try_send(block)
        {
            self.dropped.fetch_add(self.count, Ordering::Relaxed);
            self.lines = block; // Its memory serves again.
            self.lines.clear();
        }
        self.count = 0;
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Draws below [`WHOLE`]; for a request that has a name or a trace, always the same.
fn dice(record: &Record<'_>) -> u32 {
    match (record.request_id, record.trace_id) {
        (Some(id), _) => request_id::share(id.as_bytes(), WHOLE),
        (None, Some(id)) => request_id::share(&id.get().to_be_bytes(), WHOLE),
        (None, None) => fastrand::u32(..WHOLE),
    }
}

/// Returns bytes that somebody else has chosen as text that no terminal takes for anything else.
pub fn printable(bytes: &[u8]) -> String {
    let mut out = Vec::new();
    line::plain(&mut out, bytes, line::Manner::Plain);
    String::from_utf8_lossy(&out).into_owned()
}

/// Writes a duration in milliseconds with three decimals.
fn milliseconds(out: &mut Vec<u8>, duration: Duration) {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    decimal(out, micros / 1000);
    out.push(b'.');
    let rest = micros % 1000;
    out.extend([rest / 100, rest / 10 % 10, rest % 10].map(|digit| b'0' + digit as u8));
}

#[cfg(test)]
mod tests;
