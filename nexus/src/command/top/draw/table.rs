//! The table of backends.

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::super::model::Model;
use super::super::rows::{Row, Sort, rows};
use super::super::stats::{Backend, Pool};
use super::cells::{age, balance, chart, count, left, millis, percent, rate, right, span, width};
use super::columns::{Column, columns};
use super::paint::{Paint, Tone, of_errors, of_state};
use super::{at_most, visible};

/// Returns the table's lines: titles, and as many of the rest as there is room for.
pub(crate) fn lines(model: &Model, room: (usize, usize)) -> Vec<Line<'static>> {
    let (wide, high) = room;
    let rows = rows(model);
    let table = Table::new(model, &rows, wide);
    let mut lines = vec![table.titles()];
    let is_chosen = |row: &Row<'_>| match (row, &model.chosen) {
        (Row::Backend(pool, one), Some(chosen)) => {
            (&pool.name, &one.url) == (&chosen.pool, &chosen.backend)
        }
        _ => false,
    };
    let chosen = rows.iter().position(is_chosen).unwrap_or(0);
    let shown = visible(rows.len(), chosen, high.saturating_sub(1));
    for (at, row) in rows.iter().enumerate().take(shown.end).skip(shown.start) {
        lines.push(match row {
            Row::Pool(pool) => table.pool(pool),
            Row::Backend(pool, one) => table.backend(pool, one, at == chosen && is_chosen(row)),
        });
    }
    if rows.is_empty() && model.stats.is_some() {
        let words = match model.filter.as_str() {
            "" => "  no backend".to_owned(),
            filter => format!("  no backend has `{filter}` in its pool, name, state or cause"),
        };
        lines.push(Line::styled(words, table.paint.style(Tone::Faint)));
    }
    lines
}

/// Returns how many lines it would like to have.
pub(crate) fn height(model: &Model) -> usize {
    1 + rows(model).len().max(1)
}

struct Table<'m> {
    model: &'m Model,
    paint: Paint,
    columns: Vec<(Column, usize)>,
    wide: usize,
}

