//! Times, sizes and addresses as people write them. The command line reads addresses here, too.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::IpNet;

use crate::backend::SOCKET_PATH_MAX;
use crate::route::Interval;
use crate::settings::Address;

/// Longer waits than this are hardly meant; all clocks here hold it with ease.
const TIME_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

const TIME_UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

const SIZE_UNITS: [(&str, u64); 7] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

/// Reads a time such as `250ms`, `10s` or `1h30m`: longer than nothing, a year at most.
///
/// # Errors
///
/// Says what to write instead.
pub fn time(text: &str) -> Result<Duration, &'static str> {
    let mut sum: u64 = 0;
    let mut rest = text.trim();
    if rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("add a unit: ms, s, m, h or d, as in `10s`");
    }
    while !rest.is_empty() {
        let (number, after) = number(rest).ok_or("use a time such as `250ms`, `10s` or `1h30m`")?;
        let length = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(length);
        let (_, scale) = TIME_UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or("the units are ms, s, m, h and d, as in `250ms` or `10s`")?;
        sum = sum.saturating_add(number.saturating_mul(*scale));
        rest = after.trim_start();
    }
    match Duration::from_millis(sum) {
        Duration::ZERO => Err("must be longer than 0; every wait here ends"),
        time if time > TIME_MAX => Err("use 365d at most"),
        time => Ok(time),
    }
}

/// Reads a share such as `10%` or `0.5%`, in millionths.
pub fn share(text: &str) -> Option<u64> {
    let number = text.strip_suffix('%')?;
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let is_number = |text: &str, max| {
        (1..=max).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if number == "100" {
        return Some(1_000_000);
    }
    let is_right = is_number(whole, 2) && is_number(part, 4);
    is_right.then(|| format!("{whole}{part:0<4}").parse().ok()).flatten()
}

/// Reads a number of bytes such as `64KiB`, `10MB` or `512`.
///
/// # Errors
///
/// Says what to write instead.
pub fn size(text: &str) -> Result<u64, &'static str> {
    let (number, unit) =
        number(text.trim()).ok_or("use a size such as `64KiB`, `10MB` or `512`")?;
    let unit = if unit.is_empty() { "B" } else { unit.trim_start() };
    let known = SIZE_UNITS.iter().find(|(name, _)| *name == unit);
    let (_, scale) = known.ok_or("the units are B, KiB, MiB, GiB, KB, MB and GB, as in `64KiB`")?;
    number.checked_mul(*scale).ok_or("too large")
}

/// Reads a rate such as `10/s` or `5/m`.
///
/// # Errors
///
/// Says what to write instead.
pub fn rate(text: &str) -> Result<Interval, &'static str> {
    let wrong = "use a rate such as `10/s`, `5/m`, `100/h` or `1000/d`";
    let (count, unit) = text.split_once('/').ok_or(wrong)?;
    let is_plain = count.len() <= 6 && !count.starts_with('0') && !count.starts_with('+');
    let count = count.parse().ok().filter(|_| is_plain).ok_or(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong),
    };
    Ok(Interval { count, period: Duration::from_secs(seconds) })
}

fn number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

/// Reads `:8000`, `8000`, `127.0.0.1:8000`, `[::1]:8000` or `localhost:8000`.
fn tcp(text: &str) -> Result<SocketAddr, String> {
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let port = port.parse().map_err(|_| "the port must be a number from 0 to 65535".to_owned())?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let ip = match bare {
        "" | "*" => any(),
        "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        _ => bare
            .parse()
            .map_err(|_| "not an address; use :8000, 127.0.0.1:8000 or [::1]:8000".to_owned())?,
    };
    Ok(SocketAddr::new(ip, port))
}

/// Reads an address to listen on: `:8000`, `127.0.0.1:8000`, `[::1]:8000`, or `unix:PATH`.
///
/// # Errors
///
/// Says what to write instead.
pub fn address(text: &str) -> Result<Address, String> {
    unix(text).unwrap_or_else(|| tcp(text).map(Address::Tcp))
}

/// Reads an admin address: one that [`address`] reads, or `unix:PATH`.
///
/// # Errors
///
/// Says what to write instead.
pub fn admin_address(text: &str) -> Result<Address, String> {
    unix(text).unwrap_or_else(|| {
        let tcp = tcp(text).map(Address::Tcp);
        tcp.map_err(|_| "use an address such as 127.0.0.1:9900, or unix:PATH".to_owned())
    })
}

