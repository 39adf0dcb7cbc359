//! Stories of backends that answer, but badly: who is ejected, and how it comes back.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering::SeqCst};
use std::time::Duration;

use nexus::app::Nexus;
use nexus::ejection::{Cause, Rules, Standing};
use nexus::settings::Settings;

use crate::world::{
    Backend, Client, Next, backend, lines, moody, settings, slow, start, status, until,
};

/// Strict, and soon forgiving.
const RULES: Rules = Rules {
    consecutive_5xx: 3,
    requests_min: 10,
    time: Duration::from_millis(200),
    time_max: Duration::from_secs(5),
    half_open: 3,
    ..Rules::NEVER
};

fn ejecting(backends: &[&Backend], rules: Rules) -> Settings {
    let mut settings = settings(&backends.iter().map(|one| one.address).collect::<Vec<_>>());
    settings.pools[0].ejection = Some(rules);
    settings
}

fn get(client: &mut Client) -> u16 {
    status(&client.ask(&lines("GET / HTTP/1.1|Host: a||")).0)
}

fn standing(nexus: &Nexus, at: usize) -> Standing {
    backend(nexus, at).conduct.ejection().standing
}

#[test]
fn who_answers_badly_is_ejected_and_comes_back_by_good_answers() {
    let ((bad, mood), (good, _)) = (moody(500), moody(200));
    let nexus = start(ejecting(&[&bad, &good], RULES));
    let mut client = Client::connect(&nexus);
    let mut seen = Vec::new();
    until("it is ejected", || {
        seen.push(get(&mut client));
        standing(&nexus, 0) != Standing::In
    });
    assert!(seen.iter().filter(|status| **status == 500).count() >= 3, "{seen:?}");
    assert!(backend(&nexus, 0).is_up(), "its probe is content all the time");

    // As long as it is bad it is tried out with one request at a time, and is out for longer.
    until("it has failed its trial twice", || {
        get(&mut client);
        backend(&nexus, 0).conduct.ejection().times >= 3
    });
    let before = bad.count();
    mood.store(200, SeqCst);
    until("it is in again", || {
        get(&mut client);
        standing(&nexus, 0) == Standing::In
    });
    assert!(bad.count() >= before + 3, "three good answers, no fewer");
    until("it gets its share again", || {
        let (was, all) = (bad.count(), bad.count() + good.count());
        (0..20).for_each(|_| assert_eq!(get(&mut client), 200));
        bad.count() - was == 10 && bad.count() + good.count() == all + 20
    });
}

#[test]
fn what_the_client_did_wrong_counts_against_nobody() {
    let (backends, _): (Vec<_>, Vec<_>) = [404, 429].map(moody).into_iter().unzip();
    let nexus = start(ejecting(&[&backends[0], &backends[1]], RULES));
    let mut client = Client::connect(&nexus);
    (0..40).for_each(|_| assert!(get(&mut client) < 500));
    assert_eq!([standing(&nexus, 0), standing(&nexus, 1)], [Standing::In; 2]);
    assert_eq!([backends[0].count(), backends[1].count()], [20, 20]);
}

#[test]
fn no_more_are_ejected_than_may_be_and_never_all() {
    for (percent_max, most) in [(50, 2), (100, 3), (0, 1)] {
        let backends: Vec<_> = (0..4).map(|_| moody(503).0).collect();
        let time = Duration::from_secs(60);
        let rules = Rules { percent_max, time, time_max: time, ..RULES };
        let nexus = start(ejecting(&backends.iter().collect::<Vec<_>>(), rules));
        let mut client = Client::connect(&nexus);
        let out = || (0..4).filter(|at| standing(&nexus, *at) != Standing::In).count();
        until("as many are out as may be", || {
            assert_eq!(get(&mut client), 503);
            assert!(out() <= most, "{} of {most}", out());
            out() == most
        });
        for _ in 0..100 {
            get(&mut client);
            assert_eq!(out(), most);
        }
    }
}

#[test]
fn who_is_left_alone_is_let_in_again() {
    let close = lines("HTTP/1.1 200 OK|Content-Length: 0|Connection: close||");
    let ((bad, _), good) = (moody(500), Backend::answering(&close, || Next::Close));
    let time = Duration::from_secs(60);
    let nexus = start(ejecting(&[&bad, &good], Rules { time, time_max: time, ..RULES }));
    let mut client = Client::connect(&nexus);
    until("it is ejected", || {
        get(&mut client);
        standing(&nexus, 0) != Standing::In
    });
    good.stop();
    until("the bad one answers: better than nobody", || {
        get(&mut client) == 500 && standing(&nexus, 0) == Standing::In
    });
}

#[test]
fn a_share_of_bad_answers_ejects_once_there_are_enough() {
    let ((bad, mood), (good, _)) = (moody(200), moody(200));
    let rules = Rules { consecutive_5xx: 0, failure_percent: 40, ..RULES };
    let nexus = start(ejecting(&[&bad, &good], rules));
    let mut client = Client::connect(&nexus);
    let mut asked = 0;
    until("it is ejected", || {
        asked += 1;
        mood.store(if asked / 2 % 2 == 0 { 500 } else { 200 }, SeqCst);
        get(&mut client);
        standing(&nexus, 0) != Standing::In
    });
    assert!(bad.count() >= 10, "{}", bad.count());
}

