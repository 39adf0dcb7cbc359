//! Stories of answers that are tried for again: after which failures, how often, for how long.

use std::io::Read;
use std::net::SocketAddr;
use std::time::Duration;

use nexus::retry::{Causes, Methods, Policy, Statuses};
use nexus::settings::Settings;

use crate::world::{
    Backend, Client, Next, backend, field, lines, raw, settings, start, status, until,
};

const GET: &str = "GET / HTTP/1.1|Host: a||";
const POST: &str = "POST / HTTP/1.1|Host: a|Content-Length: 3||abc";

/// A backend that answers with this head and an empty body.
fn says(head: &str) -> Backend {
    Backend::answering(&lines(&format!("{head}|Content-Length: 0||")), || Next::Continue)
}

/// A backend that takes requests and never answers.
fn hangs() -> SocketAddr {
    raw(|stream| {
        let _ = (&stream).read(&mut [0; 4096]);
        let _ = (&stream).read(&mut [0; 1]);
    })
}

/// What retries after 503.
fn after_503() -> Policy {
    Policy { statuses: Statuses::of(&[503..=503]), ..Policy::default() }
}

fn with(backends: &[SocketAddr], policy: Policy) -> Settings {
    let mut settings = settings(backends);
    settings.pools[0].retry = policy;
    settings
}

#[test]
fn a_status_is_tried_elsewhere_while_that_is_safe() {
    let (busy, good) = (says("HTTP/1.1 503 Busy"), Backend::named("ok"));
    let nexus = start(with(&[busy.address, good.address], after_503()));
    let mut client = Client::connect(&nexus);
    for _ in 0..10 {
        assert_eq!(client.get("/"), "ok");
    }
    assert_eq!((busy.count(), good.count()), (5, 10));
    let statuses = [(); 4].map(|()| status(&client.ask(&lines(POST)).0));
    assert_eq!(statuses.iter().filter(|status| **status == 503).count(), 2, "{statuses:?}");
    assert_eq!(busy.count() + good.count(), 19, "no POST has run twice");
    assert!(backend(&nexus, 0).is_up(), "busy is not dead");
}

#[test]
fn when_nobody_has_a_better_answer_the_backends_own_passes() {
    let busy = [(); 2].map(|()| says("HTTP/1.1 503 Busy|X-Why: too much"));
    let nexus = start(with(&busy.each_ref().map(|one| one.address), after_503()));
    let (head, _) = Client::connect(&nexus).ask(&lines(GET));
    assert_eq!((status(&head), field(&head, "X-Why")), (503, Some("too much")));
    assert_eq!(busy.each_ref().map(Backend::count), [1, 1]);
}

#[test]
fn an_answer_that_says_later_passes_at_once() {
    for (after, expected) in [("120", 503), ("Wed, 21 Oct 2026 07:28:00 GMT", 503), ("0", 200)] {
        let busy = says(&format!("HTTP/1.1 503 Busy|Retry-After: {after}"));
        let good = Backend::named("ok");
        let mut settings = with(&[busy.address, good.address], after_503());
        settings.pools[0].algorithm = nexus::picker::Algorithm::First;
        let nexus = start(settings);
        let (head, _) = Client::connect(&nexus).ask(&lines(GET));
        assert_eq!(status(&head), expected, "Retry-After: {after}");
    }
}

#[test]
fn a_post_runs_twice_only_if_its_key_or_the_policy_says_so() {
    let key = "POST / HTTP/1.1|Host: a|Idempotency-Key: 8e03|Content-Length: 3||abc";
    let methods = Some(Methods::named(&["POST".to_owned()]));
    let (heeds, posts) =
        (Policy { heeds_key: true, ..after_503() }, Policy { methods, ..after_503() });
    let cases = [
        (after_503(), key, 503),
        (heeds, key, 200),
        (heeds, POST, 503),
        (posts, POST, 200),
        (posts, GET, 503),
    ];
    for (policy, request, expected) in cases {
        let (busy, good) = (says("HTTP/1.1 503 Busy"), Backend::named("ok"));
        let mut settings = with(&[busy.address, good.address], policy);
        settings.pools[0].algorithm = nexus::picker::Algorithm::First;
        let nexus = start(settings);
        let (head, _) = Client::connect(&nexus).ask(&lines(request));
        assert_eq!(status(&head), expected, "{request} {policy:?}");
        if expected == 200 && request != GET {
            assert_eq!(good.seen()[0].body, b"abc", "with all of its body");
        }
    }
}

