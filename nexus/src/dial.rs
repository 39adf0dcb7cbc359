//! Opens connections to backends, within a time, to every address that a name stands for; with TLS
//! where that is asked for.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::time::{sleep, timeout};

use crate::backend::{Backend, Place, Scheme};
use crate::proxy_protocol::{self, Ends, Version};
use crate::reason::Reason;
use crate::stream::socket::Socket;
use crate::stream::{Next, Stream, Tls};
use crate::tls::Back;

/// A clock to wait by.
pub trait Clock {
    /// Runs a future for so long at most.
    fn within<T>(
        &self,
        limit: Duration,
        future: impl Future<Output = T>,
    ) -> impl Future<Output = Option<T>>;
}

/// The clock of the runtime.
pub struct Exact;

impl Clock for Exact {
    async fn within<T>(&self, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
        timeout(limit, future).await.ok()
    }
}

/// What a connection is opened with, besides the backend's own address.
#[derive(Default)]
pub struct Terms {
    /// Another port.
    pub port: Option<u16>,
    /// TLS, and the name that the backend has to prove.
    pub tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// What is said before anything else, TLS included.
    preamble: Vec<u8>,
}

impl Terms {
    /// Returns those of a backend, whose pool says how to go about TLS.
    ///
    /// # Errors
    ///
    /// Fails if it is asked for and the backend's name is none that a certificate could be for.
    pub fn of(backend: &Backend, tls: Option<&Back>) -> Result<Self, Reason> {
        if backend.url.scheme != Scheme::Https {
            return Ok(Self::default());
        }
        let tls = tls.ok_or(Reason::TlsFailed)?; // Never in clear text instead.
        let name = tls.server_name(backend.url.host()).ok_or(Reason::TlsUntrusted)?;
        Ok(Self { tls: Some((tls.config(), name)), ..Self::default() })
    }

    /// Begins with the PROXY protocol: for a client, or for Nexus itself. A connection that names its
    /// client carries one request, so HTTP/2 is not agreed on.
    pub fn announce(&mut self, version: Version, client: Option<Ends>) {
        self.preamble = proxy_protocol::write(version, client);
        if let Some((config, _)) = &mut self.tls {
            Arc::make_mut(config).alpn_protocols = vec![b"http/1.1".to_vec()];
        }
    }
}

/// Connects to the first address that accepts.
///
/// Each address gets an equal share of the `limit`, so that one black hole does not hide the others.
///
/// # Errors
///
/// Returns why the last address failed.
pub async fn dial(
    backend: &Backend,
    terms: &Terms,
    limit: Duration,
    clock: &impl Clock,
) -> Result<Stream, Reason> {
    if let Place::Unix(path) = &backend.url.place {
        let connecting = async {
            let socket = unix(path).await.map_err(|error| reason(&error))?;
            open(socket.into(), terms).await
        };
        return clock.within(limit, connecting).await.unwrap_or(Err(Reason::ConnectTimeout));
    }
    let addresses = backend.addresses();
    let share = limit / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut failed = Reason::ResolveFailed;
    for address in addresses {
        let connecting = async {
            let mut to = address;
            to.set_port(terms.port.unwrap_or(to.port()));
            let socket = connect(to).await.map_err(|error| reason(&error))?;
            open(socket.into(), terms).await
        };
        match clock.within(share, connecting).await {
            Some(Ok(stream)) => {
                backend.prefer(address);
                return Ok(stream);
            }
            Some(Err(reason)) => failed = reason,
            None => failed = Reason::ConnectTimeout,
        }
    }
    Err(failed)
}

/// Connects to a socket of this machine's. One whose backlog is full says so at once, where TCP would
/// wait: it is asked again.
async fn unix(path: &str) -> io::Result<UnixStream> {
    const AGAIN: Duration = Duration::from_millis(5);
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(AGAIN).await,
            outcome => return outcome,
        }
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_nodelay(true)?;
    socket.connect(address).await
}

/// Says what is to be said first, and puts TLS over the connection, as the terms want it.
async fn open(mut socket: Socket, terms: &Terms) -> Result<Stream, Reason> {
    let mut left = &*terms.preamble;
    while !left.is_empty() {
        let written = poll_fn(|cx| socket.poll_write(cx, left, Next::Unknown)).await;
        left = &left[written.map_err(|error| reason(&error))?..];
    }
    secure(socket, terms).await
}

/// Puts TLS over a connection, if the terms want it.
async fn secure(socket: Socket, terms: &Terms) -> Result<Stream, Reason> {
    let Some((config, name)) = &terms.tls else { return Ok(Stream::Plain(socket)) };
    let tls = Tls::connect(socket, Arc::clone(config), name.clone());
    let mut tls = tls.map_err(|_| Reason::TlsFailed)?;
    match poll_fn(|cx| tls.poll_handshake(cx)).await {
        Ok(()) => Ok(Stream::Tls(Box::new(tls))),
        Err(error) => Err(why_insecure(&error)),
    }
}

/// Says why there is no TLS.
fn why_insecure(error: &io::Error) -> Reason {
    let source = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    if let Some(error) = source {
        tracing::debug!(%error, "a backend's TLS handshake failed");
    }
    match source {
        Some(rustls::Error::InvalidCertificate(_)) => Reason::TlsUntrusted,
        _ => Reason::TlsFailed,
    }
}

/// Says what an error while connecting means; a shortage on this side is not the backend's fault.
fn reason(error: &io::Error) -> Reason {
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Reason::ConnectRefused,
        io::ErrorKind::TimedOut => Reason::ConnectTimeout,
        _ => match Errno::from_io_error(error) {
            Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::ADDRNOTAVAIL) => {
                Reason::NoSocket
            }
            _ => Reason::ConnectFailed,
        },
    }
}
