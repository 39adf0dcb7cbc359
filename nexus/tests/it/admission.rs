//! Stories of pools that let in only so many: limits, a circuit breaker, load shedding.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use nexus::app::Nexus;
use nexus::ejection::{Rules, Standing};
use nexus::pool::admission::{Breaker, Shedding};
use nexus::pool::gradient;
use nexus::retry::Statuses;
use nexus::settings::Settings;

use crate::world::{
    Backend, Client, field, held, lines, moody, settings, slow, start, status, until,
};

const GET: &str = "GET / HTTP/1.1|Host: a||";

fn breaking(backends: &[&Backend], breaker: Breaker) -> Settings {
    let mut settings = settings(&backends.iter().map(|one| one.address).collect::<Vec<_>>());
    settings.pools[0].breaker = Some(breaker);
    settings
}

/// Opens at half of ten, soon tried out.
fn rules() -> Rules {
    Rules {
        failure_percent: 50,
        requests_min: 10,
        window: Duration::from_secs(60),
        time: Duration::from_millis(300),
        time_max: Duration::from_secs(5),
        half_open: 3,
        ..Rules::NEVER
    }
}

/// A breaker that opens by these rules.
fn by(rules: Rules) -> Breaker {
    Breaker { requests_max: None, retries_max: None, rules }
}

/// A breaker that only limits.
fn never() -> Breaker {
    by(Rules { failure_percent: 0, ..rules() })
}

fn standing(nexus: &Nexus) -> Standing {
    nexus.snapshot().pools[0].admission.standing()
}

#[test]
fn a_circuit_opens_at_its_share_of_failures_and_closes_by_good_answers() {
    let (backend, mood) = moody(503);
    let nexus = start(breaking(&[&backend], by(rules())));
    let mut client = Client::connect(&nexus);
    until("it opens", || {
        client.ask(&lines(GET));
        matches!(standing(&nexus), Standing::Out(..))
    });
    assert!(backend.count() >= 10, "not before there were enough: {}", backend.count());
    let before = backend.count();
    let (head, _) = client.ask(&lines(GET));
    assert_eq!((status(&head), field(&head, "X-Nexus-Error")), (503, Some("circuit_open")));
    assert_eq!(field(&head, "Retry-After"), Some("1"));
    assert_eq!(backend.count(), before, "nobody is asked");

    until("it was tried out, and opened again", || {
        client.ask(&lines(GET));
        backend.count() > before && matches!(standing(&nexus), Standing::Out(..))
    });
    let before = backend.count();
    mood.store(200, SeqCst);
    until("it closes", || {
        client.ask(&lines(GET));
        standing(&nexus) == Standing::In
    });
    assert!(backend.count() >= before + 3, "three good answers, no fewer");
    (0..20).for_each(|_| assert_eq!(status(&client.ask(&lines(GET)).0), 200));
}

#[test]
fn while_it_is_half_open_one_request_is_let_in_at_a_time() {
    let (backend, asked, word) = held("ok");
    let rules = Rules { time: Duration::from_millis(100), ..rules() };
    let mut settings = breaking(&[&backend], by(rules));
    settings.pools[0].timeouts.response = Duration::from_millis(100);
    let nexus = start(settings);
    let mut client = Client::connect(&nexus);
    for _ in 0..10 {
        assert_eq!(status(&client.ask(&lines("GET /slow HTTP/1.1|Host: a||")).0), 504);
        asked.recv().unwrap();
        word.send(()).unwrap();
    }
    until("it is half open", || matches!(standing(&nexus), Standing::HalfOpen(_)));
    let mut first = Client::connect(&nexus);
    first.send(&lines("GET /slow HTTP/1.1|Host: a||"));
    asked.recv().unwrap();
    let (head, _) = client.ask(&lines(GET));
    assert_eq!(field(&head, "X-Nexus-Error"), Some("circuit_open"));
}

