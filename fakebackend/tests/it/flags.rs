//! The command line, as a person at a terminal meets it.

use std::process::{Command, Output};

use crate::harness::Backend;

fn run(flags: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fakebackend")).args(flags).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn help_shows_examples_faults_and_how_to_change_it() {
    let output = run(&["--help"]);
    let help = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    for part in ["Examples:", "truncate:bytes=N", "--keepalive-requests", "curl", "Exit codes"] {
        assert!(help.contains(part), "{part}");
    }
}

#[test]
fn wrong_flags_end_it_with_2_and_say_what_would_be_right() {
    for (flags, part) in [
        (["--fault", "explode"], "refuse, hang, close"),
        (["--latency", "5"], "5ms"),
        (["--status", "abc"], "200 to 599"),
        (["--body-size", "big"], "64KiB"),
        (["--flap", "up=1s"], "up=5s,down=2s"),
        (["--id", "b1\r\nX: y"], "plain ASCII"),
        (["--health-path", "healthz"], "/healthz"),
    ] {
        let output = run(&flags);
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
        assert!(stderr(&output).contains(part), "{}", stderr(&output));
    }
}

#[test]
fn a_port_in_use_ends_it_with_1_and_says_which_and_what_to_do() {
    let backend = Backend::start(&[]);
    let address = backend.address.to_string();
    for flag in ["--listen", "--control"] {
        let free = if flag == "--listen" { "--control" } else { "--listen" };
        let output = run(&[flag, &address, free, "127.0.0.1:0"]);
        assert_eq!(output.status.code(), Some(1));
        let says = stderr(&output);
        assert!(says.contains(&format!("cannot listen on {address}")), "{says}");
        assert!(
            says.contains(&format!("{flag} 127.0.0.1:0")) && says.contains("ss -ltnp"),
            "{says}"
        );
    }
}
