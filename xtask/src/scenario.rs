//! `cargo xtask scenario`: failures on purpose, under load, against the real programs.
//!
//! `file` reads what is to happen, `run` does it and gathers facts, `judge` compares them with what
//! was expected, `show` prints it. Only `run` touches processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::cargo::{self, Programs};
use crate::{Outcome, interrupt};
use file::Scenario;

mod accounts;
mod beside;
mod bound;
mod cast;
mod facts;
mod file;
mod judge;
mod run;
mod sessions;
mod show;
mod slowloris;

/// What `cargo xtask scenario` takes.
#[derive(clap::Args)]
#[command(
    after_help = "Exit code: 0 passed; 1 an expectation failed or Nexus crashed; 2 wrong arguments or a wrong \
    file;\n3 something around it failed; 4 the machine was too busy to say."
)]
pub(crate) struct Args {
    /// Names of scenarios, paths of other files (*.toml), or `list`; without one, all but those
    /// tagged "long" or "later"
    names: Vec<String>,
    /// Run each so many times
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// Keep reports and logs of runs that passed, too
    #[arg(long)]
    keep: bool,
    /// Where reports and logs go [default: target/scenario]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Counts of runs by how they ended, and of what was sent in them.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    passed: u32,
    failed: u32,
    inconclusive: u32,
    broken: u32,
    sums: Sums,
}

/// Requests of all runs together.
#[derive(Debug, Default)]
struct Sums {
    sent: u64,
    failed: u64,
    accounts: accounts::Accounts,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let read = read_all(&cargo::root().join("scenarios"));
    let (all, others) = match read.and_then(|all| Ok((all, read_others(&args.names)?))) {
        Ok(read) => read,
        Err(error) => return usage(&format!("{error:#}")),
    };
    if args.names.iter().any(|name| name == "list") {
        show::list(&all);
        return Ok(Outcome::Passed);
    }
    let is_unknown = |name: &&String| !is_path(name) && all.iter().all(|one| one.name != **name);
    let unknown = args.names.iter().find(is_unknown);
    if let Some(name) = unknown {
        return usage(&format!("there is no scenario {name}; see: cargo xtask scenario list"));
    }
    let is_chosen = |one: &Scenario| match args.names.is_empty() {
        true => !one.is_left_out(),
        false => args.names.contains(&one.name),
    };
    let chosen: Vec<_> = all.into_iter().filter(is_chosen).chain(others).collect();
    let folder = args.out.clone().unwrap_or_else(|| cargo::target_dir().join("scenario"));
    Ok(run_all(&chosen, args.repeat, args.keep, &folder)?.outcome())
}

/// Runs all scenarios but the long ones, for CI.
pub(crate) fn run_short() -> Result<Outcome> {
    run(&Args { names: Vec::new(), repeat: 1, keep: false, out: None })
}

/// Checks the text of a scenario.
#[cfg(test)]
pub(crate) fn check(text: &str) -> Result<()> {
    Scenario::parse("text", text).map(drop)
}

/// Runs scenarios that other files have, once each.
pub(crate) fn run_files(paths: &[PathBuf]) -> Result<Tally> {
    let chosen: Vec<_> = paths.iter().map(|path| Scenario::read(path)).collect::<Result<_>>()?;
    run_all(&chosen, 1, false, &cargo::target_dir().join("scenario"))
}

/// Builds the programs and runs these scenarios one after the other.
fn run_all(chosen: &[Scenario], repeat: u32, keep: bool, folder: &Path) -> Result<Tally> {
    let programs = cargo::build_programs()?;
    let begun = Instant::now();
    let mut tally = Tally::default();
    for scenario in chosen {
        for _ in 0..repeat {
            let folder = new_folder(folder, &scenario.name)?;
            let outcome = run_one(scenario, &programs, &folder, &mut tally.sums)?;
            tally.count(outcome);
            match outcome {
                Outcome::Passed if !keep => fs::remove_dir_all(&folder)?,
                _ => println!("    reports and logs: {}", folder.display()),
            }
        }
    }
    println!("\n{} in {:.1} s", tally.text(), begun.elapsed().as_secs_f64());
    Ok(tally)
}

