//! `cargo xtask fuzz`: each fuzz target of Nexus for a while, where cargo-fuzz and nightly are.

use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::{Outcome, cargo};

/// What `cargo xtask fuzz` takes.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run each target for so many seconds
    #[arg(long, default_value_t = 30)]
    seconds: u64,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let folder = cargo::root().join("nexus/fuzz");
    if !folder.join("Cargo.toml").exists() {
        println!("fuzz: there are no fuzz targets ({} is missing)", folder.display());
        return Ok(Outcome::Infrastructure);
    }
    let missing = [
        (!answers(&["+nightly", "--version"]), "a nightly Rust (rustup toolchain install nightly)"),
        (!answers(&["fuzz", "--version"]), "cargo-fuzz (cargo install cargo-fuzz)"),
    ];
    let mut missing = missing.iter().filter(|(is_missing, _)| *is_missing).peekable();
    if missing.peek().is_some() {
        missing.for_each(|(_, what)| println!("fuzz: not run, this machine lacks {what}"));
        return Ok(Outcome::Infrastructure);
    }
    let mut outcome = Outcome::Passed;
    for target in targets()? {
        println!("fuzz: {target} for {} s", args.seconds);
        let limit = format!("-max_total_time={}", args.seconds);
        // What earlier runs found comes first, then the seeds that are kept with the code.
        let (corpus, seeds) = (format!("fuzz/corpus/{target}"), format!("fuzz/seeds/{target}"));
        std::fs::create_dir_all(cargo::root().join("nexus").join(&corpus))?;
        let mut command = nightly();
        command.args(["run", &target, &corpus, &seeds, "--", &limit]);
        if !cargo::run(&mut command)?.success() {
            println!("fuzz: {target} FAILED; the input is in {}/artifacts", folder.display());
            outcome = Outcome::Failed;
        }
    }
    Ok(outcome)
}

fn targets() -> Result<Vec<String>> {
    let listed = nightly().arg("list").output().context("cannot run cargo fuzz list")?;
    anyhow::ensure!(listed.status.success(), "cargo fuzz list failed");
    Ok(String::from_utf8_lossy(&listed.stdout).lines().map(str::to_owned).collect())
}

/// rustup's cargo, which knows `+nightly`; the cargo that runs us need not.
fn nightly() -> Command {
    let mut command = Command::new("cargo");
    command.args(["+nightly", "fuzz"]).current_dir(cargo::root().join("nexus"));
    // Set for us by the cargo that runs us; it would win over `+nightly`.
    command.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO");
    command
}

fn answers(args: &[&str]) -> bool {
    let mut command = Command::new("cargo");
    command.args(args).env_remove("RUSTUP_TOOLCHAIN");
    let ended = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    ended.is_ok_and(|status| status.success())
}
