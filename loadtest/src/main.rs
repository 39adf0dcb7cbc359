//! The `loadtest` program: hands its arguments to the library and exits with its verdict.

use std::process::ExitCode;

fn main() -> ExitCode {
    loadtest::run(std::env::args_os())
}
