//! The immutable view made from one configuration, built whole and swapped whole.
//!
//! A request reads the current snapshot once and keeps it to its last byte. What did not change
//! from one to the next is the same thing in both: a backend keeps its health, its addresses and
//! its connections, a pool its place in the rotation.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::backend::{Backend, Serial};
use crate::failures::Failures;
use crate::limiter::Limiter;
use crate::metrics::counter::ByWorker;
use crate::metrics::counts::{ListenerCounts, Requests};
use crate::picker::Place;
use crate::pool::Pool;
use crate::retry::Hedge;
use crate::route::{Modifiers, Route};
use crate::settings::{Address, Settings};

/// What requests are answered by.
pub struct Snapshot {
    /// What Nexus runs with.
    pub settings: Settings,
    /// Who answers, by pool, in the order of the settings.
    pub pools: Box<[Pool]>,
    /// Whether any backend has a limit on its connections.
    pub limits_connections: bool,
    /// The rate limits at work, by the route's place in the table; empty if there are none.
    limiters: Box<[Option<Arc<Limiter>>]>,
    /// What was counted at each listener, in the order of the settings.
    pub listener_counts: Box<[Arc<ByWorker<ListenerCounts>>]>,
    /// What was counted at each route, by its place in the table.
    pub route_counts: Box<[Arc<ByWorker<Requests>>]>,
    /// Each backend's pool, by its place: whoever asks after one must not look through all.
    serials: HashMap<Serial, usize>,
}

impl Snapshot {
    /// Builds what `settings` ask for, of what is there already where it fits.
    ///
    /// `bell` is rung by backends whose verdict flips; `dice` chooses the first turn of new pools.
    pub fn build(
        settings: Settings,
        previous: Option<&Snapshot>,
        bell: &Arc<Notify>,
        dice: usize,
    ) -> Self {
        let old = previous.iter().flat_map(|previous| &previous.pools);
        let old: HashMap<_, _> = old.map(|pool| (pool.settings.name.as_str(), pool)).collect();
        let routes = settings.routes.iter().flat_map(|table| table.routes());
        let mut policies = routes.filter_map(|route| route.modifiers.retry);
        let is_timed = policies.any(|policy| policy.hedge == Some(Hedge::P95));
        let pools = settings.pools.iter().map(|wanted| {
            let old = old.get(wanted.name.as_str()).copied();
            Pool::build(wanted.clone(), old, bell, dice).timed(is_timed)
        });
        let pools: Box<[Pool]> = pools.collect();
        let of_pool = |(at, pool): (usize, &Pool)| -> Vec<_> {
            pool.backends().iter().map(|backend| (backend.serial, at)).collect()
        };
        let serials = pools.iter().enumerate().flat_map(of_pool).collect();
        let limiters = limiters(&settings, previous);
        let mut wanted = settings.pools.iter().flat_map(|pool| &pool.backends);
        let limits_connections = wanted.any(|backend| backend.connections_max.is_some());
        let (listener_counts, route_counts) = counts(&settings, previous);
        Self {
            settings,
            pools,
            limits_connections,
            limiters,
            listener_counts,
            route_counts,
            serials,
        }
    }

    /// Says whether requests are counted: somebody must be able to ask.
    pub fn is_counted(&self) -> bool {
        self.settings.metrics && self.settings.admin.is_some()
    }

    /// Returns what was counted at the listener of this address, if there is one.
    pub fn counts_of(&self, address: &Address) -> Option<&Arc<ByWorker<ListenerCounts>>> {
        let at = self.settings.listeners.iter().position(|known| known.address == *address)?;
        self.listener_counts.get(at)
    }

    fn route_counts_by_name(&self) -> HashMap<&str, &Arc<ByWorker<Requests>>> {
        let routes = self.settings.routes.iter().flat_map(|table| table.routes());
        routes.map(|route| route.name.as_str()).zip(&self.route_counts).collect()
    }

    /// Returns the rate limit of a route, by its place in the table.
    pub fn limiter(&self, route: Option<usize>) -> Option<&Limiter> {
        self.limiters.get(route?)?.as_deref()
    }

    /// Returns what a route, by its place in the table, changes.
    pub fn modifiers(&self, route: Option<usize>) -> Option<&Modifiers> {
        let table = self.settings.routes.as_ref()?;
        Some(&table.routes()[route?].modifiers)
    }

    fn limiters_by_name(&self) -> HashMap<&str, &Arc<Limiter>> {
        let routes = self.settings.routes.iter().flat_map(|table| table.routes());
        let pairs = routes.zip(&self.limiters);
        pairs
            .filter_map(|(route, limiter)| Some((route.name.as_str(), limiter.as_ref()?)))
            .collect()
    }