#[test]
fn an_answer_that_is_no_http_is_tried_elsewhere_when_asked_for() {
    let (bad, good) = (says("HTTP/1.1 200 OK|Content-Length: x"), Backend::named("ok"));
    let mut settings = with(&[bad.address, good.address], Policy::default());
    settings.pools[0].algorithm = nexus::picker::Algorithm::First;
    let nexus = start(settings.clone());
    let (head, _) = Client::connect(&nexus).ask(&lines(GET));
    assert_eq!((status(&head), field(&head, "X-Nexus-Error")), (502, Some("bad_response")));
    settings.pools[0].retry.on = Causes { bad_response: true, ..Causes::default() };
    assert_eq!(Client::connect(&start(settings)).get("/"), "ok");
}

#[test]
fn an_attempt_that_is_not_the_last_has_less_time() {
    let good = Backend::named("ok");
    let per_try = Some(Duration::from_millis(200));
    let policy = Policy { per_try, ..Policy::default() };
    let nexus = start(with(&[hangs(), good.address], policy));
    let mut client = Client::connect(&nexus);
    assert_eq!([client.get("/"), client.get("/")], ["ok", "ok"]);

    let mut last = with(&[hangs(), hangs()], policy);
    last.pools[0].timeouts.response = Duration::from_millis(600);
    let get = lines("GET / HTTP/1.1|Host: a|Accept: application/json||");
    let (head, body) = Client::connect(&start(last)).ask(&get);
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status(&head), field(&head, "X-Nexus-Error")), (504, Some("response_timeout")));
    assert_eq!(body["attempts"], 2);
}

#[test]
fn all_attempts_end_together() {
    let policy = Policy { per_try: Some(Duration::from_millis(300)), ..Policy::default() };
    let mut settings = with(&[hangs(), hangs(), hangs()], policy);
    settings.pools[0].timeouts.total = Some(Duration::from_millis(500));
    let nexus = start(settings);
    let (head, _) = Client::connect(&nexus).ask(&lines(GET));
    assert_eq!((status(&head), field(&head, "X-Nexus-Error")), (504, Some("total_timeout")));
    assert!(nexus.snapshot().backends().all(|backend| backend.is_up()), "slow is not dead");
}

#[test]
fn a_pool_that_fails_gets_a_fifth_more_at_most() {
    const REQUESTS: usize = 2000;
    let busy = [(); 3].map(|()| says("HTTP/1.1 503 Busy"));
    let nexus = start(with(&busy.each_ref().map(|one| one.address), after_503()));
    let mut client = Client::connect(&nexus);
    for _ in 0..REQUESTS {
        assert_eq!(status(&client.ask(&lines(GET)).0), 503);
    }
    let seen: usize = busy.each_ref().map(Backend::count).iter().sum();
    assert!(seen > REQUESTS, "it does retry");
    assert!(seen <= REQUESTS * 6 / 5, "{seen} of {REQUESTS}");
}

#[test]
fn without_a_budget_nothing_that_was_sent_is_retried() {
    let (busy, good) = (says("HTTP/1.1 503 Busy"), Backend::named("ok"));
    let nexus = start(with(&[busy.address, good.address], Policy { budget: 0, ..after_503() }));
    let mut client = Client::connect(&nexus);
    let statuses = [(); 4].map(|()| status(&client.ask(&lines(GET)).0));
    assert_eq!(statuses.iter().filter(|status| **status == 503).count(), 2, "{statuses:?}");
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nexus = start(with(&[dead, good.address], Policy { budget: 0, ..Policy::default() }));
    let mut client = Client::connect(&nexus);
    assert_eq!([client.get("/"), client.get("/")], ["ok", "ok"], "nothing was sent: no budget");
}

