//! Whoever has the fewest requests under way, by weight. Looks at all: the cost grows with the pool.

use super::{Ask, Candidate, Loads, Place};

/// Picks the one for which requests under way, this one included, are least for its weight; of
/// equals the next in turn.
pub(super) fn pick(all: &[Candidate], ask: &Ask<'_>, loads: &impl Loads) -> Option<Place> {
    let start = ask.turn % all.len();
    let (after, before) = (&all[start..], &all[..start]);
    let mut best: Option<(u64, u64, Place)> = None;
    for one in after.iter().chain(before).filter(|one| ask.allows(one, loads)) {
        let (load, weight) = (u64::from(loads.in_flight(one.place)) + 1, u64::from(one.weight));
        // load / weight < least / of, without dividing.
        if best.is_none_or(|(least, of, _)| load * of < least * weight) {
            best = Some((load, weight, one.place));
        }
    }
    best.map(|(_, _, place)| place)
}
