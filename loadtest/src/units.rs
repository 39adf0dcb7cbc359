//! Reads and writes durations, sizes and rates as people write them.

use std::time::Duration;

/// Reads `10s`, `250ms`, `1m30s`, `0.5s`, or a bare number of seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let seconds = text.strip_suffix('s').unwrap_or(text).parse::<f64>();
    if let Ok(seconds) = seconds {
        return Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string());
    }
    humantime::parse_duration(text).map_err(|_| "write it as 10s, 250ms or 1m30s".to_owned())
}

/// Reads `4096`, `64KiB`, `1MB`, `1GiB` as bytes; `k`, `m`, `g` alone count in 1024.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err("write it as 4096, 64KiB, 1MB or 1GiB".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "it has no number".to_owned())?;
    number.checked_mul(unit).ok_or_else(|| "it is too large".to_owned())
}

/// Reads `100`, `100/s`, `6000/m` or `10/h` as requests per second; 0 means no limit.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    const SHAPE: &str = "write it as 100, 100/s or 6000/m";
    let (number, per) = text.split_once('/').unwrap_or((text, "s"));
    let per = match per.trim_start_matches('1') {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(SHAPE.to_owned()),
    };
    let number: f64 = number.parse().map_err(|_| SHAPE.to_owned())?;
    if number.is_finite() && number >= 0.0 {
        Ok(number / per)
    } else {
        Err("it must be 0 or more".to_owned())
    }
}

/// Writes microseconds with the unit that reads best: `850 µs`, `12.3 ms`, `1.94 s`.
pub(crate) fn micros(us: u64) -> String {
    let us = us as f64;
    let (value, unit) = match us {
        ..1_000.0 => return format!("{us:.0} µs"),
        ..1_000_000.0 => (us / 1e3, "ms"),
        _ => (us / 1e6, "s"),
    };
    let digits = match value {
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {unit}")
}

/// Writes bytes with a binary unit: `512 B`, `1.0 GiB`.
pub(crate) fn bytes(count: u64) -> String {
    let (mut value, mut unit) = (count as f64, "B");
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            break;
        }
        (value, unit) = (value / 1024.0, larger);
    }
    if unit == "B" { format!("{count} B") } else { format!("{value:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_or_without_a_unit() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert!(duration("soon").is_err());
        assert!(duration("-1").is_err());
    }

    #[test]
    fn sizes_are_binary_with_an_i_and_decimal_without() {
        assert_eq!(size("4096"), Ok(4096));
        assert_eq!(size("64KiB"), Ok(65_536));
        assert_eq!(size("1MB"), Ok(1_000_000));
        assert_eq!(size("1GiB"), Ok(1 << 30));
        assert!(size("KiB").is_err());
        assert!(size("1 parsec").is_err());
        assert!(size("99999999999GiB").is_err());
    }

    #[test]
    fn rates_are_per_second_whatever_they_were_written_in() {
        assert_eq!(rate("100"), Ok(100.0));
        assert_eq!(rate("100/s"), Ok(100.0));
        assert_eq!(rate("6000/m"), Ok(100.0));
        assert_eq!(rate("50/1s"), Ok(50.0));
        assert_eq!(rate("0"), Ok(0.0));
        assert!(rate("fast").is_err());
        assert!(rate("-1").is_err());
        assert!(rate("5/y").is_err());
    }

    #[test]
    fn a_latency_is_written_in_the_unit_that_reads_best() {
        assert_eq!(micros(850), "850 µs");
        assert_eq!(micros(2_310), "2.31 ms");
        assert_eq!(micros(12_340), "12.3 ms");
        assert_eq!(micros(1_940_000), "1.94 s");
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(1 << 30), "1.0 GiB");
    }
}
