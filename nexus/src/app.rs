//! Wires the parts, owns every thread and task, and ends them in order.
//!
//! ```text
//! main ── start ──┬─ control thread: probes, pickers, reloads
//!                 ├─ worker threads: everything on a request's way
//!                 └─ log thread
//! ```

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value as Json;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::control::{Beginning, Command, Control, Order, Refused};
use crate::level::Levels;
use crate::listen::{self, Bound, Listening};
use crate::log::{AccessLog, Log, Output, Writer};
use crate::metrics::counter::Hand;
use crate::plan::Plan;
use crate::reload::{Effective, Failure, Report, Source};
use crate::settings::{Address, Settings};
use crate::snapshot::{Published, Snapshot};
use crate::spans::Traces;
use crate::spans::export::Exporter;
use crate::tls::reread;
use crate::worker::Worker;

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
    admin: Option<Address>,
    published: Arc<Published>,
    phase: watch::Sender<Phase>,
    commands: mpsc::Sender<Command>,
    workers: Vec<JoinHandle<()>>,
    control: Option<JoinHandle<()>>,
    // Last: it finishes writing when all workers have handed in what they had.
    log: Option<Writer>,
    // The same for traces.
    _exporter: Option<Exporter>,
}

/// What a Nexus is tied to outside, besides its settings.
pub struct Ties {
    /// Every value of the settings, for whoever asks at the admin address.
    pub effective: Effective,
    /// Where they came from, and may be read again.
    pub source: Option<Arc<dyn Source>>,
    /// From which level on its own events are written.
    pub levels: Arc<Levels>,
}

/// How long those that are cut off may take to say so, in their answers and in the log.
const CUT_OFF: Duration = Duration::from_millis(500);

/// Commands that may wait for the control task.
const COMMANDS_MAX: usize = 16;

