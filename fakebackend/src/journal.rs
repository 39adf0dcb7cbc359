//! Which sequence numbers were seen, and how often: "lost" and "run twice" as facts.
//!
//! Two bytes for each number, in pages that come when they are needed: a million requests cost two
//! megabytes. Runs (`X-Loadtest-Run`) are kept apart, so that a second run does not look like
//! everything run twice.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

const PAGE_SEQS: usize = 64 * 1024;
const PAGES: usize = 1024;
/// Sequence numbers from here on are only counted: a page table for all of `u64` would be too large.
pub const MAX_SEQ: u64 = (PAGE_SEQS * PAGES) as u64;
/// Runs remembered; the one that began first is forgotten for the next.
const MAX_RUNS: usize = 16;

/// The journal of all runs.
#[derive(Default)]
pub struct Journal {
    runs: Mutex<Vec<Arc<Run>>>,
    /// Goes up when what readers remember no longer holds.
    epoch: AtomicU64,
}

/// What was seen of one run.
pub struct Run {
    name: Box<[u8]>,
    pages: Box<[OnceLock<Page>]>,
    beyond: AtomicU64,
}

/// How often a number was run (below 256), and how often it was refused without being run (above).
type Page = Box<[AtomicU16]>;

/// One refusal in a page.
const REFUSED: u16 = 1 << 8;

/// Writes to the journal and remembers the run, so that the next request of the same run takes no lock.
#[derive(Default)]
pub struct Writer {
    run: Option<Arc<Run>>,
    epoch: u64,
}

impl Writer {
    /// Notes that `seq` of `run` has been seen, and tells how often it had been before.
    pub fn note(&mut self, journal: &Journal, run: &[u8], seq: u64) -> u64 {
        let epoch = journal.epoch.load(Ordering::Acquire);
        match &self.run {
            Some(known) if self.epoch == epoch && *known.name == *run => known.note(seq),
            _ => {
                self.epoch = epoch;
                self.run.insert(journal.run(run)).note(seq)
            }
        }
    }

    /// Notes that what was noted last was refused: it counts as seen, and not as run.
    pub fn refused(&self, seq: u64) {
        if let Some(run) = &self.run {
            run.refused(seq);
        }
    }
}

impl Journal {
    /// Forgets everything.
    pub fn clear(&self) {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.clear();
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// Returns the run with this name, or without one the run that began last.
    #[must_use]
    pub fn find(&self, name: Option<&str>) -> Option<Arc<Run>> {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        match name {
            None => runs.last().cloned(),
            Some(name) => runs.iter().find(|run| *run.name == *name.as_bytes()).cloned(),
        }
    }

    fn run(&self, name: &[u8]) -> Arc<Run> {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(run) = runs.iter().find(|run| *run.name == *name) {
            return Arc::clone(run);
        }
        if runs.len() == MAX_RUNS {
            runs.remove(0);
            self.epoch.fetch_add(1, Ordering::AcqRel);
        }
        let run = Arc::new(Run::new(name));
        runs.push(Arc::clone(&run));
        run
    }
}

impl Run {
    fn new(name: &[u8]) -> Self {
        Self {
            name: name.into(),
            pages: (0..PAGES).map(|_| OnceLock::new()).collect(),
            beyond: AtomicU64::new(0),
        }
    }

    fn note(&self, seq: u64) -> u64 {
        if seq >= MAX_SEQ {
            self.beyond.fetch_add(1, Ordering::Relaxed);
            return 0;
        }
        let page = self.pages[seq as usize / PAGE_SEQS]
            .get_or_init(|| (0..PAGE_SEQS).map(|_| AtomicU16::new(0)).collect());
        let more = |both: u16| (runs(both) < u8::MAX).then(|| both + 1);
        let count = &page[seq as usize % PAGE_SEQS];
        match count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(both) | Err(both) => u64::from(runs(both)) + u64::from(both / REFUSED),
        }
    }

