//! Where a backend is, as configured, and what is spoken there.

/// Bytes of a Unix socket's path: what the system has room for (unix(7), `sun_path` without its end).
pub const SOCKET_PATH_MAX: usize = 107;

/// What is spoken with a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP/1.1 in clear text.
    Http,
    /// HTTP/1.1 or HTTP/2 over TLS, whichever both sides agree on.
    Https,
    /// HTTP/2 in clear text, at once (RFC 9113 §3.3).
    H2c,
}

impl Scheme {
    const ALL: [Self; 3] = [Self::Http, Self::Https, Self::H2c];

    /// Returns what stands in front of `://`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::H2c => "h2c",
        }
    }

    /// Says whether a connection may carry several requests at once.
    pub fn may_multiplex(self) -> bool {
        self != Self::Http
    }

    fn port(self) -> u16 {
        if self == Self::Https { 443 } else { 80 }
    }
}

/// Where a backend is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// An address or a name, without brackets, and a port.
    Host(String, u16),
    /// A socket of this machine's, by its path.
    Unix(String),
}

/// Where a backend is, as configured: `http://host:port`, `https://…`, `h2c://…`, or `unix:/path`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BackendUrl {
    /// What is spoken there.
    pub scheme: Scheme,
    /// `host:port` as in a `Host` field.
    pub authority: String,
    /// Where it is.
    pub place: Place,
}

impl BackendUrl {
    /// Returns the host, if it is not a socket of this machine's.
    pub fn host(&self) -> &str {
        match &self.place {
            Place::Host(host, _) => host,
            Place::Unix(_) => "localhost",
        }
    }

    /// Returns the port; none is 0.
    pub fn port(&self) -> u16 {
        match &self.place {
            Place::Host(_, port) => *port,
            Place::Unix(_) => 0,
        }
    }
}

impl std::str::FromStr for BackendUrl {
    type Err = String;

    /// Reads `scheme://host[:port]`, `unix:/path` or `scheme+unix:/path`; without a scheme it is
    /// `http`.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(url) = unix(text)? {
            return Ok(url);
        }
        let (scheme, rest) = match text.split_once("://") {
            None => (Scheme::Http, text),
            Some((name, rest)) => {
                let scheme = Scheme::ALL.into_iter().find(|scheme| scheme.name() == name);
                let unknown = || "unknown scheme; use http://, https:// or h2c://host:port";
                (scheme.ok_or_else(unknown)?, rest)
            }
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if let Some(at) = rest.find(['/', '?', '#', '@']) {
            let what = &rest[at..=at];
            return Err(format!(
                "a backend is an address only, without `{what}`; use {}://host:port",
                scheme.name()
            ));
        }
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                let port = port.parse().ok().filter(|port| *port != 0);
                (host, port.ok_or_else(|| "the port must be a number from 1 to 65535".to_owned())?)
            }
            _ => (rest, scheme.port()),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if bare.is_empty() || bare.contains(char::is_whitespace) {
            return Err(format!("the host is missing; use {}://host:port", scheme.name()));
        }
        if bare.contains(':') && bare.len() == host.len() {
            return Err("an IPv6 address needs brackets: http://[::1]:8081".to_owned());
        }
        let place = Place::Host(bare.to_owned(), port);
        Ok(Self { scheme, authority: rest.to_owned(), place })
    }
}

/// Reads the path of a socket, if `text` is one.
fn unix(text: &str) -> Result<Option<BackendUrl>, String> {
    let of = |scheme: &Scheme| {
        let rest = text.strip_prefix(scheme.name())?.strip_prefix("+unix:")?;
        Some((*scheme, rest))
    };
    let plain = || Some((Scheme::Http, text.strip_prefix("unix:")?));
    let Some((scheme, path)) = Scheme::ALL.iter().find_map(of).or_else(plain) else {
        return Ok(None);
    };
    if !path.starts_with('/') {
        return Err("a socket is named by its whole path; use unix:/run/app.sock".to_owned());
    }
    if path.len() > SOCKET_PATH_MAX || path.contains('\0') || path == "/" {
        return Err(format!("the path of a socket has 2 to {SOCKET_PATH_MAX} bytes"));
    }
    let place = Place::Unix(path.to_owned());
    Ok(Some(BackendUrl { scheme, authority: "localhost".to_owned(), place }))
}

impl std::fmt::Display for BackendUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.place, self.scheme) {
            (Place::Host(..), scheme) => write!(f, "{}://{}", scheme.name(), self.authority),
            (Place::Unix(path), Scheme::Http) => write!(f, "unix:{path}"),
            (Place::Unix(path), scheme) => write!(f, "{}+unix:{path}", scheme.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_and_written_alike() {
        for text in [
            "http://a:8081",
            "https://a",
            "h2c://[::1]:50051",
            "unix:/run/app.sock",
            "h2c+unix:/run/grpc.sock",
        ] {
            let url: BackendUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), text);
        }
    }

    #[track_caller]
    fn check(text: &str, expected: Result<(&str, u16), &str>) {
        match (text.parse::<BackendUrl>(), expected) {
            (Ok(url), Ok(expected)) => assert_eq!((url.host(), url.port()), expected),
            (Err(found), Err(part)) => assert!(found.contains(part), "{text}: {found}"),
            (found, expected) => panic!("{text}: {found:?} is not {expected:?}"),
        }
    }

    #[test]
    fn a_url_is_an_address_and_nothing_else() {
        check("http://localhost:8081", Ok(("localhost", 8081)));
        check("http://localhost:8081/", Ok(("localhost", 8081)));
        check("10.0.0.1:81", Ok(("10.0.0.1", 81)));
        check("http://a", Ok(("a", 80)));
        check("https://a", Ok(("a", 443)));
        check("h2c://a:1", Ok(("a", 1)));
        check("http://[::1]:8081", Ok(("::1", 8081)));
        check("http://::1", Err("brackets"));
        check("ftp://a", Err("unknown scheme"));
        check("http://a/base", Err("without `/`"));
        check("https://u@a", Err("without `@`"));
        check("http://a:0", Err("port"));
        check("http://a:99999", Err("port"));
        check("h2c://", Err("host is missing"));
        check("unix:app.sock", Err("whole path"));
        check("unix:/", Err("2 to 107"));
        check(&format!("unix:/{}", "x".repeat(107)), Err("2 to 107"));
    }
}
