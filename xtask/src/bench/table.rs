//! Measurements and what is made of them: medians, ratios, tables. Pure.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::peers::Peer;
use super::rows::Row;

/// Others may use this part of the proxy's CPU; more makes caches cold and numbers worse.
const DISTURBED: f64 = 0.08;

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Cell {
    /// CPU time of the proxy for one request, in µs.
    pub(super) cpu_us: f64,
    /// Successful requests a second.
    pub(super) per_second: f64,
    /// 99 of 100 answers came within this time, in µs.
    pub(super) p99_us: f64,
    /// The same at a rate that all peers have alike.
    pub(super) p99_steady_us: f64,
    /// Part of its CPU that the proxy used.
    pub(super) busy: f64,
    /// Part of the same CPU that other programs used, to the proxy's harm.
    pub(super) others: f64,
    /// Failed requests.
    pub(super) failed: u64,
}

/// All measurements of a run.
#[derive(Debug, Serialize)]
pub(super) struct Results {
    with_log: bool,
    peers: Vec<(Peer, String)>,
    rows: Vec<Measured>,
}

#[derive(Debug, Serialize)]
struct Measured {
    name: &'static str,
    about: &'static str,
    is_handshake: bool,
    rounds: BTreeMap<Peer, Vec<Cell>>,
    /// Why there is no measurement of a peer.
    missed: BTreeMap<Peer, String>,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu_us, per_second, p99_us, p99_steady_us, busy, failed, .. } = self;
        let busy = busy * 100.0;
        write!(f, "{cpu_us:7.2} µs  {per_second:7.0}/s  p99 {p99_us:6.0} µs  {busy:3.0} % busy")?;
        write!(f, "  p99 at the common rate {p99_steady_us:6.0} µs")?;
        if *failed > 0 {
            write!(f, "  {failed} FAILED")?;
        }
        Ok(())
    }
}

impl Results {
    /// No measurements yet.
    pub(super) fn new(peers: &[Peer], rows: &[Row], with_log: bool) -> Self {
        let row = |row: &Row| Measured {
            name: row.name,
            about: row.about,
            is_handshake: row.is_handshake(),
            rounds: BTreeMap::new(),
            missed: BTreeMap::new(),
        };
        Self {
            with_log,
            peers: peers.iter().map(|peer| (*peer, peer.title())).collect(),
            rows: rows.iter().map(row).collect(),
        }
    }

    /// Takes a measurement in.
    pub(super) fn add(&mut self, row: &Row, peer: Peer, cell: Cell) {
        if let Some(measured) = self.rows.iter_mut().find(|measured| measured.name == row.name) {
            measured.rounds.entry(peer).or_default().push(cell);
        }
    }

    /// Takes in that a peer could not be measured.
    pub(super) fn miss(&mut self, row: &Row, peer: Peer, why: &anyhow::Error) {
        if let Some(measured) = self.rows.iter_mut().find(|measured| measured.name == row.name) {
            measured.missed.insert(peer, format!("{why:#}").replace('\n', " "));
        }
    }

    /// Whether everybody could be measured.
    pub(super) fn is_whole(&self) -> bool {
        self.rows.iter().all(|row| row.missed.is_empty())
    }

    /// The tables in Markdown.
    pub(super) fn markdown(&self) -> String {
        let log = if self.with_log { "on" } else { "off" };
        let cpu = |row: &Measured, peer| Some(format!("{:.1}", row.median(peer, |c| c.cpu_us)?));
        let ratio = |to: Peer| {
            move |row: &Measured, peer| {
                let (this, that) = (row.median(peer, |c| c.cpu_us)?, row.median(to, |c| c.cpu_us)?);
                Some(format!("{:.2}", this / that))
            }
        };
        let speed = |row: &Measured, peer| {
            let (rate, p99) =
                (row.median(peer, |c| c.per_second)?, row.median(peer, |c| c.p99_us)?);
            Some(format!("{rate:.0}/s, {:.1} ms", p99 / 1000.0))
        };
        let mut text =
            format!("CPU time of the proxy per request, µs (request log {log}, medians)\n\n");
        text.push_str(&self.table(cpu));
        for to in [Peer::Nexus, Peer::Floor] {
            if self.peers.iter().any(|(peer, _)| *peer == to) && self.peers.len() > 1 {
                text.push_str(&format!("\nThe same in relation to {}\n\n", to.name()));
                text.push_str(&self.table(ratio(to)));
            }
        }
        if self.rows.iter().any(|row| row.is_handshake) {
            text.push_str("\nHandshakes in a second of the proxy's CPU time\n\n");
            let shaken = |row: &Measured, peer| {
                let cpu_us = row.median(peer, |cell| cell.cpu_us).filter(|_| row.is_handshake)?;
                Some(format!("{:.0}", 1e6 / cpu_us))
            };
            text.push_str(&self.table_of(|row| row.is_handshake, shaken));
        }
        text.push_str(
            "\nTime within which 99 of 100 requests were answered, ms, at a rate that all have alike\n\n",
        );
        let steady = |row: &Measured, peer| {
            Some(format!("{:.2}", row.median(peer, |c| c.p99_steady_us)? / 1000.0))
        };
        text.push_str(&self.table(steady));
        text.push_str(
            "\nRequests a second as fast as answers come, and the same time then: whoever has more \
             to do at a time has less to do for each\n\n",
        );
        text.push_str(&self.table(speed));
        text.push_str(&self.remarks());
        text
    }

