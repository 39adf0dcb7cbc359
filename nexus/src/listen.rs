//! Where clients connect to: one socket per worker and address, made once and kept.
//!
//! # Why one socket per worker?
//!
//! With `SO_REUSEPORT` the kernel spreads connections over the workers' sockets; no thread hands
//! anything to another, and none wakes for another's connection.

#[cfg(target_os = "linux")]
mod defer;
pub mod unix;

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;
#[cfg(target_os = "linux")]
use rustix::net::{SocketFlags, acceptfrom_with};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Protocol, Socket, Type};
use std::sync::atomic::Ordering;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::connection;
use crate::control::Order;
use crate::metrics::counter::{ByWorker, Hand};
use crate::metrics::counts::ListenerCounts;
use crate::settings::{Address, Hsts, HttpsRedirect, ListenerProtocol, ListenerSettings, Settings};
use crate::stream::socket;
use crate::tls::Front;
use crate::worker::Worker;

/// Connections that may wait to be accepted; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Where a connection goes that came by a socket of this machine's.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// How long accepting rests when no socket or no place is left: long enough not to spin, short
/// enough to go unnoticed.
const REST: Duration = Duration::from_millis(50);

/// File descriptors that are not connections: listeners, runtimes, log, and the next reload's.
const DESCRIPTORS_KEPT: u64 = 128;

/// The socket of a listener, of which each worker has one.
pub enum Bound {
    /// Its own.
    Tcp(TcpListener),
    /// The same as all others': the kernel wakes them all, and one is first. The file goes with the
    /// last.
    Unix(UnixListener, Arc<unix::File>),
}

impl Bound {
    /// Returns where it listens, with its real port, if it was told to listen at `asked`.
    ///
    /// # Errors
    ///
    /// Fails if the system does not say.
    pub fn address(&self, asked: &Address) -> io::Result<Address> {
        match self {
            Self::Tcp(socket) => socket.local_addr().map(Address::Tcp),
            Self::Unix(..) => Ok(asked.clone()),
        }
    }
}

impl AsFd for Bound {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket, _) => socket.as_fd(),
        }
    }
}

impl AsRawFd for Bound {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// Binds a listener's address, for each worker.
///
/// # Errors
///
/// Fails if the address is in use, also by another program that would share it, or not allowed.
pub fn bind(listener: &ListenerSettings, workers: usize) -> io::Result<Vec<Bound>> {
    match &listener.address {
        Address::Tcp(address) => {
            Ok(bind_tcp(*address, workers)?.into_iter().map(Bound::Tcp).collect())
        }
        Address::Unix(path) => {
            let (socket, file) = unix::bind(path, listener.mode)?;
            let file = Arc::new(file);
            let one = |_| Ok(Bound::Unix(socket.try_clone()?, Arc::clone(&file)));
            (0..workers).map(one).collect()
        }
    }
}

/// Binds an address once for each worker.
fn bind_tcp(address: SocketAddr, workers: usize) -> io::Result<Vec<TcpListener>> {
    // Sharing is meant for workers, not for a second Nexus: the first socket asks for itself alone.
    let alone = socket(address, false)?;
    let address = alone.local_addr()?.as_socket().unwrap_or(address);
    drop(alone);
    (0..workers)
        .map(|_| {
            let socket = socket(address, true)?;
            #[cfg(target_os = "linux")]
            defer::until_spoken_to(&socket)?;
            socket.listen(BACKLOG)?;
            socket.set_nonblocking(true)?;
            // Inherited by the connections, which saves each a system call.
            socket.set_tcp_nodelay(true)?;
            Ok(socket.into())
        })
        .collect()
}

fn socket(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?; // `[::]` is every address of the machine, IPv4 too.
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// A listener as the connections that came by it see it.
pub struct Door {
    address: Address,
    is_closing: Cell<bool>,
    /// What it goes by, by the snapshot of this version.
    version: Cell<u64>,
    patience: Cell<Patience>,
    redirect: Cell<Option<HttpsRedirect>>,
    rules: RefCell<Rc<Rules>>,
    /// What is counted at it; the same over all snapshots that have it.
    counts: Arc<ByWorker<ListenerCounts>>,
}

/// What a listener goes by, but for what each request asks after.
#[derive(Default)]
pub struct Rules {
    /// Its certificates and keys, if it speaks TLS.
    pub tls: Option<Arc<Front>>,
    /// Whether its connections begin with the PROXY protocol.
    pub is_announced: bool,
    /// What is spoken without TLS.
    pub protocol: ListenerProtocol,
    /// The line that tells browsers to come by TLS only.
    hsts: Option<Rc<[u8]>>,
}

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For the head of a request.
    pub head: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// Without a byte moving, in the middle of a body.
    pub stall: Duration,
}

impl Patience {
    fn of(settings: &Settings, own: Option<&ListenerSettings>) -> Self {
        let own = own.map(|listener| listener.timeouts).unwrap_or_default();
        let all = &settings.timeouts;
        Self {
            head: own.head.unwrap_or(all.head),
            idle: own.idle.unwrap_or(all.idle),
            stall: own.stall.unwrap_or(all.stall),
        }
    }
}

impl Door {
    fn new(address: Address, worker: &Worker) -> Self {
        let counts = worker.view().counts_of(&address).cloned().unwrap_or_default();
        let door = Self {
            address,
            counts,
            is_closing: Cell::new(false),
            version: Cell::new(worker.published.version()),
            patience: Cell::new(Patience::of(&worker.view().settings, None)),
            redirect: Cell::default(),
            rules: RefCell::default(),
        };
        door.look_up(&worker.view().settings);
        door
    }

