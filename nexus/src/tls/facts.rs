//! What is worth knowing of a certificate, for logs, status and `nexus check`.

use std::time::{Duration, SystemTime};

use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use crate::tls::words::{self, Alternative};

/// What is worth knowing of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The file that it is from.
    pub path: String,
    /// The names that it is for, in lower case: hosts, perhaps with `*.` in front, and addresses.
    pub names: Vec<String>,
    /// Its subject, as RFC 4514 writes it.
    pub subject: String,
    /// From when it counts.
    pub not_before: SystemTime,
    /// Until when it counts.
    pub not_after: SystemTime,
    /// What kind of key it has, such as `ECDSA 256` or `RSA 2048`.
    pub key: String,
    /// Whether it is for clients that ask for no name, or for none that is known.
    pub is_default: bool,
}

impl CertificateFacts {
    /// Reads a certificate, as DER, that came from the file at `path`; `None` if it is none.
    pub fn read(path: &str, der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let name = |name| match name {
            Alternative::Dns(name) => Some(name.to_ascii_lowercase()),
            Alternative::Ip(address) => Some(address.to_string()),
            Alternative::Other(_) => None,
        };
        let validity = certificate.validity();
        Some(Self {
            path: path.to_owned(),
            names: words::alternatives(&certificate).into_iter().filter_map(name).collect(),
            subject: words::name(certificate.subject()),
            not_before: time(validity.not_before),
            not_after: time(validity.not_after),
            key: key(&certificate),
            is_default: false,
        })
    }

    /// Returns its names for people, or its subject if it has none.
    pub fn title(&self) -> String {
        if self.names.is_empty() { self.subject.clone() } else { self.names.join(", ") }
    }
}

/// Times before 1970 count as 1970: both are over.
fn time(time: ASN1Time) -> SystemTime {
    let seconds = u64::try_from(time.timestamp()).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn key(certificate: &X509Certificate<'_>) -> String {
    let found = certificate.public_key();
    match found.parsed() {
        Ok(PublicKey::RSA(key)) => format!("RSA {}", key.key_size()),
        Ok(PublicKey::EC(key)) => format!("ECDSA {}", key.key_size()),
        _ if found.algorithm.algorithm.to_id_string() == "1.3.101.112" => "Ed25519".to_owned(),
        _ => found.algorithm.algorithm.to_id_string(),
    }
}
