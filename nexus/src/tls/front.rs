//! TLS of a listener: what its clients are answered with.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ServerSessionMemoryCache, VerifierBuilderError, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};

use crate::tls::certificate::{self, Certificate};
use crate::tls::facts::CertificateFacts;
use crate::tls::files::{Fault, Part, Reader, Reading, Sum, UNREAD, same};
use crate::tls::provider;
use crate::tls::resolver::Resolver;
use crate::tls::settings::{
    ClientAuth, ClientAuthMode, ListenerTls, Profile, Protocol, UnknownName,
};
use crate::tls::tickets::TicketKeys;

/// Sessions of TLS 1.2 clients without tickets that are remembered: such clients are few, and a
/// session that is forgotten costs them one more round trip.
const SESSIONS_MAX: usize = 256;

/// TLS of a listener. It lives as long as its settings; what its files say is swapped.
pub struct Front {
    settings: ListenerTls,
    current: ArcSwap<Serving>,
}

/// What the files of a listener say.
pub struct Serving {
    /// What handshakes go by.
    pub config: Arc<ServerConfig>,
    /// The certificates, in the order of the settings.
    pub certificates: Vec<CertificateFacts>,
    sum: Sum,
    /// What is asked of clients, summed up: sessions outlive a change of everything but this.
    policy: Sum,
}

impl Front {
    /// Reads all files. All that is wrong or odd with them comes along; with an error in it there
    /// is no front.
    pub fn read(settings: ListenerTls, read: Reader<'_>) -> (Option<Self>, Vec<Fault>) {
        let (serving, faults) = Serving::read(&settings, read);
        let front = |serving| Self { settings, current: ArcSwap::from_pointee(serving) };
        (serving.map(front), faults)
    }

    /// Makes one of which the files are elsewhere: it compares by its settings alone, and serves
    /// nobody.
    pub fn unread(settings: ListenerTls) -> Self {
        let resolver = Resolver::new(&[], UnknownName::Refuse);
        let config = Arc::new(config(&settings, None, resolver));
        let serving = Serving { config, certificates: Vec::new(), sum: UNREAD, policy: UNREAD };
        Self { settings, current: ArcSwap::from_pointee(serving) }
    }

    /// Returns what it is set to.
    pub fn settings(&self) -> &ListenerTls {
        &self.settings
    }

    /// Returns what a handshake that begins now goes by.
    pub fn serving(&self) -> Arc<Serving> {
        self.current.load_full()
    }

    /// Reads all files again, and goes by them from now on. Says whether they were others; what is
    /// odd with them comes along.
    ///
    /// # Errors
    ///
    /// Returns all that is wrong with them; then nothing has changed.
    pub fn reread(&self, read: Reader<'_>) -> Result<(bool, Vec<Fault>), Vec<Fault>> {
        match Serving::read(&self.settings, read) {
            (Some(serving), faults) => Ok((self.put(serving), faults)),
            (None, faults) => Err(faults),
        }
    }

    /// Goes from now on by what `other`, of the same settings, has read; says whether that differs.
    pub fn adopt(&self, other: &Self) -> bool {
        let Serving { config, certificates, sum, policy } = &*other.serving();
        let (config, certificates) = (Arc::clone(config), certificates.clone());
        self.put(Serving { config, certificates, sum: *sum, policy: *policy })
    }

    fn put(&self, mut serving: Serving) -> bool {
        let old = self.serving();
        if old.sum == serving.sum {
            return false;
        }
        // Whom the same was asked of may go on with their sessions.
        if old.policy == serving.policy {
            let mut config = ServerConfig::clone(&serving.config);
            config.session_storage = Arc::clone(&old.config.session_storage);
            if self.settings.ticket_keys.is_none() {
                config.ticketer = Arc::clone(&old.config.ticketer);
            }
            serving.config = Arc::new(config);
        }
        self.current.store(Arc::new(serving));
        true
    }
}

/// Two are the same if they are set to the same, and their files say the same.
impl PartialEq for Front {
    fn eq(&self, other: &Self) -> bool {
        self.settings == other.settings && same(&self.serving().sum, &other.serving().sum)
    }
}

impl fmt::Debug for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}

impl Serving {
    fn read(settings: &ListenerTls, read: Reader<'_>) -> (Option<Self>, Vec<Fault>) {
        let mut reading = Reading::new(read);
        let auth = settings.client_auth.as_ref();
        let verifier = auth.map(|auth| verifier(auth, &mut reading));
        // Nothing else was read so far.
        let policy = reading.sum();
        let certificates = certificates(settings, &mut reading);
        let tickets = settings.ticket_keys.as_ref();
        let tickets = tickets.map(|path| ticket_keys(path, policy, &mut reading));
        if !reading.is_usable() || certificates.is_empty() {
            return (None, reading.faults);
        }
        let resolver = Resolver::new(&certificates, settings.unknown_name);
        let mut config = config(settings, verifier.flatten(), resolver);
        if !settings.tickets {
            config.send_tls13_tickets = 0;
        } else if let Some(keys) = tickets.flatten() {
            config.ticketer = Arc::new(keys);
        } else if let Ok(own) = Ticketer::new() {
            config.ticketer = own;
        }
        let certificates = facts(certificates);
        let serving = Self { config: Arc::new(config), certificates, sum: reading.sum(), policy };
        (Some(serving), reading.faults)
    }
}

