//! Tells how far the run is: a bar on a terminal, a line now and then elsewhere, or JSON lines.
//!
//! Each thread lays out what it has so far a few times a second; nothing of this is on a request's
//! way.

use std::collections::BTreeMap;
use std::io::{IsTerminal, stderr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::config::Progress;
use crate::run::Job;
use crate::tally::{Latency, Tally};
use crate::units;

const JSON_EVERY: Duration = Duration::from_millis(500);
const BAR_EVERY: Duration = Duration::from_millis(250);
const LINE_EVERY: Duration = Duration::from_secs(5);

/// What one thread has done so far, for others to look at.
#[derive(Debug, Default)]
pub(crate) struct Live {
    so_far: Mutex<SoFar>,
}

#[derive(Debug, Default)]
struct SoFar {
    sent: u64,
    ok: u64,
    aborted: u64,
    backends: BTreeMap<String, u64>,
    /// Of successful requests since the last look.
    recent: Option<Latency>,
}

impl Live {
    /// Lays out what the thread has; `recent` moves over and is empty afterwards.
    pub(crate) fn publish(&self, tally: &Tally, recent: &mut Latency) {
        let mut so_far = self.so_far.lock().unwrap_or_else(PoisonError::into_inner);
        (so_far.sent, so_far.ok, so_far.aborted) = (tally.sent, tally.ok, tally.aborted);
        for backend in &tally.backends {
            so_far.backends.insert(backend.name.clone(), backend.count);
        }
        so_far.recent.get_or_insert_with(Latency::coarse).add(recent);
        recent.clear();
    }
}

/// All threads together, as one JSON line has it.
#[derive(Debug, Serialize)]
struct Line {
    t: f64,
    sent: u64,
    ok: u64,
    failed: u64,
    aborted: u64,
    backends: BTreeMap<String, u64>,
    /// Of successful requests since the line before.
    p99_ms: f64,
}

impl Line {
    fn look(job: &Job) -> Self {
        let begun = job.measured().begun();
        let mut line = Self {
            t: begun.map_or(0.0, |begun| begun.at.elapsed().as_secs_f64()),
            sent: 0,
            ok: 0,
            failed: 0,
            aborted: 0,
            backends: BTreeMap::new(),
            p99_ms: 0.0,
        };
        let mut recent = Latency::coarse();
        for live in &job.live {
            let mut so_far = live.so_far.lock().unwrap_or_else(PoisonError::into_inner);
            line.sent += so_far.sent;
            line.ok += so_far.ok;
            line.aborted += so_far.aborted;
            for (name, count) in &so_far.backends {
                *line.backends.entry(name.clone()).or_default() += count;
            }
            if let Some(latency) = &mut so_far.recent {
                recent.add(latency);
                latency.clear();
            }
        }
        line.failed = line.sent - line.ok - line.aborted;
        line.p99_ms = recent.quantile_us(0.99) as f64 / 1000.0;
        line
    }

    /// `12s  500/s  ok 6000  failed 0  p99 11 ms | b1 33% b2 33% b3 33%`
    fn text(&self) -> String {
        let per_second = if self.t > 0.0 { self.sent as f64 / self.t } else { 0.0 };
        let p99 = units::micros((self.p99_ms * 1000.0) as u64);
        let mut text =
            format!("{per_second:.0}/s  ok {}  failed {}  p99 {p99}", self.ok, self.failed);
        let answers: u64 = self.backends.values().sum();
        for (index, (name, count)) in self.backends.iter().enumerate() {
            let share = *count as f64 / answers as f64 * 100.0;
            let name = name.trim_start_matches("http://");
            text.push_str(if index == 0 { "  | " } else { "  " });
            text.push_str(&format!("{name} {share:.0}%"));
        }
        text
    }
}

/// Shows progress for ever; to be dropped when the run is over.
pub(crate) async fn show(job: &Job) {
    match job.config.progress {
        Progress::Silent => std::future::pending().await,
        Progress::Json => show_json(job).await,
        Progress::Human if stderr().is_terminal() => show_bar(job).await,
        Progress::Human => show_lines(job).await,
    }
}

/// Says the last word.
pub(crate) fn finish(job: &Job) {
    if job.config.progress == Progress::Json {
        print_json(&Line::look(job));
    }
}

async fn show_json(job: &Job) {
    loop {
        tokio::time::sleep(JSON_EVERY).await;
        print_json(&Line::look(job));
    }
}

async fn show_lines(job: &Job) {
    loop {
        tokio::time::sleep(LINE_EVERY).await;
        let line = Line::look(job);
        eprintln!("{:>5.0}s  {}", line.t, line.text());
    }
}

async fn show_bar(job: &Job) {
    let planned = job.config.plan.planned();
    let millis = job.config.plan.duration.map(|duration| duration.as_millis() as u64);
    let bar = ProgressBar::new(planned.or(millis).unwrap_or(0));
    let template = match planned {
        Some(_) => "{elapsed:>4} [{bar:30}] {pos}/{len}  {wide_msg}",
        None => "{elapsed:>4} [{bar:30}]  {wide_msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("█▌ "));
    }
    let bar = Clear(bar);
    loop {
        tokio::time::sleep(BAR_EVERY).await;
        let line = Line::look(job);
        bar.0.set_position(planned.map_or((line.t * 1000.0) as u64, |_| line.sent));
        bar.0.set_message(line.text());
    }
}

/// Takes the bar away when the run is over, so that the report stands alone.
struct Clear(ProgressBar);

impl Drop for Clear {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn print_json(line: &Line) {
    if let Ok(line) = serde_json::to_string(line) {
        eprintln!("{line}");
    }
}
