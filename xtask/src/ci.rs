//! `cargo xtask ci`: everything that a change must pass, step by step.

use std::time::Instant;

use anyhow::Result;

use crate::{Outcome, cargo, chaos, interrupt, scenario, test};

/// A part of it: its name, and what it runs.
type Step = (&'static str, fn() -> Result<Outcome>);

/// Runs the command.
pub(crate) fn run() -> Result<Outcome> {
    let steps: [Step; 5] = [
        ("format", || call(&["fmt", "--all", "--check"])),
        ("clippy", || call(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])),
        ("tests", test::run),
        ("scenarios", scenario::run_short),
        ("chaos", chaos::run_short),
    ];
    let (mut passed, mut failed) = (0, 0);
    let mut times = Vec::new();
    for (name, step) in steps {
        println!("── {name}");
        let begun = Instant::now();
        let is_passed = match step() {
            Ok(outcome) => outcome == Outcome::Passed,
            Err(error) if error.is::<interrupt::Interrupted>() => return Err(error),
            Err(error) => {
                println!("{error:#}");
                false
            }
        };
        let word = if is_passed { "passed" } else { "FAILED" };
        let time = format!("{name:10} {word} in {:.1} s", begun.elapsed().as_secs_f64());
        println!("── {time}");
        times.push(time);
        if is_passed { passed += 1 } else { failed += 1 }
    }
    println!("\n{}\n{passed} passed, {failed} failed", times.join("\n"));
    Ok(if failed == 0 { Outcome::Passed } else { Outcome::Failed })
}

fn call(args: &[&str]) -> Result<Outcome> {
    let status = cargo::run(cargo::cargo().args(args))?;
    Ok(if status.success() { Outcome::Passed } else { Outcome::Failed })
}
