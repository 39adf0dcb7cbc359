//! TLS over real sockets: authorities, backends and clients for tests, and stories about them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use nexus::app::Nexus;
use nexus::settings::{Hsts, HttpsRedirect, Settings};
use nexus::tls::issue::{self, Order, Pair};
use nexus::tls::{
    Back, BackendTls, CertificateFiles, ClientAuth, ClientAuthMode, Front, ListenerTls,
    UnknownName, provider,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use crate::world::{Backend, Client, field, lines, pool, raw, settings, shown, start, status};

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

/// A Nexus whose listener goes by `front`, before these backends.
fn behind(front: Arc<Front>, change: impl FnOnce(&mut Settings)) -> Nexus {
    let mut settings = settings(&[]);
    settings.listeners[0].tls = Some(front);
    change(&mut settings);
    start(settings)
}

/// Sends a request and reads until the other side has said it all.
fn ask(stream: &mut Secured, request: &str) -> String {
    stream.write_all(lines(request).as_slice()).unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while !answer.ends_with(b"secret") {
        match stream.read(&mut buffer) {
            Ok(read @ 1..) => answer.extend_from_slice(&buffer[..read]),
            _ => break,
        }
    }
    shown(&answer)
}

const GET: &str = "GET / HTTP/1.1|Host: a.test|X-Client-Cert-Subject: CN=root||";

#[test]
fn a_client_comes_by_tls_and_its_backend_is_told() {
    let (backend, authority) = (Backend::named("secret"), Authority::new());
    let front = authority.front(&["a.test"], ListenerTls::new(Vec::new()));
    let nexus = behind(front, |settings| {
        settings.pools = vec![pool(&[backend.address])];
        settings.listeners[0].hsts =
            Some(Hsts { age: Duration::from_secs(60), has_subdomains: false });
    });
    let config = authority.client_config(None, &["http/1.1"]);
    let mut client = connect(nexus.addresses()[0], Arc::clone(&config), "a.test");
    for _ in 0..2 {
        let answer = ask(&mut client, GET);
        assert!(answer.starts_with("HTTP/1.1 200 OK|"), "{answer}");
        assert!(answer.contains("|Strict-Transport-Security: max-age=60|"), "{answer}");
    }
    let seen = backend.seen();
    assert!(seen[0].head.contains("X-Forwarded-Proto: https"), "{}", seen[0].head);
    assert!(!seen[0].head.contains("Cert-Subject"), "nobody showed one: {}", seen[0].head);
    // The second connection takes up the first one's session.
    drop(client);
    let mut client = connect(nexus.addresses()[0], config, "a.test");
    ask(&mut client, GET);
    assert_eq!(client.conn.handshake_kind(), Some(rustls::HandshakeKind::Resumed));
}

#[test]
fn a_client_shows_its_certificate_and_its_backend_is_told() {
    let (backend, authority) = (Backend::named("secret"), Authority::new());
    let client_auth = ClientAuth { mode: ClientAuthMode::Require, ca: "ca".to_owned(), crl: None };
    let settings = ListenerTls { client_auth: Some(client_auth), ..ListenerTls::new(Vec::new()) };
    let front = authority.front(&["a.test"], settings);
    let nexus = behind(front, |settings| settings.pools = vec![pool(&[backend.address])]);
    let own = authority.client("alice");
    let config = authority.client_config(Some(&own), &[]);
    let answer = ask(&mut connect(nexus.addresses()[0], config, "a.test"), GET);
    assert!(answer.starts_with("HTTP/1.1 200 OK|"), "{answer}");
    let head = &backend.seen()[0].head;
    assert!(head.contains("X-Client-Cert-Subject: CN=alice"), "{head}");
    assert!(!head.contains("CN=root"), "{head}");
    assert!(head.contains("X-Client-Cert-Fingerprint: "), "{head}");
    for stranger in [None, Some(Authority::new().client("mallory"))] {
        let config = authority.client_config(stranger.as_ref(), &[]);
        let answer = ask(&mut connect(nexus.addresses()[0], config, "a.test"), GET);
        assert_eq!(answer, "", "{stranger:?}", stranger = stranger.is_some());
    }
}

#[test]
fn a_name_of_no_certificate_is_refused_where_that_is_wanted() {
    let authority = Authority::new();
    let settings =
        ListenerTls { unknown_name: UnknownName::Refuse, ..ListenerTls::new(Vec::new()) };
    let nexus = behind(authority.front(&["a.test"], settings), |_| {});
    let config = authority.client_config(None, &[]);
    let mut client = connect(nexus.addresses()[0], config, "b.test");
    let error = client.write_all(b"x").unwrap_err().to_string();
    assert!(error.contains("UnrecognisedName"), "{error}");
}

#[test]
fn a_request_is_redirected_to_https() {
    let mut settings = settings(&[]);
    settings.listeners[0].redirect = Some(HttpsRedirect { port: 8443 });
    let nexus = start(settings);
    let (head, _) = Client::connect(&nexus).ask(&lines("GET /a?b HTTP/1.1|Host: a.test:80||"));
    assert_eq!((status(&head), field(&head, "Location")), (308, Some("https://a.test:8443/a?b")));
}

#[test]
fn a_backend_with_tls_is_verified_and_asked() {
    let authority = Authority::new();
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret";
    let address = answering(&authority.server("127.0.0.1"), answer);
    let mut settings = settings(&[]);
    settings.pools[0].tls = Some(authority.back());
    settings.pools[0].backends = vec![format!("https://{address}").parse().unwrap()];
    let nexus = start(settings);
    let mut client = Client::connect(&nexus);
    for _ in 0..3 {
        let (head, body) = client.ask(&lines("GET / HTTP/1.1|Host: a.test||"));
        assert_eq!((status(&head), body.as_slice()), (200, &b"secret"[..]), "{head}");
    }
}

#[test]
fn a_handshake_that_does_not_come_is_not_waited_for() {
    let authority = Authority::new();
    let settings = ListenerTls {
        handshake_timeout: Duration::from_millis(200),
        ..ListenerTls::new(Vec::new())
    };
    let nexus = behind(authority.front(&["a.test"], settings), |settings| {
        settings.handshakes_max = 1;
    });
    let mut slow = TcpStream::connect(nexus.addresses()[0]).unwrap();
    slow.write_all(&[22, 3, 1]).unwrap();
    // It has the only turn, until it has had it for too long.
    let config = authority.client_config(None, &[]);
    let mut client = connect(nexus.addresses()[0], config, "a.test");
    let answer = ask(&mut client, "GET / HTTP/1.1|Host: a.test|Connection: close||");
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert_eq!(slow.read(&mut [0; 9]).unwrap_or(0), 0);
}

#[test]
fn handshakes_are_counted_and_the_expiry_of_certificates_is_told() {
    let (backend, authority) = (Backend::named("secret"), Authority::new());
    let front = authority.front(&["a.test"], ListenerTls::new(Vec::new()));
    let nexus = behind(front, |settings| {
        settings.pools = vec![pool(&[backend.address])];
        *settings = crate::metrics::counted(settings.clone());
    });
    let config = authority.client_config(None, &["http/1.1"]);
    for _ in 0..2 {
        ask(&mut connect(nexus.addresses()[0], Arc::clone(&config), "a.test"), GET);
    }
    // Somebody who speaks no TLS.
    let mut stranger = TcpStream::connect(nexus.addresses()[0]).unwrap();
    stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let handshakes = |outcome: &str| {
        let text = crate::metrics::ask(&nexus, "/metrics", "");
        let is_it = |line: &&str| {
            line.starts_with("nexus_listener_tls_handshakes_total{") && line.contains(outcome)
        };
        text.lines().find(is_it).and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
    };
    for outcome in ["full", "resumed", "failed"] {
        crate::world::until(outcome, || handshakes(&format!("outcome=\"{outcome}\"")) == Some(1));
    }
    let text = crate::metrics::ask(&nexus, "/metrics", "");
    let expiry = text.lines().find(|line| line.starts_with("nexus_certificate_expiry_")).unwrap();
    assert!(expiry.contains("names=\"a.test\""), "{expiry}");
    let until: f64 = expiry.rsplit(' ').next().unwrap().parse().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!(until > now.as_secs_f64(), "{expiry}");
}
