//! What a request is about, for algorithms by key.

use super::{hash, mix};
use crate::route::Facts;

/// What a request is hashed by. What it does not say is taken from the client's address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum HashKey {
    /// The client's address; of IPv6 the first 64 bits.
    #[default]
    Client,
    /// The path, without its query.
    Path,
    /// The first header of this name.
    Header(String),
    /// The first cookie of this name.
    Cookie(String),
    /// The first pair of this name in the query.
    Query(String),
}

impl HashKey {
    /// Returns the number that stands for the request.
    pub fn of(&self, facts: &Facts<'_>) -> u64 {
        let value = match self {
            Self::Client => None,
            Self::Path => Some(facts.path()),
            Self::Header(name) => facts.fields.first(name.as_bytes()),
            Self::Cookie(name) => facts
                .fields
                .first(b"cookie")
                .and_then(|line| pair(line.split(|byte| *byte == b';'), name.as_bytes())),
            Self::Query(name) => facts
                .query()
                .and_then(|query| pair(query.split(|byte| *byte == b'&'), name.as_bytes())),
        };
        value.map_or_else(|| mix(facts.client_number()), hash)
    }
}

/// Finds the value of the first `name=value` among pairs.
fn pair<'a>(pairs: impl Iterator<Item = &'a [u8]>, name: &[u8]) -> Option<&'a [u8]> {
    let mut values = pairs.map(<[u8]>::trim_ascii_start);
    values.find_map(|pair| pair.strip_prefix(name)?.strip_prefix(b"="))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(by: &HashKey, client: &str, target: &str, fields: &[(&str, &str)]) -> u64 {
        let fields = fields.to_vec();
        let (host, method, target) = (b"a", b"GET", target.as_bytes());
        by.of(&Facts { host, target, method, fields: &fields, client: client.parse().unwrap() })
    }

    #[test]
    fn what_is_asked_about_decides_and_nothing_else() {
        let cookie = HashKey::Cookie("user".to_owned());
        let of = |cookies: &str| key(&cookie, "10.0.0.1", "/", &[("Cookie", cookies)]);
        assert_eq!(of("a=1; user=me"), of("user=me; b=2"));
        assert_ne!(of("user=me"), of("user=you"));
        assert_eq!(of("superuser=me"), of("none"), "by client");
        let query = HashKey::Query("id".to_owned());
        let of = |target: &str| key(&query, "10.0.0.1", target, &[]);
        assert_eq!(of("/a?x=1&id=7"), of("/b?id=7"));
        assert_ne!(of("/a?id=7"), of("/a?id=8"));
        let of = |target: &str| key(&HashKey::Path, "10.0.0.1", target, &[]);
        assert_eq!(of("/a?x=1"), of("/a"));
        let header = HashKey::Header("X-Id".to_owned());
        let of = |value: &str| key(&header, "10.0.0.1", "/", &[("x-id", value)]);
        assert_ne!(of("a"), of("b"));
    }

    #[test]
    fn a_client_is_itself_over_ipv6_privacy_addresses_and_mapped_ones() {
        let of = |client: &str| key(&HashKey::Client, client, "/", &[]);
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff:abcd:1:9"));
        assert_eq!(of("::ffff:10.1.2.3"), of("10.1.2.3"));
        assert_ne!(of("10.1.2.3"), of("10.1.2.4"));
    }
}
