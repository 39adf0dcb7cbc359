//! Turn by turn, exact by weight, and smooth: weights 5, 1, 1 give a a b a c a a.

use super::{Candidate, Place};

/// Turns in a schedule at most. With more the weights are rounded to fit, each by less than half a
/// turn: 10,000 backends with weights up to 1,000 keep a hundred turns each on average.
const TURNS_MAX: u64 = 1 << 20;

/// Whose turn is when; it begins again at its end.
#[derive(Debug)]
pub(super) struct Schedule {
    pub(super) turns: Box<[Place]>,
}

impl Schedule {
    /// Lays out the turns. A candidate of weight w has w of them, evenly apart; those of one weight
    /// begin one after the other, so that their turns do not come all at once.
    pub(super) fn new(all: &[Candidate]) -> Self {
        let weights = fitted(all);
        // How many have this weight, and how many of them came before.
        let mut peers = std::collections::HashMap::new();
        let before: Vec<u64> = weights
            .iter()
            .map(|weight| {
                let count = peers.entry(*weight).or_insert(0_u64);
                *count += 1;
                *count
            })
            .collect();
        let mut turns: Vec<(u64, u32, Place)> = Vec::new();
        for ((one, &weight), (order, &before)) in all.iter().zip(&weights).zip((0..).zip(&before)) {
            let group = u128::from(peers[&weight]) + 1;
            for turn in 0..u128::from(weight) {
                // (turn + before / group) / weight, as a part of 2^63.
                let at = ((turn * group + u128::from(before)) << 63) / (group * u128::from(weight));
                turns.push((at as u64, order, one.place));
            }
        }
        turns.sort_unstable_by_key(|(at, order, _)| (*at, *order));
        Self { turns: turns.into_iter().map(|(_, _, place)| place).collect() }
    }

    /// Returns whose turn it is. Any run of as many turns as the schedule has gives each its weight.
    #[inline]
    pub(super) fn pick(&self, turn: usize) -> Option<Place> {
        turn.checked_rem(self.turns.len()).map(|turn| self.turns[turn])
    }
}

/// Returns the weights without what divides all, and small enough for a schedule.
fn fitted(all: &[Candidate]) -> Vec<u64> {
    let divisor = all.iter().fold(0, |divisor, one| gcd(divisor, u64::from(one.weight))).max(1);
    let weights: Vec<u64> = all.iter().map(|one| u64::from(one.weight) / divisor).collect();
    let total: u64 = weights.iter().sum();
    if total <= TURNS_MAX {
        return weights;
    }
    weights.iter().map(|weight| ((weight * TURNS_MAX + total / 2) / total).max(1)).collect()
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