/// Why Nexus could not start.
#[derive(Debug)]
pub enum StartError {
    /// An address cannot be listened on.
    Bind(Address, io::Error),
    /// The admin address cannot be listened on.
    Admin(Refused),
    /// The request log cannot be written.
    Log(Output, io::Error),
    /// A thread or runtime could not be made.
    System(io::Error),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bind(address, error) => {
                let hint = match error.kind() {
                    io::ErrorKind::AddrInUse if address.tcp().is_none() => {
                        "it is in use (`ss -lxp` shows by whom), or a file that is no socket is there: choose another path with --listen"
                    }
                    _ if address.tcp().is_none() => {
                        "the folder must be there, and Nexus be allowed to write to it: choose another path with --listen"
                    }
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
            Self::Admin(refused) => {
                write!(
                    f,
                    "{refused}\n  hint: choose another with --admin, or stop who listens there"
                )
            }
            Self::Log(output, error) => {
                let hint = "the folder must be there, and Nexus be allowed to write to it: choose another `output` in `access_log`";
                write!(f, "cannot write the request log to {output}: {error}\n  hint: {hint}")
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
        Self::start_from(settings, Arc::new(|| Json::Null), None, out)
    }

    /// The same for settings that came from a `source`, inside a program that decides itself which
    /// events are written.
    ///
    /// # Errors
    ///
    /// Fails if an address cannot be listened on. Nothing runs then.
    pub fn start_from(
        settings: Settings,
        effective: Effective,
        source: Option<Arc<dyn Source>>,
        out: impl io::Write + Send + 'static,
    ) -> Result<Self, StartError> {
        Self::start_with(settings, Ties { effective, source, levels: Levels::of_nobody() }, out)
    }

    /// The same with all that it is tied to.
    ///
    /// # Errors
    ///
    /// Fails if an address cannot be listened on. Nothing runs then.
    pub fn start_with(
        settings: Settings,
        ties: Ties,
        out: impl io::Write + Send + 'static,
    ) -> Result<Self, StartError> {
        let Ties { effective, source, levels } = ties;
        let (sockets, addresses) = bind(&settings)?;
        let access_log = settings.access_log.clone();
        let bell = Arc::new(Notify::new());
        let snapshot = Snapshot::build(settings, None, &bell, fastrand::usize(..));
        let published = Arc::new(Published::new(snapshot));
        let writer = start_log(access_log, out, &published)?;
        let tracing = published.current().settings.tracing.clone();
        let lost = || Arc::clone(&published.spans_dropped);
        let exporter = tracing.map(|asked| Exporter::start(asked, lost())).transpose()?;
        let ends = || (writer.as_ref().map(Writer::log), exporter.as_ref().map(Exporter::traces));
        let (phase, _) = watch::channel(Phase::Running);
        let (mut orders, mut receivers) = (Vec::new(), Vec::new());
        for sockets in sockets {
            let (order, receiver) = mpsc::unbounded_channel();
            for (address, socket) in sockets {
                let _ = order.send(Order::Listen(address, socket));
            }
            orders.push(order);
            receivers.push(receiver);
        }
        let (commands, received) = mpsc::channel(COMMANDS_MAX);
        let beginning = Beginning {
            published: Arc::clone(&published),
            bell,
            workers: orders,
            commands: commands.clone(),
            source,
            effective,
            levels,
        };
        let (admin, control) = start_control(beginning, received, phase.subscribe())?;
        let of = receivers.len() as u16;
        let workers = receivers
            .into_iter()
            .enumerate()
            .map(|(at, orders)| {
                let hand = Hand { at: at as u16, of };
                start_worker(hand, Arc::clone(&published), orders, ends(), phase.subscribe())
            })
            .collect::<io::Result<Vec<_>>>()?;
        for address in &addresses {
            tracing::info!(%address, workers = workers.len(), "listening");
        }
        let control = Some(control);
        if let Some(address) = &admin {
            tracing::info!(%address, "admin address");
        }
        let addresses = addresses.iter().filter_map(Address::tcp).collect();
        let (log, _exporter) = (writer, exporter);
        Ok(Self { addresses, admin, published, phase, commands, workers, control, log, _exporter })
    }

    /// Runs with other settings from now on; what did not change is not disturbed.
    ///
    /// # Errors
    ///
    /// Says why not; then nothing has changed.
    pub fn reload(&self, settings: Settings) -> Result<Plan, Refused> {
        let (reply, outcome) = oneshot::channel();
        let command = Command::Reload(Box::new(settings), reply);
        self.commands.blocking_send(command).map_err(|_| Refused::Stopping)?;
        outcome.blocking_recv().map_err(|_| Refused::Stopping)?
    }

    /// Reads the settings anew where they came from, and runs with them. What comes of it is
    /// logged.
    ///
    /// # Errors
    ///
    /// Says why not; then nothing has changed.
    pub fn reread(&self, by: &str) -> Result<Report, Failure> {
        let stopping = || Failure::Refused(Refused::Stopping);
        let (reply, outcome) = oneshot::channel();
        let command = Command::Reread { confirm: None, by: by.into(), reply };
        self.commands.blocking_send(command).map_err(|_| stopping())?;
        outcome.blocking_recv().map_err(|_| stopping())?
    }

    /// Has the request log's file opened anew: the old one was moved away.
    pub fn reopen_log(&self) {
        if let Some(log) = &self.log {
            log.reopen();
        }
    }

    /// Returns how many lines of the request log were dropped.
    pub fn log_lines_dropped(&self) -> u64 {
        self.published.log_lines_dropped.load(Ordering::Relaxed)
    }

    /// Returns how many spans were dropped.
    pub fn spans_dropped(&self) -> u64 {
        self.published.spans_dropped.load(Ordering::Relaxed)
    }

    /// Returns the admin address, with its real port.
    pub fn admin(&self) -> Option<&Address> {
        self.admin.as_ref()
    }

    /// Returns the TCP addresses listened on, with their real ports.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Returns the snapshot that new requests are answered by.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.published.current()
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

/// Starts the thread that writes the request log, if there is one.
fn start_log(
    asked: Option<AccessLog>,
    out: impl io::Write + Send + 'static,
    published: &Published,
) -> Result<Option<Writer>, StartError> {
    let Some(asked) = asked else { return Ok(None) };
    let dropped = Arc::clone(&published.log_lines_dropped);
    let writer = Writer::start(&asked, out, dropped);
    writer.map(Some).map_err(|error| StartError::Log(asked.output, error))
}

/// The sockets of each worker, and where they listen, with their real ports.
type Listeners = (Vec<Vec<(Address, Bound)>>, Vec<Address>);

/// Binds all listeners.
fn bind(settings: &Settings) -> Result<Listeners, StartError> {
    let mut sockets: Vec<Vec<_>> = (0..settings.workers).map(|_| Vec::new()).collect();
    let mut addresses = Vec::new();
    for listener in &settings.listeners {
        let bound = listen::bind(listener, settings.workers)
            .map_err(|e| StartError::Bind(listener.address.clone(), e))?;
        addresses.push(bound[0].address(&listener.address)?);
        for (worker, socket) in sockets.iter_mut().zip(bound) {
            worker.push((listener.address.clone(), socket));
        }
    }
    Ok((sockets, addresses))
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

/// Starts the one writer of what all workers read. Returns once every backend has an address, with
/// the admin address.
fn start_control(
    beginning: Beginning,
    received: mpsc::Receiver<Command>,
    phase: watch::Receiver<Phase>,
) -> Result<(Option<Address>, JoinHandle<()>), StartError> {
    let (begun, wait) = std::sync::mpsc::sync_channel(1);
    let files_of = Arc::clone(&beginning.published);
    let thread = start_thread("control".to_owned(), move || async move {
        let mut control = Control::new(beginning);
        let outcome = control.begin().await;
        let has_begun = outcome.is_ok();
        let _ = begun.send(outcome);
        if has_begun {
            tokio::task::spawn_local(reread::keep_current(files_of));
            tokio::select! {
                () = control.run(received) => {}
                () = until(phase, Phase::Stopped) => {}
            }
        }
    })?;
    match wait.recv() {
        Ok(Ok(admin)) => Ok((admin, thread)),
        Ok(Err(refused)) => Err(StartError::Admin(refused)),
        Err(_) => Err(io::Error::other("the control thread ended").into()),
    }
}

fn start_worker(
    hand: Hand,
    published: Arc<Published>,
    mut orders: mpsc::UnboundedReceiver<Order>,
    ends: (Option<Log>, Option<Traces>),
    phase: watch::Receiver<Phase>,
) -> io::Result<JoinHandle<()>> {
    start_thread(format!("worker-{}", hand.at), move || async move {
        let worker = Worker::new(published, hand, ends);
        tokio::task::spawn_local({
            let worker = Rc::clone(&worker);
            async move { worker.keep_time().await }
        });
        let mut listening = Listening::new(&worker);
        let mut drain = std::pin::pin!(until(phase.clone(), Phase::Draining));
        loop {
            tokio::select! {
                () = &mut drain => break,
                Some(order) = orders.recv() => listening.follow(order).await,
            }
        }
        listening.stop_all().await;
        worker.drain();
        let limit = worker.timeout(|timeouts| timeouts.shutdown);
        tokio::select! {
            () = worker.until_empty() => {}
            () = tokio::time::sleep(limit) => {
                tracing::warn!("cutting off what is still under way");
                worker.cut_off();
                let _ = tokio::time::timeout(CUT_OFF, worker.until_empty()).await;
            }
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
