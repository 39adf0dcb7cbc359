//! TLS: certificates made or given, what is agreed on, and what an echo tells of it.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{Backend, until};
use crate::wire2::{Client, config, connect_tls, get};

/// A file of this test alone, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("fakebackend-{}-{name}", std::process::id())))
    }

    fn text(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What comes back over HTTP/1.1 in TLS, to the end, and whether that was said (close_notify).
fn http1(backend: &Backend, ca: &Scratch, request: &str) -> (String, bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut tls = connect_tls(backend, &ca.0, "http/1.1").await;
        tls.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let end = tls.read_to_end(&mut answer).await;
        (String::from_utf8(answer).unwrap(), end.is_ok())
    })
}

const LAST: &str = "GET / HTTP/1.1\r\nConnection: close\r\n\r\n";

#[test]
fn a_certificate_is_made_and_both_versions_are_agreed_on() {
    let ca = Scratch::new("made.pem");
    let backend = Backend::start(&["--tls", "--cert-out", ca.text()]);
    let answer = Client::tls(&backend, &ca.0).get("/").unwrap();
    assert_eq!((answer.status, answer.text()), (200, "b1\n"));
    let (answer, is_said) = http1(&backend, &ca, LAST);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && is_said, "{answer}");
    let stats = backend.stats();
    assert_eq!((&stats["tls"]["full"], &stats["tls"]["failed"]), (&2.into(), &0.into()));
    assert_eq!(stats["http2"]["connections"], 1);
}

#[test]
fn an_echo_tells_what_was_agreed_on() {
    let ca = Scratch::new("echo.pem");
    let backend = Backend::start(&["--tls", "--cert-out", ca.text()]);
    let answer = Client::tls(&backend, &ca.0).ask(get("/echo"), None).unwrap();
    let agreed = "TLSv1.3; sni=localhost; alpn=h2; resumed=false";
    assert_eq!(answer.field("x-fake-tls"), agreed);
    let echo = LAST.replace("GET /", "GET /echo");
    let (answer, _) = http1(&backend, &ca, &echo);
    let agreed = "X-Fake-Tls: TLSv1.3; sni=localhost; alpn=http/1.1; resumed=false\r\n";
    assert!(answer.contains(agreed), "{answer}");
}

#[test]
fn a_session_that_is_resumed_is_counted_as_such() {
    let ca = Scratch::new("resumed.pem");
    let backend = Backend::start(&["--tls", "--cert-out", ca.text()]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config(&ca.0)));
    runtime.block_on(async {
        for _ in 0..3 {
            let stream = tokio::net::TcpStream::connect(backend.address).await.unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            let mut tls = connector.connect(name, stream).await.unwrap();
            tls.write_all(LAST.as_bytes()).await.unwrap();
            tls.read_to_end(&mut Vec::new()).await.unwrap();
        }
    });
    let stats = backend.stats();
    assert_eq!((&stats["tls"]["full"], &stats["tls"]["resumed"]), (&1.into(), &2.into()));
}

#[test]
fn a_certificate_may_be_given_and_protocols_chosen() {
    let (cert, key) = (Scratch::new("given.pem"), Scratch::new("given.key"));
    Backend::start(&["--tls", "--cert-out", cert.text(), "--key-out", key.text()]);
    let flags = ["--cert", cert.text(), "--key", key.text(), "--alpn", "http/1.1"];
    let backend = Backend::start(&flags);
    assert!(http1(&backend, &cert, LAST).0.ends_with("b1\n"));
}

#[test]
fn a_large_answer_comes_whole() {
    let ca = Scratch::new("large.pem");
    let backend = Backend::start(&["--tls", "--cert-out", ca.text(), "--body-size", "3MiB"]);
    let (answer, _) = http1(&backend, &ca, LAST);
    assert_eq!(answer.split_once("\r\n\r\n").unwrap().1.len(), 3 << 20);
    assert_eq!(Client::tls(&backend, &ca.0).get("/").unwrap().body.len(), 3 << 20);
}

#[test]
fn whoever_speaks_without_tls_is_no_request_and_counted() {
    let backend = Backend::start(&["--tls"]);
    let mut client = backend.connect();
    client.send(LAST);
    client.rest().1.ok();
    until("it is counted", || backend.stats()["tls"]["failed"] == 1);
    assert_eq!(backend.stats()["requests"], 0);
}

#[test]
fn whoever_never_begins_to_shake_hands_or_to_speak_does_not_delay_the_end() {
    let ca = Scratch::new("idle.pem");
    let mut backend = Backend::start(&["--tls", "--cert-out", ca.text()]);
    let _silent = backend.connect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _agreed = runtime.block_on(connect_tls(&backend, &ca.0, "h2"));
    backend.wait_open(2);
    backend.signal(rustix::process::Signal::TERM);
    assert_eq!(backend.exit().code(), Some(0));
}

#[test]
fn resets_and_cuts_are_those_of_the_socket_below() {
    let ca = Scratch::new("reset.pem");
    let backend = Backend::start(&["--tls", "--cert-out", ca.text(), "--fault", "reset#1"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(async {
        let mut tls = connect_tls(&backend, &ca.0, "http/1.1").await;
        tls.write_all(LAST.as_bytes()).await.unwrap();
        tls.read_to_end(&mut Vec::new()).await.unwrap_err()
    });
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    backend.call("POST", "/faults", r#"{"fault":"truncate:bytes=2"}"#);
    let (answer, is_said) = http1(&backend, &ca, LAST);
    assert!(answer.ends_with("\r\n\r\nb1") && is_said, "{answer}");
}

#[test]
fn files_that_are_missing_end_it_with_1_and_are_named() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_fakebackend"))
        .args(["--listen", "127.0.0.1:0", "--cert", "/none/a.pem", "--key", "/none/a.key"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/none/a.pem"));
}
