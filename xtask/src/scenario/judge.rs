//! Expectations against facts: one verdict each, with the measured value even when it passes.
//!
//! Pure: no clock, no process, no socket.

use std::collections::BTreeMap;
use std::time::Duration;

use super::bound::{Bound, Measured};
use super::facts::{Companion, Facts, NexusEnd};
use super::file::{Expect, Window};
use crate::Outcome;
use crate::load::Answer;

/// One expectation, judged.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    /// What was measured.
    pub(crate) name: String,
    /// What is allowed.
    pub(crate) wanted: String,
    /// What came out.
    pub(crate) measured: String,
    /// Whether that is allowed.
    pub(crate) is_passed: bool,
    /// Whether a busy machine alone can make it fail.
    pub(crate) is_timing: bool,
}

/// Judges all expectations.
pub(crate) fn judge(expect: &Expect, facts: &Facts) -> Vec<Verdict> {
    let mut verdicts = whole_run(expect, facts);
    for window in &expect.window {
        verdicts.extend(part_of_run(window, facts));
    }
    verdicts.extend(awaited(facts));
    verdicts.extend(facts.beside.iter().map(companion));
    verdicts.extend(nexus(&facts.nexus));
    verdicts
}

/// All verdicts together.
pub(crate) fn outcome(verdicts: &[Verdict], is_starved: bool) -> Outcome {
    let mut failed = verdicts.iter().filter(|verdict| !verdict.is_passed);
    if verdicts.iter().all(|verdict| verdict.is_passed) {
        Outcome::Passed
    } else if is_starved && failed.all(|verdict| verdict.is_timing) {
        Outcome::Inconclusive
    } else {
        Outcome::Failed
    }
}

fn whole_run(expect: &Expect, facts: &Facts) -> Vec<Verdict> {
    let (totals, latency) = (&facts.report.totals, &facts.report.latency.response);
    let count = |n| Measured::Count(n, totals.sent);
    let time = |us: f64| Measured::Millis(us / 1000.0);
    let accounts = facts.accounts.unwrap_or_default();
    let memory = facts.nexus_memory.unwrap_or(u64::MAX);
    let plain = [
        ("sent", &expect.sent, count(totals.sent)),
        ("ok", &expect.ok, count(totals.ok)),
        ("failed", &expect.failed, count(totals.failed)),
        ("aborted", &expect.aborted, count(totals.aborted)),
        ("lost", &expect.lost, count(accounts.lost)),
        ("run twice", &expect.run_twice, count(accounts.run_twice)),
        ("amplification", &expect.amplification, Measured::Ratio(accounts.seen, totals.sent)),
        ("p50", &expect.p50, time(latency.p50_us)),
        ("p99", &expect.p99, time(latency.p99_us)),
        ("slowest", &expect.max, time(latency.max_us)),
        ("memory of Nexus", &expect.nexus_memory, Measured::Bytes(memory)),
    ];
    let mut verdicts = judge_each("", plain);
    let counts = facts.report.backends.iter().map(|one| (one.name.as_str(), one.count)).collect();
    verdicts.extend(shares("", &expect.share, &counts, facts));
    verdicts.extend(expect.p99_of.iter().map(|(id, bound)| p99_of(id, bound, facts)));
    for (status, bound) in &expect.status {
        let answers = facts.report.statuses.get(status).copied().unwrap_or(0);
        verdicts.push(verdict(format!("status {status}"), bound, count(answers)));
    }
    verdicts.extend(expect.only_errors.as_ref().map(|kinds| only_errors(kinds, facts)));
    verdicts
}

fn part_of_run(window: &Window, facts: &Facts) -> Vec<Verdict> {
    let to = window.to.unwrap_or(Duration::MAX).as_secs_f64();
    let range = window.from.as_secs_f64()..to;
    let is_judged = |answer: &&Answer| range.contains(&answer.ended_s) && !answer.is_aborted();
    let answers: Vec<&Answer> = facts.answers.iter().filter(is_judged).collect();
    let place = match window.to {
        Some(to) => format!("{:.1}–{:.1} s ", range.start, to.as_secs_f64()),
        None => format!("{:.1} s–end ", range.start),
    };
    let total = answers.len() as u64;
    let ok = answers.iter().filter(|answer| answer.is_ok()).count() as u64;
    let plain = [
        ("ok", &window.ok, Measured::Count(ok, total)),
        ("failed", &window.failed, Measured::Count(total - ok, total)),
        ("p99", &window.p99, Measured::Millis(p99_us(&answers) / 1000.0)),
    ];
    let mut verdicts = judge_each(&place, plain);
    let mut counts = BTreeMap::new();
    for backend in answers.iter().filter_map(|answer| answer.backend.as_deref()) {
        *counts.entry(backend).or_default() += 1;
    }
    verdicts.extend(shares(&place, &window.share, &counts, facts));
    verdicts
}

