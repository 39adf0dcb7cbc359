//! Upgrades: the `Upgrade` of HTTP/1.1 (RFC 9110 §7.8), the CONNECT of HTTP/2 (RFC 8441), and one
//! made of the other.

use bytes::BytesMut;
use http::{HeaderValue, Method};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{LONG, Row, long, pieces};
use crate::backend::Served;
use crate::client::KEY;
use crate::message::{Body, Sink};
use crate::outcome::{Outcome, ensure, same, text, wrong};
use crate::world::World;

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("WebSocket: an upgrade, and bytes both ways", upgrade),
        Row::new("WebSocket: 3 MiB both ways at once", flood),
        Row::new("WebSocket: the client ends first, and hears the rest", half_closed_by_client),
        Row::new("WebSocket: the backend ends first, and hears the rest", half_closed_by_backend),
        Row::new("WebSocket: the client leaves, the backend sees it", left_by_client),
        Row::new("WebSocket: the backend leaves, the client sees it", left_by_backend),
        Row::new("WebSocket: a backend that refuses", refused),
        Row::new("WebSocket: a backend that knows nothing of it", unknown),
    ]
}

/// Checks what a backend is asked.
fn is_asked(served: &Served) -> Outcome {
    same("version", served.field("sec-websocket-version"), "13")?;
    same("path", served.path(), "/chat")?;
    if served.request.version() == http::Version::HTTP_2 {
        same("method", served.request.method(), &Method::CONNECT)?;
        let protocol = served.request.extensions().get::<h2::ext::Protocol>();
        same("protocol", protocol.map(h2::ext::Protocol::as_str), Some("websocket"))?;
        return same("key", served.field("sec-websocket-key"), "");
    }
    same("method", served.request.method(), &Method::GET)?;
    same("upgrade", served.field("upgrade"), "websocket")?;
    same("key's length", served.field("sec-websocket-key").len(), KEY.len())
}

async fn echo(mut served: Served) -> Outcome<Served> {
    is_asked(&served)?;
    served.switch().await?;
    while let Some(data) = served.source.data().await? {
        served.sink()?.send(data).await?;
    }
    served.sink()?.send("bye".into()).await?;
    served.sink()?.finish().await?;
    Ok(served)
}

async fn upgrade(world: World) -> Outcome {
    let backend = world.backend(echo)?;
    let nexus = world.nexus(&[&backend]).await?;
    let mut call = world.client(&nexus).await?.upgrade("/chat").await?;
    let head = call.answer.head().await?;
    let (status, proof) = match call.sink {
        Sink::Http1(..) => (101, Some(derive_accept_key(KEY.as_bytes()))),
        Sink::Http2(_) => (200, None),
    };
    same("status", head.status().as_u16(), status)?;
    let accept = head.headers().get("sec-websocket-accept").map(HeaderValue::as_bytes);
    same("proof", accept, proof.as_ref().map(String::as_bytes))?;
    let mut beyond = BytesMut::new();
    for word in ["one", "two", "three"] {
        call.sink.send(word.into()).await?;
        let heard = call.answer.source()?.exactly(word.len(), &mut beyond).await?;
        same("heard", text(&heard), word)?;
    }
    Ok(())
}

async fn flood(world: World) -> Outcome {
    let backend = world.backend(echo)?;
    let nexus = world.nexus(&[&backend]).await?;
    let mut call = world.client(&nexus).await?.upgrade("/chat").await?;
    ensure(call.is_granted().await?, || "not granted".to_owned())?;
    let sink = &mut call.sink;
    let send = async {
        for piece in pieces() {
            sink.send(piece).await?;
        }
        sink.finish().await
    };
    let source = call.answer.source()?;
    let (sent, heard) = tokio::join!(send, source.all());
    sent?;
    let heard = heard?;
    let is_same = heard.len() == LONG + 3 && heard[..LONG] == long();
    ensure(is_same, || format!("{} bytes came back", heard.len()))
}

async fn half_closed_by_client(world: World) -> Outcome {
    let backend = world.backend(echo)?;
    let nexus = world.nexus(&[&backend]).await?;
    let mut call = world.client(&nexus).await?.upgrade("/chat").await?;
    ensure(call.is_granted().await?, || "not granted".to_owned())?;
    call.sink.send("last words, ".into()).await?;
    call.sink.finish().await?;
    same("heard", text(&call.answer.source()?.all().await?), "last words, bye")
}

