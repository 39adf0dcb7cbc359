//! Nexus under test: started on a free port, listened to, stopped.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::backend::Backend;
use crate::http;
use crate::interrupt;
use crate::process::{Launch, Process, Signal, Sink};

/// Nexus accepts connections within this time of its start.
const LIMIT_START: Duration = Duration::from_secs(10);

/// A running Nexus.
pub(crate) struct Nexus {
    process: Process,
    address: SocketAddr,
    file: Option<Configured>,
}

/// The configuration file of a Nexus, and where it can be told to read it.
struct Configured {
    path: PathBuf,
    admin: SocketAddr,
}

/// The right to reload; it protects nothing, since it lives for one run on loopback.
const TOKEN: &str = "xtask-scenario-token";

/// One of the lines that Nexus writes about itself.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// When it arrived here.
    pub(crate) at: Instant,
    /// `backend is DOWN`.
    pub(crate) message: String,
    /// The backend's URL, when it is about one.
    pub(crate) backend: Option<String>,
    /// What it gives as the cause.
    pub(crate) cause: Option<String>,
}

#[derive(Deserialize)]
struct Written {
    message: String,
    address: Option<SocketAddr>,
    backend: Option<String>,
    cause: Option<String>,
}

/// What Nexus says when it takes a backend out.
pub(crate) const DOWN: &str = "backend is DOWN";
/// What Nexus says when it takes a backend in again.
pub(crate) const UP: &str = "backend is UP";

impl Nexus {
    /// Starts Nexus before these backends, with its request log off unless `flags` say otherwise.
    pub(crate) fn start(
        program: &Path,
        backends: &[Backend],
        flags: &[String],
        log: Option<PathBuf>,
    ) -> Result<Self> {
        let mut args: Vec<String> =
            ["--listen", "127.0.0.1:0", "--access-log", "off", "--log-format", "json"]
                .map(str::to_owned)
                .into();
        for backend in backends {
            args.extend(["--backend".to_owned(), backend.url()]);
        }
        args.extend_from_slice(flags);
        let process = Process::start(Launch {
            name: "nexus".into(),
            program: program.to_owned(),
            args,
            stdout: Sink::Null,
            stderr: Sink::Lines(log),
        })?;
        let address = said(&process, "listening").context("nexus does not listen")?;
        Ok(Self { process, address, file: None })
    }

    /// Starts Nexus with a file of this text in `folder`, and an admin address.
    pub(crate) fn start_with(
        program: &Path,
        text: &str,
        flags: &[String],
        folder: &Path,
    ) -> Result<Self> {
        let path = folder.join("nexus.yaml");
        let token = folder.join("token");
        fs::write(&path, text)?;
        fs::write(&token, TOKEN)?;
        let mut all = vec![format!("--config={}", path.display())];
        all.extend(["--admin=127.0.0.1:0".to_owned()]);
        all.extend([format!("--admin-token-file={}", token.display())]);
        all.extend_from_slice(flags);
        let log = Some(folder.join("nexus.stderr"));
        let mut nexus = Self::start(program, &[], &all, log)?;
        let admin = said(&nexus.process, "admin address").context("nexus has no admin address")?;
        nexus.file = Some(Configured { path, admin });
        Ok(nexus)
    }

    /// Writes another text into its file and has it read.
    pub(crate) fn reload(&self, text: &str) -> Result<()> {
        let file = self.file.as_ref().context("nexus was started without a file")?;
        // Renamed into its place: nobody reads half of it.
        let new = file.path.with_extension("new");
        fs::write(&new, text)?;
        fs::rename(&new, &file.path)?;
        let right = format!("Authorization: Bearer {TOKEN}\r\n");
        http::call_with(file.admin, "POST", "/v1/reload", &right, "").map(drop)
    }

    /// The URL for clients.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where clients connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process, for its id and its end.
    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// SIGTERM, without waiting.
    pub(crate) fn ask_to_stop(&self) -> Result<()> {
        self.process.signal(Signal::TERM)
    }

    /// SIGTERM, and the exit status.
    pub(crate) fn stop(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.process.terminate(limit)
    }

    /// The events since the last call with this cursor.
    pub(crate) fn new_events(&self, seen: &mut usize) -> Result<Vec<Event>> {
        let lines = self.process.stderr()?.new_lines(seen);
        Ok(lines
            .iter()
            .filter_map(|line| {
                let Written { message, backend, cause, .. } = parse(&line.text)?;
                Some(Event { at: line.at, message, backend, cause })
            })
            .collect())
    }

    /// Waits for an event since `from`; `None` when it does not come within `limit` of that.
    pub(crate) fn wait_for(
        &self,
        message: &str,
        backend: Option<&str>,
        from: Instant,
        limit: Duration,
    ) -> Result<Option<Event>> {
        let mut seen = 0;
        let limit = (from + limit).saturating_duration_since(Instant::now());
        interrupt::poll(limit, || {
            let is_it = |event: &Event| {
                event.at >= from && event.message == message && event.backend.as_deref() == backend
            };
            Ok(self.new_events(&mut seen)?.into_iter().find(is_it))
        })
    }

    /// Lines that tell of a panic.
    pub(crate) fn panics(&self) -> Result<Vec<String>> {
        let lines = self.process.stderr()?.all(Duration::from_secs(2))?;
        Ok(lines
            .into_iter()
            .map(|line| line.text)
            .filter(|text| text.contains("panicked at"))
            .collect())
    }
}

/// Waits for a message with an address in it.
fn said(process: &Process, wanted: &str) -> Result<SocketAddr> {
    process.stderr()?.wait_for(LIMIT_START, |line| match parse(&line.text)? {
        Written { message, address, .. } if message == wanted => address,
        _ => None,
    })
}

fn parse(line: &str) -> Option<Written> {
    serde_json::from_str(line).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nexuss_own_lines_are_understood_whatever_else_they_carry() {
        let line = r#"{"timestamp":"2026-11-23T06:50:00.123456Z","level":"WARN","message":"backend is DOWN","backend":"http://127.0.0.1:1","cause":"connect_refused","more":1}"#;
        let written = parse(line).unwrap();
        assert_eq!(written.message, DOWN);
        assert_eq!(written.backend.as_deref(), Some("http://127.0.0.1:1"));
        assert_eq!(written.cause.as_deref(), Some("connect_refused"));
        let line = r#"{"level":"INFO","message":"listening","address":"127.0.0.1:41233"}"#;
        assert_eq!(parse(line).unwrap().address.unwrap().port(), 41233);
        assert!(parse("thread 'main' panicked at").is_none());
    }
}