    fn refused(&self, seq: u64) {
        let page = self.pages.get(seq as usize / PAGE_SEQS).and_then(OnceLock::get);
        let Some(page) = page else { return };
        let moved = |both: u16| match (runs(both), both / REFUSED) {
            (0, _) => None,
            (_, 255) => Some(both - 1),
            _ => Some(both - 1 + REFUSED),
        };
        let count = &page[seq as usize % PAGE_SEQS];
        let _ = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, moved);
    }

    /// The run's name, as in `X-Loadtest-Run`.
    #[must_use]
    pub fn name(&self) -> String {
        String::from_utf8_lossy(&self.name).into_owned()
    }

    /// Requests whose sequence number was [`MAX_SEQ`] or more.
    #[must_use]
    pub fn beyond(&self) -> u64 {
        self.beyond.load(Ordering::Relaxed)
    }

    /// The numbers seen, as stretches `(first, last, times)` seen equally often (255: or more), ascending.
    #[must_use]
    pub fn ranges(&self) -> Vec<(u64, u64, u8)> {
        let mut ranges: Vec<(u64, u64, u8)> = Vec::new();
        for (number, page) in self.pages.iter().enumerate() {
            let Some(page) = page.get() else { continue };
            for (place, times) in page.iter().enumerate() {
                let (seq, times) =
                    ((number * PAGE_SEQS + place) as u64, runs(times.load(Ordering::Relaxed)));
                match ranges.last_mut() {
                    _ if times == 0 => {}
                    Some((_, last, same)) if *last + 1 == seq && *same == times => *last = seq,
                    _ => ranges.push((seq, seq, times)),
                }
            }
        }
        ranges
    }
}

fn runs(both: u16) -> u8 {
    both.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(seen: &[u64], ranges: &[(u64, u64, u8)]) {
        let (journal, mut writer) = (Journal::default(), Writer::default());
        for &seq in seen {
            writer.note(&journal, b"r", seq);
        }
        assert_eq!(journal.find(None).unwrap().ranges(), ranges, "{seen:?}");
    }

    #[test]
    fn numbers_seen_equally_often_make_one_range() {
        check(&[3], &[(3, 3, 1)]);
        check(&[2, 0, 1], &[(0, 2, 1)]);
        check(&[0, 1, 1, 2, 4], &[(0, 0, 1), (1, 1, 2), (2, 2, 1), (4, 4, 1)]);
        check(&[65_535, 65_536, 131_072], &[(65_535, 65_536, 1), (131_072, 131_072, 1)]);
    }

    #[test]
    fn noting_tells_how_often_it_was_seen_before() {
        let (journal, mut writer) = (Journal::default(), Writer::default());
        let times: Vec<u64> = (0..300).map(|_| writer.note(&journal, b"", 9)).collect();
        assert_eq!((times[0], times[1], times[254], times[299]), (0, 1, 254, 255));
    }

    #[test]
    fn what_is_refused_is_seen_but_not_run() {
        let (journal, mut writer) = (Journal::default(), Writer::default());
        assert_eq!(writer.note(&journal, b"", 9), 0);
        writer.refused(9);
        assert_eq!(writer.note(&journal, b"", 9), 1);
        assert_eq!(journal.find(None).unwrap().ranges(), [(9, 9, 1)]);
        writer.refused(9);
        assert_eq!(journal.find(None).unwrap().ranges(), []);
        assert_eq!(writer.note(&journal, b"", 9), 2);
    }

    #[test]
    fn runs_are_kept_apart_and_the_last_to_begin_is_shown() {
        let (journal, mut writer) = (Journal::default(), Writer::default());
        assert_eq!(writer.note(&journal, b"one", 5), 0);
        assert_eq!(writer.note(&journal, b"two", 5), 0);
        assert_eq!(writer.note(&journal, b"one", 5), 1);
        assert_eq!(journal.find(None).unwrap().name(), "two");
        assert_eq!(journal.find(Some("one")).unwrap().ranges(), [(5, 5, 2)]);
        assert!(journal.find(Some("three")).is_none());
    }

    #[test]
    fn a_cleared_journal_has_forgotten_what_writers_remember() {
        let (journal, mut writer) = (Journal::default(), Writer::default());
        writer.note(&journal, b"one", 5);
        journal.clear();
        assert!(journal.find(None).is_none());
        assert_eq!(writer.note(&journal, b"one", 5), 0);
        assert_eq!(journal.find(None).unwrap().ranges(), [(5, 5, 1)]);
    }

    #[test]
    fn a_hostile_number_takes_no_memory() {
        let (journal, mut writer) = (Journal::default(), Writer::default());
        writer.note(&journal, b"", u64::MAX);
        let run = journal.find(None).unwrap();
        assert_eq!((run.beyond(), run.ranges().len()), (1, 0));
    }

    #[test]
    fn only_so_many_runs_are_remembered() {
        let (journal, mut writer) = (Journal::default(), Writer::default());
        for run in 0..=MAX_RUNS {
            writer.note(&journal, run.to_string().as_bytes(), 0);
        }
        assert!(journal.find(Some("0")).is_none() && journal.find(Some("1")).is_some());
    }
}
