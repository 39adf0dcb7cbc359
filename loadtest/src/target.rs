//! Where requests go: the parts of the URL, and the addresses that its host resolves to.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail};
use hyper::Uri;

/// A URL taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// As it is shown.
    pub(crate) url: String,
    /// Name or address, without the brackets of an IPv6 address.
    host: String,
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
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => bail!("'{url}': https is not supported, only http"),
            _ => bail!("'{url}' is not an http:// URL"),
        }
        let (Some(host), Some(authority)) = (uri.host(), uri.authority()) else {
            bail!("'{url}' has no host");
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            url: uri.to_string(),
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: uri.port_u16().unwrap_or(80),
            authority: authority.as_str().rsplit('@').next().unwrap_or_default().to_owned(),
            path: path.parse().with_context(|| format!("'{path}' is not a path"))?,
        })
    }

    /// Looks the host up, once for the whole run.
    pub(crate) fn resolve(&self) -> Result<Addresses> {
        let found = (self.host.as_str(), self.port).to_socket_addrs();
        let all: Vec<SocketAddr> =
            found.with_context(|| format!("cannot resolve '{}'", self.host))?.collect();
        if all.is_empty() {
            bail!("'{}' resolves to no address", self.host);
        }
        Ok(Addresses { all, preferred: AtomicUsize::new(0) })
    }
}

/// The addresses of a target: `localhost` is both ::1 and 127.0.0.1, and a server may listen on
/// one of them only.
#[derive(Debug)]
pub(crate) struct Addresses {
    all: Vec<SocketAddr>,
    /// The one that accepted last; tried first.
    preferred: AtomicUsize,
}

impl Addresses {
    /// The addresses in the order in which to try them.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = SocketAddr> {
        let first = self.preferred.load(Ordering::Relaxed);
        let (before, from) = self.all.split_at(first.min(self.all.len()));
        from.iter().chain(before).copied()
    }

    /// Remembers that this address accepted.
    pub(crate) fn accepted(&self, address: SocketAddr) {
        if let Some(index) = self.all.iter().position(|each| *each == address) {
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
    fn what_cannot_be_reached_over_plain_http_is_refused() {
        for url in ["https://localhost/", "ftp://localhost/", "http://", "http://a b/"] {
            assert!(Target::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn the_address_that_accepted_is_tried_first_and_the_others_after_it() {
        let all: Vec<SocketAddr> = vec!["[::1]:1".parse().unwrap(), "127.0.0.1:1".parse().unwrap()];
        let addresses = Addresses { all: all.clone(), preferred: AtomicUsize::new(0) };
        assert_eq!(addresses.in_order().collect::<Vec<_>>(), all);
        addresses.accepted(all[1]);
        assert_eq!(addresses.in_order().collect::<Vec<_>>(), [all[1], all[0]]);
    }
}
