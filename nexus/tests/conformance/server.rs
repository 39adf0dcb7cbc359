//! The server under test, and what stands behind it.
//!
//! A server for this suite answers any request that it has read to its end with 200 and a body that
//! tells the request; `/hold` is neither read nor answered, `/big` is answered with [`BIG`] bytes.

use std::net::SocketAddr;
use std::sync::mpsc::channel;
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use nexus::app::Nexus;
use nexus::settings::{PoolSettings, Probing, Settings, Timeouts};
use tokio::net::{TcpListener, TcpStream};

/// How long the answer to `/big` is: more than the connection's first window.
pub(crate) const BIG: usize = 100_000;

/// A server that listens.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    _nexus: Option<Nexus>,
}

/// Which server is under test.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The `h2` crate as it comes.
    Bare,
    /// Nexus, in front of a backend that speaks HTTP/1.1.
    Nexus,
}

/// Starts the server under test.
pub(crate) fn serve(subject: Subject) -> Server {
    match subject {
        Subject::Bare => Server { addr: listen(bare), _nexus: None },
        Subject::Nexus => {
            let nexus = Nexus::start(settings(listen(backend)), std::io::sink());
            let nexus = nexus.expect("ports by the system are free");
            Server { addr: nexus.addresses()[0], _nexus: Some(nexus) }
        }
    }
}

/// Accepts connections on a thread, each for a task.
fn listen<F: Future<Output = ()> + 'static>(serve: fn(TcpStream) -> F) -> SocketAddr {
    let (listens, is_listening) = channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let tasks = tokio::task::LocalSet::new();
        tasks.block_on(&runtime.expect("a runtime starts"), async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
            let _ = listens.send(listener.local_addr().expect("a listener has an address"));
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                tokio::task::spawn_local(serve(stream));
            }
        });
    });
    is_listening.recv().expect("the server starts")
}

/// What Nexus runs with: short of patience, so that what waits for it to end need not wait long.
fn settings(backend: SocketAddr) -> Settings {
    let short = Duration::from_secs(3);
    let probing = Probing { interval: Duration::from_secs(3600), ..Probing::default() };
    let backend = vec![backend.to_string().parse().expect("it is an address")];
    let pool = PoolSettings { probing, ..PoolSettings::new("default", backend) };
    Settings {
        listeners: vec![SocketAddr::from(([127, 0, 0, 1], 0)).into()],
        pools: vec![pool],
        routes: None,
        workers: 1,
        timeouts: Timeouts { head: short, idle: short, stall: short, ..Timeouts::default() },
        trusted: vec![],
        forwarded_fields: nexus::http1::forwarded::ForwardedFields::default(),
        half_close: false,
        metrics: true,
        connections_max: 10_000,
        handshakes_max: 100,
        access_log: None,
        request_id: None,
        tracing: None,
        admin: None,
        watch: false,
    }
}

async fn bare(stream: TcpStream) {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(100).max_header_list_size(16 * 1024).enable_connect_protocol();
    let Ok(mut connection) = builder.handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(answer(request, respond));
    }
}

/// The same in HTTP/1.1.
async fn backend(stream: TcpStream) {
    let service = hyper::service::service_fn(async |request: Request<Incoming>| {
        let (head, body) = request.into_parts();
        if head.uri.path() == "/hold" {
            std::future::pending::<()>().await;
        }
        let body = body.collect().await?;
        let trailers = body.trailers().cloned().unwrap_or_default();
        let text =
            told(&head.method, head.uri.path(), &head.headers, (body.to_bytes().len(), &trailers));
        Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from(text))))
    });
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let _ = connection.await; // However it ends.
}

/// Tells a request.
fn told(
    method: &Method,
    path: &str,
    fields: &HeaderMap,
    (len, trailers): (usize, &HeaderMap),
) -> String {
    if path == "/big" {
        return "b".repeat(BIG);
    }
    let (echo, trailer) = (field(fields, "x-echo"), field(trailers, "x-trailer"));
    format!("{method} {path} echo={echo} length={len} trailer={trailer}")
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let (head, mut body) = request.into_parts();
    if head.uri.path() == "/hold" {
        std::future::poll_fn(|context| respond.poll_reset(context)).await?;
        return Ok(());
    }
    let mut len = 0;
    while let Some(data) = body.data().await {
        let data = data?;
        len += data.len();
        body.flow_control().release_capacity(data.len())?;
    }
    let trailers = body.trailers().await?.unwrap_or_default();
    let text = told(&head.method, head.uri.path(), &head.headers, (len, &trailers));
    let is_empty = head.method == Method::HEAD;
    let mut send = respond.send_response(Response::new(()), is_empty)?;
    if !is_empty {
        send.send_data(text.into(), true)?;
    }
    Ok(())
}

fn field(fields: &HeaderMap, name: &str) -> String {
    let value = fields.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    value.unwrap_or_default().into_owned()
}
