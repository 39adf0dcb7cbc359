//! Where requests go: the parts of the URL, and the addresses that its host resolves to.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail};
use hyper::Uri;

/// A URL taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// As it is shown.
    pub(crate) url: String,
    /// Whether it is reached over TLS.
    pub(crate) is_tls: bool,
    /// Name or address, without the brackets of an IPv6 address.
    pub(crate) host: String,
    port: u16,
    /// The value of the Host header.
    pub(crate) authority: String,
    /// Path and query, as the request line has them.
    pub(crate) path: Uri,
}

impl Target {
    /// Reads `http://host:port/path`; the scheme may be left out.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let full = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let uri: Uri = full.parse().with_context(|| format!("'{url}' is not a URL"))?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => bail!("'{url}' is not an http:// or https:// URL"),
        };
        let (Some(host), Some(authority)) = (uri.host(), uri.authority()) else {
            bail!("'{url}' has no host");
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            url: uri.to_string(),
            is_tls,
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 }),
            authority: authority.as_str().rsplit('@').next().unwrap_or_default().to_owned(),
            path: path.parse().with_context(|| format!("'{path}' is not a path"))?,
        })
    }

    /// Looks the host up, once for the whole run.
    pub(crate) fn resolve(&self) -> Result<Addresses> {
        Addresses::look_up(&self.host, self.port)
    }
}

/// Where to connect to, whatever the URL says.
#[derive(Clone, Debug)]
pub(crate) enum Instead {
    /// A host and a port.
    Tcp(String, u16),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Instead {
    /// Reads `host:port`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let shape = || "write it as HOST:PORT".to_owned();
        let (host, port) = text.rsplit_once(':').ok_or_else(shape)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = port.parse().ok().filter(|_| !host.is_empty()).ok_or_else(shape)?;
        Ok(Self::Tcp(host.to_owned(), port))
    }

    pub(crate) fn resolve(&self) -> Result<Addresses> {
        match self {
            Self::Tcp(host, port) => Addresses::look_up(host, *port),
            Self::Unix(path) => Ok(Addresses::new(vec![Address::Unix(path.clone())])),
        }
    }
}

/// One address.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// The addresses of a target: `localhost` is both ::1 and 127.0.0.1, and a server may listen on
/// one of them only.
#[derive(Debug)]
pub(crate) struct Addresses {
    all: Vec<Address>,
    /// The one that accepted last; tried first.
    preferred: AtomicUsize,
}

impl Addresses {
    fn new(all: Vec<Address>) -> Self {
        Self { all, preferred: AtomicUsize::new(0) }
    }

    fn look_up(host: &str, port: u16) -> Result<Self> {
        let found = (host, port).to_socket_addrs();
        let found = found.with_context(|| format!("cannot resolve '{host}'"))?;
        let all: Vec<Address> = found.map(Address::Tcp).collect();
        if all.is_empty() {
            bail!("'{host}' resolves to no address");
        }
        Ok(Self::new(all))
    }

    /// The addresses in the order in which to try them.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = &Address> {
        let first = self.preferred.load(Ordering::Relaxed);
        let (before, from) = self.all.split_at(first.min(self.all.len()));
        from.iter().chain(before)
    }

    /// Remembers that this address accepted.
    pub(crate) fn accepted(&self, address: &Address) {
        if let Some(index) = self.all.iter().position(|each| each == address) {
            self.preferred.store(index, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_with_defaults_for_what_it_leaves_out() {
        let target = Target::parse("http://localhost:8000").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("localhost", 8000));
        assert_eq!((target.authority.as_str(), target.path.path()), ("localhost:8000", "/"));
        let target = Target::parse("example.com/a?b=c").unwrap();
        assert_eq!((target.port, target.path.to_string().as_str()), (80, "/a?b=c"));
        let target = Target::parse("http://[::1]:81/").unwrap();
        assert_eq!((target.host.as_str(), target.authority.as_str()), ("::1", "[::1]:81"));
    }

    #[test]
    fn https_has_a_port_of_its_own() {
        let target = Target::parse("https://example.com").unwrap();
        assert_eq!((target.is_tls, target.port, target.host.as_str()), (true, 443, "example.com"));
        assert!(!Target::parse("localhost:8443").unwrap().is_tls);
    }

    #[test]
    fn another_place_is_a_host_and_a_port() {
        let read = |text| match Instead::parse(text) {
            Ok(Instead::Tcp(host, port)) => Some((host, port)),
            _ => None,
        };
        assert_eq!(read("b1:80"), Some(("b1".to_owned(), 80)));
        assert_eq!(read("[::1]:80"), Some(("::1".to_owned(), 80)));
        assert_eq!((read("b1"), read(":80"), read("b1:x")), (None, None, None));
    }

    #[test]
    fn what_is_no_http_is_refused() {
        for url in ["ftp://localhost/", "http://", "http://a b/"] {
            assert!(Target::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn the_address_that_accepted_is_tried_first_and_the_others_after_it() {
        let address = |text: &str| Address::Tcp(text.parse().unwrap());
        let all = vec![address("[::1]:1"), address("127.0.0.1:1")];
        let addresses = Addresses::new(all.clone());
        assert!(addresses.in_order().eq(&all));
        addresses.accepted(&all[1]);
        assert!(addresses.in_order().eq([&all[1], &all[0]]));
    }
}
