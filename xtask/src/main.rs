//! The project's own chores: `cargo xtask demo`, `test`, `scenario`, `bench`, `ci`, `fuzz`.
//!
//! Programs are started as processes and talked to over sockets and files: this crate is compiled
//! before every chore, so it has no runtime and few dependencies.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod backend;
mod bench;
mod cargo;
mod chaos;
mod ci;
mod demo;
mod fuzz;
mod http;
mod identity;
mod interrupt;
mod lines;
mod load;
mod nexus;
mod process;
mod scenario;
mod test;

/// The project's own chores.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Args {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Shows a failover: three backends under load, one killed and restored, and what clients saw
    Demo(demo::Args),
    /// Runs all tests of the workspace
    Test,
    /// Runs failover scenarios (scenarios/*.toml) against the real programs
    Scenario(scenario::Args),
    /// Makes random faults from a seed, then demands full recovery
    Chaos(chaos::Args),
    /// Measures CPU time per request, beside nginx, HAProxy and a bare copier of bytes
    Bench(bench::Args),
    /// Runs everything that a change must pass
    Ci,
    /// Runs every fuzz target for a while
    Fuzz(fuzz::Args),
}

/// How a chore ended; its number is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All is well.
    Passed = 0,
    /// An expectation failed, or Nexus crashed.
    Failed = 1,
    /// Wrong arguments or a wrong file.
    Usage = 2,
    /// Something around it failed: a build, a start, a port.
    Infrastructure = 3,
    /// The machine was too busy to say.
    Inconclusive = 4,
}

/// Exit code after Ctrl-C, as shells have it.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let args = Args::parse();
    let ended = interrupt::listen().and_then(|()| match args.chore {
        Chore::Demo(args) => demo::run(&args),
        Chore::Test => test::run(),
        Chore::Scenario(args) => scenario::run(&args),
        Chore::Chaos(args) => chaos::run(&args),
        Chore::Bench(args) => bench::run(&args),
        Chore::Ci => ci::run(),
        Chore::Fuzz(args) => fuzz::run(&args),
    });
    match ended {
        Ok(outcome) => ExitCode::from(outcome as u8),
        Err(error) if error.is::<interrupt::Interrupted>() => {
            eprintln!("\nInterrupted; everything that was started has been stopped.");
            ExitCode::from(INTERRUPTED)
        }
        Err(error) => {
            eprintln!("cargo xtask: {error:#}");
            ExitCode::from(Outcome::Infrastructure as u8)
        }
    }
}
