//! How many requests a connection to a backend carries at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Barrier;

use super::Row;
use crate::backend::Served;
use crate::outcome::{Outcome, same, text};
use crate::wire::Wire;
use crate::world::World;

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("as many streams as the backend takes, more connections for more", limited),
        Row::new("requests at once share a connection where they can", shared),
    ]
}

/// Asks so much at once that nobody is answered before all are there; returns how many requests
/// each connection carried.
async fn at_once(world: &World, count: usize, streams_max: u32) -> Outcome<Vec<usize>> {
    let (barrier, carried) =
        (Arc::new(Barrier::new(count)), Arc::<Mutex<HashMap<_, _>>>::default());
    let all = Arc::clone(&carried);
    let backend = world.backend_with(
        |terms| terms.streams_max = streams_max,
        move |served: Served| {
            let is_first = served.path() == "/first";
            *all.lock().unwrap().entry(served.connection).or_insert(0) += usize::from(!is_first);
            let barrier = Arc::clone(&barrier);
            async move {
                if !is_first {
                    barrier.wait().await;
                }
                served.answer("all").await
            }
        },
    )?;
    let nexus = world.nexus(&[&backend]).await?;
    let client = world.client(&nexus).await?;
    if world.back == Wire::Http2 {
        client.get("/first").await?.whole().await?; // What it speaks, it says in a handshake.
    }
    let mut calls = Vec::new();
    for _ in 0..count {
        calls.push(client.get("/").await?);
    }
    for mut call in calls {
        same("answer", text(&call.whole().await?.1), "all")?;
    }
    let mut counts: Vec<_> = carried.lock().unwrap().values().copied().collect();
    counts.sort_unstable();
    Ok(counts)
}

async fn limited(world: World) -> Outcome {
    let counts = at_once(&world, 6, 2).await?;
    same(
        "requests by connection",
        counts,
        if world.back.is_http2() { vec![2; 3] } else { vec![1; 6] },
    )
}

async fn shared(world: World) -> Outcome {
    let counts = at_once(&world, 20, 100).await?;
    same(
        "requests by connection",
        counts,
        if world.back.is_http2() { vec![20] } else { vec![1; 20] },
    )
}
