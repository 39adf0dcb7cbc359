//! A backend fails, another is there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Row;
use crate::backend::{Backend, Served};
use crate::client::request;
use crate::message::Body;
use crate::outcome::{Outcome, Wrong, same, text, wrong};
use crate::peers::each;
use crate::wire::{Io, Wire, until};
use crate::world::World;

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("a backend dies, GET is answered by another", |world| dies(world, Method::GET)),
        Row::new("a backend dies, POST is not run twice", |world| dies(world, Method::POST)),
        Row::new("a backend is gone, POST is answered by another", gone),
        Row::but("a stream that is refused is tried elsewhere, POST too", unknown, refused),
        Row::but("GOAWAY that leaves a request out: another connection, POST too", unknown, away),
        Row::but(
            "GOAWAY while a request runs: it ends well, the next goes elsewhere",
            unknown,
            last,
        ),
    ]
}

const HAS_NO_WORD: &str = "HTTP/1.1 has no word for a request that was not begun: a connection that closes may have run it";

fn unknown(_: Wire, back: Wire) -> Option<&'static str> {
    (!back.is_http2()).then_some(HAS_NO_WORD)
}

/// Starts a backend that counts what it runs, and answers.
fn good(world: &World) -> Outcome<(Backend, Arc<AtomicUsize>)> {
    let count = Arc::<AtomicUsize>::default();
    let ran = Arc::clone(&count);
    let backend = world.backend(move |served: Served| {
        ran.fetch_add(1, Ordering::SeqCst);
        async move { served.answer("good").await }
    })?;
    Ok((backend, count))
}

async fn ask(
    world: &World,
    method: Method,
    backends: &[&Backend],
) -> Outcome<(StatusCode, String)> {
    let nexus = world.nexus(backends).await?;
    let client = world.client(&nexus).await?;
    let body = if method == Method::POST { Body::Length(4) } else { Body::None };
    let mut call = client.call(request(method, "/"), body).await?;
    if body != Body::None {
        call.sink.send("body".into()).await?;
        call.sink.finish().await?;
    }
    let (head, body) = call.whole().await?;
    Ok((head.status(), String::from_utf8(body.to_vec())?))
}

async fn dies(world: World, method: Method) -> Outcome {
    let ran = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&ran);
    let bad = world.backend(move |mut served: Served| {
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            served.source.all().await?;
            served.die();
            wrong("it is dead")
        }
    })?;
    let (other, others) = good(&world)?;
    let (status, body) = ask(&world, method.clone(), &[&bad, &other]).await?;
    same("it ran here", ran.load(Ordering::SeqCst), 1)?;
    if method == Method::GET {
        return same("answer", (status.as_u16(), body.as_str()), (200, "good"));
    }
    same("status", status, StatusCode::BAD_GATEWAY)?;
    same("it ran there", others.load(Ordering::SeqCst), 0)
}

async fn gone(world: World) -> Outcome {
    // Bound, so that nobody else gets the port, but not listened at.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    let nobody = socket.local_addr()?.as_socket();
    let nobody = nobody.ok_or_else(|| Wrong("no address".to_owned()))?;
    let (other, _) = good(&world)?;
    let nexus = world.nexus_at(&[nobody, other.address]).await?;
    let client = world.client(&nexus).await?;
    for _ in 0..2 {
        let mut call = client.call(request(Method::POST, "/"), Body::Length(4)).await?;
        call.sink.send("body".into()).await?;
        call.sink.finish().await?;
        same("answer", text(&call.whole().await?.1), "good")?;
    }
    Ok(())
}

async fn refused(world: World) -> Outcome {
    let bad = world.backend(|served: Served| async move {
        served.refuse();
        wrong("it is refused")
    })?;
    let (other, _) = good(&world)?;
    for method in [Method::GET, Method::POST] {
        let (status, body) = ask(&world, method, &[&bad, &other]).await?;
        same("answer", (status.as_u16(), body.as_str()), (200, "good"))?;
    }
    Ok(())
}

/// Says, on the first request, that none was looked at, and leaves.
async fn go_away(mut io: Io) -> Outcome {
    const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    const GOAWAY_0: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    const HEADERS: u8 = 1;
    io.write_all(SETTINGS).await?;
    io.flush().await?;
    io.read_exact(&mut [0; 24]).await?;
    loop {
        let mut head = [0; 9];
        io.read_exact(&mut head).await?;
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        io.read_exact(&mut vec![0; len]).await?;
        if head[3] == HEADERS {
            io.write_all(GOAWAY_0).await?;
            io.flush().await?;
            let _ = io.read(&mut [0]).await?; // Until it is closed.
            return Ok(());
        }
    }
}

async fn away(world: World) -> Outcome {
    let bad = world.raw(|io, _| go_away(io))?;
    let (other, _) = good(&world)?;
    for method in [Method::GET, Method::POST] {
        let (status, body) = ask(&world, method, &[&bad, &other]).await?;
        same("answer", (status.as_u16(), body.as_str()), (200, "good"))?;
    }
    Ok(())
}

async fn last(world: World) -> Outcome {
    let backend = world.backend(|mut served: Served| async move {
        served.go_away().await?;
        let connection = served.connection.to_string();
        served.answer(&connection).await
    })?;
    let nexus = world.nexus(&[&backend]).await?;
    let client = world.client(&nexus).await?;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let mut call = client.call(request(Method::POST, "/"), Body::Length(4)).await?;
        call.sink.send("body".into()).await?;
        call.sink.finish().await?;
        let (head, body) = call.whole().await?;
        same("status", head.status(), StatusCode::OK)?;
        seen.push(body);
    }
    seen.dedup();
    same("connections", seen.len(), 3)
}

/// A backend that takes h2 and nothing else, as gRPC servers do.
async fn alone(world: World) -> Outcome {
    let tls = world.secrets.server(&["h2"]);
    let backend = world.backend_with(
        |terms| terms.tls = Some(tls),
        |served: Served| async move { served.answer("good").await },
    )?;
    let nexus = world.nexus(&[&backend]).await?;
    until("it is probed", || nexus.has_probed()).await?;
    let (head, _) = world.client(&nexus).await?.get("/").await?.whole().await?;
    same("status", head.status(), StatusCode::OK)
}

#[test]
fn a_backend_with_tls_may_speak_h2_alone() {
    each(&[Wire::H2c], &[Wire::Http2], alone);
}
