//! The server under test, and what stands behind it.
//!
//! A server for this suite answers any request that it has read to its end with 200 and a body that
//! tells the request; `/hold` is neither read nor answered, `/big` is answered with [`BIG`] bytes.

use std::net::SocketAddr;
use std::sync::mpsc::channel;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, Method, Request, Response};
use tokio::net::{TcpListener, TcpStream};

use crate::watched::Watched;

/// How long the answer to `/big` is: more than the connection's first window.
pub(crate) const BIG: usize = 100_000;

/// The most that a head may have, by the stand-in: what a proxy would take.
const HEADER_LIST_MAX: u32 = 16 * 1024;

/// What a proxy lets all streams of a connection send together; by half of it `h2` bounds how many
/// small DATA frames may wait.
const CONNECTION_WINDOW: u32 = 1 << 20;

/// A server that listens.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
}

/// Which server is under test.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The `h2` crate as it comes.
    Bare,
    /// The `h2` crate with the windows of a proxy, behind `FrameWatch`.
    Watched,
}

/// Starts the server under test: the `h2` crate, until Nexus speaks HTTP/2.
pub(crate) fn serve(subject: Subject) -> Server {
    let (listens, is_listening) = channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime starts").block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
            let _ = listens.send(listener.local_addr().expect("a listener has an address"));
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(stream, subject));
            }
        });
    });
    Server { addr: is_listening.recv().expect("the server starts") }
}

async fn connection(stream: TcpStream, subject: Subject) -> Result<(), h2::Error> {
    let _ = stream.set_nodelay(true);
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(100).max_header_list_size(HEADER_LIST_MAX);
    builder.enable_connect_protocol();
    if subject == Subject::Bare {
        let mut connection = builder.handshake(stream).await?;
        while let Some(request) = connection.accept().await {
            let (request, respond) = request?;
            tokio::spawn(answer(request, respond));
        }
        return Ok(());
    }
    builder.initial_connection_window_size(CONNECTION_WINDOW);
    let (stream, said) = Watched::new(stream);
    let mut connection = builder.handshake(stream).await?;
    loop {
        tokio::select! {
            biased;
            reason = said.end() => {
                connection.abrupt_shutdown(reason);
                return std::future::poll_fn(|context| connection.poll_closed(context)).await;
            }
            request = connection.accept() => {
                let Some(request) = request else { return Ok(()) };
                let (request, respond) = request?;
                tokio::spawn(answer(request, respond));
            }
        }
    }
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
    let text = if head.uri.path() == "/big" {
        "b".repeat(BIG)
    } else {
        let (path, echo) = (head.uri.path(), field(&head.headers, "x-echo"));
        let trailer = field(&trailers, "x-trailer");
        format!("{} {path} echo={echo} length={len} trailer={trailer}", head.method)
    };
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
