//! A server over TLS or HTTP/2 that does to each request what the story says, and counts.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{Request, Response};
use rustls::pki_types::PrivateKeyDer;
use rustls::{HandshakeKind, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What the server does with a request over HTTP/2.
#[derive(Clone, Copy)]
pub(crate) enum Does {
    /// Answers 200, naming the backend.
    Answer(&'static str),
    /// Answers 503.
    Fail,
    /// Sends back so many bytes as it has received.
    Count,
    /// Resets the stream for this reason.
    Reset(Reason),
    /// Says half of what it has announced, and closes the connection.
    Break,
    /// Answers this one, and takes no more on this connection.
    GoAway,
    /// Never answers.
    Hang,
}

/// What it has seen.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) connections: AtomicU64,
    pub(crate) resumed: AtomicU64,
    pub(crate) seqs: Mutex<Vec<u64>>,
    /// Requests under way, and the most at once.
    under_way: AtomicU64,
    pub(crate) most: AtomicU64,
}

/// A server on a port of its own, for as long as the test runs.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Seen>,
    /// The certificate, if it speaks TLS.
    pub(crate) ca: Option<PathBuf>,
}

impl Server {
    /// Speaks HTTP/2 at once, plainly.
    pub(crate) fn plain(does: impl Fn(u64) -> Does + Send + Sync + 'static) -> Self {
        Self::start(None, does)
    }

    /// Speaks what is agreed on, of these, over TLS.
    pub(crate) fn tls(alpn: &[&str], does: impl Fn(u64) -> Does + Send + Sync + 'static) -> Self {
        Self::start(Some(alpn), does)
    }

    fn start(alpn: Option<&[&str]>, does: impl Fn(u64) -> Does + Send + Sync + 'static) -> Self {
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (acceptor, ca) = alpn.map(|alpn| tls(alpn, address)).unzip();
        let seen = Arc::<Seen>::default();
        let (seen_too, does) = (Arc::clone(&seen), Arc::new(does));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let (seen, does) = (Arc::clone(&seen_too), Arc::clone(&does));
                    let acceptor = acceptor.clone();
                    tokio::spawn(async move {
                        seen.connections.fetch_add(1, Ordering::SeqCst);
                        let Some(acceptor) = acceptor else {
                            return http2(stream, &seen, &*does).await;
                        };
                        let Ok(tls) = acceptor.accept(stream).await else { return };
                        let connection = tls.get_ref().1;
                        let resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
                        seen.resumed.fetch_add(u64::from(resumed), Ordering::SeqCst);
                        match connection.alpn_protocol() {
                            Some(b"h2") => http2(tls, &seen, &*does).await,
                            _ => http1(tls).await,
                        }
                    });
                }
            });
        });
        Self { address, seen, ca }
    }

    pub(crate) fn flags(&self) -> String {
        let port = self.address.port();
        match &self.ca {
            Some(ca) => format!("--ca {} https://localhost:{port}/", ca.display()),
            None => format!("http://localhost:{port}/"),
        }
    }

    pub(crate) fn connections(&self) -> u64 {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// The numbers of all requests so far, sorted.
    pub(crate) fn seqs(&self) -> Vec<u64> {
        let mut seqs = self.seen.seqs.lock().unwrap().clone();
        seqs.sort_unstable();
        seqs
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(ca) = &self.ca {
            let _ = std::fs::remove_file(ca);
        }
    }
}

fn tls(alpn: &[&str], address: SocketAddr) -> (TlsAcceptor, PathBuf) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let ca = std::env::temp_dir().join(format!("loadtest-ca-{}.pem", address.port()));
    std::fs::write(&ca, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.into()], key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    (TlsAcceptor::from(Arc::new(config)), ca)
}

/// Answers every head with three bytes, until the client leaves.
async fn http1(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut head = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        head.push(byte);
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            stream.write_all(crate::server::ok("https://b1").as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
        }
    }
}

type Decide = dyn Fn(u64) -> Does + Send + Sync;

async fn http2(io: impl AsyncRead + AsyncWrite + Unpin, seen: &Arc<Seen>, does: &Decide) {
    let Ok(mut connection) = h2::server::handshake(io).await else { return };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let seq = request.headers().get("x-loadtest-seq");
        let seq = seq.map(|seq| seq.to_str().unwrap().parse::<u64>().unwrap());
        seen.seqs.lock().unwrap().extend(seq);
        match does(seq.unwrap_or(0)) {
            Does::Reset(reason) => respond.send_reset(reason),
            Does::Break => {
                let response = Response::builder().header("content-length", 10).body(()).unwrap();
                let mut stream = respond.send_response(response, false).unwrap();
                stream.send_data(Bytes::from_static(b"half!"), false).unwrap();
                // Once more, to write it.
                std::future::poll_fn(|cx| {
                    let _ = connection.poll_closed(cx);
                    std::task::Poll::Ready(())
                })
                .await;
                return;
            }
            does => {
                if matches!(does, Does::GoAway) {
                    connection.graceful_shutdown();
                }
                tokio::spawn(answer(request, respond, does, Arc::clone(seen)));
            }
        }
    }
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    does: Does,
    seen: Arc<Seen>,
) {
    let under_way = seen.under_way.fetch_add(1, Ordering::SeqCst) + 1;
    seen.most.fetch_max(under_way, Ordering::SeqCst);
    let mut body = request.into_body();
    let mut size = 0;
    while let Some(Ok(piece)) = body.data().await {
        body.flow_control().release_capacity(piece.len()).unwrap();
        size += piece.len();
    }
    // Long enough for others to come.
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    let response = Response::builder();
    let (response, body) = match does {
        Does::Fail => (response.status(503).header("x-nexus-error", "full"), String::new()),
        Does::Answer(name) => (response.header("x-backend-server", name), "ok\n".to_owned()),
        Does::Count => (response, "x".repeat(size)),
        Does::Hang => std::future::pending().await,
        _ => (response, "ok\n".to_owned()),
    };
    seen.under_way.fetch_sub(1, Ordering::SeqCst);
    let mut stream = respond.send_response(response.body(()).unwrap(), false).unwrap();
    let mut body = Bytes::from(body);
    while !body.is_empty() {
        stream.reserve_capacity(body.len());
        let Some(Ok(room)) = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await else {
            return;
        };
        stream.send_data(body.split_to(room.min(body.len())), false).unwrap();
    }
    stream.send_data(Bytes::new(), true).unwrap();
}
