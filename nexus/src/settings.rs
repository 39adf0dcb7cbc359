//! What one Nexus runs with: checked values, no `Option` that means "the default".

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::backend::{BackendUrl, Scheme};
use crate::ejection::Rules;
use crate::health::Verdict;
use crate::http1::forwarded::ForwardedFields;
use crate::log::AccessLog;
use crate::picker::{Algorithm, HashKey};
use crate::pool::Ramp;
use crate::pool::admission::{Breaker, Shedding};
use crate::pool::queue::QueueRules;
use crate::pool::shortage::Shortage;
use crate::proxy_protocol::Version;
use crate::reason::Reason;
use crate::retry::Policy;
use crate::route::{HostPattern, Table};
use crate::session::Sticky;
use crate::spans::Tracing;
use crate::tls::{Back, BackendTls, Fault, Front};

mod https;

pub use https::{Hsts, HttpsRedirect};

/// The timeouts that concern Nexus as a whole; each is finite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first byte of a request to the end of its head.
    pub head: Duration,
    /// Between two requests of a client.
    pub idle: Duration,
    /// Without a byte moving, in the middle of a body, either way.
    pub stall: Duration,
    /// Without a byte moving, in a tunnel.
    pub tunnel: Duration,
    /// Until an idle connection to a backend is closed.
    pub idle_backend: Duration,
    /// For what is under way when Nexus is told to stop.
    pub shutdown: Duration,
}

/// An address that clients connect to.
#[derive(Debug, Clone, PartialEq)]
pub struct ListenerSettings {
    /// The address.
    pub address: Address,
    /// Who may connect to it, if it is a socket of this machine's.
    pub mode: u32,
    /// How long its clients may take; `None` is as everybody.
    pub timeouts: ClientTimeouts,
    /// Its certificates and keys; `None` is plain HTTP.
    pub tls: Option<Arc<Front>>,
    /// Whether its connections begin with the PROXY protocol.
    pub is_announced: bool,
    /// What is spoken over plain connections.
    pub protocol: ListenerProtocol,
    /// Where all its requests are redirected to; `None` is nowhere.
    pub redirect: Option<HttpsRedirect>,
    /// What it tells browsers of https; only over TLS.
    pub hsts: Option<Hsts>,
}

/// What clients of a listener without TLS speak; with it both sides agree on that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ListenerProtocol {
    /// HTTP/2 if they begin with its preface, else HTTP/1.
    #[default]
    Auto,
    /// HTTP/1.
    Http1,
    /// HTTP/2, at once (RFC 9113 §3.3).
    Http2,
}

impl ListenerProtocol {
    /// The names of all.
    pub const NAMES: &[&str] = &["auto", "http1", "http2"];

    /// Finds one by its name.
    pub fn called(name: &str) -> Option<Self> {
        let at = Self::NAMES.iter().position(|known| *known == name)?;
        [Self::Auto, Self::Http1, Self::Http2].get(at).copied()
    }

    /// Returns the name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// How long clients of a listener may take, where that is not said for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClientTimeouts {
    /// See [`Timeouts::head`].
    pub head: Option<Duration>,
    /// See [`Timeouts::idle`].
    pub idle: Option<Duration>,
    /// See [`Timeouts::stall`].
    pub stall: Option<Duration>,
}

/// Who may connect to a socket of this machine's unless something else is said: its owner and group.
pub const SOCKET_MODE: u32 = 0o660;

impl From<SocketAddr> for ListenerSettings {
    fn from(address: SocketAddr) -> Self {
        Address::Tcp(address).into()
    }
}

impl From<Address> for ListenerSettings {
    fn from(address: Address) -> Self {
        Self {
            address,
            mode: SOCKET_MODE,
            timeouts: ClientTimeouts::default(),
            tls: None,
            is_announced: false,
            protocol: ListenerProtocol::default(),
            redirect: None,
            hsts: None,
        }
    }
}

