//! What a run looks like on the terminal.

use std::time::Duration;

use super::facts::Facts;
use super::file::Scenario;
use super::judge::Verdict;
use crate::Outcome;

/// More lines of what happened than these are left to the log.
const TIMELINE_MAX: usize = 16;

pub(super) fn list(all: &[Scenario]) {
    let width = all.iter().map(|one| one.name.len()).max().unwrap_or(0);
    for one in all {
        let tags =
            if one.tags.is_empty() { String::new() } else { format!(" [{}]", one.tags.join(", ")) };
        println!("{:width$}  {}{tags}", one.name, one.about);
    }
}

pub(super) fn title(scenario: &Scenario) {
    println!("\n{}: {}", scenario.name, scenario.about);
    if let Some(health) = &scenario.health {
        println!("    detect {:?}, recover {:?}", health.detect(), health.recover());
    }
}

pub(super) fn timeline(facts: &Facts) {
    let steps = facts.steps.iter().map(|step| (step.at, step.what.as_str()));
    let said = facts.said.iter().map(|said| (said.at, said.what.as_str()));
    let mut lines: Vec<_> = steps.chain(said).collect();
    lines.sort_by_key(|(at, _)| *at);
    for (at, what) in lines.iter().take(TIMELINE_MAX) {
        println!("    {:>7.3} s  {what}", at.as_secs_f64());
    }
    if lines.len() > TIMELINE_MAX {
        println!("              … and {} more", lines.len() - TIMELINE_MAX);
    }
}

pub(super) fn verdicts(verdicts: &[Verdict]) {
    let width = |text: fn(&Verdict) -> &str| {
        verdicts.iter().map(|one| text(one).chars().count()).max().unwrap_or(0)
    };
    let (names, measures) = (width(|one| &one.name), width(|one| &one.measured));
    for Verdict { name, wanted, measured, is_passed, .. } in verdicts {
        let mark = if *is_passed { "ok  " } else { "FAIL" };
        println!("    {mark}  {name:names$}  {measured:measures$}  wanted {wanted}");
    }
}

pub(super) fn end(name: &str, outcome: Outcome, starved: Option<&str>, took: Duration) {
    let word = match outcome {
        Outcome::Passed => "passed",
        Outcome::Inconclusive => "inconclusive",
        _ => "FAILED",
    };
    let busy = starved.map(|why| format!(" (busy machine: {why})")).unwrap_or_default();
    println!("  {name} {word} in {:.1} s{busy}", took.as_secs_f64());
}

pub(super) fn broken(name: &str, error: &anyhow::Error) {
    println!("  {name} could not run: {error:#}");
}
