//! The one writer of what all workers read: it lays out pickers when health flips, keeps the probes
//! going, and replaces the snapshot.
//!
//! # Why can a reload not half succeed?
//!
//! All that can fail (the settings, binding new addresses) comes before the swap; nothing after it
//! can. Commands queue here, so two reloads never overlap.

mod news;
mod operator;

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::AbortHandle;

use crate::admin::{self, Shared, Socket};
use crate::backend::{Backend, Serial};
use crate::events::{Kind, News};
use crate::level::Levels;
use crate::listen::{self, Bound, unix};
use crate::log::Output;
use crate::plan::{self, Plan};
use crate::pool::Pool;
use crate::probe::{self, Manner};
use crate::reload::{By, Effective, Failure, Problems, Reading, Report, Source, Unconfirmed};
use crate::settings::{Address, ListenerSettings, PoolSettings, Probing, Settings};
use crate::snapshot::{Published, Snapshot};
use crate::watch;
use news::Teller;

pub use operator::{Change, Unchanged};

/// What can be asked of a running Nexus.
pub enum Command {
    /// Run with other settings from now on, or say why not.
    Reload(Box<Settings>, oneshot::Sender<Result<Plan, Refused>>),
    /// Read the settings anew and run with them.
    Reread {
        /// Take it back after this time unless somebody confirms it.
        confirm: Option<Duration>,
        /// Who asks.
        by: By,
        /// What came of it.
        reply: oneshot::Sender<Result<Report, Failure>>,
    },
    /// Confirm the reload that waits for it; the answer says whether one did.
    Confirm {
        /// Who does.
        by: By,
        /// Whether there was one.
        reply: oneshot::Sender<bool>,
    },
    /// Give a backend more, fewer or no requests.
    Backend {
        /// The pool's name.
        pool: String,
        /// The backend's URL; `http://` may be left out.
        backend: String,
        /// What is to be done.
        change: Change,
        /// Who asks.
        by: By,
        /// What came of it.
        reply: oneshot::Sender<Result<(), Unchanged>>,
    },
    /// Write Nexus's own events from another level on.
    Level {
        /// From which.
        level: tracing::Level,
        /// Who asks.
        by: By,
        /// Told when it is so.
        reply: oneshot::Sender<()>,
    },
    /// Say what a configuration would change.
    Plan {
        /// The configuration, as one JSON document.
        text: String,
        /// What it would change.
        reply: oneshot::Sender<Result<Report, Failure>>,
    },
}

/// What the control task tells a worker.
pub enum Order {
    /// Accept here, too.
    Listen(Address, Bound),
    /// Accept here no more, and close what was accepted here after its next answer.
    Unlisten(Address),
}

/// Why a reload changed nothing.
#[derive(Debug)]
pub enum Refused {
    /// This can only change with a restart.
    NeedsRestart(&'static str),
    /// A new address cannot be listened on.
    Bind(Address, io::Error),
    /// The new admin address cannot be listened on.
    Admin(Address, io::Error),
    /// Nexus is on its way out.
    Stopping,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NeedsRestart(what) => write!(f, "`{what}` can only change with a restart"),
            Self::Bind(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::Admin(address, error) => {
                write!(f, "cannot listen on the admin address {address}: {error}")
            }
            Self::Stopping => write!(f, "Nexus is stopping"),
        }
    }
}

impl std::error::Error for Refused {}

/// A probe that runs, and how.
struct Probe {
    probing: Probing,
    manner: Manner,
    task: AbortHandle,
}

/// What the control task begins with.
pub struct Beginning {
    /// Where the current snapshot is found.
    pub published: Arc<Published>,
    /// Rung when a verdict flips.
    pub bell: Arc<Notify>,
    /// The way to each worker.
    pub workers: Vec<mpsc::UnboundedSender<Order>>,
    /// The way to the control task itself.
    pub commands: mpsc::Sender<Command>,
    /// Where settings are read anew.
    pub source: Option<Arc<dyn Source>>,
    /// The effective values of the settings that it begins with.
    pub effective: Effective,
    /// From which level on events are written.
    pub levels: Arc<Levels>,
}

