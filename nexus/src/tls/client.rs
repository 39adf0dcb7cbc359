//! The certificate that a client showed, as text for a backend.

use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::tls::words;

/// Bytes of a subject at most: more than any directory uses, and it has to fit beside the other
/// fields of a head.
const SUBJECT_BYTES_MAX: usize = 1024;

/// Bytes of one alternative name at most: a DNS name has 253, a SPIFFE ID up to 2048 that nobody
/// needs.
const NAME_BYTES_MAX: usize = 512;

/// Alternative names at most, for the same reason.
const NAMES_MAX: usize = 16;

/// Who a client is by its certificate. All of it is visible ASCII and spaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Its subject, as RFC 4514 writes it; empty if it has none, or one that is too long. Cutting
    /// it off could make one name of two.
    pub subject: String,
    /// Its alternative names, such as `DNS:a.example` and `URI:spiffe://a/b`, without `,` and
    /// spaces in them; those that are too long, or too many, are left out.
    pub san: Vec<String>,
    /// The SHA-256 of it, as 64 hexadecimal digits.
    pub fingerprint: String,
}

impl ClientCertificate {
    /// Reads a certificate, as DER; `None` if it is none.
    pub fn read(der: &[u8]) -> Option<Self> {
        let (rest, certificate) = X509Certificate::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let subject = words::name(certificate.subject());
        let names = words::alternatives(&certificate).into_iter().map(|name| name.to_string());
        Some(Self {
            subject: Some(subject)
                .filter(|subject| subject.len() <= SUBJECT_BYTES_MAX)
                .unwrap_or_default(),
            san: names.filter(|name| name.len() <= NAME_BYTES_MAX).take(NAMES_MAX).collect(),
            fingerprint: words::hex(&Sha256::digest(der)),
        })
    }
}
