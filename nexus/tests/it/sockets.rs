//! Stories of sockets of this machine's: as listeners, and as backends.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};

use nexus::app::{Nexus, StartError};
use nexus::control::Refused;
use nexus::health::Verdict;
use nexus::reason::Reason;
use nexus::settings::Settings;

use crate::proxies::configured;
use crate::world::{Backend, Client, PATIENCE, backend, lines, shown, start, status, until};

/// A folder of a test's own, gone with it.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("nexus-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::SeqCst));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn listening(listeners: &str, backend: &Backend) -> Settings {
    configured(&format!("listeners: [{listeners}]\nbackends: [{}]", backend.address))
}

/// Sends a request over a connection and reads the answer of a backend that is called `ok`.
#[track_caller]
fn ask(stream: &mut UnixStream, request: &str) -> String {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&lines(request)).unwrap();
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    while !answer.ends_with(b"ok") {
        match stream.read(&mut buffer) {
            Ok(read @ 1..) => answer.extend_from_slice(&buffer[..read]),
            _ => break,
        }
    }
    shown(&answer)
}

const GET: &str = "GET / HTTP/1.1|Host: a||";

fn mode(path: &str) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn clients_come_by_a_socket_and_its_file_goes_at_the_end() {
    let (place, ok) = (Place::new(), Backend::named("ok"));
    let path = place.path("nexus.sock");
    let mut settings = listening(&format!("{{ address: \"unix:{path}\" }}"), &ok);
    settings.workers = 3;
    for ends in [drop as fn(Nexus), Nexus::drain] {
        let nexus = start(settings.clone());
        assert_eq!(mode(&path), 0o660);
        let mut streams: Vec<_> = (0..10).map(|_| UnixStream::connect(&path).unwrap()).collect();
        for stream in &mut streams {
            for _ in 0..2 {
                let answer = ask(stream, GET);
                assert!(answer.starts_with("HTTP/1.1 200 OK|"), "{answer}");
            }
        }
        drop(streams);
        ends(nexus);
        assert!(!Path::new(&path).exists());
    }
    assert!(ok.seen().iter().all(|seen| seen.has_line("X-Forwarded-For: 127.0.0.1")));
}

#[test]
fn a_client_by_a_socket_may_be_a_trusted_proxy() {
    let (place, ok) = (Place::new(), Backend::named("ok"));
    let path = place.path("nexus.sock");
    let mut settings =
        listening(&format!("{{ address: \"unix:{path}\", proxy_protocol: true }}"), &ok);
    settings.trusted = vec!["127.0.0.1".parse::<std::net::IpAddr>().unwrap().into()];
    let _nexus = start(settings);
    let mut stream = UnixStream::connect(&path).unwrap();
    for piece in ["PROXY TCP4 1.2.3.4 ", "5.6.7.8 9 80|"] {
        stream.write_all(&lines(piece)).unwrap();
    }
    ask(&mut stream, GET);
    assert!(ok.seen()[0].has_line("X-Forwarded-For: 1.2.3.4"));
}

