//! Going up and down by the clock: `up=5s,down=2s`. What is it at a given moment, and until when?

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::quantity;

/// What a backend that is down does with those who come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Nobody listens: connecting fails at once, as when the process is gone.
    #[default]
    Refuse,
    /// Connections are accepted and requests read, and nothing is ever answered.
    Hang,
    /// Connections are accepted and reset at once.
    Reset,
    /// Connecting comes to no end, and whoever is connected is never answered: as when the network
    /// or the whole machine is gone.
    Blackhole,
}

/// What becomes of the connections that are open when a backend goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Existing {
    /// They stay open.
    Keep,
    /// They are closed at once.
    Close,
    /// They are reset at once.
    Reset,
}

/// A way of being down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Down {
    /// What newcomers meet.
    pub mode: Mode,
    /// What those who are connected meet.
    pub existing: Existing,
}

impl Down {
    /// Fills in what open connections meet where it was not said: what would happen to a real process.
    #[must_use]
    pub fn new(mode: Mode, existing: Option<Existing>) -> Self {
        let existing = existing.unwrap_or(match mode {
            Mode::Refuse => Existing::Close,
            Mode::Hang | Mode::Blackhole => Existing::Keep,
            Mode::Reset => Existing::Reset,
        });
        Self { mode, existing }
    }
}

/// A rhythm of going up and down, beginning with up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flap {
    up: Duration,
    down: Duration,
    how: Down,
}

/// The shortest time for which a rhythm may stay up or down; below it the clock's grain shows.
const SHORTEST: Duration = Duration::from_millis(1);

impl Flap {
    /// Tells how it is down, if it is, `elapsed` after the start, and how long that lasts.
    #[must_use]
    pub fn at(&self, elapsed: Duration) -> (Option<Down>, Duration) {
        let period_ns = (self.up + self.down).as_nanos();
        let into = Duration::from_nanos((elapsed.as_nanos() % period_ns) as u64);
        match self.up.checked_sub(into) {
            Some(rest) if !rest.is_zero() => (None, rest),
            _ => (Some(self.how), self.up + self.down - into),
        }
    }
}

impl FromStr for Flap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (mut up, mut down, mut mode, mut existing) = (None, None, Mode::Refuse, None);
        for pair in text.split(',') {
            let (key, value) = pair.trim().split_once('=').unwrap_or((pair, ""));
            match key {
                "up" => up = Some(span(value)?),
                "down" => down = Some(span(value)?),
                "mode" => mode = word(value, "refuse, hang, reset or blackhole")?,
                "existing" => existing = Some(word(value, "keep, close or reset")?),
                _ => return Err(format!("`{key}`: a flap knows up, down, mode and existing")),
            }
        }
        match (up, down) {
            (Some(up), Some(down)) => Ok(Self { up, down, how: Down::new(mode, existing) }),
            _ => Err(format!("`{text}`: a flap needs both, as up=5s,down=2s")),
        }
    }
}

fn span(text: &str) -> Result<Duration, String> {
    match quantity::duration(text)? {
        short if short < SHORTEST => {
            Err(format!("`{text}`: a flap stays up or down for 1ms at least"))
        }
        long if long > Duration::from_secs(31_536_000) => {
            Err(format!("`{text}`: a flap stays up or down for a year at most"))
        }
        span => Ok(span),
    }
}

fn word<T: for<'a> Deserialize<'a>>(text: &str, known: &str) -> Result<T, String> {
    let value = serde_json::Value::from(text);
    serde_json::from_value(value).map_err(|_| format!("`{text}`: write {known}"))
}

impl fmt::Display for Flap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = humantime::format_duration;
        write!(f, "up={},down={}", span(self.up), span(self.down))?;
        let text = |value: Result<serde_json::Value, _>| value.unwrap_or_default();
        let mode = text(serde_json::to_value(self.how.mode));
        let existing = text(serde_json::to_value(self.how.existing));
        let (mode, existing) = (mode.as_str(), existing.as_str());
        write!(f, ",mode={},existing={}", mode.unwrap_or_default(), existing.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(flap: &str, elapsed_ms: u64, is_down: bool, rest_ms: u64) {
        let (down, rest) = flap.parse::<Flap>().unwrap().at(Duration::from_millis(elapsed_ms));
        assert_eq!(
            (down.is_some(), rest.as_millis() as u64),
            (is_down, rest_ms),
            "{flap} {elapsed_ms}"
        );
    }

    #[test]
    fn it_begins_up_and_goes_round() {
        check("up=5s,down=2s", 0, false, 5_000);
        check("up=5s,down=2s", 4_999, false, 1);
        check("up=5s,down=2s", 5_000, true, 2_000);
        check("up=5s,down=2s", 6_999, true, 1);
        check("up=5s,down=2s", 7_000, false, 5_000);
        check("down=2s,up=5s", 7_000_006_000, true, 1_000);
    }

    #[test]
    fn being_down_is_by_default_what_a_real_process_would_do() {
        let how = |text: &str| text.parse::<Flap>().unwrap().how;
        let refuse = Down { mode: Mode::Refuse, existing: Existing::Close };
        assert_eq!(how("up=1s,down=1s"), refuse);
        let hang = Down { mode: Mode::Hang, existing: Existing::Keep };
        assert_eq!(how("up=1s,down=1s,mode=hang"), hang);
        let gone = Down { mode: Mode::Blackhole, existing: Existing::Keep };
        assert_eq!(how("up=1s,down=1s,mode=blackhole"), gone);
        let keep = Down { mode: Mode::Reset, existing: Existing::Keep };
        assert_eq!(how("up=1s,down=1s,mode=reset,existing=keep"), keep);
    }

    #[test]
    fn what_is_displayed_can_be_read_again() {
        let flap: Flap = "up=1500ms,down=2s,mode=hang".parse().unwrap();
        assert_eq!(flap.to_string(), "up=1s 500ms,down=2s,mode=hang,existing=keep");
        assert_eq!(flap.to_string().parse(), Ok(flap));
    }

    #[test]
    fn half_a_rhythm_is_refused() {
        for text in ["", "up=5s", "up=5s,down=0", "up=5s,down=2s,mode=explode", "up=5s,sideways=2s"]
        {
            assert!(text.parse::<Flap>().is_err(), "{text}");
        }
    }
}
