//! Stories of a second attempt beside one that takes long.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nexus::app::Nexus;
use nexus::ejection::Rules;
use nexus::picker::Algorithm;
use nexus::retry::{Hedge, Policy};
use nexus::settings::Settings;

use crate::world::{
    Backend, Client, Next, PATIENCE, Sink, backend, black_hole, field, held, lines, settings,
    start, status, until,
};

const SOON: Duration = Duration::from_millis(50);
const SLOW: &str = "GET /slow HTTP/1.1|Host: a||";

/// The first backend is asked first, and the second `after` this time, too.
fn hedged(backends: &[SocketAddr], after: Duration) -> Settings {
    let mut settings = settings(backends);
    settings.pools[0].algorithm = Algorithm::First;
    settings.pools[0].retry = Policy { hedge: Some(Hedge::After(after)), ..Policy::default() };
    settings
}

/// A backend that takes requests, never answers, and says when it is let go.
fn silent() -> (Backend, Receiver<()>) {
    let (ended, end) = channel();
    let backend = Backend::new(move |stream, _| {
        let _ = stream.read(&mut [0; 1]);
        let _ = ended.send(());
        Next::Close
    });
    (backend, end)
}

fn probed(nexus: &Nexus) {
    let count = nexus.snapshot().pools[0].backends().len();
    until("all are probed", || (0..count).all(|at| backend(nexus, at).is_probed()));
}

#[test]
fn the_second_answers_and_the_first_is_let_go_without_blame() {
    let ((first, end), second) = (silent(), Backend::named("second"));
    let nexus = start(hedged(&[first.address, second.address], SOON));
    let mut client = Client::connect(&nexus);
    assert_eq!(client.get("/"), "second");
    end.recv_timeout(PATIENCE).expect("the first is let go");
    assert!(backend(&nexus, 0).is_up(), "slow is not dead");
    assert_eq!(client.get("/"), "second", "the connection goes on");
    assert_eq!((first.count(), second.count()), (2, 2));
}

#[test]
fn who_answers_in_time_is_asked_alone() {
    let (first, second) = (Backend::named("first"), Backend::named("second"));
    let nexus = start(hedged(&[first.address, second.address], Duration::from_secs(10)));
    let mut client = Client::connect(&nexus);
    for _ in 0..20 {
        assert_eq!(client.get("/"), "first");
    }
    assert_eq!(second.count(), 0);
}

#[test]
fn when_the_first_is_faster_after_all_the_second_is_let_go() {
    let ((first, asked, word), (second, end)) = (held("first"), silent());
    let nexus = start(hedged(&[first.address, second.address], SOON));
    let mut client = Client::connect(&nexus);
    client.send(&lines(SLOW));
    asked.recv_timeout(PATIENCE).unwrap();
    until("the second is asked, too", || second.count() == 1);
    word.send(()).unwrap();
    assert_eq!(client.answer().1, b"first");
    end.recv_timeout(PATIENCE).expect("the second is let go");
}

#[test]
fn when_the_first_fails_the_second_is_waited_for() {
    let (word, wait) = channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let first = Backend::new(move |_, _| {
        let _ = wait.lock().unwrap().recv();
        Next::Close
    });
    let (second, asked, go_on) = held("second");
    let nexus = start(hedged(&[first.address, second.address], SOON));
    let mut client = Client::connect(&nexus);
    client.send(&lines(SLOW));
    asked.recv_timeout(PATIENCE).unwrap();
    word.send(()).unwrap();
    until("the first is DOWN", || !backend(&nexus, 0).is_up());
    go_on.send(()).unwrap();
    assert_eq!(client.answer().1, b"second");
    assert_eq!((first.count(), second.count()), (1, 1), "nobody was asked once more");
}

#[test]
fn when_both_fail_the_first_says_why() {
    let close = || {
        Backend::new(|_, _| {
            std::thread::park_timeout(4 * SOON);
            Next::Close
        })
    };
    let (first, second) = (close(), close());
    let nexus = start(hedged(&[first.address, second.address], SOON));
    let (head, _) = Client::connect(&nexus).ask(&lines("GET / HTTP/1.1|Host: a||"));
    assert_eq!((status(&head), field(&head, "X-Nexus-Error")), (502, Some("backend_closed")));
    assert_eq!((first.count(), second.count()), (1, 1));
}

#[test]
fn a_body_goes_to_both_and_a_post_to_one() {
    let ((first, _end), second) = (silent(), Backend::named("second"));
    let mut settings = hedged(&[first.address, second.address], SOON);
    settings.pools[0].timeouts.response = Duration::from_millis(500);
    let nexus = start(settings);
    for request in [
        "PUT / HTTP/1.1|Host: a|Content-Length: 3||abc",
        "PUT / HTTP/1.1|Host: a|Transfer-Encoding: chunked||3|abc|0||",
    ] {
        let (_, body) = Client::connect(&nexus).ask(&lines(request));
        assert_eq!(body, b"second");
    }
    let bodies: Vec<_> = second.seen().into_iter().map(|seen| seen.body).collect();
    assert_eq!(bodies, [&b"abc"[..], b"3\r\nabc\r\n0\r\n\r\n"]);
    let post = "POST / HTTP/1.1|Host: a|Content-Length: 3||abc";
    assert_eq!(status(&Client::connect(&nexus).ask(&lines(post)).0), 504);
    assert_eq!((first.count(), second.count()), (3, 2));
}

