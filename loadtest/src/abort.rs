//! Giving requests up on purpose, as clients do that lose patience: which, and when?

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::units;

/// A share of the requests, each given up so long after it was sent. Displayed as it is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Abort {
    percent: f64,
    pub(crate) after: Duration,
}

impl Abort {
    /// Whether the request with this number is one of them: always the same ones.
    pub(crate) fn chooses(&self, seq: u64) -> bool {
        let roll = (mix(seq) >> 11) as f64 / (1_u64 << 53) as f64;
        roll * 100.0 < self.percent
    }
}

impl FromStr for Abort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const SHAPE: &str = "write it as 10% or 10%@5ms, with a share above 0 and up to 100";
        let (share, after) = text.split_once('@').unwrap_or((text, "0"));
        let share = share.strip_suffix('%').ok_or(SHAPE)?;
        let percent: f64 = share.trim().parse().map_err(|_| SHAPE)?;
        if percent > 0.0 && percent <= 100.0 {
            Ok(Self { percent, after: units::duration(after)? })
        } else {
            Err(SHAPE.to_owned())
        }
    }
}

impl fmt::Display for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = humantime::format_duration(self.after).to_string().replace(' ', "");
        write!(f, "{}%@{after}", self.percent)
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
fn mix(seed: u64) -> u64 {
    let mut word = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_share_and_a_time() {
        let read = |text: &str| text.parse::<Abort>().map(|abort| abort.to_string());
        assert_eq!(read("10%@5ms").unwrap(), "10%@5ms");
        assert_eq!(read("0.5%").unwrap(), "0.5%@0s");
        for text in ["10", "0%", "101%", "-1%", "x%", "10%@soon"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn about_the_share_is_chosen_and_always_the_same_ones() {
        let abort: Abort = "10%".parse().unwrap();
        let chosen = (0..10_000).filter(|seq| abort.chooses(*seq)).count();
        assert!((900..1100).contains(&chosen), "{chosen}");
        assert!((0..1000).all(|seq| "100%".parse::<Abort>().unwrap().chooses(seq)));
    }
}
