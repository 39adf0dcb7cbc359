//! Stories of requests that failed: which are kept, and what is told of them.

use std::io::Write;
use std::net::TcpListener;

use serde_json::Value as Json;

use super::{Filed, file};
use crate::world::{Backend, Client, Next, lines, status};

fn dead() -> std::net::SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A pool of these, which neither probes nor requests find DOWN.
fn fragile(urls: &[String]) -> String {
    let backends = format!(
        "pools:\n  web:\n    health_check: {{ type: command, command: [\"true\"], request_errors: 0 }}\n    \
         backends: [{}]\nroutes:\n  - {{ name: shop, match: {{ path_prefix: / }}, pool: web }}\n",
        urls.join(", ")
    );
    file(&[]).replace("backends: []\n", &backends)
}

/// Waits until there is a failure: it is written down after its answer.
fn last(filed: &Filed) -> Json {
    let told = || filed.json("/v1/failures");
    crate::world::until("a failure is told", || told()["failures"][0].is_object());
    told()
}

#[test]
fn a_request_that_failed_is_told_with_what_was_tried() {
    let (a, b) = (Backend::answering(b"", || Next::Close), dead());
    let urls = [format!("http://{}", a.address), format!("http://{b}")];
    let filed = Filed::start("failures", &fragile(&urls));
    let mut client = Client::connect(&filed.nexus);
    let (head, _) =
        client.ask(&lines("GET /cart/7?card=4111111111111111 HTTP/1.1|Host: shop.test||"));
    assert_eq!(status(&head), 502);
    let told = last(&filed);
    assert!(!told.to_string().contains("4111"), "no query: {told}");
    let failed = &told["failures"][0];
    let (code, text) = filed.run("failures");
    let all = ["  GET shop.test/cart/7  502 ", "from 127.0.0.1, route shop, pool web, after "];
    assert!(code == 0 && all.iter().all(|part| text.contains(part)), "{text}");
    assert!(text.contains("connect_refused, waiting for connect, "), "{text}");
    for (name, value) in [
        ("method", "GET"),
        ("path", "/cart/7"),
        ("host", "shop.test"),
        ("protocol", "HTTP/1.1"),
        ("client", "127.0.0.1"),
        ("route", "shop"),
        ("pool", "web"),
    ] {
        assert_eq!(failed[name], value, "{failed}");
    }
    assert_eq!(failed["status"], 502);
    assert!(failed["duration_ms"].as_f64().unwrap() > 0.0, "{failed}");
    for name in ["backend", "request_id", "trace_id"] {
        assert!(failed[name].is_null(), "{name}: {failed}");
    }
    let attempts = failed["attempts"].as_array().unwrap();
    let mut on: Vec<_> = attempts.iter().map(|one| one["backend"].as_str().unwrap()).collect();
    on.sort_unstable();
    let mut expected: Vec<_> = urls.iter().map(String::as_str).collect();
    expected.sort_unstable();
    assert_eq!(on, expected, "{failed}");
    let refused = attempts.iter().find(|one| one["backend"] == urls[1]).unwrap();
    assert_eq!(
        (&refused["reason"], &refused["phase"]),
        (&"connect_refused".into(), &"connect".into())
    );
    let last = attempts.last().unwrap();
    assert_eq!(failed["reason"], last["reason"]);
    assert_eq!(failed["not_retried"], "nobody_else");
}

#[test]
fn what_breaks_off_in_the_middle_names_who_broke_it_off() {
    let broken = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this";
    let backend = Backend::answering(broken, || Next::Close);
    let filed = Filed::start("failures-broken", &fragile(&[format!("http://{}", backend.address)]));
    let mut client = Client::connect(&filed.nexus);
    client.send(&lines("GET / HTTP/1.1|Host: a||"));
    client.reader.rest();
    let failed = &last(&filed)["failures"][0];
    let url = format!("http://{}", backend.address);
    assert_eq!((&failed["status"], &failed["backend"]), (&200.into(), &url.clone().into()));
    assert_eq!(failed["reason"], "response_truncated");
    let attempt = &failed["attempts"][0];
    assert_eq!((&attempt["backend"], &attempt["phase"]), (&url.into(), &"answer".into()));
}

#[test]
fn neither_a_clients_fault_nor_a_backends_own_answer_is_a_failure() {
    let backend = Backend::new(|stream, seen| {
        if seen.head.starts_with("GET /fails") {
            return Next::Close;
        }
        stream.write_all(b"HTTP/1.1 500 Own\r\nContent-Length: 0\r\n\r\n").unwrap();
        Next::Continue
    });
    let filed = Filed::start("failures-none", &fragile(&[format!("http://{}", backend.address)]));
    let ask = |head: &str| status(&Client::connect(&filed.nexus).ask(&lines(head)).0);
    assert_eq!(ask("GET / HTTP/1.1|Host: a||"), 500);
    assert_eq!(ask("GET / HTTP/1.1||"), 400);
    assert_eq!(ask("GET /fails HTTP/1.1|Host: a||"), 502);
    let told = last(&filed);
    assert_eq!(told["failures"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!(told["failures"][0]["path"], "/fails");
}

#[test]
fn each_worker_keeps_its_last_and_the_latest_comes_first() {
    let text = fragile(&[format!("http://{}", dead())]).replace("workers: 1", "workers: 2");
    let filed = Filed::start("failures-last", &text);
    let count = || filed.json("/v1/failures?limit=1000")["failures"].as_array().unwrap().len();
    // Which worker has a connection is the kernel's choice: until both are full.
    crate::world::until("both are full", || {
        for at in 0..8 {
            let mut client = Client::connect(&filed.nexus);
            client.ask(format!("GET /{at} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        }
        count() == 128
    });
    assert_eq!(filed.json("/v1/failures")["failures"].as_array().unwrap().len(), 50);
    let told = filed.json("/v1/failures?limit=1000");
    let times: Vec<_> = told["failures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["at"].as_str().unwrap())
        .collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
    let (status, ..) = filed.call("GET", "/v1/failures?limit=x", &super::bearer(super::READ), "");
    assert_eq!(status, 400);
}

#[test]
fn a_failed_request_with_hostile_text_is_told_as_plain_text() {
    let filed = Filed::start("failures-hostile", &fragile(&[format!("http://{}", dead())]));
    let mut client = Client::connect(&filed.nexus);
    let bytes = b"GET /<script>\"'%0d%0a\\ HTTP/1.1\r\nHost: a\r\n\r\n";
    client.stream.write_all(bytes).unwrap();
    let (head, _) = client.answer();
    assert_eq!(status(&head), 502, "the gate has nothing against it");
    assert_eq!(last(&filed)["failures"][0]["path"], "/<script>\"'%0d%0a\\");
}
