//! Files of certificates and keys: reading them, and saying what is wrong with them.

use rustls::pki_types::pem::{self, PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use sha2::{Digest, Sha256};

/// Reads a file, or says why it cannot.
pub type Reader<'r> = &'r dyn Fn(&str) -> Result<Vec<u8>, String>;

/// Which file something is about: how the reader of a configuration finds the line that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A certificate, by its place in the list.
    Certificate(usize),
    /// Its key.
    Key(usize),
    /// Its OCSP response.
    Ocsp(usize),
    /// Who vouches for the other side.
    Ca,
    /// Which certificates of the other side count no more.
    Crl,
    /// The keys for tickets.
    TicketKeys,
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub part: Part,
    /// Whether it cannot be used; else it is only odd.
    pub is_error: bool,
    /// Whether it is a matter of time: of the same file it may be said, or not, some other day.
    pub is_of_time: bool,
    /// The cause, in one line.
    pub cause: String,
    /// What to do, in one line.
    pub hint: String,
}

/// What files say is summed up in so many bytes: two readings are the same if these are.
pub type Sum = [u8; 32];

/// The sum of files that were not read.
pub(super) const UNREAD: Sum = [0; 32];

/// Says whether two readings are the same, as far as both were made.
pub(super) fn same(a: &Sum, b: &Sum) -> bool {
    a == b || *a == UNREAD || *b == UNREAD
}

/// A reading of several files that goes on after a fault, so that all come up at once.
pub struct Reading<'r> {
    read: Reader<'r>,
    sum: Sha256,
    /// What was found wrong.
    pub faults: Vec<Fault>,
}

impl<'r> Reading<'r> {
    /// Begins.
    pub fn new(read: Reader<'r>) -> Self {
        Self { read, sum: Sha256::new(), faults: Vec::new() }
    }

    /// Says that a file cannot be used.
    pub fn error(&mut self, part: Part, cause: impl Into<String>, hint: impl Into<String>) {
        let (cause, hint) = (cause.into(), hint.into());
        self.faults.push(Fault { part, is_error: true, is_of_time: false, cause, hint });
    }

    /// Says that a file is odd.
    pub fn warn(&mut self, part: Part, cause: impl Into<String>, hint: impl Into<String>) {
        let (cause, hint) = (cause.into(), hint.into());
        self.faults.push(Fault { part, is_error: false, is_of_time: false, cause, hint });
    }

    /// Says that a file is odd today.
    pub fn warn_of_time(&mut self, part: Part, cause: String, hint: &str) {
        let hint = hint.to_owned();
        self.faults.push(Fault { part, is_error: false, is_of_time: true, cause, hint });
    }

    /// Counts something that is in no file of its own.
    pub fn count(&mut self, bytes: &[u8]) {
        self.sum.update((bytes.len() as u64).to_be_bytes());
        self.sum.update(bytes);
    }

    /// Returns the sum of everything read so far.
    pub fn sum(&self) -> Sum {
        self.sum.clone().finalize().into()
    }

    /// Says whether nothing that was read is beyond use.
    pub fn is_usable(&self) -> bool {
        !self.faults.iter().any(|fault| fault.is_error)
    }

    /// Reads a file.
    pub fn bytes(&mut self, part: Part, path: &str) -> Option<Vec<u8>> {
        match (self.read)(path) {
            Ok(bytes) => {
                self.count(&bytes);
                Some(bytes)
            }
            Err(why) => {
                let hint = match part {
                    Part::Key(_) | Part::TicketKeys => {
                        "check the path, and that the user that Nexus runs as may read it"
                    }
                    _ => "check path and permissions; a path is relative to the file that names it",
                };
                self.error(part, format!("cannot read `{path}`: {why}"), hint);
                None
            }
        }
    }