fn certificates(settings: &ListenerTls, reading: &mut Reading<'_>) -> Vec<Certificate> {
    let now = SystemTime::now();
    let all = settings.certificates.iter().enumerate();
    all.filter_map(|(at, files)| certificate::read(files, at, now, reading)).collect()
}

fn facts(certificates: Vec<Certificate>) -> Vec<CertificateFacts> {
    let mut facts: Vec<_> = certificates.into_iter().map(|one| one.facts).collect();
    if let Some(first) = facts.first_mut() {
        first.is_default = true;
    }
    facts
}

fn config(
    settings: &ListenerTls,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    resolver: Resolver,
) -> ServerConfig {
    let versions = match settings.profile {
        Profile::Modern => &[&TLS13][..],
        Profile::Intermediate => &[&TLS13, &TLS12],
    };
    // All that the provider has of TLS 1.2 is ECDHE with AES-GCM or ChaCha20-Poly1305.
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .expect("the provider has ciphers for both versions");
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = alpn(&settings.alpn);
    if settings.alpn.contains(&Protocol::Http1) {
        // Who speaks nothing newer says so by this name, and is understood.
        config.alpn_protocols.push(b"http/1.0".to_vec());
    }
    config.session_storage = ServerSessionMemoryCache::new(SESSIONS_MAX);
    // Said though it is the default: early data can be replayed, and early answers go to anybody.
    config.max_early_data_size = 0;
    config.send_half_rtt_data = false;
    config
}

/// Returns protocols as ALPN has them.
pub(super) fn alpn(protocols: &[Protocol]) -> Vec<Vec<u8>> {
    protocols.iter().map(|protocol| protocol.name().into()).collect()
}

/// Reads who vouches for the other side.
pub(super) fn roots(path: &str, reading: &mut Reading<'_>) -> Option<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for (at, certificate) in reading.certificates(Part::Ca, path)?.into_iter().enumerate() {
        if roots.add(certificate).is_err() {
            let cause = format!("certificate {} in `{path}` cannot vouch for anybody", at + 1);
            let hint = "name a file of certificates of authorities, as PEM";
            reading.error(Part::Ca, cause, hint);
            return None;
        }
    }
    Some(roots)
}

/// Reads what clients' certificates are verified by.
fn verifier(auth: &ClientAuth, reading: &mut Reading<'_>) -> Option<Arc<dyn ClientCertVerifier>> {
    reading.count(&[u8::from(auth.mode == ClientAuthMode::Require)]);
    let roots = roots(&auth.ca, reading);
    let lists = auth.crl.as_ref().map(|path| reading.lists(Part::Crl, path));
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots?), provider());
    if let Some(lists) = lists {
        builder = builder.with_crls(lists?);
    }
    if auth.mode == ClientAuthMode::Optional {
        builder = builder.allow_unauthenticated();
    }
    match builder.build() {
        Ok(verifier) => Some(verifier),
        Err(VerifierBuilderError::InvalidCrl(why)) => {
            let path = auth.crl.as_deref().unwrap_or_default();
            let cause = format!("a revocation list in `{path}` cannot be used: {why:?}");
            reading.error(Part::Crl, cause, "fetch it again from the authority that made it");
            None
        }
        Err(why) => {
            let cause = format!("nobody can be verified by `{}`: {why}", auth.ca);
            reading.error(Part::Ca, cause, "name a file of certificates of authorities, as PEM");
            None
        }
    }
}

fn ticket_keys(path: &str, policy: Sum, reading: &mut Reading<'_>) -> Option<TicketKeys> {
    let bytes = reading.bytes(Part::TicketKeys, path)?;
    let keys = TicketKeys::read(&bytes, policy);
    if let Err(why) = &keys {
        let cause = format!("`{path}` holds no keys for tickets: {why}");
        let hint = "write one key a line: `openssl rand -base64 32` makes one";
        reading.error(Part::TicketKeys, cause, hint);
    }
    keys.ok()
}

/// The alert `unrecognized_name`, fatal, as a record (RFC 8446 §5.1 and §6.2).
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// Returns what to send instead of rustls' own alert when a handshake ended with `error`: of a name
/// of no certificate rustls says `access_denied`, which leads whoever looks into it astray.
pub fn refusal(error: &rustls::Error) -> Option<&'static [u8]> {
    let is_unknown_name = matches!(error, rustls::Error::General(why) if why == "no server certificate chain resolved");
    is_unknown_name.then_some(&UNRECOGNIZED_NAME)
}
