//! Requests and answers that arrive whole.

use bytes::BytesMut;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};

use super::{LONG, Row, long, pieces};
use crate::backend::Served;
use crate::client::{HOST, request};
use crate::message::{Body, Sink};
use crate::outcome::{Outcome, ensure, same, text};
use crate::world::World;

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("GET", get),
        Row::new("HEAD", head),
        Row::new("several requests on one connection, each its own answer", several),
        Row::new("upload of 3 MiB, length unknown", |world| upload(world, Body::Open)),
        Row::new("upload of 3 MiB, length known", |world| upload(world, Body::Length(LONG as u64))),
        Row::new("upload answered while it still runs", echo),
        Row::new("download of 3 MiB, length known", |world| {
            download(world, Body::Length(LONG as u64))
        }),
        Row::new("download of 3 MiB, length unknown", |world| download(world, Body::Open)),
        Row::new("trailers in the request", trailers_up),
        Row::new("trailers in the answer", trailers_down),
        Row::new("cookies arrive as one field", cookies),
    ]
}

/// Says which fields about a connection came through, which must not.
fn one_hop(headers: &HeaderMap) -> Vec<&str> {
    let names = headers.keys().map(http::HeaderName::as_str);
    names.filter(|name| matches!(*name, "keep-alive" | "proxy-connection" | "upgrade")).collect()
}

async fn get(world: World) -> Outcome {
    let front_is_tls = world.front.is_tls();
    let backend = world.backend(move |served: Served| async move {
        let host = served.request.uri().authority().map(http::uri::Authority::as_str);
        same("host", host.unwrap_or(served.field("host")), HOST)?;
        let scheme = if front_is_tls { "https" } else { "http" };
        same("x-forwarded-proto", served.field("x-forwarded-proto"), scheme)?;
        same("x-forwarded-for", served.field("x-forwarded-for"), "127.0.0.1")?;
        same("one-hop fields", one_hop(served.request.headers()).len(), 0)?;
        let text = format!("{} {}", served.request.method(), served.request.uri().path());
        served.answer(&text).await
    })?;
    let nexus = world.nexus(&[&backend]).await?;
    let (head, body) = world.client(&nexus).await?.get("/a%20b").await?.whole().await?;
    same("status", head.status(), StatusCode::OK)?;
    same("body", text(&body), "GET /a%20b")?;
    ensure(head.headers().contains_key(header::DATE), || format!("no date: {head:?}"))
}

async fn head(world: World) -> Outcome {
    let backend = world.backend(|served: Served| async move { served.answer("12345").await })?;
    let nexus = world.nexus(&[&backend]).await?;
    let client = world.client(&nexus).await?;
    for _ in 0..2 {
        let mut call = client.call(request(Method::HEAD, "/"), Body::None).await?;
        let (head, body) = call.whole().await?;
        same("status", head.status(), StatusCode::OK)?;
        same("length", head.headers()[header::CONTENT_LENGTH].as_bytes(), b"5")?;
        same("body", text(&body), "")?;
    }
    Ok(())
}

async fn several(world: World) -> Outcome {
    let backend = world.backend(|served: Served| async move {
        let path = served.path().to_owned();
        served.answer(&path).await
    })?;
    let nexus = world.nexus(&[&backend]).await?;
    let client = world.client(&nexus).await?;
    let mut calls = Vec::new();
    for at in 0..20 {
        calls.push((at, client.get(&format!("/{at}")).await?));
    }
    for (at, mut call) in calls {
        let (_, body) = call.whole().await?;
        same("body", text(&body), format!("/{at}"))?;
    }
    // What one request has opened another can use.
    for _ in 0..3 {
        client.get("/").await?.whole().await?;
    }
    let (most, found) = (1 + 20, backend.connections());
    ensure(found <= most, || format!("{found} connections for 23 requests, 20 of them at once"))
}

async fn send(sink: &mut Sink) -> Outcome {
    for piece in pieces() {
        sink.send(piece).await?;
    }
    sink.finish().await
}

async fn upload(world: World, body: Body) -> Outcome {
    let backend = world.backend(move |mut served: Served| async move {
        let length = served.field("content-length").to_owned();
        let said = if body == Body::Open { String::new() } else { LONG.to_string() };
        same("content-length", length, said)?;
        let came = served.source.all().await?;
        served.answer(if came == long() { "the same" } else { "something else" }).await
    })?;
    let nexus = world.nexus(&[&backend]).await?;
    let client = world.client(&nexus).await?;
    let mut call = client.call(request(Method::POST, "/"), body).await?;
    send(&mut call.sink).await?;
    let (_, body) = call.whole().await?;
    same("the backend got", text(&body), "the same")
}

