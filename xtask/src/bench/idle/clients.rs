//! Clients that come, ask once, and stay: as they are on the wire, with no engine of their own that
//! might close, ping or hurry.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::identity::Identity;

/// Longer than the slow backends of `bench --idle` take.
const TIMEOUT: Duration = Duration::from_secs(60);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const ACK: u8 = 0x1;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// `:method GET`, `:scheme http`, `:authority bench` (RFC 7541 Appendix A); the path follows.
const ASK: &[u8] = b"\x82\x86\x41\x05bench\x04";
/// `:status 200` by its index.
const OK: u8 = 0x88;

/// What clients speak.
pub(super) struct Speech {
    /// What they go by if they come over TLS.
    tls: Option<Arc<ClientConfig>>,
    is_http2: bool,
}

/// A connection that is held.
pub(super) enum Held {
    Plain(TcpStream),
    Secure(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Speech {
    /// Over TLS with a certificate that they trust, or not; full handshakes, with the one exchange
    /// that all peers know.
    pub(super) fn new(identity: Option<&Identity>, is_http2: bool) -> Result<Self> {
        let config = |identity: &Identity| {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(&identity.certificate)?)?;
            let mut provider = aws_lc_rs::default_provider();
            provider.kx_groups = vec![aws_lc_rs::kx_group::X25519];
            let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
                .with_protocol_versions(&[&rustls::version::TLS13])?
                .with_root_certificates(roots)
                .with_no_client_auth();
            config.resumption = Resumption::disabled();
            let protocol: &[u8] = if is_http2 { b"h2" } else { b"http/1.1" };
            config.alpn_protocols = vec![protocol.to_vec()];
            Ok::<_, anyhow::Error>(Arc::new(config))
        };
        Ok(Self { tls: identity.map(config).transpose()?, is_http2 })
    }

    /// Opens a connection, asks once, and hears the answer.
    pub(super) fn ask(&self, address: SocketAddr, path: &str) -> Result<Held> {
        let mut held = self.connect(address)?;
        if self.is_http2 {
            held.write_all(&[opening(), request(1, path)].concat())?;
            answer_http2(&mut held)?;
        } else {
            held.write_all(format!("GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n").as_bytes())?;
            answer_http1(&mut held)?;
        }
        Ok(held)
    }

    /// Opens a connection by HTTP/2 with so many requests, whose answers nobody waits for.
    pub(super) fn ask_much(&self, address: SocketAddr, streams: u32, path: &str) -> Result<Held> {
        let mut held = self.connect(address)?;
        let all: Vec<_> = (0..streams).flat_map(|at| request(2 * at + 1, path)).collect();
        held.write_all(&[opening(), all].concat())?;
        Ok(held)
    }

    fn connect(&self, address: SocketAddr) -> Result<Held> {
        let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        let Some(config) = &self.tls else { return Ok(Held::Plain(stream)) };
        let session =
            ClientConnection::new(Arc::clone(config), ServerName::try_from("localhost")?)?;
        Ok(Held::Secure(Box::new(StreamOwned::new(session, stream))))
    }
}

/// The preface, and settings that change nothing.
fn opening() -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(SETTINGS, 0, 0, &[])[..]].concat()
}

fn request(stream: u32, path: &str) -> Vec<u8> {
    let length = u8::try_from(path.len()).unwrap_or(u8::MAX);
    let block = [ASK, &[length], path.as_bytes()].concat();
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &block)
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Reads until the first stream has ended.
fn answer_http2(held: &mut Held) -> Result<()> {
    loop {
        let mut head = [0; 9];
        held.read_exact(&mut head).context("no answer")?;
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, l0, l1, l2]) as usize];
        held.read_exact(&mut payload).context("half an answer")?;
        let stream = u32::from_be_bytes([s0, s1, s2, s3]);
        if kind == SETTINGS && flags & ACK == 0 {
            held.write_all(&frame(SETTINGS, ACK, 0, &[]))?;
        }
        let is_resize = |byte: &u8| (0x20..0x40).contains(byte);
        if kind == HEADERS && payload.iter().find(|byte| !is_resize(byte)) != Some(&OK) {
            bail!("not answered 200");
        }
        if stream == 1 && matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
            return Ok(());
        }
    }
}

/// Reads until an answer's end: a line, `b1`.
fn answer_http1(held: &mut Held) -> Result<()> {
    let mut answer = Vec::new();
    let mut piece = [0; 2048];
    while !answer.ends_with(b"\n") || answer.ends_with(b"\r\n") {
        match held.read(&mut piece)? {
            0 => bail!("closed after {:?}", String::from_utf8_lossy(&answer)),
            n => answer.extend_from_slice(&piece[..n]),
        }
    }
    if !answer.starts_with(b"HTTP/1.1 200") {
        bail!("answered {:?}", String::from_utf8_lossy(&answer));
    }
    Ok(())
}

impl Read for Held {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(into),
            Self::Secure(stream) => stream.read(into),
        }
    }
}

impl Write for Held {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Secure(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Secure(stream) => stream.flush(),
        }
    }
}
