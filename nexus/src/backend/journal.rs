//! What happened to a backend last: its turns for better or worse, and what its probes found.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use crate::ejection::Cause;
use crate::reason::Reason;
use crate::ring;

/// Entries of each kind that are kept: enough to see a pattern.
const KEPT: usize = 16;

/// A turn for better or worse.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Turn {
    /// A probe brought it back.
    Up,
    /// It flaps, but was needed, and its last probe had succeeded.
    Needed,
    /// It went DOWN.
    Down {
        /// Why.
        cause: Reason,
        /// What saw it: `probe` or `request`.
        seen_by: &'static str,
        /// For how long it is kept out, if it flaps.
        kept_out: Option<Duration>,
    },
    /// Its answers were bad.
    Ejected {
        /// In which way.
        cause: Cause,
        /// For how long.
        time: Duration,
    },
    /// It is tried out.
    HalfOpen,
    /// It is no longer ejected.
    NotEjected,
}

impl Turn {
    /// Returns the stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Needed => "needed",
            Self::Down { .. } => "down",
            Self::Ejected { .. } => "ejected",
            Self::HalfOpen => "half_open",
            Self::NotEjected => "not_ejected",
        }
    }
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up => write!(f, "UP"),
            Self::Needed => write!(f, "UP although it flaps: nobody else is"),
            Self::Down { cause, seen_by, kept_out } => {
                write!(f, "DOWN, seen by a {seen_by}: {}", sentence(*cause))?;
                match kept_out {
                    Some(time) => write!(f, "; it flaps: kept out for {time:.1?}"),
                    None => Ok(()),
                }
            }
            Self::Ejected { cause, time } => {
                write!(f, "ejected for {:.1} s: {}", time.as_secs_f32(), cause.code())
            }
            Self::HalfOpen => write!(f, "tried out, one request at a time"),
            Self::NotEjected => write!(f, "no longer ejected"),
        }
    }
}

/// Says a reason with its code and in words.
pub fn sentence(reason: Reason) -> String {
    format!("{}: {}", reason.code(), reason.facts().sentence)
}

/// What a probe found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Probed {
    /// Why it failed; `None` is all right.
    pub failure: Option<Reason>,
    /// How long it took.
    pub took: Duration,
}

impl fmt::Display for Probed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = self.failure.map_or_else(|| "succeeded".to_owned(), sentence);
        write!(f, "{outcome}, after {:.1} ms", self.took.as_secs_f64() * 1000.0)
    }
}

/// The last of both.
#[derive(Default)]
pub struct Journal(Mutex<Pages>);

#[derive(Default)]
struct Pages {
    turns: VecDeque<(SystemTime, Turn)>,
    /// How many of the turns were not told yet.
    untold: usize,
    probes: VecDeque<(SystemTime, Probed)>,
}

impl Journal {
    /// Writes a turn down.
    pub fn turn(&self, turn: Turn) {
        let mut pages = self.pages();
        keep(&mut pages.turns, turn);
        pages.untold = (pages.untold + 1).min(KEPT);
    }

    /// Returns the turns that it has not returned before, the earliest first. Only the control task
    /// calls this, after each ring of the bell: more than are kept do not come together, since who
    /// flaps is kept out.
    pub fn news(&self) -> Vec<(SystemTime, Turn)> {
        let mut pages = self.pages();
        let told = pages.turns.len() - std::mem::take(&mut pages.untold);
        pages.turns.iter().skip(told).copied().collect()
    }

    /// Writes down what a probe found.
    pub fn probe(&self, probed: Probed) {
        keep(&mut self.pages().probes, probed);
    }

    /// Returns the last turns, the latest first.
    pub fn turns(&self) -> Vec<(SystemTime, Turn)> {
        self.pages().turns.iter().rev().copied().collect()
    }

    /// Returns what the last probes found, the latest first.
    pub fn probes(&self) -> Vec<(SystemTime, Probed)> {
        self.pages().probes.iter().rev().copied().collect()
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().expect("nothing panics while it holds this lock")
    }
}

fn keep<T>(pages: &mut VecDeque<(SystemTime, T)>, entry: T) {
    ring::keep(pages, (SystemTime::now(), entry), KEPT);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_are_kept_and_the_latest_comes_first() {
        let journal = Journal::default();
        for micros in 0..100 {
            journal.probe(Probed { failure: None, took: Duration::from_micros(micros) });
        }
        let found = journal.probes();
        assert_eq!(found.len(), KEPT);
        assert_eq!(found[0].1.took, Duration::from_micros(99));
        assert_eq!(found[15].1.took, Duration::from_micros(84));
    }

    #[test]
    fn each_turn_is_news_once() {
        let journal = Journal::default();
        let news = || journal.news().into_iter().map(|(_, turn)| turn).collect::<Vec<_>>();
        assert!(news().is_empty());
        journal.turn(Turn::HalfOpen);
        journal.turn(Turn::NotEjected);
        assert_eq!(news(), [Turn::HalfOpen, Turn::NotEjected]);
        assert!(news().is_empty());
        journal.turn(Turn::Up);
        assert_eq!(news(), [Turn::Up]);
        assert_eq!(journal.turns().len(), 3, "telling takes nothing away");
        for _ in 0..100 {
            journal.turn(Turn::Up);
        }
        assert_eq!(news().len(), KEPT);
    }
}
