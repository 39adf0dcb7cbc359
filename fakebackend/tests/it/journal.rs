//! What was seen, and how often.

use serde_json::{Value, json};

use crate::harness::Backend;

fn request(seq: u64, run: &str) -> String {
    format!("GET / HTTP/1.1\r\nX-Loadtest-Run: {run}\r\nX-Loadtest-Seq: {seq}\r\n\r\n")
}

fn see(backend: &Backend, seqs: &[u64], run: &str) {
    let mut client = backend.connect();
    for &seq in seqs {
        client.send(&request(seq, run));
        client.answer();
    }
}

fn seqs(backend: &Backend) -> Value {
    backend.call("GET", "/journal/seqs", "")
}

#[test]
fn numbers_seen_are_listed_with_how_often() {
    let backend = Backend::start(&[]);
    assert_eq!(seqs(&backend)["ranges"], json!([]));
    see(&backend, &[0, 1, 2, 2, 3, 10], "r1");
    let seen = seqs(&backend);
    assert_eq!(seen["ranges"], json!([[0, 1, 1], [2, 2, 2], [3, 3, 1], [10, 10, 1]]));
    assert_eq!((&seen["total"], &seen["run"]), (&6.into(), &"r1".into()));
}

#[test]
fn a_request_counts_as_seen_even_if_it_is_not_answered() {
    let backend =
        Backend::start(&["--keepalive-requests", "1", "--fault", "hang#1", "--fault", "reset#1"]);
    let mut hung = backend.connect();
    hung.send(&request(0, "r"));
    backend.wait_in_flight(1);
    let mut reset = backend.connect();
    reset.send(&request(1, "r"));
    assert!(reset.rest().1.is_err());
    let mut closed = backend.connect();
    closed.send(&request(2, "r"));
    closed.answer();
    closed.send(&request(3, "r"));
    assert_eq!(closed.rest(), (Vec::new(), Ok(())));
    assert_eq!(seqs(&backend)["ranges"], json!([[0, 3, 1]]));
}

#[test]
fn half_a_head_is_not_seen() {
    let backend = Backend::start(&[]);
    let mut client = backend.connect();
    client.send(request(0, "r").trim_end());
    see(&backend, &[1], "r");
    assert_eq!(seqs(&backend)["ranges"], json!([[1, 1, 1]]));
}

#[test]
fn runs_are_kept_apart() {
    let backend = Backend::start(&[]);
    see(&backend, &[0, 1], "one");
    see(&backend, &[0], "two");
    assert_eq!(seqs(&backend)["ranges"], json!([[0, 0, 1]]));
    let one = backend.call("GET", "/journal/seqs?run=one", "");
    assert_eq!(one["ranges"], json!([[0, 1, 1]]));
}

#[test]
fn a_journal_thrown_away_starts_anew_on_open_connections() {
    let backend = Backend::start(&[]);
    let mut client = backend.connect();
    client.send(&request(5, "r"));
    client.answer();
    backend.call("DELETE", "/journal", "");
    assert_eq!(seqs(&backend)["total"], 0);
    client.send(&request(5, "r"));
    client.answer();
    assert_eq!(seqs(&backend)["ranges"], json!([[5, 5, 1]]));
}
