//! The report for people: totals, then who answered, how fast, and everything that failed.

use std::fmt::{self, Write};

use super::{Report, Summary, chart};
use crate::tally::Tally;
use crate::units::{bytes, micros};

/// Width of the longest bar of a backend, in characters.
const BAR_WIDTH: usize = 20;

/// Failed numbers shown; the JSON report has all of them.
const RUNS_SHOWN: usize = 10;

pub(super) fn render(report: &Report, tally: &Tally) -> String {
    let mut out = String::new();
    let written = head(&mut out, report)
        .and_then(|()| totals(&mut out, report))
        .and_then(|()| backends(&mut out, report))
        .and_then(|()| latency(&mut out, report))
        .and_then(|()| chart::histogram(&mut out, &tally.response))
        .and_then(|()| errors(&mut out, report))
        .and_then(|()| measurement(&mut out, report));
    debug_assert!(written.is_ok(), "a string takes everything");
    out
}

fn head(out: &mut String, report: &Report) -> fmt::Result {
    let config = &report.config;
    let workers = if config.workers == 1 { "worker" } else { "workers" };
    let over = match config.streams {
        Some(_) if config.connections == 1 => " over 1 HTTP/2 connection".to_owned(),
        Some(_) => format!(" over {} HTTP/2 connections", config.connections),
        None => String::new(),
    };
    writeln!(
        out,
        "loadtest {} {}   {}, {} {workers}{over}   {}",
        config.method, config.url, config.pace, config.workers, report.started
    )
}

fn totals(out: &mut String, report: &Report) -> fmt::Result {
    let totals = &report.totals;
    let percent = |count: u64| 100.0 * count as f64 / totals.sent.max(1) as f64;
    writeln!(out)?;
    if report.interrupted {
        writeln!(out, "INTERRUPTED: this is what was measured until then.")?;
    }
    writeln!(out, "Total        {}", totals.sent)?;
    writeln!(out, "Successful   {}   {:.2} %", totals.ok, percent(totals.ok))?;
    writeln!(out, "Failed       {}   {:.2} %", totals.failed, percent(totals.failed))?;
    if totals.aborted > 0 {
        let percent = percent(totals.aborted);
        writeln!(out, "Aborted      {}   {percent:.2} %, as asked for", totals.aborted)?;
    }
    if totals.unsent > 0 {
        writeln!(out, "Unsent       {} of {} planned", totals.unsent, totals.planned)?;
    }
    writeln!(out, "Duration     {:.3} s", report.duration_s)?;
    write!(out, "Requests/s   {:.1}", report.rate.sent_per_s)?;
    if totals.failed > 0 {
        write!(out, "   successful {:.1}", report.rate.ok_per_s)?;
    }
    writeln!(out)?;
    if totals.body_bytes >= 1 << 20 {
        let per_second = totals.body_bytes as f64 / report.duration_s;
        let received = bytes(totals.body_bytes);
        writeln!(out, "Received     {received}   {}/s", bytes(per_second as u64))?;
    }
    Ok(())
}

fn backends(out: &mut String, report: &Report) -> fmt::Result {
    if report.backends.is_empty() {
        return Ok(());
    }
    let answers: u64 = report.backends.iter().map(|backend| backend.count).sum();
    let width = report.backends.iter().map(|backend| backend.name.len()).max().unwrap_or(0);
    let answer = if answers == 1 { "answer" } else { "answers" };
    writeln!(out, "\nBackends     {answers} {answer}, by {}", report.config.backend_header)?;
    let most = report.backends.iter().map(|backend| backend.share).fold(0.0, f64::max);
    for row in &report.backends {
        write!(
            out,
            "  {:width$}  {:>8}  {:>5.1} %  {}",
            row.name,
            row.count,
            row.share * 100.0,
            chart::padded_bar(row.share / most, BAR_WIDTH),
        )?;
        if row.ok > 0 {
            write!(out, "  p50 {:>8}  p99 {:>8}", micros(row.p50_us), micros(row.p99_us))?;
        }
        if row.errors > 0 {
            write!(out, "  errors {}", row.errors)?;
        }
        writeln!(out, "  {:.2}-{:.2} s", row.first_s, row.last_s)?;
    }
    Ok(())
}

