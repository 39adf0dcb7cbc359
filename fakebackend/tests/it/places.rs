//! Unix sockets, and clients that a proxy names.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use serde_json::json;

use crate::harness::{Backend, until};

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("fakebackend-{}-{name}", std::process::id()))
}

fn ask(path: &PathBuf, request: &str) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(path)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

const LAST: &str = "GET / HTTP/1.1\r\nConnection: close\r\n\r\n";

#[test]
fn a_unix_socket_serves_goes_down_comes_back_and_is_gone_at_the_end() {
    let path = path("socket");
    let mut backend = Backend::start(&["--unix", path.to_str().unwrap()]);
    assert!(ask(&path, LAST).unwrap().ends_with("b1\n"));
    let shown = backend.call("GET", "/state", "")["listen"].clone();
    assert_eq!(shown, format!("unix:{}", path.display()));
    for _ in 0..2 {
        backend.call("PUT", "/state", r#"{"enabled":false}"#);
        assert_eq!(ask(&path, LAST).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        backend.call("PUT", "/state", r#"{"enabled":true}"#);
        assert!(ask(&path, LAST).unwrap().ends_with("b1\n"));
    }
    backend.signal(rustix::process::Signal::TERM);
    assert_eq!(backend.exit().code(), Some(0));
    assert!(!path.exists());
}

#[test]
fn a_path_in_use_ends_it_with_1() {
    let path = path("taken");
    let _backend = Backend::start(&["--unix", path.to_str().unwrap()]);
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_fakebackend"))
        .args(["--unix", path.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot listen on"));
    assert!(ask(&path, LAST).unwrap().ends_with("b1\n"), "the first one goes on");
}

#[test]
fn a_proxy_header_names_the_client_in_echoes_and_in_the_journal() {
    let backend = Backend::start(&["--proxy-protocol"]);
    let mut client = backend.connect();
    client.send("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\nGET /echo HTTP/1.1\r\n\r\n");
    let answer = client.answer();
    assert!(answer.head.contains("X-Fake-Client: 192.0.2.1:56324\r\n"), "{}", answer.head);
    assert_eq!(answer.text(), "GET /echo HTTP/1.1\r\n\r\n");
    client.send("GET / HTTP/1.1\r\n\r\n");
    client.answer();
    let mut client = backend.connect();
    let second =
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x07\xc6\x33\x64\x01\x12\x67\x01\xbb";
    client.stream.write_all(second).unwrap();
    client.send("GET /echo HTTP/1.1\r\n\r\n");
    let answer = client.answer();
    assert!(answer.head.contains("X-Fake-Client: 203.0.113.7:4711\r\n"), "{}", answer.head);
    let clients = backend.call("GET", "/journal/clients", "");
    assert_eq!(clients["clients"], json!([["192.0.2.1:56324", 2], ["203.0.113.7:4711", 1]]));
    backend.call("DELETE", "/journal", "");
    assert_eq!(backend.call("GET", "/journal/clients", "")["clients"], json!([]));
}

#[test]
fn without_the_header_that_is_expected_nobody_is_answered() {
    let backend = Backend::start(&["--proxy-protocol"]);
    let mut client = backend.connect();
    client.send(LAST);
    assert!(client.rest().0.is_empty());
    until("it is counted", || backend.stats()["bad_requests"] == 1);
}
