//! The first lines: which Nexus it is, whether it answers, and everything together.

use std::time::Duration;

use ratatui::text::{Line, Span};

use super::super::model::{Link, Model};
use super::super::stats::{Load, Stats};
use super::at_most;
use super::cells::{bytes, chart, clock, count, millis, percent, rate, span, width};
use super::paint::{Paint, Tone, of_errors};

/// Terminals of fewer lines are not told what was counted since the start.
const COUNTS_FROM: usize = 18;

/// Seconds of the chart of everything.
const CHART_WIDTH: usize = 20;

/// Returns the first lines.
pub(crate) fn lines(model: &Model, (wide, high): (usize, usize)) -> Vec<Line<'static>> {
    let paint = Paint::of(model);
    let mut lines = vec![first(model, wide, paint)];
    let Some(stats) = &model.stats else { return lines };
    if high > 4 {
        lines.push(totals(stats, wide, paint));
    }
    if high >= COUNTS_FROM {
        lines.push(counts(stats, wide, paint));
        lines.push(Line::default());
    }
    lines
}

fn first(model: &Model, wide: usize, paint: Paint) -> Line<'static> {
    let about = match &model.stats {
        Some(stats) => {
            let up = Duration::try_from_secs_f64(stats.uptime_seconds).unwrap_or_default();
            format!("Nexus {} at {}, up {}", stats.version, model.address, span(up))
        }
        None => format!("Nexus at {}", model.address),
    };
    let at = model.stats.as_ref().map_or("", |stats| clock(&stats.at));
    let (word, tone) = match &model.link {
        _ if model.is_paused => (format!("‖ paused at {at}"), Tone::Warn),
        Link::Waiting => ("… waiting".to_owned(), Tone::Faint),
        Link::Live => (format!("● live {at}"), Tone::Good),
        Link::Lost(_, since) => {
            let ago = span(model.now.saturating_sub(*since));
            (format!("▼ lost {ago} ago"), Tone::Bad)
        }
    };
    let mut parts = Vec::new();
    if width(&about) + width(&word) < wide {
        let room = wide - width(&about) - width(&word);
        parts.push(Span::styled(about, paint.style(Tone::Title)));
        parts.push(Span::raw(" ".repeat(room)));
    }
    parts.push(Span::styled(word, paint.style(tone)));
    Line::from(parts)
}

fn totals(stats: &Stats, wide: usize, paint: Paint) -> Line<'static> {
    if !stats.is_counting {
        let words = "nothing is counted: the configuration says `metrics: false`";
        return Line::styled(words, paint.style(Tone::Warn));
    }
    let total = &stats.total;
    let mut parts =
        vec![Span::styled(format!("{}/s ", rate(total.rate)), paint.style(Tone::Title))];
    let picture = chart(&total.series.rate, CHART_WIDTH, 1).concat();
    parts.push(Span::styled(picture, paint.style(Tone::Calm)));
    let mut say = |text: String, tone| {
        parts.push(Span::styled(format!("  {text}"), paint.style(tone)));
    };
    let tone = match of_errors(total.error_ratio) {
        Tone::Faint => Tone::Plain,
        tone => tone,
    };
    say(format!("errors {}", percent(total.error_ratio)), tone);
    let time = |value: Option<f64>| {
        value.map_or("–".to_owned(), |value| format!("{} ms", millis(value)))
    };
    say(format!("p50 {}", time(total.p50())), Tone::Plain);
    say(format!("p99 {}", time(total.p99())), Tone::Plain);
    say(format!("{} in flight", count(stats.in_flight())), Tone::Plain);
    say(format!("{} connections", count(stats.connections())), Tone::Plain);
    at_most(parts, wide)
}

fn counts(stats: &Stats, wide: usize, paint: Paint) -> Line<'static> {
    let retries = stats.pools.iter().map(|pool| pool.retries).sum();
    let mut words = vec![format!("{} requests", count(stats.total.requests))];
    words.extend(classes(&stats.total));
    words.push(format!("{} retries", count(retries)));
    words.push(format!("{} in", bytes(stats.total.bytes_in)));
    words.push(format!("{} out", bytes(stats.total.bytes_out)));
    let style = paint.style(Tone::Faint);
    let mut parts = Vec::new();
    for word in words {
        let gap = if parts.is_empty() { "" } else { "  " };
        parts.push(Span::styled(format!("{gap}{word}"), style));
    }
    at_most(parts, wide)
}

/// Says how many answers of which class there were, if any.
pub(crate) fn classes(load: &Load) -> Vec<String> {
    let some = load.by_class.iter().filter(|(_, many)| **many > 0);
    let word = |(class, many): (&String, &u64)| match class.as_str() {
        "none" => format!("{} left unanswered", count(*many)),
        class => format!("{class} {}", count(*many)),
    };
    some.map(word).collect()
}
