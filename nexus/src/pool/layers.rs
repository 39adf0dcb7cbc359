//! Who is picked from first, and who only when nobody of those is left: tiers and zones. Pure.
//!
//! ```text
//! tier 0, own zone │ tier 0, other zones │ tier 1 │ tier 2
//! ```
//!
//! A layer is used when every backend of those before it is DOWN, drained, full or was tried. Two
//! that are too weak alone become one: a tier with too few available backends gets the next tier's
//! help, and an own zone that has lost backends passes the rest on.

use crate::picker::{Algorithm, Ask, Candidate, Loads, Picker, Place};

/// A backend as its pool sees it.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    /// What a picker has to know.
    pub candidate: Candidate,
    /// Its tier; 0 is used first.
    pub tier: u8,
    /// Whether it is in the zone of this Nexus.
    pub is_near: bool,
    /// Its weight on a good day.
    pub weight_usual: u32,
}

/// How layers are made.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// How a backend is picked in each.
    pub algorithm: Algorithm,
    /// With fewer available backends a tier gets the next one's help.
    pub available_min: usize,
    /// What the own zone carries of its usual load at most before the rest goes to others, in
    /// percent.
    pub zone_load_max: u32,
}

/// Pickers, in the order in which they are asked.
#[derive(Debug, Default)]
pub struct Layers {
    first: Picker,
    rest: Box<[Picker]>,
}

impl Layers {
    /// Lays out backends, given in the order of the pool.
    pub fn new(rules: Rules, members: Vec<Member>) -> Self {
        let tiers = by_tier(rules.available_min, members);
        let lists = tiers.into_iter().flat_map(|tier| by_zone(rules.zone_load_max, &tier));
        let mut pickers = lists.map(|list| Picker::new(rules.algorithm, list));
        Self { first: pickers.next().unwrap_or_default(), rest: pickers.collect() }
    }

    /// Picks a backend that is left in the first layer that has one.
    #[inline]
    pub fn pick(&self, ask: &Ask<'_>, loads: &impl Loads) -> Option<Place> {
        let rest = || self.rest.iter().find_map(|picker| picker.pick(ask, loads));
        self.first.pick(ask, loads).or_else(rest)
    }

    /// Returns the part of the requests that each backend is to get now, where it gets any: those of
    /// the first layer that has somebody.
    pub fn shares(&self) -> Vec<(Place, f64)> {
        let mut pickers = [&self.first].into_iter().chain(&self.rest);
        let is_used = |one: &&Candidate| one.is_available && one.weight > 0;
        let Some(picker) =
            pickers.find(|picker| picker.candidates().iter().any(|one| is_used(&one)))
        else {
            return Vec::new();
        };
        let used = || picker.candidates().iter().filter(is_used);
        let whole: f64 = used().map(|one| f64::from(one.weight)).sum();
        used().map(|one| (one.place, f64::from(one.weight) / whole)).collect()
    }

    /// Returns everybody who may be picked when there is room.
    pub fn candidates(&self) -> impl Iterator<Item = &Candidate> {
        [&self.first].into_iter().chain(&self.rest).flat_map(Picker::candidates)
    }
}

/// Puts tiers together until they have enough available backends; those after stand alone.
fn by_tier(available_min: usize, members: Vec<Member>) -> Vec<Vec<Member>> {
    let mut tiers = std::collections::BTreeMap::<u8, Vec<Member>>::new();
    for member in members {
        tiers.entry(member.tier).or_default().push(member);
    }
    let mut layers: Vec<Vec<Member>> = Vec::new();
    let is_available = |one: &&Member| one.candidate.is_available && one.candidate.weight > 0;
    for tier in tiers.into_values() {
        match layers.last_mut() {
            Some(last) if last.iter().filter(is_available).count() < available_min => {
                last.extend(tier);
                // A picker wants them in the order of the pool.
                last.sort_by_key(|member| member.candidate.place.0);
            }
            _ => layers.push(tier),
        }
    }
    layers
}

/// Puts the own zone in front; or, if it cannot carry all, gives it its part of all weights.
fn by_zone(load_max: u32, members: &[Member]) -> Vec<Vec<Candidate>> {
    const WHOLE: u64 = 1000;
    let all = |members: &[Member]| members.iter().map(|one| one.candidate).collect();
    let sum = |members: &[Member]| {
        let open = members.iter().filter(|one| one.candidate.is_available);
        open.map(|one| u64::from(one.candidate.weight)).sum::<u64>()
    };
    let (near, far): (Vec<Member>, Vec<Member>) = members.iter().partition(|one| one.is_near);
    let usual: u64 = near.iter().map(|one| u64::from(one.weight_usual)).sum();
    if usual == 0 || far.is_empty() {
        return vec![all(members)];
    }
    let (near_now, far_now) = (sum(&near), sum(&far));
    let share = (near_now * u64::from(load_max) * WHOLE / 100 / usual).min(WHOLE);
    if share == WHOLE || share == 0 || far_now == 0 {
        return vec![all(&near), all(&far)];
    }
    let factors = (share * far_now, (WHOLE - share) * near_now);
    let part = |one: &Member| {
        let factor = if one.is_near { factors.0 } else { factors.1 };
        u64::from(one.candidate.weight) * factor
    };
    let heaviest = members.iter().map(part).max().unwrap_or(0);
    let scaled = |one: &Member| Candidate { weight: scale(part(one), heaviest), ..one.candidate };
    vec![members.iter().map(scaled).collect()]
}

