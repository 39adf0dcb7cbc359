//! TLS over real sockets: authorities, backends and clients for tests, and stories about them.

#![allow(dead_code, reason = "the stories about listeners use the rest")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use nexus::tls::issue::{self, Order, Pair};
use nexus::tls::{Back, BackendTls, CertificateFiles, Front, ListenerTls, provider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use crate::world::raw;

/// An authority that whoever asks trusts.
pub(crate) struct Authority(issue::Authority);

impl Authority {
    pub(crate) fn new() -> Self {
        Self(issue::Authority::make().expect("the system has randomness"))
    }

    /// Issues a certificate for a server with this name.
    pub(crate) fn server(&self, name: &str) -> Pair {
        self.0.issue(&Order::server(&[name.to_owned()], 30)).expect("it is a name")
    }

    /// Issues a certificate for a client with this name.
    pub(crate) fn client(&self, name: &str) -> Pair {
        self.0.issue(&Order::client(&[name.to_owned()], 30)).expect("it is a name")
    }

    /// Returns its own certificate.
    pub(crate) fn pem(&self) -> &str {
        &self.0.pem().cert
    }

    /// What a pool goes by whose backends' certificates this authority has issued.
    pub(crate) fn back(&self) -> Arc<Back> {
        let settings = BackendTls { ca: Some("ca".to_owned()), ..BackendTls::default() };
        let (back, faults) = Back::read(settings, &|_| Ok(self.pem().as_bytes().to_vec()));
        Arc::new(back.unwrap_or_else(|| panic!("{faults:?}")))
    }

    /// What a listener goes by with certificates for these names, the first the default.
    pub(crate) fn front(&self, names: &[&str], settings: ListenerTls) -> Arc<Front> {
        let pairs: Vec<_> = names.iter().map(|name| self.server(name)).collect();
        let files = |at: usize| CertificateFiles {
            cert: format!("cert {at}"),
            key: format!("key {at}"),
            ocsp: None,
        };
        let certificates = (0..pairs.len()).map(files).collect();
        let read = |path: &str| match path.split_once(' ') {
            Some(("cert", at)) => Ok(pairs[at.parse::<usize>().unwrap()].cert.clone().into_bytes()),
            Some(("key", at)) => Ok(pairs[at.parse::<usize>().unwrap()].key.clone().into_bytes()),
            _ => Ok(self.pem().as_bytes().to_vec()),
        };
        let (front, faults) = Front::read(ListenerTls { certificates, ..settings }, &read);
        Arc::new(front.unwrap_or_else(|| panic!("{faults:?}")))
    }

    /// What a client of a listener goes by, with a certificate of its own or none.
    pub(crate) fn client_config(
        &self,
        own: Option<&Pair>,
        alpn: &[&str],
    ) -> Arc<rustls::ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem().as_bytes()).unwrap()).unwrap();
        let builder = rustls::ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let (chain, key) = der(pair);
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

/// Reads a certificate and its key.
pub(crate) fn der(pair: &Pair) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let chain = CertificateDer::pem_slice_iter(pair.cert.as_bytes()).map(Result::unwrap).collect();
    (chain, PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap())
}

/// What a server with this certificate goes by.
pub(crate) fn server_config(pair: &Pair, alpn: &[&str]) -> Arc<rustls::ServerConfig> {
    let (chain, key) = der(pair);
    let mut config = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// A TLS server that answers each head that it reads with `answer`.
pub(crate) fn answering(pair: &Pair, answer: &'static [u8]) -> SocketAddr {
    let config = server_config(pair, &["http/1.1"]);
    raw(move |stream| {
        let session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = rustls::StreamOwned::new(session, stream);
        let (mut head, mut byte) = (Vec::new(), [0]);
        while let Ok(1) = stream.read(&mut byte) {
            head.push(byte[0]);
            if head.ends_with(b"\r\n\r\n") {
                head.clear();
                let _ = stream.write_all(answer);
            }
        }
    })
}

/// A TLS client.
pub(crate) type Secured = rustls::StreamOwned<rustls::ClientConnection, TcpStream>;

/// Connects to a listener and asks for a name.
pub(crate) fn connect(
    address: SocketAddr,
    config: Arc<rustls::ClientConfig>,
    name: &str,
) -> Secured {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let session = rustls::ClientConnection::new(config, name).unwrap();
    rustls::StreamOwned::new(session, TcpStream::connect(address).unwrap())
}
