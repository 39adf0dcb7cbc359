//! Answers of a Nexus that has seen something.

use serde_json::{Value as Json, json};

use super::super::ask::Ask;
use super::super::keys::Key;
use super::super::model::Model;

/// A model of a Nexus with two pools, with the right to write.
pub(super) fn model() -> Model {
    let mut model = Model::new("127.0.0.1:9900".to_owned(), true, false);
    model.heard(&Ask::Stats, Ok(stats()));
    model.heard(&Ask::Me, Ok(json!({ "name": "ops", "may_write": true })));
    model.heard(&Ask::Events(None), Ok(events()));
    model
}

/// Types keys: `↑`, `↓`, `⏎` and `⎋` stand for themselves. Returns what the last one asked.
pub(super) fn press(model: &mut Model, keys: &str) -> Option<Ask> {
    let key = |char| match char {
        '↑' => Key::Up,
        '↓' => Key::Down,
        '⏎' => Key::Enter,
        '⎋' => Key::Escape,
        '⌫' => Key::Backspace,
        '⇱' => Key::Home,
        '⇲' => Key::End,
        char => Key::Char(char),
    };
    let mut asked = None;
    for char in keys.chars() {
        asked = model.key(key(char));
    }
    asked
}

fn with(base: Json, more: &Json) -> Json {
    let mut all = base;
    let more = more.as_object().expect("it is an object").clone();
    all.as_object_mut().expect("it is an object").extend(more);
    all
}

/// So many requests per second, growing; a part of them errors.
fn load(rate: f64, errors: f64) -> Json {
    let part = |at: i32| rate * f64::from(at) / 20.0;
    let series: Vec<_> = (1..=20).map(part).collect();
    let latency = (rate > 0.0).then(|| json!({ "p50": 1.234, "p90": 5.0, "p99": 98.76 }));
    json!({
        "requests": 1_234_567, "by_class": { "2xx": 1_234_000, "5xx": 560, "none": 7, "3xx": 0 },
        "reasons": { "connect_refused": 3 }, "errors": 560, "bytes_in": 120, "bytes_out": 5_312_345,
        "rate": rate, "error_ratio": errors, "latency_ms": latency,
        "series": { "rate": series, "errors": [0.0, 1.0, null], "p50": [], "p99": series },
    })
}

fn backend(url: &str, state: &str, rate: f64, shares: (f64, f64)) -> Json {
    let is_well = state == "UP";
    let cause = (!is_well).then_some("connect_refused");
    let errors = if is_well { 0.0 } else { 0.08 };
    let own = json!({
        "url": url, "state": state, "cause": cause, "since": "2026-11-25T06:07:26.000Z",
        "is_draining": false, "is_disabled": false, "weight": 1, "in_flight": 3,
        "connections": { "open": 4, "idle": 2, "opened": 10, "reused": 990 },
        "attempts": 1004, "failures": { "connect_refused": 17 },
        "share": shares.0, "share_expected": shares.1,
    });
    with(load(rate, errors), &own)
}

pub(super) fn stats() -> Json {
    let pool = |name: &str, up: u8, backends: Json| {
        let own = json!({
            "name": name, "mode": "usual", "circuit": null, "up": up, "waiting": 0, "in_flight": 6,
            "attempts": 1004, "retries": 4, "not_retried": {}, "backends": backends,
        });
        with(load(120.54, 0.0035), &own)
    };
    let web = json!([
        backend("http://127.0.0.1:8081", "UP", 60.3, (0.502, 0.5)),
        backend("http://127.0.0.1:8082", "UP", 59.8, (0.498, 0.5)),
        backend("http://127.0.0.1:8083", "DOWN", 0.0, (0.0, 0.0)),
    ]);
    let api = json!([
        backend("http://10.20.30.40:9001", "HALF_OPEN", 2.1, (0.02, 0.05)),
        backend(
            "https://backend-with-a-long-name.internal.example:9443",
            "UP",
            812.4,
            (0.98, 0.95)
        ),
    ]);
    json!({
        "at": "2026-11-25T06:20:00.123Z", "version": "0.1.0", "uptime_seconds": 4000.5,
        "step_seconds": 1, "is_counting": true, "total": load(934.6, 0.0023),
        "listeners": [{ "address": "0.0.0.0:8000", "connections": { "open": 214, "opened": 20_000 } }],
        "routes": [], "pools": [pool("web", 2, web), pool("api", 1, api)],
    })
}

pub(super) fn events() -> Json {
    let event = |id: u64, kind: &str, backend: Option<&str>, text: &str, by: Option<&str>| {
        let pool = backend.map(|_| "web");
        json!({
            "id": id, "at": "2026-11-25T06:19:58.000Z", "kind": kind, "pool": pool,
            "backend": backend, "text": text, "cause": null, "by": by,
        })
    };
    json!({ "events": [
        event(1, "reload", None, "reloaded: pool api: http://10.20.30.40:9001 is added", Some("ops")),
        event(2, "backend_down", Some("http://127.0.0.1:8083"), "DOWN, seen by a request", None),
        event(3, "drain", Some("http://127.0.0.1:8081"), "drains", Some("ops")),
    ] })
}

pub(super) fn failures() -> Json {
    let attempt = |backend: &str, reason: &str, phase: &str| json!({ "backend": backend, "reason": reason, "phase": phase, "duration_ms": 0.3 });
    let failure = |path: &str, attempts: Json| {
        json!({
            "at": "2026-11-25T06:19:58.000Z", "client": "10.1.2.3", "method": "POST", "path": path,
            "host": "example.com", "protocol": "HTTP/2", "status": 502, "reason": "connect_refused",
            "route": "api", "pool": "web", "backend": "http://127.0.0.1:8083", "duration_ms": 12.34,
            "attempts": attempts, "not_retried": "attempts_used", "request_id": "01JABC",
            "trace_id": null,
        })
    };
    let tried = json!([
        attempt("http://127.0.0.1:8083", "connect_refused", "connect"),
        attempt("http://127.0.0.1:8082", "response_timeout", ""),
    ]);
    json!({ "failures": [failure("/api/users", tried), failure("/api/evil\u{1b}[2J\r\n", json!([]))] })
}

pub(super) fn why() -> Json {
    let entry = |what: &str, text: &str| json!({ "at": "2026-11-25T06:07:26.000Z", "what": what, "text": text });
    json!({
        "pool": "web", "url": "http://127.0.0.1:8083", "state": "DOWN", "gets_requests": false,
        "why": "connection refused; weight 1, 0 requests under way",
        "turns": [entry("down", "DOWN, seen by a request: connection refused")],
        "probes": [entry("connect_refused", "connection refused, after 0.2 ms"), entry("ok", "succeeded, after 0.3 ms")],
    })
}
