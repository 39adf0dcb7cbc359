//! An authority for one run of the tests, and what it makes of everybody.

use std::sync::{Arc, OnceLock};

use nexus::tls::issue::{self, Order, Pair};
use nexus::tls::{Back, BackendTls, CertificateFiles, Front, ListenerTls, Protocol, provider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What is different about a listener.
pub(crate) type Change = fn(&mut ListenerTls);

/// An authority that everybody trusts, and a certificate for everything on this machine.
pub(crate) struct Secrets {
    authority: issue::Authority,
    pair: Pair,
    /// What the authority says of the certificate, once it was asked.
    ocsp: OnceLock<Vec<u8>>,
}

impl Secrets {
    pub(crate) fn new() -> Self {
        let authority = issue::Authority::make().expect("the system has randomness");
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let pair = authority.issue(&Order::server(&names, 30)).expect("these are names");
        Self { authority, pair, ocsp: OnceLock::new() }
    }

    /// Returns the authority's certificate.
    pub(crate) fn authority(&self) -> &str {
        &self.authority.pem().cert
    }

    /// Returns the authority's key.
    pub(crate) fn authority_key(&self) -> &str {
        &self.authority.pem().key
    }

    /// Returns the certificate of everything on this machine.
    pub(crate) fn certificate(&self) -> &str {
        &self.pair.cert
    }

    /// Puts the file `ocsp` where a listener may read it.
    pub(crate) fn staple(&self, response: Vec<u8>) {
        let _ = self.ocsp.set(response);
    }

    fn reader(&self) -> impl Fn(&str) -> Result<Vec<u8>, String> + '_ {
        |path| match path {
            "cert" => Ok(self.pair.cert.clone().into_bytes()),
            "key" => Ok(self.pair.key.clone().into_bytes()),
            "ocsp" => self.ocsp.get().cloned().ok_or_else(|| "no such file".to_owned()),
            _ => Ok(self.authority().as_bytes().to_vec()),
        }
    }

    /// What Nexus goes by with clients.
    pub(crate) fn front_with(&self, change: Change) -> Arc<Front> {
        let files = CertificateFiles { cert: "cert".to_owned(), key: "key".to_owned(), ocsp: None };
        let mut settings = ListenerTls::new(vec![files]);
        change(&mut settings);
        let (front, faults) = Front::read(settings, &self.reader());
        Arc::new(front.unwrap_or_else(|| panic!("{faults:?}")))
    }

    /// What Nexus goes by with backends.
    pub(crate) fn back(&self) -> Arc<Back> {
        let alpn = vec![Protocol::Http2, Protocol::Http1];
        let settings = BackendTls { ca: Some("ca".to_owned()), alpn, ..BackendTls::default() };
        let (back, faults) = Back::read(settings, &self.reader());
        Arc::new(back.unwrap_or_else(|| panic!("{faults:?}")))
    }

    /// What a client goes by that offers one protocol.
    pub(crate) fn client(&self, alpn: &str) -> Arc<rustls::ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        let own = CertificateDer::from_pem_slice(self.authority().as_bytes()).unwrap();
        roots.add(own).unwrap();
        let mut config = rustls::ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        Arc::new(config)
    }

    /// What a backend goes by that takes these protocols, the first before the others.
    pub(crate) fn server(&self, alpn: &[&str]) -> Arc<rustls::ServerConfig> {
        let chain = CertificateDer::pem_slice_iter(self.pair.cert.as_bytes());
        let key = PrivateKeyDer::from_pem_slice(self.pair.key.as_bytes()).unwrap();
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain.map(Result::unwrap).collect(), key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}