fn judge_each<const N: usize>(
    place: &str,
    each: [(&str, &Option<Bound>, Measured); N],
) -> Vec<Verdict> {
    let judged = each.into_iter().filter_map(|(name, bound, measured)| {
        Some(verdict(format!("{place}{name}"), bound.as_ref()?, measured))
    });
    judged.collect()
}

fn shares(
    place: &str,
    wanted: &BTreeMap<String, Bound>,
    counts: &BTreeMap<&str, u64>,
    facts: &Facts,
) -> Vec<Verdict> {
    let total: u64 = counts.values().sum();
    let one = |(id, bound): (&String, &Bound)| {
        let url = facts.urls.get(id).map_or("", String::as_str);
        let count = counts.get(url).copied().unwrap_or(0);
        let share = Measured::Share(count, total);
        let measured = if bound.suits(share) { share } else { Measured::Count(count, total) };
        let verdict = verdict(format!("{place}share {id}"), bound, measured);
        Verdict { is_timing: !place.is_empty(), ..verdict }
    };
    wanted.iter().map(one).collect()
}

/// A backend without an answer has none that is quick.
fn p99_of(id: &str, bound: &Bound, facts: &Facts) -> Verdict {
    let row = facts.report.backends.iter().find(|row| Some(&row.name) == facts.urls.get(id));
    let p99_us = row.map_or(f64::INFINITY, |row| row.p99_us);
    verdict(format!("p99 of {id}"), bound, Measured::Millis(p99_us / 1000.0))
}

fn only_errors(kinds: &[String], facts: &Facts) -> Verdict {
    let met: Vec<_> = facts.report.errors.iter().filter(|met| met.count > 0).collect();
    let shown: Vec<_> = met.iter().map(|met| format!("{} × {}", met.count, met.kind)).collect();
    Verdict {
        name: "kinds of errors".to_owned(),
        wanted: format!("only {}", kinds.join(", ")),
        measured: if met.is_empty() { "none".to_owned() } else { shown.join(", ") },
        is_passed: met.iter().all(|met| kinds.contains(&met.kind)),
        is_timing: false,
    }
}

fn awaited(facts: &Facts) -> impl Iterator<Item = Verdict> {
    facts.steps.iter().filter_map(|step| {
        let (took, within) = step.awaited?;
        Some(Verdict {
            name: step.what.clone(),
            wanted: format!("<= {} ms", within.as_millis()),
            measured: took.map_or("never".to_owned(), |took| format!("{} ms", took.as_millis())),
            is_passed: took.is_some_and(|took| took <= within),
            is_timing: true,
        })
    })
}

fn companion(companion: &Companion) -> Verdict {
    let (Ok(measured) | Err(measured)) = &companion.outcome;
    Verdict {
        name: companion.name.to_owned(),
        wanted: "open to the end".to_owned(),
        measured: measured.clone(),
        is_passed: companion.outcome.is_ok(),
        is_timing: false,
    }
}

fn nexus(end: &NexusEnd) -> [Verdict; 1] {
    let measured = match (&end.crashed, end.panics) {
        (Some(crashed), _) => format!("crashed: {crashed}"),
        (None, 0) => end.stopped.clone(),
        (None, panics) => format!("{}, {panics} panics", end.stopped),
    };
    [Verdict {
        is_passed: measured == "exit code 0",
        name: "Nexus on SIGTERM".to_owned(),
        wanted: "exit code 0".to_owned(),
        measured,
        is_timing: false,
    }]
}

fn verdict(name: String, bound: &Bound, measured: Measured) -> Verdict {
    Verdict {
        name,
        wanted: bound.to_string(),
        measured: measured.to_string(),
        is_passed: bound.allows(measured) == Some(true),
        is_timing: matches!(measured, Measured::Millis(_)),
    }
}

fn p99_us(answers: &[&Answer]) -> f64 {
    let mut times: Vec<f64> = answers.iter().map(|answer| answer.response_us).collect();
    times.sort_by(f64::total_cmp);
    let last = times.len().saturating_sub(1);
    times.get((times.len() * 99 / 100).min(last)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests;
