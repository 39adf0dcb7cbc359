//! h2load (nghttp2): many requests at once, with nghttp2's windows, HPACK and timing.

use super::{Folder, each, has, program};
use crate::backend::Served;
use crate::outcome::{Outcome, ensure};
use crate::wire::Wire;
use crate::world::World;

async fn many(world: World) -> Outcome {
    const COUNT: usize = 500;
    let backend = world.backend(|mut served: Served| async move {
        let came = served.source.all().await?;
        served.answer(&"answer ".repeat(came.len() / 10 + 100)).await
    })?;
    let nexus = world.nexus(&[&backend]).await?;
    let folder = Folder::new()?;
    let body = folder.put("body", "x".repeat(10_000))?;
    let scheme = if world.front.is_tls() { "https" } else { "http" };
    let url = format!("{scheme}://127.0.0.1:{}/", nexus.address.port());
    let count = COUNT.to_string();
    for sent in [&[][..], &["-d", &body]] {
        let mut args = vec!["-n", &count, "-c", "5", "-m", "20"];
        if !world.front.is_http2() {
            args.push("--h1");
        }
        args.extend_from_slice(sent);
        args.push(&url);
        let printed = program("h2load", &args).await?;
        let all = format!("{COUNT} succeeded, 0 failed, 0 errored, 0 timeout");
        let is_all = printed.contains(&all) && printed.contains(&format!("{COUNT} 2xx"));
        ensure(is_all, || format!("h2load {args:?}: {printed}"))?;
    }
    Ok(())
}

#[test]
fn h2load_has_all_its_answers() {
    if has("h2load") {
        each(&Wire::ALL, &Wire::ALL, many);
    }
}
