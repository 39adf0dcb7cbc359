//! Who gives up in the middle: the other side must see it, and never an end that looks whole.

use std::sync::Arc;

use http::Method;
use tokio::sync::Notify;
use tokio::sync::mpsc::unbounded_channel;

use super::{LONG, Row, long};
use crate::backend::Served;
use crate::client::request;
use crate::message::Body;
use crate::outcome::{Outcome, same, text, wrong};
use crate::world::World;

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("the client gives up while it waits, the backend sees it", waiting),
        Row::new("the client gives up an upload, the backend sees it: length known", |world| {
            upload(world, Body::Length(LONG as u64))
        }),
        Row::new("the client gives up an upload, the backend sees it: length unknown", |world| {
            upload(world, Body::Open)
        }),
        Row::new("the client gives up a download, the backend sees it", download),
        Row::new("the backend breaks an answer off, the client sees it: length known", |world| {
            answer(world, Body::Length(LONG as u64))
        }),
        Row::new("the backend breaks an answer off, the client sees it: length unknown", |world| {
            answer(world, Body::Open)
        }),
        Row::new("others on the connection do not notice", others),
    ]
}

async fn waiting(world: World) -> Outcome {
    let (told, mut heard) = unbounded_channel();
    let backend = world.backend(move |mut served: Served| {
        let told = told.clone();
        async move {
            let _ = told.send("asked");
            let _ = served.gone().await;
            let _ = told.send("gone");
            wrong("nobody waits")
        }
    })?;
    let nexus = world.nexus(&[&backend]).await?;
    let call = world.client(&nexus).await?.get("/").await?;
    same("first", heard.recv().await, Some("asked"))?;
    call.abort();
    same("then", heard.recv().await, Some("gone"))
}

async fn upload(world: World, body: Body) -> Outcome {
    let (told, mut heard) = unbounded_channel();
    let backend = world.backend(move |mut served: Served| {
        let told = told.clone();
        async move {
            served.source.data().await?;
            let _ = told.send("begun");
            let whole = loop {
                match served.source.data().await {
                    Ok(Some(_)) => {}
                    Ok(None) => break "whole",
                    Err(_) => break "broken off",
                }
            };
            let _ = told.send(whole);
            wrong("it is no request")
        }
    })?;
    let nexus = world.nexus(&[&backend]).await?;
    let client = world.client(&nexus).await?;
    let mut call = client.call(request(Method::POST, "/"), body).await?;
    call.sink.send(long().slice(..200_000)).await?;
    same("first", heard.recv().await, Some("begun"))?;
    call.abort();
    same("the backend saw", heard.recv().await, Some("broken off"))
}

async fn download(world: World) -> Outcome {
    let (told, mut heard) = unbounded_channel();
    let backend = world.backend(move |mut served: Served| {
        let told = told.clone();
        async move {
            served.begin(http::Response::new(()), Body::Open).await?;
            while served.sink()?.send(long().slice(..50_000)).await.is_ok() {}
            let _ = told.send(());
            wrong("nobody reads")
        }
    })?;
    let nexus = world.nexus(&[&backend]).await?;
    let mut call = world.client(&nexus).await?.get("/").await?;
    call.answer.head().await?;
    call.answer.source()?.data().await?;
    call.abort();
    same("the backend saw it", heard.recv().await, Some(()))
}

async fn answer(world: World, body: Body) -> Outcome {
    // Once the client has some of it: a reset may overtake what was sent before.
    let word = Arc::<Notify>::default();
    let go = Arc::clone(&word);
    let backend = world.backend(move |mut served: Served| {
        let go = Arc::clone(&go);
        async move {
            served.begin(http::Response::new(()), body).await?;
            served.sink()?.send(long().slice(..200_000)).await?;
            go.notified().await;
            served.abort();
            wrong("it breaks off")
        }
    })?;
    let nexus = world.nexus(&[&backend]).await?;
    let mut call = world.client(&nexus).await?.get("/").await?;
    call.answer.head().await?;
    call.answer.source()?.data().await?;
    word.notify_one();
    match call.answer.source()?.all().await {
        Err(_) => Ok(()),
        Ok(all) => wrong(format!("{} bytes look whole", all.len())),
    }
}

async fn others(world: World) -> Outcome {
    let word = Arc::<Notify>::default();
    let go = Arc::clone(&word);
    let backend = world.backend(move |mut served: Served| {
        let go = Arc::clone(&go);
        async move {
            if served.path() == "/other" {
                let body = served.source.all().await?;
                return served.answer(&body.len().to_string()).await;
            }
            served.begin(http::Response::new(()), Body::Open).await?;
            served.sink()?.send("some".into()).await?;
            go.notified().await;
            served.abort();
            wrong("it breaks off")
        }
    })?;
    let nexus = world.nexus(&[&backend]).await?;
    let client = world.client(&nexus).await?;
    let mut other = client.call(request(Method::POST, "/other"), Body::Open).await?;
    other.sink.send("first, ".into()).await?;
    let mut broken = client.get("/broken").await?;
    broken.answer.head().await?;
    broken.answer.source()?.data().await?;
    word.notify_one();
    if broken.answer.source()?.all().await.is_ok() {
        return wrong("it looks whole");
    }
    client.call(request(Method::POST, "/other"), Body::Open).await?.abort();
    other.sink.send("then".into()).await?;
    other.sink.finish().await?;
    same("the other", text(&other.whole().await?.1), "11")
}
