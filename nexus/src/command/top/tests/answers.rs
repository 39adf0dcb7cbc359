//! What answers do.

use std::time::Duration;

use serde_json::json;

use super::super::ask::Ask;
use super::super::model::{Link, Model};
use super::samples::{events, model, stats};
use crate::admin::client::CallError;

fn refused(code: &str) -> CallError {
    CallError::Refused { code: code.into(), message: "it is not".into(), hint: "do".into() }
}

#[test]
fn an_older_nexus_can_be_watched() {
    let mut model = Model::new(String::new(), true, false);
    model.heard(
        &Ask::Stats,
        Ok(json!({ "pools": [{ "name": "a", "backends": [{ "url": "http://b" }] }] })),
    );
    model.heard(&Ask::Events(None), Err(refused("no_such_call")));
    model.heard(&Ask::Me, Err(refused("no_such_call")));
    assert_eq!((model.note(), model.denied()), (None, None), "it is tried, and refused if need be");
    assert!(model.current().is_some());
}

#[test]
fn a_refusal_is_said_for_a_while() {
    let mut model = model();
    model.heard(&Ask::Stats, Err(refused("bad_token")));
    assert_eq!(model.note(), Some("bad_token: it is not (do)"));
    assert_eq!(model.link, Link::Live);
    model.now += Duration::from_secs(9);
    assert_eq!(model.note(), None);
}

#[test]
fn another_kind_of_answer_is_said_and_changes_nothing() {
    let mut model = model();
    model.heard(&Ask::Stats, Ok(json!({ "pools": 7 })));
    assert!(model.note().unwrap().starts_with("not the answer of this version"));
    assert_eq!(model.stats.unwrap().pools.len(), 2);
}

#[test]
fn events_are_taken_once() {
    let mut model = model();
    model.heard(&Ask::Events(None), Ok(events()));
    assert_eq!(model.events.iter().map(|event| event.id).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn a_nexus_that_started_again_is_asked_for_all_events_and_rights() {
    let mut model = model();
    let mut again = stats();
    again["uptime_seconds"] = json!(0.5);
    model.heard(&Ask::Stats, Ok(again));
    assert_eq!(model.wants(), [Ask::Stats, Ask::Events(None), Ask::Me]);
}

#[test]
fn since_when_it_is_lost_is_not_forgotten() {
    let mut model = model();
    let gone = || Err(CallError::Unreachable("gone".into()));
    for second in 10..15 {
        model.now = Duration::from_secs(second);
        model.heard(&Ask::Stats, gone());
    }
    assert_eq!(model.link, Link::Lost("gone".into(), Duration::from_secs(10)));
}

#[test]
fn a_backend_that_is_gone_is_not_chosen() {
    let mut model = model();
    let mut fewer = stats();
    fewer["pools"][0]["backends"].as_array_mut().unwrap().remove(0);
    model.heard(&Ask::Stats, Ok(fewer));
    assert_eq!(model.chosen.unwrap().backend, "http://127.0.0.1:8082");
}