#[test]
fn a_pool_that_ejects_no_more_lets_everybody_in() {
    let ((bad, _), (good, _)) = (moody(500), moody(200));
    let time = Duration::from_secs(60);
    let settings = ejecting(&[&bad, &good], Rules { time, time_max: time, ..RULES });
    let nexus = start(settings.clone());
    let mut client = Client::connect(&nexus);
    until("it is ejected", || {
        get(&mut client);
        standing(&nexus, 0) != Standing::In
    });
    let mut without = settings;
    without.pools[0].ejection = None;
    nexus.reload(without).unwrap();
    until("it is asked again", || get(&mut client) == 500);
}

#[test]
fn the_one_that_fails_more_than_the_others_is_ejected_however_seldom_in_a_row() {
    let ((bad, mood), (good, _), (better, _)) = (moody(200), moody(200), moody(200));
    let rules = Rules { consecutive_5xx: 0, deviation: 300, ..RULES };
    let nexus = start(ejecting(&[&bad, &good, &better], rules));
    let mut client = Client::connect(&nexus);
    let mut asked = 0;
    until("it is ejected", || {
        asked += 1;
        mood.store(if asked / 3 % 2 == 0 { 500 } else { 200 }, SeqCst);
        get(&mut client);
        standing(&nexus, 0) != Standing::In
    });
    assert!(matches!(standing(&nexus, 0), Standing::Out(Cause::Deviation, _)));
    assert_eq!([standing(&nexus, 1), standing(&nexus, 2)], [Standing::In; 2]);
}

#[test]
fn the_one_that_is_slower_than_the_others_is_ejected_until_it_is_as_fast() {
    let (late, time) = slow(40);
    let ((good, _), (better, _)) = (moody(200), moody(200));
    let rules = Rules { consecutive_5xx: 0, latency: 300, half_open: 2, ..RULES };
    let nexus = start(ejecting(&[&late, &good, &better], rules));
    let mut client = Client::connect(&nexus);
    until("it is ejected", || {
        assert_eq!(get(&mut client), 200);
        standing(&nexus, 0) != Standing::In
    });
    assert!(matches!(standing(&nexus, 0), Standing::Out(Cause::Latency, _)));
    until("it was tried out, and is still slow", || {
        get(&mut client);
        matches!(standing(&nexus, 0), Standing::Out(Cause::StillSlow, _))
    });
    time.store(0, SeqCst);
    until("it is in again", || {
        get(&mut client);
        standing(&nexus, 0) == Standing::In
    });
}

#[test]
fn a_tunnel_from_before_does_not_keep_an_ejected_backend_from_being_tried_out() {
    let mood = Arc::new(AtomicU16::new(500));
    let current = Arc::clone(&mood);
    let bad = Backend::new(move |stream, seen| {
        if seen.head.contains("Upgrade: x") {
            let answer = "HTTP/1.1 101 Switching Protocols|Connection: Upgrade|Upgrade: x||";
            stream.write_all(&lines(answer)).unwrap();
            let _ = std::io::Read::read(stream, &mut [0; 1]);
            return Next::Close;
        }
        let answer = format!("HTTP/1.1 {} It\r\nContent-Length: 0\r\n\r\n", current.load(SeqCst));
        let _ = stream.write_all(answer.as_bytes());
        Next::Continue
    });
    let (good, _) = moody(200);
    let nexus = start(ejecting(&[&bad, &good], RULES));
    let mut tunnels: Vec<_> = (0..2).map(|_| Client::connect(&nexus)).collect();
    for tunnel in &mut tunnels {
        tunnel.send(&lines("GET / HTTP/1.1|Host: a|Connection: Upgrade|Upgrade: x||"));
        tunnel.reader.head().unwrap();
    }
    until("one of the two is at the bad one", || backend(&nexus, 0).in_flight() == 1);
    let mut client = Client::connect(&nexus);
    until("it is ejected", || {
        get(&mut client);
        standing(&nexus, 0) != Standing::In
    });
    mood.store(200, SeqCst);
    until("it is in again, with the tunnel", || {
        get(&mut client);
        standing(&nexus, 0) == Standing::In
    });
    assert_eq!(backend(&nexus, 0).tunnels.load(SeqCst), 1);
}

#[test]
fn a_backend_that_hangs_until_all_is_too_late_is_ejected() {
    let (hangs, _asked) = Backend::waiting();
    let (good, _) = moody(200);
    let mut settings = ejecting(&[&hangs, &good], RULES);
    settings.pools[0].timeouts.total = Some(Duration::from_millis(150));
    let nexus = start(settings);
    let mut client = Client::connect(&nexus);
    until("it is ejected", || {
        get(&mut client);
        standing(&nexus, 0) != Standing::In
    });
    assert!(hangs.count() >= 3);
}

#[test]
fn load_shedding_does_not_keep_an_ejection_from_ending() {
    let ((bad, mood), (good, _)) = (moody(500), moody(200));
    let mut settings = ejecting(&[&bad, &good], RULES);
    let rules = nexus::pool::gradient::Rules { min: 10, max: 1000, tolerance: 150 };
    settings.pools[0].shedding =
        Some(nexus::pool::admission::Shedding { rules, priority_header: None });
    let nexus = start(settings);
    let mut client = Client::connect(&nexus);
    for (next, standing_next) in [(500, false), (200, true), (500, false), (200, true)] {
        mood.store(next, SeqCst);
        until("its standing follows its answers", || {
            get(&mut client);
            (standing(&nexus, 0) == Standing::In) == standing_next
        });
    }
}