/// How long the backends of a pool may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolTimeouts {
    /// Until a backend accepts a connection.
    pub connect: Duration,
    /// From the end of a request to the head of its answer.
    pub response: Duration,
    /// From the head of a request to the head of its answer, over all attempts; `None` is no limit.
    pub total: Option<Duration>,
    /// See [`Timeouts::stall`]; `None` is as everywhere.
    pub stall: Option<Duration>,
    /// See [`Timeouts::tunnel`]; `None` is as everywhere.
    pub tunnel: Option<Duration>,
    /// See [`Timeouts::idle_backend`]; `None` is as everywhere.
    pub idle: Option<Duration>,
}

impl Default for PoolTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            response: Duration::from_secs(30),
            total: None,
            stall: None,
            tunnel: None,
            idle: None,
        }
    }
}

/// How backends are probed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probing {
    /// What a probe does.
    pub kind: ProbeKind,
    /// What an HTTP probe asks and expects; a gRPC one heeds `host` and `headers`.
    pub http: HttpProbe,
    /// The service that a gRPC probe asks for; empty is the server as a whole.
    pub service: String,
    /// The program that a probe by command runs, and its arguments.
    pub command: Vec<String>,
    /// The port, if not that of the requests.
    pub port: Option<u16>,
    /// From one probe to the next.
    pub interval: Duration,
    /// The same while the backend is DOWN, if it differs.
    pub interval_down: Option<Duration>,
    /// By how much intervals vary either way, in percent.
    pub jitter: u32,
    /// Until a probe counts as failed.
    pub timeout: Duration,
    /// Successes in a row that bring a backend back.
    pub rise: u32,
    /// Failures in a row that take a backend out.
    pub fall: u32,
    /// Connection errors of requests in a row that take a backend out; 0 is never.
    pub request_errors: u32,
    /// Whether a backend counts as UP until its first probe has come back.
    pub starts_up: bool,
}

impl Probing {
    /// Returns what is believed of a backend before anything was seen of it.
    pub fn guess(&self) -> Verdict {
        if self.starts_up { Verdict::Up } else { Verdict::Down(Reason::NotProbed) }
    }
}

/// What a probe does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeKind {
    /// Opens a connection.
    Tcp,
    /// Asks a question and looks at the answer.
    Http,
    /// Asks by `grpc.health.v1` whether the backend serves.
    Grpc,
    /// Runs a program.
    Command,
}

impl ProbeKind {
    /// The names of all.
    pub const NAMES: [&str; 4] = ["tcp", "http", "grpc", "command"];

    /// Finds one by its name.
    pub fn called(name: &str) -> Option<Self> {
        let at = Self::NAMES.iter().position(|known| *known == name)?;
        [Self::Tcp, Self::Http, Self::Grpc, Self::Command].get(at).copied()
    }

    /// Returns the name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// What an HTTP probe asks, and what answer it expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpProbe {
    /// Whether it speaks HTTP/2, at once (RFC 9113 §3.3), instead of HTTP/1.1.
    pub is_http2: bool,
    /// The method.
    pub method: String,
    /// The target.
    pub path: String,
    /// The `Host` field, if not the backend's own address.
    pub host: Option<String>,
    /// Further fields.
    pub headers: Vec<(String, String)>,
    /// The statuses that are right.
    pub statuses: Vec<RangeInclusive<u16>>,
    /// What the body has somewhere, if that matters.
    pub body: Option<String>,
    /// An expression that the body matches somewhere, if that matters.
    pub body_regex: Option<String>,
}

/// A backend of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendSettings {
    /// Where it is.
    pub url: BackendUrl,
    /// Its part of the sum of all weights; 0 is no new requests.
    pub weight: u32,
    /// Requests that it has under way at most; `None` is no limit.
    pub requests_max: Option<u32>,
    /// Connections that are open to it at most, idle ones included; `None` is no limit.
    pub connections_max: Option<u32>,
    /// Its tier; 0 is used first.
    pub tier: u8,
    /// Where it stands.
    pub zone: Option<String>,
}

impl BackendSettings {
    /// Returns how many requests it may have under way: each takes a connection, unless one surely
    /// carries many.
    pub fn under_way_max(&self) -> Option<u32> {
        let connections = self.connections_max.filter(|_| self.url.scheme != Scheme::H2c);
        [self.requests_max, connections].into_iter().flatten().min()
    }
}

