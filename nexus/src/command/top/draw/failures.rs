//! Requests that failed, and what was tried for the one that is looked at.

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::super::model::Model;
use super::super::news::Failure;
use super::super::stats::address;
use super::cells::{clock, left, millis, right};
use super::paint::{Paint, Tone};
use super::{rule, visible};

/// Returns the list, and the whole of one below it.
pub(crate) fn lines(model: &Model, (wide, high): (usize, usize)) -> Vec<Line<'static>> {
    let paint = Paint::of(model);
    let mut lines = vec![rule("requests that failed, the latest first", wide, paint)];
    if model.failures.is_empty() {
        lines.push(Line::styled("  none that Nexus remembers", paint.style(Tone::Faint)));
        return lines;
    }
    let title = "  TIME      STATUS  REASON                      ms  ATTEMPTS  REQUEST";
    lines.push(Line::styled(title, paint.style(Tone::Faint)));
    let at = model.at.min(model.failures.len() - 1);
    let whole = whole(&model.failures[at], wide, paint);
    // Half of it for the list at least: who looks for one must see others.
    let room = high.saturating_sub(2 + whole.len()).max(high / 2);
    let shown = visible(model.failures.len(), at, room.saturating_sub(1));
    for (place, failure) in model.failures.iter().enumerate().take(shown.end).skip(shown.start) {
        lines.push(one(failure, place == at, paint));
    }
    lines.extend(whole);
    lines
}

fn one(failure: &Failure, is_chosen: bool, paint: Paint) -> Line<'static> {
    let mark = if is_chosen { '▸' } else { ' ' };
    let status = failure.status.map_or("–".to_owned(), |status| status.to_string());
    let line = Line::from(vec![
        Span::styled(format!("{mark} {}  ", clock(&failure.at)), paint.style(Tone::Faint)),
        Span::styled(format!("{}  ", left(&status, 6)), paint.style(Tone::Bad)),
        Span::raw(left(&failure.reason, 22)),
        Span::raw(right(&millis(failure.duration_ms), 8)),
        Span::raw(right(&failure.attempts.len().to_string(), 10)),
        Span::raw(format!("  {} {}{}", failure.method, failure.host, failure.path)),
    ]);
    if is_chosen { line.style(Style::new().add_modifier(Modifier::REVERSED)) } else { line }
}

fn whole(failure: &Failure, wide: usize, paint: Paint) -> Vec<Line<'static>> {
    let mut lines =
        vec![rule(&format!("{} {}{}", failure.method, failure.host, failure.path), wide, paint)];
    let word = |name: &str, value: Option<&str>| value.map(|value| format!("{name} {value}"));
    let about = [
        Some(format!("from {} by {}", failure.client, failure.protocol)),
        word("route", failure.route.as_deref()),
        word("pool", failure.pool.as_deref()),
        word("not tried again:", failure.not_retried.as_deref()),
    ];
    lines.push(Line::raw(format!(
        "  {}",
        about.into_iter().flatten().collect::<Vec<_>>().join(", ")
    )));
    let ids = [
        word("request id", failure.request_id.as_deref()),
        word("trace id", failure.trace_id.as_deref()),
    ];
    let ids: Vec<_> = ids.into_iter().flatten().collect();
    if !ids.is_empty() {
        lines.push(Line::styled(format!("  {}", ids.join(", ")), paint.style(Tone::Faint)));
    }
    for (at, attempt) in failure.attempts.iter().enumerate() {
        let phase = match attempt.phase.as_str() {
            "" => String::new(),
            phase => format!(" in {phase}"),
        };
        let after = attempt
            .duration_ms
            .map_or(String::new(), |time| format!(", after {} ms", millis(time)));
        lines.push(Line::from(vec![
            Span::styled(format!("  {}. ", at + 1), paint.style(Tone::Faint)),
            Span::styled(address(&attempt.backend).to_owned(), paint.style(Tone::Title)),
            Span::styled(format!("  {}", attempt.reason), paint.style(Tone::Bad)),
            Span::raw(format!("{phase}{after}")),
        ]));
    }
    if failure.attempts.is_empty() {
        lines.push(Line::styled("  no attempt was made", paint.style(Tone::Faint)));
    }
    lines
}
