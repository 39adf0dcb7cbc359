//! What gRPC needs of a proxy: messages that pass as they come, and trailers that end them. It is
//! spoken over HTTP/2; that it survives HTTP/1.1 on the way is what chunks and trailers are for.

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};

use super::Row;
use super::messages::with_trailers;
use crate::backend::Served;
use crate::message::{Body, Source};
use crate::outcome::{Outcome, same, text};
use crate::world::World;

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("gRPC: one message each way, status in the trailers", unary),
        Row::new("gRPC: messages both ways in turns", turns),
        Row::new("gRPC: an answer of trailers only", trailers_only),
        Row::new("gRPC: thousands of small answers to who is slow to read them", small_answers),
    ]
}

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

fn asked() -> http::Request<()> {
    let mut asked = with_trailers(Method::POST, "/test.Echo/Say");
    asked.headers_mut().insert(header::CONTENT_TYPE, GRPC);
    asked
}

fn response() -> http::Response<()> {
    let mut response = http::Response::new(());
    response.headers_mut().insert(header::CONTENT_TYPE, GRPC);
    response
}

fn status(code: &'static str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(code));
    trailers.insert("grpc-message", HeaderValue::from_static("that%20is%20it"));
    trailers
}

fn message(text: &str) -> Bytes {
    let mut message = BytesMut::new();
    message.put_u8(0);
    message.put_u32(u32::try_from(text.len()).expect("it is short"));
    message.put_slice(text.as_bytes());
    message.freeze()
}

async fn next(source: &mut Source, beyond: &mut BytesMut) -> Outcome<String> {
    let head = source.exactly(5, beyond).await?;
    let len = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    Ok(String::from_utf8(source.exactly(len, beyond).await?.to_vec())?)
}

async fn unary(world: World) -> Outcome {
    let backend = world.backend(|mut served: Served| async move {
        same("te", served.field("te"), "trailers")?;
        same("type", served.field("content-type"), "application/grpc")?;
        let body = served.source.all().await?;
        served.begin(response(), Body::Open).await?;
        served.sink()?.send(body).await?;
        served.sink()?.finish_with(status("0")).await?;
        Ok(served)
    })?;
    let nexus = world.nexus(&[&backend]).await?;
    let client = world.client(&nexus).await?;
    for _ in 0..3 {
        let mut call = client.call(asked(), Body::Open).await?;
        call.sink.send(message("hello")).await?;
        call.sink.finish().await?;
        let (head, body) = call.whole().await?;
        same("type", head.headers().get(header::CONTENT_TYPE), Some(&GRPC))?;
        same("message", body, message("hello"))?;
        same("trailers", call.answer.source()?.trailers().await?, status("0"))?;
    }
    Ok(())
}

async fn turns(world: World) -> Outcome {
    let backend = world.backend(|mut served: Served| async move {
        let mut beyond = BytesMut::new();
        served.begin(response(), Body::Open).await?;
        for _ in 0..5 {
            let heard = next(&mut served.source, &mut beyond).await?;
            served.sink()?.send(message(&format!("you said {heard}"))).await?;
        }
        same("the end", served.source.data().await?, None)?;
        served.sink()?.finish_with(status("0")).await?;
        Ok(served)
    })?;
    let nexus = world.nexus(&[&backend]).await?;
    let mut call = world.client(&nexus).await?.call(asked(), Body::Open).await?;
    // The head is there before anything is said.
    same("status", call.answer.head().await?.status(), StatusCode::OK)?;
    let mut beyond = BytesMut::new();
    for turn in 0..5 {
        call.sink.send(message(&format!("{turn}"))).await?;
        let heard = next(call.answer.source()?, &mut beyond).await?;
        same("heard", heard, format!("you said {turn}"))?;
    }
    call.sink.finish().await?;
    same("the end", call.answer.source()?.data().await?, None)?;
    same("trailers", call.answer.source()?.trailers().await?, status("0"))
}

async fn trailers_only(world: World) -> Outcome {
    let backend = world.backend(|mut served: Served| async move {
        served.source.all().await?;
        let mut response = response();
        response.headers_mut().extend(status("5"));
        // HTTP/2 ends the stream with it; HTTP/1 has to say so.
        let is_http2 = served.request.version() == http::Version::HTTP_2;
        served.begin(response, if is_http2 { Body::None } else { Body::Length(0) }).await?;
        Ok(served)
    })?;
    let nexus = world.nexus(&[&backend]).await?;
    let mut call = world.client(&nexus).await?.call(asked(), Body::Open).await?;
    call.sink.send(message("hello")).await?;
    call.sink.finish().await?;
    let (head, body) = call.whole().await?;
    same("status", head.headers().get("grpc-status").map(HeaderValue::as_bytes), Some(&b"5"[..]))?;
    same("body", text(&body), "")?;
    same("trailers", call.answer.source()?.trailers().await?, HeaderMap::new())
}

/// How many small messages there are: 64 KiB, but 4096 frames.
const SMALL: usize = 4096;

/// The length of each.
const SMALL_LEN: usize = 16;

/// Messages that are read by somebody who takes few at a time: they pile up in Nexus, by far not as
/// many bytes as it has room for.
async fn small_answers(world: World) -> Outcome {
    let backend = world.backend(|mut served: Served| async move {
        served.source.all().await?;
        served.begin(response(), Body::Open).await?;
        for _ in 0..SMALL {
            served.sink()?.send(message("eleven char")).await?;
        }
        served.sink()?.finish_with(status("0")).await?;
        Ok(served)
    })?;
    let nexus = world.nexus(&[&backend]).await?;
    let client = world.client_that_takes(&nexus, 1000).await?;
    let (_, body) = client.call(asked(), Body::None).await?.whole().await?;
    same("bytes", body.len(), SMALL * SMALL_LEN)
}

/// The same the other way, to a backend that takes few at a time.
async fn small_requests(world: World) -> Outcome {
    let backend = world.backend_with(
        |terms| terms.window = 1000,
        |mut served: Served| async move {
            let came = served.source.all().await?;
            served.answer(&came.len().to_string()).await
        },
    )?;
    let nexus = world.nexus(&[&backend]).await?;
    let mut call = world.client(&nexus).await?.call(asked(), Body::Open).await?;
    for _ in 0..SMALL {
        call.sink.send(message("eleven char")).await?;
    }
    call.sink.finish().await?;
    same("bytes", text(&call.whole().await?.1), (SMALL * SMALL_LEN).to_string())
}

#[test]
fn thousands_of_small_messages_end_no_connection() {
    use crate::peers::each;
    use crate::wire::Wire;
    each(&[Wire::Http2, Wire::H2c], &[Wire::Http2, Wire::H2c], small_requests);
}
