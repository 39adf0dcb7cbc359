use tokio::sync::Notify;

use super::*;
use crate::settings::{BackendSettings, PoolSettings};

/// A pool whose backends take so many requests each.
fn pool(room: &[u32]) -> Pool {
    let backend = |(at, room): (usize, &u32)| BackendSettings {
        requests_max: Some(*room),
        ..format!("http://10.0.0.{}", at + 1).parse::<BackendSettings>().unwrap()
    };
    let backends = room.iter().enumerate().map(backend).collect();
    let rules = QueueRules { timeout: Duration::from_secs(1), waiting_max: 5 };
    let settings = PoolSettings { queue: Some(rules), ..PoolSettings::new("web", backends) };
    Pool::build(settings, None, &Arc::new(Notify::new()), 0)
}

fn join<'p>(pool: &'p Pool, only: Option<u16>, tried: &[u16]) -> Option<Waiting<'p>> {
    let tried = tried.iter().copied().map(Place).collect();
    let wish = Wish { places: pool.places(), only: only.map(Place), tried };
    Waiting::join(pool, wish, 5)
}

/// What a request that waits has heard by now: `+` and a place, `-` to leave, `.` nothing.
fn heard(waiting: &Waiting<'_>) -> String {
    match waiting.heard() {
        Some(Word::Come(backend)) => format!("+{}", waiting.pool.place(&backend).unwrap().0),
        Some(Word::Leave) => "-".to_owned(),
        None => ".".to_owned(),
    }
}

