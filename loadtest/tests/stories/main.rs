//! Stories of the whole program: the built binary against servers on real sockets.

#![allow(clippy::unwrap_used, reason = "a story that cannot be told has failed")]

mod connections;
mod counting;
mod http2;
mod program;
mod server;
mod server2;
mod tls;

use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn loadtest(args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    command.args(args.split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs to the end with a JSON report.
fn run(args: &str) -> (i32, Value) {
    let output = loadtest(args).args(["--output-format", "json"]).output().unwrap();
    report(&output)
}

fn report(output: &Output) -> (i32, Value) {
    let said = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("said: {said}"));
    (output.status.code().unwrap(), report)
}

fn errors(report: &Value) -> Vec<(&str, u64)> {
    let rows = report["errors"].as_array().unwrap().iter();
    rows.map(|row| (row["kind"].as_str().unwrap(), row["count"].as_u64().unwrap())).collect()
}

/// A port on which nobody listens.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
