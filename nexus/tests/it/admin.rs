//! Stories of the admin address: what it tells and to whom, and what the commands make of it.

mod commands;
mod events;
mod explain;
mod failures;
mod openapi;
mod operator;
mod strangers;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nexus::admin::calls::{CALLS, Call, Kind};
use nexus::admin::rights::Role;
use nexus::app::{Nexus, StartError};
use nexus::cli::Cli;
use nexus::command::run::Configured;
use nexus::config::render::Colour;
use nexus::reload::{Reading, Source};
use nexus::settings::Address;
use serde_json::Value as Json;

use crate::world::{Backend, PATIENCE, until};

const READ: &str = "read-read-read-read";
const WRITE: &str = "write-write-write-write";

/// A Nexus with a file, in a folder that goes when it goes.
struct Filed {
    nexus: Nexus,
    folder: PathBuf,
}

impl Filed {
    /// Starts a Nexus with `text` as its file, in which `FOLDER` stands for the file's folder.
    fn start(name: &str, text: &str) -> Self {
        Self::try_start(name, text).unwrap_or_else(|error| panic!("{error}"))
    }

    fn try_start(name: &str, text: &str) -> Result<Self, StartError> {
        let folder = std::env::temp_dir().join(format!("nexus-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("nexus.yaml");
        write(&file, text);
        let words = ["nexus", "-c", file.to_str().unwrap()].map(Into::into);
        let (cli, said) = Cli::read(words).unwrap();
        let configured = Configured::new(*cli.flags, said);
        let Reading { settings, effective, .. } =
            configured.read_in(Colour::Off).unwrap_or_else(|problems| panic!("{}", problems.text));
        let source: Arc<dyn Source> = Arc::new(configured);
        let nexus = Nexus::start_from(settings, effective, Some(source), std::io::sink())?;
        Ok(Self { nexus, folder })
    }

    fn file(&self) -> PathBuf {
        self.folder.join("nexus.yaml")
    }

    /// Writes another text into its file.
    fn write(&self, text: &str) {
        write(&self.file(), text);
    }

    fn address(&self) -> SocketAddr {
        match self.nexus.admin() {
            Some(Address::Tcp(address)) => *address,
            other => panic!("{other:?}"),
        }
    }

    /// Makes a call and returns status, head and body.
    fn call(&self, method: &str, path: &str, fields: &str, body: &str) -> (u16, String, String) {
        call(&mut TcpStream::connect(self.address()).unwrap(), method, path, fields, body)
    }

    fn json(&self, path: &str) -> Json {
        let (status, _, body) = self.call("GET", path, &bearer(WRITE), "");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Returns how many backends there are.
    fn backends(&self) -> usize {
        self.nexus.snapshot().backends().count()
    }
}

impl Drop for Filed {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn write(file: &Path, text: &str) {
    let text = text.replace("FOLDER", file.parent().unwrap().to_str().unwrap());
    // As editors do it: nobody sees half a file.
    let new = file.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, file).unwrap();
}

fn bearer(token: &str) -> String {
    format!("Host: localhost\r\nAuthorization: Bearer {token}\r\n")
}

fn call(
    stream: &mut (impl Read + Write),
    method: &str,
    path: &str,
    fields: &str,
    body: &str,
) -> (u16, String, String) {
    let host = if fields.contains("Host:") { "" } else { "Host: localhost\r\n" };
    // Events would go on for ever otherwise.
    let accept = if fields.contains("Accept:") { "" } else { "Accept: application/json\r\n" };
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\n{host}{accept}{fields}Connection: close\r\n");
    // In one piece: who refuses the head closes, and would not take what came later.
    let whole = format!("{head}Content-Length: {length}\r\n\r\n{body}");
    stream.write_all(whole.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    (head[9..12].parse().unwrap(), head.to_owned(), body.to_owned())
}

/// Returns path and body of a call that makes sense, for a Nexus before this backend.
fn asking(call: &Call, backend: &Backend) -> (String, String) {
    let body = match call.path {
        "/v1/plan" => r#"{"backends":["http://a:1"]}"#,
        "/v1/explain" => r#"{"host":"a","path":"/"}"#,
        _ => "",
    };
    let value = |name: &str, kind: Kind| match (name, kind) {
        ("pool", _) => "default".to_owned(),
        ("backend", _) => format!("http://{}", backend.address),
        (_, Kind::Text(example)) => example.to_owned(),
        (_, Kind::Number(_)) => "1".to_owned(),
        (_, Kind::Time) => "60s".to_owned(),
        (_, Kind::Word(words)) => words[0].to_owned(),
    };
    let needed = call.params.iter().filter(|param| param.is_required);
    let pairs = needed.map(|param| format!("{}={}", param.name, value(param.name, param.kind)));
    let query = pairs.collect::<Vec<_>>().join("&");
    let mark = if query.is_empty() { "" } else { "?" };
    (format!("{}{mark}{query}", call.path), body.to_owned())
}

/// A file with tokens, and these backends.
fn file(backends: &[&Backend]) -> String {
    let urls: Vec<_> = backends.iter().map(|known| format!("http://{}", known.address)).collect();
    format!(
        "listen: 127.0.0.1:0\nworkers: 1\naccess_log: off\nadmin:\n  address: 127.0.0.1:0\n  tokens:\n    \
         - {{ name: eyes, token: {READ} }}\n    - {{ name: ops, token: {WRITE}, role: write }}\n\
         backends: [{}]\n",
        urls.join(", ")
    )
}

/// The same with a pool that says more of them, a line of the file each.
fn pool_file(backends: &[&Backend], keys: &str) -> String {
    let keys = keys.replace('|', "\n    ");
    let pool = format!("pools:\n  default:\n    {keys}\n    backends: [");
    file(backends).replace("backends: [", &pool) + "routes: [{ pool: default }]\n"
}

fn error_code(body: &str) -> String {
    let body: Json = serde_json::from_str(body).unwrap_or_else(|_| panic!("JSON: {body}"));
    let error = &body["error"];
    let is_helpful = error["message"].as_str().is_some_and(|text| !text.is_empty())
        && error["hint"].as_str().is_some_and(|text| !text.is_empty());
    assert!(is_helpful, "message and hint: {body}");
    error["code"].as_str().unwrap().to_owned()
}

#[test]
fn every_call_is_answered_by_right() {
    let backend = Backend::named("ok");
    let filed = Filed::start("calls", &file(&[&backend]));
    until("it is ready", || filed.call("GET", "/readyz", "", "").0 == 200);
    for known in CALLS {
        let (path, body) = asking(known, &backend);
        let by = |fields: &str| filed.call(known.method, &path, fields, &body);
        let (status, _, body) = by("");
        match known.role {
            Role::Open => assert_eq!(status, 200, "{known:?}"),
            Role::Read | Role::Write => {
                assert_eq!((status, error_code(&body).as_str()), (401, "no_token"), "{known:?}");
            }
        }
        let (status, _, body) = by(&bearer(READ));
        match known.role {
            Role::Write => {
                assert_eq!(error_code(&body), "read_only_token", "{known:?}");
                assert_eq!(status, 403);
            }
            Role::Open | Role::Read => assert_eq!(status, 200, "{known:?}: {body}"),
        }
        let (status, head, body) = by(&bearer(WRITE));
        match known.path {
            "/v1/confirm" => {
                assert_eq!((status, error_code(&body).as_str()), (409, "nothing_to_confirm"));
            }
            "/v1/eject" => {
                assert_eq!((status, error_code(&body).as_str()), (409, "last_available"));
            }
            _ => assert_eq!(status, 200, "{known:?}: {body}"),
        }
        assert!(head.to_lowercase().contains("cache-control: no-store"), "{head}");
    }
}

#[test]
fn what_is_not_there_is_said_with_what_is() {
    let backend = Backend::named("ok");
    let filed = Filed::start("unknown", &file(&[&backend]));
    let (status, _, body) = filed.call("GET", "/v2/status", "", "");
    assert_eq!((status, error_code(&body).as_str()), (404, "no_such_call"));
    let (status, head, body) = filed.call("DELETE", "/v1/reload", "", "");
    assert_eq!((status, error_code(&body).as_str()), (405, "other_method"));
    assert!(head.to_lowercase().contains("allow: post"), "{head}");
}

#[test]
fn pages_of_strangers_are_refused() {
    let backend = Backend::named("ok");
    let filed = Filed::start("strangers", &file(&[&backend]));
    let (status, _, body) = filed.call("GET", "/healthz", "Host: evil.example\r\n", "");
    assert_eq!((status, error_code(&body).as_str()), (403, "unknown_host"));
    let fields = format!("{}Origin: http://evil.example\r\n", bearer(WRITE));
    let (status, _, body) = filed.call("POST", "/v1/reload", &fields, "");
    assert_eq!((status, error_code(&body).as_str()), (403, "cross_origin"));
}

#[test]
fn without_tokens_everybody_reads_and_nobody_changes_anything() {
    let backend = Backend::named("ok");
    let text = format!(
        "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nbackends: [http://{}]\n",
        backend.address
    );
    let filed = Filed::start("no-tokens", &text);
    assert_eq!(filed.call("GET", "/v1/status", "", "").0, 200);
    let (status, _, body) = filed.call("POST", "/v1/reload", "", "");
    assert_eq!((status, error_code(&body).as_str()), (403, "read_only"));
}

#[test]
fn no_call_tells_a_secret() {
    let backend = Backend::named("ok");
    let filed = Filed::start("secrets", &file(&[&backend]));
    filed.write(&file(&[&backend]).replace("backends:", "bakends:"));
    for known in CALLS {
        let (_, head, body) = filed.call(known.method, known.path, &bearer(WRITE), "{}");
        assert!(!body.contains(WRITE) && !body.contains(READ) && !head.contains(WRITE), "{body}");
    }
    assert!(filed.json("/v1/config").to_string().contains("(secret)"));
}

#[test]
fn a_body_beyond_the_limit_and_a_head_beyond_the_limit_are_refused() {
    let backend = Backend::named("ok");
    let filed = Filed::start("limits", &file(&[&backend]));
    let mut stream = TcpStream::connect(filed.address()).unwrap();
    let fields = bearer(READ);
    let head = format!("POST /v1/plan HTTP/1.1\r\n{fields}Content-Length: 999999999\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    let (status, ..) = filed.call("GET", &format!("/{}", "a".repeat(20_000)), "", "");
    assert!(status == 414 || status == 431, "{status}");
}

#[test]
fn more_connections_than_it_has_places_wait() {
    let backend = Backend::named("ok");
    let filed = Filed::start("places", &file(&[&backend]));
    let mut held: Vec<_> = (0..64).map(|_| TcpStream::connect(filed.address()).unwrap()).collect();
    let mut late = TcpStream::connect(filed.address()).unwrap();
    late.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    // All that hold a place are answered; the one without is not, until one of them leaves.
    for stream in &mut held {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        stream.read_exact(&mut [0; 12]).unwrap();
    }
    late.set_nonblocking(true).unwrap();
    let early = late.read(&mut [0; 1]).unwrap_err();
    assert_eq!(early.kind(), std::io::ErrorKind::WouldBlock);
    held.pop();
    late.set_nonblocking(false).unwrap();
    late.set_read_timeout(Some(PATIENCE)).unwrap();
    late.read_exact(&mut [0; 12]).unwrap();
}

#[test]
fn a_socket_in_the_file_system_is_its_owners_alone() {
    let backend = Backend::named("ok");
    let text = file(&[&backend]).replace("address: 127.0.0.1:0", "address: unix:FOLDER/admin.sock");
    let filed = Filed::start("unix", &text);
    let path = filed.folder.join("admin.sock");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut stream = UnixStream::connect(&path).unwrap();
    assert_eq!(call(&mut stream, "GET", "/v1/pools", &bearer(READ), "").0, 200);

    let second = Filed::try_start("unix", &text).err().map(|error| error.to_string());
    assert!(second.is_some_and(|why| why.contains("another program")), "one at a time");

    // It moves with a reload, and what is left behind is gone.
    filed.write(&text.replace("admin.sock", "moved.sock"));
    filed.nexus.reread("test").unwrap();
    until("the old one is gone", || !path.exists());
    let moved = filed.folder.join("moved.sock");
    let mut stream = UnixStream::connect(&moved).unwrap();
    assert_eq!(call(&mut stream, "GET", "/v1/pools", &bearer(READ), "").0, 200);
}

#[test]
fn a_socket_that_a_dead_process_left_behind_is_no_obstacle() {
    let backend = Backend::named("ok");
    let folder = std::env::temp_dir().join(format!("nexus-stale-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    drop(std::os::unix::net::UnixListener::bind(folder.join("admin.sock")).unwrap());
    let text = file(&[&backend]).replace("address: 127.0.0.1:0", "address: unix:FOLDER/admin.sock");
    let filed = Filed::start("stale", &text);
    UnixStream::connect(filed.folder.join("admin.sock")).unwrap();
}

#[test]
fn the_documentation_has_every_call() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/admin.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    for known in CALLS {
        let line = format!(
            "| `{} {}` | {} | {} |",
            known.method,
            known.path,
            known.role.name(),
            known.meaning
        );
        assert!(docs.contains(&line), "docs/admin.md has the line\n{line}");
    }
    let lines =
        docs.lines().filter(|line| line.starts_with("| `GET ") || line.starts_with("| `POST "));
    assert_eq!(lines.count(), CALLS.len(), "and no other");
}