/// Reads the path of a socket, if `text` is one.
fn unix(text: &str) -> Option<Result<Address, String>> {
    let path = text.strip_prefix("unix:")?;
    if path.is_empty() || path.len() > SOCKET_PATH_MAX || path.contains('\0') {
        return Some(Err(format!("the path of a socket has 1 to {SOCKET_PATH_MAX} bytes")));
    }
    Some(Ok(Address::Unix(path.to_owned())))
}

/// Returns every address of this machine, IPv4 only where there is no IPv6.
fn any() -> IpAddr {
    let v6 = std::net::TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0));
    if v6.is_ok() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() }
}

/// Reads an address or a network.
///
/// # Errors
///
/// Says what to write instead.
pub fn network(text: &str) -> Result<IpNet, String> {
    let net = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    net.map_err(|_| "use an address or a network such as 10.0.0.0/8".to_owned())
}

/// Writes a time as it is read.
pub fn show_time(time: Duration) -> String {
    let mut left = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let mut out = String::new();
    for (unit, scale) in TIME_UNITS.iter().rev() {
        if left >= *scale {
            out += &format!("{}{unit}", left / scale);
            left %= scale;
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

/// Reads statuses of answers: `200`, `200-299` or `2xx`.
///
/// # Errors
///
/// Says what to write instead.
pub fn statuses(text: &str) -> Result<RangeInclusive<u16>, &'static str> {
    let status = |text: &str| text.parse().ok().filter(|status| (100..=599).contains(status));
    let class = text.strip_suffix("xx").filter(|class| class.len() == 1);
    let (first, last) = match (class, text.split_once('-')) {
        (Some(class), _) => (status(&format!("{class}00")), status(&format!("{class}99"))),
        (None, Some((first, last))) => (status(first), status(last)),
        (None, None) => (status(text), status(text)),
    };
    let range = first.zip(last).map(|(first, last)| first..=last).filter(|range| !range.is_empty());
    range.ok_or("use a status such as `200`, `200-299` or `2xx`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_one_or_a_range_or_a_class() {
        assert_eq!(statuses("204"), Ok(204..=204));
        assert_eq!(statuses("200-399"), Ok(200..=399));
        assert_eq!(statuses("2xx"), Ok(200..=299));
        let wrong = ["", "2", "99", "600", "299-200", "2xxx", "xx", "200-", "6xx", "20xx"];
        assert!(wrong.iter().all(|text| statuses(text).is_err()));
    }

    #[test]
    fn shares_are_percents() {
        let cases = [("10%", 100_000), ("0.5%", 5_000), ("100%", 1_000_000), ("0%", 0)];
        assert!(cases.iter().all(|(text, expected)| share(text) == Some(*expected)));
        assert_eq!(share("99.9999%"), Some(999_999));
        for wrong in ["", "%", "10", "101%", "1e1%", "-1%", ".5%", "1.%", "0.00001%", "100.1%"] {
            assert_eq!(share(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn times_have_units() {
        let millis = |text| time(text).map(|time| time.as_millis());
        assert_eq!(millis("250ms"), Ok(250));
        assert_eq!(millis("1h30m"), Ok(5_400_000));
        assert_eq!(millis("1m 5s"), Ok(65_000));
        assert!(time("10").is_err_and(|why| why.contains("unit")));
        assert!(time("10 parsecs").is_err_and(|why| why.contains("units")));
        assert!(time("0s").is_err_and(|why| why.contains("longer than 0")));
        assert!(time("").is_err());
        assert!(time("s").is_err());
        assert!(time("99999999999999999999s").is_err());
        assert!(time("366d").is_err());
        assert_eq!(show_time(Duration::from_secs(5400)), "1h30m");
    }

    #[test]
    fn rates_are_so_many_in_a_unit() {
        let shown = |text| rate(text).map(|rate| rate.to_string());
        for right in ["10/s", "5/m", "100/h", "999999/d"] {
            assert_eq!(shown(right), Ok(right.to_owned()));
        }
        for wrong in ["10", "0/s", "10/x", "10/", "/s", "1000000/s", "+1/s", "10/30s"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_know_both_kinds_of_kilo() {
        assert_eq!(size("64KiB"), Ok(65_536));
        assert_eq!(size("10 MB"), Ok(10_000_000));
        assert_eq!(size("512"), Ok(512));
        assert!(size("1K").is_err_and(|why| why.contains("KiB")));
        assert!(size("-1").is_err());
        assert!(size("99999999999GiB").is_err());
    }
}