#[test]
fn what_a_dead_program_left_is_replaced_and_what_is_alive_is_not() {
    let (place, ok) = (Place::new(), Backend::named("ok"));
    let path = place.path("nexus.sock");
    let settings = listening(&format!("{{ address: \"unix:{path}\", mode: \"0600\" }}"), &ok);
    let refused = || match Nexus::start(settings.clone(), std::io::sink()) {
        Err(error @ StartError::Bind(..)) => error.to_string(),
        _ => panic!("it is not refused"),
    };
    drop(UnixListener::bind(&path).unwrap()); // Its file stays.
    let nexus = start(settings.clone());
    assert_eq!(mode(&path), 0o600);
    assert!(ask(&mut UnixStream::connect(&path).unwrap(), GET).contains("200 OK"));
    let said = refused();
    assert!(said.contains(&format!("cannot listen on unix:{path}")), "{said}");
    assert!(said.contains("in use"), "{said}");
    drop(nexus);
    fs::write(&path, "a file").unwrap();
    assert!(refused().contains("a file that is no socket is there"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "a file", "it is nobody's to remove");
    fs::remove_file(&path).unwrap();
    fs::remove_dir(&place.0).unwrap();
    assert!(refused().contains("the folder must be there"));
}

#[test]
fn a_reload_adds_and_removes_sockets_and_changes_their_mode() {
    let (place, ok) = (Place::new(), Backend::named("ok"));
    let (one, two) = (place.path("one.sock"), place.path("two.sock"));
    let first = listening(&format!("{{ address: \"unix:{one}\" }}"), &ok);
    let second = listening(
        &format!("{{ address: \"unix:{one}\", mode: \"0666\" }}, {{ address: \"unix:{two}\" }}"),
        &ok,
    );
    let third = listening(&format!("{{ address: \"unix:{two}\" }}"), &ok);
    let nexus = start(first);
    let plan = nexus.reload(second).unwrap().to_string();
    assert_eq!(
        plan,
        format!("  listener unix:{one}: mode 0660 → 0666\n  listener unix:{two} is added")
    );
    assert_eq!((mode(&one), mode(&two)), (0o666, 0o660));
    let mut stream = UnixStream::connect(&one).unwrap();
    for stream in [&mut stream, &mut UnixStream::connect(&two).unwrap()] {
        assert!(ask(stream, GET).contains("200 OK"));
    }
    nexus.reload(third.clone()).unwrap();
    until("its file is gone", || !Path::new(&one).exists());
    assert!(ask(&mut stream, GET).contains("Connection: close|"), "what is open has its answer");
    let taken = UnixListener::bind(&one).unwrap();
    let both = [third.listeners.clone(), listening(&format!("\"unix:{one}\""), &ok).listeners];
    let refused = nexus.reload(Settings { listeners: both.concat(), ..third });
    assert!(matches!(refused, Err(Refused::Bind(..))));
    drop(taken);
    assert!(ask(&mut UnixStream::connect(&two).unwrap(), GET).contains("200 OK"));
}

/// Starts a backend at a path, which tells of what it was asked.
fn at(path: &str) -> Receiver<String> {
    let (asked, wait) = channel();
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let asked = asked.clone();
            std::thread::spawn(move || {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while let Ok(1) = stream.read(&mut byte) {
                    head.push(byte[0]);
                    if head.ends_with(b"\r\n\r\n") {
                        let _ = asked.send(shown(&std::mem::take(&mut head)));
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                    }
                }
            });
        }
    });
    wait
}

fn before(path: &str, more: &str) -> Nexus {
    start(configured(&format!(
        "
listen: 127.0.0.1:0
pools: {{ web: {{ backends: [\"unix:{path}\"]{more} }} }}
routes: [{{ pool: web }}]"
    )))
}

#[test]
fn a_backend_may_be_a_socket() {
    let place = Place::new();
    let asked = at(&place.path("app.sock"));
    let nexus = before(&place.path("app.sock"), "");
    let mut client = Client::connect(&nexus);
    for path in ["/a", "/b", "/c"] {
        assert_eq!(client.get(path), "ok");
        let head = asked.recv_timeout(PATIENCE).unwrap();
        assert!(head.starts_with(&format!("GET {path} HTTP/1.1|")), "{head}");
    }
}

#[test]
fn a_backend_at_a_socket_is_told_of_its_clients_first() {
    let place = Place::new();
    let asked = at(&place.path("app.sock"));
    let nexus = before(&place.path("app.sock"), ", proxy_protocol: v1");
    let mut client = Client::connect(&nexus);
    let own = client.stream.local_addr().unwrap();
    assert_eq!(client.get("/"), "ok");
    let head = asked.recv_timeout(PATIENCE).unwrap();
    let line = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} 0|GET / HTTP/1.1|", own.port());
    assert!(head.starts_with(&line), "{head}");
}

#[test]
fn a_socket_is_probed_and_down_when_its_file_is_gone() {
    for kind in ["tcp", "http"] {
        let place = Place::new();
        let path = place.path("app.sock");
        let asked = at(&path);
        let probing = format!(", health_check: {{ type: {kind}, interval: 50ms, path: /up }}");
        let probing = if kind == "tcp" { probing.replace(", path: /up", "") } else { probing };
        let nexus = before(&path, &probing);
        let backend = backend(&nexus, 0);
        until("it is probed", || backend.is_probed());
        assert!(backend.is_up());
        if kind == "http" {
            let head = asked.recv_timeout(PATIENCE).unwrap();
            assert!(head.starts_with("GET /up HTTP/1.1|"), "{head}");
        }
        fs::remove_file(&path).unwrap();
        until("it is DOWN", || !backend.is_up());
        assert_eq!(backend.health().verdict, Verdict::Down(Reason::ConnectRefused));
        let (head, _) = Client::connect(&nexus).ask(&lines(GET));
        assert_eq!(status(&head), 503);
        let _again = at(&path);
        until("it is UP, and asked", || {
            let (head, _) = Client::connect(&nexus).ask(&lines(GET));
            status(&head) == 200
        });
    }
}