    /// Returns what is counted at it.
    pub fn counts(&self) -> &ByWorker<ListenerCounts> {
        &self.counts
    }

    /// Counts a request as under way until the guard is dropped.
    pub fn begin(self: &Rc<Self>, hand: Hand) -> UnderWay {
        self.counts.of(hand).begun.add(1);
        UnderWay(Rc::clone(self), hand)
    }

    /// Returns its address, as it is configured; a socket of this machine's has none.
    pub fn address(&self) -> SocketAddr {
        self.address.tcp().unwrap_or(NOWHERE)
    }

    /// Returns how long clients that came by it may take.
    pub fn timeouts(&self, worker: &Worker) -> Patience {
        self.keep_up(worker);
        self.patience.get()
    }

    /// Returns what it goes by.
    pub fn rules(&self, worker: &Worker) -> Rc<Rules> {
        self.keep_up(worker);
        Rc::clone(&self.rules.borrow())
    }

    /// Returns where requests are redirected to, as of the last look at the snapshot.
    pub fn redirect(&self) -> Option<HttpsRedirect> {
        self.redirect.get()
    }

    /// Returns the line that tells browsers to come by TLS only, or nothing; over anything else
    /// than TLS it must not be said (RFC 6797 §7.2).
    pub fn hsts(&self, is_secured: bool) -> Option<Rc<[u8]>> {
        if is_secured { self.rules.borrow().hsts.clone() } else { None }
    }

    fn keep_up(&self, worker: &Worker) {
        let version = worker.published.version();
        if self.version.get() != version {
            self.version.set(version);
            self.look_up(&worker.view().settings);
        }
    }

    /// Takes note of what the settings say; a listener that is not in them keeps what it had.
    fn look_up(&self, settings: &Settings) {
        let own = settings.listeners.iter().find(|listener| listener.address == self.address);
        self.patience.set(Patience::of(settings, own));
        if let Some(own) = own {
            let hsts = own.hsts.map(|hsts| format!("{}: {}\r\n", Hsts::FIELD, hsts.value()));
            let hsts = hsts.map(|line| line.into_bytes().into());
            self.redirect.set(own.redirect);
            *self.rules.borrow_mut() = Rc::new(Rules {
                tls: own.tls.clone(),
                is_announced: own.is_announced,
                protocol: own.protocol,
                hsts,
            });
        }
    }

    /// Says whether connections that came by it are to be closed after their next answer.
    pub fn is_closing(&self) -> bool {
        self.is_closing.get()
    }
}

/// A request under way.
pub struct UnderWay(Rc<Door>, Hand);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.counts.of(self.1).ended.add(1);
    }
}

/// The listeners of one worker.
pub struct Listening<'w> {
    worker: &'w Rc<Worker>,
    open: Vec<Accepting>,
}

/// A listener that accepts.
struct Accepting {
    address: Address,
    door: Rc<Door>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

impl<'w> Listening<'w> {
    /// Begins with none.
    pub fn new(worker: &'w Rc<Worker>) -> Self {
        Self { worker, open: Vec::new() }
    }

    /// Does what the control task says.
    pub async fn follow(&mut self, order: Order) {
        match order {
            Order::Listen(address, socket) => {
                let door = Rc::new(Door::new(address.clone(), self.worker));
                let (stop, stopped) = oneshot::channel();
                let accepting = accept(Rc::clone(self.worker), socket, Rc::clone(&door), stopped);
                let task = tokio::task::spawn_local(accepting);
                self.open.push(Accepting { address, door, stop, task });
            }
            Order::Unlisten(address) => {
                if let Some(at) = self.open.iter().position(|open| open.address == address) {
                    let closing = self.open.swap_remove(at);
                    closing.door.is_closing.set(true);
                    closing.stop().await;
                    self.worker.deadlines.wake_all();
                }
            }
        }
    }

