//! The PROXY protocol, versions 1 and 2: what stands in front of everything else on a connection
//! that a proxy opens for a client. Pure: bytes in, addresses out, and back.
//!
//! The source is the specification in HAProxy's `doc/proxy-protocol.txt`.
//!
//! # How is it read without reading too much?
//!
//! As long as a header is not whole, all that came belongs to it: whoever reads may take all of it
//! from the socket. Of what makes it whole the header says how much is its own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Bytes of a header at most. Version 1 has 107; those of version 2 carry what else a proxy knows,
/// certificates at worst, and none of that is used here.
pub const BYTES_MAX: usize = 4096;

/// Bytes of a line of version 1 at most, its end included (§2.1).
const LINE_BYTES_MAX: usize = 107;

/// What begins version 2 (§2.2).
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Bytes of version 2 in front of its addresses.
const FIXED_BYTES: usize = 16;

/// A version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

impl Version {
    /// The names of all.
    pub const NAMES: &[&str] = &["v1", "v2"];

    /// Finds one by its name.
    pub fn called(name: &str) -> Option<Self> {
        let at = Self::NAMES.iter().position(|known| *known == name)?;
        [Self::V1, Self::V2].get(at).copied()
    }

    /// Returns the name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// A header that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Where the connection is for; `None` is the proxy itself, or nobody that has an address.
    pub ends: Option<Ends>,
    /// Bytes that it takes.
    pub len: usize,
}

/// The two ends of a client's connection, of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// The client.
    pub source: SocketAddr,
    /// Where it connected to.
    pub destination: SocketAddr,
}

impl Ends {
    /// Puts both into one family: the client's. A destination of another one is nowhere, but for
    /// its port.
    pub fn of(source: SocketAddr, destination: SocketAddr) -> Self {
        let is_same = source.is_ipv4() == destination.is_ipv4();
        let nowhere: IpAddr = match source {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let ip = if is_same { destination.ip() } else { nowhere };
        Self { source, destination: SocketAddr::new(ip, destination.port()) }
    }
}

/// Bytes that are no header, and cannot become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// Reads a header from the start of `bytes`; `None` asks for more of them.
///
/// # Errors
///
/// Fails as soon as they cannot become one that is read here.
pub fn read(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let begins = |with: &[u8]| {
        let len = with.len().min(bytes.len());
        bytes[..len] == with[..len]
    };
    if begins(&SIGNATURE) {
        read_v2(bytes)
    } else if begins(b"PROXY ") {
        read_v1(bytes)
    } else {
        Err(Malformed)
    }
}

fn read_v1(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let known = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
    let Some(end) = memchr::memchr(b'\n', known) else {
        let is_text = |byte: &u8| matches!(byte, b' '..=b'~');
        let text = known.strip_suffix(b"\r").unwrap_or(known);
        // What is no text is no line, wherever it ends.
        return match known.len() < LINE_BYTES_MAX && text.iter().all(is_text) {
            true => Ok(None),
            false => Err(Malformed),
        };
    };
    let line = known[..end].strip_suffix(b"\r").ok_or(Malformed)?;
    if !line.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(Malformed);
    }
    let line = str::from_utf8(line).map_err(|_| Malformed)?;
    let mut words = line.split(' ').skip(1);
    let is_v4 = match words.next() {
        Some("TCP4") => true,
        Some("TCP6") => false,
        // Whatever follows is to be ignored.
        Some("UNKNOWN") => return Ok(Some(Header { ends: None, len: end + 1 })),
        _ => return Err(Malformed),
    };
    let mut ip = || {
        let ip: IpAddr = words.next()?.parse().ok()?;
        (ip.is_ipv4() == is_v4).then_some(ip)
    };
    let (source, destination) = (ip().ok_or(Malformed)?, ip().ok_or(Malformed)?);
    let mut port = || {
        let word = words.next()?;
        let is_plain = word == "0" || !word.starts_with(['0', '+']);
        word.parse::<u16>().ok().filter(|_| is_plain)
    };
    let (from, to) = (port().ok_or(Malformed)?, port().ok_or(Malformed)?);
    if words.next().is_some() {
        return Err(Malformed);
    }
    let (source, destination) = (SocketAddr::new(source, from), SocketAddr::new(destination, to));
    Ok(Some(Header { ends: Some(Ends { source, destination }), len: end + 1 }))
}

fn read_v2(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let Some(&about) = bytes.get(12) else { return Ok(None) };
    let is_local = match about {
        0x20 => true,
        0x21 => false,
        _ => return Err(Malformed),
    };
    let Some(fixed) = bytes.get(..FIXED_BYTES) else { return Ok(None) };
    let family = fixed[13];
    let rest = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    let addresses = match family {
        _ if is_local => 0, // What is said of it is to be ignored.
        0x11 => 12,
        0x21 => 36,
        _ => 0,
    };
    if rest < addresses || FIXED_BYTES + rest > BYTES_MAX {
        return Err(Malformed);
    }
    let len = FIXED_BYTES + rest;
    let Some(said) = bytes.get(FIXED_BYTES..len) else { return Ok(None) };
    let port = |at: usize| u16::from_be_bytes([said[at], said[at + 1]]);
    let ends = match addresses {
        12 => {
            let ip = |at: usize| <[u8; 4]>::try_from(&said[at..at + 4]).ok().map(IpAddr::from);
            ip(0).zip(ip(4)).map(|pair| (pair, port(8), port(10)))
        }
        36 => {
            let ip = |at: usize| <[u8; 16]>::try_from(&said[at..at + 16]).ok().map(IpAddr::from);
            ip(0).zip(ip(16)).map(|pair| (pair, port(32), port(34)))
        }
        // A datagram, a socket of a machine's own, or a family that nobody knows yet.
        _ => None,
    };
    let ends = ends.map(|((source, destination), from, to)| Ends {
        source: SocketAddr::new(source, from),
        destination: SocketAddr::new(destination, to),
    });
    Ok(Some(Header { ends, len }))
}

/// Writes a header for a client's connection; `None` is a connection of the proxy's own.
pub fn write(version: Version, ends: Option<Ends>) -> Vec<u8> {
    match version {
        Version::V1 => write_v1(ends),
        Version::V2 => write_v2(ends),
    }
}

fn write_v1(ends: Option<Ends>) -> Vec<u8> {
    let Some(Ends { source, destination }) = ends else { return b"PROXY UNKNOWN\r\n".to_vec() };
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.port(), destination.port());
    format!("PROXY {family} {} {} {from} {to}\r\n", source.ip(), destination.ip()).into_bytes()
}

fn write_v2(ends: Option<Ends>) -> Vec<u8> {
    let mut out = SIGNATURE.to_vec();
    let Some(Ends { source, destination }) = ends else {
        out.extend_from_slice(&[0x20, 0, 0, 0]);
        return out;
    };
    match (source.ip(), destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            out.extend_from_slice(&[0x21, 0x11, 0, 12]);
            out.extend_from_slice(&source.octets());
            out.extend_from_slice(&destination.octets());
        }
        (source, destination) => {
            let octets = |ip: IpAddr| match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                IpAddr::V6(ip) => ip.octets(),
            };
            out.extend_from_slice(&[0x21, 0x21, 0, 36]);
            out.extend_from_slice(&octets(source));
            out.extend_from_slice(&octets(destination));
        }
    }
    out.extend_from_slice(&source.port().to_be_bytes());
    out.extend_from_slice(&destination.port().to_be_bytes());
    out
}

#[cfg(test)]
mod tests;