/// The control task's state.
pub struct Control {
    published: Arc<Published>,
    bell: Arc<Notify>,
    workers: Vec<mpsc::UnboundedSender<Order>>,
    probes: HashMap<Serial, Probe>,
    source: Option<Arc<dyn Source>>,
    shared: Rc<Shared>,
    admin: Option<admin::Listening>,
    unconfirmed: Option<Unconfirmed>,
    teller: Teller,
    /// Whether a backend is on its way to its whole weight.
    is_ramping: bool,
}

/// From one step of a slow start, and of load shedding, to the next: an overload is felt within a
/// second.
const STEP: Duration = Duration::from_millis(100);

impl Control {
    /// Takes control over what is published, and of the workers' listeners.
    pub fn new(beginning: Beginning) -> Self {
        let Beginning { published, bell, workers, commands, source, effective, levels } = beginning;
        let teller = Teller::default();
        let shared = Rc::new(Shared {
            published: Arc::clone(&published),
            commands,
            history: Rc::default(),
            metrics: Rc::default(),
            effective: Rc::new(RefCell::new(effective)),
            events: Rc::clone(&teller.events),
            levels,
            began: Instant::now(),
        });
        Self {
            published,
            bell,
            workers,
            probes: HashMap::new(),
            source,
            shared,
            admin: None,
            unconfirmed: None,
            teller,
            is_ramping: false,
        }
    }

    /// Finds the addresses of all backends, then probes them; answers at the admin address. Returns
    /// where that is, with its real port.
    ///
    /// # Errors
    ///
    /// Fails if the admin address cannot be listened on.
    pub async fn begin(&mut self) -> Result<Option<Address>, Refused> {
        let snapshot = self.published.current();
        let admin = self.bind_admin(None, &snapshot.settings)?;
        let address = admin.as_ref().and_then(|(socket, _)| socket.address().ok());
        self.teller.collect(&snapshot);
        resolve_new(&snapshot, None).await;
        self.keep_probes(&snapshot);
        self.keep_admin(&snapshot.settings, admin);
        if let Some(source) = self.source.clone() {
            let commands = self.shared.commands.clone();
            tokio::task::spawn_local(watch::watch(source, Arc::clone(&self.published), commands));
        }
        Ok(address)
    }

