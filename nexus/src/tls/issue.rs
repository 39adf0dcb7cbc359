//! Certificates for development and tests: an authority of one's own, and what it issues.
//!
//! Why not for production? Nobody but whoever trusts the authority's file by hand accepts them.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, Error, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, RsaKeySize,
};

/// For how long an authority counts: longer than most who try something out.
const AUTHORITY_DAYS: u32 = 3650;

/// By how much clocks may be behind that of whoever makes a certificate.
const CLOCKS_DIFFER_MAX: Duration = Duration::from_secs(3600);

const DAY: Duration = Duration::from_secs(24 * 3600);

/// An authority that issues certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: Pair,
}

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub struct Pair {
    /// The certificate.
    pub cert: String,
    /// The private key.
    pub key: String,
}

/// What kind of key a certificate has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyKind {
    /// ECDSA on P-256: small and fast, and known everywhere.
    #[default]
    Ecdsa,
    /// RSA of 2048 bits, for clients that know nothing else.
    Rsa,
}

/// What is to be issued.
#[derive(Debug, Clone)]
pub struct Order<'a> {
    /// Who it is for: hosts and addresses of a server, or the name of a client.
    pub names: &'a [String],
    /// Whether it is for a client.
    pub is_client: bool,
    /// From when it counts.
    pub from: SystemTime,
    /// Until when.
    pub until: SystemTime,
    /// What key it has.
    pub key: KeyKind,
}

impl<'a> Order<'a> {
    /// Returns an order for a server's certificate that counts from now on for so many days.
    pub fn server(names: &'a [String], days: u32) -> Self {
        let (from, until) = times(days);
        Self { names, is_client: false, from, until, key: KeyKind::default() }
    }

    /// The same for a client's.
    pub fn client(names: &'a [String], days: u32) -> Self {
        Self { is_client: true, ..Self::server(names, days) }
    }
}

fn times(days: u32) -> (SystemTime, SystemTime) {
    let now = SystemTime::now();
    (now - CLOCKS_DIFFER_MAX, now + DAY * days)
}

impl Authority {
    /// Makes a new one.
    ///
    /// # Errors
    ///
    /// Fails if the system has no randomness.
    pub fn make() -> Result<Self, Error> {
        let key = KeyPair::generate()?;
        let (from, until) = times(AUTHORITY_DAYS);
        let mut params = dated(CertificateParams::default(), from, until);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        // Two on one machine are told apart.
        let name = format!("Nexus development CA {:04x}", fastrand::u16(..));
        params.distinguished_name.remove(DnType::CommonName);
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = Pair { cert: params.self_signed(&key)?.pem(), key: key.serialize_pem() };
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// Takes one up that was made before.
    ///
    /// # Errors
    ///
    /// Fails if the two are none.
    pub fn of(pem: Pair) -> Result<Self, Error> {
        let key = KeyPair::from_pem(&pem.key)?;
        Ok(Self { issuer: Issuer::from_ca_cert_pem(&pem.cert, key)?, pem })
    }

    /// Returns its own certificate and key.
    pub fn pem(&self) -> &Pair {
        &self.pem
    }

    /// Returns what signs for it.
    pub fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }

    /// Issues a certificate.
    ///
    /// # Errors
    ///
    /// Fails if a name can be none in a certificate.
    pub fn issue(&self, order: &Order<'_>) -> Result<Pair, Error> {
        let key = match order.key {
            KeyKind::Ecdsa => KeyPair::generate()?,
            KeyKind::Rsa => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048)?,
        };
        let (names, usage) = match order.is_client {
            true => (Vec::new(), ExtendedKeyUsagePurpose::ClientAuth),
            false => (order.names.to_vec(), ExtendedKeyUsagePurpose::ServerAuth),
        };
        let mut params = dated(CertificateParams::new(names)?, order.from, order.until);
        params.distinguished_name.remove(DnType::CommonName);
        if let Some(first) = order.names.first() {
            params.distinguished_name.push(DnType::CommonName, first.as_str());
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let cert = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Pair { cert, key: key.serialize_pem() })
    }
}

fn dated(mut params: CertificateParams, from: SystemTime, until: SystemTime) -> CertificateParams {
    let since = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + since(from);
    params.not_after = epoch + since(until);
    params
}
