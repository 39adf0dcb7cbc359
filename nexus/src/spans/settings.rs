//! Where traces go, and which requests are recorded.

use std::fmt;
use std::net::Ipv6Addr;
use std::time::Duration;

/// Traces, as they are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracing {
    /// Where the receiver is.
    pub endpoint: Endpoint,
    /// How many of a million requests that begin a trace are recorded.
    pub sample: u32,
    /// Whether anybody's trace goes on, not only a trusted proxy's.
    pub believes_all: bool,
    /// What this Nexus is called in traces.
    pub service: String,
    /// Further fields for the receiver.
    pub headers: Headers,
    /// How long the receiver may take.
    pub timeout: Duration,
}

impl Tracing {
    /// Says whether an exporter for the one serves the other: they differ at most in what workers
    /// decide.
    pub fn is_exported_like(&self, other: &Self) -> bool {
        let (sample, believes_all) = (self.sample, self.believes_all);
        *self == Self { sample, believes_all, ..other.clone() }
    }
}

/// Fields, whose values may be secrets and are not shown.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Headers(pub Vec<(String, String)>);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// The address of a receiver of traces by OTLP over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Host and port.
    pub authority: String,
    /// The target of requests.
    pub path: String,
}

/// The port of OTLP over HTTP, and where traces go unless something else is said.
const PORT: u16 = 4318;
const PATH: &str = "/v1/traces";

impl Endpoint {
    /// Reads one, such as `http://127.0.0.1:4318`; without a path it is `/v1/traces`.
    ///
    /// # Errors
    ///
    /// Says what to write instead.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const HINT: &str =
            "use the address of a collector for OTLP over HTTP, such as `http://127.0.0.1:4318`";
        if text.starts_with("https://") {
            return Err("name a collector nearby that is reached by `http://`; it forwards by TLS");
        }
        let rest = text.strip_prefix("http://").ok_or(HINT)?;
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let is_graphic = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if authority.is_empty() || authority.contains(['@', '?', '#']) || !is_graphic(rest) {
            return Err(HINT);
        }
        let host_ends = authority.rfind(']').map_or(0, |at| at + 1);
        let authority = match authority[host_ends..].rsplit_once(':') {
            Some((_, port)) if port.parse::<u16>().is_err() => return Err(HINT),
            Some(_) => authority.to_owned(),
            None => format!("{authority}:{PORT}"),
        };
        if let Some(host) = authority.strip_prefix('[') {
            let host = host.split(']').next().unwrap_or_default();
            host.parse::<Ipv6Addr>().map_err(|_| HINT)?;
        }
        let path = if matches!(path, "" | "/") { PATH } else { path };
        Ok(Self { authority, path: path.to_owned() })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_has_a_port_and_a_path_whatever_is_left_out() {
        let shown = |text: &str| Endpoint::parse(text).map(|endpoint| endpoint.to_string());
        assert_eq!(shown("http://127.0.0.1:9"), Ok("http://127.0.0.1:9/v1/traces".to_owned()));
        assert_eq!(shown("http://otel/"), Ok("http://otel:4318/v1/traces".to_owned()));
        assert_eq!(shown("http://[::1]/x/y"), Ok("http://[::1]:4318/x/y".to_owned()));
        for wrong in [
            "",
            "otel:4318",
            "https://otel",
            "http://",
            "http://a:b",
            "http://u@a",
            "http://[1",
            "http://a b",
        ] {
            assert!(shown(wrong).is_err(), "{wrong}");
        }
    }
}
