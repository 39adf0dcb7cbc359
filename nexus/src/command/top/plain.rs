//! The table as plain text: for pipes, scripts and `--once`.

use super::stats::{Backend, Pool, Stats};

/// The columns, always these: whoever cuts them out finds them where they were.
const TITLES: [&str; 14] = [
    "POOL",
    "BACKEND",
    "STATE",
    "SHARE",
    "EXPECTED",
    "RATE",
    "ERRORS",
    "P50_MS",
    "P99_MS",
    "IN_FLIGHT",
    "CONNECTIONS",
    "WEIGHT",
    "REQUESTS",
    "CAUSE",
];

/// Those with text, at the left.
const LEFT: [&str; 4] = ["POOL", "BACKEND", "STATE", "CAUSE"];

/// What there is nothing of.
const NONE: &str = "-";

/// Writes a line per backend, and one for everything.
pub(crate) fn text(stats: &Stats) -> String {
    let mut rows = vec![TITLES.map(str::to_owned)];
    for pool in &stats.pools {
        rows.extend(pool.backends.iter().map(|backend| row(pool, backend)));
    }
    rows.push(total(stats));
    let mut widths = [0; TITLES.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = usize::max(*width, cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).zip(TITLES).map(|((cell, width), title)| {
            if LEFT.contains(&title) {
                format!("{cell:<width$}")
            } else {
                format!("{cell:>width$}")
            }
        });
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}

fn row(pool: &Pool, backend: &Backend) -> [String; TITLES.len()] {
    [
        pool.name.clone(),
        backend.url.clone(),
        backend.standing().word().to_owned(),
        part(backend.share),
        part(backend.share_expected),
        format!("{:.1}", backend.load.rate),
        part(Some(backend.load.error_ratio)),
        time(backend.load.p50()),
        time(backend.load.p99()),
        backend.in_flight.to_string(),
        backend.connections.open.to_string(),
        backend.weight.to_string(),
        backend.load.requests.to_string(),
        backend.cause.clone().unwrap_or_else(|| NONE.to_owned()),
    ]
}

fn total(stats: &Stats) -> [String; TITLES.len()] {
    let none = || NONE.to_owned();
    let backends: Vec<_> = stats.pools.iter().flat_map(|pool| &pool.backends).collect();
    let open: u64 = backends.iter().map(|backend| backend.connections.open).sum();
    [
        "TOTAL".to_owned(),
        none(),
        format!("{}/{}", stats.pools.iter().map(|pool| pool.up).sum::<u64>(), backends.len()),
        none(),
        none(),
        format!("{:.1}", stats.total.rate),
        part(Some(stats.total.error_ratio)),
        time(stats.total.p50()),
        time(stats.total.p99()),
        stats.in_flight().to_string(),
        open.to_string(),
        none(),
        stats.total.requests.to_string(),
        none(),
    ]
}

fn part(value: Option<f64>) -> String {
    value.map_or_else(|| NONE.to_owned(), |value| format!("{value:.4}"))
}

fn time(value: Option<f64>) -> String {
    value.map_or_else(|| NONE.to_owned(), |value| format!("{value:.2}"))
}