/// Brings a part that may be very large back to the size of weights, exact to 1 in 10,000.
fn scale(part: u64, heaviest: u64) -> u32 {
    const HEAVIEST: u128 = 10_000;
    let scaled = (u128::from(part) * HEAVIEST).div_ceil(u128::from(heaviest.max(1)));
    u32::try_from(scaled).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Loads as a test wants them, by place.
    struct Busy(Vec<u32>);

    impl Loads for Busy {
        fn in_flight(&self, place: Place) -> u32 {
            self.0[usize::from(place.0)]
        }

        fn total(&self) -> u64 {
            self.0.iter().copied().map(u64::from).sum()
        }

        fn latency(&self, _: Place) -> f32 {
            0.0
        }
    }

    const RULES: Rules =
        Rules { algorithm: Algorithm::RoundRobin, available_min: 1, zone_load_max: 140 };

    /// Reads backends: a digit for the tier, `n` for the own zone, `!` for DOWN; each takes two
    /// requests at once.
    fn members(text: &str) -> Vec<Member> {
        let member = |(at, word): (u16, &str)| {
            let weight = 100;
            let is_available = !word.contains('!');
            let (place, id) = (Place(at), u64::from(at));
            let candidate = Candidate { place, weight, is_available, id, requests_max: 2 };
            let tier = word.as_bytes()[0] - b'0';
            Member { candidate, tier, is_near: word.contains('n'), weight_usual: weight }
        };
        (0..).zip(text.split(' ')).map(member).collect()
    }

    /// Draws who gets which turn: `a` is the first backend.
    fn draw(rules: Rules, text: &str, busy: &[u32], turns: usize) -> String {
        let layers = Layers::new(rules, members(text));
        let busy = Busy(busy.to_vec());
        let letter = |turn| {
            let ask = Ask { turn, dice: 0, key: 0, tried: &[] };
            layers.pick(&ask, &busy).map_or('-', |place| char::from(b'a' + place.0 as u8))
        };
        (0..turns).map(letter).collect()
    }

    #[track_caller]
    fn check(text: &str, busy: &[u32], expected: &str) {
        assert_eq!(draw(RULES, text, busy, expected.len()), expected, "{text}");
    }

    #[test]
    fn a_tier_is_used_when_nobody_of_those_before_it_is_left() {
        check("0 0 1 2", &[0; 4], "abab");
        check("0! 0 1 2", &[0; 4], "bbbb");
        check("0! 0! 1 2", &[0; 4], "cccc");
        check("0! 0! 1! 2", &[0; 4], "dddd");
        check("0! 0! 1! 2!", &[0; 4], "----");
        check("1 0 2 0", &[0; 4], "bdbd");
    }

    #[test]
    fn whoever_is_full_is_not_left() {
        check("0 0 1", &[2, 0, 0], "bbbb");
        check("0 0 1", &[2, 2, 0], "cccc");
        check("0 0 1", &[2, 2, 2], "----");
    }

    #[test]
    fn whoever_was_tried_is_not_left() {
        let layers = Layers::new(RULES, members("0 1"));
        let ask = Ask { turn: 0, dice: 0, key: 0, tried: &[Place(0)] };
        assert_eq!(layers.pick(&ask, &Busy(vec![0, 0])), Some(Place(1)));
    }

    #[test]
    fn a_tier_with_too_few_gets_the_next_ones_help() {
        let rules = Rules { available_min: 2, ..RULES };
        assert_eq!(draw(rules, "0 0 1 2", &[0; 4], 4), "abab");
        assert_eq!(draw(rules, "0! 0 1 2", &[0; 4], 4), "bcbc");
        assert_eq!(draw(rules, "0! 0! 1 2", &[0; 4], 4), "cdcd");
        assert_eq!(draw(rules, "1 0! 1 0", &[0; 4], 6), "acdacd", "in the order of the pool");
    }

    #[test]
    fn the_own_zone_has_all_until_it_is_too_weak() {
        check("0n 0n 0n 0 0", &[0; 5], "abcabc");
        check("0! 0n 0n 0n 0", &[0; 5], "bcdbcd");
        // Two of three can carry 2/3 · 140 % = 93 %: the other two share 7 %.
        let drawn = draw(RULES, "0n! 0n 0n 0 0", &[0; 5], 30_000);
        let count = |letter| drawn.matches(letter).count();
        let near = (count('b') + count('c')) as f64 / 30_000.0;
        assert!((near - 0.933).abs() < 0.001, "{near}");
        assert!(count('d').abs_diff(count('e')) <= 2 && count('b').abs_diff(count('c')) <= 2);
        check("0n! 0n! 0 0", &[0; 4], "cdcd");
        check("0n 0n! 0! 0!", &[0; 4], "aaaa");
    }

    #[test]
    fn other_zones_help_when_the_own_is_full() {
        check("0n 0 1", &[2, 0, 0], "bbbb");
        check("0n 0 1", &[2, 2, 0], "cccc");
    }

    #[test]
    fn weights_stay_within_bounds_whatever_they_are() {
        let mut all = members("0n 0n! 0 0");
        all[0].candidate.weight = 1_000_000;
        all[0].weight_usual = 1_000_000;
        all[1].weight_usual = 1_000_000;
        all[2].candidate.weight = 1;
        let [layer] = &by_zone(101, &all)[..] else { panic!("one layer") };
        assert!(layer.iter().all(|one| one.weight <= 10_000), "{layer:?}");
        assert!(layer[2].weight >= 1, "nobody is forgotten: {layer:?}");
    }
}
