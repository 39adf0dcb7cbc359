//! Answers that come before the answer, or before all of the request.

use http::header::{self, HeaderValue};
use http::{Method, StatusCode};

use super::{LONG, Row, long};
use crate::backend::Served;
use crate::client::request;
use crate::message::Body;
use crate::outcome::{Outcome, same, text};
use crate::world::World;

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("100 Continue is waited for, and comes from the backend", continues),
        Row::new("an expectation that the backend refuses: no body is sent", refuses),
        Row::new("103 Early Hints before the answer", hints),
        Row::new("an answer that does not wait for the request's body", early),
    ]
}

fn interim(status: u16) -> http::Response<()> {
    let mut response = http::Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).expect("it is one");
    response
}

fn expecting() -> http::Request<()> {
    let mut asked = request(Method::POST, "/");
    asked.headers_mut().insert(header::EXPECT, HeaderValue::from_static("100-continue"));
    asked
}

async fn continues(world: World) -> Outcome {
    let backend = world.backend(|mut served: Served| async move {
        same("expect", served.field("expect"), "100-continue")?;
        served.interim(interim(100)).await?;
        let body = served.source.all().await?;
        served.answer(std::str::from_utf8(&body)?).await
    })?;
    let nexus = world.nexus(&[&backend]).await?;
    let mut call = world.client(&nexus).await?.call(expecting(), Body::Length(4)).await?;
    same("first", call.answer.head().await?.status(), StatusCode::CONTINUE)?;
    call.sink.send("body".into()).await?;
    call.sink.finish().await?;
    let (head, body) = call.whole().await?;
    same("then", (head.status(), text(&body).as_str()), (StatusCode::OK, "body"))
}

async fn refuses(world: World) -> Outcome {
    let backend = world.backend(|mut served: Served| async move {
        served.begin(interim(417), Body::Length(0)).await?;
        served.sink()?.finish().await?;
        Ok(served)
    })?;
    let nexus = world.nexus(&[&backend]).await?;
    let mut call = world.client(&nexus).await?.call(expecting(), Body::Length(4)).await?;
    same("status", call.answer.head().await?.status(), StatusCode::EXPECTATION_FAILED)
}

async fn hints(world: World) -> Outcome {
    const LINK: HeaderValue = HeaderValue::from_static("</style.css>; rel=preload");
    let backend = world.backend(|mut served: Served| async move {
        for _ in 0..2 {
            let mut hint = interim(103);
            hint.headers_mut().insert(header::LINK, LINK);
            served.interim(hint).await?;
        }
        served.answer("at last").await
    })?;
    let nexus = world.nexus(&[&backend]).await?;
    let mut call = world.client(&nexus).await?.get("/").await?;
    for _ in 0..2 {
        let hint = call.answer.head().await?;
        same("hint", hint.status(), StatusCode::EARLY_HINTS)?;
        same("link", hint.headers().get(header::LINK), Some(&LINK))?;
    }
    same("then", text(&call.whole().await?.1), "at last")
}

async fn early(world: World) -> Outcome {
    let backend = world.backend(|mut served: Served| async move {
        let mut response = interim(413);
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        if served.request.version() == http::Version::HTTP_2 {
            response.headers_mut().remove(header::CONNECTION);
        }
        served.begin(response, Body::Length(8)).await?;
        served.sink()?.send("too long".into()).await?;
        served.sink()?.finish().await?;
        // What is left of the request is not wanted.
        served.gone().await?;
        Ok(served)
    })?;
    let nexus = world.nexus(&[&backend]).await?;
    let client = world.client(&nexus).await?;
    let mut call = client.call(request(Method::POST, "/"), Body::Length(LONG as u64)).await?;
    call.sink.send(long().slice(..1000)).await?;
    let (head, body) = call.whole().await?;
    same("answer", (head.status().as_u16(), text(&body).as_str()), (413, "too long"))
}
