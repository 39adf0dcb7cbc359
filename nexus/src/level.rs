//! From which level on Nexus writes its own events, changed while it runs.

use std::sync::{Arc, Mutex};

use tracing::Level;

/// The names, the quietest first.
pub const NAMES: &[&str] = &["error", "warn", "info", "debug", "trace"];

/// Reads a level's name.
pub fn read(name: &str) -> Option<Level> {
    NAMES.contains(&name).then(|| name.parse().ok()).flatten()
}

/// Returns a level's name.
pub fn name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// The level, and how it is changed: what writes the events belongs to the process, so whoever
/// starts Nexus brings this along.
pub struct Levels {
    now: Mutex<Level>,
    apply: Box<dyn Fn(Level) + Send + Sync>,
}

impl Levels {
    /// Begins with `level`; another one is made so by `apply`.
    pub fn new(level: Level, apply: impl Fn(Level) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { now: Mutex::new(level), apply: Box::new(apply) })
    }

    /// A level that is remembered, and nothing else: for a Nexus inside another program, which
    /// decides itself what is written.
    pub fn of_nobody() -> Arc<Self> {
        Self::new(Level::INFO, |_| {})
    }

    /// Returns the level.
    pub fn level(&self) -> Level {
        *self.now.lock().expect("nothing panics while it holds this lock")
    }

    /// Changes the level; returns the one before.
    pub fn set(&self, level: Level) -> Level {
        (self.apply)(level);
        std::mem::replace(
            &mut *self.now.lock().expect("nothing panics while it holds this lock"),
            level,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written_and_no_other_is() {
        for known in NAMES {
            assert_eq!(read(known).map(name), Some(*known));
        }
        for other in ["", "INFO", "off", "3", "verbose"] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
