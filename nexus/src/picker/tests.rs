use proptest::prelude::*;

use super::*;

/// Loads as a test wants them.
#[derive(Default)]
struct Busy {
    in_flight: Vec<u32>,
    latency: Vec<f32>,
}

impl Loads for Busy {
    fn in_flight(&self, place: Place) -> u32 {
        self.in_flight.get(usize::from(place.0)).copied().unwrap_or(0)
    }

    fn total(&self) -> u64 {
        self.in_flight.iter().copied().map(u64::from).sum()
    }

    fn latency(&self, place: Place) -> f32 {
        self.latency.get(usize::from(place.0)).copied().unwrap_or(0.0)
    }
}

fn candidates(weights: &[u32]) -> Vec<Candidate> {
    let one = |(at, weight): (u16, &u32)| Candidate {
        place: Place(at),
        weight: *weight,
        is_available: true,
        id: hash(format!("http://10.0.0.{at}:80").as_bytes()),
        requests_max: u32::MAX,
    };
    (0..).zip(weights).map(one).collect()
}

/// The same, each with room for so many requests.
fn limited(weights: &[u32], requests_max: u32) -> Vec<Candidate> {
    candidates(weights).into_iter().map(|one| Candidate { requests_max, ..one }).collect()
}

fn ask(turn: usize) -> Ask<'static> {
    let dice = mix(turn as u64);
    Ask { turn, dice, key: mix(dice), tried: &[] }
}

/// Counts who is picked in so many asks, by place.
fn counts(picker: &Picker, asks: usize, backends: usize) -> Vec<u64> {
    let mut counts = vec![0; backends];
    for turn in 0..asks {
        let place = picker.pick(&ask(turn), &Busy::default()).expect("somebody is available");
        counts[usize::from(place.0)] += 1;
    }
    counts
}

/// Draws who gets which turn: `a` is backend 0, of weight `weights[0]`; 0 is not available.
#[track_caller]
fn check(weights: &[u32], tried: &str, expected: &str) {
    let tried: Vec<_> = tried.bytes().map(|name| Place(u16::from(name - b'a'))).collect();
    let picker = Picker::new(Algorithm::RoundRobin, candidates(weights));
    let letter = |turn| match picker.pick(&Ask { tried: &tried, ..ask(turn) }, &Busy::default()) {
        Some(place) => (b'a' + place.0 as u8) as char,
        None => '-',
    };
    assert_eq!((0..expected.len()).map(letter).collect::<String>(), expected);
}

#[test]
fn turns_go_round() {
    check(&[1, 1, 1], "", "abcabcabc");
    check(&[7, 7, 7], "", "abcabcabc");
    check(&[1000], "", "aaa");
}

#[test]
fn turns_by_weight_are_smooth() {
    check(&[5, 1, 1], "", "aabacaaaabacaa");
    check(&[2, 1], "", "abaaba");
    check(&[3, 3, 1, 1], "", "abcabdab");
}

#[test]
fn the_share_of_one_that_is_out_goes_to_all_others_by_weight() {
    check(&[1, 0, 1], "", "acacac");
    // With weights 5, 1, 1 and the first out the others are equals: not one of them gets all.
    check(&[0, 1, 1], "", "bcbcbc");
    check(&[0, 4, 1], "", "bbcbbbbcbb");
    // Of 3, 2, 1 without the second: 3/4 and 1/4. Of four equals without the second: a third each.
    check(&[3, 0, 1], "", "aacaaaca");
    check(&[1, 0, 1, 1], "", "acdacd");
}

#[test]
fn whoever_was_tried_is_left_out_and_the_rest_share_by_weight() {
    check(&[1, 1, 1], "b", "acacac");
    check(&[1, 1, 1], "ac", "bbb");
    check(&[1, 1], "ab", "---");
    check(&[2, 1, 1], "b", "aacaac");
}

#[test]
fn nobody_available_means_nobody_picked() {
    for algorithm in Algorithm::ALL {
        for weights in [&[][..], &[0, 0]] {
            let picker = Picker::new(algorithm, candidates(weights));
            assert_eq!(picker.pick(&ask(0), &Busy::default()), None, "{algorithm:?}");
        }
        let picker = Picker::new(algorithm, candidates(&[1, 2]));
        let all_tried = Ask { tried: &[Place(0), Place(1)], ..ask(3) };
        assert_eq!(picker.pick(&all_tried, &Busy::default()), None, "{algorithm:?}");
        let one_left = Ask { tried: &[Place(1)], ..ask(3) };
        assert_eq!(picker.pick(&one_left, &Busy::default()), Some(Place(0)), "{algorithm:?}");
    }
}

