//! By a key, each backend scored anew: the highest wins (Thaler, Ravishankar 1996; with weights
//! Mosko 2005). Nothing is laid out, and only the keys of a backend that leaves move; looks at all.

use super::{Ask, Candidate, Loads, Place, mix};

/// Picks the candidate with the best score for the key.
pub(super) fn pick(all: &[Candidate], ask: &Ask<'_>, loads: &impl Loads) -> Option<Place> {
    let left = all.iter().filter(|one| ask.allows(one, loads));
    let scored = left.map(|one| (score(one, ask.key), one.place));
    scored.min_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, place)| place)
}

/// Returns the time until a clock that rings at random, `weight` times as often as that of weight 1,
/// rings first.
fn score(one: &Candidate, key: u64) -> f64 {
    let number = mix(one.id ^ mix(key));
    // Evenly in (0, 1].
    let even = ((number >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    -even.ln() / f64::from(one.weight)
}
