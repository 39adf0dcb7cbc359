//! Stories of the program itself: its flags, its exit codes, what it says.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::world::{Backend, PATIENCE, until};

fn nexus(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nexus"));
    command.args(args);
    command
}

fn output(args: &[&str]) -> (Output, String) {
    let output = nexus(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, said)
}

/// A Nexus that runs as a program; killed when dropped.
struct Running {
    child: Child,
    address: String,
    events: BufReader<std::process::ChildStderr>,
}

impl Running {
    fn start(args: &[&str]) -> Self {
        let mut command = nexus(&["--listen", "127.0.0.1:0", "--log-format", "json"]);
        command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut events = BufReader::new(child.stderr.take().unwrap());
        let mut address = String::new();
        while address.is_empty() {
            let event = next_event(&mut events);
            if event["message"] == "listening" {
                address = event["address"].as_str().unwrap().to_owned();
            }
        }
        Self { child, address, events }
    }

    fn signal(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn next_event(events: &mut impl BufRead) -> serde_json::Value {
    let mut line = String::new();
    assert!(events.read_line(&mut line).unwrap() > 0, "an event comes");
    serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"))
}

#[test]
fn bad_input_is_exit_code_2_and_says_what_to_write() {
    for (args, hint) in [
        (&["--backend", "https://a"][..], "use http://"),
        (&["--listen", "nowhere:80"], "127.0.0.1:8000"),
        (&["--connect-timeout", "soon"], "250ms"),
        (&["--bakend", "http://a"], "--backend"),
        (&["--workers", "none"], "auto"),
    ] {
        let (output, said) = output(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(hint), "{args:?}: {said}");
    }
}

#[test]
fn a_port_in_use_is_named_with_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (output, said) = output(&["--listen", &address]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&address) && said.contains("--listen"), "{said}");
}

#[test]
fn a_second_nexus_does_not_share_the_port_of_the_first() {
    let first = Running::start(&[]);
    let (output, said) = output(&["--listen", &first.address]);
    assert_eq!(output.status.code(), Some(1), "{said}");
}

#[test]
fn version_and_help_are_there() {
    let (version, _) = output(&["--version"]);
    assert!(String::from_utf8_lossy(&version.stdout).starts_with("nexus 0."));
    let (help, _) = output(&["--help"]);
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    for word in ["--backend", "Examples:", "Exit codes:", "SIGTERM"] {
        assert!(help.contains(word), "{word} is not in {help}");
    }
}

#[test]
fn it_serves_logs_and_stops_with_0() {
    let backend = Backend::named("ok");
    let mut running = Running::start(&["--backend", &format!("http://{}", backend.address)]);
    let mut stream = std::net::TcpStream::connect(&running.address).unwrap();
    std::io::Write::write_all(&mut stream, b"GET /p?secret HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut lines = BufReader::new(running.child.stdout.take().unwrap());
    let record = next_event(&mut lines);
    assert_eq!((&record["path"], &record["status"]), (&"/p".into(), &200.into()), "{record}");
    assert_eq!(record["attempts"], 1, "{record}");
    drop(stream);
    running.signal();
    let mut code = None;
    until("it stops", || {
        code = running.child.try_wait().unwrap();
        code.is_some()
    });
    assert_eq!(code.unwrap().code(), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (asked, waiting) = std::sync::mpsc::channel();
    let backend = Backend::new(move |stream, _| {
        asked.send(()).unwrap();
        let _ = std::io::Read::read(stream, &mut [0; 1]);
        crate::world::Next::Close
    });
    let mut running = Running::start(&["--backend", &format!("http://{}", backend.address)]);
    let mut stream = std::net::TcpStream::connect(&running.address).unwrap();
    std::io::Write::write_all(&mut stream, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    waiting.recv_timeout(PATIENCE).unwrap();
    running.signal();
    while !next_event(&mut running.events)["message"].as_str().unwrap().starts_with("stopping") {}
    running.signal();
    let mut code = None;
    until("it stops", || {
        code = running.child.try_wait().unwrap();
        code.is_some()
    });
    assert_eq!(code.unwrap().code(), Some(130));
}
