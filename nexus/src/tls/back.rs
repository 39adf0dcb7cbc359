//! TLS of a pool: how Nexus speaks to its backends.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{
    ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    WantsVerifier,
};

use crate::tls::certificate;
use crate::tls::facts::CertificateFacts;
use crate::tls::files::{Fault, Part, Reader, Reading, Sum, UNREAD, same};
use crate::tls::front::{alpn, roots};
use crate::tls::provider;
use crate::tls::settings::BackendTls;

/// Sessions with backends that are remembered: a few for each of as many as a pool has.
const SESSIONS_MAX: usize = 1024;

/// TLS of a pool. It lives as long as its settings; what its files say is swapped.
pub struct Back {
    settings: BackendTls,
    current: ArcSwap<Calling>,
}

/// What the files of a pool say.
struct Calling {
    config: Arc<ClientConfig>,
    /// Nexus's own certificate, if it shows one.
    certificate: Option<CertificateFacts>,
    sum: Sum,
}

impl Back {
    /// Reads all files, or whom the system trusts. All that is wrong or odd with them comes along;
    /// with an error in it there is no back.
    pub fn read(settings: BackendTls, read: Reader<'_>) -> (Option<Self>, Vec<Fault>) {
        let (calling, faults) = Calling::read(&settings, read);
        let back = |calling| Self { settings, current: ArcSwap::from_pointee(calling) };
        (calling.map(back), faults)
    }

    /// Makes one of which the files are elsewhere: it compares by its settings alone, and calls
    /// nobody.
    pub fn unread(settings: BackendTls) -> Self {
        let config = builder().with_root_certificates(RootCertStore::empty());
        let config = config.with_no_client_auth();
        let calling = Calling { config: Arc::new(config), certificate: None, sum: UNREAD };
        Self { settings, current: ArcSwap::from_pointee(calling) }
    }

    /// Returns what it is set to.
    pub fn settings(&self) -> &BackendTls {
        &self.settings
    }

    /// Returns what a handshake that begins now goes by.
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.current.load().config)
    }

    /// Returns the name to ask a backend at `host` for, and to verify: the one that is set, or its
    /// own. An address is verified, but not asked for (RFC 6066 §3). `None` is no name at all.
    pub fn server_name(&self, host: &str) -> Option<ServerName<'static>> {
        let name = self.settings.name.as_deref().unwrap_or(host);
        let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        ServerName::try_from(name).ok().map(|name| name.to_owned())
    }

    /// Returns what is worth knowing of Nexus's own certificate, if it shows one.
    pub fn certificate(&self) -> Option<CertificateFacts> {
        self.current.load().certificate.clone()
    }

    /// Reads all files again, and goes by them from now on. Says whether they were others; what is
    /// odd with them comes along.
    ///
    /// # Errors
    ///
    /// Returns all that is wrong with them; then nothing has changed.
    pub fn reread(&self, read: Reader<'_>) -> Result<(bool, Vec<Fault>), Vec<Fault>> {
        match Calling::read(&self.settings, read) {
            (Some(calling), faults) => Ok((self.put(Arc::new(calling)), faults)),
            (None, faults) => Err(faults),
        }
    }

    /// Goes from now on by what `other`, of the same settings, has read; says whether that differs.
    pub fn adopt(&self, other: &Self) -> bool {
        self.put(other.current.load_full())
    }

    fn put(&self, calling: Arc<Calling>) -> bool {
        let is_other = self.current.load().sum != calling.sum;
        if is_other {
            self.current.store(calling);
        }
        is_other
    }
}

/// Two are the same if they are set to the same, and their files say the same.
impl PartialEq for Back {
    fn eq(&self, other: &Self) -> bool {
        self.settings == other.settings && same(&self.current.load().sum, &other.current.load().sum)
    }
}

impl fmt::Debug for Back {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}

impl Calling {
    fn read(settings: &BackendTls, read: Reader<'_>) -> (Option<Self>, Vec<Fault>) {
        let mut reading = Reading::new(read);
        let verifier = verifier(settings, &mut reading);
        let now = SystemTime::now();
        let own = settings.certificate.as_ref();
        let own = own.and_then(|files| certificate::read(files, 0, now, &mut reading));
        let (Some(verifier), true) = (verifier, reading.is_usable()) else {
            return (None, reading.faults);
        };
        let builder = builder().dangerous().with_custom_certificate_verifier(verifier);
        let (key, certificate) = own.map(|own| (own.key, own.facts)).unzip();
        let mut config = match key {
            Some(key) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key))),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = alpn(&settings.alpn);
        config.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
        let calling = Self { config: Arc::new(config), certificate, sum: reading.sum() };
        (Some(calling), reading.faults)
    }
}

fn builder() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider has ciphers for both versions")
}

fn verifier(
    settings: &BackendTls,
    reading: &mut Reading<'_>,
) -> Option<Arc<dyn ServerCertVerifier>> {
    if settings.insecure {
        return Some(Arc::new(Anybody));
    }
    let roots = match &settings.ca {
        Some(path) => roots(path, reading),
        None => trusted_by_system(reading),
    }?;
    let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
    if let Err(why) = &built {
        let cause = format!("no backend can be verified: {why}");
        reading.error(Part::Ca, cause, "name a file of certificates of authorities with `ca`");
    }
    Some(built.ok()?)
}

/// Returns whom the system trusts.
fn trusted_by_system(reading: &mut Reading<'_>) -> Option<RootCertStore> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    for certificate in &found.certs {
        reading.count(certificate);
    }
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map(|why| format!(": {why}")).unwrap_or_default();
        let cause = format!("this system trusts nobody, so no backend can be verified{why}");
        let hint = "install its certificates (the package is often called `ca-certificates`), or name a file with `ca`";
        reading.error(Part::Ca, cause, hint);
    }
    (added > 0).then_some(roots)
}

/// Takes anybody for the backend.
#[derive(Debug)]
pub(super) struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
