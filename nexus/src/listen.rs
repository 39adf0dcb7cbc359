//! Where clients connect to: one socket per worker and address, made once and kept.
//!
//! # Why one socket per worker?
//!
//! With `SO_REUSEPORT` the kernel spreads connections over the workers' sockets; no thread hands
//! anything to another, and none wakes for another's connection.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Protocol, Socket, Type};
use std::sync::atomic::Ordering;

use crate::connection;
use crate::worker::Worker;

/// Connections that may wait to be accepted; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// How long accepting rests when no socket or no place is left: long enough not to spin, short
/// enough to go unnoticed.
const REST: Duration = Duration::from_millis(50);

/// File descriptors that are not connections: listeners, runtimes, log, and the next reload's.
const DESCRIPTORS_KEPT: u64 = 128;

/// Binds `address` once for each worker.
///
/// # Errors
///
/// Fails if the address is in use, also by another program that would share it, or not allowed.
pub fn bind(address: SocketAddr, workers: usize) -> io::Result<Vec<TcpListener>> {
    // Sharing is meant for workers, not for a second Nexus: the first socket asks for itself alone.
    let alone = socket(address, false)?;
    let address = alone.local_addr()?.as_socket().unwrap_or(address);
    drop(alone);
    (0..workers)
        .map(|_| {
            let socket = socket(address, true)?;
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

/// Accepts connections until `stop`, then those that wait already, and closes the socket.
pub async fn accept(
    worker: Rc<Worker>,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = accept_one(&worker, &listener) => accepted,
        };
        begin(&worker, accepted);
    }
    let waiting = listener.into_std()?;
    while let Ok((stream, peer)) = waiting.accept() {
        stream.set_nonblocking(true)?;
        begin(&worker, (tokio::net::TcpStream::from_std(stream)?, peer));
    }
    Ok(())
}

fn begin(worker: &Rc<Worker>, (stream, peer): (tokio::net::TcpStream, SocketAddr)) {
    tokio::task::spawn_local(connection::serve(Rc::clone(worker), stream, peer));
}

/// Waits for a place and then for a client.
async fn accept_one(
    worker: &Worker,
    listener: &tokio::net::TcpListener,
) -> (tokio::net::TcpStream, SocketAddr) {
    let mut has_complained = false;
    loop {
        let limit = worker.settings().connections_max;
        if worker.shared.open.load(Ordering::Relaxed) >= limit {
            complain(
                &mut has_complained,
                &format!("all {limit} connections are taken (--max-connections)"),
            );
            tokio::time::sleep(REST).await;
            continue;
        }
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_shortage(&error) => {
                complain(&mut has_complained, "no file descriptor is left (ulimit -n)");
                tokio::time::sleep(REST).await;
            }
            Err(error) => tracing::debug!(%error, "a connection was gone before it was accepted"),
        }
    }
}

fn is_shortage(error: &io::Error) -> bool {
    let shortage = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| shortage.contains(&errno))
}

/// Says once why nobody is accepted.
fn complain(has_complained: &mut bool, why: &str) {
    if !*has_complained {
        *has_complained = true;
        tracing::warn!(why, "accepting rests until connections close");
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
