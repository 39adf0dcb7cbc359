//! Chance that repeats: the same seed, rule and request always roll the same number.
//!
//! A shared generator would repeat only if requests came in the same order. A hash of what is
//! rolled for does not care about order, so a run under load meets the same fates twice.

/// The dice of one backend. Two backends with one seed roll differently, because their ids do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Makes the dice of the backend `id`.
    pub(crate) fn new(seed: u64, id: &str) -> Self {
        Self(mix(seed ^ salt(id)))
    }

    /// Rolls for the request `key`, seen `times` before, under the rule `salt`: any `u64`, evenly.
    pub(crate) fn roll(self, salt: u64, key: u64, times: u64) -> u64 {
        mix(self.0 ^ mix(salt ^ mix(key ^ (times << 56))))
    }
}

/// Turns a name into a number to roll under (FNV-1a).
pub(crate) fn salt(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
fn mix(seed: u64) -> u64 {
    let mut word = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Scales a roll to `0..below`.
pub(crate) fn scaled(roll: u64, below: u64) -> u64 {
    ((u128::from(roll) * u128::from(below)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_request_rolls_the_same_and_another_time_another() {
        let dice = Dice::new(42, "b1");
        assert_eq!(dice.roll(1, 7, 0), dice.roll(1, 7, 0));
        assert_ne!(dice.roll(1, 7, 0), dice.roll(1, 7, 1));
        assert_ne!(dice.roll(1, 7, 0), dice.roll(2, 7, 0));
        assert_ne!(dice.roll(1, 7, 0), Dice::new(42, "b2").roll(1, 7, 0));
        assert_ne!(dice.roll(1, 7, 0), Dice::new(43, "b1").roll(1, 7, 0));
    }

    #[test]
    fn scaled_rolls_are_even() {
        let dice = Dice::new(0, "b1");
        let mut seen = [0u32; 10];
        for key in 0..100_000 {
            seen[scaled(dice.roll(0, key, 0), 10) as usize] += 1;
        }
        assert!(seen.iter().all(|&count| (9_500..10_500).contains(&count)), "{seen:?}");
    }
}