#[test]
fn a_million_turns_of_many_backends_are_laid_out_by_rounding() {
    let weights: Vec<u32> = (0..10_000).map(|at| 1 + at * 7 % 1000).collect();
    let picker = Picker::new(Algorithm::RoundRobin, candidates(&weights));
    let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    let Layout::RoundRobin(schedule) = &picker.layout else { unreachable!() };
    let turns = schedule.turns.len() as f64;
    let mut counts = vec![0_u32; weights.len()];
    schedule.turns.iter().for_each(|place| counts[usize::from(place.0)] += 1);
    for (count, weight) in counts.iter().zip(&weights) {
        let fair = turns * f64::from(*weight) / total as f64;
        assert!((f64::from(*count) - fair).abs() <= 1.0 || *count == 1, "{count} of {fair}");
    }
}

/// Says whether counts are as good as drawn from the weights: their chi-square statistic, brought to
/// a normal one (Wilson, Hilferty 1931), is below 4.5 standard deviations, which chance alone
/// exceeds three times in a million.
fn is_fair(counts: &[u64], weights: &[u32]) -> bool {
    let (sum, total) = (counts.iter().sum::<u64>() as f64, weights.iter().sum::<u32>());
    let (mut statistic, mut degrees) = (0.0, -1.0_f64);
    for (count, weight) in counts.iter().zip(weights).filter(|(_, weight)| **weight > 0) {
        let fair = sum * f64::from(*weight) / f64::from(total);
        statistic += (*count as f64 - fair).powi(2) / fair;
        degrees += 1.0;
    }
    if degrees < 1.0 {
        return true;
    }
    let spread = 2.0 / (9.0 * degrees);
    ((statistic / degrees).cbrt() - (1.0 - spread)) / spread.sqrt() < 4.5
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn round_robin_is_exact_whoever_leaves_and_from_any_turn(
        weights in prop::collection::vec(0..40u32, 1..12),
        leaves in 0..12usize,
        start in 0..1000usize,
    ) {
        let mut weights = weights;
        let at = leaves % weights.len();
        weights[at] = 0;
        prop_assume!(weights.iter().any(|weight| *weight > 0));
        let picker = Picker::new(Algorithm::RoundRobin, candidates(&weights));
        let Layout::RoundRobin(schedule) = &picker.layout else { unreachable!() };
        let round = schedule.turns.len();
        let mut counts = vec![0_u32; weights.len()];
        for turn in start..start + round {
            counts[usize::from(schedule.pick(turn).unwrap().0)] += 1;
        }
        let total: u32 = weights.iter().sum();
        for (count, weight) in counts.iter().zip(&weights) {
            prop_assert_eq!(count * total, weight * round as u32);
        }
    }

    #[test]
    fn chance_is_fair_by_weight_whoever_leaves(
        weights in prop::collection::vec(1..100u32, 2..10),
        leaves in prop::option::of(0..10usize),
    ) {
        let mut weights = weights;
        if let Some(leaves) = leaves {
            let at = leaves % weights.len();
            weights[at] = 0;
        }
        for algorithm in [Algorithm::Random, Algorithm::Rendezvous] {
            let picker = Picker::new(algorithm, candidates(&weights));
            let counts = counts(&picker, 20_000, weights.len());
            prop_assert!(is_fair(&counts, &weights), "{:?}: {:?} of {:?}", algorithm, counts, weights);
        }
    }

    #[test]
    fn a_maglev_table_is_exact_to_three_entries(weights in prop::collection::vec(1..1000u32, 1..40)) {
        let lookup = maglev::Lookup::new(&candidates(&weights));
        let total: u32 = weights.iter().sum();
        let mut counts = vec![0_u32; weights.len()];
        lookup.entries.iter().for_each(|at| counts[usize::from(*at)] += 1);
        for (count, weight) in counts.iter().zip(&weights) {
            let fair = f64::from(*weight) * lookup.entries.len() as f64 / f64::from(total);
            prop_assert!((f64::from(*count) - fair).abs() <= 3.0, "{} of {}", count, fair);
        }
    }

    #[test]
    fn a_ring_is_fair_to_a_quarter(weights in prop::collection::vec(1..5u32, 2..10)) {
        let picker = Picker::new(Algorithm::RingHash, candidates(&weights));
        let counts = counts(&picker, 20_000, weights.len());
        let total: u32 = weights.iter().sum();
        for (count, weight) in counts.iter().zip(&weights) {
            let fair = 20_000.0 * f64::from(*weight) / f64::from(total);
            prop_assert!((*count as f64 / fair - 1.0).abs() < 0.35, "{:?} of {:?}", counts, weights);
        }
    }

    #[test]
    fn when_one_leaves_hashes_move_its_keys_and_few_others(
        weights in prop::collection::vec(1..20u32, 2..20),
        leaves in 0..20usize,
    ) {
        const KEYS: usize = 5000;
        let at = leaves % weights.len();
        let mut fewer = candidates(&weights);
        fewer[at].is_available = false;
        // The bound on keys that move though their backend stays.
        for (algorithm, others_max) in
            [(Algorithm::Rendezvous, 0.0), (Algorithm::RingHash, 0.0), (Algorithm::Maglev, 0.05)]
        {
            let (whole, less) =
                (Picker::new(algorithm, candidates(&weights)), Picker::new(algorithm, fewer.clone()));
            let of = |picker: &Picker, turn| picker.pick(&ask(turn), &Busy::default()).unwrap();
            let moved = (0..KEYS).filter(|turn| {
                let before = of(&whole, *turn);
                usize::from(before.0) != at && before != of(&less, *turn)
            });
            let moved = moved.count() as f64 / KEYS as f64;
            prop_assert!(moved <= others_max, "{algorithm:?}: {moved} move though theirs stays");
        }
    }

    #[test]
    fn a_pick_is_decided_by_what_it_goes_by(
        weights in prop::collection::vec(1..9u32, 1..9),
        in_flight in prop::collection::vec(0..50u32, 9),
        turn in any::<usize>(),
    ) {
        let busy = Busy { in_flight, latency: vec![5.0; 9] };
        for algorithm in Algorithm::ALL {
            let [one, other] = [(); 2].map(|()| Picker::new(algorithm, candidates(&weights)));
            prop_assert_eq!(one.pick(&ask(turn), &busy), other.pick(&ask(turn), &busy));
        }
    }

    #[test]
    fn the_least_loaded_by_weight_is_picked(
        weights in prop::collection::vec(1..9u32, 1..9),
        in_flight in prop::collection::vec(0..50u32, 9),
        turn in 0..100usize,
    ) {
        let busy = Busy { in_flight, ..Busy::default() };
        let picker = Picker::new(Algorithm::LeastConnections, candidates(&weights));
        let picked = picker.pick(&ask(turn), &busy).unwrap();
        let load = |at: usize| f64::from(busy.in_flight[at] + 1) / f64::from(weights[at]);
        let least = (0..weights.len()).map(load).fold(f64::INFINITY, f64::min);
        prop_assert!((load(usize::from(picked.0)) - least).abs() < 1e-9);
    }
}

