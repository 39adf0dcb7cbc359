//! TLS for those who ask for it: with a certificate from files, or one made at the start.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{HandshakeKind, ProtocolVersion, ServerConfig, ServerConnection};
use tokio_rustls::TlsAcceptor;

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Certificate and key in PEM; none: both are made.
    pub(crate) files: Option<(PathBuf, PathBuf)>,
    /// Where the certificate goes that was made, and its key.
    pub(crate) cert_out: Option<PathBuf>,
    pub(crate) key_out: Option<PathBuf>,
    pub(crate) alpn: Vec<String>,
}

/// What came of a handshake.
#[derive(Clone, Debug)]
pub(crate) struct Agreed {
    pub(crate) version: &'static str,
    pub(crate) sni: Option<String>,
    pub(crate) alpn: Option<String>,
    pub(crate) is_resumed: bool,
}

impl Agreed {
    pub(crate) fn of(connection: &ServerConnection) -> Self {
        Self {
            version: match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
                Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
                _ => "unknown",
            },
            sni: connection.server_name().map(str::to_owned),
            alpn: connection.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
            is_resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }

    /// As an echo shows it.
    pub(crate) fn show(&self) -> String {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
        let (version, resumed) = (self.version, self.is_resumed);
        let (sni, alpn) = (or_none(&self.sni), or_none(&self.alpn));
        format!("{version}; sni={sni}; alpn={alpn}; resumed={resumed}")
    }
}

/// Makes what does the handshakes, for a server at `address` (none for a Unix socket).
pub(crate) fn acceptor(wanted: &Wanted, address: Option<SocketAddr>) -> Result<TlsAcceptor> {
    let (chain, key) = match &wanted.files {
        Some((certificate, key)) => read(certificate, key)?,
        None => make(address, wanted)?,
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("the certificate and the key do not belong together")?;
    config.alpn_protocols = wanted.alpn.iter().map(|name| name.clone().into_bytes()).collect();
    Ok(TlsAcceptor::from(Arc::new(config)))
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn read(certificate: &Path, key: &Path) -> Result<Identity> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(certificate)
        .with_context(|| format!("cannot read {}", certificate.display()))?
        .collect();
    let chain = chain.with_context(|| format!("{}", certificate.display()))?;
    anyhow::ensure!(!chain.is_empty(), "{} has no certificate in it", certificate.display());
    let key = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("cannot read a key from {}", key.display()))?;
    Ok((chain, key))
}

/// A certificate (ECDSA P-256) that signs itself, for the names by which a test would call us.
fn make(address: Option<SocketAddr>, wanted: &Wanted) -> Result<Identity> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.extend(address.map(|address| address.ip().to_string()).filter(|ip| !names.contains(ip)));
    let made = rcgen::generate_simple_self_signed(names).context("cannot make a certificate")?;
    let write = |path: &Path, text: String| {
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    if let Some(path) = &wanted.key_out {
        write(path, made.signing_key.serialize_pem())?;
    }
    if let Some(path) = &wanted.cert_out {
        write(path, made.cert.pem())?;
    }
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())
        .map_err(|error| anyhow::anyhow!("the key that was made: {error}"))?;
    Ok((vec![made.cert.into()], key))
}
