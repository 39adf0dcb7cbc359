//! Stories of health checks: what a probe asks, what it believes, when it changes its mind.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nexus::app::Nexus;
use nexus::backend::uptime;
use nexus::health::Verdict;
use nexus::reason::Reason;
use nexus::settings::{HttpProbe, ProbeKind, Probing};

use crate::world::{Backend, Client, Next, backend, lines, settings, start, status, until};

/// Asks for `/healthz` twenty times a second.
fn probing() -> Probing {
    let http = HttpProbe { path: "/healthz".to_owned(), ..HttpProbe::default() };
    let interval = Duration::from_millis(50);
    Probing { kind: ProbeKind::Http, http, interval, ..Probing::default() }
}

fn start_with(backends: &[&Backend], probing: Probing) -> Nexus {
    let addresses: Vec<_> = backends.iter().map(|backend| backend.address).collect();
    let mut settings = settings(&addresses);
    settings.pools[0].probing = probing;
    start(settings)
}

/// A backend whose health is what the test says, and whose other answers are always good.
fn moody(answers: &'static [&'static str]) -> (Backend, Arc<AtomicUsize>) {
    let mood = Arc::new(AtomicUsize::new(0));
    let its = Arc::clone(&mood);
    let backend = Backend::new(move |stream, seen| {
        let is_probe = seen.head.contains("/healthz");
        let answer = if is_probe {
            answers[its.load(Ordering::SeqCst)]
        } else {
            "HTTP/1.1 200 OK|Content-Length: 4||good"
        };
        if answer.is_empty() {
            return Next::Close;
        }
        let _ = stream.write_all(&lines(answer));
        Next::Continue
    });
    (backend, mood)
}

#[track_caller]
fn until_down(nexus: &Nexus, at: usize, reason: Reason) {
    until(reason.code(), || backend(nexus, at).health().verdict == Verdict::Down(reason));
}

#[track_caller]
fn until_up(nexus: &Nexus, at: usize) {
    until("it is UP", || backend(nexus, at).is_up() && backend(nexus, at).is_probed());
}

#[test]
fn an_http_probe_believes_what_the_answer_says() {
    let (backend, mood) = moody(&[
        "HTTP/1.1 204 No Content||",
        "HTTP/1.1 503 Service Unavailable|Content-Length: 0||",
        "HTTP/1.1 200 OK|Content-Length: 2||OK",
        "NONSENSE||",
        "HTTP/1.1 302 Found|Location: /|Content-Length: 0||",
        "",
    ]);
    let nexus = start_with(&[&backend], probing());
    let story = [
        (1, Some(Reason::UnexpectedStatus)),
        (2, None),
        (3, Some(Reason::BadResponse)),
        (4, None),
        (5, Some(Reason::BackendClosed)),
        (0, None),
    ];
    for (next, reason) in story {
        mood.store(next, Ordering::SeqCst);
        match reason {
            Some(reason) => until_down(&nexus, 0, reason),
            None => until_up(&nexus, 0),
        }
    }
}

#[test]
fn a_probe_says_what_it_was_told_over_a_connection_of_its_own() {
    let (backend, _) = moody(&["HTTP/1.1 200 OK|Content-Length: 0||"]);
    let mut probing = probing();
    probing.http.method = "HEAD".to_owned();
    probing.http.host = Some("health.example".to_owned());
    probing.http.headers = vec![("X-Probe".to_owned(), "yes".to_owned())];
    let nexus = start_with(&[&backend], probing);
    until("three probes", || backend.count() >= 3);
    Client::connect(&nexus).get("/");
    let seen = backend.seen();
    let probes: Vec<_> = seen.iter().filter(|seen| seen.head.contains("/healthz")).collect();
    for probe in &probes {
        assert!(probe.head.starts_with("HEAD /healthz HTTP/1.1"), "{}", probe.head);
        let head = probe.head.to_ascii_lowercase();
        for line in ["host: health.example", "x-probe: yes", "user-agent: nexus/"] {
            assert!(head.contains(line), "{line} is not in {head}");
        }
        let on_it = seen.iter().filter(|other| other.connection == probe.connection).count();
        assert_eq!(on_it, 1, "a connection of its own");
    }
}

