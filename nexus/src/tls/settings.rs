//! What a listener's and a pool's TLS is set to: plain data, with the paths of files.

use std::time::Duration;

/// How a listener speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerTls {
    /// The certificates; the first is the default.
    pub certificates: Vec<CertificateFiles>,
    /// Which versions and ciphers there are.
    pub profile: Profile,
    /// The protocols to agree on (ALPN), the preferred first.
    pub alpn: Vec<Protocol>,
    /// What becomes of a client that asks for a name of no certificate.
    pub unknown_name: UnknownName,
    /// Whether clients show certificates; `None` is not.
    pub client_auth: Option<ClientAuth>,
    /// Whether clients get tickets to resume sessions with.
    pub tickets: bool,
    /// The file with the keys for tickets; `None` is keys of this process alone.
    pub ticket_keys: Option<String>,
    /// From a connection's first byte to the end of its handshake.
    pub handshake_timeout: Duration,
}

/// The default of [`ListenerTls::handshake_timeout`]: a slow phone needs 2 s, and each that waits
/// is a connection that others do not get.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The default of how many handshakes are under way at once, over all workers. Each costs much more
/// than a request, before its client has proven anything: more at once would only make all late.
pub const HANDSHAKES_MAX: usize = 1000;

impl ListenerTls {
    /// Returns the defaults, with these certificates.
    pub fn new(certificates: Vec<CertificateFiles>) -> Self {
        Self {
            certificates,
            profile: Profile::default(),
            alpn: vec![Protocol::Http2, Protocol::Http1],
            unknown_name: UnknownName::default(),
            client_auth: None,
            tickets: true,
            ticket_keys: None,
            handshake_timeout: HANDSHAKE_TIMEOUT,
        }
    }

    /// Returns the paths of all files.
    pub fn paths(&self) -> Vec<&str> {
        let certificates = self.certificates.iter().flat_map(CertificateFiles::paths);
        let auth = self.client_auth.iter();
        let auth = auth.flat_map(|auth| [Some(&auth.ca), auth.crl.as_ref()]).flatten();
        certificates.chain(auth.map(String::as_str)).chain(self.ticket_keys.as_deref()).collect()
    }
}

/// The files of one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, as PEM, its own certificate first.
    pub cert: String,
    /// The private key, as PEM; may be the same file.
    pub key: String,
    /// The issuer's word that it still counts (an OCSP response, RFC 6960, as DER).
    pub ocsp: Option<String>,
}

impl CertificateFiles {
    fn paths(&self) -> impl Iterator<Item = &str> {
        let Self { cert, key, ocsp } = self;
        [Some(cert), Some(key).filter(|key| *key != cert), ocsp.as_ref()]
            .into_iter()
            .flatten()
            .map(String::as_str)
    }
}

/// Which versions and ciphers of TLS are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// TLS 1.3 only.
    Modern,
    /// TLS 1.2, with forward secrecy and authenticated encryption only, and 1.3.
    #[default]
    Intermediate,
}

impl Profile {
    /// The names of all.
    pub const NAMES: [&str; 2] = ["modern", "intermediate"];

    /// Finds one by its name.
    pub fn called(name: &str) -> Option<Self> {
        [Self::Modern, Self::Intermediate].into_iter().find(|known| known.name() == name)
    }

    /// Returns the name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// A protocol that is spoken over TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/2.
    Http2,
    /// HTTP/1.1.
    Http1,
}

impl Protocol {
    /// The names of all.
    pub const NAMES: [&str; 2] = ["h2", "http/1.1"];

    /// Finds one by its name.
    pub fn called(name: &str) -> Option<Self> {
        [Self::Http2, Self::Http1].into_iter().find(|known| known.name() == name)
    }

    /// Returns its name as ALPN has it (RFC 7301 §6).
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// What becomes of a client that asks for a name of no certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownName {
    /// It gets the default certificate.
    #[default]
    Default,
    /// Its handshake ends with the alert `unrecognized_name` (RFC 6066 §3).
    Refuse,
}

impl UnknownName {
    /// The names of all.
    pub const NAMES: [&str; 2] = ["default", "refuse"];

    /// Returns the name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// How clients show who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAuth {
    /// Whether they must.
    pub mode: ClientAuthMode,
    /// Whose certificates count: a PEM file.
    pub ca: String,
    /// Which of them count no more: a file of revocation lists (RFC 5280 §5).
    pub crl: Option<String>,
}

/// Whether clients must show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAuthMode {
    /// Without one there is no connection.
    #[default]
    Require,
    /// Who shows one must show one that counts.
    Optional,
}

/// How the backends of a pool are spoken to over TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendTls {
    /// Whose certificates count, a PEM file; `None` is whom the system trusts.
    pub ca: Option<String>,
    /// The name to ask for and to verify; `None` is the host of the backend's URL.
    pub name: Option<String>,
    /// The certificate that Nexus shows; `None` is none.
    pub certificate: Option<CertificateFiles>,
    /// Whether any certificate of a backend counts.
    pub insecure: bool,
    /// The protocols to offer (ALPN), the preferred first.
    pub alpn: Vec<Protocol>,
}

impl BackendTls {
    /// Returns the paths of all files.
    pub fn paths(&self) -> Vec<&str> {
        let own = self.certificate.iter().flat_map(CertificateFiles::paths);
        self.ca.as_deref().into_iter().chain(own).collect()
    }
}

impl Default for BackendTls {
    fn default() -> Self {
        Self {
            ca: None,
            name: None,
            certificate: None,
            insecure: false,
            alpn: vec![Protocol::Http1],
        }
    }
}
