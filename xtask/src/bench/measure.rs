//! One measurement: a fresh proxy, a short warm-up, a load, and the CPU time that it cost.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::peers::{Peer, Running};
use super::rows::Row;
use super::table::Cell;
use super::{Bench, cpu};
use crate::backend::Backend;
use crate::load::{Load, Report};

const WARM_UP: Duration = Duration::from_millis(300);
/// A load ends within this time of its planned end.
const LIMIT_END: Duration = Duration::from_secs(15);

pub(super) fn measure(bench: &Bench, peer: Peer, row: &Row, backends: &[Backend]) -> Result<Cell> {
    let proxy = cpu::on(bench.cpus.0, || peer.start(bench, row, backends))??;
    let cell = cost(bench, &proxy, row, "/")?;
    let rate = format!("--rate={}", row.rate);
    let url = row.url(proxy.address, "/");
    let steady = load(bench, row, &url, &[rate], Duration::from_secs(bench.seconds))?;
    proxy.stop();
    let failed = cell.failed + steady.totals.failed;
    Ok(Cell { p99_steady_us: steady.latency.response.p99_us, failed, ..cell })
}

/// Measures a proxy that runs, with requests for a path.
pub(super) fn cost(bench: &Bench, proxy: &Running, row: &Row, path: &str) -> Result<Cell> {
    let url = row.url(proxy.address, path);
    load(bench, row, &url, &[], WARM_UP)?;
    let before = (cpu::used(proxy.group())?, cpu::busy(bench.cpus.0)?);
    let report = load(bench, row, &url, &[], Duration::from_secs(bench.seconds))?;
    let used = cpu::used(proxy.group())?.saturating_sub(before.0);
    let busy = cpu::busy(bench.cpus.0)?.saturating_sub(before.1);
    ensure!(report.totals.ok > 0, "no request succeeded");
    Ok(Cell {
        cpu_us: used.as_secs_f64() * 1e6 / report.totals.sent as f64,
        per_second: report.totals.ok as f64 / report.duration_s,
        p99_us: report.latency.response.p99_us,
        p99_steady_us: 0.0,
        busy: used.as_secs_f64() / report.duration_s,
        others: busy.saturating_sub(used).as_secs_f64() / report.duration_s,
        failed: report.totals.failed,
    })
}

fn load(bench: &Bench, row: &Row, url: &str, more: &[String], time: Duration) -> Result<Report> {
    let mut flags = row.load_flags(&bench.identity);
    flags.extend_from_slice(more);
    flags.extend([format!("--duration={}ms", time.as_millis()), "--quiet".to_owned()]);
    let start = || Load::start(&bench.programs.loadtest, url, &flags, &bench.folder);
    cpu::on(bench.cpus.1, start)??.finish(time + LIMIT_END)
}