impl<'m> Table<'m> {
    fn new(model: &'m Model, rows: &[Row<'_>], wide: usize) -> Self {
        let both = rows.iter().filter_map(|row| match row {
            Row::Pool(_) => None,
            Row::Backend(pool, one) => Some((width(&pool.name), width(one.address()) + 2)),
        });
        let (pool, name) =
            both.fold((0, 0), |(pool, name), (p, n)| (usize::max(pool, p), usize::max(name, n)));
        let pool = (model.sort != Sort::Pool).then_some(pool);
        let columns = columns(wide, pool, name);
        Self { model, paint: Paint::of(model), columns, wide }
    }

    fn titles(&self) -> Line<'static> {
        let sort = self.model.sort;
        // What one looks for first stands first: names up, numbers down.
        let sign = match (matches!(sort, Sort::Name | Sort::State), self.model.is_reversed) {
            (true, false) | (false, true) => '▲',
            _ => '▼',
        };
        let cell = |&(column, width): &(Column, usize)| {
            let is_sorted = column.is_of(sort);
            let title = column.title();
            let text = match (is_sorted, column.is_left()) {
                (true, true) => left(&format!("{title} {sign}"), width),
                (true, false) => right(&format!("{sign}{}", title.replace(" ms", "")), width),
                (false, true) => left(title, width),
                (false, false) => right(title, width),
            };
            let tone = if is_sorted { Tone::Title } else { Tone::Faint };
            Span::styled(text, self.paint.style(tone))
        };
        joined(self.columns.iter().map(cell))
    }

    fn pool(&self, pool: &Pool) -> Line<'static> {
        let paint = self.paint;
        let mut parts = vec![Span::styled(pool.name.clone(), paint.style(Tone::Title))];
        let mut say =
            |text: String, tone| parts.push(Span::styled(format!("  {text}"), paint.style(tone)));
        let all = pool.backends.len() as u64;
        let tone = match pool.up {
            0 => Tone::Bad,
            up if up < all => Tone::Warn,
            _ => Tone::Faint,
        };
        say(format!("{} of {all} UP", pool.up), tone);
        match pool.mode.as_str() {
            "panic" => say("! in panic: all are used".to_owned(), Tone::Bad),
            "closed" => say("! closed: too few are left".to_owned(), Tone::Bad),
            _ => {}
        }
        match pool.circuit.as_deref() {
            Some("open") => say("! circuit open".to_owned(), Tone::Bad),
            Some("half_open") => say("circuit half open".to_owned(), Tone::Warn),
            _ => {}
        }
        if pool.waiting > 0 {
            say(format!("{} waiting", count(pool.waiting)), Tone::Warn);
        }
        say(format!("{}/s", rate(pool.load.rate)), Tone::Faint);
        say(format!("errors {}", percent(pool.load.error_ratio)), of_errors(pool.load.error_ratio));
        if let Some(p99) = pool.load.p99() {
            say(format!("p99 {} ms", millis(p99)), Tone::Faint);
        }
        if pool.retries > 0 {
            say(format!("{} retries", count(pool.retries)), Tone::Faint);
        }
        at_most(parts, self.wide)
    }

    fn backend(&self, pool: &Pool, backend: &Backend, is_chosen: bool) -> Line<'static> {
        let cells = self.columns.iter().map(|&(column, width)| {
            let (text, tone) = self.cell(column, width, pool, backend, is_chosen);
            let text = if column.is_left() { left(&text, width) } else { right(&text, width) };
            Span::styled(text, self.paint.style(tone))
        });
        let line = joined(cells);
        if is_chosen { line.style(Style::new().add_modifier(Modifier::REVERSED)) } else { line }
    }

    fn cell(
        &self,
        column: Column,
        width: usize,
        pool: &Pool,
        backend: &Backend,
        is_chosen: bool,
    ) -> (String, Tone) {
        let load = &backend.load;
        let time = |value: Option<f64>| match value {
            Some(value) => (millis(value), Tone::Plain),
            None => ("–".to_owned(), Tone::Faint),
        };
        let number =
            |value: u64| (value.to_string(), if value == 0 { Tone::Faint } else { Tone::Plain });
        match column {
            Column::Pool => (pool.name.clone(), Tone::Faint),
            Column::Name => {
                let mark = if is_chosen { '▸' } else { ' ' };
                (format!("{mark} {}", backend.address()), Tone::Plain)
            }
            Column::State => {
                let state = backend.standing();
                (format!("{} {}", state.sign(), state.word()), of_state(state))
            }
            Column::Share => match backend.share {
                Some(share) => (percent(share), Tone::Plain),
                None => ("–".to_owned(), Tone::Faint),
            },
            Column::Balance => match (backend.share, backend.share_expected) {
                (Some(share), Some(due)) => (balance(share, due, width), Tone::Calm),
                _ => (String::new(), Tone::Faint),
            },
            Column::Rate if load.rate == 0.0 => ("0".to_owned(), Tone::Faint),
            Column::Rate => (rate(load.rate), Tone::Plain),
            Column::Chart => (chart(&load.series.rate, width, 1).concat(), Tone::Calm),
            Column::Errors => (percent(load.error_ratio), of_errors(load.error_ratio)),
            Column::P50 => time(load.p50()),
            Column::P99 => time(load.p99()),
            Column::InFlight => number(backend.in_flight),
            Column::Connections => number(backend.connections.open),
            Column::Weight => (backend.weight.to_string(), Tone::Faint),
            Column::Note => (self.remark(backend), Tone::Faint),
        }
    }

    fn remark(&self, backend: &Backend) -> String {
        let at = self.model.stats.as_ref().map_or("", |stats| &stats.at);
        let since = age(at, &backend.since).map(|age| format!("for {}", span(age)));
        [backend.cause.clone(), since].into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

/// Puts cells side by side.
fn joined(cells: impl Iterator<Item = Span<'static>>) -> Line<'static> {
    let mut parts = Vec::new();
    for cell in cells {
        if !parts.is_empty() {
            parts.push(Span::raw(" "));
        }
        parts.push(cell);
    }
    Line::from(parts)
}