#[test]
fn without_budget_attempts_or_somebody_else_there_is_no_second() {
    let ((first, _end), second) = (silent(), Backend::named("second"));
    let both = [first.address, second.address];
    let policies = [
        (&both[..], Policy { budget: 0, ..Policy::default() }),
        (&both[..], Policy { attempts_max: 1, ..Policy::default() }),
        (&both[..1], Policy::default()),
    ];
    for (backends, policy) in policies {
        let mut settings = hedged(backends, SOON);
        settings.pools[0].retry = Policy { hedge: Some(Hedge::After(SOON)), ..policy };
        settings.pools[0].timeouts.response = Duration::from_millis(300);
        let nexus = start(settings);
        probed(&nexus);
        assert_eq!(status(&Client::connect(&nexus).ask(&lines(SLOW)).0), 504);
    }
    assert_eq!(second.count(), 0);
}

#[test]
fn who_does_not_even_accept_is_not_waited_for() {
    let ((hole, _full), second) = (black_hole(), Backend::named("second"));
    let nexus = start(hedged(&[hole, second.address], SOON));
    let begun = Instant::now();
    assert_eq!(Client::connect(&nexus).get("/"), "second");
    assert!(begun.elapsed() < Duration::from_secs(2), "to connect may take 2 s");
}

#[test]
fn the_measured_time_of_most_answers_is_when_another_is_asked() {
    let (first, asked, word) = held("first");
    let second = Backend::named("second");
    let mut settings = hedged(&[first.address, second.address], SOON);
    settings.pools[0].retry.hedge = Some(Hedge::P95);
    let nexus = start(settings);
    let mut client = Client::connect(&nexus);
    until("it is known", || {
        client.get("/");
        nexus.snapshot().pools[0].times().unwrap().p95().is_some()
    });
    client.send(&lines(SLOW));
    asked.recv_timeout(PATIENCE).unwrap();
    assert_eq!(client.answer().1, b"second");
    let _ = word.send(());
}

#[test]
fn the_log_has_who_was_outrun() {
    let ((first, _end), second) = (silent(), Backend::named("second"));
    let mut settings = hedged(&[first.address, second.address], SOON);
    settings.access_log = Some(nexus::log::LogFormat::Text.into());
    let (written, lines_written) = channel();
    let nexus = Nexus::start(settings, Sink(written)).unwrap();
    assert_eq!(Client::connect(&nexus).get("/"), "second");
    let mut log = String::new();
    until("the line is there", || {
        log.extend(lines_written.try_iter());
        log.contains('\n')
    });
    let outrun = format!("failed=http://{}:outrun:response:", first.address);
    assert!(log.contains(&outrun) && log.contains("attempts=2"), "{log}");
}

#[test]
fn a_body_that_the_first_never_took_is_not_sent_behind_the_copy() {
    let (hole, _full) = black_hole();
    let large = vec![b'x'; 4 << 20];
    let second = Backend::new(move |stream, _| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", large.len());
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&large).unwrap();
        Next::Continue
    });
    let nexus = start(hedged(&[hole, second.address], SOON));
    let mut client = Client::connect(&nexus);
    let smuggled = "GET /smuggled HTTP/1.1|Host: a||";
    let length = lines(smuggled).len();
    let request = format!("PUT / HTTP/1.1|Host: a|Content-Length: {length}||{smuggled}");
    assert_eq!(client.ask(&lines(&request)).1.len(), 4 << 20);
    // The connections go on, on both sides, with nothing between the messages.
    assert_eq!(client.ask(&lines("GET /next HTTP/1.1|Host: a||")).1.len(), 4 << 20);
    let heads: Vec<_> = second.seen().into_iter().map(|seen| seen.head).collect();
    assert!(heads[0].starts_with("PUT / ") && heads[1].starts_with("GET /next "), "{heads:?}");
    assert_eq!(heads.len(), 2, "{heads:?}");
}

#[test]
fn when_all_is_too_late_nobody_is_blamed_for_it() {
    let ((first, _end), (hole, _full)) = (silent(), black_hole());
    let mut settings = hedged(&[first.address, hole], SOON);
    settings.pools[0].timeouts.total = Some(4 * SOON);
    settings.pools[0].probing.timeout = PATIENCE;
    let nexus = start(settings);
    let (head, _) = Client::connect(&nexus).ask(&lines(SLOW));
    assert_eq!((status(&head), field(&head, "X-Nexus-Error")), (504, Some("total_timeout")));
    assert!((0..2).all(|at| backend(&nexus, at).is_up()));
}

#[test]
fn whoever_is_outrun_again_and_again_is_ejected_for_it() {
    let ((first, _end), second, third) = (silent(), Backend::named("ok"), Backend::named("ok"));
    let mut settings = hedged(&[first.address, second.address, third.address], SOON);
    settings.pools[0].algorithm = Algorithm::RoundRobin;
    settings.pools[0].retry.budget = 1000;
    settings.pools[0].ejection =
        Some(Rules { latency: 300, requests_min: 5, window: PATIENCE, ..Rules::NEVER });
    let nexus = start(settings);
    let mut client = Client::connect(&nexus);
    until("it is ejected", || {
        client.get("/");
        backend(&nexus, 0).conduct.is_out()
    });
}
