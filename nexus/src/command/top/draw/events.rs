//! What happened, the latest first.

use ratatui::text::{Line, Span};

use super::super::model::Model;
use super::super::news::Event;
use super::super::stats::address;
use super::cells::{clock, width};
use super::paint::{Paint, Tone, of_event};
use super::{rule, visible};

/// Returns the tail of events, or all that one can move through.
pub(crate) fn lines(
    model: &Model,
    (wide, high): (usize, usize),
    is_whole: bool,
) -> Vec<Line<'static>> {
    let paint = Paint::of(model);
    if high < 2 {
        return Vec::new();
    }
    let mut lines = vec![rule("events, the latest first", wide, paint)];
    let at = if is_whole { model.at } else { 0 };
    let shown = visible(model.events.len(), at, high - 1);
    let latest_first = model.events.iter().rev().enumerate();
    for (place, event) in latest_first.skip(shown.start).take(shown.len()) {
        let mark = if is_whole && place == at { '▸' } else { ' ' };
        lines.push(line(event, mark, paint));
    }
    if model.events.is_empty() {
        lines.push(Line::styled("  nothing has happened", paint.style(Tone::Faint)));
    }
    lines
}

fn line(event: &Event, mark: char, paint: Paint) -> Line<'static> {
    let (sign, tone) = of_event(&event.kind);
    let name = match (&event.pool, &event.backend) {
        (Some(pool), Some(backend)) => format!("{pool}/{}  ", address(backend)),
        (Some(pool), None) => format!("{pool}  "),
        _ => String::new(),
    };
    let name_width = width(&name);
    let by = event.by.as_ref().map_or(String::new(), |by| format!("  by {by}"));
    let mut parts = vec![
        Span::styled(format!("{mark} {}  ", clock(&event.at)), paint.style(Tone::Faint)),
        Span::styled(format!("{sign} "), paint.style(tone)),
    ];
    if name_width > 0 {
        parts.push(Span::styled(name, paint.style(Tone::Title)));
    }
    parts.push(Span::raw(event.text.clone()));
    parts.push(Span::styled(by, paint.style(Tone::Faint)));
    Line::from(parts)
}
