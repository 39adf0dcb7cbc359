//! Picking allocates nothing, whatever the algorithm and however large the pool.

#![allow(clippy::unwrap_used, reason = "a test may fail wherever it is")]

use nexus::picker::{Algorithm, Ask, Candidate, Loads, Place, mix};
use nexus::pool::layers::{Layers, Member, Rules};

/// Loads that differ.
struct Busy;

impl Loads for Busy {
    fn in_flight(&self, place: Place) -> u32 {
        u32::from(place.0) * 13 % 31
    }

    fn total(&self) -> u64 {
        40_000
    }

    fn latency(&self, place: Place) -> f32 {
        (1000 + u32::from(place.0) % 20 * 1000) as f32
    }
}

fn members(count: u16) -> Vec<Member> {
    let one = |at: u16| Member {
        candidate: Candidate {
            place: Place(at),
            weight: 1 + u32::from(at) * 7 % 10,
            is_available: true,
            id: mix(u64::from(at)),
            requests_max: 30,
        },
        tier: u8::from(at % 5 == 4),
        is_near: at.is_multiple_of(2),
        weight_usual: 1 + u32::from(at) * 7 % 10,
    };
    (0..count).map(one).collect()
}

#[test]
fn picking_allocates_nothing() {
    let seen = allocation_counter::measure(|| drop(std::hint::black_box(vec![1])));
    assert_eq!(seen.count_total, 1, "what is allocated is counted");
    for algorithm in Algorithm::ALL {
        for count in [3, 100, 10_000] {
            let rules = Rules { algorithm, available_min: 1, zone_load_max: 140 };
            let layers = Layers::new(rules, members(count));
            let tried = [Place(1)];
            let allocated = allocation_counter::measure(|| {
                for turn in 0..100 {
                    let dice = mix(turn as u64);
                    for tried in [&[][..], &tried] {
                        let picked = layers.pick(&Ask { turn, dice, key: dice, tried }, &Busy);
                        std::hint::black_box(picked.unwrap());
                    }
                }
            });
            assert_eq!(allocated.count_total, 0, "{algorithm:?} of {count}");
        }
    }
}
