//! tungstenite on both sides: WebSocket messages whatever carries them.

use bytes::BytesMut;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex, split};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::each;
use crate::backend::Served;
use crate::client::Answer;
use crate::message::{Sink, Source};
use crate::outcome::{Outcome, ensure, same, wrong};
use crate::rows::long;
use crate::wire::Wire;
use crate::world::World;

/// The most that is carried at once.
const PIECE: usize = 1 << 14;

/// Makes one stream of two halves; what carries them ends with the task.
fn bridge(
    mut sink: Sink,
    mut source: Source,
) -> (DuplexStream, impl Future<Output = Outcome> + Send) {
    let (near, far) = duplex(1 << 16);
    let (mut reader, mut writer) = split(far);
    let carrying = async move {
        let out = async {
            let mut bytes = BytesMut::with_capacity(PIECE);
            while reader.read_buf(&mut bytes).await? > 0 {
                sink.send(bytes.split().freeze()).await?;
                bytes.reserve(PIECE);
            }
            sink.finish().await
        };
        let back = async {
            while let Some(data) = source.data().await? {
                writer.write_all(&data).await?;
            }
            Outcome::Ok(writer.shutdown().await?)
        };
        tokio::try_join!(out, back).map(drop)
    };
    (near, carrying)
}

/// Says everything back, pings of its own in between, until the other side closes.
async fn echo<S: AsyncRead + AsyncWrite + Unpin>(mut socket: WebSocketStream<S>) -> Outcome {
    socket.send(Message::Ping("are you there".into())).await?;
    while let Some(message) = socket.next().await {
        match message {
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => socket.send(message).await?,
            Ok(_) => {}
            Err(Error::ConnectionClosed) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Talks to whoever says everything back, and closes.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(mut socket: WebSocketStream<S>) -> Outcome {
    let big = Message::Binary(long().slice(..1_000_000));
    for said in ["one".into(), big, Message::Text("".into()), Message::Ping("p".into())] {
        socket.send(said.clone()).await?;
        let expected = match said {
            Message::Ping(data) => Message::Pong(data),
            said => said,
        };
        let heard = loop {
            match socket.next().await {
                Some(Ok(Message::Ping(_))) => {}
                Some(heard) => break heard?,
                None => return wrong("it ended"),
            }
        };
        ensure(heard == expected, || format!("{} bytes, not {}", heard.len(), expected.len()))?;
    }
    let bye = CloseFrame { code: CloseCode::Away, reason: "bye".into() };
    socket.close(Some(bye.clone())).await?;
    match socket.next().await {
        Some(Ok(Message::Close(Some(heard)))) => same("close", heard.code, bye.code)?,
        heard => return wrong(format!("{heard:?}, not the close")),
    }
    ensure(socket.next().await.is_none(), || "more came".to_owned())
}

async fn serve(mut served: Served) -> Outcome<Served> {
    served.switch().await?;
    let Served { source, sink: Some(sink), .. } = served else { return wrong("no sink") };
    let (near, carrying) = bridge(sink, source);
    let socket = WebSocketStream::from_raw_socket(near, Role::Server, None).await;
    let (said, carried) = tokio::join!(echo(socket), carrying);
    said.and(carried)?;
    wrong("it is over")
}

async fn meets(world: World) -> Outcome {
    let backend = world.backend(serve)?;
    let nexus = world.nexus(&[&backend]).await?;
    let mut call = world.client(&nexus).await?.upgrade("/chat").await?;
    ensure(call.is_granted().await?, || "not granted".to_owned())?;
    let Answer::Begun(source) = call.answer else { return wrong("no answer") };
    let (near, carrying) = bridge(call.sink, source);
    tokio::spawn(carrying);
    talk(WebSocketStream::from_raw_socket(near, Role::Client, None).await).await
}

#[test]
fn tungstenite_talks_over_every_protocol() {
    each(&Wire::ALL, &Wire::ALL, meets);
}

/// The handshake is tungstenite's as well, on both sides: that is HTTP/1.1.
async fn shakes_hands(world: World) -> Outcome {
    let backend = world.raw(|io, _| async move {
        // The first probe's connection says nothing.
        if let Ok(socket) = tokio_tungstenite::accept_async(io).await {
            echo(socket).await?;
        }
        Ok(())
    })?;
    let nexus = world.nexus(&[&backend]).await?;
    let tls = world.front.is_tls().then(|| world.secrets.client(world.front.alpn()));
    let io = crate::wire::connect(nexus.address, tls).await?;
    let (socket, _) = tokio_tungstenite::client_async("ws://nexus.test/chat", io).await?;
    talk(socket).await
}

#[test]
fn tungstenite_shakes_hands() {
    let http1 = [Wire::Http1, Wire::Http1Tls];
    each(&http1, &http1, shakes_hands);
}
