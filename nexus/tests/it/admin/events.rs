//! Stories of what happens, told as it happens.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::{Filed, READ, WRITE, bearer, error_code, file, pool_file};
use crate::world::{Backend, Client, PATIENCE, until};

/// Whoever follows. It asks in HTTP/1.0, so that events come without chunks around them.
pub(super) struct Follower {
    lines: BufReader<TcpStream>,
    pub(super) head: String,
}

impl Follower {
    pub(super) fn start(address: SocketAddr, path: &str, fields: &str) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\n{fields}\r\n").unwrap();
        let (mut lines, mut head) = (BufReader::new(stream), String::new());
        while !head.ends_with("\r\n\r\n") {
            assert!(lines.read_line(&mut head).unwrap() > 0, "a head: {head}");
        }
        Self { lines, head }
    }

    fn of(filed: &Filed, path: &str) -> Self {
        let follower = Self::start(filed.address(), path, &bearer(READ));
        assert!(follower.head.starts_with("HTTP/1.0 200"), "{}", follower.head);
        follower
    }

    /// Returns the next event: its lines, and its data.
    fn event(&mut self) -> (String, Json) {
        let mut event = String::new();
        while !event.ends_with("\n\n") {
            assert!(self.lines.read_line(&mut event).unwrap() > 0, "an event: {event}");
            if event == ": hb\n" {
                event.clear();
            }
        }
        let data = event.lines().find_map(|line| line.strip_prefix("data: ")).expect("data");
        (event.clone(), serde_json::from_str(data).unwrap())
    }

    /// Returns the next event of a kind.
    fn next(&mut self, kind: &str) -> Json {
        loop {
            let (_, event) = self.event();
            if event["kind"] == kind {
                return event;
            }
        }
    }
}

/// Asks for events that were, after that number.
fn events(filed: &Filed, after: u64) -> Vec<Json> {
    let fields = format!("{}Accept: application/json\r\n", bearer(READ));
    let (status, _, body) = filed.call("GET", &format!("/v1/events?after={after}"), &fields, "");
    assert_eq!(status, 200, "{body}");
    let told: Json = serde_json::from_str(&body).unwrap();
    told["events"].as_array().unwrap().clone()
}

fn change(filed: &Filed, call: &str, backend: &Backend) {
    // As browsers write it.
    let url = format!("http%3A%2F%2F{}", backend.address);
    let path = format!("/v1/{call}?pool=default&backend={url}");
    let (status, _, body) = filed.call("POST", &path, &bearer(WRITE), "");
    assert_eq!(status, 200, "{body}");
}

#[test]
fn a_backend_that_dies_and_comes_back_is_told_at_once() {
    let (dies, stays) = (Backend::named("dies"), Backend::named("stays"));
    let text = pool_file(&[&dies, &stays], "health_check: { interval: 100ms }");
    let filed = Filed::start("events-down", &text);
    let mut follower = Follower::of(&filed, "/v1/events");
    assert!(follower.head.to_lowercase().contains("content-type: text/event-stream"));
    until("both were probed", || filed.call("GET", "/readyz", "", "").0 == 200);
    let mut client = Client::connect(&filed.nexus);
    dies.stop();
    // Its probe or a request finds it, whoever comes first; what matters is from then on.
    let url = format!("http://{}", dies.address);
    until("it is DOWN", || {
        client.get("/");
        !crate::world::backend(&filed.nexus, 0).is_up()
    });
    let seen = Instant::now();
    let down = follower.next("backend_down");
    assert!(seen.elapsed() < Duration::from_secs(1), "{:?}", seen.elapsed());
    assert_eq!((&down["pool"], &down["backend"]), (&"default".into(), &url.clone().into()));
    assert!(down["text"].as_str().unwrap().starts_with("DOWN, seen by a "), "{down}");
    assert!(down["cause"].is_string() && down["by"].is_null(), "{down}");
    assert!(down["at"].as_str().unwrap().ends_with('Z'), "{down}");

    let _again = Backend::at(dies.address, |stream, _| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        crate::world::Next::Continue
    });
    let up = follower.next("backend_up");
    assert_eq!(up["backend"], url);
    assert!(up["id"].as_u64() > down["id"].as_u64(), "{up}");
}