    /// Accepts nobody any more.
    pub async fn stop_all(self) {
        for open in self.open {
            open.stop().await;
        }
    }
}

impl Accepting {
    async fn stop(self) {
        let _ = self.stop.send(());
        if let Ok(Err(error)) = self.task.await {
            tracing::error!(%error, address = %self.address, "a listener failed");
        }
    }
}

/// Accepts connections until it is `stopped`, then those that wait already, and closes the socket.
async fn accept(
    worker: Rc<Worker>,
    listener: Bound,
    door: Rc<Door>,
    mut stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    #[expect(
        deprecated,
        reason = "what takes its place is unsafe; a listener keeps its descriptor"
    )]
    let listener = AsyncFd::with_interest(listener, Interest::READABLE)?;
    let mut complaint = Complaint::default();
    loop {
        tokio::select! {
            biased;
            _ = &mut stopped => break,
            accepted = accept_one(&worker, &listener, &mut complaint) => begin(&worker, &door, accepted),
        }
    }
    let waiting = listener.into_inner();
    while let Ok(accepted) = accept_now(&waiting) {
        begin(&worker, &door, accepted);
    }
    Ok(())
}

fn begin(worker: &Rc<Worker>, door: &Rc<Door>, accepted: (socket::Socket, SocketAddr)) {
    let (socket, peer) = accepted;
    // Counted here and not when the task first runs: many may be accepted before it does.
    let open = worker.opened(door);
    let connection = connection::serve(open, socket.into(), peer);
    tokio::task::spawn_local(connection);
}

/// Waits for a place and then for a client.
async fn accept_one(
    worker: &Worker,
    listener: &AsyncFd<Bound>,
    complaint: &mut Complaint,
) -> (socket::Socket, SocketAddr) {
    loop {
        let limit = worker.view().settings.connections_max;
        if worker.published.open.load(Ordering::Relaxed) >= limit {
            complaint.make(&format!("all {limit} connections are taken (--max-connections)"));
            tokio::time::sleep(REST).await;
            continue;
        }
        match listener.async_io(Interest::READABLE, accept_now).await {
            Ok(accepted) => return accepted,
            Err(error) if is_shortage(&error) => {
                complaint.make("no file descriptor is left (ulimit -n)");
                tokio::time::sleep(REST).await;
            }
            Err(error) => tracing::debug!(%error, "a connection was gone before it was accepted"),
        }
    }
}

/// Accepts a client that waits, as a socket that does not block.
#[cfg(target_os = "linux")]
fn accept_now(listener: &Bound) -> io::Result<(socket::Socket, SocketAddr)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK; // Saves a system call.
    let (socket, peer) = acceptfrom_with(listener, flags)?;
    if let Bound::Unix(..) = listener {
        return of_this_machine(socket.into());
    }
    let peer = peer.ok_or(Errno::INVAL)?.try_into()?;
    Ok((socket::Socket::bare(socket.into()), peer))
}

/// Accepts a client that waits, as a socket that does not block.
#[cfg(not(target_os = "linux"))]
fn accept_now(listener: &Bound) -> io::Result<(socket::Socket, SocketAddr)> {
    match listener {
        Bound::Tcp(listener) => {
            let (socket, peer) = listener.accept()?;
            socket.set_nonblocking(true)?;
            Ok((socket::Socket::bare(socket), peer))
        }
        Bound::Unix(listener, _) => {
            let (socket, _) = listener.accept()?;
            socket.set_nonblocking(true)?;
            of_this_machine(socket)
        }
    }
}

/// Takes a client that came by a socket of this machine's; it counts as 127.0.0.1.
fn of_this_machine(socket: UnixStream) -> io::Result<(socket::Socket, SocketAddr)> {
    let socket = tokio::net::UnixStream::from_std(socket)?;
    Ok((socket.into(), SocketAddr::from((Ipv4Addr::LOCALHOST, 0))))
}

fn is_shortage(error: &io::Error) -> bool {
    let shortage = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| shortage.contains(&errno))
}

/// Says why nobody is accepted, and not again for a while.
#[derive(Default)]
struct Complaint(Option<Instant>);

impl Complaint {
    fn make(&mut self, why: &str) {
        /// Often enough to be seen, seldom enough not to fill a log.
        const EVERY: Duration = Duration::from_secs(10);
        if self.0.is_none_or(|last| last.elapsed() >= EVERY) {
            self.0 = Some(Instant::now());
            tracing::warn!(why, "accepting rests until connections close");
        }
    }
}

/// Raises the limit on open files as far as it goes, and returns how many clients fit: each may
/// need a second descriptor for its backend.
pub fn connections_that_fit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let _ = setrlimit(Resource::Nofile, raised);
    let files = getrlimit(Resource::Nofile).current.unwrap_or(1 << 20);
    usize::try_from(files.saturating_sub(DESCRIPTORS_KEPT) / 2).unwrap_or(usize::MAX).max(1)
}
