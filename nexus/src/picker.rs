//! The available backends of a pool, laid out for round robin. Pure, and rebuilt on every change:
//! a backend that is out is not skipped, it is not there, so its share never goes to its neighbour.

/// A backend's place in its pool, in one snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place(pub u16);

/// Who may be picked now.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Picker {
    available: Box<[Place]>,
}

impl Picker {
    /// Lays out the backends that are `available`, in the order of the pool.
    pub fn new(available: impl IntoIterator<Item = Place>) -> Self {
        Self { available: available.into_iter().collect() }
    }

    /// Picks the backend whose turn number `turn` is, among those not `tried` yet.
    ///
    /// Consecutive turns go round all of them, so any run of `n × k` turns on `n` backends gives
    /// each exactly `k`. Returns `None` if nobody is left.
    pub fn pick(&self, turn: usize, tried: &[Place]) -> Option<Place> {
        if tried.is_empty() {
            let backends = self.available.len();
            return if backends == 0 { None } else { Some(self.available[turn % backends]) };
        }
        let mut left = self.available.iter().filter(|place| !tried.contains(place));
        let count = left.clone().count();
        if count == 0 { None } else { left.nth(turn % count).copied() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws who gets which turn: `a` is backend 0.
    #[track_caller]
    fn check(available: &str, tried: &str, expected: &str) {
        let places = |names: &str| -> Vec<_> {
            names.bytes().map(|name| Place(u16::from(name - b'a'))).collect()
        };
        let (picker, tried) = (Picker::new(places(available)), places(tried));
        let letter =
            |place: Option<Place>| place.map_or('-', |place| (b'a' + place.0 as u8) as char);
        let turns: String =
            (0..expected.len()).map(|turn| letter(picker.pick(turn, &tried))).collect();
        assert_eq!(turns, expected);
    }

    #[test]
    fn turns_go_round() {
        check("abc", "", "abcabcabc");
    }

    #[test]
    fn the_share_of_one_that_is_out_spreads_evenly() {
        check("ac", "", "acacac");
        check("abd", "", "abdabd");
    }

    #[test]
    fn whoever_was_tried_is_left_out_and_the_rest_share_evenly() {
        check("abc", "b", "acacac");
        check("abc", "ac", "bbb");
        check("ab", "ab", "---");
    }

    #[test]
    fn nobody_available_means_nobody_picked() {
        check("", "", "--");
    }
}
