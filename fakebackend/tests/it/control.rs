//! Everything can be changed while it runs.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::Duration;

use crate::harness::{Backend, Client, until};

const GET: &str = "GET / HTTP/1.1\r\n\r\n";

/// A connection that has been served and is idle.
fn idle(backend: &Backend) -> Client {
    let mut client = backend.connect();
    client.send(GET);
    client.answer();
    client
}

#[test]
fn down_refuses_ends_connections_cleanly_and_comes_back_on_the_same_port() {
    let backend = Backend::start(&[]);
    for _ in 0..3 {
        let mut client = idle(&backend);
        let down = backend.call("PUT", "/state", r#"{"enabled":false}"#);
        assert_eq!((&down["enabled"], &down["mode"]), (&false.into(), &"refuse".into()));
        assert!(backend.refuses());
        assert_eq!(client.rest(), (Vec::new(), Ok(())));
        let up = backend.call("PUT", "/state", r#"{"enabled":true}"#);
        assert_eq!((&up["enabled"], &up["listening"]), (&true.into(), &true.into()));
        assert_eq!(backend.get("/").text(), "b1\n");
    }
}

#[test]
fn open_connections_meet_what_was_asked_for() {
    let backend = Backend::start(&[]);
    let down = |existing: &str| {
        let client = idle(&backend);
        backend.call("PUT", "/state", &format!(r#"{{"enabled":false,"existing":"{existing}"}}"#));
        backend.call("PUT", "/state", r#"{"enabled":true}"#);
        client
    };
    assert_eq!(down("close").rest(), (Vec::new(), Ok(())));
    assert_eq!(down("reset").rest(), (Vec::new(), Err(ErrorKind::ConnectionReset)));
    let mut kept = down("keep");
    kept.send(GET);
    assert_eq!(kept.answer().text(), "b1\n");
}

#[test]
fn hanging_is_for_old_connections_and_new_ones() {
    let backend = Backend::start(&[]);
    let mut old = idle(&backend);
    backend.call("PUT", "/state", r#"{"enabled":false,"mode":"hang"}"#);
    let mut new = backend.connect();
    old.send(GET);
    new.send(GET);
    backend.wait_in_flight(2);
    assert!(old.is_quiet() && new.is_quiet());
    backend.call("PUT", "/state", r#"{"enabled":true}"#);
    assert_eq!(backend.get("/").text(), "b1\n");
}

#[test]
fn resetting_is_for_old_connections_and_new_ones() {
    let backend = Backend::start(&[]);
    let mut old = idle(&backend);
    backend.call("PUT", "/state", r#"{"enabled":false,"mode":"reset"}"#);
    assert_eq!(old.rest().1, Err(ErrorKind::ConnectionReset));
    // The reset may be faster than the handshake's end.
    let end = match backend.try_connect() {
        Ok(mut client) => client.rest().1,
        Err(error) => Err(error.kind()),
    };
    assert_eq!(end, Err(ErrorKind::ConnectionReset));
    assert!(!backend.refuses());
}

/// How a client fares that has not long to wait.
fn connects(backend: &Backend) -> Result<(), ErrorKind> {
    let patience = Duration::from_millis(50);
    TcpStream::connect_timeout(&backend.address, patience).map(drop).map_err(|error| error.kind())
}

#[test]
fn a_blackhole_swallows_new_connections_and_silences_old_ones_and_comes_back() {
    let backend = Backend::start(&[]);
    for _ in 0..3 {
        let mut old = idle(&backend);
        let down = backend.call("PUT", "/state", r#"{"enabled":false,"mode":"blackhole"}"#);
        assert_eq!((&down["mode"], &down["listening"]), (&"blackhole".into(), &false.into()));
        for _ in 0..3 {
            assert_eq!(connects(&backend), Err(ErrorKind::TimedOut));
        }
        old.send(GET);
        backend.wait_in_flight(1);
        assert!(old.is_quiet());
        drop(old);
        backend.call("PUT", "/state", r#"{"enabled":true}"#);
        assert_eq!(backend.get("/").text(), "b1\n");
        backend.wait_in_flight(0);
    }
}

#[test]
fn a_blackhole_and_a_refusal_follow_each_other() {
    let backend = Backend::start(&[]);
    for (mode, kind) in
        [("blackhole", ErrorKind::TimedOut), ("refuse", ErrorKind::ConnectionRefused)].repeat(2)
    {
        backend.call("PUT", "/state", &format!(r#"{{"enabled":false,"mode":"{mode}"}}"#));
        assert_eq!(connects(&backend), Err(kind));
    }
}

#[test]
fn health_checks_are_told_what_was_asked_for_and_count_nowhere() {
    let faults = ["--fault", "close#1", "--status", "500", "--health-path", "/healthz"];
    let backend = Backend::start(&faults);
    let check = || backend.get("/healthz");
    assert_eq!((check().status(), check().text()), (200, "ok\n"));
    backend.call("PUT", "/health", r#"{"health":"fail"}"#);
    assert_eq!(backend.get("/healthz?deep=1").status(), 503);
    let mut client = backend.connect();
    client.send("HEAD /healthz HTTP/1.1\r\nX-Loadtest-Seq: 1\r\n\r\n");
    assert!(client.head().contains("Content-Length: 5\r\n"));
    let stats = backend.stats();
    assert_eq!((&stats["requests"], &stats["health_checks"]), (&0.into(), &4.into()));
    assert_eq!(backend.call("GET", "/journal/seqs", "")["total"], 0);
    client.send(GET);
    assert_eq!(client.rest(), (Vec::new(), Ok(())), "the fault is still there");
    assert_eq!(backend.get("/healthz/more").status(), 500);
}

#[test]
fn a_health_check_hangs_while_requests_are_answered() {
    let backend = Backend::start(&["--health-path", "/healthz", "--health", "hang"]);
    let mut check = backend.connect();
    check.send("GET /healthz HTTP/1.1\r\n\r\n");
    until("it is read", || backend.stats()["health_checks"] == 1);
    assert_eq!(backend.get("/").text(), "b1\n");
    assert!(check.is_quiet());
    let told = backend.call("PUT", "/health", r#"{"health":"ok"}"#);
    assert_eq!(told["health"], "ok");
    assert_eq!(backend.get("/healthz").status(), 200);
    assert_eq!(backend.call("GET", "/state", "")["health"]["path"], "/healthz");
}

#[test]
fn a_request_under_way_is_cut_off_by_going_down() {
    let backend = Backend::start(&["--latency", "1h"]);
    let mut client = backend.connect();
    client.send(GET);
    backend.wait_in_flight(1);
    backend.call("PUT", "/state", r#"{"enabled":false}"#);
    assert_eq!(client.rest(), (Vec::new(), Ok(())));
}

#[test]
fn faults_come_and_go_and_tell_how_often_they_happened() {
    let backend = Backend::start(&[]);
    let mut client = idle(&backend);
    backend.call("POST", "/faults", r#"{"fault":"close#1"}"#);
    client.send(GET);
    assert_eq!(client.rest(), (Vec::new(), Ok(())));
    let faults = backend.call("GET", "/faults", "");
    assert_eq!(faults["faults"], serde_json::json!([{ "fault": "close#1", "fired": 1 }]));
    backend.call("DELETE", "/faults", "");
    assert_eq!(backend.call("GET", "/faults", "")["faults"], serde_json::json!([]));
}

#[test]
fn status_and_latency_change_for_the_next_request_of_an_open_connection() {
    let backend = Backend::start(&[]);
    let mut client = idle(&backend);
    backend.call("PUT", "/status", r#"{"status":"503"}"#);
    client.send(GET);
    assert_eq!(client.answer().status(), 503);
    backend.call("PUT", "/latency", r#"{"latency":"1h"}"#);
    client.send(GET);
    backend.wait_in_flight(1);
    assert!(client.is_quiet());
}

#[test]
fn slots_are_taken_waited_for_and_refused_beyond_the_queue() {
    let backend = Backend::start(&["--slots", "1", "--slots-queue", "1", "--fault", "hang#1"]);
    let slots = |name: &str| backend.call("GET", "/state", "")["slots"][name].as_u64();
    let mut served = backend.connect();
    served.send(GET);
    backend.wait_in_flight(1);
    let mut waits = backend.connect();
    waits.send(GET);
    until("one waits", || slots("waiting") == Some(1));
    let mut late = backend.connect();
    late.send(GET);
    assert_eq!(late.answer().status(), 503);
    assert_eq!((slots("taken"), slots("turned_away")), (Some(1), Some(1)));
    drop(waits);
    until("it has left", || slots("waiting") == Some(0));
    late.send(GET);
    until("it waits", || slots("waiting") == Some(1));
    drop(served);
    assert_eq!(late.answer().status(), 200, "its turn has come");
    let told = backend.call("PUT", "/slots", r#"{"slots":7,"queue":0}"#);
    assert_eq!((&told["slots"]["count"], &told["slots"]["queue"]), (&7.into(), &0.into()));
    backend.call("PUT", "/slots", r#"{"slots":null}"#);
    assert!(backend.call("GET", "/state", "")["slots"].is_null());
}

#[test]
fn reset_makes_it_healthy() {
    let backend = Backend::start(&[
        "--fault",
        "hang",
        "--status",
        "503",
        "--latency",
        "1h",
        "--flap",
        "up=1h,down=1h",
    ]);
    backend.call("PUT", "/state", r#"{"enabled":false}"#);
    let state = backend.call("POST", "/reset", "");
    assert_eq!((&state["enabled"], &state["flap"]), (&true.into(), &serde_json::Value::Null));
    let answer = backend.get("/");
    assert_eq!((answer.status(), answer.text()), (200, "b1\n"));
}

#[test]
fn every_change_says_when_it_took_effect() {
    let backend = Backend::start(&[]);
    for (method, path, body) in [
        ("PUT", "/state", r#"{"enabled":true}"#),
        ("POST", "/faults", r#"{"fault":"hang@0.1"}"#),
        ("DELETE", "/faults", ""),
        ("PUT", "/latency", r#"{"latency":"5ms","jitter":"0ms"}"#),
        ("PUT", "/slots", r#"{"slots":5}"#),
        ("PUT", "/status", r#"{"status":"503:5,200:95"}"#),
        ("PUT", "/flap", r#"{"flap":null}"#),
        ("POST", "/reset", ""),
        ("DELETE", "/journal", ""),
        ("POST", "/shutdown", ""),
    ] {
        let at = backend.call(method, path, body)["at"].clone();
        let at = at.as_str().unwrap_or_else(|| panic!("{method} {path}"));
        assert!(at.len() == "2026-11-23T06:50:00.123Z".len() && at.ends_with('Z'), "{at}");
    }
}

#[test]
fn wrong_calls_are_refused_with_the_reason_and_change_nothing() {
    let backend = Backend::start(&[]);
    for (method, path, body, status, part) in [
        ("GET", "/nothing", "", 404, "GET / lists all"),
        ("DELETE", "/state", "", 405, "GET, PUT"),
        ("PUT", "/state", "{", 400, "the body is not"),
        ("PUT", "/state", r#"{"enabled":false,"mode":"explode"}"#, 400, "explode"),
        ("PUT", "/state", r#"{"enabled":true,"mode":"hang"}"#, 400, "mode and existing"),
        ("PUT", "/state", r#"{"enable":true}"#, 400, "enable"),
        ("POST", "/faults", r#"{"fault":"explode"}"#, 400, "refuse, hang, close"),
        ("PUT", "/flap", r#"{"flap":"up=5s"}"#, 400, "needs both"),
        ("PUT", "/latency", r#"{"latency":"5"}"#, 400, "5ms"),
        ("PUT", "/slots", r#"{"slots":0}"#, 400, "nonzero"),
        ("PUT", "/status", r#"{"status":"99"}"#, 400, "200 to 599"),
        ("PUT", "/health", r#"{"health":"ok"}"#, 400, "--health-path /healthz"),
        ("PUT", "/health", r#"{"health":"ill"}"#, 400, "hang"),
    ] {
        let (got, value) = backend.try_call(method, path, body);
        let why = value["error"].as_str().unwrap_or_default().to_owned();
        assert!(got == status && why.contains(part), "{method} {path} {body}: {got} {why}");
    }
    assert_eq!(backend.get("/").text(), "b1\n");
}

#[test]
fn the_root_lists_every_call() {
    let backend = Backend::start(&[]);
    let calls = backend.call("GET", "/", "");
    assert_eq!(calls.as_object().unwrap().len(), 16);
}

#[test]
fn stats_count_connections_and_requests() {
    let backend = Backend::start(&[]);
    let client = idle(&backend);
    backend.get("/");
    backend.wait_open(1);
    let stats = backend.stats();
    assert_eq!((&stats["requests"], &stats["answers"]["200"]), (&2.into(), &2.into()));
    assert_eq!(stats["connections"]["accepted"], 2);
    drop(client);
    until("nobody is connected", || backend.stats()["connections"]["open"] == 0);
}
