//! Nexus under test: started on a free port, listened to, stopped.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
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
    /// How it was started.
    program: PathBuf,
    args: Vec<String>,
}

/// The configuration file of a Nexus, and where it can be told to read it.
struct Configured {
    path: PathBuf,
    admin: SocketAddr,
}

/// Any port of this machine.
const LISTEN: [&str; 2] = ["--listen", "127.0.0.1:0"];

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
        let mut args: Vec<String> = LISTEN.map(str::to_owned).into();
        for backend in backends {
            args.extend(["--backend".to_owned(), backend.url()]);
        }
        args.extend_from_slice(flags);
        Self::begin(program, args, log)
    }

    fn begin(program: &Path, more: Vec<String>, log: Option<PathBuf>) -> Result<Self> {
        let mut args: Vec<String> =
            ["--access-log", "off", "--log-format", "json"].map(str::to_owned).into();
        args.extend(more);
        let process = launch(program, &args, log)?;
        let address = said(&process, "listening").context("nexus does not listen")?;
        Ok(Self { process, address, file: None, program: program.to_owned(), args })
    }

    /// SIGTERM, and another one in its place, at the same addresses.
    pub(crate) fn restart(&mut self, limit: Duration) -> Result<()> {
        let file = self.file.as_ref().context("nexus was started without a file")?;
        let status = self.process.terminate(limit)?;
        if !status.success() || !self.panics()?.is_empty() {
            bail!("nexus ended with {status} before its restart");
        }
        for arg in &mut self.args {
            *arg = match arg.as_str() {
                "127.0.0.1:0" => self.address.to_string(),
                "--admin=127.0.0.1:0" => format!("--admin={}", file.admin),
                _ => continue,
            };
        }
        let log = file.path.with_file_name("nexus-again.stderr");
        self.process = launch(&self.program, &self.args, Some(log))?;
        said(&self.process, "listening").context("nexus does not listen again")?;
        Ok(())
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
        // Listeners of its own are heeded.
        if !text.contains("listeners:") {
            all.extend(LISTEN.map(str::to_owned));
        }
        all.extend(["--admin=127.0.0.1:0".to_owned()]);
        all.extend([format!("--admin-token-file={}", token.display())]);
        all.extend_from_slice(flags);
        let log = Some(folder.join("nexus.stderr"));
        let mut nexus = Self::begin(program, all, log)?;
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
        self.call("POST", "/v1/reload").map(drop)
    }

    /// Lets a backend of the pool `web` drain, and waits until nothing is left of it.
    pub(crate) fn drain(&self, backend: &str, within: Duration) -> Result<()> {
        let ms = within.as_millis();
        self.call("POST", &format!("/v1/drain?pool=web&backend={backend}&deadline={ms}ms"))?;
        let is_empty = || {
            let pools: Vec<Pool> = serde_json::from_str(&self.call("GET", "/v1/pools")?)?;
            let all = pools.into_iter().filter(|pool| pool.name == "web");
            let one = all.flat_map(|pool| pool.backends).find(|one| one.url == backend);
            let one = one.with_context(|| format!("pool web has no {backend}"))?;
            Ok((one.in_flight == 0 && one.sessions.unwrap_or(0) == 0).then_some(()))
        };
        interrupt::poll(within, is_empty)?.with_context(|| format!("{backend} is not drained"))
    }

    /// Gives it requests again.
    pub(crate) fn undrain(&self, backend: &str) -> Result<()> {
        self.call("POST", &format!("/v1/undrain?pool=web&backend={backend}")).map(drop)
    }

    /// How many requests are under way on all its backends.
    pub(crate) fn in_flight(&self) -> Result<u64> {
        #[derive(Deserialize)]
        struct Status {
            pools: Vec<Pool>,
        }
        let status: Status = serde_json::from_str(&self.call("GET", "/v1/status")?)?;
        Ok(status.pools.iter().flat_map(|pool| &pool.backends).map(|one| one.in_flight).sum())
    }

    fn call(&self, method: &str, path: &str) -> Result<String> {
        let file = self.file.as_ref().context("nexus was started without a file")?;
        let right = format!("Authorization: Bearer {TOKEN}\r\n");
        http::call_with(file.admin, method, path, &right, "")
    }

    /// The URL for clients.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The URL for clients that come over TLS.
    pub(crate) fn secure_url(&self) -> String {
        format!("https://{}", self.address)
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

/// What Nexus tells of a pool.
#[derive(Deserialize)]
struct Pool {
    name: String,
    backends: Vec<PoolBackend>,
}

#[derive(Deserialize)]
struct PoolBackend {
    url: String,
    in_flight: u64,
    sessions: Option<u64>,
}

fn launch(program: &Path, args: &[String], log: Option<PathBuf>) -> Result<Process> {
    Process::start(Launch {
        name: "nexus".into(),
        program: program.to_owned(),
        args: args.to_owned(),
        stdout: Sink::Null,
        stderr: Sink::Lines(log),
    })
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
