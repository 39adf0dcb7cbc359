//! A probe by command: a program of the operator's, whose exit code is the answer.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

use crate::backend::BackendUrl;
use crate::reason::Reason;

/// Runs a program, in whose arguments `{url}`, `{host}` and `{port}` stand for the backend's; no
/// shell is between. Dropped, it is killed with all that it has started.
///
/// # Errors
///
/// Fails if it cannot be run, or does not exit with 0.
pub(super) async fn run(command: &[String], url: &BackendUrl) -> Result<(), Reason> {
    let port = url.port().to_string();
    let fill = |text: &String| {
        let text = text.replace("{url}", &url.to_string());
        text.replace("{host}", url.host()).replace("{port}", &port)
    };
    let Some((program, arguments)) = command.split_first() else {
        return Err(Reason::CommandNotRun);
    };
    let child = Command::new(program)
        .args(arguments.iter().map(fill))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let status = match child {
        Ok(mut child) => {
            let mut group = Group::of(&child);
            let status = child.wait().await;
            group.0 = None; // It has ended, and its number may be another's.
            status
        }
        Err(error) => Err(error),
    };
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(Reason::CommandFailed),
        Err(error) => {
            tracing::warn!(program, %error, "a health check's program cannot be run");
            Err(Reason::CommandNotRun)
        }
    }
}

/// A program and all that it has started: a shell that is killed leaves its children behind.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // What has ended meanwhile need not be killed.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
