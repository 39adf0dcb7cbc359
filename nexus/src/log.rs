//! The request log: a line per request, made by the worker, written by a thread of its own.
//!
//! A slow terminal must not slow a request: a worker collects its lines and hands them over in
//! blocks; when the writer cannot keep up, blocks are dropped and counted, and the count is
//! written as soon as there is room again.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, SystemTime};

use crate::http1::egress::decimal;
use crate::record::Record;

mod line;

/// Bytes that a worker collects before it hands them over ahead of the next tick.
const BLOCK_BYTES: usize = 32 * 1024;

/// Blocks that may wait for the writer: 4 MiB of lines, some seconds of full load.
const BLOCKS_MAX: usize = 128;

/// How long the writer may take to finish when Nexus stops.
const FINISH: Duration = Duration::from_secs(1);

/// How a request is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One line for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The thread that writes; dropped, it finishes what it was given.
pub struct Writer {
    blocks: Option<SyncSender<Vec<u8>>>,
    dropped: Arc<AtomicU64>,
    finished: Arc<(Mutex<bool>, Condvar)>,
}

impl Writer {
    /// Starts a thread that writes to `out`.
    ///
    /// # Errors
    ///
    /// Fails if no thread can be started.
    pub fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (blocks, given) = sync_channel(BLOCKS_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let finished = Arc::new((Mutex::new(false), Condvar::new()));
        let (count, bell) = (Arc::clone(&dropped), Arc::clone(&finished));
        std::thread::Builder::new().name("log".to_owned()).spawn(move || {
            write_all(&given, out, &count);
            *bell.0.lock().expect("nothing panics while it holds this lock") = true;
            bell.1.notify_all();
        })?;
        Ok(Self { blocks: Some(blocks), dropped, finished })
    }

    /// Gives a worker its end.
    pub fn log(&self, format: LogFormat) -> Log {
        let blocks = self.blocks.clone().expect("it is there until the drop");
        Log {
            format,
            blocks,
            dropped: Arc::clone(&self.dropped),
            lines: Vec::with_capacity(BLOCK_BYTES + 1024),
            count: 0,
            stamp: line::Stamp::default(),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.blocks = None;
        let finished = self.finished.0.lock().expect("nothing panics while it holds this lock");
        // A terminal that takes nothing any more must not keep Nexus from stopping.
        let _ = self.finished.1.wait_timeout_while(finished, FINISH, |finished| !*finished);
    }
}

fn write_all(blocks: &Receiver<Vec<u8>>, mut out: impl Write, dropped: &AtomicU64) {
    while let Ok(block) = blocks.recv() {
        if out.write_all(&block).and_then(|()| out.flush()).is_err() {
            return; // Nobody reads any more; the workers notice and stop collecting.
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::warn!(lines = lost, "the request log could not keep up and dropped lines");
        }
    }
}

/// A worker's end of the log.
pub struct Log {
    format: LogFormat,
    blocks: SyncSender<Vec<u8>>,
    dropped: Arc<AtomicU64>,
    lines: Vec<u8>,
    count: u64,
    stamp: line::Stamp,
}

impl Log {
    /// Writes a request down.
    pub fn write(&mut self, record: &Record<'_>) {
        self.stamp.set(SystemTime::now());
        match self.format {
            LogFormat::Text => line::text(&mut self.lines, &self.stamp, record),
            LogFormat::Json => line::json(&mut self.lines, &self.stamp, record),
        }
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
        if let Err(TrySendError::Full(block)) = self.blocks.try_send(block) {
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
