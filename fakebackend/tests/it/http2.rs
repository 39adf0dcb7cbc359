//! What a healthy backend answers over HTTP/2: the same as over HTTP/1.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;

use crate::harness::Backend;
use crate::wire2::{Client, get, post};

#[test]
fn both_versions_are_spoken_on_one_port() {
    let backend = Backend::start(&["--header", "Cache-Control:no-store"]);
    let mut client = Client::plain(&backend);
    let answer = client.get("/any/path?x=1").unwrap();
    assert_eq!((answer.status, answer.text()), (200, "b1\n"));
    for (name, value) in [
        ("x-fake-id", "b1"),
        ("cache-control", "no-store"),
        ("content-type", "text/plain"),
        ("content-length", "3"),
    ] {
        assert_eq!(answer.field(name), value);
    }
    assert_eq!(answer.headers.len(), 4, "{:?}", answer.headers);
    assert_eq!(backend.get("/").text(), "b1\n");
    let stats = backend.stats();
    assert_eq!((&stats["requests"], &stats["http2"]["requests"]), (&2.into(), &1.into()));
    assert_eq!(stats["http2"]["connections"], 1);
}

#[test]
fn requests_are_answered_side_by_side() {
    let backend = Backend::start(&["--fault", "hang#1"]);
    let mut client = Client::plain(&backend);
    let (hung, _) = client.begin(get("/"), true);
    client.until("it hangs", || backend.stats()["in_flight"] == 1);
    for _ in 0..3 {
        assert_eq!(client.get("/").unwrap().text(), "b1\n");
    }
    drop(hung);
    client.until("it is given up", || backend.stats()["in_flight"] == 0);
    assert_eq!(backend.stats()["connections"]["accepted"], 1);
}

#[test]
fn bodies_have_the_size_asked_for_and_the_bytes_of_http1() {
    for (size, bytes) in [("0", 0), ("100", 100), ("200KiB", 204_800), ("3MiB", 3 << 20)] {
        for framing in [&[][..], &["--chunked"]] {
            let backend = Backend::start(&[&["--body-size", size], framing].concat());
            let answer = Client::plain(&backend).get("/").unwrap();
            assert_eq!(answer.body.len(), bytes, "{size} {framing:?}");
            assert!(answer.body == backend.get("/").body, "{size} {framing:?}");
            let length = if framing.is_empty() { bytes.to_string() } else { String::new() };
            assert_eq!(answer.field("content-length"), length);
        }
    }
}

#[test]
fn head_and_204_have_no_body() {
    let backend = Backend::start(&["--body-size", "100"]);
    let mut client = Client::plain(&backend);
    let head = http::Request::head("http://b1/").body(()).unwrap();
    let answer = client.ask(head, None).unwrap();
    assert_eq!((answer.field("content-length"), answer.body.len()), ("100", 0));
    backend.call("PUT", "/status", r#"{"status":"204"}"#);
    let answer = client.get("/").unwrap();
    assert_eq!((answer.status, answer.field("content-length")), (204, ""));
}

#[test]
fn trailers_and_early_answers_are_sent() {
    let flags = ["--trailer", "X-Sum: 7", "--early-hint", "Link: </a.css>; rel=preload"];
    let backend = Backend::start(&flags);
    let answer = Client::plain(&backend).get("/").unwrap();
    assert_eq!((answer.status, answer.text()), (200, "b1\n"));
    assert_eq!(answer.early, [103]);
    assert_eq!(answer.field("trailer"), "x-sum");
    assert_eq!(answer.trailers.unwrap()["x-sum"], "7");
}

#[test]
fn a_client_that_waits_to_be_invited_is_invited() {
    let backend = Backend::start(&[]);
    let mut client = Client::plain(&backend);
    let mut request = post("/");
    request.headers_mut().insert("expect", "100-continue".parse().unwrap());
    let answer = client.ask(request, Some("ab")).unwrap();
    assert_eq!((answer.status, answer.early), (200, vec![100]));
}

#[test]
fn an_echo_gives_back_body_length_type_and_trailers() {
    let backend = Backend::start(&[]);
    let mut client = Client::plain(&backend);
    let mut request = post("/echo");
    request.headers_mut().insert("content-type", "a/b".parse().unwrap());
    let answer = client.ask(request, Some("hello")).unwrap();
    assert_eq!((answer.text(), answer.field("content-type")), ("hello", "a/b"));
    assert_eq!(answer.field("x-fake-protocol"), "HTTP/2.0");
    let (response, mut stream) = client.begin(post("/echo"), false);
    stream.send_data(Bytes::from_static(b"more"), false).unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "7".parse().unwrap());
    stream.send_trailers(trailers.clone()).unwrap();
    let answer = client.answer(response).unwrap();
    assert_eq!((answer.text(), answer.trailers.clone()), ("more", Some(trailers)));
}

