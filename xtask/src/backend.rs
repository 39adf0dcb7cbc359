//! A fake backend: started, killed and started again on the same ports, and told to misbehave.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::json;

use crate::http;
use crate::process::{Launch, Process, Signal, Sink};

/// A backend accepts connections within this time of its start.
const LIMIT_START: Duration = Duration::from_secs(10);
/// A backend told to stop is gone within this time: its own limit is 10 s.
const LIMIT_STOP: Duration = Duration::from_secs(15);

/// What a backend speaks, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// HTTP/1.1 on a port (and HTTP/2, to who does not ask).
    #[default]
    Http,
    /// HTTP/2 on a port, as Nexus is to speak it without asking.
    H2c,
    /// What is agreed on over TLS.
    Https,
    /// HTTP/1.1 on a Unix socket in this folder.
    Unix(PathBuf),
}

/// One fake backend, running or not.
pub(crate) struct Backend {
    /// Its name: `b1`.
    pub(crate) id: String,
    /// Where it serves.
    pub(crate) listen: SocketAddr,
    control: SocketAddr,
    program: PathBuf,
    speaks: Speaks,
    flags: Vec<String>,
    process: Option<Process>,
}

/// What it prints once it serves.
#[derive(Deserialize)]
struct Ready {
    listen: String,
    control: SocketAddr,
}

/// A range of sequence numbers, and how often each of them was seen: first, last, times.
pub(crate) type SeqRange = (u64, u64, u64);

impl Backend {
    /// Starts a backend on free ports.
    pub(crate) fn start(program: &Path, id: &str, flags: &[String]) -> Result<Self> {
        Self::start_speaking(Speaks::Http, program, id, flags)
    }

