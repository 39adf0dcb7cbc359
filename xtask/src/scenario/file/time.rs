//! Times as scenarios have them: `200ms`, `1.5s`, `2m`.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// A time as `1.5s` or `200ms`; `humantime` alone knows no fractions.
pub(crate) fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    parse(&text).ok_or_else(|| {
        serde::de::Error::custom(format!(
            "{text:?} is no time: write 200ms, 1.5s, 2m or a sum as \"1s + detect\""
        ))
    })
}

/// The same for a key that may be left out.
pub(crate) fn some_time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    time(from).map(Some)
}

pub(super) fn parse(text: &str) -> Option<Duration> {
    let seconds = text.strip_suffix('s').filter(|rest| rest.contains('.'));
    match seconds {
        Some(seconds) => Duration::try_from_secs_f64(seconds.parse().ok()?).ok(),
        None => humantime::parse_duration(text).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_may_have_fractions() {
        assert_eq!(parse("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(parse("200ms"), Some(Duration::from_millis(200)));
        assert_eq!(parse("-1.5s"), None);
        assert_eq!(parse("soon"), None);
    }
}
