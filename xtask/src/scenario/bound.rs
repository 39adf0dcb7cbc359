//! What an expectation allows: `0`, `"<= 3"`, `"< 1%"`, `"1/3 ± 2%"`, `"< 100ms"`.
//!
//! Pure: text in, a bound out; a measured value in, yes or no out.

use std::fmt;

use serde::Deserialize;

/// An allowed range of one kind of value.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Written")]
pub(crate) struct Bound {
    text: String,
    relation: Relation,
    value: f64,
    tolerance: f64,
    unit: Unit,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Measured {
    /// So many of so many.
    Count(u64, u64),
    /// A part of a whole: so many of so many.
    Share(u64, u64),
    /// A time, in milliseconds.
    Millis(f64),
    /// So many for so many, which may be more than one each.
    Ratio(u64, u64),
    /// Memory.
    Bytes(u64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Relation {
    Equal,
    Less,
    AtMost,
    More,
    AtLeast,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Unit {
    Number,
    Part,
    Millis,
    Bytes,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(u64),
    Text(String),
}

impl TryFrom<Written> for Bound {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Number(number) => Self::parse(&number.to_string()),
            Written::Text(text) => Self::parse(&text),
        }
    }
}

impl Bound {
    /// Reads a bound.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (relation, rest) = relation(text.trim());
        let (value, tolerance) = match rest.split_once('±') {
            Some((value, tolerance)) => (value, Some(tolerance)),
            None => (rest, None),
        };
        let wrong = || {
            format!(
                "{text:?} is no bound: write 0, \"<= 3\", \"< 1%\", \"1/3 ± 2%\", \"< 100ms\" or \"< 64MiB\""
            )
        };
        let (value, unit) = amount(value).ok_or_else(wrong)?;
        let tolerance = match tolerance.map(|text| amount(text).ok_or_else(wrong)).transpose()? {
            None => 0.0,
            Some((tolerance, its)) if its == unit && relation == Relation::Equal => tolerance,
            Some(_) => return Err(wrong()),
        };
        Ok(Self { text: text.trim().to_owned(), relation, value, tolerance, unit })
    }

    /// Whether a measured value is allowed; `None` when it is of another kind.
    pub(crate) fn allows(&self, measured: Measured) -> Option<bool> {
        let value = match (measured, self.unit) {
            (Measured::Count(n, _), Unit::Number) => n as f64,
            (Measured::Count(n, of) | Measured::Share(n, of), Unit::Part) => part(n, of),
            (Measured::Millis(millis), Unit::Millis) => millis,
            (Measured::Ratio(n, of), Unit::Number) => part(n, of),
            (Measured::Bytes(bytes), Unit::Bytes) => bytes as f64,
            _ => return None,
        };
        /// Less than one request in a billion, and less than a nanosecond.
        const ROUNDING: f64 = 1e-9;
        Some(match self.relation {
            Relation::Equal => (value - self.value).abs() <= self.tolerance + ROUNDING,
            Relation::Less => value < self.value,
            Relation::AtMost => value <= self.value + ROUNDING,
            Relation::More => value > self.value,
            Relation::AtLeast => value >= self.value - ROUNDING,
        })
    }

    /// Whether values like this one can be judged by it.
    pub(crate) fn suits(&self, kind: Measured) -> bool {
        self.allows(kind).is_some()
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Count(n, _) => write!(f, "{n}"),
            Self::Share(n, of) => write!(f, "{:.2} % ({n} of {of})", part(n, of) * 100.0),
            Self::Millis(millis) => write!(f, "{millis:.1} ms"),
            Self::Ratio(n, of) => write!(f, "{:.3} ({n} for {of})", part(n, of)),
            Self::Bytes(bytes) => write!(f, "{:.1} MiB", bytes as f64 / MIB),
        }
    }
}

fn relation(text: &str) -> (Relation, &str) {
    let known = [
        ("<=", Relation::AtMost),
        (">=", Relation::AtLeast),
        ("<", Relation::Less),
        (">", Relation::More),
        ("=", Relation::Equal),
    ];
    known
        .iter()
        .find_map(|(sign, relation)| Some((*relation, text.strip_prefix(sign)?)))
        .unwrap_or((Relation::Equal, text))
}

fn amount(text: &str) -> Option<(f64, Unit)> {
    let text = text.trim();
    if let Some(percent) = text.strip_suffix('%') {
        return Some((number(percent)? / 100.0, Unit::Part));
    }
    if let Some((part, whole)) = text.split_once('/') {
        let whole = number(whole).filter(|whole| *whole > 0.0)?;
        return Some((number(part)? / whole, Unit::Part));
    }
    if let Some(number) = number(text) {
        return Some((number, Unit::Number));
    }
    if let Some(mib) = text.strip_suffix("MiB") {
        return Some((number(mib)? * MIB, Unit::Bytes));
    }
    let time = humantime::parse_duration(text).ok()?;
    Some((time.as_secs_f64() * 1000.0, Unit::Millis))
}

const MIB: f64 = (1 << 20) as f64;

fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|_| plain)
}

fn part(n: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { n as f64 / of as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(bound: &str, measured: Measured) -> bool {
        Bound::parse(bound).unwrap().allows(measured).unwrap()
    }

    #[test]
    fn a_number_alone_means_exactly_that() {
        assert!(allows("0", Measured::Count(0, 10)));
        assert!(!allows("0", Measured::Count(1, 10)));
        assert!(allows("333", Measured::Count(333, 999)));
    }

    #[test]
    fn relations_hold_at_their_edges() {
        assert!(allows("<= 3", Measured::Count(3, 10)));
        assert!(!allows("< 3", Measured::Count(3, 10)));
        assert!(allows(">= 3", Measured::Count(3, 10)));
        assert!(!allows("> 3", Measured::Count(3, 10)));
        assert!(allows("< 1%", Measured::Count(9, 1000)));
        assert!(!allows("< 1%", Measured::Count(10, 1000)));
    }

    #[test]
    fn a_share_may_be_off_by_its_tolerance() {
        assert!(allows("1/3 ± 1%", Measured::Share(340, 1000)));
        assert!(!allows("1/3 ± 1%", Measured::Share(350, 1000)));
        assert!(allows("50%", Measured::Share(500, 1000)));
        assert!(allows("0%", Measured::Share(0, 0)));
    }

    #[test]
    fn times_have_units() {
        assert!(allows("< 100ms", Measured::Millis(99.9)));
        assert!(!allows("<= 1s", Measured::Millis(1000.5)));
        assert!(!Bound::parse("< 100").unwrap().suits(Measured::Millis(1.0)));
        assert!(!Bound::parse("< 100ms").unwrap().suits(Measured::Count(1, 1)));
    }

    #[test]
    fn ratios_may_be_more_than_one_and_memory_is_in_mebibytes() {
        assert!(allows("<= 1.2", Measured::Ratio(12, 10)));
        assert!(!allows("<= 1.2", Measured::Ratio(121, 100)));
        assert!(allows("< 64MiB", Measured::Bytes(63 << 20)));
        assert!(!allows("< 64MiB", Measured::Bytes(64 << 20)));
        assert!(!Bound::parse("< 64MiB").unwrap().suits(Measured::Count(1, 1)));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "<", "many", "3 ± 1%", "< 3 ± 1", "1/0", "-1", "5%%"] {
            assert!(Bound::parse(text).is_err(), "{text}");
        }
    }
}