#[test]
fn an_echo_without_a_body_gives_back_the_head() {
    let backend = Backend::start(&[]);
    let mut request = get("/echo?x");
    request.headers_mut().insert("x-odd", "1".parse().unwrap());
    let answer = Client::plain(&backend).ask(request, None).unwrap();
    let head = ":method: GET\n:scheme: http\n:authority: b1\n:path: /echo?x\nx-odd: 1\n";
    assert_eq!(answer.text(), head);
}

#[test]
fn an_echo_flows_both_ways_at_once() {
    let backend = Backend::start(&[]);
    let mut client = Client::plain(&backend);
    let (response, mut stream) = client.begin(post("/echo"), false);
    let mut body = client.head(response).into_body();
    for piece in ["one", "two", "three"] {
        stream.send_data(Bytes::from_static(piece.as_bytes()), false).unwrap();
        assert_eq!(client.data(&mut body).unwrap().unwrap(), piece);
    }
    stream.send_data(Bytes::new(), true).unwrap();
    assert!(client.data(&mut body).is_none_or(|last| last.unwrap().is_empty()));
}

#[test]
fn drops_come_one_after_the_other() {
    let backend = Backend::start(&[]);
    let mut client = Client::plain(&backend);
    let begun = Instant::now();
    let answer = client.get("/drip?count=5&every=20ms").unwrap();
    assert_eq!(answer.text(), "0000000\n0000001\n0000002\n0000003\n0000004\n");
    assert!(begun.elapsed() >= Duration::from_millis(100));
    assert_eq!(client.get("/drip?count=x").unwrap().status, 400);
    assert_eq!(client.get("/drip?count=0").unwrap().text(), "");
}