fn latency(out: &mut String, report: &Report) -> fmt::Result {
    if report.latency.response.count == 0 {
        return Ok(());
    }
    let open = report.config.rate_per_s.is_some();
    let note = if open {
        "of successful requests; response counts from when a request was due"
    } else {
        "of successful requests; closed loop: stalls are under-represented"
    };
    writeln!(out, "\nLatency      {note}")?;
    let columns = ["min", "mean", "p50", "p90", "p95", "p99", "p99.9", "max"];
    write!(out, "  {:10}", "")?;
    columns.iter().try_for_each(|column| write!(out, " {column:>8}"))?;
    let row = |out: &mut String, name: &str, of: &Summary| {
        write!(out, "\n  {name:10}")?;
        let mean = of.mean_us as u64;
        [of.min_us, mean, of.p50_us, of.p90_us, of.p95_us, of.p99_us, of.p999_us, of.max_us]
            .iter()
            .try_for_each(|us| write!(out, " {:>8}", micros(*us)))
    };
    row(out, "response", &report.latency.response)?;
    if open || !report.config.keepalive {
        row(out, "service", &report.latency.service)?;
    }
    writeln!(out)
}

fn errors(out: &mut String, report: &Report) -> fmt::Result {
    let statuses: Vec<String> =
        report.statuses.iter().map(|(status, count)| format!("{status}: {count}")).collect();
    if !statuses.is_empty() {
        writeln!(out, "\nStatus       {}", statuses.join("   "))?;
    }
    if report.errors.is_empty() {
        return writeln!(out, "Errors       none");
    }
    writeln!(
        out,
        "\nErrors       by kind: how many, the first, the last, and what the first said"
    )?;
    for row in &report.errors {
        writeln!(
            out,
            "  {:17}  {:>8}   {:.3} s - {:.3} s   {}",
            row.kind, row.count, row.first_s, row.last_s, row.sample
        )?;
    }
    let reasons: Vec<String> =
        report.reasons.iter().map(|(reason, count)| format!("{reason}: {count}")).collect();
    if !reasons.is_empty() {
        writeln!(out, "Reasons      {}", reasons.join("   "))?;
    }
    let shown = report.failed_seqs.iter().take(RUNS_SHOWN).map(|[first, last]| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    });
    let shown: Vec<String> = shown.collect();
    let more = report.failed_seqs.len().saturating_sub(RUNS_SHOWN);
    let more = if more > 0 { format!(" and {more} more ranges") } else { String::new() };
    writeln!(out, "Failed seqs  {}{more}   (run {})", shown.join(", "), report.config.run_id)
}

/// What says whether the figures above can be trusted.
fn measurement(out: &mut String, report: &Report) -> fmt::Result {
    let connections = &report.connections;
    write!(
        out,
        "\nConnections  opened {}   closed by peer {}   failed {}",
        connections.opened, connections.closed_by_peer, connections.failed
    )?;
    if report.latency.connect.count > 0 {
        let connect = &report.latency.connect;
        write!(out, "   connect p50 {} max {}", micros(connect.p50_us), micros(connect.max_us))?;
    }
    writeln!(out)?;
    if connections.handshakes_full + connections.handshakes_resumed > 0 {
        let handshake = &report.latency.handshake;
        writeln!(
            out,
            "Handshakes   full {}   resumed {}   p50 {} max {}",
            connections.handshakes_full,
            connections.handshakes_resumed,
            micros(handshake.p50_us),
            micros(handshake.max_us)
        )?;
    }
    if connections.unasked_bytes > 0 {
        let count = connections.unasked_bytes;
        writeln!(out, "             on {count} of them came bytes that no request had asked for")?;
    }
    if report.late_starts > 0 {
        writeln!(
            out,
            "Late starts  {} ({:.1} %), worst {}: all {} workers were busy",
            report.late_starts,
            100.0 * report.late_starts as f64 / report.totals.sent.max(1) as f64,
            micros(report.late_worst_us as u64),
            report.config.workers,
        )?;
    }
    write!(out, "Loader       {:.1} µs processor time per request", report.cpu_us_per_request)?;
    if report.timer_lag.count > 0 {
        write!(out, "   timer lag p99 {}", micros(report.timer_lag.p99_us))?;
    }
    writeln!(out, "   nothing was sent twice")
}
