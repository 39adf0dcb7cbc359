//! Faults as they are asked for: `KIND[:key=value,…][@PROBABILITY][#COUNT]`.

use std::fmt;
use std::str::FromStr;

use crate::quantity;

/// One way of going wrong. Each but [`Fault::Refuse`] is what happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nobody listens while this rule is there.
    Refuse,
    /// Nothing more comes: no answer at all, or none after so many bytes of the body.
    Hang(Option<u64>),
    /// The whole request is read, then the connection is closed without an answer.
    Close,
    /// The connection is reset: once the request's head is read, or after so many bytes of the body.
    Reset(Option<u64>),
    /// The connection is closed after so many bytes of a body that was announced longer.
    Truncate(u64),
    /// The answer is no HTTP.
    Malformed(Malformed),
}

/// What is wrong with an answer that is no HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The status is no number.
    StatusLine,
    /// A field line has no colon.
    Header,
    /// A chunk's size is no number.
    ChunkSize,
    /// Nothing in it is HTTP.
    Garbage,
}

/// A fault, how likely it is for a request, and how often it may happen at all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FaultRule {
    /// What happens.
    pub fault: Fault,
    /// How likely it is, above 0 and up to 1.
    pub chance: f64,
    /// How many requests it may happen to; none: any number.
    pub count: Option<u64>,
}

const KINDS: &str = "refuse, hang, close, reset, truncate:bytes=N, \
                     malformed:kind=status_line|header|chunk_size|garbage";

impl FromStr for FaultRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (rest, count) = match text.trim().split_once('#') {
            Some((rest, count)) => (rest, Some(times(count)?)),
            None => (text.trim(), None),
        };
        let (rest, chance) = match rest.split_once('@') {
            Some((rest, chance)) => (rest, quantity::chance(chance)?),
            None => (rest, 1.0),
        };
        let (kind, value) = match rest.split_once(':') {
            Some((kind, pair)) => (kind, Some(pair)),
            None => (rest, None),
        };
        let fault = fault(kind, value)?;
        if fault == Fault::Refuse && (count.is_some() || chance < 1.0) {
            return Err("refuse is all or nothing, because nobody listens: leave @ and # out, \
                        and see --flap for refusing now and then"
                .to_owned());
        }
        Ok(Self { fault, chance, count })
    }
}

fn fault(kind: &str, value: Option<&str>) -> Result<Fault, String> {
    match kind {
        "refuse" => nothing(kind, value).map(|()| Fault::Refuse),
        "close" => nothing(kind, value).map(|()| Fault::Close),
        "hang" => bytes(kind, value).map(Fault::Hang),
        "reset" => bytes(kind, value).map(Fault::Reset),
        "truncate" => bytes(kind, value)?.map(Fault::Truncate).ok_or_else(|| {
            "truncate needs to know after what: write truncate:bytes=100".to_owned()
        }),
        "malformed" => malformed(value).map(Fault::Malformed),
        _ => Err(format!("`{kind}` is no fault: write one of {KINDS}")),
    }
}

fn nothing(kind: &str, value: Option<&str>) -> Result<(), String> {
    match value {
        None => Ok(()),
        Some(value) => Err(format!("`{value}`: {kind} takes no values")),
    }
}

fn bytes(kind: &str, value: Option<&str>) -> Result<Option<u64>, String> {
    let Some(value) = value else { return Ok(None) };
    match value.split_once('=') {
        Some(("bytes", size)) => quantity::size(size).map(Some),
        _ => Err(format!("`{value}`: {kind} takes bytes=N")),
    }
}

fn malformed(value: Option<&str>) -> Result<Malformed, String> {
    match value {
        None | Some("kind=status_line") => Ok(Malformed::StatusLine),
        Some("kind=header") => Ok(Malformed::Header),
        Some("kind=chunk_size") => Ok(Malformed::ChunkSize),
        Some("kind=garbage") => Ok(Malformed::Garbage),
        Some(value) => Err(format!(
            "`{value}`: malformed takes kind=status_line, header, chunk_size or garbage"
        )),
    }
}

fn times(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(count @ 1..) => Ok(count),
        _ => Err(format!("`{text}` is no count: write #N with N above 0")),
    }
}

impl fmt::Display for FaultRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.fault)?;
        if self.chance < 1.0 {
            write!(f, "@{}", self.chance)?;
        }
        match self.count {
            Some(count) => write!(f, "#{count}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hang(Some(bytes)) => write!(f, "hang:bytes={bytes}"),
            Self::Reset(Some(bytes)) => write!(f, "reset:bytes={bytes}"),
            Self::Truncate(bytes) => write!(f, "truncate:bytes={bytes}"),
            Self::Malformed(kind) => write!(f, "malformed:kind={}", kind.name()),
            _ => f.write_str(self.name()),
        }
    }
}

impl Fault {
    /// The kind's name, as in the statistics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Hang(_) => "hang",
            Self::Close => "close",
            Self::Reset(_) => "reset",
            Self::Truncate(_) => "truncate",
            Self::Malformed(_) => "malformed",
        }
    }
}

impl Malformed {
    fn name(self) -> &'static str {
        match self {
            Self::StatusLine => "status_line",
            Self::Header => "header",
            Self::ChunkSize => "chunk_size",
            Self::Garbage => "garbage",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, fault: Fault, chance: f64, count: Option<u64>) {
        let rule: FaultRule = text.parse().unwrap();
        assert_eq!(rule, FaultRule { fault, chance, count }, "{text}");
        assert_eq!(rule.to_string().parse(), Ok(rule), "{text} is displayed as {rule}");
    }

    #[test]
    fn a_rule_is_a_kind_with_values_a_chance_and_a_count() {
        check("refuse", Fault::Refuse, 1.0, None);
        check("hang", Fault::Hang(None), 1.0, None);
        check("hang:bytes=0#1", Fault::Hang(Some(0)), 1.0, Some(1));
        check("close@0.25", Fault::Close, 0.25, None);
        check("reset@30%#3", Fault::Reset(None), 0.3, Some(3));
        check("reset:bytes=1KiB", Fault::Reset(Some(1024)), 1.0, None);
        check("truncate:bytes=100@0.5", Fault::Truncate(100), 0.5, None);
        check("malformed", Fault::Malformed(Malformed::StatusLine), 1.0, None);
        check("malformed:kind=garbage", Fault::Malformed(Malformed::Garbage), 1.0, None);
        check("malformed:kind=chunk_size#2", Fault::Malformed(Malformed::ChunkSize), 1.0, Some(2));
    }

    #[test]
    fn what_is_no_rule_is_refused_with_what_would_be_one() {
        let says = |text: &str, part: &str| {
            let error = text.parse::<FaultRule>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        };
        says("explode", "refuse, hang, close");
        says("truncate", "truncate:bytes=100");
        says("close:bytes=3", "takes no values");
        says("hang:phase=body", "bytes=N");
        says("malformed:kind=odd", "status_line");
        says("hang@2", "0.3 or 30%");
        says("hang#0", "above 0");
        says("refuse@0.5", "--flap");
    }
}
