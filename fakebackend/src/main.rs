//! The program: reads the flags, runs, and turns the outcome into an exit code.

use std::process::ExitCode;

use clap::Parser;
use fakebackend::cli::Cli;

fn main() -> ExitCode {
    match fakebackend::run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fakebackend: {error:#}");
            ExitCode::FAILURE
        }
    }
}
