//! Stories of requests that wait because all backends are full.

use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use nexus::app::Nexus;
use nexus::pool::queue::QueueRules;
use nexus::settings::Settings;

use crate::world::{
    Backend, Client, PATIENCE, backend, field, held, lines, settings, start, status, until,
};

/// One backend that takes one request at a time, of which the first is under way.
struct Full {
    settings: Settings,
    nexus: Nexus,
    first: Client,
    word: Sender<()>,
    _asked: Receiver<()>,
    held: Backend,
}

fn full(timeout: Duration, waiting_max: usize) -> Full {
    let (held, asked, word) = held("held");
    let mut settings = settings(&[held.address]);
    settings.pools[0].queue = Some(QueueRules { timeout, waiting_max });
    settings.pools[0].backends[0].requests_max = Some(1);
    settings.timeouts.shutdown = Duration::from_millis(300);
    let nexus = start(settings.clone());
    let mut first = Client::connect(&nexus);
    first.send(&lines("GET /slow HTTP/1.1|Host: a||"));
    asked.recv().unwrap();
    Full { settings, nexus, first, word, _asked: asked, held }
}

fn waiting(nexus: &Nexus) -> usize {
    nexus.snapshot().pools[0].queue.waiting()
}

/// Sends a request that will have to wait.
fn join(nexus: &Nexus, request: &str) -> Client {
    let before = waiting(nexus);
    let mut client = Client::connect(nexus);
    client.send(&lines(request));
    until("it waits", || waiting(nexus) == before + 1);
    client
}

const GET: &str = "GET / HTTP/1.1|Host: a||";

#[test]
fn requests_wait_for_a_place_and_all_are_answered() {
    let mut full = full(PATIENCE, 100);
    let mut late: Vec<_> = (0..10).map(|_| join(&full.nexus, GET)).collect();
    full.word.send(()).unwrap();
    assert_eq!(full.first.answer().1, b"held");
    for client in &mut late {
        let (head, body) = client.answer();
        assert_eq!((status(&head), &body[..]), (200, &b"held"[..]));
    }
    let one = backend(&full.nexus, 0);
    until("nothing is under way", || one.in_flight() == 0 && waiting(&full.nexus) == 0);
}

#[test]
fn a_request_waits_no_longer_than_its_deadline() {
    let full = full(Duration::from_millis(300), 100);
    let began = Instant::now();
    let mut late = join(&full.nexus, GET);
    let (head, _) = late.answer();
    let took = began.elapsed();
    assert_eq!((status(&head), field(&head, "X-Nexus-Error")), (503, Some("queue_timeout")));
    assert_eq!(field(&head, "Retry-After"), Some("1"));
    assert!(took >= Duration::from_millis(290), "{took:?}");
    assert_eq!(waiting(&full.nexus), 0);
    assert_eq!(field(&head, "Connection"), None, "the connection goes on");
}

#[test]
fn a_line_that_is_too_long_refuses_at_once() {
    let full = full(PATIENCE, 2);
    let _line = [join(&full.nexus, GET), join(&full.nexus, GET)];
    let mut late = Client::connect(&full.nexus);
    let (head, _) = late.ask(&lines(GET));
    assert_eq!((status(&head), field(&head, "X-Nexus-Error")), (503, Some("queue_full")));
}

#[test]
fn whoever_leaves_leaves_the_line() {
    let mut full = full(PATIENCE, 100);
    let whole = join(&full.nexus, GET);
    // More of its body has come than is read before there is a place.
    let body = "x".repeat(100_000);
    let half = format!("POST / HTTP/1.1|Host: a|Content-Length: 1000000||{body}");
    let half = join(&full.nexus, &half);
    let mut stays = join(&full.nexus, GET);
    drop(whole);
    until("one has left", || waiting(&full.nexus) == 2);
    drop(half);
    until("and the other", || waiting(&full.nexus) == 1);
    full.word.send(()).unwrap();
    assert_eq!(full.first.answer().1, b"held");
    assert_eq!(stays.answer().1, b"held");
}

#[test]
fn an_upload_that_waited_arrives_whole() {
    let mut full = full(PATIENCE, 100);
    let body = "x".repeat(50_000);
    let mut upload =
        join(&full.nexus, &format!("POST /up HTTP/1.1|Host: a|Content-Length: 100000||{body}"));
    full.word.send(()).unwrap();
    assert_eq!(full.first.answer().1, b"held");
    upload.send(body.as_bytes());
    assert_eq!(upload.answer().1, b"held");
    let seen = full.held.seen();
    assert_eq!(seen.last().map(|seen| seen.body.len()), Some(100_000));
}

#[test]
fn a_reload_that_makes_room_lets_those_who_wait_through() {
    let full = full(PATIENCE, 100);
    let mut late = [join(&full.nexus, GET), join(&full.nexus, GET)];
    let mut settings = full.settings.clone();
    settings.pools[0].backends[0].requests_max = Some(2);
    full.nexus.reload(settings).unwrap();
    for client in &mut late {
        assert_eq!(client.answer().1, b"held");
    }
}

#[test]
fn when_the_last_backend_goes_down_nobody_is_kept_waiting() {
    let full = full(PATIENCE, 100);
    let mut late = join(&full.nexus, GET);
    full.held.stop();
    let out = nexus::health::Observation::RequestFailed(nexus::reason::Reason::ConnectRefused);
    backend(&full.nexus, 0).observe(out);
    let (head, _) = late.answer();
    assert_eq!((status(&head), field(&head, "X-Nexus-Error")), (503, Some("no_backend_available")));
}

#[test]
fn a_stop_waits_for_the_line_no_longer_than_for_the_rest() {
    let mut full = full(Duration::from_secs(3600), 100);
    let mut late = join(&full.nexus, GET);
    let nexus = full.nexus;
    let stopping = std::thread::spawn(move || nexus.drain());
    let (head, _) = late.answer();
    assert_eq!((status(&head), field(&head, "X-Nexus-Error")), (503, Some("shutting_down")));
    assert!(full.first.reader.message().is_none_or(|(head, _)| status(&head) != 200));
    stopping.join().unwrap();
}