#[test]
fn the_wait_for_a_place_ends_with_all_attempts() {
    let mut settings = settings(&[hangs()]);
    settings.pools[0].backends[0].requests_max = Some(1);
    let queue = nexus::pool::queue::QueueRules { timeout: Duration::from_secs(10), waiting_max: 9 };
    settings.pools[0].queue = Some(queue);
    settings.pools[0].timeouts.total = Some(Duration::from_millis(300));
    let nexus = start(settings);
    let mut first = Client::connect(&nexus);
    first.send(&lines(GET));
    until("it has its place", || backend(&nexus, 0).in_flight() == 1);
    // Whichever it waits for when its time is over: a place, or an answer at the one that came free.
    let (head, _) = Client::connect(&nexus).ask(&lines(GET));
    assert_eq!((status(&head), field(&head, "X-Nexus-Error")), (504, Some("total_timeout")));
    let (head, _) = first.answer();
    assert_eq!((status(&head), field(&head, "X-Nexus-Error")), (504, Some("total_timeout")));
}

#[test]
fn a_body_is_kept_and_sent_again_as_far_as_the_policy_says() {
    // Whoever closes after all has come has not answered; a PUT may run twice.
    let (closes, good) = (Backend::answering(b"", || Next::Close), Backend::named("ok"));
    let body = vec![b'x'; 200 << 10];
    let head = format!("PUT / HTTP/1.1|Host: a|Content-Length: {}||", body.len());
    let chunked = [&b"32000\r\n"[..], &body, b"\r\n0\r\n\r\n"].concat();
    let messages = [
        [lines(&head), body.clone()].concat(),
        [lines("PUT / HTTP/1.1|Host: a|Transfer-Encoding: chunked||"), chunked].concat(),
    ];
    for (kept_bytes_max, expected) in [(64 << 10, 502), (256 << 10, 200), (0, 502)] {
        for message in &messages {
            let policy = Policy { kept_bytes_max, ..Policy::default() };
            let mut settings = with(&[closes.address, good.address], policy);
            settings.pools[0].algorithm = nexus::picker::Algorithm::First;
            let (written, log) = std::sync::mpsc::channel();
            settings.access_log = Some(nexus::log::LogFormat::Text.into());
            let nexus = nexus::app::Nexus::start(settings, crate::world::Sink(written)).unwrap();
            let (head, _) = Client::connect(&nexus).ask(message);
            assert_eq!(status(&head), expected, "{kept_bytes_max} bytes are kept");
            let mut said = String::new();
            until("the line is there", || {
                said.extend(log.try_iter());
                said.contains('\n')
            });
            assert_eq!(said.contains("not_retried=body_not_kept"), expected == 502, "{said}");
        }
    }
    let whole = |seen: &crate::world::Seen| {
        seen.body.iter().filter(|byte| **byte == b'x').count() == 200 << 10
    };
    assert_eq!(good.seen().iter().filter(|seen| whole(seen)).count(), 2);
}

#[test]
fn a_retry_that_nobody_is_left_for_costs_nothing_and_is_told() {
    let bad = [(); 2].map(|()| Backend::answering(b"", || Next::Close));
    let mut settings = with(&bad.each_ref().map(|one| one.address), Policy::default());
    settings.pools[0].probing.request_errors = 0;
    let (written, log) = std::sync::mpsc::channel();
    settings.access_log = Some(nexus::log::LogFormat::Text.into());
    let nexus = nexus::app::Nexus::start(settings, crate::world::Sink(written)).unwrap();
    // Ten retries are always allowed: one for each of these, and none for a third attempt.
    for _ in 0..10 {
        assert_eq!(status(&Client::connect(&nexus).ask(&lines(GET)).0), 502);
    }
    assert_eq!(bad.each_ref().map(Backend::count).iter().sum::<usize>(), 20);
    drop(nexus);
    let log: String = log.iter().collect();
    assert_eq!(log.matches("not_retried=nobody_else").count(), 10, "{log}");
}
