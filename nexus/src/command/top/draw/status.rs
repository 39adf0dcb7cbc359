//! The last line: what is asked, said or possible.

use ratatui::text::{Line, Span};

use super::super::ask::Change;
use super::super::model::{Link, Mode, Model, View};
use super::paint::{Paint, Tone};
use super::{at_most, cells};

/// Returns the line.
pub(crate) fn line(model: &Model, wide: usize) -> Line<'static> {
    let paint = Paint::of(model);
    let say = |text: String, tone| Line::styled(text, paint.style(tone));
    match (&model.mode, model.note(), &model.link) {
        (Mode::Asked(change), ..) => {
            let more = if matches!(change, Change::Weight(..)) { ", + - change" } else { "" };
            say(format!("{change}  y yes{more}, any other key no"), Tone::Warn)
        }
        (Mode::Filtering, ..) => {
            say(format!("filter: {}▏ Enter keeps it, Esc clears it", model.filter), Tone::Warn)
        }
        (_, Some(note), _) => say(note.to_owned(), Tone::Warn),
        (_, _, Link::Lost(why, _)) => {
            say(format!("trying again, these are the last values: {why}"), Tone::Bad)
        }
        _ => hints(model, wide, paint),
    }
}

fn hints(model: &Model, wide: usize, paint: Paint) -> Line<'static> {
    let keys: &[(&str, &str)] = match model.view {
        View::Table => &[
            ("q", "quit"),
            ("?", "help"),
            ("s", "sort"),
            ("/", "filter"),
            ("Enter", "detail"),
            ("f", "failures"),
            ("e", "events"),
            ("d", "drain"),
            ("u", "undrain"),
            ("+-", "weight"),
            ("r", "reverse"),
            ("p", "pause"),
        ],
        View::Detail => &[
            ("Esc", "back"),
            ("↑↓", "others"),
            ("d", "drain"),
            ("u", "undrain"),
            ("+-", "weight"),
            ("q", "quit"),
        ],
        View::Failures | View::Events => &[("Esc", "back"), ("↑↓", "move"), ("q", "quit")],
        View::Help => &[("Esc", "back"), ("q", "quit")],
    };
    let mut parts = Vec::new();
    if !model.filter.is_empty() {
        let filter = format!("filter: {} (Esc clears it)  ", model.filter);
        parts.push(Span::styled(filter, paint.style(Tone::Warn)));
    }
    let mut line = at_most(parts, wide);
    for (key, does) in keys {
        // A key without what it does would say nothing.
        if line.width() + cells::width(key) + cells::width(does) + 1 > wide {
            break;
        }
        line.push_span(Span::styled(format!("{key} "), paint.style(Tone::Title)));
        line.push_span(Span::styled(format!("{does}  "), paint.style(Tone::Faint)));
    }
    line
}