#[test]
fn among_equally_loaded_ones_turns_rotate() {
    let picker = Picker::new(Algorithm::LeastConnections, candidates(&[1, 1, 1]));
    assert_eq!(counts(&picker, 999, 3), [333, 333, 333]);
}

#[test]
fn in_flight_settles_by_weight() {
    for algorithm in [Algorithm::LeastConnections, Algorithm::PowerOfTwo] {
        let weights = [4, 2, 1, 1];
        let picker = Picker::new(algorithm, candidates(&weights));
        let mut busy = Busy { in_flight: vec![0; 4], ..Busy::default() };
        for turn in 0..800 {
            let place = picker.pick(&ask(turn), &busy).unwrap();
            busy.in_flight[usize::from(place.0)] += 1;
        }
        for (load, weight) in busy.in_flight.iter().zip(weights) {
            assert!(
                (i64::from(*load) - 100 * i64::from(weight)).abs() <= 12,
                "{:?}",
                busy.in_flight
            );
        }
    }
}

#[test]
fn of_two_the_less_loaded_is_picked_and_of_many_nobody_is_overrun() {
    let picker = Picker::new(Algorithm::PowerOfTwo, candidates(&[1, 1]));
    let busy = Busy { in_flight: vec![3, 2], ..Busy::default() };
    assert!((0..100).all(|turn| picker.pick(&ask(turn), &busy) == Some(Place(1))));
    // A hundred backends, a hundred thousand requests that stay: the fullest has little more than
    // its share (log log n), where chance alone would give it 10 % more.
    let picker = Picker::new(Algorithm::PowerOfTwo, candidates(&[1; 100]));
    let mut busy = Busy { in_flight: vec![0; 100], ..Busy::default() };
    for turn in 0..100_000 {
        let place = picker.pick(&ask(turn), &busy).unwrap();
        busy.in_flight[usize::from(place.0)] += 1;
    }
    let fullest = busy.in_flight.iter().max().unwrap();
    assert!(*fullest <= 1005, "{fullest}");
}

