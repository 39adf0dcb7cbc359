//! The PROXY protocol, versions 1 and 2: who the client is, as the proxy before us says.
//!
//! Pure: bytes in. The source is the specification at haproxy.org, `proxy-protocol.txt`.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// Longest header of version 1, its line end included.
const MAX_LINE_BYTES: usize = 107;
/// The first bytes of version 2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes of version 2 before the addresses.
const FIXED_BYTES: usize = 16;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proxied {
    /// Bytes of the header.
    pub(crate) bytes: usize,
    /// The client; none where the proxy speaks for itself, or does not know.
    pub(crate) client: Option<SocketAddr>,
}

/// What comes first is no such header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoProxy;

/// Reads a header from the front of `input`; none if it is not complete yet.
pub(crate) fn parse(input: &[u8]) -> Result<Option<Proxied>, NoProxy> {
    let begins = |with: &[u8]| {
        let both = input.len().min(with.len());
        input[..both] == with[..both]
    };
    if begins(SIGNATURE) {
        binary(input)
    } else if begins(b"PROXY ") {
        line(input)
    } else {
        Err(NoProxy)
    }
}

/// `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n`
fn line(input: &[u8]) -> Result<Option<Proxied>, NoProxy> {
    let head = &input[..input.len().min(MAX_LINE_BYTES)];
    let Some(end) = head.windows(2).position(|two| two == b"\r\n") else {
        return if input.len() < MAX_LINE_BYTES { Ok(None) } else { Err(NoProxy) };
    };
    let words: Vec<&str> =
        std::str::from_utf8(&head[..end]).map_err(|_| NoProxy)?.split(' ').collect();
    let client = match words[1..] {
        ["UNKNOWN", ..] => None,
        ["TCP4", from, to, port, to_port] => {
            let _: (Ipv4Addr, u16) = (read(to)?, read(to_port)?);
            Some(SocketAddr::from((read::<Ipv4Addr>(from)?, read(port)?)))
        }
        ["TCP6", from, to, port, to_port] => {
            let _: (Ipv6Addr, u16) = (read(to)?, read(to_port)?);
            Some(SocketAddr::from((read::<Ipv6Addr>(from)?, read(port)?)))
        }
        _ => return Err(NoProxy),
    };
    Ok(Some(Proxied { bytes: end + 2, client }))
}

fn read<T: std::str::FromStr>(text: &str) -> Result<T, NoProxy> {
    text.parse().map_err(|_| NoProxy)
}

/// Version and command, family, length, addresses, and more that is passed over.
fn binary(input: &[u8]) -> Result<Option<Proxied>, NoProxy> {
    let Some(&[command, family, high, low]) = input.get(SIGNATURE.len()..FIXED_BYTES) else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let Some(addresses) = input.get(FIXED_BYTES..FIXED_BYTES + length) else {
        return Ok(None);
    };
    let client = match (command, family) {
        (0x20, _) => None,
        (0x21, 0x11) => Some(v4(addresses)?),
        (0x21, 0x21) => Some(v6(addresses)?),
        (0x21, 0x00 | 0x31) => None,
        _ => return Err(NoProxy),
    };
    Ok(Some(Proxied { bytes: FIXED_BYTES + length, client }))
}

/// Source, destination, source port, destination port.
fn v4(addresses: &[u8]) -> Result<SocketAddr, NoProxy> {
    let [a, b, c, d, _, _, _, _, high, low, _, _, ..] = *addresses else { return Err(NoProxy) };
    Ok(SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low]))))
}

fn v6(addresses: &[u8]) -> Result<SocketAddr, NoProxy> {
    let (from, rest) = addresses.split_first_chunk::<16>().ok_or(NoProxy)?;
    let (_, ports) = rest.split_first_chunk::<16>().ok_or(NoProxy)?;
    let [high, low, _, _, ..] = *ports else { return Err(NoProxy) };
    Ok(SocketAddr::from((*from, u16::from_be_bytes([high, low]))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header with a request behind it, cut at every place.
    fn check(header: &[u8], client: Option<&str>) {
        let whole = [header, b"GET / HTTP/1.1\r\n\r\n"].concat();
        for cut in 0..header.len() {
            assert_eq!(parse(&whole[..cut]), Ok(None), "{cut}");
        }
        let client = client.map(|client| client.parse().unwrap());
        assert_eq!(parse(&whole), Ok(Some(Proxied { bytes: header.len(), client })));
    }

    fn second(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family][..], &length, addresses].concat()
    }

    #[test]
    fn a_line_says_who_the_client_is() {
        check(b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n", Some("192.0.2.1:56324"));
        check(b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n", Some("[2001:db8::1]:1"));
        check(b"PROXY UNKNOWN whatever else\r\n", None);
    }

    #[test]
    fn so_does_version_2_with_whatever_follows() {
        let v4 = [192, 0, 2, 1, 198, 51, 100, 1, 220, 4, 1, 187];
        check(&second(0x21, 0x11, &v4), Some("192.0.2.1:56324"));
        check(&second(0x21, 0x11, &[&v4[..], &[4, 0, 1, 9]].concat()), Some("192.0.2.1:56324"));
        let mut v6 = [0; 36];
        (v6[15], v6[33]) = (1, 7);
        check(&second(0x21, 0x21, &v6), Some("[::1]:7"));
        check(&second(0x20, 0x00, &[]), None);
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for wrong in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n",
            b"PROXY TCP4 ::1 ::1 1 2\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
            &second(0x31, 0x11, &[0; 12]),
            &second(0x21, 0x11, &[0; 11]),
        ] {
            assert_eq!(parse(wrong), Err(NoProxy), "{wrong:?}");
        }
        assert_eq!(parse(&[b"PROXY ", &[b'x'; MAX_LINE_BYTES][..]].concat()), Err(NoProxy));
    }
}