impl From<BackendUrl> for BackendSettings {
    fn from(url: BackendUrl) -> Self {
        Self { url, weight: 1, requests_max: None, connections_max: None, tier: 0, zone: None }
    }
}

impl std::str::FromStr for BackendSettings {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(|url: BackendUrl| url.into())
    }
}

impl std::fmt::Display for BackendSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.url.fmt(f)
    }
}

/// A group of backends under one policy.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolSettings {
    /// What it is called.
    pub name: String,
    /// Where its requests go.
    pub backends: Vec<BackendSettings>,
    /// How a backend is picked.
    pub algorithm: Algorithm,
    /// What requests are hashed by, if the algorithm goes by that.
    pub hash_key: HashKey,
    /// How a backend that comes back comes to its whole weight; `None` is at once.
    pub slow_start: Option<Ramp>,
    /// With fewer available backends a tier gets the next one's help.
    pub available_min: usize,
    /// Where this Nexus stands; `None` makes no difference between zones.
    pub zone: Option<String>,
    /// What the own zone carries of its usual load at most before the rest goes to others, in
    /// percent.
    pub zone_load_max: u32,
    /// How requests wait when all backends are full; `None` is not at all.
    pub queue: Option<QueueRules>,
    /// How sessions keep their backend; `None` is not at all.
    pub sticky: Option<Sticky>,
    /// How its backends are probed.
    pub probing: Probing,
    /// What it does when too few backends are left.
    pub shortage: Shortage,
    /// When backends are ejected for what they answer; `None` is never.
    pub ejection: Option<Rules>,
    /// Limits of the whole pool, and when it is given a rest; `None` is neither.
    pub breaker: Option<Breaker>,
    /// How load that is too much is refused; `None` is not at all.
    pub shedding: Option<Shedding>,
    /// How its backends are spoken to over TLS; `None` is plain HTTP.
    pub tls: Option<Arc<Back>>,
    /// The PROXY protocol that connections to its backends begin with; `None` is none.
    pub proxy_protocol: Option<Version>,
    /// What may be tried again.
    pub retry: Policy,
    /// How long its backends may take.
    pub timeouts: PoolTimeouts,
}

/// Where something listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A Unix socket, by its path.
    Unix(String),
}

impl Address {
    /// Returns the TCP address, if it is one.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// Says whether the system chooses its port.
    pub fn is_any_port(&self) -> bool {
        self.tcp().is_some_and(|address| address.port() == 0)
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

/// Who may ask what at the admin address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Where it is.
    pub address: Address,
    /// Names, besides addresses and `localhost`, by which it may be called.
    pub hosts: Vec<HostPattern>,
    /// Who may do what; with none everybody may read, and nobody write.
    pub tokens: Vec<Token>,
}

/// A secret, and what whoever knows it may do.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// What the log calls whoever uses it.
    pub name: String,
    /// The secret.
    pub secret: String,
    /// Whether it allows changes.
    pub may_write: bool,
}

/// The secret is not shown.
impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let role = if self.may_write { "write" } else { "read" };
        write!(f, "{} ({role})", self.name)
    }
}

/// Everything that one Nexus runs with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where clients connect to.
    pub listeners: Vec<ListenerSettings>,
    /// Who answers.
    pub pools: Vec<PoolSettings>,
    /// Which pool answers which request; `None` sends all to the first.
    pub routes: Option<Arc<Table>>,
    /// Threads that carry requests.
    pub workers: usize,
    /// The timeouts that are not a pool's.
    pub timeouts: Timeouts,
    /// Proxies that are believed whom their requests are from.
    pub trusted: Vec<IpNet>,
    /// By which fields proxies say whom requests are from, and backends are told.
    pub forwarded_fields: ForwardedFields,
    /// Whether a client that has closed its sending side still gets its answer.
    pub half_close: bool,
    /// Client connections open at once, over all workers.
    pub connections_max: usize,
    /// TLS handshakes under way at once, over all workers.
    pub handshakes_max: usize,
    /// The request log; `None` is off.
    pub access_log: Option<AccessLog>,
    /// Whether requests are counted for whoever asks at the admin address.
    pub metrics: bool,
    /// The field that says what a request is called; `None` is that they have no names.
    pub request_id: Option<String>,
    /// Where traces go; `None` is that Nexus has no part in them.
    pub tracing: Option<Tracing>,
    /// Where it can be asked and told while it runs; `None` is nowhere.
    pub admin: Option<Admin>,
    /// Whether a change of the configuration file is a reload.
    pub watch: bool,
}

