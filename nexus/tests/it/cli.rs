//! Stories of the program itself: its flags, its exit codes, what it says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::world::{Backend, PATIENCE, Reader, field, raw, status, until};

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
pub(crate) struct Running {
    child: Child,
    pub(crate) address: String,
    events: BufReader<std::process::ChildStderr>,
}

impl Running {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::spawn(nexus(&[]), args)
    }

    /// Starts a Nexus that may have so many files open.
    pub(crate) fn with_files(files: u32, args: &[&str]) -> Self {
        let mut shell = Command::new("sh");
        let script = format!("ulimit -n {files}; exec {} \"$@\"", env!("CARGO_BIN_EXE_nexus"));
        shell.args(["-c", &script, "nexus"]);
        Self::spawn(shell, args)
    }

    fn spawn(mut command: Command, args: &[&str]) -> Self {
        command.args(["--listen", "127.0.0.1:0", "--log-format", "json"]);
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

    pub(crate) fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).unwrap()
    }

    /// Returns a figure from `/proc/PID/status`, in KiB.
    pub(crate) fn status(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Returns how many files it has open, sockets included.
    pub(crate) fn files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// Returns the processor time used so far.
    fn processor_time(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let nanos = tasks.flatten().filter_map(|task| {
            let line = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
            line.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanos.sum())
    }

    fn signal(&self) {
        self.send(Signal::TERM);
    }

    pub(crate) fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Running {
    /// Waits until it has said this of itself.
    pub(crate) fn wait_for(&mut self, message: &str) {
        while next_event(&mut self.events)["message"] != message {}
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
        (&["--backend", "ftp://a"][..], "use http://"),
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
    let mut stream = running.connect();
    stream.write_all(b"GET /p?secret HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
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
    let (backend, waiting) = Backend::waiting();
    let mut running = Running::start(&["--backend", &format!("http://{}", backend.address)]);
    let mut stream = running.connect();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
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

#[test]
fn without_a_free_file_it_rests_and_then_goes_on() {
    let backend = Backend::named("ok");
    let url = format!("http://{}", backend.address);
    let running = Running::with_files(
        64,
        &["--backend", &url, "--max-connections", "1000", "--workers", "1"],
    );
    let mut crowd: Vec<_> = (0..100).map(|_| running.connect()).collect();
    let (before, began) = (running.processor_time(), Instant::now());
    until("a while passes", || began.elapsed() > Duration::from_millis(500));
    let used = running.processor_time() - before;
    assert!(used < began.elapsed() / 4, "it spins: {used:?} of {:?}", began.elapsed());
    crowd.truncate(10);
    // Those who left may not have been noticed yet, and have the file that the backend needs.
    until("it goes on", || {
        let mut last = running.connect();
        last.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        Reader::new(last).message().is_some_and(|(_, body)| body == b"ok")
    });
}

/// More than any buffer, and enough to see growth.
const GIBIBYTE: usize = 1 << 30;

/// Reads until `bytes` have come; returns how many did.
fn devour(stream: &mut TcpStream, bytes: usize) -> usize {
    let (mut piece, mut total) = (vec![0; 1 << 20], 0);
    while total < bytes {
        match stream.read(&mut piece) {
            Ok(read) if read > 0 => total += read,
            _ => break,
        }
    }
    total
}

#[test]
fn a_gibibyte_each_way_leaves_memory_flat() {
    let address = raw(|mut stream| {
        let mut reader = Reader::new(stream.try_clone().unwrap());
        let Some(head) = reader.head() else { return };
        if head.starts_with("PUT") {
            // What was read behind the head is not counted: a little less must come.
            devour(&mut stream, GIBIBYTE - (1 << 20));
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
            devour(&mut stream, usize::MAX);
        } else {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {GIBIBYTE}\r\n\r\n").unwrap();
            let block = vec![7; 1 << 20];
            (0..GIBIBYTE / block.len()).for_each(|_| stream.write_all(&block).unwrap());
        }
    });
    let running =
        Running::start(&["--backend", &format!("http://{address}"), "--access-log", "off"]);
    let mut client = running.connect();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut reader = Reader::new(client.try_clone().unwrap());
    let head = reader.head().unwrap();
    assert_eq!(field(&head, "Content-Length"), Some("1073741824"));
    assert!(devour(&mut client, GIBIBYTE - (1 << 20)) >= GIBIBYTE - (1 << 20));
    drop(client);

    let mut client = running.connect();
    write!(client, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {GIBIBYTE}\r\n\r\n").unwrap();
    let block = vec![7; 1 << 20];
    (0..GIBIBYTE / block.len()).for_each(|_| client.write_all(&block).unwrap());
    assert_eq!(status(&Reader::new(client).head().unwrap()), 200);
    let peak = running.status("VmHWM");
    assert!(peak < 40 * 1024, "{peak} KiB at the peak");
}

#[test]
fn a_hang_up_reads_the_file_again_and_a_broken_file_changes_nothing() {
    let (old, new) = (Backend::named("old"), Backend::named("new"));
    let folder = std::env::temp_dir().join(format!("nexus-reload-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("nexus.yaml");
    let write =
        |backends: &str| std::fs::write(&file, format!("backends: [{backends}]\n")).unwrap();
    write(&format!("http://{}", old.address));
    let mut running = Running::start(&["--config", file.to_str().unwrap(), "--access-log", "off"]);
    let ask = |running: &Running| {
        let mut stream = running.connect();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        String::from_utf8(Reader::new(stream).message().unwrap().1).unwrap()
    };
    let said = |running: &mut Running, wanted: &str| loop {
        let event = next_event(&mut running.events);
        let message = event["message"].as_str().unwrap().to_owned();
        if message.starts_with(wanted) {
            return message;
        }
    };
    assert_eq!(ask(&running), "old");

    write("http://a:b");
    running.send(Signal::HUP);
    let why = said(&mut running, "reload refused");
    assert!(why.contains("nexus.yaml"), "{why}");
    assert_eq!(ask(&running), "old");

    write(&format!("http://{}", new.address));
    running.send(Signal::HUP);
    said(&mut running, "reloaded");
    assert_eq!(ask(&running), "new");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_level_of_its_events_changes_while_it_runs() {
    let token = std::env::temp_dir().join(format!("nexus-level-{}", std::process::id()));
    std::fs::write(&token, "level-level-level").unwrap();
    let file = token.to_str().unwrap();
    let mut nexus = Running::start(&["--admin", "127.0.0.1:0", "--admin-token-file", file]);
    let mut next = |message: &str| loop {
        let event = next_event(&mut nexus.events);
        if event["message"] == message {
            return event;
        }
    };
    let admin = next("admin address")["address"].as_str().unwrap().to_owned();
    let set = |level: &str| {
        let args = ["log-level", level, "--admin", &admin, "--token-file", file];
        let (output, said) = output(&args);
        assert!(output.status.success(), "{said}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{level}\n"));
    };
    set("error");
    let call = next("admin call");
    assert_eq!((&call["by"], &call["about"]), (&"admin-token-file".into(), &"level=error".into()));
    // Of these nothing is written, until the last has made it so.
    set("warn");
    set("info");
    let event = loop {
        let event = next_event(&mut nexus.events);
        assert_ne!(event["message"], "admin call", "it is for `info`");
        if event["message"] == "log level" {
            break event;
        }
    };
    assert_eq!((&event["from"], &event["to"]), (&"warn".into(), &"info".into()));
    set("debug");
    let _ = std::fs::remove_file(&token);
}