#[test]
fn a_body_is_looked_through_for_text_and_expression() {
    let (backend, mood) = moody(&[
        "HTTP/1.1 200 OK|Content-Length: 12||state: ready",
        "HTTP/1.1 200 OK|Content-Length: 12||state: going",
        "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|state|7|: ready|0||",
        "HTTP/1.1 200 OK|Content-Length: 12||ready: state",
    ]);
    let mut probing = probing();
    probing.http.body = Some("ready".to_owned());
    probing.http.body_regex = Some("^state: r.*y$".to_owned());
    let nexus = start_with(&[&backend], probing);
    for (next, is_right) in [(1, false), (2, true), (3, false), (0, true)] {
        mood.store(next, Ordering::SeqCst);
        match is_right {
            true => until_up(&nexus, 0),
            false => until_down(&nexus, 0, Reason::UnexpectedBody),
        }
    }
}

#[test]
fn a_probe_that_hangs_delays_no_news_of_others() {
    let (hangs, _asked) = Backend::waiting();
    let (good, mood) = moody(&["HTTP/1.1 200 OK|Content-Length: 0||", ""]);
    let hour = Duration::from_secs(3600);
    let nexus = start_with(&[&hangs, &good], Probing { timeout: hour, ..probing() });
    mood.store(1, Ordering::SeqCst);
    until_down(&nexus, 1, Reason::BackendClosed);
    mood.store(0, Ordering::SeqCst);
    until_up(&nexus, 1);
    assert!(!backend(&nexus, 0).is_probed(), "its first probe still hangs");
}

#[test]
fn a_probe_that_hangs_ends_at_its_timeout() {
    let (hangs, _asked) = Backend::waiting();
    let timeout = Duration::from_millis(100);
    let nexus = start_with(&[&hangs], Probing { timeout, ..probing() });
    until_down(&nexus, 0, Reason::ResponseTimeout);
}

/// A backend whose probes go well once and then badly twice, for ever.
fn limping() -> (Backend, Arc<AtomicUsize>) {
    let probes = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&probes);
    let backend = Backend::new(move |stream, _| {
        let is_good = count.fetch_add(1, Ordering::SeqCst).is_multiple_of(3);
        let status = if is_good { "200 OK" } else { "500 Oh" };
        let _ = stream.write_all(&lines(&format!("HTTP/1.1 {status}|Content-Length: 0||")));
        Next::Continue
    });
    (backend, probes)
}

#[test]
fn it_takes_as_many_failures_in_a_row_as_it_says() {
    let (limps, probes) = limping();
    let interval = Duration::from_millis(5);
    let nexus = start_with(&[&limps], Probing { fall: 3, interval, ..probing() });
    until("thirty probes", || probes.load(Ordering::SeqCst) > 30);
    assert_eq!(backend(&nexus, 0).downs(), 0);
}

#[test]
fn it_takes_as_many_successes_in_a_row_as_it_says() {
    let (limps, probes) = limping();
    let interval = Duration::from_millis(5);
    let nexus = start_with(&[&limps], Probing { fall: 2, rise: 2, interval, ..probing() });
    until_down(&nexus, 0, Reason::UnexpectedStatus);
    until("thirty probes", || probes.load(Ordering::SeqCst) > 30);
    assert_eq!((backend(&nexus, 0).is_up(), backend(&nexus, 0).downs()), (false, 1));
}

