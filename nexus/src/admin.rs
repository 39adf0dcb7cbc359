//! The admin address: what an operator asks of a running Nexus, and tells it.
//!
//! It lives on the control thread, with hyper: nothing here touches a worker. Whatever changes
//! something becomes a command to the control task, which stays the only writer.

pub mod answer;
pub mod calls;
pub mod client;
pub mod dashboard;
pub mod metrics;
pub mod rights;
pub mod stats;
pub mod status;

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, spawn_local};

use crate::control::Command;
use crate::events::Events;
use crate::level::Levels;
use crate::listen::unix;
use crate::metrics::history;
use crate::reload::{Effective, History};
use crate::settings::Address;
use crate::snapshot::Published;
use answer::{Failure, Response};

/// Connections at once: dashboards, scrapers and people are few.
const CONNECTIONS_MAX: usize = 64;

/// Until a request's head is there, and between two requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Until a call is answered: a reload looks names up and reads files.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// What the calls know of the Nexus that they are about.
pub struct Shared {
    /// Where the current snapshot is found.
    pub published: Arc<Published>,
    /// The way to the control task.
    pub commands: mpsc::Sender<Command>,
    /// What became of reloads. Only the control task writes it.
    pub history: Rc<RefCell<History>>,
    /// Every effective value, as it was read. Only the control task writes it.
    pub effective: Rc<RefCell<Effective>>,
    /// The last minutes of what was counted. Only the control task writes it.
    pub metrics: Rc<RefCell<history::History>>,
    /// What happened last. Only the control task writes it.
    pub events: Rc<RefCell<Events>>,
    /// From which level on events are written. Only the control task changes it.
    pub levels: Arc<Levels>,
    /// When it started.
    pub began: Instant,
}

/// The admin address, while it is listened on. Dropped, it is not.
pub struct Listening {
    address: Address,
    task: AbortHandle,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
        if let Address::Unix(path) = &self.address {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The socket of an admin address.
pub enum Socket {
    /// Of a TCP address.
    Tcp(TcpListener),
    /// Of a Unix socket.
    Unix(UnixListener, String),
}

/// Who asks, as the log names them: an address, or `unix`.
type Peer = Rc<str>;

impl Socket {
    /// Binds the address.
    ///
    /// # Errors
    ///
    /// Fails if it is in use, or not allowed.
    pub fn bind(address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp(address) => {
                let socket = std::net::TcpListener::bind(address)?;
                socket.set_nonblocking(true)?;
                Ok(Self::Tcp(TcpListener::from_std(socket)?))
            }
            Address::Unix(path) => {
                unix::remove_stale(Path::new(path))?;
                let socket = UnixListener::bind(path)?;
                // Whoever may connect may ask; the owner decides who else.
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
                Ok(Self::Unix(socket, path.clone()))
            }
        }
    }

    /// Returns where it listens, with its real port.
    ///
    /// # Errors
    ///
    /// Fails if the system does not say.
    pub fn address(&self) -> io::Result<Address> {
        Ok(match self {
            Self::Tcp(socket) => Address::Tcp(socket.local_addr()?),
            Self::Unix(_, path) => Address::Unix(path.clone()),
        })
    }

    /// Answers calls until it is dropped.
    pub fn serve(self, shared: Rc<Shared>, address: Address) -> Listening {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let task = spawn_local(async move {
            loop {
                let place = Arc::clone(&places).acquire_owned().await;
                let place = place.expect("nobody closes it");
                let shared = Rc::clone(&shared);
                match &self {
                    Self::Tcp(socket) => match socket.accept().await {
                        Ok((stream, peer)) => begin(shared, stream, peer_name(peer), place),
                        Err(error) => rest(&error).await,
                    },
                    Self::Unix(socket, _) => match socket.accept().await {
                        Ok((stream, _)) => begin(shared, stream, Rc::from("unix"), place),
                        Err(error) => rest(&error).await,
                    },
                }
            }
        });
        Listening { address, task: task.abort_handle() }
    }
}

fn peer_name(peer: SocketAddr) -> Peer {
    Rc::from(peer.to_string())
}

/// Waits a moment when nobody can be accepted.
async fn rest(error: &io::Error) {
    const REST: Duration = Duration::from_millis(100);
    tracing::debug!(%error, "the admin address cannot accept");
    tokio::time::sleep(REST).await;
}

fn begin(
    shared: Rc<Shared>,
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    peer: Peer,
    place: tokio::sync::OwnedSemaphorePermit,
) {
    spawn_local(async move {
        let _place = place;
        let service =
            service_fn(move |request| answer(Rc::clone(&shared), Rc::clone(&peer), request));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = connection.await {
            tracing::debug!(%error, "an admin connection broke");
        }
    });
}

async fn answer(
    shared: Rc<Shared>,
    peer: Peer,
    request: Request<Incoming>,
) -> Result<Response, Infallible> {
    let answer = within(CALL_TIMEOUT, calls::answer(&shared, &peer, request)).await;
    Ok(answer.unwrap_or_else(|| {
        let hint = "look at the log of Nexus for what keeps it";
        Failure::new(504, "timeout", "the call took too long", hint).into_response()
    }))
}

async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, work).await.ok()
}
