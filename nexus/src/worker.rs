//! One worker: a thread with its own runtime, sockets, clock, idle connections and log.
//!
//! Nothing on a request's way takes a lock or wakes another thread.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Notify;

use crate::backend::Backend;
use crate::backend::idle::IdleConnections;
use crate::deadline::{Deadlines, TICK};
use crate::log::{Log, Record};
use crate::pool::Pool;
use crate::settings::Settings;

/// Idle connections are looked through this often, in ticks: once a second.
const SWEEP_TICKS: u32 = 10;

/// What all workers see: the immutable view made from one configuration.
pub struct Shared {
    /// What Nexus runs with.
    pub settings: Settings,
    /// Who answers.
    pub pool: Pool,
    /// Client connections open, over all workers.
    pub open: AtomicUsize,
}

/// What the connections of one worker share.
pub struct Worker {
    /// What all workers see.
    pub shared: Arc<Shared>,
    /// The clock.
    pub deadlines: Rc<Deadlines>,
    /// Connections to backends between two requests.
    pub idle: RefCell<IdleConnections>,
    log: Option<RefCell<Log>>,
    date: RefCell<String>,
    is_draining: Cell<bool>,
    open: Cell<usize>,
    /// Rung when the last connection closes.
    empty: Notify,
}

impl Worker {
    /// Makes the state of one worker.
    pub fn new(shared: Arc<Shared>, log: Option<Log>) -> Rc<Self> {
        let idle = IdleConnections::new(shared.pool.backends().len());
        Rc::new(Self {
            shared,
            deadlines: Rc::default(),
            idle: RefCell::new(idle),
            log: log.map(RefCell::new),
            date: RefCell::new(httpdate::fmt_http_date(SystemTime::now())),
            is_draining: Cell::new(false),
            open: Cell::new(0),
            empty: Notify::new(),
        })
    }

    /// Returns what Nexus runs with.
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
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
        self.log.as_ref().map(|_| Instant::now())
    }

    /// Writes a request down.
    pub fn write_log(&self, record: &Record<'_>) {
        if let Some(log) = &self.log {
            log.borrow_mut().write(record);
        }
    }

    /// Calls `with` with the date for an answer that has none, exact to a second.
    pub fn with_date<T>(&self, with: impl FnOnce(&[u8]) -> T) -> T {
        with(self.date.borrow().as_bytes())
    }

    /// Counts a client connection until the guard is dropped.
    pub fn opened(self: &Rc<Self>) -> Open {
        self.open.set(self.open.get() + 1);
        self.shared.open.fetch_add(1, Ordering::Relaxed);
        Open(Rc::clone(self))
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
        let began = Instant::now();
        let mut swept = 0;
        loop {
            ticks.tick().await;
            let now = u32::try_from(began.elapsed().as_millis() / TICK.as_millis());
            let now = now.expect("4 billion ticks are 13 years");
            self.deadlines.sweep(now);
            *self.date.borrow_mut() = httpdate::fmt_http_date(SystemTime::now());
            if let Some(log) = &self.log {
                log.borrow_mut().flush();
            }
            if now >= swept + SWEEP_TICKS {
                swept = now;
                self.sweep_idle(now);
            }
        }
    }

    fn sweep_idle(&self, now: u32) {
        let age = ticks(self.settings().timeouts.idle_backend);
        let backends = self.shared.pool.backends().iter().map(AsRef::<Backend>::as_ref);
        self.idle.borrow_mut().sweep(backends, now.saturating_sub(age));
    }
}

fn ticks(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis() / TICK.as_millis()).unwrap_or(u32::MAX)
}

/// A client connection that is open.
pub struct Open(Rc<Worker>);

impl Drop for Open {
    fn drop(&mut self) {
        let left = self.0.open.get() - 1;
        self.0.open.set(left);
        self.0.shared.open.fetch_sub(1, Ordering::Relaxed);
        if left == 0 {
            self.0.empty.notify_one();
        }
    }
}
