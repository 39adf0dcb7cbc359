//! A started program that cannot be left behind.
//!
//! Each runs in a process group of its own; dropping the guard kills the whole group and waits for
//! it, on every way out: success, error, panic, Ctrl-C.

use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
pub(crate) use rustix::process::Signal;
use rustix::process::{Pid, kill_process, kill_process_group};

use crate::interrupt;
use crate::lines::Lines;

/// Where one of the program's outputs goes.
pub(crate) enum Sink {
    /// Nowhere.
    Null,
    /// Into this file, created anew.
    File(PathBuf),
    /// Into memory line by line, each with the time of its arrival, and into this file if given.
    Lines(Option<PathBuf>),
}

/// What to start.
pub(crate) struct Launch {
    /// For messages: `b2`, `nexus`.
    pub(crate) name: String,
    /// The executable.
    pub(crate) program: PathBuf,
    /// Its arguments.
    pub(crate) args: Vec<String>,
    /// Its standard output.
    pub(crate) stdout: Sink,
    /// Its standard error.
    pub(crate) stderr: Sink,
}

/// A running child and its group; killed when dropped.
pub(crate) struct Process {
    name: String,
    child: Child,
    status: Option<ExitStatus>,
    stdout: Option<Lines>,
    stderr: Option<Lines>,
}

impl Process {
    /// Starts a program; it inherits this thread's CPU affinity.
    pub(crate) fn start(launch: Launch) -> Result<Self> {
        let mut child = Command::new(&launch.program)
            .args(&launch.args)
            .stdin(Stdio::null())
            .stdout(stdio(&launch.stdout)?)
            .stderr(stdio(&launch.stderr)?)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", launch.program.display()))?;
        let stdout = child.stdout.take().map(|pipe| Lines::read(pipe, copy(&launch.stdout)));
        let stderr = child.stderr.take().map(|pipe| Lines::read(pipe, copy(&launch.stderr)));
        Ok(Self { name: launch.name, child, status: None, stdout, stderr })
    }

    /// The process id, which is also its group's.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that it has had at once, in bytes.
    pub(crate) fn memory_most(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.id());
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        kib.map(|kib| kib * 1024).with_context(|| format!("{path} has no VmHWM"))
    }

    /// The lines of its standard output, if they were asked for.
    pub(crate) fn stdout(&self) -> Result<&Lines> {
        self.stdout.as_ref().with_context(|| format!("{}: output is not read", self.name))
    }

    /// The lines of its standard error, if they were asked for.
    pub(crate) fn stderr(&self) -> Result<&Lines> {
        self.stderr.as_ref().with_context(|| format!("{}: output is not read", self.name))
    }

    /// Sends a signal to the process (not to its group).
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        if self.status.is_some() {
            bail!("{} has already ended", self.name);
        }
        kill_process(self.pid()?, signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// The exit status, when it has ended.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self.child.try_wait()?;
        }
        Ok(self.status)
    }

    /// Waits for the end; `None` after `limit`.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        interrupt::poll(limit, || self.ended())
    }

    /// SIGTERM, then the exit status; an error when it does not end within `limit`.
    pub(crate) fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        if let Some(status) = self.ended()? {
            return Ok(status);
        }
        self.signal(Signal::TERM)?;
        self.wait(limit)?
            .ok_or_else(|| anyhow!("{} did not end within {limit:?} of SIGTERM", self.name))
    }

    /// SIGKILL to the whole group, and waits for the process.
    pub(crate) fn kill(&mut self) {
        if self.status.is_some() {
            return;
        }
        if let Ok(pid) = self.pid() {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        self.status = self.child.wait().ok();
    }

    fn pid(&self) -> Result<Pid> {
        let raw = i32::try_from(self.child.id())?;
        Pid::from_raw(raw).context("a child has a process id")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// `exit code 0`, `signal 9`: for messages.
pub(crate) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

fn stdio(sink: &Sink) -> Result<Stdio> {
    Ok(match sink {
        Sink::Null => Stdio::null(),
        Sink::Lines(_) => Stdio::piped(),
        Sink::File(path) => {
            let file =
                File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
            Stdio::from(file)
        }
    })
}

fn copy(sink: &Sink) -> Option<PathBuf> {
    match sink {
        Sink::Lines(path) => path.clone(),
        Sink::Null | Sink::File(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        Process::start(Launch {
            name: "shell".into(),
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            stdout: Sink::Lines(None),
            stderr: Sink::Null,
        })
        .unwrap()
    }

    #[test]
    fn a_line_is_found_however_early_or_late_it_comes() {
        let process = shell("echo first; echo ready 7; echo last");
        let found = process.stdout().unwrap().wait_for(Duration::from_secs(5), |line| {
            line.text.strip_prefix("ready ").map(str::to_owned)
        });
        assert_eq!(found.unwrap(), "7");
    }

    #[test]
    fn a_program_that_ends_without_the_line_is_an_error_at_once() {
        let process = shell("echo sorry");
        let found = process.stdout().unwrap().wait_for(Duration::from_secs(60), |line| {
            line.text.strip_prefix("ready ").map(str::to_owned)
        });
        assert!(found.unwrap_err().to_string().contains("sorry"));
    }

    #[test]
    fn dropping_the_guard_kills_the_grandchildren_too() {
        let process = shell("sleep 100 & echo $!; wait");
        let grandchild: u32 = process
            .stdout()
            .unwrap()
            .wait_for(Duration::from_secs(5), |line| line.text.parse().ok())
            .unwrap();
        drop(process);
        let gone =
            interrupt::poll(Duration::from_secs(5), || Ok(is_gone(grandchild).then_some(())));
        assert!(gone.unwrap().is_some());
    }

    /// Whether nothing runs under this process id (a zombie that nobody reaps yet does not run).
    fn is_gone(pid: u32) -> bool {
        match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
            Ok(stat) => stat.contains(") Z "),
            Err(_) => true,
        }
    }

    #[test]
    fn sigterm_ends_a_program_and_tells_how() {
        let status = shell("sleep 100").terminate(Duration::from_secs(5)).unwrap();
        assert_eq!(describe(status), "signal 15");
    }
}