impl Settings {
    /// Says whether an address is one of the proxies that are believed.
    pub fn trusts(&self, ip: IpAddr) -> bool {
        self.trusted.iter().any(|net| net.contains(&ip))
    }

    /// Has backends at `https://` whose pool says nothing of TLS verified by what the system trusts.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with that.
    pub fn secure(&mut self) -> Result<(), Vec<Fault>> {
        let wants = |pool: &&mut PoolSettings| {
            let is_https = |backend: &BackendSettings| backend.url.scheme == Scheme::Https;
            pool.tls.is_none() && pool.backends.iter().any(is_https)
        };
        let mut system = None;
        for pool in self.pools.iter_mut().filter(wants) {
            let system = match &system {
                Some(system) => Arc::clone(system),
                None => {
                    let (back, faults) =
                        Back::read(BackendTls::default(), &|path| Err(path.to_owned()));
                    let back = back.ok_or(faults)?;
                    Arc::clone(system.insert(Arc::new(back)))
                }
            };
            pool.tls = Some(system);
        }
        Ok(())
    }

    /// Takes over from `old` what speaks TLS as it is set here, so that sessions go on; what it
    /// serves is from now on what was read for these settings.
    pub fn keep_tls(&mut self, old: &Self) {
        let fronts: Vec<_> = old.listeners.iter().filter_map(|old| old.tls.as_ref()).collect();
        for new in self.listeners.iter_mut().filter_map(|new| new.tls.as_mut()) {
            if let Some(old) = fronts.iter().find(|old| old.settings() == new.settings()) {
                old.adopt(new);
                *new = Arc::clone(old);
            }
        }
        let backs: Vec<_> = old.pools.iter().filter_map(|old| old.tls.as_ref()).collect();
        for new in self.pools.iter_mut().filter_map(|new| new.tls.as_mut()) {
            if let Some(old) = backs.iter().find(|old| old.settings() == new.settings()) {
                old.adopt(new);
                *new = Arc::clone(old);
            }
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            stall: Duration::from_secs(60),
            tunnel: Duration::from_secs(3600),
            idle_backend: Duration::from_secs(55),
            shutdown: Duration::from_secs(30),
        }
    }
}

impl PoolSettings {
    /// Returns a pool with every default.
    pub fn new(name: &str, backends: Vec<BackendSettings>) -> Self {
        Self {
            name: name.to_owned(),
            backends,
            algorithm: Algorithm::default(),
            hash_key: HashKey::default(),
            slow_start: None,
            available_min: 1,
            zone: None,
            zone_load_max: 140,
            queue: None,
            sticky: None,
            probing: Probing::default(),
            shortage: Shortage { below: 0, panics: false },
            ejection: None,
            breaker: None,
            shedding: None,
            tls: None,
            proxy_protocol: None,
            retry: Policy::default(),
            timeouts: PoolTimeouts::default(),
        }
    }
}

impl Default for Probing {
    fn default() -> Self {
        Self {
            kind: ProbeKind::Tcp,
            http: HttpProbe::default(),
            service: String::new(),
            command: Vec::new(),
            port: None,
            interval: Duration::from_secs(10),
            interval_down: None,
            jitter: 10,
            timeout: Duration::from_secs(2),
            rise: 1,
            fall: 1,
            request_errors: 1,
            starts_up: true,
        }
    }
}

impl Default for HttpProbe {
    fn default() -> Self {
        Self {
            is_http2: false,
            method: "GET".to_owned(),
            path: "/".to_owned(),
            host: None,
            headers: Vec::new(),
            statuses: vec![200..=399],
            body: None,
            body_regex: None,
        }
    }
}
