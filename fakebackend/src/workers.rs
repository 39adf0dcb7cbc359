//! Threads that serve: each one runtime, connections dealt out in turn.

use std::io;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle};
use tokio::task::JoinHandle;

use crate::rules::Shared;
use crate::serve;

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
    pub(crate) fn accept_on(&self, listener: StdListener) -> io::Result<JoinHandle<()>> {
        let first = &self.runtimes[0];
        let _entered = first.enter();
        let listener = TcpListener::from_std(listener)?;
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

async fn accept(listener: TcpListener, runtimes: Arc<[Handle]>, shared: Arc<Shared>) {
    let turn = AtomicUsize::new(0);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let chosen = turn.fetch_add(1, Ordering::Relaxed) % runtimes.len();
                place(stream, chosen, &runtimes, &shared);
            }
            Err(_) => tokio::time::sleep(REST_AFTER_ERROR).await,
        }
    }
}

/// Starts to serve a connection on the worker chosen; the first is the one that accepts.
fn place(stream: TcpStream, chosen: usize, runtimes: &[Handle], shared: &Arc<Shared>) {
    let lease = shared.connections.enter();
    let shared = Arc::clone(shared);
    if chosen == 0 {
        runtimes[0].spawn(serve::connection(stream, lease, shared));
    } else if let Ok(stream) = stream.into_std() {
        runtimes[chosen].spawn(async move {
            if let Ok(stream) = TcpStream::from_std(stream) {
                serve::connection(stream, lease, shared).await;
            }
        });
    }
}
