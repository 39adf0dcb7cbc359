//! What keys do.

use serde_json::json;

use super::super::ask::{Ask, Change};
use super::super::keys::Key;
use super::super::model::{Mode, View};
use super::super::rows::{Sort, backends};
use super::samples::{model, press};
use crate::cli::remote::Named;

fn named(backend: &str) -> Named {
    Named { pool: "web".to_owned(), backend: format!("http://{backend}") }
}

#[test]
fn q_and_ctrl_c_leave_from_everywhere() {
    for keys in ["", "f", "e", "?", "⏎", "/abc", "d"] {
        let mut model = model();
        press(&mut model, keys);
        assert_eq!(model.key(Key::Interrupt), Some(Ask::Quit), "{keys}");
    }
    assert_eq!(press(&mut model(), "q"), Some(Ask::Quit));
    assert_eq!(press(&mut model(), "/q"), None, "it is text there");
}

#[test]
fn a_change_is_made_only_after_a_yes() {
    let mut model = model();
    assert_eq!(press(&mut model, "↓d"), None);
    assert_eq!(model.mode, Mode::Asked(Change::Drain(named("127.0.0.1:8082"))));
    assert_eq!(press(&mut model, "n"), None);
    assert_eq!((&model.mode, model.note()), (&Mode::Moving, Some("nothing was changed")));
    let drain = Ask::Change(Change::Drain(named("127.0.0.1:8082")));
    assert_eq!(press(&mut model, "dy"), Some(drain.clone()));
    assert_eq!(press(&mut model, "d⏎"), Some(drain.clone()));
    let undrain = Ask::Change(Change::Undrain(named("127.0.0.1:8082")));
    assert_eq!(press(&mut model, "uY"), Some(undrain));
    model.heard(&drain, Ok(json!([])));
    assert_eq!(model.note(), Some("web/127.0.0.1:8082 drains"));
    let path = "/v1/drain?pool=web&backend=http://127.0.0.1:8082".to_owned();
    assert_eq!(drain.call(), Some(("POST", path)));
}

#[test]
fn a_weight_may_be_stepped_before_the_yes() {
    let weight = |weight| Some(Ask::Change(Change::Weight(named("127.0.0.1:8081"), weight)));
    assert_eq!(press(&mut model(), "+y"), weight(2));
    assert_eq!(press(&mut model(), "+++-y"), weight(3));
    assert_eq!(press(&mut model(), "----y"), weight(0), "none is less than none");
    let path = weight(3).unwrap().call().unwrap().1;
    assert_eq!(path, "/v1/weight?pool=web&backend=http://127.0.0.1:8081&weight=3");
}

#[test]
fn without_the_right_nothing_is_asked_and_it_is_said() {
    let mut reader = model();
    reader.heard(&Ask::Me, Ok(json!({ "name": "eyes", "may_write": false })));
    for keys in ["d", "u", "+", "-"] {
        assert_eq!((press(&mut reader, keys), &reader.mode), (None, &Mode::Moving), "{keys}");
        assert_eq!(reader.note(), Some("read only: the token of eyes may not write"));
    }
    let mut nobody = model();
    nobody.has_token = false;
    press(&mut nobody, "d");
    assert!(nobody.note().unwrap().contains("--token-file"), "{:?}", nobody.note());
}

#[test]
fn nothing_is_changed_that_is_not_in_sight() {
    let mut model = model();
    assert_eq!(press(&mut model, "fdy"), None);
    assert_eq!(press(&mut model, "⎋/nobody⏎dy"), None);
    assert_eq!(model.mode, Mode::Moving);
}

#[test]
fn the_chosen_one_stays_chosen_when_the_order_changes() {
    let mut model = model();
    press(&mut model, "↓");
    for sort in 0..11 {
        press(&mut model, "s");
        assert_eq!(model.chosen, Some(named("127.0.0.1:8082")), "{sort}");
    }
    assert_eq!(model.sort, Sort::Pool, "once around");
    press(&mut model, "kkkk");
    assert_eq!(model.chosen, Some(named("127.0.0.1:8081")), "not beyond the first");
}

#[test]
fn what_one_looks_for_comes_first() {
    let mut model = model();
    let mut first = |sort| {
        model.sort = sort;
        backends(&model).into_iter().next().unwrap().backend
    };
    assert_eq!(first(Sort::State), "http://127.0.0.1:8083");
    assert_eq!(first(Sort::Rate), "https://backend-with-a-long-name.internal.example:9443");
    assert_eq!(first(Sort::Name), "http://10.20.30.40:9001");
    model.sort = Sort::Rate;
    press(&mut model, "r");
    assert_eq!(backends(&model)[0].backend, "http://127.0.0.1:8083");
}

#[test]
fn a_filter_looks_at_pool_name_state_and_cause() {
    for (filter, found) in
        [("web", 3), (":808", 3), ("DOWN", 1), ("half", 1), ("refused", 2), ("x?", 0)]
    {
        let mut model = model();
        press(&mut model, &format!("/{filter}"));
        assert_eq!(backends(&model).len(), found, "{filter}");
        press(&mut model, "⏎");
        assert_eq!(backends(&model).len(), found, "{filter} is kept");
        press(&mut model, "/⎋");
        assert_eq!(backends(&model).len(), 5, "{filter} is cleared");
    }
    let mut model = model();
    press(&mut model, "/DOWNx⌫");
    assert_eq!(model.chosen, Some(named("127.0.0.1:8083")), "who is in sight is chosen");
}

#[test]
fn each_view_asks_for_what_it_shows() {
    let mut model = model();
    assert_eq!(model.wants(), [Ask::Stats, Ask::Events(Some(3))]);
    assert_eq!(press(&mut model, "f"), Some(Ask::Failures));
    assert!(model.wants().contains(&Ask::Failures));
    assert_eq!(press(&mut model, "f"), None);
    assert_eq!(model.view, View::Table);
    let why = Ask::Why(named("127.0.0.1:8082"));
    assert_eq!(press(&mut model, "↓⏎"), Some(why.clone()));
    assert!(model.wants().contains(&why));
    assert_eq!(
        press(&mut model, "↓"),
        Some(Ask::Why(named("127.0.0.1:8083"))),
        "to the next one's"
    );
    press(&mut model, "⎋");
    assert_eq!(model.view, View::Table);
}

#[test]
fn a_pause_asks_for_nothing() {
    let mut model = model();
    press(&mut model, "p");
    assert_eq!(model.wants(), []);
    press(&mut model, "p");
    assert!(!model.wants().is_empty());
}
