//! Connections to backends that wait for their next request. Each worker has its own: nothing is
//! shared, nothing is locked.

use std::mem::MaybeUninit;

use socket2::SockRef;
use tokio::net::TcpStream;

use super::Backend;

/// Idle connections that a worker keeps to one backend. Enough for the requests under way at once
/// on a busy worker; each costs the backend a socket.
const PER_BACKEND_MAX: usize = 512;

struct IdleConnection {
    stream: TcpStream,
    /// When it was put here, in ticks.
    since: u32,
    /// How often the backend had been DOWN by then.
    downs: u32,
}

/// The idle connections of one worker, by backend; the newest last.
pub struct IdleConnections {
    by_backend: Vec<Vec<IdleConnection>>,
}

impl IdleConnections {
    /// Makes room for so many backends.
    pub fn new(backends: usize) -> Self {
        Self { by_backend: (0..backends).map(|_| Vec::new()).collect() }
    }

    /// Takes the connection that was used last and is still good, if there is one.
    ///
    /// What the reactor has already heard of it (closed, or talking unasked) is known without a
    /// system call. `surely` asks the socket itself: for requests that must not run twice, that
    /// one call is cheaper than an answer that cannot be given.
    pub fn take(&mut self, backend: &Backend, surely: bool) -> Option<TcpStream> {
        let connections = &mut self.by_backend[usize::from(backend.id.0)];
        while let Some(idle) = connections.pop() {
            if idle.downs == backend.downs() && is_quiet(&idle.stream, surely) {
                return Some(idle.stream);
            }
        }
        None
    }

    /// Keeps a connection for the next request.
    pub fn put(&mut self, backend: &Backend, stream: TcpStream, now: u32) {
        let connections = &mut self.by_backend[usize::from(backend.id.0)];
        if backend.is_up() && connections.len() < PER_BACKEND_MAX {
            connections.push(IdleConnection { stream, since: now, downs: backend.downs() });
        }
    }

    /// Closes all connections to one backend: if one is dead, after its restart, all are.
    pub fn close(&mut self, backend: &Backend) {
        self.by_backend[usize::from(backend.id.0)].clear();
    }

    /// Closes those that are older than tick `oldest`, dead, or from before their backend was DOWN.
    pub fn sweep<'a>(&mut self, backends: impl Iterator<Item = &'a Backend>, oldest: u32) {
        for backend in backends {
            self.by_backend[usize::from(backend.id.0)].retain(|idle| {
                idle.since >= oldest
                    && idle.downs == backend.downs()
                    && is_quiet(&idle.stream, false)
            });
        }
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.by_backend.iter().map(Vec::len).sum()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Says whether a connection is open and silent, as it must be between two requests.
fn is_quiet(stream: &TcpStream, surely: bool) -> bool {
    let would_block = |result: std::io::Result<usize>| {
        result.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    };
    would_block(stream.try_read(&mut [0]))
        && (!surely || would_block(SockRef::from(stream).peek(&mut [MaybeUninit::uninit()])))
}
