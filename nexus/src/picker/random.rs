//! By chance, by weight.

use super::{Alias, Ask, Candidate, Place};

/// Picks whoever the dice fall on.
pub(super) fn pick(all: &[Candidate], alias: &Alias, ask: &Ask<'_>) -> Place {
    all[alias.draw(ask.dice)].place
}
