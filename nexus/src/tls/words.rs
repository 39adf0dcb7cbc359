//! Names in certificates as text: subjects as RFC 4514 writes them, alternative names with their
//! kind in front. Pure.
//!
//! What is in a certificate was chosen by whoever made it, and the text goes into fields and logs:
//! nothing but visible ASCII and the space comes out of here, everything else is escaped.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// The types that have a short name (RFC 4514 §3).
const TYPES: [(&str, &str); 9] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.6", "C"),
    ("2.5.4.9", "STREET"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
];

/// Writes a name, its last part first.
pub(super) fn name(name: &X509Name<'_>) -> String {
    let part = |part: &x509_parser::x509::RelativeDistinguishedName<'_>| {
        part.iter().map(attribute).collect::<Vec<_>>().join("+")
    };
    let mut parts: Vec<_> = name.iter_rdn().map(part).collect();
    parts.reverse();
    parts.join(",")
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let oid = attribute.attr_type().to_id_string();
    let short = TYPES.iter().find(|(known, _)| *known == oid).map(|(_, short)| *short);
    match (short, attribute.as_str()) {
        (Some(short), Ok(text)) => format!("{short}={}", escaped(text)),
        // Whoever does not know the type cannot know what its text means (RFC 4514 §2.4).
        _ => format!("{}=#{}", short.unwrap_or(&oid), hex(attribute.as_slice())),
    }
}

/// Escapes what would mean something else in a name (RFC 4514 §2.4).
fn escaped(text: &str) -> String {
    let mut out = String::new();
    let last = text.len().saturating_sub(1);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\' => {
                out.extend(['\\', char::from(byte)]);
            }
            b' ' if at == 0 || at == last => out.push_str("\\ "),
            b'#' if at == 0 => out.push_str("\\#"),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => push_hex(&mut out, byte),
        }
    }
    out
}

/// Escapes what is not visible ASCII, and what separates names in a list.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'\\' | b',' => push_hex(&mut out, byte),
            b'!'..=b'~' => out.push(char::from(byte)),
            _ => push_hex(&mut out, byte),
        }
    }
    out
}

fn push_hex(out: &mut String, byte: u8) {
    let _ = write!(out, "\\{byte:02X}");
}

/// Writes bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// A name that a certificate is for (RFC 5280 §4.2.1.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Alternative {
    /// A host, perhaps with `*.` in front.
    Dns(String),
    /// An address.
    Ip(std::net::IpAddr),
    /// Something else, with its kind in front: `URI:spiffe://…`.
    Other(String),
}

impl std::fmt::Display for Alternative {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dns(name) => write!(f, "DNS:{name}"),
            Self::Ip(address) => write!(f, "IP:{address}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// Returns the names that a certificate is for; what it says in an unreadable way is left out.
pub(super) fn alternatives(certificate: &X509Certificate<'_>) -> Vec<Alternative> {
    let found = certificate.subject_alternative_name().ok().flatten();
    let names = found.iter().flat_map(|found| &found.value.general_names);
    names.filter_map(alternative).collect()
}

fn alternative(name: &GeneralName<'_>) -> Option<Alternative> {
    Some(match name {
        GeneralName::DNSName(name) => Alternative::Dns(plain(name)),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(|bytes| Ipv4Addr::from(bytes).into());
            let v6 = || <[u8; 16]>::try_from(*bytes).map(|bytes| Ipv6Addr::from(bytes).into());
            Alternative::Ip(v4.or_else(|_| v6()).ok()?)
        }
        GeneralName::RFC822Name(text) => Alternative::Other(format!("email:{}", plain(text))),
        GeneralName::URI(text) => Alternative::Other(format!("URI:{}", plain(text))),
        _ => return None,
    })
}
