//! Pictures of the screen, and what holds for every picture.

use std::path::Path;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};
use serde_json::json;

use super::super::ask::Ask;
use super::super::draw::draw;
use super::super::model::Model;
use super::super::plain;
use super::super::stats::Stats;
use super::samples::{events, failures, model, press, stats, why};
use crate::admin::client::CallError;

fn screen(model: &Model, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, model)).unwrap();
    terminal.backend().buffer().clone()
}

fn text(buffer: &Buffer) -> String {
    let cells: Vec<_> = buffer.content().iter().map(ratatui::buffer::Cell::symbol).collect();
    let lines = cells.chunks(usize::from(buffer.area.width));
    lines.map(|line| format!("{}\n", line.concat().trim_end())).collect()
}

/// Compares with a picture, or takes a new one.
#[track_caller]
fn check(name: &str, seen: &str) {
    let file = format!("src/command/top/pictures/{name}.txt");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, seen).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(seen == expected, "{name} is\n{seen}\ninstead of\n{expected}");
}

#[track_caller]
fn draws(name: &str, model: &Model, width: u16, height: u16) {
    check(name, &text(&screen(model, width, height)));
}

#[test]
fn the_table_shows_pools_with_their_backends() {
    draws("table-120x24", &model(), 120, 24);
    draws("table-80x24", &model(), 80, 24);
    draws("table-40x10", &model(), 40, 10);
}

#[test]
fn sorted_by_a_number_it_is_one_list() {
    let mut model = model();
    press(&mut model, "ssss");
    model.now = Duration::from_secs(60);
    draws("sorted-160x16", &model, 160, 16);
}

#[test]
fn a_backend_is_shown_whole() {
    let mut model = model();
    let asked = press(&mut model, "↓↓⏎").unwrap();
    model.heard(&asked, Ok(why()));
    draws("detail-80x30", &model, 80, 30);
}

#[test]
fn failures_are_shown_with_what_was_tried() {
    let mut model = model();
    let asked = press(&mut model, "f").unwrap();
    model.heard(&asked, Ok(failures()));
    draws("failures-90x14", &model, 90, 14);
}

#[test]
fn events_and_help_have_screens_of_their_own() {
    let mut model = model();
    press(&mut model, "e↓");
    draws("events-80x10", &model, 80, 10);
    press(&mut model, "?");
    draws("help-80x24", &model, 80, 24);
}

#[test]
fn a_nexus_that_went_away_is_said_and_its_last_values_stay() {
    let mut model = model();
    let gone = || CallError::Unreachable("cannot reach Nexus at 127.0.0.1:9900: refused".into());
    model.now = Duration::from_secs(10);
    model.heard(&Ask::Stats, Err(gone()));
    model.now = Duration::from_secs(22);
    model.heard(&Ask::Stats, Err(gone()));
    draws("lost-80x18", &model, 80, 18);
    model.heard(&Ask::Stats, Ok(stats()));
    assert!(text(&screen(&model, 80, 18)).contains("● live 06:20:00"));
}

#[test]
fn a_pool_says_what_is_not_as_usual() {
    let mut answer = stats();
    let pool = &mut answer["pools"][0];
    (pool["mode"], pool["circuit"], pool["waiting"]) = (json!("panic"), json!("open"), json!(12));
    pool["backends"][0]["is_draining"] = json!(true);
    pool["backends"][1]["is_disabled"] = json!(true);
    let mut model = model();
    model.heard(&Ask::Stats, Ok(answer));
    draws("unusual-100x16", &model, 100, 16);
}

#[test]
fn what_is_not_counted_or_not_there_is_said() {
    let mut model = Model::new("unix:/run/nexus".to_owned(), false, false);
    draws("nothing-60x6", &model, 60, 6);
    model.heard(&Ask::Stats, Ok(json!({ "is_counting": false, "unknown": [1], "pools": [] })));
    let seen = text(&screen(&model, 80, 20));
    assert!(seen.contains("metrics: false") && seen.contains("no backend"), "{seen}");
}

#[test]
fn every_view_fits_into_every_terminal() {
    let mut model = model();
    model.heard(&Ask::Failures, Ok(failures()));
    for keys in ["", "⏎", "⎋f", "↓", "e", "?", "⎋d", "⎋+", "⎋/x", "⎋sss"] {
        press(&mut model, keys);
        for (width, height) in
            (1..100).step_by(7).flat_map(|w| (1..40).step_by(3).map(move |h| (w, h)))
        {
            screen(&model, width, height);
        }
    }
}

#[test]
fn bytes_of_clients_draw_nothing_else() {
    let mut model = model();
    let asked = press(&mut model, "f").unwrap();
    model.heard(&asked, Ok(failures()));
    press(&mut model, "↓");
    let buffer = screen(&model, 90, 14);
    assert!(buffer.content().iter().all(|cell| !cell.symbol().contains(char::is_control)));
    assert!(text(&buffer).contains("/api/evil[2J"), "{}", text(&buffer));
}

#[test]
fn without_colours_there_are_none_and_signs_say_it() {
    let mut model = model();
    let is_plain =
        |cell: &ratatui::buffer::Cell| cell.fg == Color::Reset && cell.bg == Color::Reset;
    assert!(screen(&model, 120, 24).content().iter().all(is_plain));
    model.is_coloured = true;
    let buffer = screen(&model, 120, 24);
    let colour = |sign: &str| {
        let cell = buffer.content().iter().find(|cell| cell.symbol() == sign).unwrap();
        cell.fg
    };
    assert_eq!((colour("▼"), colour("◐")), (Color::Red, Color::Yellow));
    let chosen = buffer.content().iter().find(|cell| cell.symbol() == "▸").unwrap();
    assert!(chosen.modifier.contains(Modifier::REVERSED));
}

#[test]
fn a_long_table_shows_the_one_that_is_chosen() {
    let mut answer = stats();
    let backend = answer["pools"][0]["backends"][0].clone();
    let many = (1..=200).map(|at| {
        let mut one = backend.clone();
        one["url"] = json!(format!("http://10.0.0.{at}:80"));
        one
    });
    answer["pools"][0]["backends"] = many.collect();
    let mut model = model();
    model.heard(&Ask::Stats, Ok(answer));
    for (keys, chosen) in [
        ("⇱", "10.0.0.1:80"),
        ("↓↓↓", "10.0.0.4:80"),
        ("⇲", "https://backend"),
        ("↑↑", "10.0.0.200:80"),
    ] {
        press(&mut model, keys);
        let seen = text(&screen(&model, 80, 24));
        assert!(seen.contains(&format!("▸ {chosen}")), "{keys}: {seen}");
    }
}

#[test]
fn plain_text_has_aligned_columns() {
    check("plain", &plain::text(&Stats::read(&stats()).unwrap()));
}

#[test]
fn as_many_events_are_kept_as_nexus_keeps() {
    let mut model = model();
    let one = &events()["events"][0];
    let many = (4..=1000).map(|id| {
        let mut event = one.clone();
        event["id"] = json!(id);
        event
    });
    model.heard(&Ask::Events(Some(3)), Ok(json!({ "events": many.collect::<Vec<_>>() })));
    assert_eq!((model.events.len(), model.events.last().unwrap().id), (256, 1000));
}