#[test]
fn a_pool_that_has_too_few_left_is_told_of_after_the_backend_that_was_missing() {
    let (dies, stays) = (Backend::named("dies"), Backend::named("stays"));
    let keys = "health_check: { interval: 100ms }|too_few: { below: 60, then: panic }";
    let text = pool_file(&[&dies, &stays], keys);
    let filed = Filed::start("events-panic", &text);
    let mut follower = Follower::of(&filed, "/v1/events");
    dies.stop();
    let down = follower.next("backend_down");
    let panic = follower.next("pool_panic");
    assert_eq!((&panic["pool"], &panic["backend"]), (&"default".into(), &Json::Null));
    assert_eq!(panic["id"].as_u64().unwrap(), down["id"].as_u64().unwrap() + 1);
}

#[test]
fn what_operators_and_reloads_do_is_told_with_who_did_it() {
    let (a, b) = (Backend::named("a"), Backend::named("b"));
    let filed = Filed::start("events-by", &file(&[&a, &b]));
    let mut follower = Follower::of(&filed, "/v1/events");
    change(&filed, "drain", &a);
    change(&filed, "undrain", &a);
    change(&filed, "disable", &a);
    change(&filed, "enable", &a);
    filed.call("POST", "/v1/log-level?level=debug", &bearer(WRITE), "");
    filed.write("nonsense: 1\n");
    filed.call("POST", "/v1/reload", &bearer(WRITE), "");
    filed.write(&file(&[&a]));
    filed.call("POST", "/v1/reload?confirm=1h", &bearer(WRITE), "");
    filed.call("POST", "/v1/confirm", &bearer(WRITE), "");
    let kinds = ["drain", "undrain", "disable", "enable", "log_level"];
    let kinds = kinds.into_iter().chain(["reload_refused", "reload", "reload_confirmed"]);
    for kind in kinds {
        let (lines, event) = follower.event();
        assert_eq!((&event["kind"], &event["by"]), (&kind.into(), &"ops".into()), "{event}");
        let numbered = format!("id: {}\nevent: {kind}\ndata: {{", event["id"]);
        assert!(lines.starts_with(&numbered), "{lines}");
        match kind {
            "drain" => assert_eq!(event["backend"], format!("http://{}", a.address)),
            "log_level" => assert_eq!(event["text"], "info → debug"),
            "reload_refused" => {
                assert_eq!(event["cause"], "bad_configuration");
                let text = event["text"].as_str().unwrap();
                assert!(text.contains("nexus.yaml:1: ") && text.contains("nonsense"), "{text}");
            }
            "reload" => assert!(event["text"].as_str().unwrap().contains("is removed"), "{event}"),
            _ => {}
        }
    }
}

#[test]
fn a_reload_that_nobody_confirms_is_told_when_it_is_taken_back() {
    let (a, b) = (Backend::named("a"), Backend::named("b"));
    let filed = Filed::start("events-back", &file(&[&a, &b]));
    filed.write(&file(&[&a]));
    filed.call("POST", "/v1/reload?confirm=50ms", &bearer(WRITE), "");
    let back = Follower::of(&filed, "/v1/events").next("rolled_back");
    assert!(back["text"].as_str().unwrap().starts_with("nobody confirmed"), "{back}");
}