/// Runs one scenario and prints what came out; only Ctrl-C is an error.
fn run_one(
    scenario: &Scenario,
    programs: &Programs,
    folder: &Path,
    sums: &mut Sums,
) -> Result<Outcome> {
    show::title(scenario);
    let begun = Instant::now();
    let facts = match run::run(scenario, programs, folder) {
        Ok(facts) => facts,
        Err(error) if error.is::<interrupt::Interrupted>() => return Err(error),
        Err(error) => {
            show::broken(&scenario.name, &error);
            return Ok(Outcome::Infrastructure);
        }
    };
    sums.add(&facts);
    let verdicts = judge::judge(&scenario.expect, &facts);
    let starved = facts.starved();
    let outcome = judge::outcome(&verdicts, starved.is_some());
    show::timeline(&facts);
    show::verdicts(&verdicts);
    show::end(&scenario.name, outcome, starved.as_deref(), begun.elapsed());
    Ok(outcome)
}

impl Tally {
    fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Inconclusive => self.inconclusive += 1,
            Outcome::Usage | Outcome::Infrastructure => self.broken += 1,
        }
    }

    /// The worst of all.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self { failed: 1.., .. } => Outcome::Failed,
            Self { broken: 1.., .. } => Outcome::Infrastructure,
            Self { inconclusive: 1.., .. } => Outcome::Inconclusive,
            _ => Outcome::Passed,
        }
    }

    /// What became of all requests, where every scenario looked into the journals.
    pub(crate) fn balance(&self) -> String {
        let Sums { sent, failed, accounts } = &self.sums;
        let amplification = accounts.seen as f64 / (*sent).max(1) as f64;
        format!(
            "{sent} sent, {failed} failed, {} lost, {} run twice, amplification {amplification:.3}",
            accounts.lost, accounts.run_twice
        )
    }

    fn text(&self) -> String {
        let mut text = format!("scenarios: {} passed, {} failed", self.passed, self.failed);
        for (count, what) in [(self.inconclusive, "inconclusive"), (self.broken, "could not run")] {
            if count > 0 {
                text.push_str(&format!(", {count} {what}"));
            }
        }
        text
    }
}

impl Sums {
    fn add(&mut self, facts: &facts::Facts) {
        self.sent += facts.report.totals.sent;
        self.failed += facts.report.totals.failed;
        self.accounts.add(facts.accounts.unwrap_or_default());
    }
}

/// All scenarios of the folder, by name.
fn read_all(folder: &Path) -> Result<Vec<Scenario>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths: Vec<_> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
    paths.sort();
    paths.iter().map(|path| Scenario::read(path)).collect()
}

/// Scenarios that were named by their paths.
fn read_others(names: &[String]) -> Result<Vec<Scenario>> {
    names.iter().filter(|name| is_path(name)).map(|path| Scenario::read(Path::new(path))).collect()
}

fn is_path(name: &str) -> bool {
    name.ends_with(".toml")
}

/// A folder of its own for one run.
fn new_folder(parent: &Path, name: &str) -> Result<PathBuf> {
    fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO);
    let folder = parent.join(format!("{name}-{}", since.as_millis()));
    fs::create_dir(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

fn usage(complaint: &str) -> Result<Outcome> {
    eprintln!("cargo xtask scenario: {complaint}");
    Ok(Outcome::Usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_of_the_project_can_be_read() {
        let all = read_all(&cargo::root().join("scenarios")).unwrap();
        assert!(all.iter().any(|one| one.name == "baseline"));
    }

    #[test]
    fn the_worst_run_decides() {
        let mut tally = Tally::default();
        assert_eq!(tally.outcome(), Outcome::Passed);
        tally.count(Outcome::Inconclusive);
        assert_eq!(tally.outcome(), Outcome::Inconclusive);
        tally.count(Outcome::Infrastructure);
        assert_eq!(tally.outcome(), Outcome::Infrastructure);
        tally.count(Outcome::Failed);
        assert_eq!(tally.outcome(), Outcome::Failed);
        assert_eq!(tally.text(), "scenarios: 0 passed, 1 failed, 1 inconclusive, 1 could not run");
    }
}