#[test]
fn the_faster_is_picked_and_whoever_is_unknown_is_tried_once() {
    let picker = Picker::new(Algorithm::PeakEwma, candidates(&[1, 1]));
    let pick = |in_flight: [u32; 2], latency: [f32; 2]| {
        let busy = Busy { in_flight: in_flight.into(), latency: latency.into() };
        picker.pick(&ask(1), &busy)
    };
    assert_eq!(pick([0, 0], [900.0, 1000.0]), Some(Place(0)));
    assert_eq!(pick([1, 0], [900.0, 1000.0]), Some(Place(1)), "twice as long to wait");
    assert_eq!(pick([0, 0], [900.0, 0.0]), Some(Place(1)), "to learn of it");
    assert_eq!(pick([0, 1], [900.0, 0.0]), Some(Place(0)), "one is enough");
}

#[test]
fn a_popular_key_spills_over_at_the_bound_and_comes_back() {
    for algorithm in [Algorithm::RingHash, Algorithm::Maglev] {
        let picker = Picker::new(algorithm, candidates(&[1; 8]));
        let mut busy = Busy { in_flight: vec![0; 8], ..Busy::default() };
        let popular = ask(42);
        let home = picker.pick(&popular, &busy).unwrap();
        for _ in 0..800 {
            let place = picker.pick(&popular, &busy).unwrap();
            busy.in_flight[usize::from(place.0)] += 1;
            let bound = (busy.total() * 5).div_ceil(4 * 8);
            let fullest = u64::from(*busy.in_flight.iter().max().unwrap());
            assert!(fullest <= bound.max(1), "{algorithm:?}: {:?}", busy.in_flight);
        }
        busy.in_flight.fill(0);
        assert_eq!(picker.pick(&popular, &busy), Some(home));
    }
}

#[test]
fn the_first_is_filled_before_the_next_is_used() {
    let picker = Picker::new(Algorithm::First, limited(&[1, 1, 1], 2));
    let mut busy = Busy { in_flight: vec![0; 3], ..Busy::default() };
    let mut order = Vec::new();
    while let Some(place) = picker.pick(&ask(0), &busy) {
        busy.in_flight[usize::from(place.0)] += 1;
        order.push(place.0);
    }
    assert_eq!(order, [0, 0, 1, 1, 2, 2], "and when all are full, nobody");
}

proptest! {
    #[test]
    fn whoever_is_full_is_never_picked_and_whoever_has_room_is_found(
        weights in prop::collection::vec(0..10u32, 1..9),
        in_flight in prop::collection::vec(0..4u32, 9),
        turns in prop::collection::vec(any::<usize>(), 20),
        tried in prop::collection::vec(0..9u16, 0..4),
    ) {
        let tried: Vec<_> = tried.into_iter().map(Place).collect();
        let busy = Busy { in_flight, ..Busy::default() };
        let is_left = |at: u16, weight: u32| {
            weight > 0 && busy.in_flight(Place(at)) < 3 && !tried.contains(&Place(at))
        };
        let left: Vec<_> = (0..).zip(&weights).filter(|(at, weight)| is_left(*at, **weight)).collect();
        for algorithm in Algorithm::ALL {
            let picker = Picker::new(algorithm, limited(&weights, 3));
            for turn in &turns {
                let picked = picker.pick(&Ask { tried: &tried, ..ask(*turn) }, &busy);
                prop_assert_eq!(picked.is_some(), !left.is_empty(), "{:?}", algorithm);
                prop_assert!(picked.is_none_or(|place| left.iter().any(|(at, _)| *at == place.0)));
            }
        }
    }
}

