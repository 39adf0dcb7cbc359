//! Stories of an operator who takes a hand: backends in and out, the level of what Nexus says.

use serde_json::Value as Json;

use super::{Filed, READ, WRITE, bearer, error_code, file, pool_file};
use crate::world::{Backend, Client, backend, field, lines, until};

fn post(filed: &Filed, path: &str) -> (u16, Json) {
    let (status, _, body) = filed.call("POST", path, &bearer(WRITE), "");
    (status, serde_json::from_str(&body).unwrap())
}

fn named(call: &str, backend: &Backend) -> String {
    format!("/v1/{call}?pool=default&backend={}", backend.address)
}

fn answers(filed: &Filed, count: usize) -> Vec<String> {
    let mut client = Client::connect(&filed.nexus);
    let mut all: Vec<_> = (0..count).map(|_| client.get("/")).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn state(filed: &Filed, at: usize) -> Json {
    filed.json("/v1/pools")[0]["backends"][at].clone()
}

#[test]
fn who_is_disabled_gets_nothing_over_a_reload_too_until_it_is_enabled() {
    let (a, b) = (Backend::named("a"), Backend::named("b"));
    let filed = Filed::start("disable", &file(&[&a, &b]));
    assert_eq!(answers(&filed, 4), ["a", "b"]);
    let (status, told) = post(&filed, &named("disable", &a));
    assert_eq!((status, &told[0]["backends"][0]["is_disabled"]), (200, &true.into()));
    assert_eq!(answers(&filed, 4), ["b"]);
    let now = state(&filed, 0);
    assert_eq!((&now["state"], &now["is_draining"]), (&"UP".into(), &false.into()), "{now}");
    filed.write(&(file(&[&a, &b]) + "max_connections: 1000\n"));
    filed.nexus.reread("test").unwrap();
    assert_eq!(answers(&filed, 4), ["b"]);
    let why = filed.json(&named("why", &a));
    assert!(why["why"].as_str().unwrap().contains("disabled by an operator"), "{why}");
    assert_eq!(why["gets_requests"], false);
    // An operator may take out the last one, too: nobody answers then.
    assert_eq!(post(&filed, &named("disable", &b)).0, 200);
    let (head, _) = Client::connect(&filed.nexus).ask(&lines("GET / HTTP/1.1|Host: a||"));
    assert_eq!(crate::world::status(&head), 503);
    assert_eq!(post(&filed, &named("enable", &a)).0, 200);
    assert_eq!(answers(&filed, 4), ["a"]);
    assert_eq!(post(&filed, &named("enable", &b)).0, 200);
    assert_eq!(answers(&filed, 4), ["a", "b"]);
}

#[test]
fn a_session_of_who_is_disabled_moves_and_that_of_who_drains_stays() {
    let (a, b) = (Backend::named("a"), Backend::named("b"));
    let text = pool_file(&[&a, &b], "sticky: s");
    let filed = Filed::start("disable-sticky", &text);
    let mut client = Client::connect(&filed.nexus);
    let (head, body) = client.ask(&lines("GET / HTTP/1.1|Host: a||"));
    let cookie =
        field(&head, "set-cookie").expect("a session").split(';').next().unwrap().to_owned();
    let home = String::from_utf8(body).unwrap();
    let mut ask = || {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n");
        String::from_utf8(client.ask(request.as_bytes()).1).unwrap()
    };
    let its = if home == "a" { &a } else { &b };
    post(&filed, &named("drain", its));
    assert_eq!(ask(), home);
    post(&filed, &named("disable", its));
    assert_ne!(ask(), home);
}

#[test]
fn probes_of_who_is_disabled_go_on() {
    let (a, b) = (Backend::named("a"), Backend::named("b"));
    let text = pool_file(&[&a, &b], "health_check: { interval: 100ms }");
    let filed = Filed::start("disable-probes", &text);
    until("it was probed", || backend(&filed.nexus, 0).is_probed());
    post(&filed, &named("disable", &a));
    a.stop();
    until("its probe finds it DOWN", || !backend(&filed.nexus, 0).is_up());
    assert_eq!(state(&filed, 0)["state"], "DOWN");
}

#[test]
fn who_is_ejected_comes_back_by_itself() {
    let (a, b) = (Backend::named("a"), Backend::named("b"));
    let filed = Filed::start("eject", &file(&[&a, &b]));
    assert_eq!(post(&filed, &(named("eject", &a) + "&time=1h")).0, 200);
    let now = state(&filed, 0);
    assert_eq!((&now["state"], &now["cause"]), (&"EJECTED".into(), &"operator".into()));
    assert_eq!(answers(&filed, 4), ["b"]);
    // Said again, it is another time.
    assert_eq!(post(&filed, &(named("eject", &a) + "&time=300ms")).0, 200);
    until("it is back", || state(&filed, 0)["state"] == "UP");
    assert_eq!(answers(&filed, 4), ["a", "b"]);
    assert_eq!(post(&filed, &(named("eject", &a) + "&time=1h")).0, 200);
    assert_eq!(post(&filed, &named("enable", &a)).0, 200);
    assert_eq!(answers(&filed, 4), ["a", "b"]);
}

#[test]
fn where_bad_answers_eject_an_operators_ejection_ends_by_trial() {
    let (a, b) = (Backend::named("a"), Backend::named("b"));
    let keys = "ejection: { consecutive_5xx: 5, half_open: 2, max_percent: 1 }";
    let text = pool_file(&[&a, &b], keys);
    let filed = Filed::start("eject-trial", &text);
    assert_eq!(post(&filed, &(named("eject", &a) + "&time=200ms")).0, 200);
    until("it is tried out", || state(&filed, 0)["state"] == "HALF_OPEN");
    until("good answers bring it back", || {
        answers(&filed, 8);
        state(&filed, 0)["state"] == "UP"
    });
}

#[test]
fn the_last_one_that_is_available_is_not_ejected() {
    let (a, b) = (Backend::named("a"), Backend::named("b"));
    let filed = Filed::start("eject-last", &file(&[&a, &b]));
    assert_eq!(post(&filed, &named("eject", &a)).0, 200);
    let (status, told) = post(&filed, &named("eject", &b));
    assert_eq!((status, error_code(&told.to_string()).as_str()), (409, "last_available"));
    assert_eq!(answers(&filed, 4), ["b"]);
    // When nobody else is left, who was ejected is back.
    post(&filed, &named("disable", &b));
    assert_eq!(answers(&filed, 4), ["a"]);
}

#[test]
fn what_makes_no_sense_is_refused_with_what_to_say() {
    let backend = Backend::named("a");
    let filed = Filed::start("senseless", &file(&[&backend]));
    for (path, code) in [
        (named("eject", &backend) + "&time=never", "bad_time"),
        (named("eject", &backend) + "&time=25h", "bad_time"),
        ("/v1/disable?pool=default&backend=http://10.9.9.9:1".to_owned(), "no_such_backend"),
        ("/v1/enable".to_owned(), "no_name"),
        ("/v1/log-level?level=loud".to_owned(), "bad_level"),
        ("/v1/log-level".to_owned(), "bad_level"),
    ] {
        let (status, told) = post(&filed, &path);
        assert!(status == 400 || status == 404, "{path}: {status}");
        assert_eq!(error_code(&told.to_string()), code, "{path}");
    }
}

#[test]
fn a_token_learns_its_name_and_what_it_may() {
    let backend = Backend::named("a");
    let filed = Filed::start("me", &file(&[&backend]));
    let me = |token: &str| {
        let (_, _, body) = filed.call("GET", "/v1/me", &bearer(token), "");
        let me: Json = serde_json::from_str(&body).unwrap();
        (me["name"].as_str().unwrap().to_owned(), me["may_write"].as_bool().unwrap())
    };
    assert_eq!(me(READ), ("eyes".to_owned(), false));
    assert_eq!(me(WRITE), ("ops".to_owned(), true));
    let text = format!(
        "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nbackends: [http://{}]\n",
        backend.address
    );
    let filed = Filed::start("me-nobody", &text);
    let (_, _, body) = filed.call("GET", "/v1/me", "", "");
    let me: Json = serde_json::from_str(&body).unwrap();
    assert_eq!((&me["name"], &me["may_write"]), (&"anybody".into(), &false.into()));
}
