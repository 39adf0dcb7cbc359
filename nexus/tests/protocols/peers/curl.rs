//! curl with every protocol that it has.

use bytes::Bytes;

use super::{Folder, each, has, program};
use crate::backend::Served;
use crate::message::Body;
use crate::outcome::{Outcome, Wrong, ensure, same};
use crate::rows::long;
use crate::wire::Wire;
use crate::world::{Running, World};

/// What is asked for, and the version that it must come back in.
type Protocols = &'static [(&'static str, &'static str)];

fn protocols(front: Wire) -> Protocols {
    match front {
        // `--http2` in clear text asks for an upgrade to h2c, which is obsolete (RFC 9113 §3.1).
        Wire::Http1 => &[("--http1.0", "1.1"), ("--http1.1", "1.1"), ("--http2", "1.1")],
        Wire::Http1Tls => &[("--http1.1", "1.1")],
        Wire::Http2 => &[("--http2", "2"), ("--http2-prior-knowledge", "2")],
        Wire::H2c => &[("--http2-prior-knowledge", "2")],
    }
}

async fn curl(nexus: &Running, front: Wire, ca: &str, args: &[&str]) -> Outcome<String> {
    let scheme = if front.is_tls() { "https" } else { "http" };
    let url = format!("{scheme}://localhost:{}/path", nexus.address.port());
    let usual = ["--ipv4", "--silent", "--show-error", "--max-time", "8", "--cacert", ca];
    let printed = program("curl", usual.iter().chain(args).chain([&url.as_str()])).await;
    printed.map_err(|what| Wrong(format!("{args:?}: {}", what.0)))
}

async fn asks(world: World) -> Outcome {
    let backend = world.backend(|mut served: Served| async move {
        if served.request.method() == http::Method::GET {
            served.begin(http::Response::new(()), Body::Open).await?;
            served.sink()?.send(long()).await?;
            served.sink()?.finish().await?;
            return Ok(served);
        }
        if served.field("expect") == "100-continue" {
            let mut go = http::Response::new(());
            *go.status_mut() = http::StatusCode::CONTINUE;
            served.interim(go).await?;
        }
        let came: Bytes = served.source.all().await?;
        let text = format!("{} {} ", served.request.method(), came == long());
        served.answer(&text).await
    })?;
    let nexus = world.nexus(&[&backend]).await?;
    let folder = Folder::new()?;
    let ca = folder.put("ca.pem", world.secrets.authority())?;
    let upload = format!("@{}", folder.put("up", long())?);
    let down = folder.path("down");
    let ask = async |args: &[&str]| curl(&nexus, world.front, &ca, args).await;
    for (option, version) in protocols(world.front) {
        let told = ask(&[option, "-o", &down, "-w", "%{http_version} %{http_code}"]).await?;
        same(option, told, format!("{version} 200"))?;
        ensure(std::fs::read(&down)? == long(), || format!("{option}: another file came"))?;
        let told = ask(&[option, "--data-binary", &upload, "-w", "%{http_version}"]).await?;
        same(option, told, format!("POST true {version}"))?;
        let told = ask(&[option, "--head", "-w", "%{http_code}"]).await?;
        ensure(told.ends_with("200"), || format!("{option} --head: {told}"))?;
        let told = ask(&[option, "-T", &upload[1..], "-w", "%{http_version}"]).await?;
        same(option, told, format!("PUT true {version}"))?;
    }
    Ok(())
}

#[test]
fn curl_asks_by_every_protocol_for_every_other() {
    if has("curl") {
        each(&Wire::ALL, &Wire::ALL, asks);
    }
}

/// Two on one connection, which curl keeps if it can.
async fn keeps(world: World) -> Outcome {
    let backend =
        world.backend(|served: Served| async move { served.answer(&"x".repeat(9)).await })?;
    let nexus = world.nexus(&[&backend]).await?;
    let folder = Folder::new()?;
    let ca = folder.put("ca.pem", world.secrets.authority())?;
    let scheme = if world.front.is_tls() { "https" } else { "http" };
    let other = format!("{scheme}://localhost:{}/other", nexus.address.port());
    for (option, _) in protocols(world.front) {
        // The upgrade that it asks for, and is not granted, ends nothing.
        let args = [option, "-w", " %{num_connects}\n", &other];
        let told = curl(&nexus, world.front, &ca, &args).await?;
        let expected = if *option == "--http1.0" { "1" } else { "0" };
        let second = told.lines().nth(1).unwrap_or_default();
        ensure(second.ends_with(expected), || format!("{option}: {told}"))?;
    }
    Ok(())
}

#[test]
fn curl_asks_by_http_1_0_over_tls() {
    each(&[Wire::Http1Tls], &[Wire::Http1], |world| async move {
        let backend = world.backend(|served: Served| async move { served.answer("").await })?;
        let nexus = world.nexus(&[&backend]).await?;
        let folder = Folder::new()?;
        let ca = folder.put("ca.pem", world.secrets.authority())?;
        curl(&nexus, world.front, &ca, &["--http1.0"]).await.map(drop)
    });
}

#[test]
fn curl_asks_twice_on_one_connection() {
    if has("curl") {
        // Not h2c: curl 7.88 fails by itself when it takes such a connection up again (error 16).
        each(&[Wire::Http1, Wire::Http1Tls, Wire::Http2], &[Wire::Http1], keeps);
    }
}
