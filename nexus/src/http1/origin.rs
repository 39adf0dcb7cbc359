//! Whom a request is from: what proxies say of it, as far as they are trusted.
//!
//! # Why from the right?
//!
//! Each proxy appends the address that it was connected from. The last one is what the nearest proxy
//! saw; what stands left of the first address that is no proxy of ours, that address wrote itself.
//!
//! # What bounds the walk?
//!
//! The head: every member is looked at once, in the order in which it was written.

use std::net::{IpAddr, SocketAddr};

use super::forwarded::{self, ForwardedFields};
use super::head::{Field, Name, members};

/// Whom a request is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The client's address.
    pub ip: IpAddr,
    /// Whether what the connection's other end says of clients is believed.
    pub is_trusted: bool,
}

impl Origin {
    /// Takes whoever connects for the client.
    pub fn of(peer: IpAddr) -> Self {
        Self { ip: peer, is_trusted: false }
    }

    /// Finds out whom a request is from that `peer` sends, with a head in `bytes`: the first address that `trusts` does not
    /// know, from the right; or the leftmost, if it knows them all.
    pub fn find(
        peer: IpAddr,
        bytes: &[u8],
        fields: &[Field],
        said_by: ForwardedFields,
        trusts: impl Fn(IpAddr) -> bool,
    ) -> Self {
        if !trusts(peer) {
            return Self::of(peer);
        }
        let mut walk = Walk::from(peer);
        let values = |name| {
            let named = fields.iter().filter(move |field| field.name == name);
            named.map(|field| field.value.of(bytes))
        };
        if said_by.has_forwarded() {
            for value in values(Name::Forwarded) {
                if forwarded::each(value, |said| walk.meet(said, &trusts)).is_err() {
                    walk.meet(None, &trusts);
                }
            }
        }
        let is_told = said_by.has_forwarded() && values(Name::Forwarded).next().is_some();
        if said_by.has_x() && !is_told {
            for value in values(Name::ForwardedFor) {
                members(value).for_each(|member| walk.meet(address(member), &trusts));
            }
        }
        Self { ip: walk.found, is_trusted: true }
    }
}

/// The walk from the right, taken from the left: what counts of all members so far, if all after
/// them are trusted.
struct Walk {
    peer: IpAddr,
    found: IpAddr,
    /// Whether the next address counts, trusted or not: nothing right before it does.
    is_open: bool,
}

impl Walk {
    fn from(peer: IpAddr) -> Self {
        Self { peer, found: peer, is_open: true }
    }

    /// Goes on to the next member; what is no address hides all before it.
    fn meet(&mut self, said: Option<IpAddr>, trusts: impl Fn(IpAddr) -> bool) {
        match said {
            None => (self.found, self.is_open) = (self.peer, true),
            Some(ip) if self.is_open || !trusts(ip) => (self.found, self.is_open) = (ip, false),
            Some(_) => {}
        }
    }
}

