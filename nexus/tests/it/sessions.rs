//! Stories of sessions that keep their backend.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use nexus::app::Nexus;
use nexus::health::Observation;
use nexus::pool::queue::QueueRules;
use nexus::reason::Reason;
use nexus::session::token::Keys;
use nexus::session::{By, Cookie, Sticky, WhenFull};
use nexus::settings::Settings;

use crate::world::{
    Backend, Client, Next, backend, field, held, lines, settings, start, status, until,
};

const NAMES: [&str; 3] = ["a", "b", "c"];

fn named() -> Vec<Backend> {
    NAMES.into_iter().map(Backend::named).collect()
}

fn by_cookie(secrets: &[&str]) -> By {
    By::Cookie(Box::new(Cookie {
        name: "nexus".to_owned(),
        attributes: "; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax".to_owned(),
        keys: Keys::new(secrets.iter().map(ToString::to_string).collect()),
    }))
}

fn sticky(backends: &[Backend], by: By) -> Settings {
    let addresses: Vec<SocketAddr> = backends.iter().map(|backend| backend.address).collect();
    let mut settings = settings(&addresses);
    let ttl = Duration::from_secs(3600);
    let (when_full, sessions_max) = (WhenFull::Move, 1000);
    settings.pools[0].sticky = Some(Sticky { by, ttl, when_full, sessions_max });
    settings
}

/// A browser: it sends back the cookie that it got.
struct Browser {
    client: Client,
    cookie: Option<String>,
    /// How many cookies were set.
    set: usize,
}

impl Browser {
    fn new(nexus: &Nexus) -> Self {
        Self { client: Client::connect(nexus), cookie: None, set: 0 }
    }

    fn get(&mut self) -> String {
        let cookie = self.cookie.iter().map(|cookie| format!("Cookie: x=1; {cookie}; y=2|"));
        let request = format!("GET / HTTP/1.1|Host: a|{}|", cookie.collect::<String>());
        let (head, body) = self.client.ask(&lines(&request));
        assert_eq!(status(&head), 200, "{head}");
        if let Some(set) = field(&head, "Set-Cookie") {
            self.cookie = set.split(';').next().map(str::to_owned);
            self.set += 1;
        }
        String::from_utf8(body).unwrap()
    }

    /// The same browser, before another Nexus.
    fn at(self, nexus: &Nexus) -> Self {
        Self { client: Client::connect(nexus), ..self }
    }
}

fn fails(nexus: &Nexus, name: &str) {
    let at = NAMES.iter().position(|known| *known == name).unwrap();
    backend(nexus, at).observe(Observation::RequestFailed(Reason::ConnectRefused));
}

#[test]
fn a_session_keeps_its_backend_by_a_cookie_that_tells_nothing() {
    let backends = named();
    let nexus = start(sticky(&backends, by_cookie(&["0123456789abcdef"])));
    let mut homes = HashSet::new();
    for _ in 0..6 {
        let mut browser = Browser::new(&nexus);
        let home = browser.get();
        assert!((0..10).all(|_| browser.get() == home));
        assert_eq!(browser.set, 1, "once");
        let value = browser.cookie.unwrap();
        assert!(value.starts_with("nexus=") && value.len() == 38, "{value}");
        homes.insert(home);
    }
    assert_eq!(homes.len(), 3, "new sessions go by the algorithm");
    let (head, _) = Client::connect(&nexus).ask(&lines("GET / HTTP/1.1|Host: a||"));
    let set = field(&head, "Set-Cookie").unwrap();
    assert!(set.ends_with("; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax"), "{set}");
}

#[test]
fn a_session_whose_backend_is_down_moves_in_the_same_answer_and_stays_there() {
    let backends = named();
    let nexus = start(sticky(&backends, by_cookie(&[])));
    let mut browser = Browser::new(&nexus);
    let home = browser.get();
    fails(&nexus, &home);
    let next = browser.get();
    assert!(next != home && browser.set == 2);
    until("it is back", || NAMES.iter().enumerate().all(|(at, _)| backend(&nexus, at).is_up()));
    assert!((0..10).all(|_| browser.get() == next), "it does not go back");
    assert_eq!(browser.set, 2);
}

