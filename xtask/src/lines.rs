//! A program's output, line by line, each with the moment at which it arrived.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::interrupt;

/// One line of output, without its end.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// When it arrived.
    pub(crate) at: Instant,
    /// What it says.
    pub(crate) text: String,
}

/// Everything that a program has written so far; filled by a thread that ends with the pipe.
pub(crate) struct Lines {
    heard: Arc<Mutex<Heard>>,
}

#[derive(Default)]
struct Heard {
    lines: Vec<Line>,
    ended: bool,
}

impl Lines {
    /// Reads `pipe` to its end, in the background; `copy` gets every line as well.
    pub(crate) fn read(pipe: impl Read + Send + 'static, copy: Option<PathBuf>) -> Self {
        let heard = Arc::new(Mutex::new(Heard::default()));
        let theirs = Arc::clone(&heard);
        thread::spawn(move || {
            let mut copy = copy.and_then(|path| File::create(path).ok());
            for text in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                let text = String::from_utf8_lossy(&text).into_owned();
                if let Some(file) = &mut copy {
                    let _ = writeln!(file, "{text}");
                }
                lock(&theirs).lines.push(Line { at: Instant::now(), text });
            }
            lock(&theirs).ended = true;
        });
        Self { heard }
    }

    /// Waits for the first line (from the start) in which `find` finds something.
    pub(crate) fn wait_for<T>(
        &self,
        limit: Duration,
        mut find: impl FnMut(&Line) -> Option<T>,
    ) -> Result<T> {
        let mut seen = 0;
        let found = interrupt::poll(limit, || {
            let ended = self.ended();
            let found = self.new_lines(&mut seen).iter().find_map(&mut find);
            match (found, ended) {
                (None, true) => bail!("it ended and said:\n{}", self.text()),
                (found, _) => Ok(found),
            }
        })?;
        match found {
            Some(value) => Ok(value),
            None => bail!("nothing within {limit:?}; it said:\n{}", self.text()),
        }
    }

    /// The lines since the last call with this cursor.
    pub(crate) fn new_lines(&self, seen: &mut usize) -> Vec<Line> {
        let heard = lock(&self.heard);
        let new = heard.lines.get(*seen..).unwrap_or_default().to_vec();
        *seen = heard.lines.len();
        new
    }

    /// All lines, once the program has closed its output (or after `limit`, those until then).
    pub(crate) fn all(&self, limit: Duration) -> Result<Vec<Line>> {
        interrupt::poll(limit, || Ok(self.ended().then_some(())))?;
        Ok(lock(&self.heard).lines.clone())
    }

    /// The last lines as one text, for messages.
    pub(crate) fn text(&self) -> String {
        const SHOWN: usize = 20;
        let heard = lock(&self.heard);
        let from = heard.lines.len().saturating_sub(SHOWN);
        let shown: Vec<_> = heard.lines.iter().skip(from).map(|line| line.text.as_str()).collect();
        shown.join("\n")
    }

    fn ended(&self) -> bool {
        lock(&self.heard).ended
    }
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}
