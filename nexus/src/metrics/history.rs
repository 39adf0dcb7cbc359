//! The last minutes, second by second: rates and percentiles for whoever looks after something has
//! happened. Only the control task writes it.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use crate::backend::Serial;
use crate::metrics::histogram::{Times, added, quantile};
use crate::metrics::reading::Load;
use crate::pool::Pool;
use crate::ring;
use crate::settings::Address;
use crate::snapshot::Published;

/// Seconds that are kept: five minutes.
pub const KEPT: usize = 300;

/// Seconds over which rates and percentiles are told.
const WINDOW: usize = 10;

/// What happened in a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Requests a second.
    pub rate: f32,
    /// Errors a second.
    pub errors: f32,
    /// The time that half of them stayed below, in seconds.
    pub p50: Option<f32>,
    /// The time that all but one of a hundred stayed below, in seconds.
    pub p99: Option<f32>,
}

/// One second, with all that percentiles over several need.
#[derive(Debug)]
struct Second {
    seconds: f64,
    requests: u64,
    errors: u64,
    times: Vec<(u8, u32)>,
}

/// The last minutes of one station.
#[derive(Debug, Default)]
pub struct Track {
    last: Option<(u64, u64, Times)>,
    window: VecDeque<Second>,
    series: VecDeque<Point>,
}

/// The last seconds of one station, as a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Now {
    /// Requests a second.
    pub rate: f64,
    /// Errors among them, from 0 to 1.
    pub error_ratio: f64,
    /// Requests.
    pub requests: u64,
    /// The times that 50, 90 and 99 of a hundred stayed below, in seconds; `None` of none.
    pub quantiles: Option<[f64; 3]>,
}

impl Track {
    /// Takes note of what was counted up to now, `seconds` after the last time.
    fn tick(&mut self, load: &Load, seconds: f64) {
        let (requests, errors) = (load.requests(), load.errors);
        let Some((requests_before, errors_before, times)) = &mut self.last else {
            self.last = Some((requests, errors, load.times.clone()));
            return;
        };
        // One worker may be read between the counts of one request.
        let second = Second {
            seconds,
            requests: requests.saturating_sub(*requests_before),
            errors: errors.saturating_sub(*errors_before),
            times: load.times.since(times),
        };
        (*requests_before, *errors_before) = (requests, errors);
        times.clone_from(&load.times);
        let counts = added([&second.times[..]].into_iter());
        let point = Point {
            rate: (second.requests as f64 / seconds) as f32,
            errors: (second.errors as f64 / seconds) as f32,
            p50: quantile(&counts, 0.5).map(|time| time as f32),
            p99: quantile(&counts, 0.99).map(|time| time as f32),
        };
        ring::keep(&mut self.window, second, WINDOW);
        ring::keep(&mut self.series, point, KEPT);
    }

    /// Returns how many requests the last seconds had.
    fn requests(&self) -> u64 {
        self.window.iter().map(|second| second.requests).sum()
    }

    /// Returns the last seconds as a whole.
    pub fn now(&self) -> Now {
        let seconds: f64 = self.window.iter().map(|second| second.seconds).sum();
        let requests = self.requests();
        let errors: u64 = self.window.iter().map(|second| second.errors).sum();
        let counts = added(self.window.iter().map(|second| &second.times[..]));
        let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|part| quantile(&counts, part));
        Now {
            rate: if seconds > 0.0 { requests as f64 / seconds } else { 0.0 },
            error_ratio: if requests > 0 { errors as f64 / requests as f64 } else { 0.0 },
            requests,
            quantiles: p50.zip(p90).zip(p99).map(|((p50, p90), p99)| [p50, p90, p99]),
        }
    }

    /// Returns the last `seconds` one by one, oldest first; fewer if there are no more.
    pub fn series(&self, seconds: usize) -> impl Iterator<Item = &Point> + Clone {
        self.series.iter().skip(self.series.len().saturating_sub(seconds))
    }
}

/// The last minutes of everything.
#[derive(Debug, Default)]
pub struct History {
    last: Option<Instant>,
    /// All requests.
    pub total: Track,
    /// By listener.
    pub listeners: HashMap<Address, Track>,
    /// By route.
    pub routes: HashMap<String, Track>,
    /// By pool.
    pub pools: HashMap<String, Track>,
    /// By backend.
    pub backends: HashMap<Serial, Track>,
}

