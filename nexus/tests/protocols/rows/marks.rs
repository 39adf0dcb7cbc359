//! What a request is known by across programs: its name, and its trace.

use http::Method;

use nexus::settings::Settings;
use nexus::spans::Tracing;
use nexus::spans::settings::{Endpoint, Headers};

use super::Row;
use crate::backend::Served;
use crate::client::request;
use crate::message::Body;
use crate::outcome::{Outcome, ensure, same, text};
use crate::world::World;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("the fields of a trace pass as they are", passing),
        Row::new("a trace goes on with the attempt's span", going_on),
        Row::new("a request's name is told to both sides", named),
    ]
}

/// Asks with the fields of a trace and a name; returns what the backend saw of them, and the client.
async fn ask(world: World, change: fn(&mut Settings)) -> Outcome<(String, String)> {
    let backend = world.backend(|served: Served| async move {
        let names = ["traceparent", "tracestate", "x-request-id"];
        let seen = names.map(|name| served.field(name).to_owned()).join("|");
        served.answer(&seen).await
    })?;
    let nexus = world.nexus_set(&[&backend], change).await?;
    let mut request = request(Method::GET, "/");
    let fields = [("traceparent", PARENT), ("tracestate", "a=1,b=2"), ("x-request-id", "mine")];
    for (name, value) in fields {
        request.headers_mut().insert(name, http::HeaderValue::from_static(value));
    }
    let mut call = world.client(&nexus).await?.call(request, Body::None).await?;
    let (head, body) = call.whole().await?;
    let told = head.headers().get("x-request-id").map(|value| value.as_bytes().to_vec());
    Ok((text(&body), text(&told.unwrap_or_default())))
}

async fn passing(world: World) -> Outcome {
    let (seen, told) = ask(world, |_| ()).await?;
    same("seen", seen, format!("{PARENT}|a=1,b=2|mine"))?;
    same("told", told, String::new())
}

async fn going_on(world: World) -> Outcome {
    let (seen, _) = ask(world, |settings| {
        settings.trusted = vec!["127.0.0.0/8".parse().expect("it is a network")];
        settings.tracing = Some(Tracing {
            // Nobody is there: that is no matter for requests.
            endpoint: Endpoint::parse("http://127.0.0.1:9").expect("it is an address"),
            sample: 0,
            believes_all: false,
            service: "nexus".to_owned(),
            headers: Headers::default(),
            timeout: std::time::Duration::from_secs(1),
        });
    })
    .await?;
    let parts: Vec<_> = seen.split(['|', '-']).collect();
    same("trace", (parts[0], parts[1], parts[3]), ("00", &PARENT[3..35], "01"))?;
    same("state", &parts[4..], &["a=1,b=2", "mine"][..])?;
    ensure(parts[2].len() == 16 && parts[2] != &PARENT[36..52], || format!("no new span: {seen}"))
}

async fn named(world: World) -> Outcome {
    let (seen, told) =
        ask(world, |settings| settings.request_id = Some("X-Request-Id".to_owned())).await?;
    same("seen", seen, format!("{PARENT}|a=1,b=2|{told}"))?;
    ensure(told.len() == 32, || format!("no new name: {told}"))
}