#[test]
fn statuses_latency_and_slots_are_the_same_as_over_http1() {
    let backend = Backend::start(&["--status", "503", "--latency", "30ms"]);
    let mut client = Client::plain(&backend);
    let begun = Instant::now();
    assert_eq!(client.get("/").unwrap().status, 503);
    assert!(begun.elapsed() >= Duration::from_millis(30));
    backend.call("PUT", "/slots", r#"{"slots":1,"queue":0}"#);
    backend.call("PUT", "/latency", r#"{"latency":"1h"}"#);
    let (_taken, _) = client.begin(get("/"), true);
    client.until("the slot is taken", || backend.stats()["in_flight"] == 1);
    assert_eq!(client.get("/").unwrap().status, 503);
    assert_eq!(backend.call("GET", "/state", "")["slots"]["turned_away"], 1);
}

#[test]
fn fates_are_those_of_the_same_numbers_over_http1() {
    let backend = Backend::start(&["--status", "503:1,200:1"]);
    let mut client = Client::plain(&backend);
    let mut over_http1 = backend.connect();
    for seq in 0..50 {
        let fields = format!("X-Loadtest-Run: a\r\nX-Loadtest-Seq: {seq}\r\n");
        over_http1.send(&format!("GET / HTTP/1.1\r\n{fields}\r\n"));
        let mut request = get("/");
        request.headers_mut().insert("x-loadtest-run", "b".parse().unwrap());
        request.headers_mut().insert("x-loadtest-seq", seq.into());
        let status = client.ask(request, None).unwrap().status;
        assert_eq!(status, over_http1.answer().status(), "{seq}");
    }
    let seen = backend.call("GET", "/journal/seqs?run=b", "");
    assert_eq!(seen["ranges"], serde_json::json!([[0, 49, 1]]));
}

#[test]
fn health_checks_are_told_what_was_asked_for_and_count_nowhere() {
    let backend = Backend::start(&["--health-path", "/healthz", "--fault", "close"]);
    let mut client = Client::plain(&backend);
    assert_eq!(client.get("/healthz").unwrap().text(), "ok\n");
    backend.call("PUT", "/health", r#"{"health":"fail"}"#);
    assert_eq!(client.get("/healthz").unwrap().status, 503);
    let stats = backend.stats();
    assert_eq!((&stats["requests"], &stats["health_checks"]), (&0.into(), &2.into()));
}

#[test]
fn only_so_many_streams_are_open_at_once() {
    let backend = Backend::start(&["--streams", "2", "--latency", "1h"]);
    let mut client = Client::plain(&backend);
    // The limit is known once an answer has come.
    backend.call("PUT", "/latency", r#"{"latency":"0"}"#);
    client.get("/").unwrap();
    backend.call("PUT", "/latency", r#"{"latency":"1h"}"#);
    let _waiting: Vec<_> = (0..2).map(|_| client.begin(get("/"), true)).collect();
    client.until("two are under way", || backend.stats()["in_flight"] == 2);
    assert_eq!(backend.stats()["requests"], 3);
}

#[test]
fn stopping_finishes_what_is_under_way_and_takes_no_more() {
    let mut backend = Backend::start(&["--latency", "300ms"]);
    let mut client = Client::plain(&backend);
    let (response, _) = client.begin(get("/"), true);
    client.until("it is under way", || backend.stats()["in_flight"] == 1);
    backend.signal(rustix::process::Signal::TERM);
    assert_eq!(client.answer(response).unwrap().text(), "b1\n");
    client.end().unwrap();
    assert_eq!(backend.exit().code(), Some(0));
}

#[test]
fn idle_and_hanging_connections_do_not_delay_the_end() {
    let mut backend = Backend::start(&["--fault", "hang#1"]);
    let mut hung = Client::plain(&backend);
    let (response, _) = hung.begin(get("/"), true);
    hung.until("it hangs", || backend.stats()["in_flight"] == 1);
    let mut idle = Client::plain(&backend);
    idle.get("/").unwrap();
    backend.signal(rustix::process::Signal::TERM);
    hung.answer(response).unwrap_err();
    idle.end().unwrap();
    hung.end().unwrap();
    assert_eq!(backend.exit().code(), Some(0));
}

#[test]
fn going_down_ends_connections_and_hanging_silences_them() {
    let backend = Backend::start(&[]);
    let mut client = Client::plain(&backend);
    client.get("/").unwrap();
    backend.call("PUT", "/state", r#"{"enabled":false,"mode":"hang"}"#);
    let (_hung, _) = client.begin(get("/"), true);
    client.until("it hangs", || backend.stats()["in_flight"] == 1);
    backend.call("PUT", "/state", r#"{"enabled":false,"mode":"refuse"}"#);
    let _ = client.end();
    assert!(backend.refuses());
}

#[test]
fn what_begins_as_http2_and_goes_on_otherwise_is_refused() {
    let backend = Backend::start(&[]);
    let mut client = backend.connect();
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET / HTTP/1.1\r\n\r\nand more of it");
    let _ = client.rest();
    let mut client = backend.connect();
    for byte in "PUT / HTTP/1.1\r\n\r\n".split_inclusive(|_| true) {
        client.send(byte);
    }
    assert_eq!(client.answer().text(), "b1\n");
}
