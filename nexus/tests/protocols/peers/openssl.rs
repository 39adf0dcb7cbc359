//! openssl: what is agreed on in handshakes.

use std::process::Stdio;

use nexus::tls::{Profile, UnknownName};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::{Folder, has, program, run, world};
use crate::backend::{Backend, Served};
use crate::outcome::{Outcome, ensure, text};
use crate::secure::Change;
use crate::wire::Wire;
use crate::world::Running;

/// A Nexus with TLS, and what openssl needs to know of it.
struct Scene {
    nexus: Running,
    _backend: Backend,
    folder: Folder,
    ca: String,
}

impl Scene {
    async fn new(change: Change) -> Outcome<Self> {
        let world = world(Wire::Http1Tls, Wire::Http1);
        let backend =
            world.backend(|served: Served| async move { served.answer("secret").await })?;
        let nexus = world.nexus_with(&[&backend], change).await?;
        let folder = Folder::new()?;
        let ca = folder.put("ca.pem", world.secrets.authority())?;
        Ok(Self { nexus, _backend: backend, folder, ca })
    }

    /// Runs `openssl s_client`, which asks for `/` and reads until Nexus closes.
    async fn client(&self, args: &[&str]) -> Outcome<String> {
        let address = self.nexus.address.to_string();
        let usual = ["s_client", "-connect", &address, "-CAfile", &self.ca, "-ign_eof"];
        let mut command = Command::new("openssl");
        command.args(usual).args(args).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = command.spawn()?;
        if let Some(mut stdin) = running.stdin.take() {
            let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            let _ = stdin.write_all(request).await; // It may have ended, for good reason.
        }
        let output = running.wait_with_output().await?;
        Ok(text(&output.stdout) + &text(&output.stderr))
    }

    /// Runs it, and looks for what it must say.
    async fn says(&self, args: &[&str], words: &[&str]) -> Outcome<String> {
        let said = self.client(args).await?;
        for word in words {
            ensure(said.contains(word), || format!("{args:?} does not say {word:?}: {said}"))?;
        }
        Ok(said)
    }
}

const GOOD: &str = "Verify return code: 0 (ok)";

async fn versions() -> Outcome {
    let scene = Scene::new(|_| {}).await?;
    let name = ["-servername", "localhost", "-verify_hostname", "localhost"];
    for (version, said) in [("-tls1_2", "New, TLSv1.2, "), ("-tls1_3", "New, TLSv1.3, ")] {
        let args = [&name[..], &[version, "-alpn", "http/1.1"]].concat();
        scene.says(&args, &[GOOD, said, "ALPN protocol: http/1.1", "secret"]).await?;
    }
    scene.says(&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], &["SSL alert number 40"]).await?;
    Ok(())
}

async fn modern() -> Outcome {
    let scene = Scene::new(|tls| tls.profile = Profile::Modern).await?;
    scene.says(&["-tls1_3"], &["New, TLSv1.3, ", "secret"]).await?;
    scene.says(&["-tls1_2"], &["alert protocol version"]).await?;
    Ok(())
}

async fn alpn() -> Outcome {
    let scene = Scene::new(|_| {}).await?;
    // Nexus prefers h2, whatever comes first.
    let h2 = "ALPN protocol: h2";
    scene.says(&["-alpn", "http/1.1,h2"], &[h2]).await?;
    scene.says(&["-alpn", "spdy/1,http/1.1"], &["ALPN protocol: http/1.1", "secret"]).await?;
    scene.says(&[], &["No ALPN negotiated", "secret"]).await?;
    scene.says(&["-alpn", "spdy/1"], &["alert no application protocol"]).await?;
    Ok(())
}

async fn resumed() -> Outcome {
    let scene = Scene::new(|_| {}).await?;
    for version in ["-tls1_2", "-tls1_3"] {
        let ticket = scene.folder.path(version);
        scene.says(&[version, "-sess_out", &ticket], &["New, TLSv1.", "secret"]).await?;
        scene.says(&[version, "-sess_in", &ticket], &["Reused, TLSv1.", "secret"]).await?;
    }
    // Without tickets TLS 1.2 has the session's number, and TLS 1.3 nothing.
    let scene = Scene::new(|tls| tls.tickets = false).await?;
    let session = scene.folder.path("session");
    scene.says(&["-tls1_2", "-no_ticket", "-sess_out", &session], &["New, TLSv1.2"]).await?;
    scene.says(&["-tls1_2", "-no_ticket", "-sess_in", &session], &["Reused, TLSv1.2"]).await?;
    let said = scene.says(&["-tls1_3"], &["New, TLSv1.3", "secret"]).await?;
    ensure(!said.contains("Post-Handshake New Session Ticket"), || said)
}

async fn names() -> Outcome {
    let scene = Scene::new(|_| {}).await?;
    let known = "subject=CN = localhost";
    for name in [&["-servername", "other.test"][..], &["-noservername"]] {
        scene.says(name, &[known, "secret"]).await?;
    }
    let scene = Scene::new(|tls| tls.unknown_name = UnknownName::Refuse).await?;
    scene.says(&["-servername", "localhost"], &[known, "secret"]).await?;
    scene.says(&["-servername", "other.test"], &["alert number 112"]).await?;
    Ok(())
}

/// Makes a response about the server's certificate, as its authority would.
async fn response() -> Outcome<(Vec<u8>, Folder)> {
    let (folder, secrets) = (Folder::new()?, world(Wire::Http1Tls, Wire::Http1).secrets);
    let ca = folder.put("ca.pem", secrets.authority())?;
    let key = folder.put("ca.key", secrets.authority_key())?;
    let cert = folder.put("cert.pem", secrets.certificate())?;
    let serial = program("openssl", ["x509", "-noout", "-serial", "-in", &cert]).await?;
    let serial = serial.trim().trim_start_matches("serial=");
    let line = format!("V\t491231000000Z\t\t{serial}\tunknown\t/CN=localhost\n");
    let (index, out) = (folder.put("index", line)?, folder.path("response"));
    let signer = ["ocsp", "-CA", &ca, "-rsigner", &ca, "-rkey", &key, "-index", &index];
    let about = ["-issuer", &ca, "-cert", &cert, "-ndays", "1", "-noverify", "-respout", &out];
    program("openssl", signer.iter().chain(&about)).await?;
    Ok((std::fs::read(&out)?, folder))
}

async fn stapled() -> Outcome {
    let scene = Scene::new(|_| {}).await?;
    scene.says(&["-status"], &["OCSP response: no response sent"]).await?;
    let (response, _folder) = response().await?;
    world(Wire::Http1Tls, Wire::Http1).secrets.staple(response);
    let scene = Scene::new(|tls| tls.certificates[0].ocsp = Some("ocsp".to_owned())).await?;
    let good = ["OCSP Response Status: successful", "Cert Status: good", "secret"];
    for version in ["-tls1_2", "-tls1_3"] {
        scene.says(&[version, "-status"], &good).await?;
    }
    Ok(())
}

#[test]
fn openssl_is_shown_what_the_authority_says() {
    if has("openssl") {
        run("stapled", stapled());
    }
}

#[test]
fn openssl_agrees_on_versions() {
    if has("openssl") {
        run("versions", versions());
        run("modern", modern());
    }
}

#[test]
fn openssl_agrees_on_protocols() {
    if has("openssl") {
        run("alpn", alpn());
    }
}

#[test]
fn openssl_takes_up_sessions() {
    if has("openssl") {
        run("resumed", resumed());
    }
}

#[test]
fn openssl_asks_for_names() {
    if has("openssl") {
        run("names", names());
    }
}
