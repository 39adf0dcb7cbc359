//! Drawing by weight in constant time: the alias method (Walker 1977, Vose 1991).

use super::Candidate;

/// A table from which to draw candidates.
#[derive(Debug)]
pub(super) struct Alias {
    slots: Box<[Slot]>,
}

/// One of equally likely slots: usually its own candidate, else another.
#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Up to here, of 2^32, it is its own.
    own: u64,
    other: u32,
}

impl Alias {
    /// Lays out candidates by their weight.
    pub(super) fn new(all: &[Candidate]) -> Self {
        let total: u64 = all.iter().map(|one| u64::from(one.weight)).sum();
        let count = all.len() as u64;
        // In units of 1 / (count · total) of all: an even slot has `total` of them.
        let mut left: Vec<u64> = all.iter().map(|one| u64::from(one.weight) * count).collect();
        let mut slots: Vec<Slot> =
            (0..all.len()).map(|at| Slot { own: 1 << 32, other: at as u32 }).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) =
            (0..all.len()).partition(|at| left[*at] < total);
        while let (Some(poor), Some(rich)) = (small.pop(), large.last().copied()) {
            let own = (u128::from(left[poor]) << 32) / u128::from(total);
            slots[poor] = Slot { own: own as u64, other: rich as u32 };
            left[rich] -= total - left[poor];
            if left[rich] < total {
                large.pop();
                small.push(rich);
            }
        }
        Self { slots: slots.into() }
    }

    /// Draws a candidate's place in the list; `dice` is any number, all equally likely.
    pub(super) fn draw(&self, dice: u64) -> usize {
        let (high, low) = (dice >> 32, dice & 0xffff_ffff);
        let at = ((high * self.slots.len() as u64) >> 32) as usize;
        let slot = self.slots[at];
        if low < slot.own { at } else { slot.other as usize }
    }

    /// Draws two different ones, if there are two.
    pub(super) fn draw_two(&self, dice: u64) -> (usize, usize) {
        /// A second that is the first again is drawn anew so often; then its neighbour is taken.
        const DRAWS_MAX: usize = 4;
        let first = self.draw(dice);
        let mut next = dice;
        for _ in 0..DRAWS_MAX {
            next = super::mix(next);
            let second = self.draw(next);
            if second != first {
                return (first, second);
            }
        }
        (first, (first + 1) % self.slots.len())
    }
}