    /// Reads a file of certificates, of which there is one at least.
    pub fn certificates(&mut self, part: Part, path: &str) -> Option<Vec<CertificateDer<'static>>> {
        let bytes = self.bytes(part, path)?;
        match CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>() {
            Ok(all) if !all.is_empty() => return Some(all),
            Ok(_) if kinds(&bytes).any(is_key) => {
                let cause = format!("`{path}` holds a private key, and no certificate");
                self.error(
                    part,
                    cause,
                    "name the certificate's file here; `cert` and `key` may be swapped",
                );
            }
            Ok(_) => {
                let cause = format!("`{path}` holds no certificate in PEM form");
                let hint = "it begins with `-----BEGIN CERTIFICATE-----`; `openssl x509 -inform der -in OLD -out NEW` makes PEM of DER";
                self.error(part, cause, hint);
            }
            Err(why) => self.broken(part, path, &why),
        }
        None
    }

    /// Reads a file with a private key in it.
    pub fn key(&mut self, part: Part, path: &str) -> Option<PrivateKeyDer<'static>> {
        let bytes = self.bytes(part, path)?;
        match PrivateKeyDer::from_pem_slice(&bytes) {
            Ok(_) if is_locked(&bytes) => self.locked(part, path),
            Ok(key) => return Some(key),
            Err(pem::Error::NoItemsFound) if is_locked(&bytes) => self.locked(part, path),
            Err(pem::Error::NoItemsFound) => {
                let cause = format!("`{path}` holds no private key in PEM form");
                let hint = "name the file that begins with `-----BEGIN PRIVATE KEY-----`, `… RSA PRIVATE KEY-----` or `… EC PRIVATE KEY-----`";
                self.error(part, cause, hint);
            }
            Err(why) => self.broken(part, path, &why),
        }
        None
    }

    /// Reads a file of revocation lists, as PEM or as one in DER.
    pub fn lists(
        &mut self,
        part: Part,
        path: &str,
    ) -> Option<Vec<CertificateRevocationListDer<'static>>> {
        let bytes = self.bytes(part, path)?;
        if bytes.first() == Some(&DER_SEQUENCE) {
            return Some(vec![bytes.into()]);
        }
        match CertificateRevocationListDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>() {
            Ok(all) if !all.is_empty() => return Some(all),
            Ok(_) => {
                let cause = format!("`{path}` holds no revocation list");
                self.error(part, cause, "name a file that begins with `-----BEGIN X509 CRL-----`");
            }
            Err(why) => self.broken(part, path, &why),
        }
        None
    }

    fn locked(&mut self, part: Part, path: &str) {
        let cause = format!("the key in `{path}` is locked with a passphrase");
        let hint = "Nexus asks for none: `openssl pkey -in OLD -out NEW` unlocks it; let only Nexus read the new file";
        self.error(part, cause, hint);
    }

    fn broken(&mut self, part: Part, path: &str, why: &pem::Error) {
        let why = match why {
            pem::Error::MissingSectionEnd { .. } => "a part has a beginning and no end".to_owned(),
            pem::Error::IllegalSectionStart { .. } => {
                "a line that begins a part is broken".to_owned()
            }
            // What it quotes may be of a key.
            pem::Error::Base64Decode(_) => "what is between two lines is not base64".to_owned(),
            other => other.to_string(),
        };
        let hint = "copy it again from where it comes from, with its `BEGIN` and `END` lines";
        self.error(part, format!("`{path}` is not PEM: {why}"), hint);
    }
}

/// The first byte of every certificate, list and response in DER (X.690 §8.9).
pub(super) const DER_SEQUENCE: u8 = 0x30;

fn kinds(bytes: &[u8]) -> impl Iterator<Item = SectionKind> {
    <(SectionKind, Vec<u8>)>::pem_slice_iter(bytes).filter_map(|item| Some(item.ok()?.0))
}

fn is_key(kind: SectionKind) -> bool {
    matches!(kind, SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey)
}

/// Says whether a key is encrypted, in the form of PKCS #8 or in the older one (RFC 1421 §4.6.1.1).
fn is_locked(bytes: &[u8]) -> bool {
    let has = |word: &[u8]| memchr::memmem::find(bytes, word).is_some();
    has(b"BEGIN ENCRYPTED PRIVATE KEY") || has(b"Proc-Type: 4,ENCRYPTED")
}
