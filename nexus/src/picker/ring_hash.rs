//! By a key, on a ring of points: a key belongs to the next point (Karger et al. 1997). A backend
//! that leaves gives its keys to all others; whoever is beyond its bound is passed over.

use super::{Ask, Candidate, Loads, Place, is_bounded, mix};

/// Points on the ring for each backend, on average: shares then differ by some 5 %.
const POINTS_EACH: u64 = 512;
/// And in all: few backends get more each, and very many no more than memory bears (16 MiB).
const POINTS: std::ops::RangeInclusive<u64> = 4096..=1 << 20;

/// The points, sorted, each with its candidate's place in the list.
#[derive(Debug)]
pub(super) struct Ring {
    points: Box<[(u64, u16)]>,
    total_weight: u64,
}

impl Ring {
    /// Lays out the ring: points by weight, from a number that only its backend decides. How many a
    /// weight stands for depends on the `whole` pool, available or not: whoever comes or goes
    /// changes nobody else's points.
    pub(super) fn new(all: &[Candidate], whole: &[Candidate]) -> Self {
        let weight = |of: &[Candidate]| of.iter().map(|one| u64::from(one.weight)).sum::<u64>();
        let wanted = (whole.len() as u64 * POINTS_EACH).clamp(*POINTS.start(), *POINTS.end());
        let whole_weight = weight(whole).max(1);
        // By a power of two: with other weights in the file the points for less are among those for
        // more, and most keys stay where they are.
        let shift = (wanted / whole_weight).max(1).ilog2();
        let down = (whole_weight / wanted).max(1).ilog2();
        let mut points = Vec::new();
        for (at, one) in (0..).zip(all) {
            let count = ((u64::from(one.weight) << shift) >> down).max(1);
            points.extend((0..count).map(|point| (mix(one.id.wrapping_add(mix(point))), at)));
        }
        points.sort_unstable();
        Self { points: points.into(), total_weight: weight(all) }
    }

    /// Picks whoever has the next point and is neither tried nor beyond its bound.
    pub(super) fn pick(
        &self,
        all: &[Candidate],
        ask: &Ask<'_>,
        loads: &impl Loads,
    ) -> Option<Place> {
        let start = self.points.partition_point(|(point, _)| *point < ask.key);
        let (after, before) = (&self.points[start..], &self.points[..start]);
        let left = || {
            let ones = after.iter().chain(before).map(|(_, at)| &all[usize::from(*at)]);
            ones.filter(|one| ask.allows(one, loads))
        };
        let bounded = left().find(|one| is_bounded(one, self.total_weight, loads));
        bounded.or_else(|| left().next()).map(|one| one.place)
    }
}
