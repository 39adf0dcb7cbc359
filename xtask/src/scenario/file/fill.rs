//! Fills in what a scenario leaves to its configuration: `{interval}` in its texts, and sums such as
//! `"1s + detect"` or `"<= 3 * workers"` where a time or a bound stands.
//!
//! Pure: text in, text out, before it is read as TOML; so no line moves.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use serde::Deserialize;

use super::time::{self, time};
use crate::scenario::facts::LATE;

/// How Nexus probes its backends, as the scenario has it.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Health {
    /// From one probe to the next.
    #[serde(deserialize_with = "time")]
    interval: Duration,
    /// Until a probe counts as failed.
    #[serde(deserialize_with = "time")]
    timeout: Duration,
    /// Probes in a row that must fail until a backend is DOWN.
    #[serde(default = "one")]
    fall: u32,
    /// Probes in a row that must succeed until it is UP again.
    #[serde(default = "one")]
    rise: u32,
}

impl Health {
    /// Until a backend that has failed is DOWN, at the latest: the fault comes just after a good probe.
    pub(crate) fn detect(&self) -> Duration {
        self.longest() * self.fall + self.timeout
    }

    /// Until a backend that is well again is UP, at the latest.
    pub(crate) fn recover(&self) -> Duration {
        self.longest() * self.rise + self.timeout
    }

    /// The longest interval: Nexus varies them by a tenth.
    fn longest(&self) -> Duration {
        self.interval + self.interval / 10
    }
}

fn one() -> u32 {
    1
}

/// What of the file is needed first.
#[derive(Deserialize)]
struct Known {
    health: Option<Health>,
    load: Load,
}

#[derive(Deserialize)]
struct Load {
    workers: u64,
    rate: Option<u64>,
}

/// What a name stands for; numbers are counts.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Value {
    Time(Duration),
    Number(f64),
}

/// By name; `None` where the file does not say it.
type Names = BTreeMap<&'static str, Option<Value>>;

/// Alone these are written in braces: `timeout` alone is a kind of error.
const IN_BRACES: [&str; 4] = ["interval", "timeout", "fall", "rise"];

/// Fills in names and sums.
pub(super) fn fill(text: &str) -> Result<String> {
    let known: Known = toml::from_str(text)?;
    let names = known.names();
    let text = braces(text, &names)?;
    let mut filled = String::with_capacity(text.len());
    let mut is_inside = false;
    for line in text.split_inclusive('\n') {
        let is_plain = !is_inside && !line.trim_start().starts_with('#');
        is_inside ^= line.matches("\"\"\"").count() % 2 == 1;
        match is_plain && !is_inside {
            true => filled.push_str(&sums(line, &names)?),
            false => filled.push_str(line),
        }
    }
    Ok(filled)
}

impl Known {
    fn names(&self) -> Names {
        let health = self.health;
        let time = |of: fn(Health) -> Duration| health.map(of).map(Value::Time);
        let count = |of: fn(Health) -> u32| health.map(of).map(f64::from).map(Value::Number);
        let number = |n: u64| Value::Number(n as f64);
        BTreeMap::from([
            ("interval", time(|health| health.interval)),
            ("timeout", time(|health| health.timeout)),
            ("detect", time(|health| health.detect())),
            ("recover", time(|health| health.recover())),
            ("fall", count(|health| health.fall)),
            ("rise", count(|health| health.rise)),
            ("slack", Some(Value::Time(LATE))),
            ("workers", Some(number(self.load.workers))),
            ("rate", self.load.rate.map(number)),
        ])
    }
}

/// Puts values in the place of `{interval}` and its like.
fn braces(text: &str, names: &Names) -> Result<String> {
    let mut text = text.to_owned();
    for (name, value) in names {
        let written = format!("{{{name}}}");
        if text.contains(&written) {
            text = text.replace(&written, &show(known(name, *value)?));
        }
    }
    Ok(text)
}

/// Puts values in the place of the sums in a line.
fn sums(line: &str, names: &Names) -> Result<String> {
    let mut parts: Vec<String> = line.split('"').map(str::to_owned).collect();
    for quoted in parts.iter_mut().skip(1).step_by(2) {
        if let Some(sum) = sum(quoted, names)? {
            *quoted = sum;
        }
    }
    Ok(parts.join("\""))
}

/// The value of a sum, behind the relation that stands before it; `None` if the text is none.
fn sum(text: &str, names: &Names) -> Result<Option<String>> {
    let rest = text.trim_start_matches(['<', '>', '=', ' ']);
    let relation = &text[..text.len() - rest.len()];
    let is_name = names.contains_key(rest) && !IN_BRACES.contains(&rest);
    let is_sum = rest.contains(" + ") || rest.contains(" * ") || is_name;
    let terms: Option<Vec<Vec<&str>>> =
        rest.split(" + ").map(|term| factors(term, names)).collect();
    let Some(terms) = terms.filter(|_| is_sum) else { return Ok(None) };
    let mut sum: Option<Value> = None;
    for term in terms {
        let mut product = Value::Number(1.0);
        for factor in term {
            product = multiplied(product, value(factor, names)?, text)?;
        }
        sum = Some(match sum {
            None => product,
            Some(sum) => added(sum, product, text)?,
        });
    }
    Ok(sum.map(|sum| format!("{relation}{}", show(sum))))
}

