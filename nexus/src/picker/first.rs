//! The first that has room: fills one up before the next is used.

use super::{Ask, Candidate, Loads, Place};

/// Picks the first candidate that is left.
pub(super) fn pick(all: &[Candidate], ask: &Ask<'_>, loads: &impl Loads) -> Option<Place> {
    all.iter().find(|one| ask.allows(one, loads)).map(|one| one.place)
}
