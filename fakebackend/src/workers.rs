//! Threads that serve: each one runtime, connections dealt out in turn.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::runtime::{Builder, Handle};
use tokio::task::JoinHandle;

use crate::opening;
use crate::port::Listening;
use crate::rules::Shared;
use crate::socket::Socket;

/// How long accepting rests after an error, most likely too many open files.
const REST_AFTER_ERROR: Duration = Duration::from_millis(20);

/// The threads that serve. They end with the process.
pub(crate) struct Workers {
    runtimes: Arc<[Handle]>,
    shared: Arc<Shared>,
}

impl Workers {
    pub(crate) fn start(count: u16, shared: Arc<Shared>) -> io::Result<Self> {
        let runtimes: io::Result<Arc<[Handle]>> = (0..count).map(|_| one()).collect();
        Ok(Self { runtimes: runtimes?, shared })
    }

    /// Accepts on `listener` until the task that it returns is aborted, which closes it.
    pub(crate) fn accept_on(&self, listener: Listening) -> io::Result<JoinHandle<()>> {
        let first = &self.runtimes[0];
        let _entered = first.enter();
        let listener = match listener {
            Listening::Tcp(listener) => Listener::Tcp(TcpListener::from_std(listener)?),
            Listening::Unix(listener) => Listener::Unix(UnixListener::from_std(listener)?),
        };
        Ok(first.spawn(accept(listener, Arc::clone(&self.runtimes), Arc::clone(&self.shared))))
    }
}

fn one() -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name("worker".to_owned())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    Ok(handle)
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    async fn accept(&self) -> io::Result<Socket> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, _)| Socket::Tcp(stream)),
            Self::Unix(listener) => listener.accept().await.map(|(stream, _)| Socket::Unix(stream)),
        }
    }
}

async fn accept(listener: Listener, runtimes: Arc<[Handle]>, shared: Arc<Shared>) {
    let turn = AtomicUsize::new(0);
    loop {
        match listener.accept().await {
            Ok(socket) => {
                let chosen = turn.fetch_add(1, Ordering::Relaxed) % runtimes.len();
                place(socket, chosen, &runtimes, &shared);
            }
            Err(_) => tokio::time::sleep(REST_AFTER_ERROR).await,
        }
    }
}

/// Starts to serve a connection on the worker chosen; the first is the one that accepts.
fn place(socket: Socket, chosen: usize, runtimes: &[Handle], shared: &Arc<Shared>) {
    let lease = shared.connections.enter();
    let shared = Arc::clone(shared);
    if chosen == 0 {
        runtimes[0].spawn(opening::connection(socket, lease, shared));
        return;
    }
    runtimes[chosen].spawn(async move {
        if let Ok(socket) = moved(socket) {
            opening::connection(socket, lease, shared).await;
        }
    });
}

/// The same socket, on the runtime that this is called on.
fn moved(socket: Socket) -> io::Result<Socket> {
    Ok(match socket {
        Socket::Tcp(stream) => Socket::Tcp(TcpStream::from_std(stream.into_std()?)?),
        Socket::Unix(stream) => Socket::Unix(UnixStream::from_std(stream.into_std()?)?),
    })
}
