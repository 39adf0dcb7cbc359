//! The first that has room: fills one up before the next is used.

use super::{Ask, Candidate, Loads, Place};

/// Picks the first candidate that takes one more; if none does, the first.
pub(super) fn pick(all: &[Candidate], ask: &Ask<'_>, loads: &impl Loads) -> Option<Place> {
    let mut left = all.iter().filter(|one| !ask.tried.contains(&one.place));
    let first = left.clone().next()?;
    Some(left.find(|one| loads.has_room(one.place)).unwrap_or(first).place)
}