async fn echo(world: World) -> Outcome {
    let backend = world.backend(|mut served: Served| async move {
        served.begin(http::Response::new(()), Body::Open).await?;
        while let Some(data) = served.source.data().await? {
            served.sink()?.send(data).await?;
        }
        served.sink()?.finish().await?;
        Ok(served)
    })?;
    let nexus = world.nexus(&[&backend]).await?;
    let client = world.client(&nexus).await?;
    let mut call = client.call(request(Method::POST, "/"), Body::Open).await?;
    // The first piece is back before the second leaves.
    let mut beyond = BytesMut::new();
    let first = long().slice(..100_000);
    call.sink.send(first.clone()).await?;
    same("status", call.answer.head().await?.status(), StatusCode::OK)?;
    let source = call.answer.source()?;
    ensure(source.exactly(first.len(), &mut beyond).await? == first, || "another".to_owned())?;
    let sink = &mut call.sink;
    let (sent, back) = tokio::join!(send(sink), source.all());
    sent?;
    beyond.extend_from_slice(&back?);
    ensure(beyond == long(), || format!("{} bytes came back", beyond.len()))
}

async fn download(world: World, body: Body) -> Outcome {
    let backend = world.backend(move |mut served: Served| async move {
        served.begin(http::Response::new(()), body).await?;
        send(served.sink()?).await?;
        Ok(served)
    })?;
    let nexus = world.nexus(&[&backend]).await?;
    let client = world.client(&nexus).await?;
    for _ in 0..2 {
        let (head, came) = client.get("/").await?.whole().await?;
        let length = head.headers().get(header::CONTENT_LENGTH).map(HeaderValue::as_bytes);
        let said = LONG.to_string();
        same("length", length, (body != Body::Open).then_some(said.as_bytes()))?;
        ensure(came == long(), || format!("{} bytes came", came.len()))?;
    }
    Ok(())
}

fn trailers() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("42"));
    trailers.insert("x-other", HeaderValue::from_static("a, b"));
    trailers
}

/// A request whose answer may have trailers.
pub(super) fn with_trailers(method: Method, path: &str) -> http::Request<()> {
    let mut request = request(method, path);
    request.headers_mut().insert(header::TE, HeaderValue::from_static("trailers"));
    request
}

async fn trailers_up(world: World) -> Outcome {
    let backend = world.backend(|mut served: Served| async move {
        same("body", text(&served.source.all().await?), "body")?;
        let came = served.source.trailers().await?;
        served.answer(if came == trailers() { "all" } else { "others" }).await
    })?;
    let nexus = world.nexus(&[&backend]).await?;
    let client = world.client(&nexus).await?;
    let mut call = client.call(request(Method::POST, "/"), Body::Open).await?;
    call.sink.send("body".into()).await?;
    call.sink.finish_with(trailers()).await?;
    same("trailers", text(&call.whole().await?.1), "all")
}

async fn trailers_down(world: World) -> Outcome {
    let backend = world.backend(|mut served: Served| async move {
        served.begin(http::Response::new(()), Body::Open).await?;
        served.sink()?.send("body".into()).await?;
        served.sink()?.finish_with(trailers()).await?;
        Ok(served)
    })?;
    let nexus = world.nexus(&[&backend]).await?;
    let client = world.client(&nexus).await?;
    let mut call = client.call(with_trailers(Method::GET, "/"), Body::None).await?;
    let (_, body) = call.whole().await?;
    same("body", text(&body), "body")?;
    same("trailers", call.answer.source()?.trailers().await?, trailers())
}

async fn cookies(world: World) -> Outcome {
    let backend = world.backend(|served: Served| async move {
        let cookies = served.request.headers().get_all(header::COOKIE).iter();
        let cookies = cookies.map(HeaderValue::to_str).collect::<Result<Vec<_>, _>>()?.join(" | ");
        served.answer(&cookies).await
    })?;
    let nexus = world.nexus(&[&backend]).await?;
    let mut asked = request(Method::GET, "/");
    // HTTP/1 has one field for all of them (RFC 6265 §5.4), HTTP/2 may have more.
    let fields: &[_] =
        if world.front.is_http2() { &["a=1", "b=2; c=3"] } else { &["a=1; b=2; c=3"] };
    for cookie in fields {
        asked.headers_mut().append(header::COOKIE, HeaderValue::from_static(cookie));
    }
    let (_, body) = world.client(&nexus).await?.call(asked, Body::None).await?.whole().await?;
    same("cookies", text(&body), "a=1; b=2; c=3")
}