#[test]
fn a_backend_may_have_to_prove_itself_first() {
    let (answer, told) = std::sync::mpsc::channel::<()>();
    let told = std::sync::Mutex::new(told);
    let slow = Backend::new(move |stream, seen| {
        if seen.head.contains("/healthz") {
            let _ = told.lock().unwrap().recv();
        }
        let _ = stream.write_all(&lines("HTTP/1.1 200 OK|Content-Length: 0||"));
        Next::Continue
    });
    let timeout = Duration::from_secs(3600);
    let rules = Probing { starts_up: false, rise: 3, timeout, ..probing() };
    let nexus = start_with(&[&slow], rules);
    let (head, _) = Client::connect(&nexus).ask(&lines("GET / HTTP/1.1|Host: a||"));
    assert_eq!(status(&head), 503);
    assert_eq!(backend(&nexus, 0).health().verdict, Verdict::Down(Reason::NotProbed));
    answer.send(()).unwrap();
    until_up(&nexus, 0);
    drop(answer);
    until("it is asked", || {
        let (head, _) = Client::connect(&nexus).ask(&lines("GET / HTTP/1.1|Host: a||"));
        status(&head) == 200
    });
}

#[test]
fn another_port_may_say_how_a_backend_is() {
    let serves = Backend::named("serves");
    let (says, mood) = moody(&["HTTP/1.1 200 OK|Content-Length: 0||", ""]);
    let rules = Probing { port: Some(says.address.port()), ..probing() };
    let nexus = start_with(&[&serves], rules);
    until_up(&nexus, 0);
    mood.store(1, Ordering::SeqCst);
    until_down(&nexus, 0, Reason::BackendClosed);
    assert!(serves.seen().is_empty(), "no probe there");
}

#[test]
fn whoever_is_down_may_be_asked_more_often() {
    let (asked, mood) =
        moody(&["HTTP/1.1 200 OK|Content-Length: 0||", "HTTP/1.1 500 Oh|Content-Length: 0||"]);
    mood.store(1, Ordering::SeqCst);
    let (interval, fast) = (Duration::from_secs(3600), Some(Duration::from_millis(5)));
    let nexus = start_with(&[&asked], Probing { interval, interval_down: fast, ..probing() });
    until_down(&nexus, 0, Reason::UnexpectedStatus);
    mood.store(0, Ordering::SeqCst);
    until_up(&nexus, 0);
    let before = asked.count();
    Client::connect(&nexus).get("/");
    assert_eq!(asked.count(), before + 1, "UP it is asked by the hour");
}

/// Takes the listener of the first backend away and brings it back, as often as said.
fn flap(nexus: &Nexus, mut first: Backend, times: u32) -> Backend {
    for _ in 0..times {
        first.stop();
        until("it is DOWN", || !backend(nexus, 0).is_up());
        first = Backend::at(first.address, |stream, _| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            Next::Close
        });
        let is_settled = || {
            let backend = backend(nexus, 0);
            backend.is_up() || backend.health().kept_out(uptime()).is_some()
        };
        until("it is UP, or kept out", is_settled);
    }
    first
}

#[test]
fn a_backend_that_flaps_is_kept_out_while_others_answer() {
    let (first, other) = (Backend::named("a"), Backend::named("b"));
    let mut settings = settings(&[first.address, other.address]);
    settings.pools[0].probing.interval = Duration::from_millis(50);
    let nexus = start(settings);
    let _first = flap(&nexus, first, 3);
    until("its probe succeeds", || backend(&nexus, 0).health().is_ready());
    assert!(!backend(&nexus, 0).is_up());
    let told = backend(&nexus, 0).journal.turns()[0].1.to_string();
    assert!(told.contains("it flaps: kept out for"), "{told}");
    assert_eq!(Client::connect(&nexus).get("/"), "b");
}

#[test]
fn a_backend_that_flaps_answers_all_the_same_if_nobody_else_does() {
    let first = Backend::named("a");
    let mut settings = settings(&[first.address]);
    settings.pools[0].probing.interval = Duration::from_millis(50);
    let nexus = start(settings);
    let _first = flap(&nexus, first, 3);
    until("it is UP although it flaps", || backend(&nexus, 0).is_up());
    let turns: Vec<_> = backend(&nexus, 0).journal.turns();
    assert!(turns.iter().any(|(_, turn)| turn.code() == "needed"), "{turns:?}");
}