    /// Does what is asked, for ever.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let bell = Arc::clone(&self.bell);
        let mut seconds = tokio::time::interval(Duration::from_secs(1));
        let mut tenths = tokio::time::interval(STEP);
        for ticks in [&mut seconds, &mut tenths] {
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        }
        loop {
            tokio::select! {
                () = bell.notified() => self.lay_out(),
                _ = tenths.tick(), if self.is_ramping || self.is_shedding() => {
                    self.published.current().pools.iter().for_each(Pool::adapt);
                    if self.is_ramping {
                        self.lay_out();
                    }
                }
                _ = seconds.tick() => {
                    let snapshot = self.published.current();
                    snapshot.pools.iter().for_each(Pool::begin_second);
                    self.shared.metrics.borrow_mut().tick(&self.published);
                    if snapshot.pools.iter().any(Pool::looks_back) {
                        self.lay_out();
                    }
                }
                command = commands.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => return,
                },
                () = unconfirmed(self.unconfirmed.as_ref()) => self.roll_back().await,
            }
        }
    }

    fn is_shedding(&self) -> bool {
        self.published.current().pools.iter().any(|pool| pool.settings.shedding.is_some())
    }

    /// Whoever asked may have left; the log has the outcome.
    async fn obey(&mut self, command: Command) {
        match command {
            Command::Reload(settings, reply) => {
                let outcome = self.reload(*settings).await;
                if let Ok(plan) = &outcome {
                    self.teller.tell(News::of(Kind::Reload, plan.to_string()));
                }
                let _ = reply.send(outcome);
            }
            Command::Reread { confirm, by, reply } => {
                let outcome = self.reread(confirm, &by).await;
                self.note(&by, &outcome);
                let _ = reply.send(outcome);
            }
            Command::Confirm { by, reply } => {
                let was_waiting = self.unconfirmed.take().is_some();
                self.shared.history.borrow_mut().confirm_until = None;
                if was_waiting {
                    tracing::info!(%by, "reload confirmed");
                    self.teller.tell(News::of(Kind::ReloadConfirmed, "reload confirmed").by(&by));
                }
                let _ = reply.send(was_waiting);
            }
            Command::Backend { pool, backend, change, by, reply } => {
                let _ = reply.send(self.change((&pool, &backend), change, &by));
            }
            Command::Level { level, by, reply } => {
                self.set_level(level, &by);
                let _ = reply.send(());
            }
            Command::Plan { text, reply } => {
                let _ = reply.send(self.plan(text).await);
            }
        }
    }

    /// Lays out all pools, and tells what has happened to backends meanwhile; as long as a backend is on
    /// its way to its whole weight, again and again.
    fn lay_out(&mut self) {
        let snapshot = self.published.current();
        // All are to be laid out, whoever of them is on its way.
        self.is_ramping = snapshot.pools.iter().fold(false, |any, pool| pool.lay_out() | any);
        self.teller.collect(&snapshot);
    }

    /// Reads the settings anew and runs with them.
    async fn reread(&mut self, confirm: Option<Duration>, by: &By) -> Result<Report, Failure> {
        if let Some(unconfirmed) = &self.unconfirmed {
            return Err(Failure::Unconfirmed(unconfirmed.left().as_secs() + 1));
        }
        let source = self.source.clone().ok_or(Failure::NoSource)?;
        let Reading { settings, warnings, effective } = read(move || source.read()).await?;
        let before = self.published.current().settings.clone();
        let plan = self.reload(settings).await.map_err(Failure::Refused)?;
        let effective = self.shared.effective.replace(effective);
        if let Some(time) = confirm {
            tracing::warn!(%by, seconds = time.as_secs(), "reloaded, and rolled back unless confirmed");
            let until = tokio::time::Instant::now() + time;
            self.unconfirmed = Some(Unconfirmed { before, effective, until });
            let stamp = crate::reload::stamp(SystemTime::now() + time);
            self.shared.history.borrow_mut().confirm_until = Some(stamp);
        }
        let confirm_within = confirm.map(|time| time.as_secs());
        let Problems { text: warnings_text, list: warnings } = warnings;
        Ok(Report { plan, warnings, warnings_text, confirm_within })
    }

    /// Says what a configuration would change.
    async fn plan(&self, text: String) -> Result<Report, Failure> {
        let source = self.source.clone().ok_or(Failure::NoSource)?;
        let Reading { settings, warnings, .. } = read(move || source.read_text(&text)).await?;
        let old = self.published.current();
        let plan = Plan::of(&old.settings, &settings, &*old);
        let Problems { text: warnings_text, list: warnings } = warnings;
        Ok(Report { plan, warnings, warnings_text, confirm_within: None })
    }

    /// Writes down what came of a reload.
    fn note(&self, by: &By, outcome: &Result<Report, Failure>) {
        self.shared.history.borrow_mut().note(by, outcome.as_ref().map(|report| &report.plan));
        self.teller.reload(by, outcome);
        match outcome {
            Ok(report) => {
                if !report.warnings_text.is_empty() {
                    tracing::warn!("{}", report.warnings_text.trim_end());
                }
                tracing::info!(%by, "reloaded\n{}", report.plan);
            }
            Err(failure) => tracing::error!(%by, "reload refused, nothing has changed: {failure}"),
        }
    }

    /// Goes back to the settings before a reload that nobody confirmed.
    async fn roll_back(&mut self) {
        let Some(Unconfirmed { before, effective, .. }) = self.unconfirmed.take() else { return };
        self.shared.history.borrow_mut().confirm_until = None;
        match self.reload(before).await {
            Ok(plan) => {
                self.shared.effective.replace(effective);
                let mut history = self.shared.history.borrow_mut();
                history.rolled_back += 1;
                history.loaded_at = Some(SystemTime::now());
                tracing::warn!("nobody confirmed the reload, rolled back: {plan}");
                self.teller.tell(News::of(Kind::RolledBack, format!("nobody confirmed: {plan}")));
            }
            Err(refused) => tracing::error!(
                "nobody confirmed the reload, but it cannot be rolled back: {refused}"
            ),
        }
    }

    async fn reload(&mut self, mut settings: Settings) -> Result<Plan, Refused> {
        let old = self.published.current();
        check_live(&old.settings, &settings)?;
        let plan = Plan::of(&old.settings, &settings, &*old);
        let admin = self.bind_admin(Some(&old.settings), &settings)?;
        let mut added = Vec::new();
        let addresses = |settings: &Settings| -> Vec<Address> {
            settings.listeners.iter().map(|listener| listener.address.clone()).collect()
        };
        let (before, after) = (addresses(&old.settings), addresses(&settings));
        for new in settings.listeners.iter().filter(|new| !before.contains(&new.address)) {
            let sockets = listen::bind(new, self.workers.len());
            let sockets = sockets.map_err(|error| Refused::Bind(new.address.clone(), error))?;
            added.push((new.address.clone(), sockets));
        }
        settings.keep_tls(&old.settings);
        let next = Snapshot::build(settings, Some(&old), &self.bell, fastrand::usize(..));
        resolve_new(&next, Some(&old)).await;

        // From here on nothing can fail.
        self.teller.collect(&old); // Who is removed takes its journal along.
        keep_modes(&old.settings, &next.settings);
        let removed = before.into_iter().filter(|address| !after.contains(address));
        self.published.replace(next);
        // A verdict that flipped while the next snapshot was built was laid out in the old one.
        self.bell.notify_one();
        let current = self.published.current();
        self.keep_probes(&current);
        self.keep_admin(&current.settings, admin);
        for (address, sockets) in added {
            for (worker, socket) in self.workers.iter().zip(sockets) {
                let _ = worker.send(Order::Listen(address.clone(), socket));
            }
        }
        for address in removed {
            self.workers
                .iter()
                .for_each(|worker| drop(worker.send(Order::Unlisten(address.clone()))));
        }
        Ok(plan)
    }

    /// Binds the admin address that `new` wants, if `old` had it not.
    fn bind_admin(
        &self,
        old: Option<&Settings>,
        new: &Settings,
    ) -> Result<Option<(Socket, Address)>, Refused> {
        let address =
            |settings: &Settings| settings.admin.as_ref().map(|admin| admin.address.clone());
        let Some(wanted) = address(new).filter(|new| old.and_then(address).as_ref() != Some(new))
        else {
            return Ok(None);
        };
        let socket =
            Socket::bind(&wanted).map_err(|error| Refused::Admin(wanted.clone(), error))?;
        Ok(Some((socket, wanted)))
    }

    /// Answers at the address that was `bound`; at none if none is wanted; else where it did.
    fn keep_admin(&mut self, settings: &Settings, bound: Option<(Socket, Address)>) {
        if let Some((socket, address)) = bound {
            self.admin = Some(socket.serve(Rc::clone(&self.shared), address));
        } else if settings.admin.is_none() {
            self.admin = None;
        }
    }

    /// Starts the probes that `snapshot` wants and ends the others; those that stay as they are
    /// are not disturbed.
    fn keep_probes(&mut self, snapshot: &Snapshot) {
        let mut kept = HashMap::new();
        for pool in &snapshot.pools {
            for backend in pool.backends() {
                let known = self.probes.remove(&backend.serial);
                let same = known.filter(|probe| {
                    let is_same = probe.probing == pool.settings.probing
                        && probe.manner == manner(&pool.settings);
                    if !is_same {
                        probe.task.abort();
                    }
                    is_same
                });
                let probe = same.unwrap_or_else(|| start_probe(backend, &pool.settings));
                kept.insert(backend.serial, probe);
            }
        }
        let ended = std::mem::replace(&mut self.probes, kept);
        ended.values().for_each(|probe| probe.task.abort());
    }
}

