//! A concurrent HTTP load tester that shows where the answers came from and hides no error.
//!
//! The modules in the order in which a run meets them. How it works, in four lines:
//! a shared counter hands out tickets (`plan` says when each is due), each of N threads runs its
//! workers on a runtime of its own, a worker owns its connections and sends one request at a time
//! (`client`), and what came of it goes into its thread's `tally`. Nothing is shared on that way
//! but the counter. After the run the tallies are added up and become a `report`.

mod goflags;

mod cli;
mod units;

mod config;
mod target;
mod tls;

mod abort;
mod plan;

mod run;

mod worker;

mod client;
mod request;

mod outcome;

mod tally;

mod events;
mod progress;

mod report;

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the program with these arguments (the first is its name) and returns its exit code.
///
/// 0: no request failed; 1: some did; 2: the arguments are wrong; 3: no request could
/// connect; 130: interrupted.
pub fn run(argv: impl IntoIterator<Item = OsString>) -> ExitCode {
    let config = match cli::parse(argv) {
        Ok(config) => config,
        Err(stop) => return stop,
    };
    match run::run(config) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("loadtest: {error:#}");
            ExitCode::from(report::EXIT_FAILED)
        }
    }
}
