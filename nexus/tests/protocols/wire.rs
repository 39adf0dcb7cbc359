//! What is spoken on one side of Nexus, and the bytes below it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::outcome::{Outcome, wrong};

/// How long anything may take that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A protocol on one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// HTTP/1.1 in clear text.
    Http1,
    /// HTTP/1.1 over TLS.
    Http1Tls,
    /// HTTP/2 over TLS.
    Http2,
    /// HTTP/2 in clear text, by prior knowledge.
    H2c,
}

impl Wire {
    pub(crate) const ALL: [Self; 4] = [Self::Http1, Self::Http1Tls, Self::Http2, Self::H2c];

    /// What the table calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http1 => "h1",
            Self::Http1Tls => "h1+TLS",
            Self::Http2 => "h2",
            Self::H2c => "h2c",
        }
    }

    pub(crate) fn is_tls(self) -> bool {
        matches!(self, Self::Http1Tls | Self::Http2)
    }

    pub(crate) fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::H2c)
    }

    /// The one protocol that a side offers.
    pub(crate) fn alpn(self) -> &'static str {
        if self.is_http2() { "h2" } else { "http/1.1" }
    }

    /// The scheme of a backend that speaks it.
    pub(crate) fn scheme(self) -> &'static str {
        match self {
            Self::Http1 => "http",
            Self::Http1Tls | Self::Http2 => "https",
            Self::H2c => "h2c",
        }
    }
}

/// A connection's bytes.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Whatever carries them.
pub(crate) type Io = Box<dyn Duplex>;

/// Connects, with TLS if there is a configuration for it.
pub(crate) async fn connect(
    address: SocketAddr,
    tls: Option<Arc<rustls::ClientConfig>>,
) -> Outcome<Io> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let Some(config) = tls else { return Ok(Box::new(stream)) };
    let offered = config.alpn_protocols.first().cloned();
    let name = ServerName::try_from("localhost")?;
    let stream = TlsConnector::from(config).connect(name, stream).await?;
    let agreed = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    if agreed != offered {
        return wrong(format!("ALPN: {agreed:?}, not {offered:?}"));
    }
    Ok(Box::new(stream))
}

/// Takes a connection, with TLS if there is a configuration for it.
pub(crate) async fn accept(
    stream: TcpStream,
    tls: Option<Arc<rustls::ServerConfig>>,
) -> Outcome<Io> {
    stream.set_nodelay(true)?;
    let Some(config) = tls else { return Ok(Box::new(stream)) };
    Ok(Box::new(TlsAcceptor::from(config).accept(stream).await?))
}

/// Waits until `holds`, and fails with `what` if it never does.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) -> Outcome {
    let deadline = Instant::now() + PATIENCE;
    let mut again = tokio::time::interval(Duration::from_millis(1));
    while !holds() {
        if Instant::now() > deadline {
            return wrong(format!("never happened: {what}"));
        }
        again.tick().await;
    }
    Ok(())
}
