//! What the request log is to be: where it goes, what a line looks like, who is written down. Pure.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use super::template::{BadTemplate, Template};
use crate::record::Record;

/// A whole, in the parts that shares are counted in.
pub const WHOLE: u32 = 1_000_000;

/// The request log, as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// Where its lines go.
    pub output: Output,
    /// The facility that syslog is told; see [`FACILITIES`].
    pub facility: u8,
    /// How a request is written down.
    pub format: LogFormat,
    /// How many of a million requests are written down besides those that failed, which all are;
    /// `None` is all if there is no filter, and else only what it lets through.
    pub sample: Option<u32>,
    /// Who is written down in any case.
    pub filter: Filter,
}

impl From<LogFormat> for AccessLog {
    fn from(format: LogFormat) -> Self {
        let (output, facility, filter) = (Output::Stdout, LOCAL0, Filter::default());
        Self { output, facility, format, sample: None, filter }
    }
}

impl AccessLog {
    /// Says whether a request of this route is written down; `dice` are below [`WHOLE`].
    pub fn takes(
        &self,
        record: &Record<'_>,
        route: Option<&str>,
        dice: impl FnOnce() -> u32,
    ) -> bool {
        match self.sample {
            None if self.filter.is_empty() => true,
            _ if self.filter.matches(record, route) => true,
            None => false,
            Some(sample) => record.has_failed() || sample == WHOLE || dice() < sample,
        }
    }
}

/// Who is written down in any case: whoever meets one of these conditions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// An answer with one of these statuses.
    pub statuses: Vec<RangeInclusive<u16>>,
    /// An answer that took so long.
    pub slow: Option<Duration>,
    /// One of these routes, by name.
    pub routes: Vec<String>,
}

impl Filter {
    /// Says whether it has no condition.
    pub fn is_empty(&self) -> bool {
        self.statuses.is_empty() && self.slow.is_none() && self.routes.is_empty()
    }

    fn matches(&self, record: &Record<'_>, route: Option<&str>) -> bool {
        self.statuses.iter().any(|range| range.contains(&record.status))
            || self.slow.is_some_and(|slow| record.duration >= slow)
            || route.is_some_and(|route| self.routes.iter().any(|known| known == route))
    }
}

/// How a request is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogFormat {
    /// One line for people.
    Text,
    /// One JSON object a line.
    Json,
    /// As Apache and many others write it, with `Referer` and `User-Agent`.
    Combined,
    /// As the configuration says.
    Template(Template),
}

impl LogFormat {
    /// The names of those that have one.
    pub const NAMES: &[&str] = &["text", "json", "combined"];

    /// Reads a name or a template.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the template; `None` is that it is neither.
    pub fn parse(text: &str) -> Result<Self, Option<BadTemplate>> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "combined" => Ok(Self::Combined),
            _ if text.contains(['{', '}']) => Ok(Self::Template(Template::parse(text)?)),
            _ => Err(None),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("text"),
            Self::Json => f.write_str("json"),
            Self::Combined => f.write_str("combined"),
            Self::Template(template) => write!(f, "\"{template}\""),
        }
    }
}

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// To standard output.
    Stdout,
    /// To the end of a file.
    File(String),
    /// To the syslog of this machine, by its socket's path (RFC 5424).
    Syslog(String),
    /// To a syslog over UDP (RFC 5426).
    SyslogUdp(SocketAddr),
}

/// The port of syslog over UDP (RFC 5426 §3.3).
const SYSLOG_PORT: u16 = 514;

impl Output {
    /// Reads one; `None` is nowhere.
    ///
    /// # Errors
    ///
    /// Says what to write instead.
    pub fn parse(text: &str) -> Result<Option<Self>, &'static str> {
        let rest = |prefix| text.strip_prefix(prefix).filter(|rest: &&str| !rest.contains('\0'));
        match (rest("file:"), rest("syslog:")) {
            _ if text == "off" => Ok(None),
            _ if text == "stdout" => Ok(Some(Self::Stdout)),
            (Some(path), _) if !path.is_empty() => Ok(Some(Self::File(path.to_owned()))),
            (_, Some(path)) if path.starts_with('/') => Ok(Some(Self::Syslog(path.to_owned()))),
            (_, Some(rest)) if rest.starts_with("udp://") => {
                udp(&rest["udp://".len()..]).map(|address| Some(Self::SyslogUdp(address)))
            }
            _ => Err(
                "use `stdout`, `off`, `file:PATH`, `syslog:/dev/log` or `syslog:udp://127.0.0.1:514`",
            ),
        }
    }

    /// Says whether it is a syslog.
    pub fn is_syslog(&self) -> bool {
        matches!(self, Self::Syslog(_) | Self::SyslogUdp(_))
    }
}

fn udp(text: &str) -> Result<SocketAddr, &'static str> {
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let local = text.strip_prefix("localhost").and_then(|rest| match rest.strip_prefix(':') {
        Some(port) => port.parse().ok().map(|port| SocketAddr::new(here, port)),
        None => rest.is_empty().then(|| SocketAddr::new(here, SYSLOG_PORT)),
    });
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let ip = || bare.parse().ok().map(|ip| SocketAddr::new(ip, SYSLOG_PORT));
    let known = local.or_else(|| text.parse().ok()).or_else(ip);
    known.ok_or("use an IP address and a port, such as `syslog:udp://127.0.0.1:514`")
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::File(path) => write!(f, "file:{path}"),
            Self::Syslog(path) => write!(f, "syslog:{path}"),
            Self::SyslogUdp(address) => write!(f, "syslog:udp://{address}"),
        }
    }
}

/// The names of the facilities that may be told, and their numbers are [`facility`] (RFC 5424 §6.2.1).
pub const FACILITIES: &[&str] = &[
    "user", "daemon", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];

/// For local use.
const LOCAL0: u8 = 16;

/// Returns the number of a facility.
pub fn facility(name: &str) -> u8 {
    match name {
        "user" => 1,
        "daemon" => 3,
        _ => {
            let at = FACILITIES.iter().skip(2).position(|known| *known == name);
            LOCAL0 + at.map_or(0, |at| at as u8)
        }
    }
}