    /// Finds a backend by its pool's name and its URL, of which `http://` may be left out.
    pub fn find(&self, pool: &str, backend: &str) -> Option<(&Pool, Place)> {
        let is_it = |known: &Arc<Backend>| {
            *known.name == *backend || known.url.authority == backend.trim_end_matches('/')
        };
        let pool = self.pools.iter().find(|known| known.settings.name == pool)?;
        let at = pool.backends().iter().position(is_it)?;
        Some((pool, Place(u16::try_from(at).ok()?)))
    }

    /// Returns every backend of every pool.
    pub fn backends(&self) -> impl Iterator<Item = &Arc<Backend>> {
        self.pools.iter().flat_map(super::pool::Pool::backends)
    }

    /// Says whether a backend still gets requests.
    pub fn has(&self, serial: Serial) -> bool {
        self.serials.contains_key(&serial)
    }

    /// Returns the pool of a backend, if it still gets requests.
    pub fn pool_of(&self, serial: Serial) -> Option<&Pool> {
        self.pools.get(*self.serials.get(&serial)?)
    }
}

/// Makes the rate limits that `settings` ask for; one that did not change is the same as before.
fn limiters(settings: &Settings, previous: Option<&Snapshot>) -> Box<[Option<Arc<Limiter>>]> {
    let routes = settings.routes.as_ref().map_or(&[][..], |table| table.routes());
    if routes.iter().all(|route| route.modifiers.rate_limit.is_none()) {
        return Box::default();
    }
    let known: HashMap<_, _> = previous.map(Snapshot::limiters_by_name).unwrap_or_default();
    let one = |route: &Route| {
        let limit = route.modifiers.rate_limit.as_ref()?;
        let same = known.get(route.name.as_str()).filter(|known| known.limit() == limit);
        Some(same.copied().cloned().unwrap_or_else(|| Arc::new(Limiter::new(limit.clone()))))
    };
    routes.iter().map(one).collect()
}

type Counts = (Box<[Arc<ByWorker<ListenerCounts>>]>, Box<[Arc<ByWorker<Requests>>]>);

/// Makes counters for listeners and routes; what was there before goes on counting.
fn counts(settings: &Settings, previous: Option<&Snapshot>) -> Counts {
    let listener = |address: &Address| previous?.counts_of(address).cloned();
    let listeners = settings.listeners.iter();
    let listeners = listeners.map(|one| listener(&one.address).unwrap_or_default()).collect();
    let known = previous.map(Snapshot::route_counts_by_name).unwrap_or_default();
    let routes = settings.routes.iter().flat_map(|table| table.routes());
    let route = |route: &Route| known.get(route.name.as_str()).copied().cloned();
    (listeners, routes.map(|one| route(one).unwrap_or_default()).collect())
}

/// The one place where the current snapshot is found.
pub struct Published {
    current: ArcSwap<Snapshot>,
    /// Counts the swaps, so that a worker sees at a glance whether there was one.
    version: AtomicU64,
    /// Client connections open, over all workers and snapshots.
    pub open: AtomicUsize,
    /// TLS handshakes with clients under way.
    pub handshakes: AtomicUsize,
    /// HTTP/2 connections that were ended since their clients broke the protocol or asked too much.
    pub http2_ended: AtomicU64,
    /// What was counted of all requests.
    pub requests: ByWorker<Requests>,
    /// Lines of the request log that were dropped, since Nexus began.
    pub log_lines_dropped: Arc<AtomicU64>,
    /// Spans of traces that were dropped, since Nexus began.
    pub spans_dropped: Arc<AtomicU64>,
    /// The last requests that failed.
    pub failures: Failures,
}

impl Published {
    /// Publishes the first snapshot.
    pub fn new(first: Snapshot) -> Self {
        Self {
            current: ArcSwap::from_pointee(first),
            version: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            handshakes: AtomicUsize::new(0),
            http2_ended: AtomicU64::new(0),
            requests: ByWorker::default(),
            log_lines_dropped: Arc::default(),
            spans_dropped: Arc::default(),
            failures: Failures::default(),
        }
    }

    /// Returns the current snapshot.
    pub fn current(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Returns how often the snapshot was replaced.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Replaces the snapshot. Only the control task calls this.
    pub fn replace(&self, next: Snapshot) {
        self.current.store(Arc::new(next));
        self.version.fetch_add(1, Ordering::Release);
    }
}
