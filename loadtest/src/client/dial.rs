//! Opens a stream to the target: an address that accepts, and TLS if there is to be some.

use std::io;
use std::time::{Duration, Instant};

use rustls::{ClientConnection, HandshakeKind};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::stream::Stream;
use crate::outcome::Failure;
use crate::target::{Address, Addresses};
use crate::tls::Tls;
use crate::worker::Thread;

/// Opens a stream and counts how it went.
pub(super) async fn dial(thread: &Thread) -> Result<Stream, Failure> {
    let config = &thread.job.config;
    let begun = Instant::now();
    let opened = open(thread, &thread.job.addresses, config.timeout_connect).await;
    let mut tally = thread.tally.borrow_mut();
    match &opened {
        Ok(_) => {
            tally.connections.opened += 1;
            tally.connect.record(begun.elapsed());
        }
        Err(_) => tally.connections.failed += 1,
    }
    opened
}

/// Connects to the first address that accepts, and wraps that.
async fn open(thread: &Thread, to: &Addresses, within: Duration) -> Result<Stream, Failure> {
    let begun = Instant::now();
    let stream = connect(to, within).await?;
    let Some(tls) = &thread.job.config.tls else { return Ok(stream) };
    let (left, connected) = (within.saturating_sub(begun.elapsed()), Instant::now());
    let wrapped = timeout(left, wrap(stream, tls)).await;
    let (stream, kind) = wrapped.map_err(|_| Failure::connect_timeout())??;
    let mut tally = thread.tally.borrow_mut();
    tally.handshake.record(connected.elapsed());
    match kind {
        Some(HandshakeKind::Resumed) => tally.connections.handshakes_resumed += 1,
        _ => tally.connections.handshakes_full += 1,
    }
    drop(tally);
    let wants_http2 = thread.job.config.streams.is_some();
    if wants_http2 && !stream.1 { Err(Failure::no_http2()) } else { Ok(stream.0) }
}

async fn connect(to: &Addresses, within: Duration) -> Result<Stream, Failure> {
    let mut failure = Failure::connect_timeout();
    for address in to.in_order() {
        failure = match timeout(within, socket(address)).await {
            Ok(Ok(stream)) => {
                to.accepted(address);
                return Ok(stream);
            }
            Ok(Err(error)) => Failure::connect(error),
            Err(_) => Failure::connect_timeout(),
        };
    }
    Err(failure)
}

async fn socket(address: &Address) -> io::Result<Stream> {
    match address {
        Address::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(Stream::Tcp(stream))
        }
        Address::Unix(path) => UnixStream::connect(path).await.map(Stream::Unix),
    }
}

/// A stream in TLS, and whether HTTP/2 was agreed on.
type Wrapped = (Stream, bool);

async fn wrap(stream: Stream, tls: &Tls) -> Result<(Wrapped, Option<HandshakeKind>), Failure> {
    Ok(match stream {
        Stream::Tcp(stream) => {
            let stream = shake(stream, tls).await?;
            let (is_http2, kind) = agreed(stream.get_ref().1);
            ((Stream::TcpTls(Box::new(stream)), is_http2), kind)
        }
        Stream::Unix(stream) => {
            let stream = shake(stream, tls).await?;
            let (is_http2, kind) = agreed(stream.get_ref().1);
            ((Stream::UnixTls(Box::new(stream)), is_http2), kind)
        }
        Stream::TcpTls(_) | Stream::UnixTls(_) => ((stream, false), None),
    })
}

async fn shake<S>(stream: S, tls: &Tls) -> Result<TlsStream<S>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    tls.connector.connect(tls.name.clone(), stream).await.map_err(Failure::tls)
}

/// Whether HTTP/2 was agreed on, and how.
fn agreed(connection: &ClientConnection) -> (bool, Option<HandshakeKind>) {
    (connection.alpn_protocol() == Some(b"h2"), connection.handshake_kind())
}
