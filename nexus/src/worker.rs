//! One worker: a thread with its own runtime, sockets, clock, idle connections and log.
//!
//! Nothing on a request's way takes a lock or wakes another thread.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Notify;

use crate::backend::idle::IdleConnections;
use crate::backend::{Backend, Serial};
use crate::deadline::{Deadlines, TICK};
use crate::dial::Terms;
use crate::failures;
use crate::http2::back::Connections;
use crate::listen::Door;
use crate::log::Log;
use crate::metrics::counter::Hand;
use crate::metrics::counts::Over;
use crate::picker::Place;
use crate::pool::Pool;
use crate::reason::Reason;
use crate::record::{Record, Stations};
use crate::settings::{BackendSettings, Timeouts};
use crate::snapshot::{Published, Snapshot};
use crate::spans::{Finished, Traces};

/// Idle connections are looked through this often, in ticks: once a second.
const SWEEP_TICKS: u32 = 10;

/// Connections that keep their room for the next request while they rest, in each worker: as many as
/// are busy at a time, and 1 MiB at most.
const RESTING_MAX: usize = 256;

/// A snapshot as a worker holds it: kept by a request without a word to other workers.
pub type View = Rc<Arc<Snapshot>>;

/// A backend that was picked, held by way of its snapshot: counting holders of the backend itself
/// would make the workers write to the same memory.
#[derive(Clone)]
pub struct Picked {
    view: View,
    pool: usize,
    place: Place,
}

impl Picked {
    /// Holds the backend at `place` in the `pool`th pool of `view`.
    pub fn new(view: &View, pool: usize, place: Place) -> Self {
        Self { view: Rc::clone(view), pool, place }
    }

    /// Returns its place in its pool.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Returns its pool.
    pub fn pool(&self) -> &Pool {
        &self.view.pools[self.pool]
    }

    /// Returns how many connections to it may be open.
    pub fn connections_max(&self) -> u32 {
        self.settings().connections_max.unwrap_or(u32::MAX)
    }

    /// Counts a connection error against it, as its pool wants it.
    pub fn request_failed(&self, reason: Reason) {
        let errors_max = self.pool().settings.probing.request_errors;
        Backend::request_failed(self, reason, errors_max);
    }

    /// Returns what a connection to it is opened with.
    ///
    /// # Errors
    ///
    /// Fails if its name is none that a certificate could be for.
    pub fn terms(&self) -> Result<Terms, Reason> {
        Terms::of(self, self.pool().settings.tls.as_deref())
    }

    /// Returns what was asked for of it.
    pub fn settings(&self) -> &BackendSettings {
        &self.pool().settings.backends[usize::from(self.place.0)]
    }
}

/// One of the requests that a backend has under way, until it is dropped.
pub struct Taken(Picked);

impl Taken {
    /// Takes a place at a backend; `None` if it has as many requests as it takes.
    pub fn take(picked: &Picked) -> Option<Self> {
        picked.pool().take(picked.place).then(|| Self(picked.clone()))
    }

    /// Returns whose place it is.
    pub fn picked(&self) -> &Picked {
        &self.0
    }

    /// Has a place that was handed over.
    pub fn handed_over(picked: &Picked) -> Self {
        picked.pool().count();
        Self(picked.clone())
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.pool().give_back(self.0.place);
    }
}

impl Deref for Picked {
    type Target = Arc<Backend>;

    fn deref(&self) -> &Arc<Backend> {
        &self.view.pools[self.pool].backends()[usize::from(self.place.0)]
    }
}

/// What the connections of one worker share.
pub struct Worker {
    /// Where the current snapshot is found.
    pub published: Arc<Published>,
    /// The snapshot that was current when this worker last looked, and its version.
    view: RefCell<(u64, View)>,
    /// Its place among all workers.
    hand: Hand,
    /// The same, if that snapshot wants requests to be counted.
    counting: Cell<Option<Hand>>,
    /// Whether that snapshot has an address where somebody can ask for what failed.
    is_asked: Cell<bool>,
    /// The clock.
    pub deadlines: Rc<Deadlines>,
    /// Connections to backends between two requests.
    pub idle: RefCell<IdleConnections>,
    /// Connections to backends that requests share.
    pub http2: RefCell<Connections>,
    /// How many copies of requests are under way.
    pub mirrors: Rc<Cell<usize>>,
    log: Option<RefCell<Log>>,
    traces: Option<RefCell<Traces>>,
    /// Its last requests that failed, if anybody can ask for them.
    failures: Arc<failures::Ring>,
    date: RefCell<String>,
    is_draining: Cell<bool>,
    open: Cell<usize>,
    resting: Rc<Cell<usize>>,
    /// Rung when the last connection closes.
    empty: Notify,
}

