//! Talks HTTP/2 with the program, over plain sockets or TLS.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::harness::Backend;

/// No step of a story takes longer, unless something is wrong.
const DEADLINE: Duration = Duration::from_secs(20);

/// One HTTP/2 connection, and a runtime to drive it.
pub(crate) struct Client {
    runtime: Runtime,
    send: SendRequest<Bytes>,
    driver: JoinHandle<Result<(), h2::Error>>,
}

/// An answer read whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
    /// Statuses of the answers that came before it.
    pub(crate) early: Vec<u16>,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn field(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Client {
    /// Speaks HTTP/2 at once, without asking.
    pub(crate) fn plain(backend: &Backend) -> Self {
        let runtime = runtime();
        let io = runtime.block_on(TcpStream::connect(backend.address)).unwrap();
        Self::over(runtime, io)
    }

    /// Speaks it over TLS; trusts this certificate only.
    pub(crate) fn tls(backend: &Backend, ca: &std::path::Path) -> Self {
        let runtime = runtime();
        let io = runtime.block_on(connect_tls(backend, ca, "h2"));
        Self::over(runtime, io)
    }

    fn over(runtime: Runtime, io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let handshake = Builder::new().handshake(io);
        let (send, connection) = runtime.block_on(handshake).unwrap();
        let driver = runtime.spawn(connection);
        Self { runtime, send, driver }
    }

    /// Begins a request; the body may follow.
    pub(crate) fn begin(
        &mut self,
        request: Request<()>,
        is_all: bool,
    ) -> (ResponseFuture, SendStream<Bytes>) {
        let Self { runtime, send, .. } = self;
        runtime.block_on(async {
            let mut ready = send.clone().ready().await.unwrap();
            ready.send_request(request, is_all).unwrap()
        })
    }

    /// Sends a request with this body (none: no body), and reads the answer.
    pub(crate) fn ask(
        &mut self,
        request: Request<()>,
        body: Option<&str>,
    ) -> Result<Answer, h2::Error> {
        let (response, mut stream) = self.begin(request, body.is_none());
        if let Some(body) = body {
            stream.send_data(Bytes::copy_from_slice(body.as_bytes()), true).unwrap();
        }
        self.answer(response)
    }

    pub(crate) fn get(&mut self, path: &str) -> Result<Answer, h2::Error> {
        self.ask(get(path), None)
    }

    /// Reads an answer.
    pub(crate) fn answer(&mut self, response: ResponseFuture) -> Result<Answer, h2::Error> {
        self.runtime.block_on(async {
            tokio::time::timeout(DEADLINE, whole(response)).await.expect("it takes too long")
        })
    }

    /// Waits for the head of an answer, and leaves its body.
    pub(crate) fn head(&mut self, response: ResponseFuture) -> Response<RecvStream> {
        self.runtime.block_on(response).unwrap()
    }

    /// Waits for a piece of a body.
    pub(crate) fn data(&mut self, body: &mut RecvStream) -> Option<Result<Bytes, h2::Error>> {
        self.runtime.block_on(body.data())
    }

    /// Waits until the backend has ended the connection; tells what it said.
    pub(crate) fn end(self) -> Result<(), h2::Error> {
        let Self { runtime, send, driver } = self;
        let ended = runtime.block_on(async {
            tokio::time::timeout(DEADLINE, driver).await.expect("it stays open").unwrap()
        });
        drop(send);
        ended
    }

    /// Lets the connection do what it has to, for as long as a condition needs.
    pub(crate) fn until(&self, what: &str, condition: impl FnMut() -> bool) {
        let mut condition = condition;
        crate::harness::until(what, || {
            self.runtime.block_on(tokio::task::yield_now());
            condition()
        });
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn whole(mut response: ResponseFuture) -> Result<Answer, h2::Error> {
    let mut early = Vec::new();
    let response = std::future::poll_fn(|cx| {
        while let std::task::Poll::Ready(Some(Ok(interim))) = response.poll_informational(cx) {
            early.push(interim.status().as_u16());
        }
        std::pin::Pin::new(&mut response).poll(cx)
    })
    .await?;
    let (head, mut stream) = response.into_parts();
    let mut body = Vec::new();
    while let Some(piece) = stream.data().await {
        let piece = piece?;
        stream.flow_control().release_capacity(piece.len())?;
        body.extend_from_slice(&piece);
    }
    let trailers = stream.trailers().await?;
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body, trailers, early })
}

pub(crate) fn get(path: &str) -> Request<()> {
    Request::get(format!("http://b1{path}")).body(()).unwrap()
}

pub(crate) fn post(path: &str) -> Request<()> {
    Request::post(format!("http://b1{path}")).body(()).unwrap()
}

/// A TLS connection on which this protocol was agreed.
pub(crate) async fn connect_tls(
    backend: &Backend,
    ca: &std::path::Path,
    alpn: &str,
) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut config = config(ca);
    config.alpn_protocols = vec![alpn.into()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TcpStream::connect(backend.address).await.unwrap();
    let tls = connector.connect(name, stream).await.unwrap();
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(alpn.as_bytes()));
    tls
}

pub(crate) fn config(ca: &std::path::Path) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}
