//! Opens connections to backends, within a time, to every address that a name stands for.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::{TcpSocket, TcpStream};

use crate::backend::Backend;
use crate::reason::Reason;

/// Connects to the first address that accepts.
///
/// `within` runs a future under a time limit on the caller's clock; each address gets an equal
/// share of what is left, so that one black hole does not hide the others.
///
/// # Errors
///
/// Returns why the last address failed.
pub async fn dial<W>(backend: &Backend, limit: Duration, within: W) -> Result<TcpStream, Reason>
where
    W: AsyncFn(Duration, SocketAddr) -> Option<io::Result<TcpStream>>,
{
    let addresses = backend.addresses();
    let share = limit / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut failed = Reason::ResolveFailed;
    for address in addresses {
        match within(share, address).await {
            Some(Ok(stream)) => {
                backend.prefer(address);
                return Ok(stream);
            }
            Some(Err(error)) => failed = reason(&error),
            None => failed = Reason::ConnectTimeout,
        }
    }
    Err(failed)
}

/// Begins to connect to one address.
pub fn connect(address: SocketAddr) -> impl Future<Output = io::Result<TcpStream>> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    async move {
        let socket = socket?;
        socket.set_nodelay(true)?;
        socket.connect(address).await
    }
}

/// Says what an error while connecting means; a shortage on this side is not the backend's fault.
fn reason(error: &io::Error) -> Reason {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Reason::ConnectRefused,
        io::ErrorKind::TimedOut => Reason::ConnectTimeout,
        _ => match Errno::from_io_error(error) {
            Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::ADDRNOTAVAIL) => {
                Reason::NoSocket
            }
            _ => Reason::ConnectFailed,
        },
    }
}