impl Worker {
    /// Makes the state of one worker.
    pub fn new(
        published: Arc<Published>,
        hand: Hand,
        (log, traces): (Option<Log>, Option<Traces>),
    ) -> Rc<Self> {
        let view = (published.version(), Rc::new(published.current()));
        let worker = Self {
            failures: published.failures.join(),
            published,
            view: RefCell::new(view.clone()),
            hand,
            counting: Cell::default(),
            is_asked: Cell::default(),
            deadlines: Rc::default(),
            idle: RefCell::default(),
            http2: RefCell::default(),
            mirrors: Rc::default(),
            log: log.map(RefCell::new),
            traces: traces.map(RefCell::new),
            date: RefCell::new(httpdate::fmt_http_date(SystemTime::now())),
            is_draining: Cell::new(false),
            open: Cell::new(0),
            resting: Rc::default(),
            empty: Notify::new(),
        };
        worker.look_up(&view.1);
        Rc::new(worker)
    }

    /// Takes note of what a snapshot wants to be noted: each request asks.
    fn look_up(&self, view: &View) {
        self.counting.set(view.is_counted().then_some(self.hand));
        self.is_asked.set(view.settings.admin.is_some());
    }

    /// Returns the current snapshot.
    pub fn view(&self) -> View {
        let version = self.published.version();
        let mut view = self.view.borrow_mut();
        if view.0 != version {
            *view = (version, Rc::new(self.published.current()));
            self.look_up(&view.1);
        }
        Rc::clone(&view.1)
    }

    /// Returns one of the current timeouts.
    pub fn timeout(&self, which: impl Fn(&Timeouts) -> Duration) -> Duration {
        which(&self.view().settings.timeouts)
    }

    /// Says whether nothing new is to be begun on open connections.
    pub fn is_draining(&self) -> bool {
        self.is_draining.get()
    }

    /// Ends every connection after the request it carries.
    pub fn drain(&self) {
        self.is_draining.set(true);
        self.deadlines.wake_all();
    }

    /// Returns the time, if somebody wants to know it: reading the clock costs.
    pub fn begin(&self) -> Option<Instant> {
        // Whoever counts can be asked, too.
        let is_wanted = self.log.is_some() || self.traces.is_some() || self.is_asked.get();
        is_wanted.then(Instant::now)
    }

    /// Returns whose hand counts, if requests are counted.
    #[inline]
    pub fn counting(&self) -> Option<Hand> {
        self.counting.get()
    }

    /// Takes note of a request that is over.
    pub fn note(&self, record: &Record<'_>, stations: Stations<'_>) {
        if let Some(hand) = self.counting() {
            self.count(hand, record, stations);
        }
        if failures::is_one(record) && self.is_asked.get() {
            self.failures.keep(self.deadlines.now(), record, stations);
        }
        if let (Some(log), Some(rules)) = (&self.log, &stations.view.settings.access_log) {
            log.borrow_mut().write(rules, record, &stations);
        }
    }

    /// Counts a request at every station of its way.
    fn count(&self, hand: Hand, record: &Record<'_>, stations: Stations<'_>) {
        let Stations { door, view, route, pool, backend } = stations;
        let over = Over::from(record);
        self.published.requests.of(hand).count(&over);
        door.counts().of(hand).requests.count(&over);
        if let Some(counts) = route.and_then(|route| view.route_counts.get(route)) {
            counts.of(hand).count(&over);
        }
        if let Some(pool) = pool {
            view.pools[pool].counts.of(hand).count(&over, record);
        }
        if let Some(backend) = backend {
            backend.counts.of(hand).requests.count(&over);
        }
    }

