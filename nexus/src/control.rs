//! The one writer of what all workers read: it lays out pickers when health flips, keeps the probes
//! going, and replaces the snapshot.
//!
//! # Why can a reload not half succeed?
//!
//! All that can fail (the settings, binding new addresses) comes before the swap; nothing after it
//! can. Commands queue here, so two reloads never overlap.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::AbortHandle;

use crate::backend::{Backend, Serial};
use crate::listen;
use crate::probe;
use crate::settings::{Probing, Settings};
use crate::snapshot::{Published, Snapshot};

/// What can be asked of a running Nexus.
pub enum Command {
    /// Run with other settings from now on, or say why not.
    Reload(Box<Settings>, oneshot::Sender<Result<(), Refused>>),
}

/// What the control task tells a worker.
pub enum Order {
    /// Accept here, too.
    Listen(SocketAddr, TcpListener),
    /// Accept here no more, and close what was accepted here after its next answer.
    Unlisten(SocketAddr),
}

/// Why a reload changed nothing.
#[derive(Debug)]
pub enum Refused {
    /// This can only change with a restart.
    NeedsRestart(&'static str),
    /// A new address cannot be listened on.
    Bind(SocketAddr, io::Error),
    /// Nexus is on its way out.
    Stopping,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NeedsRestart(what) => write!(f, "`{what}` can only change with a restart"),
            Self::Bind(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::Stopping => write!(f, "Nexus is stopping"),
        }
    }
}

impl std::error::Error for Refused {}

/// A probe that runs, and how.
struct Probe {
    probing: Probing,
    task: AbortHandle,
}

/// The control task's state.
pub struct Control {
    published: Arc<Published>,
    bell: Arc<Notify>,
    workers: Vec<mpsc::UnboundedSender<Order>>,
    probes: HashMap<Serial, Probe>,
}

impl Control {
    /// Takes control over what is `published`, and of the workers' listeners.
    pub fn new(
        published: Arc<Published>,
        bell: Arc<Notify>,
        workers: Vec<mpsc::UnboundedSender<Order>>,
    ) -> Self {
        Self { published, bell, workers, probes: HashMap::new() }
    }

    /// Finds the addresses of all backends, then probes them.
    pub async fn begin(&mut self) {
        let snapshot = self.published.current();
        resolve_new(&snapshot, None).await;
        self.keep_probes(&snapshot);
    }

    /// Does what is asked, for ever.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let bell = Arc::clone(&self.bell);
        loop {
            tokio::select! {
                () = bell.notified() => self.published.current().pools.iter().for_each(super::pool::Pool::lay_out),
                command = commands.recv() => match command {
                    Some(Command::Reload(settings, reply)) => {
                        // Whoever asked may have left; the log has the outcome.
                        let _ = reply.send(self.reload(*settings).await);
                    }
                    None => return,
                },
            }
        }
    }

    async fn reload(&mut self, settings: Settings) -> Result<(), Refused> {
        let old = self.published.current();
        check_live(&old.settings, &settings)?;
        let mut added = Vec::new();
        for &address in
            settings.listeners.iter().filter(|new| !old.settings.listeners.contains(new))
        {
            let sockets = listen::bind(address, self.workers.len());
            added.push((address, sockets.map_err(|error| Refused::Bind(address, error))?));
        }
        let next = Snapshot::build(settings, Some(&old), &self.bell, fastrand::usize(..));
        resolve_new(&next, Some(&old)).await;

        // From here on nothing can fail.
        let listeners = &next.settings.listeners;
        let is_gone = |address: &&SocketAddr| !listeners.contains(address);
        let removed: Vec<_> = old.settings.listeners.iter().filter(is_gone).copied().collect();
        self.published.replace(next);
        // A verdict that flipped while the next snapshot was built was laid out in the old one.
        self.bell.notify_one();
        self.keep_probes(&self.published.current());
        for (address, sockets) in added {
            for (worker, socket) in self.workers.iter().zip(sockets) {
                let _ = worker.send(Order::Listen(address, socket));
            }
        }
        for address in removed {
            self.workers.iter().for_each(|worker| drop(worker.send(Order::Unlisten(address))));
        }
        Ok(())
    }

    /// Starts the probes that `snapshot` wants and ends the others; those that stay as they are
    /// are not disturbed.
    fn keep_probes(&mut self, snapshot: &Snapshot) {
        let mut kept = HashMap::new();
        for pool in &snapshot.pools {
            for backend in pool.backends() {
                let known = self.probes.remove(&backend.serial);
                let same = known.filter(|probe| {
                    let is_same = probe.probing == pool.settings.probing;
                    if !is_same {
                        probe.task.abort();
                    }
                    is_same
                });
                let probe = same.unwrap_or_else(|| start_probe(backend, &pool.settings.probing));
                kept.insert(backend.serial, probe);
            }
        }
        let ended = std::mem::replace(&mut self.probes, kept);
        ended.values().for_each(|probe| probe.task.abort());
    }
}

fn start_probe(backend: &Arc<Backend>, probing: &Probing) -> Probe {
    let task = tokio::task::spawn_local(probe::keep_probing(Arc::clone(backend), probing.clone()));
    Probe { probing: probing.clone(), task: task.abort_handle() }
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
    if old.access_log != new.access_log {
        return Err(Refused::NeedsRestart("access_log"));
    }
    Ok(())
}
