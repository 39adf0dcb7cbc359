//! Who takes part: each started as its experts would, with one worker.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::Bench;
use super::rows::Row;
use crate::backend::Backend;
use crate::identity::Identity;
use crate::interrupt;
use crate::process::{Launch, Process, Sink};

mod haproxy;
mod nginx;

/// A proxy accepts connections within this time of its start.
const LIMIT_START: Duration = Duration::from_secs(10);
/// A proxy without clients is gone within this time of SIGTERM.
const LIMIT_STOP: Duration = Duration::from_secs(2);

/// One of those that take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum Peer {
    /// Nexus, as it is shipped.
    Nexus,
    /// Nexus with an admin address: it counts every request.
    Counting,
    /// nginx, as it is installed.
    Nginx,
    /// HAProxy, as it is installed.
    Haproxy,
    /// The copier of bytes.
    Floor,
}

/// A proxy that is running.
pub(super) struct Running {
    process: Process,
    /// Where it accepts connections.
    pub(super) address: SocketAddr,
}

impl Running {
    /// The process group of all its processes.
    pub(super) fn group(&self) -> u32 {
        self.process.id()
    }

    /// Ends it politely, so that a master sees its workers off; what is left is killed.
    pub(super) fn stop(mut self) {
        let _ = self.process.terminate(LIMIT_STOP);
    }
}

impl Peer {
    /// Its name in the table.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nexus => "Nexus",
            Self::Counting => "counting",
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::Floor => "floor",
        }
    }

    /// Its name with its version.
    pub(super) fn title(self) -> String {
        let version = match self {
            Self::Nexus | Self::Counting | Self::Floor => None,
            Self::Nginx => self.version("-v", "nginx/"),
            Self::Haproxy => self.version("-v", "HAProxy version "),
        };
        version
            .map_or_else(|| self.name().to_owned(), |version| format!("{} {version}", self.name()))
    }

    fn version(self, flag: &str, before: &str) -> Option<String> {
        let said = Command::new(self.installed()?).arg(flag).output().ok()?;
        let said = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
        let (_, version) = said.split_once(before)?;
        version.split([' ', '-', '\n']).next().map(str::to_owned)
    }

    /// Whether it can take part; says so when not.
    pub(super) fn is_there(self) -> bool {
        let package = match self {
            Self::Nexus | Self::Counting | Self::Floor => return true,
            Self::Nginx => "nginx-light",
            Self::Haproxy => "haproxy",
        };
        let is_there = self.installed().is_some();
        if !is_there {
            println!("{}: not installed (apt-get install {package})", self.name());
        }
        is_there
    }

    fn installed(self) -> Option<PathBuf> {
        let program = self.name().to_lowercase();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders =
            std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
        folders.map(|folder| folder.join(&program)).find(|path| path.is_file())
    }

    /// Starts it before these backends; it inherits this thread's CPU.
    pub(super) fn start(self, bench: &Bench, row: &Row, backends: &[Backend]) -> Result<Running> {
        match self {
            Self::Nexus | Self::Counting => {
                let urls = backends.iter().map(Backend::url);
                if row.is_tls {
                    return secure_nexus(bench, &urls.collect::<Vec<_>>());
                }
                let mut flags = vec!["--listen=127.0.0.1:0".to_owned()];
                if self == Self::Counting {
                    flags.push("--admin=127.0.0.1:0".to_owned());
                }
                flags.extend(urls.map(|url| format!("--backend={url}")));
                nexus(bench, &flags)
            }
            Self::Floor => floor(bench, backends),
            Self::Nginx | Self::Haproxy => self.installed_one(bench, row, backends),
        }
    }

    fn installed_one(self, bench: &Bench, row: &Row, backends: &[Backend]) -> Result<Running> {
        let folder = bench.folder.join(self.name());
        std::fs::create_dir_all(&folder)?;
        let address = free_port()?;
        let (identity, with_log) = (&bench.identity, bench.with_log);
        let site = Site { address, backends, row, folder: &folder, identity, with_log };
        let path = folder.join("configuration");
        let (text, args) = match self {
            Self::Nginx => (nginx::configuration(&site), nginx::args(&path, &folder)),
            _ => (haproxy::configuration(&site), haproxy::args(&path)),
        };
        std::fs::write(&path, text)?;
        let mut process = Process::start(Launch {
            name: self.name().to_owned(),
            program: self.installed().context("it is not installed")?,
            args,
            stdout: Sink::File(folder.join("stdout")),
            stderr: Sink::Lines(Some(folder.join("stderr"))),
        })?;
        let connected = interrupt::poll(LIMIT_START, || match process.ended()? {
            Some(status) => bail!("it ended with {status}: {}", process.stderr()?.text()),
            None => Ok(TcpStream::connect(address).ok()),
        })?;
        connected.context("it does not listen")?;
        Ok(Running { process, address })
    }
}

/// What the configuration of an installed proxy is made from.
struct Site<'a> {
    address: SocketAddr,
    backends: &'a [Backend],
    row: &'a Row,
    folder: &'a Path,
    identity: &'a Identity,
    with_log: bool,
}

/// Starts Nexus with one worker and these flags.
pub(super) fn nexus(bench: &Bench, flags: &[String]) -> Result<Running> {
    let log = if bench.with_log { "stdout" } else { "off" };
    let mut args = ["--workers=1", "--log-format=json"].map(str::to_owned).to_vec();
    args.push(format!("--access-log={log}"));
    args.extend_from_slice(flags);
    let process = Process::start(Launch {
        name: "nexus".to_owned(),
        program: bench.programs.nexus.clone(),
        args,
        stdout: Sink::File(bench.folder.join("nexus.stdout")),
        stderr: Sink::Lines(Some(bench.folder.join("nexus.stderr"))),
    })?;
    let address = process.stderr()?.wait_for(LIMIT_START, |line| {
        let said: serde_json::Value = serde_json::from_str(&line.text).ok()?;
        said.get("address")?.as_str()?.parse().ok()
    })?;
    Ok(Running { process, address })
}

/// Starts Nexus with TLS in front: what its flags do not say, a file does.
fn secure_nexus(bench: &Bench, urls: &[String]) -> Result<Running> {
    let path = bench.folder.join("tls.yaml");
    let (certificate, key) = (bench.identity.certificate.display(), bench.identity.key.display());
    let text = format!(
        "listeners:
  - address: 127.0.0.1:0
    tls: {{ certificates: [{{ cert: {certificate}, key: {key} }}], alpn: [h2, http/1.1] }}
pools: {{ web: {{ backends: [{}] }} }}
routes: [{{ pool: web }}]
",
        urls.join(", ")
    );
    std::fs::write(&path, text)?;
    nexus(bench, &[format!("--config={}", path.display())])
}

fn floor(bench: &Bench, backends: &[Backend]) -> Result<Running> {
    let listen = "127.0.0.1:0".to_owned();
    let process = Process::start(Launch {
        name: "byte_copy".to_owned(),
        program: bench.programs.byte_copy.clone(),
        args: [listen]
            .into_iter()
            .chain(backends.iter().map(|one| one.listen.to_string()))
            .collect(),
        stdout: Sink::Lines(None),
        stderr: Sink::Null,
    })?;
    let address = process
        .stdout()?
        .wait_for(LIMIT_START, |line| line.text.strip_prefix("listening on ")?.parse().ok())?;
    Ok(Running { process, address })
}

/// A port that was free a moment ago, for programs that cannot choose one themselves.
fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