impl History {
    /// Returns the part of a pool's requests that each of its backends answered in the last seconds;
    /// `None` if there were none.
    pub fn shares(&self, pool: &Pool) -> Vec<Option<f64>> {
        let requests = |serial| self.backends.get(&serial).map_or(0, Track::requests);
        let counts: Vec<_> = pool.backends().iter().map(|one| requests(one.serial)).collect();
        let whole: u64 = counts.iter().sum();
        counts.iter().map(|count| (whole > 0).then(|| *count as f64 / whole as f64)).collect()
    }

    /// Takes note of a second that has passed. What is no longer there is forgotten; of what has never
    /// had a request nothing is kept.
    pub fn tick(&mut self, published: &Published) {
        let snapshot = published.current();
        if !snapshot.is_counted() {
            *self = Self::default();
            return;
        }
        let now = Instant::now();
        let last = self.last.replace(now);
        let seconds = last.map_or(1.0, |last| (now - last).as_secs_f64().max(0.001));
        // What was counted before the first look is of no second; whatever comes later begins at none.
        let pace = Pace { is_first: last.is_none(), seconds };
        self.total.tick(&Load::of_all(&published.requests), seconds);
        let listeners = snapshot.settings.listeners.iter().zip(&snapshot.listener_counts);
        let listeners = listeners.map(|(one, counts)| {
            (one.address.clone(), Load::of_part(counts, |counts| &counts.requests))
        });
        note(&mut self.listeners, listeners, pace);
        let routes = snapshot.settings.routes.iter().flat_map(|table| table.routes());
        let routes = routes.zip(&snapshot.route_counts);
        let routes = routes.map(|(one, counts)| (one.name.clone(), Load::of_all(counts)));
        note(&mut self.routes, routes, pace);
        let pools = snapshot.pools.iter().map(|pool| {
            let load = Load::of_part(&pool.counts, |counts| &counts.requests);
            (pool.settings.name.clone(), load)
        });
        note(&mut self.pools, pools, pace);
        let backends = snapshot
            .backends()
            .map(|one| (one.serial, Load::of_part(&one.counts, |counts| &counts.requests)));
        note(&mut self.backends, backends, pace);
    }
}

/// How far this look is from the last.
#[derive(Clone, Copy)]
struct Pace {
    is_first: bool,
    seconds: f64,
}

fn note<K: std::hash::Hash + Eq>(
    tracks: &mut HashMap<K, Track>,
    loads: impl Iterator<Item = (K, Load)>,
    Pace { is_first, seconds }: Pace,
) {
    let mut before = std::mem::take(tracks);
    for (name, load) in loads {
        let known = before.remove(&name);
        if known.is_some() || load.requests() > 0 {
            let mut track = known.unwrap_or_else(|| Track {
                last: (!is_first).then(|| (0, 0, Times::default())),
                ..Track::default()
            });
            track.tick(&load, seconds);
            tracks.insert(name, track);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::metrics::counter::ByWorker;
    use crate::metrics::counter::Hand;
    use crate::metrics::counts::Requests;

    /// Counts `requests` answers with 200 after 10 ms.
    fn count(counts: &ByWorker<Requests>, requests: usize) {
        let own = counts.of(Hand { at: 0, of: 1 });
        for _ in 0..requests {
            own.classes[2].add(1);
            own.times.count(Duration::from_millis(10).into());
        }
    }

    #[test]
    fn rates_and_percentiles_are_those_of_the_last_ten_seconds() {
        let (counts, mut track) = (ByWorker::default(), Track::default());
        count(&counts, 1000);
        track.tick(&Load::of_all(&counts), 1.0);
        assert_eq!(track.now(), Now::default(), "what was before the first look is of no second");
        for _ in 0..20 {
            count(&counts, 50);
            track.tick(&Load::of_all(&counts), 0.5);
        }
        let now = track.now();
        assert_eq!((now.rate, now.requests, now.error_ratio), (100.0, 500, 0.0));
        let [p50, _, p99] = now.quantiles.unwrap();
        assert!((0.008..0.0125).contains(&p50) && p50 < p99 && p99 < 0.0125, "{p50} {p99}");
        assert_eq!(track.series(5).count(), 5);
        assert_eq!(track.series(100).count(), 20);
        (0..400).for_each(|_| track.tick(&Load::of_all(&counts), 1.0));
        assert_eq!(track.series(KEPT + 1).count(), KEPT);
        assert_eq!(track.now().quantiles, None);
    }
}
