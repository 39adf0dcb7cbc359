//! Calls of cargo: building the programs that a command runs, and steps shown as they go.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::interrupt;
use crate::lines::Lines;

/// No build takes longer than this.
const LIMIT_BUILD: Duration = Duration::from_secs(3600);

/// The folder of the workspace.
pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// The folder for what is built and measured: `target`, or what `CARGO_TARGET_DIR` says.
pub(crate) fn target_dir() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// The three programs, built.
#[derive(Clone)]
pub(crate) struct Programs {
    /// The load balancer.
    pub(crate) nexus: PathBuf,
    /// The backend that fails on demand.
    pub(crate) fakebackend: PathBuf,
    /// The load tester.
    pub(crate) loadtest: PathBuf,
}

/// Builds the three programs for the demo and the scenarios.
pub(crate) fn build_programs() -> Result<Programs> {
    let args = ["--profile", "demo", "-p", "nexus", "-p", "fakebackend", "-p", "loadtest"];
    let mut built = build(&args)?;
    let mut take = |name: &str| {
        built.remove(name).with_context(|| format!("cargo built no program called {name}"))
    };
    Ok(Programs {
        nexus: take("nexus")?,
        fakebackend: take("fakebackend")?,
        loadtest: take("loadtest")?,
    })
}

/// `cargo build` with these arguments: the executables by the name of their target.
pub(crate) fn build(args: &[&str]) -> Result<BTreeMap<String, PathBuf>> {
    let mut command = cargo();
    command.arg("build").args(args).arg("--message-format=json-render-diagnostics");
    let mut running = Running(command.stdout(Stdio::piped()).spawn().context("cannot run cargo")?);
    let lines = running.0.stdout.take().map(|pipe| Lines::read(pipe, None));
    let status = running.wait()?;
    if !status.success() {
        bail!("cargo build {} failed", args.join(" "));
    }
    let lines = lines.context("cargo's output is read")?.all(Duration::from_secs(10))?;
    Ok(lines.iter().filter_map(|line| executable(&line.text)).collect())
}

/// Runs a command with its output passed through.
pub(crate) fn run(command: &mut Command) -> Result<ExitStatus> {
    let shown = format!("{command:?}");
    let child = command.stdin(Stdio::null()).process_group(0).spawn();
    Running(child.with_context(|| format!("cannot run {shown}"))?).wait()
}

/// The cargo that runs us, in the workspace's folder and in a process group of its own.
pub(crate) fn cargo() -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.current_dir(root()).stdin(Stdio::null()).process_group(0);
    command
}

/// A cargo call under way; dropped early (Ctrl-C), it and its compilers are killed.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    /// Waits for the end.
    pub(crate) fn wait(&mut self) -> Result<ExitStatus> {
        let ended = interrupt::poll(LIMIT_BUILD, || Ok(self.0.try_wait()?))?;
        ended.with_context(|| format!("cargo takes longer than {LIMIT_BUILD:?}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            let pid = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw);
            if let Some(pid) = pid {
                let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::TERM);
            }
            let _ = self.0.wait();
        }
    }
}

/// Name and path in one of cargo's JSON messages, when it reports an executable.
fn executable(line: &str) -> Option<(String, PathBuf)> {
    #[derive(Deserialize)]
    struct Message {
        executable: Option<PathBuf>,
        target: Option<Target>,
    }
    #[derive(Deserialize)]
    struct Target {
        name: String,
    }
    let message: Message = serde_json::from_str(line).ok()?;
    Some((message.target?.name, message.executable?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_are_found_among_cargos_messages() {
        let program = r#"{"reason":"compiler-artifact","target":{"name":"nexus","kind":["bin"]},"executable":"/t/nexus"}"#;
        assert_eq!(executable(program), Some(("nexus".into(), "/t/nexus".into())));
        let library =
            r#"{"reason":"compiler-artifact","target":{"name":"nexus"},"executable":null}"#;
        assert_eq!(executable(library), None);
        assert_eq!(executable(r#"{"reason":"build-finished","success":true}"#), None);
    }
}
