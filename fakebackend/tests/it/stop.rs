//! Stopping: what is under way is finished.

use rustix::process::Signal;

use crate::harness::Backend;

const GET: &str = "GET / HTTP/1.1\r\n\r\n";

#[test]
fn a_request_under_way_is_finished_and_told_that_the_connection_closes() {
    let mut backend = Backend::start(&["--latency", "300ms"]);
    let mut client = backend.connect();
    // The first half of a request: what comes next is surely answered by a backend that is stopping.
    client.send(&GET[..8]);
    let mut other = backend.connect();
    other.send(GET);
    backend.wait_in_flight(1);
    backend.wait_open(2);
    backend.signal(Signal::TERM);
    crate::harness::until("nobody listens", || backend.refuses());
    client.send(&GET[8..]);
    let answer = client.answer();
    assert!(answer.head.contains("Connection: close\r\n"));
    assert_eq!(client.rest(), (Vec::new(), Ok(())));
    let answer = other.answer();
    assert!(answer.head.contains("Connection: close\r\n"));
    assert_eq!(answer.text(), "b1\n");
    assert_eq!(other.rest(), (Vec::new(), Ok(())));
    assert_eq!(backend.exit().code(), Some(0));
}

#[test]
fn idle_and_hanging_connections_do_not_delay_the_end() {
    let mut backend = Backend::start(&["--fault", "hang#1"]);
    let mut hung = backend.connect();
    hung.send(GET);
    backend.wait_in_flight(1);
    let mut idle = backend.connect();
    idle.send(GET);
    idle.answer();
    backend.signal(Signal::INT);
    assert_eq!(hung.rest(), (Vec::new(), Ok(())));
    assert_eq!(idle.rest(), (Vec::new(), Ok(())));
    assert_eq!(backend.exit().code(), Some(0));
}

#[test]
fn patience_has_an_end() {
    let mut backend = Backend::start(&["--latency", "1h", "--grace", "50ms"]);
    let mut client = backend.connect();
    client.send(GET);
    backend.wait_in_flight(1);
    backend.signal(Signal::TERM);
    assert_eq!(backend.exit().code(), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut backend = Backend::start(&["--latency", "1h", "--grace", "1h"]);
    let mut client = backend.connect();
    client.send(GET);
    backend.wait_in_flight(1);
    backend.signal(Signal::TERM);
    crate::harness::until("nobody listens", || backend.refuses());
    backend.signal(Signal::TERM);
    assert_eq!(backend.exit().code(), Some(0));
}

#[test]
fn the_control_port_can_stop_it() {
    let mut backend = Backend::start(&[]);
    assert_eq!(backend.call("POST", "/shutdown", "")["stopping"], true);
    assert_eq!(backend.exit().code(), Some(0));
}
