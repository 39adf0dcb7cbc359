//! The less loaded of two that chance chooses (Mitzenmacher 2001): nearly as good as looking at all,
//! at a cost that does not grow, and without a herd.

use super::{Alias, Ask, Candidate, Loads, Place};

/// Picks the one of two different candidates that has fewer requests under way for its weight.
pub(super) fn pick(all: &[Candidate], alias: &Alias, ask: &Ask<'_>, loads: &impl Loads) -> Place {
    let (first, second) = alias.draw_two(ask.dice);
    let (first, second) = (&all[first], &all[second]);
    let load = |one: &Candidate| u64::from(loads.in_flight(one.place)) + 1;
    let first_is_better =
        load(first) * u64::from(second.weight) <= load(second) * u64::from(first.weight);
    if first_is_better { first.place } else { second.place }
}