/// Lets others connect at sockets of this machine's, where that has changed.
fn keep_modes(old: &Settings, new: &Settings) {
    for new in &new.listeners {
        let is_it = |old: &&ListenerSettings| old.address == new.address && old.mode != new.mode;
        if let (Some(_), Address::Unix(path)) = (old.listeners.iter().find(is_it), &new.address)
            && let Err(error) = unix::allow(path, new.mode)
        {
            tracing::warn!(path, %error, "the mode of a socket cannot be changed");
        }
    }
}

/// Waits until a reload would have had to be confirmed; for ever if none waits.
async fn unconfirmed(unconfirmed: Option<&Unconfirmed>) {
    match unconfirmed {
        Some(unconfirmed) => tokio::time::sleep_until(unconfirmed.until).await,
        None => std::future::pending().await,
    }
}

/// Reads settings on a thread that may wait: probes go on meanwhile.
async fn read(
    read: impl FnOnce() -> Result<Reading, Problems> + Send + 'static,
) -> Result<Reading, Failure> {
    match tokio::task::spawn_blocking(read).await {
        Ok(outcome) => outcome.map_err(Failure::Problems),
        Err(_) => Err(Failure::Refused(Refused::Stopping)),
    }
}

impl plan::Facts for Snapshot {
    fn is_up(&self, pool: &str, backend: &str) -> Option<bool> {
        let pool = self.pools.iter().find(|known| known.settings.name == pool)?;
        let backend = pool.backends().iter().find(|known| &*known.name == backend)?;
        Some(backend.is_up())
    }
}