/// Reads an address: with or without a port, one of IPv6 with or without brackets.
pub(super) fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    let ip: Option<IpAddr> = text.parse().ok();
    ip.or_else(with_port).or_else(bare).map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::super::head::parse_request;
    use super::*;

    /// Finds the client of a request from `peer` with these lines, `|` between them; the networks
    /// 10.0.0.0/8 and fd00::/8 are trusted.
    #[track_caller]
    fn check(peer: &str, lines: &str, expected: &str) {
        check_by(ForwardedFields::XForwarded, peer, lines, expected);
    }

    #[track_caller]
    fn check_by(by: ForwardedFields, peer: &str, lines: &str, expected: &str) {
        let head = format!("GET / HTTP/1.1|{lines}||").replace('|', "\r\n").into_bytes();
        let fields = parse_request(&head).unwrap().unwrap().fields;
        let trusts = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => ip.octets()[0] == 10,
            IpAddr::V6(ip) => ip.segments()[0] >> 8 == 0xfd,
        };
        let found = Origin::find(peer.parse().unwrap(), &head, &fields, by, trusts);
        assert_eq!(found.ip.to_string(), expected, "{peer}: {lines}");
    }

    #[test]
    fn the_client_is_the_first_from_the_right_who_is_not_trusted() {
        let said = |said: &str| format!("X-Forwarded-For: {said}");
        for (says, expected) in [
            ("1.1.1.1", "1.1.1.1"),
            ("1.1.1.1, 2.2.2.2", "2.2.2.2"),
            ("1.1.1.1, 2.2.2.2, 10.0.0.2, 10.0.0.3", "2.2.2.2"),
            ("1.1.1.1,10.0.0.2 ,\t10.0.0.3", "1.1.1.1"),
            ("10.0.0.9, 10.0.0.2", "10.0.0.9"),
            ("1.1.1.1:5000, 10.0.0.2:80", "1.1.1.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1], fd00::1", "2001:db8::1"),
            ("[2001:db8::1]:443, [fd00::1]:80", "2001:db8::1"),
            ("::ffff:1.1.1.1, ::ffff:10.0.0.2", "1.1.1.1"),
            ("", "10.0.0.1"),
            (", ,", "10.0.0.1"),
            // What is no address stops the walk.
            ("unknown", "10.0.0.1"),
            ("1.1.1.1, unknown", "10.0.0.1"),
            ("1.1.1.1, unknown, 10.0.0.2", "10.0.0.2"),
            ("1.1.1.1, , 10.0.0.2", "1.1.1.1"),
            ("1.1.1.1, 10.0.0.300, 10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("unknown, 1.1.1.1, 10.0.0.2", "1.1.1.1"),
            ("1.1.1.1:99999", "10.0.0.1"),
            ("1.1.1.1:", "10.0.0.1"),
            ("[1.1.1.1]", "10.0.0.1"),
            ("fe80::1%eth0", "10.0.0.1"),
            ("\u{e9}", "10.0.0.1"),
        ] {
            check("10.0.0.1", &said(says), expected);
        }
    }

    #[test]
    fn all_lines_count_as_one_list() {
        check(
            "10.0.0.1",
            "X-Forwarded-For: 6.6.6.6|A: b|x-forwarded-for: 1.1.1.1, 10.0.0.2",
            "1.1.1.1",
        );
        check("10.0.0.1", "X-Forwarded-For: 6.6.6.6|X-Forwarded-For: 10.0.0.2", "6.6.6.6");
        check("10.0.0.1", "X_Forwarded_For: 6.6.6.6", "10.0.0.1");
        check("10.0.0.1", "Host: a", "10.0.0.1");
    }

    #[test]
    fn the_fields_that_are_spoken_count_and_no_others() {
        use ForwardedFields::{Both, Forwarded, XForwarded};
        let both = "X-Forwarded-For: 1.1.1.1|Forwarded: for=2.2.2.2";
        let twice = "Forwarded: for=6.6.6.6, for=1.1.1.1|Forwarded: for=10.0.0.2;proto=https";
        for (by, lines, expected) in [
            (XForwarded, both, "1.1.1.1"),
            (Forwarded, both, "2.2.2.2"),
            (Both, both, "2.2.2.2"),
            (Both, "X-Forwarded-For: 1.1.1.1", "1.1.1.1"),
            (Forwarded, "X-Forwarded-For: 1.1.1.1", "10.0.0.1"),
            (Both, "Forwarded: for=|X-Forwarded-For: 1.1.1.1", "10.0.0.1"),
            (Forwarded, twice, "1.1.1.1"),
            (Forwarded, "Forwarded: for=\"[2001:db8::1]:80\", for=10.0.0.3", "2001:db8::1"),
            (Forwarded, "Forwarded: for=1.1.1.1, for=unknown, for=10.0.0.2", "10.0.0.2"),
            (Forwarded, "Forwarded: for=1.1.1.1, for=_hidden", "10.0.0.1"),
            (Forwarded, "Forwarded: for=1.1.1.1, proto=https, for=10.0.0.2", "10.0.0.2"),
            // A line that is broken hides all before it, and itself.
            (
                Forwarded,
                "Forwarded: for=1.1.1.1|Forwarded: for=\"|Forwarded: for=10.0.0.2",
                "10.0.0.2",
            ),
            (Forwarded, "Forwarded: for=1.1.1.1, for=\"10.0.0.2", "10.0.0.1"),
        ] {
            check_by(by, "10.0.0.1", lines, expected);
        }
    }

    #[test]
    fn nobody_else_is_believed() {
        check("9.9.9.9", "X-Forwarded-For: 1.1.1.1", "9.9.9.9");
        check("2001:db8::9", "X-Forwarded-For: 1.1.1.1", "2001:db8::9");
        check("fd00::9", "X-Forwarded-For: 1.1.1.1", "1.1.1.1");
    }

    proptest::proptest! {
        #[test]
        fn the_walk_is_the_one_from_the_right(
            members in proptest::collection::vec(proptest::option::of((0u8..3, 1u8..4)), 0..8),
        ) {
            let said = |member: &Option<(u8, u8)>| member.map(|(a, b)| IpAddr::from([a + 9, 0, 0, b]));
            let trusts = |ip: IpAddr| ip.to_string().starts_with("10.");
            let peer = IpAddr::from([10, 0, 0, 200]);
            let mut walk = Walk::from(peer);
            members.iter().for_each(|member| walk.meet(said(member), trusts));
            let mut expected = peer;
            for member in members.iter().rev() {
                let Some(ip) = said(member) else { break };
                expected = ip;
                if !trusts(ip) {
                    break;
                }
            }
            proptest::prop_assert_eq!(walk.found, expected);
        }
    }
}