#[test]
fn a_session_whose_backend_dies_under_its_request_moves_in_the_same_answer() {
    let dies = Backend::new(|stream, seen| {
        if seen.has_line("Cookie: die") {
            return Next::Close;
        }
        std::io::Write::write_all(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndies")
            .unwrap();
        Next::Continue
    });
    let other = Backend::named("other");
    let nexus = start(sticky(&[dies, other], by_cookie(&[])));
    let mut browser = Browser::new(&nexus);
    while browser.get() != "dies" {
        browser = Browser::new(&nexus);
    }
    let cookie = browser.cookie.clone().unwrap();
    let request = format!("GET / HTTP/1.1|Host: a|Cookie: die|Cookie: {cookie}||");
    let (head, body) = browser.client.ask(&lines(&request));
    assert_eq!((status(&head), &body[..]), (200, &b"other"[..]));
    assert!(field(&head, "Set-Cookie").is_some_and(|set| !set.starts_with(&cookie)));
}

#[test]
fn sessions_survive_a_restart_and_are_known_to_every_nexus_with_the_key() {
    let backends = named();
    let keys = &["0123456789abcdef"];
    let nexus = start(sticky(&backends, by_cookie(keys)));
    let mut browser = Browser::new(&nexus);
    let home = browser.get();
    nexus.drain();
    let nexus = start(sticky(&backends, by_cookie(keys)));
    let mut browser = browser.at(&nexus);
    assert!((0..10).all(|_| browser.get() == home));
    // The key is changed: those of the old one are still known, and get a cookie of the new one.
    let rotated = start(sticky(&backends, by_cookie(&["fedcba9876543210", keys[0]])));
    let mut browser = browser.at(&rotated);
    assert!((0..10).all(|_| browser.get() == home));
    let other = start(sticky(&backends, by_cookie(&["fedcba9876543210"])));
    let set = browser.set;
    let mut browser = browser.at(&other);
    browser.get();
    assert_eq!(browser.set, set + 1, "a key that nobody knows any more");
}

#[test]
fn a_reload_moves_nobody() {
    let backends = named();
    let mut settings = sticky(&backends, by_cookie(&["0123456789abcdef"]));
    let nexus = start(settings.clone());
    let mut browsers: Vec<_> = (0..9).map(|_| Browser::new(&nexus)).collect();
    let before: Vec<_> = browsers.iter_mut().map(Browser::get).collect();
    settings.pools[0].backends.reverse();
    nexus.reload(settings).unwrap();
    let after: Vec<_> = browsers.iter_mut().map(Browser::get).collect();
    assert_eq!(before, after);
}

#[test]
fn a_cookie_that_no_nexus_wrote_counts_for_nothing() {
    let backends = named();
    let nexus = start(sticky(&backends, by_cookie(&["0123456789abcdef"])));
    let mut client = Client::connect(&nexus);
    let forged = [
        "b".to_owned(),
        "http://10.0.0.1:80".to_owned(),
        "A".repeat(32),
        "%00".repeat(20),
        "=".repeat(32),
    ];
    for value in forged {
        let request = format!("GET / HTTP/1.1|Host: a|Cookie: nexus={value}||");
        let (head, _) = client.ask(&lines(&request));
        assert!(field(&head, "Set-Cookie").is_some(), "{value}: {head}");
    }
}

#[test]
fn a_backend_that_drains_keeps_its_sessions_to_the_deadline_and_gets_no_new_ones() {
    let backends = named();
    let nexus = start(sticky(&backends, by_cookie(&[])));
    let mut browser = Browser::new(&nexus);
    let home = browser.get();
    let at = NAMES.iter().position(|name| *name == home).unwrap();
    let draining = backend(&nexus, at);
    // As the control task does it on command.
    draining.orders.drain(nexus::session::now() + 3600);
    nexus.snapshot().pools[0].lay_out();
    assert!((0..10).all(|_| browser.get() == home));
    assert_eq!(browser.set, 1, "and is not prolonged");
    assert!((0..9).all(|_| Browser::new(&nexus).get() != home));
    draining.orders.drain(nexus::session::now());
    assert!(browser.get() != home && browser.set == 2);
}

/// Two backends that take one request each, of which `a` has one, and a browser that is with `a`.
fn full_home(when_full: WhenFull) -> (Nexus, Browser, std::sync::mpsc::Sender<()>, Vec<Backend>) {
    let (held, asked, word) = held("a");
    std::mem::forget(asked);
    let backends = vec![held, Backend::named("b")];
    let mut settings = sticky(&backends, by_cookie(&[]));
    let pool = &mut settings.pools[0];
    pool.sticky.as_mut().unwrap().when_full = when_full;
    pool.queue = Some(QueueRules { timeout: crate::world::PATIENCE, waiting_max: 10 });
    pool.backends.iter_mut().for_each(|backend| backend.requests_max = Some(1));
    let nexus = start(settings);
    let mut browser = Browser::new(&nexus);
    while browser.get() != "a" {
        browser = Browser::new(&nexus);
    }
    let mut slow = Client::connect(&nexus);
    let cookie = browser.cookie.clone().unwrap();
    until("its home is free", || backend(&nexus, 0).in_flight() == 0);
    slow.send(&lines(&format!("GET /slow HTTP/1.1|Host: a|Cookie: {cookie}||")));
    until("its home is full", || backend(&nexus, 0).in_flight() == 1);
    std::mem::forget(slow);
    (nexus, browser, word, backends)
}

#[test]
fn a_session_whose_backend_is_full_moves_for_good() {
    let (nexus, mut browser, word, _backends) = full_home(WhenFull::Move);
    assert_eq!(browser.get(), "b");
    word.send(()).unwrap();
    until("its home has room", || backend(&nexus, 0).in_flight() == 0);
    assert!((0..5).all(|_| browser.get() == "b"));
}

#[test]
fn a_session_may_wait_for_its_backend_while_others_pass() {
    let (nexus, mut browser, word, _backends) = full_home(WhenFull::Wait);
    let cookie = browser.cookie.clone().unwrap();
    browser.client.send(&lines(&format!("GET / HTTP/1.1|Host: a|Cookie: {cookie}||")));
    until("it waits", || nexus.snapshot().pools[0].queue.waiting() == 1);
    assert!((0..5).all(|_| Browser::new(&nexus).get() == "b"));
    word.send(()).unwrap();
    assert_eq!(browser.client.answer().1, b"a");
}

#[test]
fn a_session_that_waits_moves_when_its_backend_goes_down() {
    let (nexus, mut browser, _word, backends) = full_home(WhenFull::Wait);
    let cookie = browser.cookie.clone().unwrap();
    browser.client.send(&lines(&format!("GET / HTTP/1.1|Host: a|Cookie: {cookie}||")));
    until("it waits", || nexus.snapshot().pools[0].queue.waiting() == 1);
    backends[0].stop();
    backend(&nexus, 0).observe(Observation::RequestFailed(Reason::ConnectRefused));
    let (head, body) = browser.client.answer();
    assert!(body == b"b" && field(&head, "Set-Cookie").is_some(), "{head}");
}

#[test]
fn whoever_sets_the_applications_cookie_keeps_the_session() {
    let app = |name: &'static str| {
        Backend::new(move |stream, seen| {
            let set = if seen.head.starts_with("GET /login") {
                format!("Set-Cookie: other=1\r\nSet-Cookie: sid={name}-7; Path=/\r\n")
            } else {
                String::new()
            };
            let answer = format!("HTTP/1.1 200 OK\r\n{set}Content-Length: 1\r\n\r\n{name}");
            std::io::Write::write_all(stream, answer.as_bytes()).unwrap();
            Next::Continue
        })
    };
    let backends: Vec<_> = NAMES.into_iter().map(app).collect();
    let nexus = start(sticky(&backends, By::AppCookie("sid".to_owned())));
    let mut client = Client::connect(&nexus);
    for _ in 0..4 {
        let home = client.get("/login");
        let ask = format!("GET / HTTP/1.1|Host: a|Cookie: x=1; sid={home}-7||");
        assert!((0..5).all(|_| client.ask(&lines(&ask)).1 == home.as_bytes()));
    }
    let count = |at| {
        nexus.snapshot().pools[0]
            .sessions
            .as_ref()
            .unwrap()
            .count(&backend(&nexus, at), nexus::session::now())
    };
    assert_eq!((0..3).map(count).sum::<u64>(), 3);
}