#[test]
fn a_pool_takes_as_many_requests_as_it_says() {
    let (backend, asked, word) = held("ok");
    let nexus = start(breaking(&[&backend], Breaker { requests_max: Some(2), ..never() }));
    let mut clients: Vec<_> = (0..2).map(|_| Client::connect(&nexus)).collect();
    for client in &mut clients {
        client.send(&lines("GET /slow HTTP/1.1|Host: a||"));
        asked.recv().unwrap();
    }
    let mut third = Client::connect(&nexus);
    let (head, _) = third.ask(&lines(GET));
    assert_eq!((status(&head), field(&head, "X-Nexus-Error")), (503, Some("pool_full")));
    word.send(()).unwrap();
    until("one has its answer and gives its place back", || {
        status(&third.ask(&lines(GET)).0) == 200
    });
    word.send(()).unwrap();
    for client in &mut clients {
        assert_eq!(status(&client.answer().0), 200);
    }
    until("all places are back", || nexus.snapshot().pools[0].admission.under_way() == 0);
}

#[test]
fn no_more_requests_are_tried_again_at_once_than_may_be() {
    let ((bad, _), (good, asked, word)) = (moody(503), held("ok"));
    let breaker = Breaker { retries_max: Some(1), ..never() };
    let mut settings = breaking(&[&bad, &good], breaker);
    settings.pools[0].algorithm = nexus::picker::Algorithm::First;
    settings.pools[0].retry.statuses = Statuses::of(&[503..=503]);
    let nexus = start(settings);
    let (mut first, mut second) = (Client::connect(&nexus), Client::connect(&nexus));
    first.send(&lines("GET /slow HTTP/1.1|Host: a||"));
    asked.recv().unwrap();
    assert_eq!(status(&second.ask(&lines(GET)).0), 503, "one is tried again already");
    word.send(()).unwrap();
    assert_eq!(status(&first.answer().0), 200);
    until("there is room for another", || status(&second.ask(&lines(GET)).0) == 200);
}

#[test]
fn when_answers_become_slow_fewer_are_let_in_those_that_matter_least_first() {
    let (backend, time) = slow(1);
    let mut settings = settings(&[backend.address]);
    let rules = gradient::Rules { min: 10, max: 1000, tolerance: 150 };
    let priority_header = Some("X-Priority".to_owned());
    settings.pools[0].shedding = Some(Shedding { rules, priority_header });
    let nexus = start(settings);
    let limit = || nexus.snapshot().pools[0].admission.limit();
    let mut client = Client::connect(&nexus);
    // A step comes every 100 ms, and each of these takes one: what is usual is known then.
    (0..400).for_each(|_| drop(client.ask(&lines(GET))));
    time.store(100, SeqCst);
    until("the limit is at its least", || {
        client.ask(&lines(GET));
        limit() == 10
    });
    // Of ten places low may have seven, normal nine, high all.
    time.store(3_600_000, SeqCst);
    let mut busy: Vec<Client> = Vec::new();
    let mut ask = |priority: &str| {
        let mut client = Client::connect(&nexus);
        client.send(&lines(&format!("GET / HTTP/1.1|Host: a|X-Priority: {priority}||")));
        busy.push(client);
    };
    let under_way = || nexus.snapshot().pools[0].admission.under_way();
    until("nothing is left of what came before", || under_way() == 0);
    for (priority, all) in [("low", 7), ("normal", 9), ("high", 10)] {
        while under_way() < all {
            let before = under_way();
            ask(priority);
            until("it is let in", || under_way() > before);
        }
        let (head, _) = Client::connect(&nexus)
            .ask(&lines(&format!("GET / HTTP/1.1|Host: a|X-Priority: {priority}||")));
        assert_eq!((status(&head), field(&head, "X-Nexus-Error")), (503, Some("overloaded")));
        assert_eq!(field(&head, "Retry-After"), Some("1"));
    }
}

#[test]
fn what_was_counted_is_kept_over_a_reload_and_gone_without_a_breaker() {
    let (backend, _) = moody(503);
    let time = Duration::from_secs(60);
    let rules = Rules { time, time_max: time, ..rules() };
    let settings = breaking(&[&backend], by(rules));
    let nexus = start(settings.clone());
    let mut client = Client::connect(&nexus);
    until("it opens", || {
        client.ask(&lines(GET));
        standing(&nexus) != Standing::In
    });
    let mut other = settings;
    other.pools[0].timeouts.response = Duration::from_secs(7);
    nexus.reload(other.clone()).unwrap();
    let (head, _) = client.ask(&lines(GET));
    assert_eq!(field(&head, "X-Nexus-Error"), Some("circuit_open"));
    other.pools[0].breaker = None;
    nexus.reload(other).unwrap();
    let (head, _) = client.ask(&lines(GET));
    assert_eq!(field(&head, "X-Nexus-Error"), None);
}
