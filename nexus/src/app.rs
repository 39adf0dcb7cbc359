//! Wires the parts, owns every thread and task, and ends them in order.
//!
//! ```text
//! main ── start ──┬─ control thread: probes, pickers, signals
//!                 ├─ worker threads: everything on a request's way
//!                 └─ log thread
//! ```

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, watch};

use crate::backend::Backend;
use crate::listen;
use crate::log::{Log, Writer};
use crate::picker::BackendId;
use crate::pool::Pool;
use crate::probe;
use crate::settings::Settings;
use crate::worker::{Shared, Worker};

/// How far Nexus is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// Nothing new; what is under way is finished.
    Draining,
    /// What is still under way is cut off.
    Stopped,
}

/// A Nexus that runs. Dropped, it stops at once.
pub struct Nexus {
    addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
    phase: watch::Sender<Phase>,
    workers: Vec<JoinHandle<()>>,
    control: Option<JoinHandle<()>>,
    // Last: it finishes writing when all workers have handed in what they had.
    _log: Option<Writer>,
}

/// Why Nexus could not start.
#[derive(Debug)]
pub enum StartError {
    /// An address cannot be listened on.
    Bind(SocketAddr, io::Error),
    /// A thread or runtime could not be made.
    System(io::Error),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bind(address, error) => {
                let hint = match error.kind() {
                    io::ErrorKind::AddrInUse => {
                        "another program listens there: stop it (`ss -ltnp` shows which), or choose another port with --listen"
                    }
                    io::ErrorKind::PermissionDenied => {
                        "ports below 1024 need privileges: choose another with --listen, or grant CAP_NET_BIND_SERVICE"
                    }
                    _ => "choose an address of this machine with --listen",
                };
                write!(f, "cannot listen on {address}: {error}\n  hint: {hint}")
            }
            Self::System(error) => write!(f, "cannot start: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl Nexus {
    /// Starts with `settings`; requests are logged to `out` if the settings want a log.
    ///
    /// # Errors
    ///
    /// Fails if an address cannot be listened on. Nothing runs then.
    pub fn start(
        settings: Settings,
        out: impl io::Write + Send + 'static,
    ) -> Result<Self, StartError> {
        let mut sockets: Vec<Vec<TcpListener>> =
            (0..settings.workers).map(|_| Vec::new()).collect();
        let mut addresses = Vec::new();
        for &address in &settings.listeners {
            let bound = listen::bind(address, settings.workers)
                .map_err(|e| StartError::Bind(address, e))?;
            addresses.push(bound[0].local_addr()?);
            for (worker, socket) in sockets.iter_mut().zip(bound) {
                worker.push(socket);
            }
        }
        let format = settings.access_log;
        let writer = format.map(|_| Writer::start(out)).transpose()?;
        let log = || writer.as_ref().zip(format).map(|(writer, format)| writer.log(format));
        let bell = Arc::new(Notify::new());
        let shared = Arc::new(share(settings, &bell));
        let (phase, _) = watch::channel(Phase::Running);
        let control = start_control(Arc::clone(&shared), bell, phase.subscribe())?;
        let workers = sockets
            .into_iter()
            .enumerate()
            .map(|(at, sockets)| {
                start_worker(at, Arc::clone(&shared), sockets, log(), phase.subscribe())
            })
            .collect::<io::Result<Vec<_>>>()?;
        for address in &addresses {
            tracing::info!(%address, workers = workers.len(), "listening");
        }
        Ok(Self { addresses, shared, phase, workers, control: Some(control), _log: writer })
    }

    /// Returns the addresses listened on, with their real ports.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Returns the pool that requests go to.
    pub fn pool(&self) -> &Pool {
        &self.shared.pool
    }

    /// Stops accepting, finishes what is under way within the shutdown timeout, and ends.
    pub fn drain(mut self) {
        let _ = self.phase.send(Phase::Draining);
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
    }
}

impl Drop for Nexus {
    fn drop(&mut self) {
        let _ = self.phase.send(Phase::Stopped);
        for thread in self.workers.drain(..).chain(self.control.take()) {
            let _ = thread.join();
        }
    }
}

fn share(settings: Settings, bell: &Arc<Notify>) -> Shared {
    let backends = settings
        .backends
        .iter()
        .zip(0..)
        .map(|(url, id)| Arc::new(Backend::new(BackendId(id), url.clone(), Arc::clone(bell))));
    let pool = Pool::new(backends.collect(), fastrand::usize(..));
    Shared { settings, pool, open: AtomicUsize::new(0) }
}

/// Runs `work` on a thread of its own, on a runtime of its own.
fn start_thread<F>(
    name: String,
    work: impl FnOnce() -> F + Send + 'static,
) -> io::Result<JoinHandle<()>>
where
    F: Future<Output = ()> + 'static,
{
    std::thread::Builder::new().name(name).spawn(move || {
        let runtime =
            Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        match runtime {
            Ok(runtime) => {
                runtime.block_on(work());
                runtime.shutdown_background();
            }
            Err(error) => tracing::error!(%error, "no runtime can be made"),
        }
    })
}

/// Starts the one writer of what all workers read: probes observe, this lays out.
fn start_control(
    shared: Arc<Shared>,
    bell: Arc<Notify>,
    mut phase: watch::Receiver<Phase>,
) -> io::Result<JoinHandle<()>> {
    let (resolved, wait) = std::sync::mpsc::sync_channel::<()>(0);
    let control = start_thread("control".to_owned(), move || async move {
        let probing = &shared.settings.probing;
        for backend in shared.pool.backends() {
            probe::resolve(backend, probing.timeout).await;
        }
        drop(resolved);
        for backend in shared.pool.backends() {
            tokio::task::spawn_local(probe::keep_probing(Arc::clone(backend), probing.clone()));
        }
        let lay_out = async {
            loop {
                bell.notified().await;
                shared.pool.lay_out();
            }
        };
        tokio::select! {
            () = lay_out => {}
            _ = phase.wait_for(|phase| *phase == Phase::Stopped) => {}
        }
    })?;
    // No request before its backend has an address.
    let _ = wait.recv();
    Ok(control)
}

fn start_worker(
    at: usize,
    shared: Arc<Shared>,
    sockets: Vec<TcpListener>,
    log: Option<Log>,
    phase: watch::Receiver<Phase>,
) -> io::Result<JoinHandle<()>> {
    start_thread(format!("worker-{at}"), move || async move {
        let worker = Worker::new(shared, log);
        tokio::task::spawn_local({
            let worker = Rc::clone(&worker);
            async move { worker.keep_time().await }
        });
        let accepting: Vec<_> = sockets
            .into_iter()
            .map(|socket| {
                let stop = until(phase.clone(), Phase::Draining);
                tokio::task::spawn_local(listen::accept(Rc::clone(&worker), socket, stop))
            })
            .collect();
        until(phase.clone(), Phase::Draining).await;
        for accepting in accepting {
            if let Ok(Err(error)) = accepting.await {
                tracing::error!(%error, "a listener failed");
            }
        }
        worker.drain();
        let limit: Duration = worker.settings().timeouts.shutdown;
        tokio::select! {
            () = worker.until_empty() => {}
            () = tokio::time::sleep(limit) => tracing::warn!("cut off what was still under way"),
            () = until(phase, Phase::Stopped) => {}
        }
    })
}

/// Waits until Nexus is at least as far as `wanted`.
async fn until(mut phase: watch::Receiver<Phase>, wanted: Phase) {
    let reached = |phase: &Phase| *phase == wanted || *phase == Phase::Stopped;
    // A sender that is gone means that Nexus is, too.
    let _ = phase.wait_for(reached).await;
}
