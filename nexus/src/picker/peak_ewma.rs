//! The faster of two that chance chooses: latency times requests under way, by weight. Latency rises
//! with every slow answer at once and falls with time (Finagle's Peak EWMA).

use super::{Alias, Ask, Candidate, Loads, Place};

/// What a backend that has not answered yet counts as, in microseconds, once it has a request: one
/// is enough to learn of it.
const UNKNOWN: f32 = 1e9;

/// Picks the one of two different candidates that should answer sooner.
pub(super) fn pick(all: &[Candidate], alias: &Alias, ask: &Ask<'_>, loads: &impl Loads) -> Place {
    let (first, second) = alias.draw_two(ask.dice);
    let (first, second) = (&all[first], &all[second]);
    if cost(first, loads) <= cost(second, loads) { first.place } else { second.place }
}

fn cost(one: &Candidate, loads: &impl Loads) -> f32 {
    let (latency, in_flight) = (loads.latency(one.place), loads.in_flight(one.place));
    let latency = match (latency > 0.0, in_flight) {
        (true, _) => latency,
        (false, 0) => 0.0,
        (false, _) => UNKNOWN,
    };
    latency * (in_flight as f32 + 1.0) / one.weight as f32
}
