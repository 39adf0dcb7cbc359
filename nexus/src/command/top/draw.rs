//! Draws what there is: a pure function of it.

pub(crate) mod cells;
mod columns;
mod detail;
mod events;
mod failures;
mod head;
mod help;
mod paint;
mod status;
mod table;

use std::ops::Range;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::model::{Model, View};

/// Terminals of fewer lines have no tail of events.
const TAIL_FROM: usize = 16;

/// The fewest lines that the tail gets, its title included.
const TAIL_MIN: usize = 5;

/// Draws a whole screen.
pub(crate) fn draw(frame: &mut Frame<'_>, model: &Model) {
    let area = frame.area();
    let (wide, high) = (usize::from(area.width), usize::from(area.height));
    let head = head::lines(model, (wide, high));
    let [top, body, bottom] = Layout::vertical([
        Constraint::Length(u16::try_from(head.len()).unwrap_or(u16::MAX)),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(area);
    put(frame, top, head);
    put(frame, bottom, vec![status::line(model, wide)]);
    let room = (wide, usize::from(body.height));
    match model.view {
        View::Table => table_and_tail(frame, model, body, high),
        View::Detail => put(frame, body, detail::lines(model, room)),
        View::Failures => put(frame, body, failures::lines(model, room)),
        View::Events => put(frame, body, events::lines(model, room, true)),
        View::Help => put(frame, body, help::lines(model)),
    }
}

fn table_and_tail(frame: &mut Frame<'_>, model: &Model, body: Rect, high: usize) {
    let (wide, room) = (usize::from(body.width), usize::from(body.height));
    let least = if high < TAIL_FROM { 0 } else { TAIL_MIN.max(room / 3) };
    let table = table::height(model).min(room.saturating_sub(least));
    let table = if least == 0 { room } else { table };
    let [above, below] = Layout::vertical([
        Constraint::Length(u16::try_from(table).unwrap_or(u16::MAX)),
        Constraint::Min(0),
    ])
    .areas(body);
    put(frame, above, table::lines(model, (wide, table)));
    put(frame, below, events::lines(model, (wide, usize::from(below.height)), false));
}

fn put(frame: &mut Frame<'_>, area: Rect, lines: Vec<Line<'static>>) {
    frame.render_widget(Paragraph::new(lines), area);
}

/// Returns which of `count` lines are shown in `room` of them, so that the one looked at is among them.
fn visible(count: usize, at: usize, room: usize) -> Range<usize> {
    let start = (at + 1).saturating_sub(room);
    start..count.min(start + room)
}

/// Joins parts up to a width; those that do not fit whole are left out, the first one is cut.
fn at_most(parts: Vec<Span<'static>>, wide: usize) -> Line<'static> {
    let mut line = Line::default();
    for part in parts {
        if line.width() + part.width() > wide && line.width() > 0 {
            break;
        }
        line.push_span(part);
    }
    line
}

/// Returns the line between two parts, with what the lower one is.
fn rule(title: &str, wide: usize, paint: paint::Paint) -> Line<'static> {
    let rest = wide.saturating_sub(cells::width(title) + 4);
    let faint = paint.style(paint::Tone::Faint);
    Line::from(vec![
        Span::styled("── ", faint),
        Span::styled(title.to_owned(), paint.style(paint::Tone::Title)),
        Span::styled(format!(" {}", "─".repeat(rest)), faint),
    ])
}