/// The factors of a term, if each can be one.
fn factors<'a>(term: &'a str, names: &Names) -> Option<Vec<&'a str>> {
    let factors: Vec<&str> = term.split(" * ").map(str::trim).collect();
    let can_be = |factor: &&str| names.contains_key(*factor) || plain(factor).is_some();
    factors.iter().all(can_be).then_some(factors)
}

fn value(factor: &str, names: &Names) -> Result<Value> {
    match names.get_key_value(factor) {
        Some((name, value)) => known(name, *value),
        None => Ok(plain(factor).unwrap_or(Value::Number(0.0))),
    }
}

fn plain(factor: &str) -> Option<Value> {
    let number = factor.parse().ok().filter(|number: &f64| number.is_finite());
    number.map(Value::Number).or_else(|| time::parse(factor).map(Value::Time))
}

fn known(name: &str, value: Option<Value>) -> Result<Value> {
    match value {
        Some(value) => Ok(value),
        None if name == "rate" => bail!("rate: the load has none"),
        None => bail!(
            "{name}: the scenario has no [health] to compute it from; write [health] with interval \
             and timeout"
        ),
    }
}

fn multiplied(one: Value, other: Value, text: &str) -> Result<Value> {
    Ok(match (one, other) {
        (Value::Number(one), Value::Number(other)) => Value::Number(one * other),
        (Value::Time(time), Value::Number(times)) | (Value::Number(times), Value::Time(time)) => {
            Value::Time(time.mul_f64(times.max(0.0)))
        }
        (Value::Time(_), Value::Time(_)) => bail!("{text:?}: a time times a time is none"),
    })
}

fn added(one: Value, other: Value, text: &str) -> Result<Value> {
    Ok(match (one, other) {
        (Value::Number(one), Value::Number(other)) => Value::Number(one + other),
        (Value::Time(one), Value::Time(other)) => Value::Time(one + other),
        _ => bail!("{text:?}: a time and a number have no sum"),
    })
}

/// As TOML has it; times in whole milliseconds, rounded up.
fn show(value: Value) -> String {
    match value {
        Value::Time(time) => format!("{}ms", time.as_nanos().div_ceil(1_000_000)),
        Value::Number(number) => format!("{number:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEALTH: &str = "[health]\ninterval = \"200ms\"\ntimeout = \"150ms\"\nfall = 2\n";
    const LOAD: &str = "[load]\nworkers = 20\nrate = 400\n";

    /// What becomes of a line in a file with health and load.
    fn filled(line: &str) -> String {
        let before = format!("{HEALTH}{LOAD}");
        fill(&format!("{before}{line}")).unwrap()[before.len()..].to_owned()
    }

    #[test]
    fn sums_are_computed_from_the_health_checks_and_the_load() {
        assert_eq!(filled("at = \"1s + detect\""), "at = \"1590ms\"");
        assert_eq!(filled("within = \"recover\""), "within = \"370ms\"");
        assert_eq!(filled("to = \"1.5s + 2 * recover\""), "to = \"2240ms\"");
        assert_eq!(filled("max = \"< detect + slack\""), "max = \"< 690ms\"");
        assert_eq!(filled("failed = \"<= 3 * workers\""), "failed = \"<= 60\"");
        assert_eq!(
            filled("s = { b1 = \"rate\", b2 = \"1/3 ± 2%\" }"),
            "s = { b1 = \"400\", b2 = \"1/3 ± 2%\" }"
        );
    }

    #[test]
    fn names_in_braces_are_filled_in_everywhere_and_sums_only_where_they_stand_alone() {
        assert_eq!(filled("nexus = [\"--health-fall={fall}\"]"), "nexus = [\"--health-fall=2\"]");
        let config =
            "config = \"\"\"\nchecks: { interval: {interval} }\na: \"1s + detect\"\n\"\"\"\n";
        let config = filled(config);
        assert!(config.contains("interval: 200ms") && config.contains("1s + detect"), "{config}");
        for line in [
            "# \"1s + detect\"",
            "only_errors = [\"timeout\"]",
            "says = \"backend is DOWN\"",
            "about = \"a + b\"",
            "at = \"1s\"",
        ] {
            assert_eq!(filled(line), line);
        }
    }

    #[test]
    fn a_name_that_the_file_does_not_explain_is_an_error() {
        let wrong =
            |line: &str| fill(&format!("[load]\nworkers = 1\n{line}")).unwrap_err().to_string();
        assert!(wrong("at = \"1s + detect\"").contains("detect: the scenario has no [health]"));
        assert!(wrong("nexus = [\"{interval}\"]").contains("interval"));
        assert!(wrong("failed = \"2 * rate\"").contains("the load has none"));
        assert!(wrong("at = \"1s + 3\"").contains("no sum"));
        assert!(wrong("at = \"slack * slack\"").contains("is none"));
    }
}
