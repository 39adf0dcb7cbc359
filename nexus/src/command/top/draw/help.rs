//! What keys there are.

use ratatui::text::{Line, Span};

use super::super::model::Model;
use super::paint::{Paint, Tone};

const KEYS: [(&str, &str); 17] = [
    ("↑ ↓ j k", "the backend above, below; PgUp PgDn Home End, g G go further"),
    ("Enter", "all of a backend: why it gets requests, what happened, its probes"),
    ("Esc", "back; in the table, without the filter"),
    ("s", "sort by the next column"),
    ("r", "the other way round"),
    ("/", "only backends with a text in pool, name, state or cause"),
    ("f", "requests that failed, with what was tried"),
    ("e", "events"),
    ("p", "pause, go on"),
    ("d", "drain: nothing new for the backend"),
    ("u", "undrain: requests again"),
    ("+ -", "more, less weight"),
    ("y", "do what is asked; any other key does not"),
    ("q", "leave; Ctrl-C does too"),
    ("", ""),
    ("SHARE", "of the pool's requests in 10 s; up to ┃ is what its weight gives it"),
    ("RATE", "answers per second, errors, p50 and p99 are of 10 s as well"),
];

/// Returns the page.
pub(crate) fn lines(model: &Model) -> Vec<Line<'static>> {
    let paint = Paint::of(model);
    let line = |(key, does): &(&str, &str)| {
        Line::from(vec![
            Span::styled(format!("  {key:<9}"), paint.style(Tone::Title)),
            Span::raw((*does).to_owned()),
        ])
    };
    KEYS.iter().map(line).collect()
}
