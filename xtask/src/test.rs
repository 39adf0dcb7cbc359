//! `cargo xtask test`: all tests of the workspace, and one line that sums them up.

use std::io::{BufRead, BufReader, IsTerminal, Write, stdout};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::Outcome;
use crate::cargo::{self, Running};

/// Counts of tests.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
    binaries: u64,
}

/// Runs the command.
pub(crate) fn run() -> Result<Outcome> {
    let begun = Instant::now();
    let mut command = cargo::cargo();
    command.args(["test", "--workspace", "--no-fail-fast"]).stdout(Stdio::piped());
    if stdout().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let mut running = Running(command.spawn().context("cannot run cargo")?);
    let pipe = running.0.stdout.take().context("cargo's output is read")?;
    let reader = std::thread::spawn(move || pass_on(BufReader::new(pipe)));
    let status = running.wait()?;
    let tally = reader.join().unwrap_or_default();
    println!(
        "\ntests: {} passed, {} failed, {} ignored, in {} programs, {:.1} s",
        tally.passed,
        tally.failed,
        tally.ignored,
        tally.binaries,
        begun.elapsed().as_secs_f64()
    );
    Ok(if status.success() { Outcome::Passed } else { Outcome::Failed })
}

/// Prints what comes and adds up the results in it.
fn pass_on(from: impl BufRead) -> Tally {
    let mut tally = Tally::default();
    for line in from.split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        tally.add(&line);
        let _ = writeln!(stdout(), "{line}");
    }
    tally
}

impl Tally {
    /// `test result: ok. 12 passed; 0 failed; 1 ignored; …`
    fn add(&mut self, line: &str) {
        let Some(result) = line.trim_start().strip_prefix("test result: ") else {
            return;
        };
        let count = |what: &str| {
            let before = result.split(what).next().filter(|before| before.len() < result.len());
            before.and_then(|text| text.split_whitespace().last()?.parse().ok()).unwrap_or(0)
        };
        self.passed += count(" passed;");
        self.failed += count(" failed;");
        self.ignored += count(" ignored;");
        self.binaries += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_programs_add_up_in_colour_too() {
        let mut tally = Tally::default();
        tally.add("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out");
        tally.add(
            "test result: \u{1b}[31mFAILED\u{1b}[m. 3 passed; 2 failed; 0 ignored; 0 measured",
        );
        tally.add("test a_test_result ... ok");
        assert_eq!(tally, Tally { passed: 15, failed: 2, ignored: 1, binaries: 2 });
    }
}
