//! Numbers as people write them: sizes (`64KiB`), durations (`5ms`), chances (`0.3`, `30%`), addresses.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

/// Reads a size in bytes: a plain number, or one with a unit, binary (`KiB`) or decimal (`KB`).
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => {
            return Err(format!("`{text}` is no size: write 512, 64KiB, 1MiB or 1GiB"));
        }
    };
    let number: u64 =
        number.parse().map_err(|_| format!("`{text}` is no size: it must begin with a number"))?;
    number.checked_mul(factor).ok_or_else(|| format!("`{text}` is more bytes than there are"))
}

/// Reads a duration with its unit, as `5ms`, `1.5s` or `2m`; a bare `0` needs none.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if let Some(duration) = decimal_duration(text) {
        return Ok(duration);
    }
    humantime::parse_duration(text)
        .map_err(|_| format!("`{text}` is no duration: write 250us, 5ms, 1.5s or 2m"))
}

fn decimal_duration(text: &str) -> Option<Duration> {
    let (number, unit_s) = match text {
        _ if text.ends_with("us") => (&text[..text.len() - 2], 1e-6),
        _ if text.ends_with("ms") => (&text[..text.len() - 2], 1e-3),
        _ if text.ends_with('s') => (&text[..text.len() - 1], 1.0),
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    Duration::try_from_secs_f64(number * unit_s).ok()
}

/// Reads a chance above 0 and up to 1, as `0.3` or `30%`.
pub(crate) fn chance(text: &str) -> Result<f64, String> {
    let value = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
        None => text.parse(),
    };
    match value {
        Ok(value) if value > 0.0 && value <= 1.0 => Ok(value),
        _ => {
            Err(format!("`{text}` is no probability: write one above 0 and up to 1, as 0.3 or 30%"))
        }
    }
}

/// Reads an address to listen on: `127.0.0.1:8081`, `[::1]:8081`, `localhost:8081`, or `:8081` for every interface.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let full = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    full.to_socket_addrs().ok().and_then(|mut found| found.next()).ok_or_else(|| {
        format!("`{text}` is no address: write HOST:PORT, as 127.0.0.1:8081 (port 0: any free one)")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_and_decimal_units() {
        let read = |text| size(text).unwrap();
        assert_eq!(
            [read("512"), read("64KiB"), read("1MiB"), read("1GiB"), read("2kb")],
            [512, 65_536, 1 << 20, 1 << 30, 2_000]
        );
        assert!(size("").is_err() && size("KiB").is_err() && size("1TiBX").is_err());
        assert!(size("99999999999999GiB").is_err());
    }

    #[test]
    fn durations_need_a_unit_unless_they_are_zero() {
        assert_eq!(duration("5ms"), Ok(Duration::from_millis(5)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert!(duration("5").is_err() && duration("-5ms").is_err() && duration("soon").is_err());
    }

    #[test]
    fn a_chance_is_above_nothing_and_at_most_certain() {
        assert_eq!(chance("30%"), Ok(0.3));
        assert_eq!(chance("1"), Ok(1.0));
        assert!(chance("0").is_err() && chance("1.1").is_err() && chance("NaN").is_err());
    }

    #[test]
    fn an_address_may_leave_its_host_out() {
        assert_eq!(address(":80"), Ok(SocketAddr::from(([0, 0, 0, 0], 80))));
        assert_eq!(address("[::1]:80"), Ok("[::1]:80".parse().unwrap()));
        assert!(address("80").is_err() && address("127.0.0.1").is_err());
    }
}