    /// The same, for a backend that speaks something else.
    pub(crate) fn start_speaking(
        speaks: Speaks,
        program: &Path,
        id: &str,
        flags: &[String],
    ) -> Result<Self> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut backend = Self {
            id: id.to_owned(),
            listen: any,
            control: any,
            program: program.to_owned(),
            speaks,
            flags: flags.to_vec(),
            process: None,
        };
        backend.start_again()?;
        Ok(backend)
    }

    /// Starts it on the ports that it had.
    pub(crate) fn start_again(&mut self) -> Result<()> {
        if self.process.is_some() {
            bail!("{} is running already", self.id);
        }
        let control = self.control.to_string();
        let (flag, place) = match self.path() {
            Some(path) => ("--unix", path.display().to_string()),
            None => ("--listen", self.listen.to_string()),
        };
        let fixed = ["--id", &self.id, flag, &place, "--control", &control, "--ready-json"];
        let process = Process::start(Launch {
            name: self.id.clone(),
            program: self.program.clone(),
            args: fixed.map(str::to_owned).into_iter().chain(self.flags.clone()).collect(),
            stdout: Sink::Lines(None),
            stderr: Sink::Lines(None),
        })?;
        let ready = process
            .stdout()?
            .wait_for(LIMIT_START, |line| serde_json::from_str::<Ready>(&line.text).ok())
            .with_context(|| format!("{} does not serve: {}", self.id, said(&process)))?;
        // A path is no address, and stays what it is.
        self.listen = ready.listen.parse().unwrap_or(self.listen);
        self.control = ready.control;
        self.process = Some(process);
        Ok(())
    }

    /// The URL that Nexus knows it by.
    pub(crate) fn url(&self) -> String {
        match self.path() {
            Some(path) => format!("unix:{}", path.display()),
            None => format!("{}://{}", self.scheme(), self.listen),
        }
    }

    fn scheme(&self) -> &'static str {
        match self.speaks {
            Speaks::Http | Speaks::Unix(_) => "http",
            Speaks::H2c => "h2c",
            Speaks::Https => "https",
        }
    }

    /// Its socket, if it has no port.
    fn path(&self) -> Option<PathBuf> {
        match &self.speaks {
            Speaks::Unix(folder) => Some(folder.join(&self.id)),
            _ => None,
        }
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.running()?;
        self.process = None;
        Ok(())
    }

    /// SIGTERM, and waits until it has gone.
    pub(crate) fn terminate(&mut self) -> Result<ExitStatus> {
        let status = self.running()?.terminate(LIMIT_STOP)?;
        self.process = None;
        Ok(status)
    }

    /// SIGSTOP: its kernel still accepts connections, and nobody answers.
    pub(crate) fn pause(&mut self) -> Result<()> {
        self.running()?.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub(crate) fn resume(&mut self) -> Result<()> {
        self.running()?.signal(Signal::CONT)
    }

    /// Adds a fault, in the syntax of its `--fault`.
    pub(crate) fn add_fault(&self, fault: &str) -> Result<()> {
        self.call("POST", "/faults", &json!({ "fault": fault }).to_string()).map(drop)
    }

    /// Removes all faults.
    pub(crate) fn heal(&self) -> Result<()> {
        self.call("DELETE", "/faults", "").map(drop)
    }

    /// Takes it out of service without ending the process, so that its journal lives on.
    pub(crate) fn take_down(&self, mode: &str, existing: &str) -> Result<()> {
        let body = json!({ "enabled": false, "mode": mode, "existing": existing });
        self.call("PUT", "/state", &body.to_string()).map(drop)
    }

    /// Puts it back into service.
    pub(crate) fn bring_up(&self) -> Result<()> {
        self.call("PUT", "/state", &json!({ "enabled": true }).to_string()).map(drop)
    }

    /// Makes it answer so late.
    pub(crate) fn slow_down(&self, latency: &str) -> Result<()> {
        self.call("PUT", "/latency", &json!({ "latency": latency }).to_string()).map(drop)
    }

    /// Makes it serve so many requests at once.
    pub(crate) fn set_slots(&self, count: u32) -> Result<()> {
        self.call("PUT", "/slots", &json!({ "slots": count }).to_string()).map(drop)
    }

    /// Makes it go up and down by itself, or (`None`) stop doing so.
    pub(crate) fn flap(&self, flap: Option<&str>) -> Result<()> {
        self.call("PUT", "/flap", &json!({ "flap": flap }).to_string()).map(drop)
    }

    /// Tells health checks so from now on: `ok`, `fail`, `hang`.
    pub(crate) fn set_health(&self, says: &str) -> Result<()> {
        self.call("PUT", "/health", &json!({ "health": says }).to_string()).map(drop)
    }

    /// How many requests it has under way.
    pub(crate) fn in_flight(&self) -> Result<u64> {
        #[derive(Deserialize)]
        struct State {
            in_flight: u64,
        }
        let state: State = serde_json::from_str(&self.call("GET", "/state", "")?)
            .with_context(|| format!("the state of {} is not as agreed", self.id))?;
        Ok(state.in_flight)
    }

    /// The sequence numbers that it has seen of a run.
    pub(crate) fn journal(&self, run: &str) -> Result<Vec<SeqRange>> {
        #[derive(Deserialize)]
        struct Seqs {
            ranges: Vec<SeqRange>,
        }
        let seqs = self.call("GET", &format!("/journal/seqs?run={run}"), "")?;
        let seqs: Seqs = serde_json::from_str(&seqs)
            .with_context(|| format!("the journal of {} is not as agreed", self.id))?;
        Ok(seqs.ranges)
    }

    fn call(&self, method: &str, path: &str, body: &str) -> Result<String> {
        http::call(self.control, method, path, body)
            .with_context(|| format!("the control port of {}", self.id))
    }

    fn running(&mut self) -> Result<&mut Process> {
        self.process.as_mut().with_context(|| format!("{} is not running", self.id))
    }
}

fn said(process: &Process) -> String {
    process.stderr().map(crate::lines::Lines::text).unwrap_or_default()
}
