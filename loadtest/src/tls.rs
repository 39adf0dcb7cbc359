//! TLS: whom to trust, and whether sessions are resumed.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::kx_group;
use rustls::crypto::{
    CryptoProvider, SupportedKxGroup, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;

use crate::cli::{Args, Group};
use crate::target::Target;

/// What handshakes are made of.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) connector: TlsConnector,
    /// Whom we want to talk to.
    pub(crate) name: ServerName<'static>,
    pub(crate) resumes: bool,
}

impl Tls {
    pub(crate) fn new(args: &Args, target: &Target) -> Result<Self> {
        let name = ServerName::try_from(target.host.clone());
        let name = name.with_context(|| format!("'{}' is no name for TLS", target.host))?;
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        if !args.groups.is_empty() {
            provider.kx_groups = args.groups.iter().map(|group| group.exchange()).collect();
        }
        let provider = Arc::new(provider);
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let mut config = if args.insecure {
            let trusting = Arc::new(Trusting(provider));
            builder.dangerous().with_custom_certificate_verifier(trusting).with_no_client_auth()
        } else {
            builder.with_root_certificates(roots(args.ca.as_deref())?).with_no_client_auth()
        };
        if !args.resume {
            config.resumption = Resumption::disabled();
        }
        config.alpn_protocols =
            vec![if args.http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name, resumes: args.resume })
    }
}

impl Group {
    fn exchange(self) -> &'static dyn SupportedKxGroup {
        match self {
            Self::X25519 => kx_group::X25519,
            Self::Secp256r1 => kx_group::SECP256R1,
            Self::Secp384r1 => kx_group::SECP384R1,
            Self::X25519MlKem768 => kx_group::X25519MLKEM768,
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Who may sign: those in the file, or else those that the system trusts.
fn roots(file: Option<&Path>) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let Some(file) = file else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            bail!("the system trusts no certificates: give some with --ca, or use --insecure");
        }
        return Ok(roots);
    };
    let read = CertificateDer::pem_file_iter(file);
    for certificate in read.with_context(|| format!("--ca {}", file.display()))? {
        let certificate = certificate.with_context(|| format!("--ca {}", file.display()))?;
        roots.add(certificate).with_context(|| format!("--ca {}", file.display()))?;
    }
    if roots.is_empty() {
        bail!("--ca {}: there is no certificate in it", file.display());
    }
    Ok(roots)
}

/// Trusts whatever comes, as long as it has the key to its certificate.
#[derive(Debug)]
struct Trusting(Arc<CryptoProvider>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
