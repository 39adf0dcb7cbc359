//! Stories of pools that have too few backends left: those that close, and those that panic.

use std::net::SocketAddr;
use std::time::Duration;

use nexus::health::Observation;
use nexus::pool::shortage::{Mode, Shortage};
use nexus::reason::Reason;
use nexus::settings::Settings;

use crate::world::{Backend, Client, backend, field, lines, settings, start, status, until};

const GET: &str = "GET / HTTP/1.1|Host: a||";

fn short(backends: &[&Backend], below: u32, panics: bool) -> Settings {
    let addresses: Vec<SocketAddr> = backends.iter().map(|one| one.address).collect();
    let mut settings = settings(&addresses);
    settings.pools[0].shortage = Shortage { below, panics };
    settings
}

/// Makes a health check fail that has nothing to do with requests.
fn fail(nexus: &nexus::app::Nexus, at: usize) {
    until("the first probe has come back", || backend(nexus, at).is_probed());
    let reason = Reason::UnexpectedStatus;
    backend(nexus, at).observe(Observation::ProbeFailed { reason, fall: 1 });
}

#[test]
fn a_pool_in_panic_uses_all_and_says_so() {
    let backends = ["a", "b"].map(Backend::named);
    let nexus = start(short(&backends.each_ref(), 0, true));
    let mut client = Client::connect(&nexus);
    let (head, _) = client.ask(&lines(GET));
    assert_eq!(field(&head, "X-Nexus-Mode"), None);
    (0..2).for_each(|at| fail(&nexus, at));
    until("it panics", || nexus.snapshot().pools[0].mode() == Mode::Panic);
    let mut bodies: Vec<_> = (0..4)
        .map(|_| {
            let (head, body) = client.ask(&lines(GET));
            assert_eq!((status(&head), field(&head, "X-Nexus-Mode")), (200, Some("panic")));
            String::from_utf8(body).unwrap()
        })
        .collect();
    bodies.sort();
    assert_eq!(bodies, ["a", "a", "b", "b"]);
    let counted = nexus.snapshot().pools[0].panicked.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(counted, 4);

    let probed = backend(&nexus, 0).health().failures;
    backend(&nexus, 0).observe(Observation::ProbeOk { failures: probed, rise: 1 });
    until("it is over", || nexus.snapshot().pools[0].mode() == Mode::Usual);
    let (head, body) = client.ask(&lines(GET));
    assert_eq!((field(&head, "X-Nexus-Mode"), &body[..]), (None, &b"a"[..]));
}

#[test]
fn in_panic_a_request_still_finds_the_backend_that_lives() {
    let backends = ["a", "b", "c"].map(Backend::named);
    let nexus = start(short(&backends.each_ref(), 100, true));
    let mut client = Client::connect(&nexus);
    (0..3).for_each(|at| until("probed", || backend(&nexus, at).is_probed()));
    backends[0].stop();
    backends[1].stop();
    for _ in 0..20 {
        assert_eq!(client.get("/"), "c");
    }
}

#[test]
fn without_panic_nobody_is_asked_once_all_are_down() {
    let backends = ["a", "b"].map(Backend::named);
    let nexus = start(short(&backends.each_ref(), 0, false));
    let mut client = Client::connect(&nexus);
    (0..2).for_each(|at| fail(&nexus, at));
    let (head, _) = client.ask(&lines(GET));
    assert_eq!((status(&head), field(&head, "X-Nexus-Error")), (503, Some("no_backend_available")));
    assert_eq!(backends.each_ref().map(Backend::count), [0, 0]);
}

#[test]
fn a_pool_that_closes_answers_at_once_while_too_few_are_left() {
    let backends = ["a", "b", "c", "d"].map(Backend::named);
    let mut settings = short(&backends.each_ref(), 50, false);
    settings.pools[0].queue =
        Some(nexus::pool::queue::QueueRules { timeout: Duration::from_secs(60), waiting_max: 10 });
    let nexus = start(settings);
    let mut client = Client::connect(&nexus);
    (0..2).for_each(|at| fail(&nexus, at));
    assert_eq!(client.get("/").len(), 1, "half are enough");
    fail(&nexus, 2);
    until("it closes", || nexus.snapshot().pools[0].mode() == Mode::Closed);
    let before = backends.each_ref().map(Backend::count);
    let (head, _) = client.ask(&lines(GET));
    assert_eq!((status(&head), field(&head, "X-Nexus-Error")), (503, Some("too_few_backends")));
    assert_eq!(backends.each_ref().map(Backend::count), before);

    let failures = backend(&nexus, 0).health().failures;
    backend(&nexus, 0).observe(Observation::ProbeOk { failures, rise: 1 });
    until("it opens", || nexus.snapshot().pools[0].mode() == Mode::Usual);
    assert_eq!(client.get("/").len(), 1);
}

#[test]
fn a_reload_with_another_rule_counts_at_once() {
    let backends = ["a", "b"].map(Backend::named);
    let nexus = start(short(&backends.each_ref(), 0, false));
    let mut client = Client::connect(&nexus);
    (0..2).for_each(|at| fail(&nexus, at));
    until("nobody is left", || status(&client.ask(&lines(GET)).0) == 503);
    nexus.reload(short(&backends.each_ref(), 0, true)).unwrap();
    assert_eq!(client.get("/").len(), 1);
    nexus.reload(short(&backends.each_ref(), 0, false)).unwrap();
    assert_eq!(status(&client.ask(&lines(GET)).0), 503);
}