fn start_probe(backend: &Arc<Backend>, settings: &PoolSettings) -> Probe {
    let (probing, manner) = (settings.probing.clone(), manner(settings));
    let probe = probe::keep_probing(Arc::clone(backend), probing.clone(), manner.clone());
    let task = tokio::task::spawn_local(probe).abort_handle();
    Probe { probing, manner, task }
}

/// Returns how probes speak to the backends of a pool.
fn manner(settings: &PoolSettings) -> Manner {
    Manner { tls: settings.tls.clone(), proxy_protocol: settings.proxy_protocol }
}

/// Finds the addresses of backends that `old` did not have: no request before its backend has one.
async fn resolve_new(next: &Snapshot, old: Option<&Snapshot>) {
    let mut look_ups = tokio::task::JoinSet::new();
    for pool in &next.pools {
        for backend in pool.backends() {
            if !old.is_some_and(|old| old.has(backend.serial)) {
                let (backend, limit) = (Arc::clone(backend), pool.settings.probing.timeout);
                look_ups.spawn_local(async move { probe::resolve(&backend, limit).await });
            }
        }
    }
    while look_ups.join_next().await.is_some() {}
}

/// Refuses changes that a running Nexus cannot make.
fn check_live(old: &Settings, new: &Settings) -> Result<(), Refused> {
    if old.workers != new.workers {
        return Err(Refused::NeedsRestart("workers"));
    }
    if output_of(old) != output_of(new) {
        return Err(Refused::NeedsRestart("access_log.output"));
    }
    if !is_exported_alike(old, new) {
        return Err(Refused::NeedsRestart("tracing"));
    }
    Ok(())
}

/// Returns where the request log goes, which its thread was started with.
fn output_of(settings: &Settings) -> Option<(&Output, u8)> {
    settings.access_log.as_ref().map(|log| (&log.output, log.facility))
}

/// Says whether the thread that sends traces can go on as it was started.
pub(crate) fn is_exported_alike(old: &Settings, new: &Settings) -> bool {
    match (&old.tracing, &new.tracing) {
        (None, None) => true,
        (Some(old), Some(new)) => old.is_exported_like(new),
        _ => false,
    }
}