fn heard_by(all: &[&Waiting<'_>]) -> String {
    all.iter().map(|waiting| heard(waiting)).collect::<Vec<_>>().join(" ")
}

#[test]
fn places_are_handed_over_in_the_order_of_the_line() {
    let pool = pool(&[1, 1]);
    assert!(pool.take(Place(0)) && pool.take(Place(1)));
    let (a, b, c) = (join(&pool, None, &[]), join(&pool, None, &[]), join(&pool, None, &[]));
    let (a, b, c) = (a.unwrap(), b.unwrap(), c.unwrap());
    assert_eq!(heard_by(&[&a, &b, &c]), ". . .");
    pool.give_back(Place(1));
    assert!(!pool.take(Place(1)), "nobody overtakes");
    pool.give_back(Place(0));
    assert_eq!(heard_by(&[&a, &b, &c]), "+1 +0 .");
    pool.give_back(Place(0));
    assert_eq!(heard(&c), "+0");
    pool.give_back(Place(0));
    pool.give_back(Place(1));
    assert_eq!((pool.queue.waiting(), pool.backends()[0].in_flight()), (0, 0));
}

#[test]
fn a_place_that_does_not_suit_the_first_goes_to_the_next() {
    let pool = pool(&[1, 1]);
    assert!(pool.take(Place(0)) && pool.take(Place(1)));
    let tried_it = join(&pool, None, &[0]).unwrap();
    let wants_other = join(&pool, Some(1), &[]).unwrap();
    let last = join(&pool, None, &[]).unwrap();
    pool.give_back(Place(0));
    assert_eq!(heard_by(&[&tried_it, &wants_other, &last]), ". . +0");
    pool.give_back(Place(1));
    assert_eq!(heard_by(&[&tried_it, &wants_other]), "+1 .");
}

#[test]
fn whoever_leaves_keeps_nobody_waiting() {
    let pool = pool(&[1]);
    assert!(pool.take(Place(0)));
    let (a, b, c) = (join(&pool, None, &[]), join(&pool, None, &[]), join(&pool, None, &[]));
    drop(a);
    assert_eq!(pool.queue.waiting(), 2);
    pool.give_back(Place(0));
    // It leaves with a place that it has not fetched: the next has it.
    drop(b);
    assert_eq!(heard(&c.unwrap()), "+0");
    pool.give_back(Place(0));
    assert_eq!((pool.queue.waiting(), pool.backends()[0].in_flight()), (0, 0));
}

#[test]
fn the_line_has_an_end_and_a_place_that_is_free_is_had_at_once() {
    let pool = pool(&[1]);
    let at_once = join(&pool, None, &[]).unwrap();
    assert_eq!(heard(&at_once), "+0");
    let line: Vec<_> = (0..5).map(|_| join(&pool, None, &[]).unwrap()).collect();
    assert!(join(&pool, None, &[]).is_none(), "five wait");
    drop(line);
    assert!(join(&pool, None, &[]).is_some());
}

#[test]
fn a_backend_that_drains_takes_only_whom_no_other_suits() {
    let pool = pool(&[1]);
    assert!(pool.take(Place(0)));
    let any = join(&pool, None, &[]).unwrap();
    let bound = join(&pool, Some(0), &[]).unwrap();
    pool.backends()[0].orders.drain(u32::MAX);
    pool.lay_out();
    assert_eq!(heard_by(&[&any, &bound]), "- .", "nobody takes whoever is new");
    pool.give_back(Place(0));
    assert_eq!(heard(&bound), "+0");
}

#[test]
fn those_who_wait_are_served_when_a_backend_returns_or_a_reload_makes_room() {
    let old = pool(&[1, 1]);
    assert!(old.take(Place(0)));
    old.backends()[1]
        .observe(crate::health::Observation::RequestFailed(crate::reason::Reason::ConnectRefused));
    let (a, b) = (join(&old, None, &[]).unwrap(), join(&old, None, &[]).unwrap());
    old.backends()[1].observe(crate::health::Observation::ProbeOk { failures: 1, rise: 1 });
    old.lay_out();
    assert_eq!(heard_by(&[&a, &b]), "+1 .");
    let mut settings = old.settings.clone();
    settings.backends.reverse();
    settings.backends[1].requests_max = Some(2);
    let new = Pool::build(settings, Some(&old), &Arc::new(Notify::new()), 0);
    assert_eq!(heard(&b), "+0", "by its place in the old one");
    for place in [0, 0] {
        old.give_back(Place(place));
    }
    old.give_back(Place(1));
    assert!(new.backends().iter().all(|backend| backend.in_flight() == 0));
}

#[test]
fn many_at_once_never_lose_a_place_nor_have_one_too_many() {
    const ROUNDS: usize = 2000;
    let pool = pool(&[2, 1]);
    let served = AtomicUsize::new(0);
    let one = || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let take = |at: u16| pool.take(Place(at)).then_some(Place(at));
        for _ in 0..ROUNDS {
            let place = take(0).or_else(|| take(1));
            let waited = || runtime.block_on(join(&pool, None, &[])?.place());
            let Some(place) = place.or_else(waited) else { continue };
            assert!(pool.backend(place).room.may_pass_on());
            served.fetch_add(1, Ordering::Relaxed);
            pool.give_back(place);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(one);
        }
    });
    assert_eq!(served.into_inner(), 6 * ROUNDS, "five may wait, and six are there");
    assert_eq!((pool.queue.waiting(), pool.backends()[0].in_flight()), (0, 0));
}

#[test]
fn a_line_does_not_fall_on_a_backend_that_has_just_returned() {
    let mut old = pool(&[1, 100]);
    let window = Duration::from_secs(3600);
    old.settings.slow_start = Some(crate::pool::Ramp { window, floor: 2, is_late: false });
    assert!(old.take(Place(0)));
    let refused = crate::reason::Reason::ConnectRefused;
    old.backends()[1].observe(crate::health::Observation::RequestFailed(refused));
    old.lay_out();
    let line: Vec<_> = (0..5).map(|_| join(&old, None, &[]).unwrap()).collect();
    old.backends()[1].observe(crate::health::Observation::ProbeOk { failures: 1, rise: 1 });
    old.lay_out();
    let served = line.iter().filter(|waiting| heard(waiting) == "+1").count();
    assert_eq!(served, 2, "2 % of 100");
}