#[test]
fn a_second_choice_is_another_backend() {
    let alias = Alias::new(&candidates(&[1000, 1, 1]));
    for dice in 0..10_000 {
        let (first, second) = alias.draw_two(mix(dice));
        assert_ne!(first, second);
    }
}

/// How close an algorithm's shares must come to the weights.
enum Fairness {
    /// To one request.
    Exact,
    /// As if drawn from them.
    Drawn,
    /// To this part of the share.
    Within(f64),
    /// Not at all: one has everything.
    None,
}

fn fairness(algorithm: Algorithm) -> Fairness {
    match algorithm {
        Algorithm::RoundRobin => Fairness::Exact,
        Algorithm::Random | Algorithm::Rendezvous | Algorithm::Maglev => Fairness::Drawn,
        Algorithm::LeastConnections => Fairness::Within(0.05),
        Algorithm::PowerOfTwo | Algorithm::PeakEwma => Fairness::Within(0.2),
        Algorithm::RingHash => Fairness::Within(0.35),
        Algorithm::First => Fairness::None,
    }
}

/// Counts who is picked when as many requests as `under_way` are, the oldest ending first.
fn counts_under_load(picker: &Picker, asks: usize, backends: usize, under_way: usize) -> Vec<u64> {
    let mut busy = Busy { in_flight: vec![0; backends], latency: vec![1000.0; backends] };
    let (mut counts, mut open) = (vec![0; backends], std::collections::VecDeque::new());
    for turn in 0..asks {
        let place = usize::from(picker.pick(&ask(turn), &busy).expect("somebody is left").0);
        counts[place] += 1;
        busy.in_flight[place] += 1;
        open.push_back(place);
        if open.len() > under_way {
            let ended: usize = open.pop_front().expect("it is not empty");
            busy.in_flight[ended] -= 1;
        }
    }
    counts
}

#[track_caller]
fn check_shares(algorithm: Algorithm, candidates: &[Candidate]) {
    let weight = |one: &Candidate| if one.is_available { one.weight } else { 0 };
    let weights: Vec<u32> = candidates.iter().map(weight).collect();
    let total: u32 = weights.iter().sum();
    // Whole rounds, for those that are exact.
    let asks = total as usize * (20_000 / total as usize);
    let picker = Picker::new(algorithm, candidates.iter().copied());
    // Hashes are fair as long as nobody is beyond its bound; the others are meant for load.
    let counts = match algorithm.has_key() {
        true => counts(&picker, asks, weights.len()),
        false => counts_under_load(&picker, asks, weights.len(), 40 * total as usize),
    };
    for (count, weight) in counts.iter().zip(&weights) {
        let fair = asks as f64 * f64::from(*weight) / f64::from(total);
        let off = (*count as f64 - fair).abs();
        let is_close = match fairness(algorithm) {
            Fairness::Exact => off == 0.0,
            Fairness::Within(part) => off <= part * fair,
            Fairness::Drawn | Fairness::None => true,
        };
        assert!(is_close, "{algorithm:?}: {counts:?} of {weights:?}");
    }
    match fairness(algorithm) {
        Fairness::Drawn => {
            assert!(is_fair(&counts, &weights), "{algorithm:?}: {counts:?} of {weights:?}");
        }
        Fairness::None => assert_eq!(counts.iter().filter(|count| **count > 0).count(), 1),
        Fairness::Exact | Fairness::Within(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn every_algorithm_keeps_to_the_weights_while_each_backend_in_turn_leaves_and_returns(
        weights in prop::collection::vec(1..12u32, 2..7),
    ) {
        for algorithm in Algorithm::ALL {
            let mut backends = candidates(&weights);
            check_shares(algorithm, &backends);
            let before: Vec<_> = keys_of(algorithm, &backends);
            for leaves in 0..backends.len() {
                backends[leaves].is_available = false;
                check_shares(algorithm, &backends);
                backends[leaves].is_available = true;
                prop_assert_eq!(&keys_of(algorithm, &backends), &before, "{:?}", algorithm);
            }
            check_shares(algorithm, &backends);
        }
    }
}

/// Returns who gets each of some keys.
fn keys_of(algorithm: Algorithm, candidates: &[Candidate]) -> Vec<Option<Place>> {
    let picker = Picker::new(algorithm, candidates.iter().copied());
    (0..500).map(|turn| picker.pick(&ask(turn), &Busy::default())).collect()
}
