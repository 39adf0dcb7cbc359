//! How the program behaves towards who started it.

use serde_json::Value;

use crate::server::{Reply, Server, ok};
use crate::{closed_port, errors, loadtest, report, run};

#[test]
fn a_target_that_nobody_serves_has_an_exit_code_of_its_own() {
    let (code, report) = run(&format!("-n 2 http://127.0.0.1:{}", closed_port()));
    assert_eq!((code, errors(&report)), (3, vec![("connect_refused", 2)]));
    let output = loadtest("-n 2 http://no-such-host.invalid/").output().unwrap();
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn wrong_arguments_are_told_from_failures() {
    for args in [
        "-n 0",
        "--nonsense",
        "-workers 0",
        "-c 2 --streams 2",
        "-c 2 --http2 --streams 0",
        "--http2 --connections 2",
        "https://localhost/ --ca /none.pem",
        "--connect-to nowhere",
        "-c fifty -rate fast",
    ] {
        let output = loadtest(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args}");
        assert!(!output.stderr.is_empty());
    }
    let output = loadtest("--help").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.contains("loadtest -c -n 100 -workers 10 -rate 10"), "{help}");
}

#[test]
fn an_interrupt_reports_what_was_measured_until_then() {
    let server = Server::start(|_| Reply::Say(ok("http://b1")));
    let mut command = loadtest("-n 100 -rate 2 -workers 2 --output-format json");
    let child = command.arg(server.url()).spawn().unwrap();
    server.wait_for(2);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let (code, report) = report(&child.wait_with_output().unwrap());
    assert_eq!((code, &report["interrupted"]), (130, &true.into()));
    let totals = &report["totals"];
    assert!(totals["sent"].as_u64() >= Some(2) && totals["unsent"].as_u64() > Some(50));
    assert_eq!(totals["failed"], 0);
}

#[test]
fn progress_and_events_tell_the_same_as_the_report() {
    let server = Server::start(|_| Reply::Say(ok("http://b1")));
    let events = std::env::temp_dir().join(format!("loadtest-events-{}", server.address.port()));
    let mut command = loadtest("-c 2 -n 20 --progress-json --output-format json --events");
    let output = command.arg(&events).arg(server.url()).output().unwrap();
    let (code, _) = report(&output);
    assert_eq!(code, 0);
    let lines = String::from_utf8(output.stderr).unwrap();
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!((&last["sent"], &last["ok"], &last["failed"]), (&20.into(), &20.into(), &0.into()));
    assert_eq!(last["backends"], serde_json::json!({"http://b1": 20}));
    let events_written = std::fs::read_to_string(&events).unwrap();
    std::fs::remove_file(&events).unwrap();
    let mut seqs: Vec<u64> = events_written
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap())
        .collect();
    seqs.sort_unstable();
    assert_eq!(seqs, (0..20).collect::<Vec<_>>());
}

#[test]
fn the_report_for_people_names_every_backend_and_every_error() {
    let server = Server::start(|seq| match seq {
        7 => Reply::Close,
        _ => Reply::Say(ok(if seq % 2 == 0 { "http://b1" } else { "http://b2" })),
    });
    let output = loadtest("-c -n 20 -workers 4").arg(server.url()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "Total        20",
        "Successful   19",
        "Failed       1",
        "http://b1",
        "52.6 %",
        "http://b2",
        "eof_before_head",
        "Failed seqs  7",
    ] {
        assert!(text.contains(part), "{part} in:\n{text}");
    }
}
