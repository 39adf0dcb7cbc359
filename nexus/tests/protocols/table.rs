//! Runs the rows with every pair of protocols, and writes down what came of them.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use tokio::runtime::{Builder, Handle};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::known;
use crate::outcome::{Outcome, wrong};
use crate::rows::{self, Row};
use crate::secure::Secrets;
use crate::wire::{PATIENCE, Wire};
use crate::world::World;

/// How many cells run at a time: they wait more than they work.
const AT_ONCE: usize = 6;

/// A cell, by its row and protocols.
#[derive(Debug, Clone, Copy)]
struct Cell {
    row: usize,
    front: Wire,
    back: Wire,
}

impl Cell {
    /// Returns all, row by row.
    fn all(rows: usize) -> impl Iterator<Item = Self> {
        (0..rows).flat_map(|row| {
            Wire::ALL.into_iter().flat_map(move |front| {
                Wire::ALL.into_iter().map(move |back| Self { row, front, back })
            })
        })
    }

    fn name(self, rows: &[Row]) -> String {
        format!("{} > {}: {}", self.front.name(), self.back.name(), rows[self.row].name)
    }
}

/// Runs what is wanted (`ONLY="h2 > h2c: GET"` is a part of names), and returns what went wrong.
async fn run(rows: Arc<Vec<Row>>, world: World) -> Vec<String> {
    let only = std::env::var("ONLY").unwrap_or_default();
    let (turns, mut cells) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for cell in Cell::all(rows.len()) {
        let is_none = (rows[cell.row].why_not)(cell.front, cell.back).is_some();
        if is_none || !cell.name(&rows).contains(&only) {
            continue;
        }
        let world = World { front: cell.front, back: cell.back, ..world.clone() };
        let (rows, turns) = (Arc::clone(&rows), Arc::clone(&turns));
        cells.spawn(async move {
            let _turn = turns.acquire_owned().await;
            let running = tokio::spawn((rows[cell.row].run)(world));
            let ended = match tokio::time::timeout(PATIENCE, running).await {
                Ok(Ok(ended)) => ended,
                Ok(Err(panicked)) => wrong(panicked.to_string()),
                Err(_) => wrong("it does not end"),
            };
            judge(cell, &rows, ended)
        });
    }
    let mut failed: Vec<_> = cells.join_all().await.into_iter().flatten().collect();
    failed.sort();
    failed
}

/// Says what is wrong with how a cell ended, if anything is.
fn judge(cell: Cell, rows: &[Row], ended: Outcome) -> Option<String> {
    let known = known::why(rows[cell.row].name, cell.front, cell.back);
    match (ended, known) {
        (Ok(()), None) | (Err(_), Some(_)) => None,
        (Ok(()), Some(_)) => Some(format!("{}: passes, but is known not to", cell.name(rows))),
        (Err(what), None) => Some(format!("{}: {}", cell.name(rows), what.0)),
    }
}

#[test]
fn every_protocol_passes_to_every_other() {
    let handle = runtime();
    let secrets = Arc::new(Secrets::new());
    let world = World { front: Wire::Http1, back: Wire::Http1, secrets, backends: handle };
    let clients = Builder::new_current_thread().enable_all().build().unwrap();
    let failed = clients.block_on(run(Arc::new(rows::all()), world));
    clients.shutdown_background();
    assert!(failed.is_empty(), "{} cells failed:\n{}", failed.len(), failed.join("\n"));
}

/// Starts a runtime on a thread of its own, for as long as the process lives.
pub(crate) fn runtime() -> Handle {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let handle = runtime.handle().clone();
    std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    handle
}

/// Writes the table down as a page of the documentation.
fn page() -> String {
    let rows = rows::all();
    let mut page = "# Protocols\n\n\
        What passes through Nexus, for every protocol of a client and of a backend. A line is a test, a column a pair: \
        what the\nclient speaks, then what the backend speaks. h1 is HTTP/1.1, h2 is HTTP/2 over TLS, h2c is HTTP/2 in \
        clear text by prior\nknowledge.\n\n"
        .to_owned();
    let columns: Vec<_> = Cell::all(1).map(|Cell { front, back, .. }| (front, back)).collect();
    let titles =
        columns.iter().map(|(front, back)| format!(" {} › {} |", front.name(), back.name()));
    let _ = writeln!(page, "| |{}", titles.collect::<String>());
    let _ = writeln!(page, "|---|{}", ":-:|".repeat(columns.len()));
    let mut notes: Vec<&str> = Vec::new();
    for row in &rows {
        let mut mark = |(front, back): &(Wire, Wire)| {
            let none = (row.why_not)(*front, *back);
            let open = known::why(row.name, *front, *back);
            let Some(why) = none.or(open) else { return " ✓ |".to_owned() };
            let at = notes.iter().position(|note| *note == why).unwrap_or_else(|| {
                notes.push(why);
                notes.len() - 1
            });
            format!(" {} [{}] |", if none.is_some() { "–" } else { "✗" }, at + 1)
        };
        let marks: String = columns.iter().map(&mut mark).collect();
        let _ = writeln!(page, "| {} |{marks}", row.name);
    }
    page.push_str("\n✓ passes, – cannot exist, ✗ does not pass yet:\n\n");
    for (at, note) in notes.iter().enumerate() {
        let _ = writeln!(page, "{}. {note}", at + 1);
    }
    page + "\nMade from the tests: `UPDATE=1 cargo test -p nexus --test protocols`.\n"
}

#[test]
fn the_page_of_protocols_has_them_all() {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/protocols.md"));
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, page()).unwrap();
    }
    let is_same = fs::read_to_string(path).is_ok_and(|known| known == page());
    assert!(is_same, "docs/protocols.md is old (UPDATE=1 cargo test -p nexus --test protocols)");
}
