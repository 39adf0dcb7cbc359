//! A pair of protocols, and a Nexus between them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nexus::app::Nexus;
use nexus::picker::Algorithm;
use nexus::settings::{PoolSettings, Probing, Settings, Timeouts};
use tokio::runtime::Handle;

use crate::backend::{Backend, Served, Task, Terms};
use crate::client::Client;
use crate::outcome::Outcome;
use crate::secure::{Change, Secrets};
use crate::wire::{Io, Wire};

/// What a client speaks with Nexus, and Nexus with backends.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) front: Wire,
    pub(crate) back: Wire,
    pub(crate) secrets: Arc<Secrets>,
    /// Where backends run.
    pub(crate) backends: Handle,
}

impl World {
    /// Starts a backend.
    pub(crate) fn backend<F>(
        &self,
        handler: impl Fn(Served) -> F + Send + Sync + 'static,
    ) -> Outcome<Backend>
    where
        F: Future<Output = Outcome<Served>> + Send + 'static,
    {
        self.backend_with(|_| {}, handler)
    }

    /// Starts a backend on other terms.
    pub(crate) fn backend_with<F>(
        &self,
        change: impl FnOnce(&mut Terms),
        handler: impl Fn(Served) -> F + Send + Sync + 'static,
    ) -> Outcome<Backend>
    where
        F: Future<Output = Outcome<Served>> + Send + 'static,
    {
        let (wire, tls) = (self.back, self.server());
        let mut terms = Terms { wire, tls, streams_max: 100, window: 1 << 20, takes_connect: true };
        change(&mut terms);
        let handler = Arc::new(move |served| Box::pin(handler(served)) as Task<Outcome<Served>>);
        Backend::start(&self.backends, terms, handler)
    }

    /// Starts a backend that does with connections as it likes.
    pub(crate) fn raw<F>(
        &self,
        handler: impl Fn(Io, usize) -> F + Send + Sync + 'static,
    ) -> Outcome<Backend>
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let handler = move |io, number| Box::pin(handler(io, number)) as Task<Outcome>;
        Backend::raw(&self.backends, self.server(), handler)
    }

    fn server(&self) -> Option<Arc<rustls::ServerConfig>> {
        // As probes by TCP offer HTTP/1.1 only, whoever refuses that is DOWN.
        let alpn: &[_] = if self.back.is_http2() { &["h2", "http/1.1"] } else { &["http/1.1"] };
        self.back.is_tls().then(|| self.secrets.server(alpn))
    }

    /// Starts a Nexus before backends, of which the first is asked first.
    pub(crate) async fn nexus(&self, backends: &[&Backend]) -> Outcome<Running> {
        self.nexus_with(backends, |_| {}).await
    }

    /// The same, with TLS of its own.
    pub(crate) async fn nexus_with(&self, backends: &[&Backend], tls: Change) -> Outcome<Running> {
        self.start(&backends.iter().map(|one| one.address).collect::<Vec<_>>(), tls).await
    }

    /// The same, with other settings.
    pub(crate) async fn nexus_set(
        &self,
        backends: &[&Backend],
        change: fn(&mut Settings),
    ) -> Outcome<Running> {
        let addresses: Vec<_> = backends.iter().map(|one| one.address).collect();
        let mut settings = self.settings(&addresses, |_| {})?;
        change(&mut settings);
        Running::start(settings).await
    }

    /// Starts a Nexus before whoever listens there.
    pub(crate) async fn nexus_at(&self, backends: &[SocketAddr]) -> Outcome<Running> {
        self.start(backends, |_| {}).await
    }

    async fn start(&self, backends: &[SocketAddr], tls: Change) -> Outcome<Running> {
        Running::start(self.settings(backends, tls)?).await
    }

    fn settings(&self, backends: &[SocketAddr], tls: Change) -> Outcome<Settings> {
        let urls = backends.iter().map(|one| format!("{}://{one}", self.back.scheme()));
        let backends = urls.map(|url| url.parse()).collect::<Result<_, _>>();
        let backends = backends.map_err(crate::outcome::Wrong)?;
        let mut pool = PoolSettings::new("default", backends);
        pool.algorithm = Algorithm::First;
        pool.probing = Probing { interval: Duration::from_secs(3600), ..Probing::default() };
        pool.tls = self.back.is_tls().then(|| self.secrets.back());
        let mut settings = settings(pool);
        settings.listeners[0].tls = self.front.is_tls().then(|| self.secrets.front_with(tls));
        Ok(settings)
    }

    /// Connects a client.
    pub(crate) async fn client(&self, nexus: &Running) -> Outcome<Client> {
        self.client_that_takes(nexus, 1 << 20).await
    }

    /// Connects a client that takes so many bytes of each answer at once, in HTTP/2.
    pub(crate) async fn client_that_takes(&self, nexus: &Running, window: u32) -> Outcome<Client> {
        let tls = self.front.is_tls().then(|| self.secrets.client(self.front.alpn()));
        Client::connect(self.front, nexus.address, tls, window).await
    }
}

/// Settings for a test: every port by the system, one pool, no log.
pub(crate) fn settings(pool: PoolSettings) -> Settings {
    Settings {
        listeners: vec![SocketAddr::from(([127, 0, 0, 1], 0)).into()],
        pools: vec![pool],
        routes: None,
        workers: 1,
        timeouts: Timeouts { shutdown: Duration::from_secs(5), ..Timeouts::default() },
        trusted: vec![],
        forwarded_fields: nexus::http1::forwarded::ForwardedFields::default(),
        half_close: false,
        metrics: true,
        connections_max: 10_000,
        handshakes_max: 1000,
        access_log: None,
        request_id: None,
        tracing: None,
        admin: None,
        watch: false,
    }
}

/// A Nexus, until it is dropped.
pub(crate) struct Running {
    nexus: Option<Nexus>,
    pub(crate) address: SocketAddr,
}

impl Running {
    /// Starts one, on a thread that may wait.
    pub(crate) async fn start(settings: Settings) -> Outcome<Self> {
        let starting = tokio::task::spawn_blocking(|| {
            nexus::listen::connections_that_fit();
            Nexus::start(settings, io::sink()).expect("ports by the system are free")
        });
        let nexus = starting.await?;
        Ok(Self { address: nexus.addresses()[0], nexus: Some(nexus) })
    }

    /// Says whether the first backend was probed.
    pub(crate) fn has_probed(&self) -> bool {
        self.nexus.as_ref().is_some_and(|nexus| nexus.snapshot().pools[0].backends()[0].is_probed())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let nexus = self.nexus.take();
        std::thread::spawn(move || drop(nexus));
    }
}