async fn half_closed_by_backend(world: World) -> Outcome {
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let backend = world.backend(move |mut served: Served| {
        let told = told.clone();
        async move {
            served.switch().await?;
            served.sink()?.send("bye".into()).await?;
            served.sink()?.finish().await?;
            let _ = told.send(served.source.all().await?);
            Ok(served)
        }
    })?;
    let nexus = world.nexus(&[&backend]).await?;
    let mut call = world.client(&nexus).await?.upgrade("/chat").await?;
    ensure(call.is_granted().await?, || "not granted".to_owned())?;
    same("heard", text(&call.answer.source()?.all().await?), "bye")?;
    call.sink.send("last words".into()).await?;
    call.sink.finish().await?;
    same("the backend heard", heard.recv().await.as_deref(), Some(&b"last words"[..]))
}

async fn left_by_client(world: World) -> Outcome {
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let backend = world.backend(move |mut served: Served| {
        let told = told.clone();
        async move {
            served.switch().await?;
            while let Ok(Some(data)) = served.source.data().await {
                served.sink()?.send(data).await?;
            }
            let _ = told.send(());
            Ok(served)
        }
    })?;
    let nexus = world.nexus(&[&backend]).await?;
    let mut call = world.client(&nexus).await?.upgrade("/chat").await?;
    ensure(call.is_granted().await?, || "not granted".to_owned())?;
    call.sink.send("one".into()).await?;
    call.answer.source()?.exactly(3, &mut BytesMut::new()).await?;
    call.abort();
    same("the backend saw it", heard.recv().await, Some(()))
}

async fn left_by_backend(world: World) -> Outcome {
    let backend = world.backend(|mut served: Served| async move {
        served.switch().await?;
        served.sink()?.send("one".into()).await?;
        served.source.data().await?;
        served.abort();
        wrong("it leaves")
    })?;
    let nexus = world.nexus(&[&backend]).await?;
    let mut call = world.client(&nexus).await?.upgrade("/chat").await?;
    ensure(call.is_granted().await?, || "not granted".to_owned())?;
    call.answer.source()?.exactly(3, &mut BytesMut::new()).await?;
    call.sink.send("go".into()).await?;
    // An end or an error: a socket that closes does not say which.
    while let Ok(Some(_)) = call.answer.source()?.data().await {}
    Ok(())
}

async fn refused(world: World) -> Outcome {
    let backend = world.backend(|mut served: Served| async move {
        let mut response = http::Response::new(());
        *response.status_mut() = http::StatusCode::FORBIDDEN;
        served.begin(response, Body::Length(2)).await?;
        served.sink()?.send("no".into()).await?;
        served.sink()?.finish().await?;
        Ok(served)
    })?;
    let nexus = world.nexus(&[&backend]).await?;
    let mut call = world.client(&nexus).await?.upgrade("/chat").await?;
    let (head, body) = call.whole().await?;
    same("answer", (head.status().as_u16(), text(&body).as_str()), (403, "no"))
}

/// One that takes it for a GET, and answers: whoever asked must not take that for a tunnel.
async fn unknown(world: World) -> Outcome {
    let backend = world.backend_with(
        |terms| terms.takes_connect = false,
        |mut served: Served| async move {
            same("method", served.request.method(), &Method::GET)?;
            served.begin(http::Response::new(()), Body::Length(5)).await?;
            served.sink()?.send("hello".into()).await?;
            served.sink()?.finish().await?;
            Ok(served)
        },
    )?;
    let nexus = world.nexus(&[&backend]).await?;
    let mut call = world.client(&nexus).await?.upgrade("/chat").await?;
    let head = call.answer.head().await?;
    match call.sink {
        Sink::Http1(..) => same("status", head.status().as_u16(), 200),
        // Any 2xx would be a tunnel (RFC 8441 §4, RFC 9110 §9.3.6).
        Sink::Http2(_) => ensure(!head.status().is_success(), || format!("{}", head.status())),
    }
}