    fn table(&self, cell: impl Fn(&Measured, Peer) -> Option<String>) -> String {
        self.table_of(|_| true, cell)
    }

    fn table_of(
        &self,
        is_in: impl Fn(&Measured) -> bool,
        cell: impl Fn(&Measured, Peer) -> Option<String>,
    ) -> String {
        let titles: Vec<_> = self.peers.iter().map(|(_, title)| title.as_str()).collect();
        let mut text =
            format!("| | {} |\n|---|{}\n", titles.join(" | "), "---|".repeat(titles.len()));
        for row in self.rows.iter().filter(|row| is_in(row)) {
            let text_of = |peer| match cell(row, peer) {
                Some(text) => text,
                None if row.missed.contains_key(&peer) => "failed".to_owned(),
                None => "–".to_owned(),
            };
            let cells: Vec<_> = self.peers.iter().map(|(peer, _)| text_of(*peer)).collect();
            text.push_str(&format!("| {} | {} |\n", row.about, cells.join(" | ")));
        }
        text
    }

    /// What a reader must know before trusting the numbers.
    fn remarks(&self) -> String {
        let cells = || self.rows.iter().flat_map(|row| row.rounds.values());
        let spread = cells().filter_map(|cells| spread(cells)).fold(0.0, f64::max);
        let failed: u64 = cells().flatten().map(|cell| cell.failed).sum();
        let mut text = format!(
            "\nRounds of one cell differ by {:.0} % of their median at most.\n",
            spread * 100.0
        );
        let disturbed = cells().flatten().filter(|cell| cell.others > DISTURBED).count();
        if disturbed > 0 {
            text.push_str(&format!(
                "Other programs used the proxy's CPU during {disturbed} of {} measurements: \
                 repeat it on a quiet machine.\n",
                cells().flatten().count()
            ));
        }
        for row in &self.rows {
            for (peer, why) in &row.missed {
                let (who, about) = (peer.name(), row.about);
                text.push_str(&format!("{who} FAILED at \"{about}\": {why}\n"));
            }
        }
        if failed > 0 {
            text.push_str(&format!("{failed} requests FAILED: see the measurements.\n"));
        }
        text
    }
}

impl Measured {
    fn median(&self, peer: Peer, value: impl Fn(&Cell) -> f64) -> Option<f64> {
        median(self.rounds.get(&peer)?.iter().map(value).collect())
    }
}

/// Largest minus smallest CPU time, in relation to the median.
fn spread(cells: &[Cell]) -> Option<f64> {
    let values: Vec<f64> = cells.iter().map(|cell| cell.cpu_us).collect();
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    Some((most - least) / median(values)?)
}

pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::rows;

    fn cell(cpu_us: f64) -> Cell {
        let (p99_us, p99_steady_us) = (1500.0, 700.0);
        let (per_second, busy, others, failed) = (1000.0, 0.5, 0.0, 0);
        Cell { cpu_us, per_second, p99_us, p99_steady_us, busy, others, failed }
    }

    #[test]
    fn a_median_is_the_middle_or_between_the_two() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0]), Some(2.5));
        assert_eq!(median(vec![]), None);
    }

    #[test]
    fn the_table_has_medians_ratios_and_dashes() {
        let rows = rows::named(&["small".into(), "newconn".into()]).unwrap();
        let mut results = Results::new(&[Peer::Nexus, Peer::Floor], &rows, false);
        for cpu_us in [10.0, 30.0, 12.0] {
            results.add(&rows[0], Peer::Nexus, cell(cpu_us));
            results.add(&rows[0], Peer::Floor, cell(6.0));
        }
        results.add(&rows[1], Peer::Nexus, cell(40.0));
        let text = results.markdown();
        assert!(text.contains("| | Nexus | floor |\n|---|---|---|\n"), "{text}");
        assert!(text.contains("| small answer, 64 connections | 12.0 | 6.0 |\n"), "{text}");
        assert!(text.contains("| new connection per request | 40.0 | – |\n"), "{text}");
        assert!(text.contains("| small answer, 64 connections | 2.00 | 1.00 |\n"), "{text}");
        assert!(text.contains("1000/s, 1.5 ms"), "{text}");
        assert!(text.contains("| small answer, 64 connections | 0.70 | 0.70 |\n"), "{text}");
        assert!(text.contains("differ by 167 %"), "{text}");
    }
}
