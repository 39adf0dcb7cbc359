//! One certificate with its chain and its key, from files to what signs handshakes.

use std::sync::Arc;
use std::time::SystemTime;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};

use crate::tls::facts::CertificateFacts;
use crate::tls::files::{DER_SEQUENCE, Part, Reading};
use crate::tls::provider;
use crate::tls::settings::CertificateFiles;

/// A certificate that can be used.
pub(super) struct Certificate {
    /// What signs with it.
    pub key: Arc<CertifiedKey>,
    /// What is worth knowing of it.
    pub facts: CertificateFacts,
}

/// Reads a certificate, its key and its OCSP response; it is the one at `at` in its list.
pub(super) fn read(
    files: &CertificateFiles,
    at: usize,
    now: SystemTime,
    reading: &mut Reading<'_>,
) -> Option<Certificate> {
    let chain = reading.certificates(Part::Certificate(at), &files.cert);
    let key = reading.key(Part::Key(at), &files.key).and_then(|key| load(key, files, at, reading));
    let ocsp = files.ocsp.as_ref().and_then(|path| ocsp(path, at, reading));
    let chain = chain?;
    let facts = facts(&chain, files, at, reading)?;
    check_time(&facts, at, now, reading);
    let key = key?;
    let certified = CertifiedKey { ocsp, ..CertifiedKey::new(chain, key) };
    if !belong_together(&certified) {
        mismatch(certified, files, at, reading);
        return None;
    }
    if facts.names.is_empty() {
        let cause = format!("the certificate in `{}` is for no name", files.cert);
        let hint =
            "clients accept only names in the subject alternative names: have it made with them";
        reading.warn(Part::Certificate(at), cause, hint);
    }
    Some(Certificate { key: Arc::new(certified), facts })
}

/// Makes a key ready to sign.
fn load(
    key: PrivateKeyDer<'static>,
    files: &CertificateFiles,
    at: usize,
    reading: &mut Reading<'_>,
) -> Option<Arc<dyn SigningKey>> {
    let loaded = provider().key_provider.load_private_key(key);
    if loaded.is_err() {
        let cause =
            format!("the key in `{}` is broken, or of a kind that TLS here has not", files.key);
        let hint = "use a key of ECDSA (P-256, P-384, P-521), Ed25519, or RSA of 2048 bits or more";
        reading.error(Part::Key(at), cause, hint);
    }
    loaded.ok()
}

/// Reads what is worth knowing, and refuses a chain with something broken in it.
fn facts(
    chain: &[CertificateDer<'static>],
    files: &CertificateFiles,
    at: usize,
    reading: &mut Reading<'_>,
) -> Option<CertificateFacts> {
    let all = chain.iter().map(|der| CertificateFacts::read(&files.cert, der));
    let all: Option<Vec<_>> = all.collect();
    let Some(facts) = all.and_then(|all| all.into_iter().next()) else {
        let cause = format!("a certificate in `{}` is broken", files.cert);
        reading.error(Part::Certificate(at), cause, "copy it again from where it comes from");
        return None;
    };
    Some(facts)
}

/// Warns of a certificate that clients refuse now: Nexus can serve with it, and who has several
/// would not want all of them down for one.
fn check_time(facts: &CertificateFacts, at: usize, now: SystemTime, reading: &mut Reading<'_>) {
    let stamp = |time| humantime::format_rfc3339_seconds(time);
    if facts.not_after <= now {
        let cause =
            format!("the certificate in `{}` expired at {}", facts.path, stamp(facts.not_after));
        let hint = "clients refuse it: renew it; Nexus takes the new files by itself";
        reading.warn_of_time(Part::Certificate(at), cause, hint);
    } else if facts.not_before > now {
        let since = stamp(facts.not_before);
        let cause = format!("the certificate in `{}` counts only from {since} on", facts.path);
        reading.warn_of_time(
            Part::Certificate(at),
            cause,
            "clients refuse it until then: check the clock",
        );
    }
}

fn belong_together(certified: &CertifiedKey) -> bool {
    use rustls::{Error, InconsistentKeys};
    // A key that does not show its public part is taken at its word.
    matches!(
        certified.keys_match(),
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown))
    )
}

/// Says that key and certificate do not belong together, and what may have been meant.
fn mismatch(
    certified: CertifiedKey,
    files: &CertificateFiles,
    at: usize,
    reading: &mut Reading<'_>,
) {
    let CertificateFiles { cert, key, .. } = files;
    let CertifiedKey { cert: chain, key: signing, .. } = certified;
    let is_its = |der: &CertificateDer<'static>| {
        belong_together(&CertifiedKey::new(vec![der.clone()], Arc::clone(&signing)))
    };
    match chain.iter().position(is_its) {
        Some(place) => {
            let cause = format!("`{key}` is the key of certificate {} in `{cert}`", place + 1);
            let hint =
                "put the server's own certificate first, then the one that issued it, and so on";
            reading.error(Part::Certificate(at), cause, hint);
        }
        None => {
            let cause = format!("`{key}` is not the key of the certificate in `{cert}`");
            let hint = "name the key that it was made with: `openssl x509 -noout -pubkey -in CERT` and `openssl pkey -pubout -in KEY` print the same";
            reading.error(Part::Key(at), cause, hint);
        }
    }
}

/// The field that says that a response is one: `responseStatus` is `successful` (RFC 6960 §4.2.1).
const OCSP_SUCCESSFUL: [u8; 3] = [0x0a, 0x01, 0x00];

/// Bytes of an OCSP response at most: it goes into every full handshake.
const OCSP_BYTES_MAX: usize = 16 << 10;

fn ocsp(path: &str, at: usize, reading: &mut Reading<'_>) -> Option<Vec<u8>> {
    let bytes = reading.bytes(Part::Ocsp(at), path)?;
    let length = match bytes.get(1) {
        Some(0x81) => 2,
        Some(0x82) => 3,
        _ => 1,
    };
    let is_one = bytes.first() == Some(&DER_SEQUENCE)
        && bytes.get(1 + length..).is_some_and(|rest| rest.starts_with(&OCSP_SUCCESSFUL))
        && bytes.len() <= OCSP_BYTES_MAX;
    if !is_one {
        let cause = format!("`{path}` is no successful OCSP response in DER form");
        let hint = "fetch it with `openssl ocsp -issuer CA -cert CERT -url URL -respout FILE`";
        reading.error(Part::Ocsp(at), cause, hint);
    }
    is_one.then_some(bytes)
}