#[test]
fn whoever_comes_late_or_again_hears_what_was_missed_and_nothing_twice() {
    let backend = Backend::named("a");
    let filed = Filed::start("events-late", &file(&[&backend]));
    for _ in 0..150 {
        change(&filed, "drain", &backend);
        change(&filed, "undrain", &backend);
    }
    let all = events(&filed, 0);
    let ids: Vec<_> = all.iter().map(|event| event["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, (45..=300).collect::<Vec<_>>(), "the last 256, the oldest first");
    assert_eq!(events(&filed, 298).len(), 2);
    assert_eq!(events(&filed, 1_000_000).len(), 256, "a number of another life");

    let fields = format!("{}Last-Event-ID: 299\r\n", bearer(READ));
    let mut again = Follower::start(filed.address(), "/v1/events?after=7", &fields);
    assert_eq!(again.event().1["id"], 300, "the field goes over the query");
    change(&filed, "drain", &backend);
    assert_eq!(again.event().1["id"], 301);
}

#[test]
fn a_follower_that_reads_nothing_holds_up_nobody_and_is_told_what_it_missed() {
    let backend = Backend::named("a");
    let filed = Filed::start("events-slow", &file(&[&backend]));
    // Little room on its way: what it does not read soon waits with Nexus.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&filed.address().into()).unwrap();
    let mut slow = TcpStream::from(socket);
    slow.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(slow, "GET /v1/events HTTP/1.0\r\n{}\r\n", bearer(READ)).unwrap();
    let mut quick = Follower::of(&filed, "/v1/events");
    // So long a name that what it does fits no socket's buffer.
    let (by, count, mut has_missed) = ("x".repeat(20_000), 600, false);
    filed.write("nonsense: 1\n");
    for at in 1..=count {
        filed.nexus.reread(&by).unwrap_err();
        assert_eq!(quick.event().1["id"], at, "who keeps up misses nothing");
    }
    let (mut lines, mut last, mut missed) = (BufReader::new(&mut slow).lines(), 0, 0);
    while last < count {
        let line = lines.next().expect("it goes on to the last").unwrap();
        let number = |start| line.strip_prefix(start)?.trim_end_matches('}').parse::<u64>().ok();
        if let Some(id) = number("id: ") {
            assert_eq!(id, last + missed + 1, "what is missing is told");
            (last, missed) = (id, 0);
        }
        missed += number("data: {\"missed\":").unwrap_or(0);
        has_missed |= missed > 0;
    }
    assert!(has_missed, "its sockets have taken all of it: the test proves nothing");
}

#[test]
fn only_so_many_follow_and_who_leaves_makes_room() {
    let backend = Backend::named("a");
    let filed = Filed::start("events-many", &file(&[&backend]));
    let mut all: Vec<_> = (0..16).map(|_| Follower::of(&filed, "/v1/events")).collect();
    let (status, _, body) = filed.call("GET", "/v1/events", &streaming(), "");
    assert_eq!((status, error_code(&body).as_str()), (503, "too_many_followers"));
    assert!(events(&filed, 0).is_empty(), "asking for what was needs no place");
    all.pop();
    until("there is room again", || {
        let follower = Follower::start(filed.address(), "/v1/events", &bearer(READ));
        follower.head.starts_with("HTTP/1.0 200")
    });
}

fn streaming() -> String {
    format!("{}Accept: text/event-stream\r\n", bearer(READ))
}

#[test]
fn a_follower_whose_token_is_taken_away_hears_no_more() {
    let backend = Backend::named("a");
    let filed = Filed::start("events-revoked", &file(&[&backend]));
    let mut follower = Follower::of(&filed, "/v1/events");
    let mut other = Follower::start(filed.address(), "/v1/events", &bearer(WRITE));
    filed.write(&file(&[&backend]).replace(READ, "another-token-of-eyes"));
    filed.nexus.reread("test").unwrap();
    let mut rest = String::new();
    follower.lines.read_to_string(&mut rest).unwrap();
    assert!(!rest.contains("reload"), "{rest}");
    assert_eq!(other.next("reload")["by"], "test");
}

#[test]
fn who_follows_keeps_nexus_from_stopping_not_for_a_moment() {
    let backend = Backend::named("a");
    let filed = Filed::start("events-stop", &file(&[&backend]));
    let mut follower = Follower::of(&filed, "/v1/events");
    let began = Instant::now();
    drop(filed);
    let mut rest = String::new();
    let _ = follower.lines.read_to_string(&mut rest);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}
