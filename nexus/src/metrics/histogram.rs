//! How long things took: counts by ranges that grow with the time.
//!
//! Four ranges for every doubling, so that a percentile is off by a quarter at most; from a microsecond
//! to 67 seconds. Every power of two is a border: that is what the exposition shows.

use std::time::Duration;

use super::counter::Counter;

/// Binary digits of a time, after its first, that tell ranges apart.
const DIGITS: u32 = 2;

/// Times from 2^26 microseconds (67 s) on are in the last range.
const DOUBLINGS: u32 = 26;

/// The ranges.
const RANGES: usize = ((DOUBLINGS - DIGITS + 1) << DIGITS) as usize + 1;

/// Counts of times, by one worker.
#[derive(Debug)]
pub struct Histogram {
    counts: [Counter; RANGES],
    nanoseconds: Counter,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: std::array::from_fn(|_| Counter::default()),
            nanoseconds: Counter::default(),
        }
    }
}

/// A time, and the range that it lies in: looked for once, counted in several places.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    range: usize,
    nanoseconds: u64,
}

impl From<Duration> for Measured {
    fn from(time: Duration) -> Self {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self { range: range(nanoseconds / 1000), nanoseconds }
    }
}

impl Histogram {
    /// Counts a time. Only the worker that it belongs to calls this.
    #[inline]
    pub fn count(&self, time: Measured) {
        self.counts[time.range].add(1);
        self.nanoseconds.add(time.nanoseconds);
    }
}

/// Returns the range of a number of microseconds.
fn range(micros: u64) -> usize {
    let Some(doublings) = micros.checked_ilog2().filter(|doublings| *doublings >= DIGITS) else {
        return micros as usize;
    };
    if doublings >= DOUBLINGS {
        return RANGES - 1;
    }
    let shift = doublings - DIGITS;
    (((shift + 1) << DIGITS) as u64 + (micros >> shift) - (1 << DIGITS)) as usize
}

/// Returns the number of microseconds that a range begins with.
fn begin(range: usize) -> u64 {
    let range = range as u64;
    match (range >> DIGITS).checked_sub(1) {
        None => range,
        Some(shift) => ((range & ((1 << DIGITS) - 1)) + (1 << DIGITS)) << shift,
    }
}

/// Sums of counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Times {
    counts: [u64; RANGES],
    nanoseconds: u64,
}

impl Default for Times {
    fn default() -> Self {
        Self { counts: [0; RANGES], nanoseconds: 0 }
    }
}

impl Times {
    /// Sums what workers have counted.
    pub fn sum<'h>(all: impl Iterator<Item = &'h Histogram>) -> Self {
        let mut times = Self::default();
        for histogram in all {
            for (sum, count) in times.counts.iter_mut().zip(&histogram.counts) {
                *sum += count.get();
            }
            times.nanoseconds = times.nanoseconds.wrapping_add(histogram.nanoseconds.get());
        }
        times
    }

    /// Returns how many times were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Returns all times together, in seconds.
    pub fn seconds(&self) -> f64 {
        self.nanoseconds as f64 / 1e9
    }

    /// Returns, in the order of `borders` (powers of two, in microseconds), how many were shorter
    /// than the border and not than the one before it; and last how many are left.
    pub fn between(&self, borders: impl Iterator<Item = u64>) -> Vec<(f64, u64)> {
        let mut ranges = (0..RANGES).peekable();
        let mut below = |border: u64| {
            let mut count = 0;
            while let Some(at) = ranges.next_if(|at| begin(*at) < border) {
                count += self.counts[at];
            }
            count
        };
        let mut found: Vec<_> =
            borders.map(|border| (border as f64 / 1e6, below(border))).collect();
        found.push((f64::MAX, below(u64::MAX)));
        found
    }

    /// Returns what was counted since `earlier`, where that is anything.
    pub fn since(&self, earlier: &Self) -> Vec<(u8, u32)> {
        let differences = self.counts.iter().zip(&earlier.counts).map(|(now, then)| now - then);
        let counted = (0..).zip(differences).filter(|(_, count)| *count > 0);
        counted.map(|(at, count)| (at, u32::try_from(count).unwrap_or(u32::MAX))).collect()
    }
}

/// Returns the time that `part` of all counted ones stay below, in seconds; `None` of none.
pub fn quantile(counts: &[u64; RANGES], part: f64) -> Option<f64> {
    let all: u64 = counts.iter().sum();
    let mut left = ((all as f64 * part).ceil() as u64).max(1);
    for (at, count) in counts.iter().enumerate() {
        if left <= *count {
            let (from, to) = (begin(at) as f64, begin(at + 1) as f64);
            // As if they lay evenly between the borders.
            return Some((from + (to - from) * (left as f64 - 0.5) / *count as f64) / 1e6);
        }
        left -= count;
    }
    None
}

/// Adds up what was counted in several spans of time.
pub fn added<'s>(spans: impl Iterator<Item = &'s [(u8, u32)]>) -> [u64; RANGES] {
    let mut counts = [0; RANGES];
    for (at, count) in spans.flatten() {
        counts[usize::from(*at)] += u64::from(*count);
    }
    counts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_begin_where_the_one_before_ends() {
        for at in 0..RANGES - 1 {
            let (from, to) = (begin(at), begin(at + 1));
            assert!(from < to, "{at}");
            assert_eq!([range(from), range(to - 1), range(to)], [at, at, at + 1], "{from}..{to}");
        }
        assert_eq!(begin(RANGES - 1), 1 << DOUBLINGS);
        assert_eq!(range(u64::MAX), RANGES - 1);
        assert!(u8::try_from(RANGES).is_ok());
    }

    proptest! {
        #[test]
        fn percentiles_are_off_by_a_quarter_at_most(
            mut micros in proptest::collection::vec(8_u64..60_000_000, 1..200),
            part in 0.01..1.0_f64,
        ) {
            let histogram = Histogram::default();
            micros.iter().for_each(|time| histogram.count(Duration::from_micros(*time).into()));
            let times = Times::sum([&histogram].into_iter());
            micros.sort_unstable();
            let exact = micros[((micros.len() as f64 * part).ceil() as usize).max(1) - 1] as f64 / 1e6;
            let found = quantile(&times.counts, part).unwrap();
            // A range is at most a quarter as wide as its begin.
            prop_assert!((found - exact).abs() <= exact / 4.0, "{found} for {exact}");
            prop_assert_eq!(times.count(), micros.len() as u64);
            let between = times.between((8..27).map(|doublings| 1 << doublings));
            prop_assert_eq!(between.iter().map(|(_, count)| count).sum::<u64>(), times.count());
            for (border, count) in &between[..1] {
                let below = micros.iter().filter(|time| (**time as f64) < border * 1e6).count();
                prop_assert_eq!(below as u64, *count);
            }
        }
    }

    #[test]
    fn a_span_has_what_was_counted_in_it() {
        let histogram = Histogram::default();
        histogram.count(Duration::from_micros(100).into());
        let before = Times::sum([&histogram].into_iter());
        (0..3).for_each(|_| histogram.count(Duration::from_millis(5).into()));
        let span = Times::sum([&histogram].into_iter()).since(&before);
        assert_eq!(span.len(), 1);
        let p50 = quantile(&added([&span[..]].into_iter()), 0.5).unwrap();
        assert!((0.004..0.006).contains(&p50), "{p50}");
        assert_eq!(quantile(&[0; RANGES], 0.5), None);
    }
}