    /// Hands a request that was recorded to the exporter.
    pub fn export(&self, finished: Finished) {
        if let Some(traces) = &self.traces {
            traces.borrow_mut().push(finished);
        }
    }

    /// Calls `with` with the date for an answer that has none, exact to a second.
    pub fn with_date<T>(&self, with: impl FnOnce(&[u8]) -> T) -> T {
        with(self.date.borrow().as_bytes())
    }

    /// Counts a client connection, which came by `door`, until the guard is dropped.
    pub fn opened(self: &Rc<Self>, door: &Rc<Door>) -> Open {
        self.open.set(self.open.get() + 1);
        self.published.open.fetch_add(1, Ordering::Relaxed);
        door.counts().of(self.hand).opened.add(1);
        Open { worker: Rc::clone(self), door: Rc::clone(door) }
    }

    /// Lets a connection keep its room while it rests, unless too many do.
    pub fn rest(&self) -> Option<Resting> {
        let resting = self.resting.get();
        (resting < RESTING_MAX).then(|| {
            self.resting.set(resting + 1);
            Resting(Rc::clone(&self.resting))
        })
    }

    /// Breaks off what is still under way.
    pub fn cut_off(&self) {
        self.deadlines.end();
    }

    /// Waits until no client connection is open.
    pub async fn until_empty(&self) {
        while self.open.get() > 0 {
            self.empty.notified().await;
        }
    }

    /// Keeps the worker's clock, for ever.
    pub async fn keep_time(&self) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut last, mut swept) = (Instant::now(), 0);
        loop {
            ticks.tick().await;
            let passed = last.elapsed().as_millis() / TICK.as_millis();
            // What is left of a tick counts towards the next.
            last += TICK * u32::try_from(passed).unwrap_or(u32::MAX);
            self.deadlines.sweep(u32::try_from(passed).unwrap_or(u32::MAX));
            let now = self.deadlines.now();
            *self.date.borrow_mut() = httpdate::fmt_http_date(SystemTime::now());
            if let Some(log) = &self.log {
                log.borrow_mut().flush();
            }
            if let Some(traces) = &self.traces {
                traces.borrow_mut().flush();
            }
            if self.view().limits_connections {
                self.idle.borrow_mut().close_wanted();
                self.http2.borrow_mut().close_wanted();
            }
            if now >= swept + SWEEP_TICKS {
                swept = now;
                self.sweep_idle(now);
            }
        }
    }

    fn sweep_idle(&self, now: u32) {
        let view = self.view();
        let oldest = |backend: &Backend| {
            let own = view.pool_of(backend.serial)?.settings.timeouts.idle;
            let age = ticks(own.unwrap_or(view.settings.timeouts.idle_backend));
            Some(now.saturating_sub(age))
        };
        let (mut idle, mut http2) = (self.idle.borrow_mut(), self.http2.borrow_mut());
        idle.sweep(oldest);
        http2.sweep(oldest);
        if let Some(hand) = self.counting() {
            let mut counts: HashMap<Serial, usize> = HashMap::new();
            for (backend, count) in idle.counts().chain(http2.idle_counts()) {
                *counts.entry(backend.serial).or_default() += count;
            }
            for backend in view.backends() {
                if let Some(own) = backend.counts.met(hand) {
                    own.idle.set(counts.get(&backend.serial).map_or(0, |count| *count as u64));
                }
            }
        }
    }
}

fn ticks(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis() / TICK.as_millis()).unwrap_or(u32::MAX)
}

/// A connection that keeps its room.
pub struct Resting(Rc<Cell<usize>>);

impl Drop for Resting {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// A client connection that is open.
pub struct Open {
    worker: Rc<Worker>,
    door: Rc<Door>,
}

impl Open {
    /// Returns the worker that carries it.
    pub fn worker(&self) -> &Rc<Worker> {
        &self.worker
    }

    /// Returns the listener that it came by.
    pub fn door(&self) -> &Rc<Door> {
        &self.door
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let worker = &self.worker;
        let left = worker.open.get() - 1;
        worker.open.set(left);
        worker.published.open.fetch_sub(1, Ordering::Relaxed);
        self.door.counts().of(worker.hand).closed.add(1);
        if left == 0 {
            worker.empty.notify_one();
        }
    }
}