#[test]
fn a_header_or_the_clients_address_tells_a_session_too() {
    let backends = named();
    let nexus = start(sticky(&backends, By::Header("X-Session".to_owned())));
    let mut client = Client::connect(&nexus);
    let mut ask = |session: usize| {
        client.ask(&lines(&format!("GET / HTTP/1.1|Host: a|X-Session: {session}||"))).1
    };
    let before: Vec<_> = (0..9).map(&mut ask).collect();
    assert_eq!(before.iter().collect::<HashSet<_>>().len(), 3, "new ones go by the algorithm");
    let mut settings = sticky(&backends, By::Header("X-Session".to_owned()));
    settings.pools[0].backends.reverse();
    nexus.reload(settings).unwrap();
    assert_eq!((0..9).map(&mut ask).collect::<Vec<_>>(), before, "also over a reload");

    let nexus = start(sticky(&backends, By::Client));
    let home = Client::connect(&nexus).get("/");
    assert!((0..9).all(|_| Client::connect(&nexus).get("/") == home));
}

#[test]
fn sessions_are_counted_by_backend_and_a_move_is_one_session() {
    let backends = named();
    let nexus = start(sticky(&backends, by_cookie(&[])));
    let mut browsers: Vec<_> = (0..9).map(|_| Browser::new(&nexus)).collect();
    for _ in 0..2 {
        browsers.iter_mut().for_each(|browser| drop(browser.get()));
    }
    let counts = || -> Vec<u64> {
        let snapshot = nexus.snapshot();
        let sessions = snapshot.pools[0].sessions.as_ref().unwrap();
        let now = nexus::session::now();
        snapshot.pools[0].backends().iter().map(|one| sessions.count(one, now)).collect()
    };
    assert_eq!(counts(), [3, 3, 3]);
    fails(&nexus, "b");
    browsers.iter_mut().for_each(|browser| drop(browser.get()));
    let after = counts();
    assert_eq!((after.iter().sum::<u64>(), after[1]), (9, 0), "{after:?}");
}
