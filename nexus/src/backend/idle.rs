//! Connections to backends that wait for their next request. Each worker has its own: nothing is
//! shared, nothing is locked.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use super::connections::Lease;
use super::{Backend, Serial};
use crate::stream::Stream;

/// Idle connections that a worker keeps to one backend. Enough for the requests under way at once
/// on a busy worker; each costs the backend a socket.
const PER_BACKEND_MAX: usize = 512;

struct IdleConnection {
    stream: Stream,
    lease: Lease,
    /// When it was put here, in ticks.
    since: u32,
    /// How often the backend had been DOWN by then.
    downs: u32,
}

/// The idle connections to one backend; the newest last.
struct Shelf {
    backend: Arc<Backend>,
    connections: Vec<IdleConnection>,
}

/// The idle connections of one worker.
#[derive(Default)]
pub struct IdleConnections {
    shelves: HashMap<Serial, Shelf, BuildHasherDefault<SerialHasher>>,
}

/// Spreads serial numbers: nobody else chooses them, so nobody can make them collide.
#[derive(Default)]
struct SerialHasher(u64);

impl Hasher for SerialHasher {
    fn write_u64(&mut self, serial: u64) {
        self.0 = serial.wrapping_mul(0x9e37_79b9_7f4a_7c15); // 2^64 over the golden ratio.
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("serial numbers are hashed as numbers");
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl IdleConnections {
    /// Takes the connection that was used last and is still good, if there is one.
    ///
    /// What the reactor has already heard of it (closed, or talking unasked) is known without a
    /// system call. `surely` asks the socket itself: for requests that must not run twice, that
    /// one call is cheaper than an answer that cannot be given.
    pub fn take(&mut self, backend: &Backend, surely: bool) -> Option<(Stream, Lease)> {
        let connections = &mut self.shelves.get_mut(&backend.serial)?.connections;
        while let Some(mut idle) = connections.pop() {
            if idle.downs == backend.downs() && idle.stream.is_quiet(surely) {
                return Some((idle.stream, idle.lease));
            }
        }
        None
    }

    /// Keeps a connection for the next request, unless another worker wants to open one.
    pub fn put(&mut self, backend: &Arc<Backend>, open: (Stream, Lease), now: u32) {
        if !backend.is_up() || backend.connections.are_wanted() {
            return;
        }
        let (stream, lease) = open;
        let idle = IdleConnection { stream, lease, since: now, downs: backend.downs() };
        let shelf = self
            .shelves
            .entry(backend.serial)
            .or_insert_with(|| Shelf { backend: Arc::clone(backend), connections: Vec::new() });
        if shelf.connections.len() < PER_BACKEND_MAX {
            shelf.connections.push(idle);
        }
    }

    /// Closes all connections to one backend: if one is dead, after its restart, all are.
    pub fn close(&mut self, backend: &Backend) {
        if let Some(shelf) = self.shelves.get_mut(&backend.serial) {
            shelf.connections.clear();
        }
    }

    /// Closes those to backends of which another worker wants to open one.
    pub fn close_wanted(&mut self) {
        let wanted =
            self.shelves.values_mut().filter(|shelf| shelf.backend.connections.are_wanted());
        wanted.for_each(|shelf| shelf.connections.clear());
    }

    /// Closes those that are older than tick `oldest`, dead, from before their backend was DOWN, or
    /// to a backend that is not `wanted` any more.
    pub fn sweep(&mut self, oldest: impl Fn(&Backend) -> Option<u32>) {
        self.shelves.retain(|_, Shelf { backend, connections }| {
            let Some(oldest) = oldest(backend) else { return false };
            connections.retain_mut(|idle| {
                idle.since >= oldest && idle.downs == backend.downs() && idle.stream.is_quiet(false)
            });
            true
        });
    }

    /// Returns how many there are to each backend that has any.
    pub fn counts(&self) -> impl Iterator<Item = (&Backend, usize)> {
        self.shelves.values().map(|shelf| (&*shelf.backend, shelf.connections.len()))
    }
}
