//! All of a backend.

use std::collections::BTreeMap;

use ratatui::text::{Line, Span};

use super::super::model::Model;
use super::super::news::{Entry, Why};
use super::super::stats::{Backend, Pool};
use super::cells::{age, chart, clock, count, left, millis, percent, rate, right, span};
use super::head::classes;
use super::paint::{Paint, Tone, of_state};
use super::rule;

/// Terminals of fewer lines get charts of one line.
const TALL_FROM: usize = 24;

/// Returns the page.
pub(crate) fn lines(model: &Model, (wide, high): (usize, usize)) -> Vec<Line<'static>> {
    let paint = Paint::of(model);
    let Some((pool, backend)) = model.current() else {
        let words = "this backend is not there any more";
        return vec![Line::styled(words, paint.style(Tone::Warn))];
    };
    let at = model.stats.as_ref().map_or("", |stats| &stats.at);
    let mut lines = vec![title(pool, backend, at, paint)];
    let known = model.why.as_ref().filter(|(named, _)| Some(named) == model.chosen.as_ref());
    if let Some((_, why)) = known {
        let (word, tone) = if why.gets_requests {
            ("gets requests", Tone::Good)
        } else {
            ("gets none", Tone::Bad)
        };
        lines.push(Line::from(vec![
            Span::styled(format!("{word}: "), paint.style(tone)),
            Span::raw(why.why.clone()),
        ]));
    }
    lines.push(Line::default());
    lines.extend(charts(backend, wide, if high >= TALL_FROM { 2 } else { 1 }, paint));
    lines.push(Line::default());
    lines.extend(counts(backend, paint));
    if let Some((_, why)) = known {
        lines.push(Line::default());
        let room = high.saturating_sub(lines.len());
        lines.extend(past(why, (wide, room), paint));
    }
    lines
}

fn title(pool: &Pool, backend: &Backend, at: &str, paint: Paint) -> Line<'static> {
    let state = backend.standing();
    let cause = backend.cause.as_ref().map_or(String::new(), |cause| format!(", {cause}"));
    let since = match age(at, &backend.since) {
        Some(age) => format!(" for {}, since {}", span(age), clock(&backend.since)),
        None => String::new(),
    };
    Line::from(vec![
        Span::styled(format!("{}/{}  ", pool.name, backend.url), paint.style(Tone::Title)),
        Span::styled(format!("{} {}", state.sign(), state.word()), paint.style(of_state(state))),
        Span::raw(format!("{cause}{since}")),
    ])
}

fn charts(backend: &Backend, wide: usize, tall: usize, paint: Paint) -> Vec<Line<'static>> {
    let load = &backend.load;
    let time = |value: Option<f64>| value.map_or("–".to_owned(), millis);
    let all = [
        ("rate/s", &load.series.rate, rate(load.rate), Tone::Calm),
        ("errors/s", &load.series.errors, rate(load.rate * load.error_ratio), Tone::Bad),
        ("p99 ms", &load.series.p99, time(load.p99()), Tone::Calm),
    ];
    let mut lines = Vec::new();
    for (name, series, now, tone) in all {
        let room = wide.saturating_sub(20).min(120);
        let rows = chart(series, room, tall);
        let last = rows.len() - 1;
        for (at, row) in rows.into_iter().enumerate() {
            let (name, now) = if at == last { (name, now.as_str()) } else { ("", "") };
            lines.push(Line::from(vec![
                Span::styled(left(name, 10), paint.style(Tone::Faint)),
                Span::styled(row, paint.style(tone)),
                Span::raw(right(now, 9)),
            ]));
        }
    }
    lines
}

fn counts(backend: &Backend, paint: Paint) -> Vec<Line<'static>> {
    let connections = backend.connections;
    let due = |share: Option<f64>| share.map_or("–".to_owned(), percent);
    let mut answers = vec![format!("{} answers", count(backend.load.requests))];
    answers.extend(classes(&backend.load));
    let codes = |codes: &BTreeMap<String, u64>| {
        let words: Vec<_> =
            codes.iter().map(|(code, many)| format!("{} {code}", count(*many))).collect();
        if words.is_empty() { "none".to_owned() } else { words.join(", ") }
    };
    let rows = [
        (
            "now",
            format!(
                "{} in flight, weight {}, share {} of {} due",
                backend.in_flight,
                backend.weight,
                due(backend.share),
                due(backend.share_expected)
            ),
        ),
        ("in all", answers.join(", ")),
        ("failed", format!("{} of {} attempts", codes(&backend.failures), count(backend.attempts))),
        (
            "conns",
            format!(
                "{} open, {} of them idle; {} opened, {} times reused",
                connections.open,
                connections.idle,
                count(connections.opened),
                count(connections.reused)
            ),
        ),
    ];
    let line = |(name, text): (&str, String)| {
        Line::from(vec![Span::styled(left(name, 10), paint.style(Tone::Faint)), Span::raw(text)])
    };
    rows.into_iter().map(line).collect()
}

fn past(why: &Why, (wide, room): (usize, usize), paint: Paint) -> Vec<Line<'static>> {
    let half = room / 2;
    let turns = part("what happened, the latest first", &why.turns, (wide, half), paint);
    let probes = part(
        "its last probes, the latest first",
        &why.probes,
        (wide, room.saturating_sub(turns.len())),
        paint,
    );
    [turns, probes].concat()
}

fn part(
    title: &str,
    entries: &[Entry],
    (wide, room): (usize, usize),
    paint: Paint,
) -> Vec<Line<'static>> {
    if room < 2 {
        return Vec::new();
    }
    let mut lines = vec![rule(title, wide, paint)];
    for entry in entries.iter().take(room - 1) {
        let tone = match entry.what.as_str() {
            "ok" | "up" | "half_open" => Tone::Good,
            _ => Tone::Plain,
        };
        lines.push(Line::from(vec![
            Span::styled(format!("  {}  ", clock(&entry.at)), paint.style(Tone::Faint)),
            Span::styled(entry.text.clone(), paint.style(tone)),
        ]));
    }
    if entries.is_empty() {
        lines.push(Line::styled("  nothing", paint.style(Tone::Faint)));
    }
    lines
}
