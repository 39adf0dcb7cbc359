//! What a pick costs: nanoseconds by algorithm and by the number of backends, and to lay one out.
//!
//! `cargo bench -p nexus --bench picker`. Weights from 1 to 10, loads from 0 to 30, latencies from 1
//! to 20 ms: nothing is equal, as in a pool that is used.

#![allow(missing_docs, reason = "criterion's macro makes a public function without any")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use nexus::picker::{Algorithm, Ask, Candidate, Loads, Picker, Place, mix};

/// Loads that differ.
struct Busy {
    in_flight: Vec<u32>,
    total: u64,
}

impl Loads for Busy {
    fn in_flight(&self, place: Place) -> u32 {
        self.in_flight[usize::from(place.0)]
    }

    fn total(&self) -> u64 {
        self.total
    }

    fn latency(&self, place: Place) -> f32 {
        (1000 + u32::from(place.0) % 20 * 1000) as f32
    }
}

fn candidates(count: u16) -> Vec<Candidate> {
    let one = |at: u16| Candidate {
        place: Place(at),
        weight: 1 + u32::from(at) * 7 % 10,
        is_available: true,
        id: mix(u64::from(at)),
        requests_max: u32::MAX,
    };
    (0..count).map(one).collect()
}

fn picks(criterion: &mut Criterion) {
    for algorithm in Algorithm::ALL {
        let mut group = criterion.benchmark_group(algorithm.name());
        group.sample_size(20);
        for count in [3_u16, 100, 10_000] {
            let picker = Picker::new(algorithm, candidates(count));
            let in_flight: Vec<u32> = (0..u32::from(count)).map(|at| at * 13 % 31).collect();
            let total = in_flight.iter().copied().map(u64::from).sum();
            let busy = Busy { in_flight, total };
            let mut turn = 0;
            group.bench_function(BenchmarkId::new("pick", count), |bencher| {
                bencher.iter(|| {
                    turn += 1;
                    let dice = mix(turn as u64);
                    let ask = Ask { turn, dice, key: dice, tried: &[] };
                    black_box(picker.pick(black_box(&ask), &busy))
                });
            });
            group.sample_size(10);
            group.bench_function(BenchmarkId::new("layout", count), |bencher| {
                bencher.iter(|| Picker::new(algorithm, candidates(count)));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, picks);
criterion_main!(benches);
