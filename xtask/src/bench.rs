//! `cargo xtask bench`: what a request costs a proxy in CPU time, Nexus beside its peers.
//!
//! The proxy has one CPU and one worker; the load tester and the backends have another CPU. What is
//! compared is the CPU time that the proxy's processes used, divided by the requests: it depends
//! far less on the loader and on the machine's mood than requests per second do. All proxies take
//! turns within each round, so that drift hits all alike; what is reported is the median.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::backend::Backend;
use crate::identity::Identity;
use crate::{Outcome, cargo, interrupt};
use peers::Peer;
use rows::Row;
use table::{Cell, Results};

mod cpu;
mod idle;
mod measure;
mod peers;
mod routes;
mod rows;
mod table;

/// What `cargo xtask bench` takes.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Rows to measure [default: all of small, browser, 64k, 1m, newconn, 1000conn,
    /// tls, handshake, h2, h2c]
    #[arg(long, value_delimiter = ',', value_name = "ROW,…")]
    rows: Vec<String>,
    /// Turns of each proxy; the table has medians
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Whether the proxies write a request log, into a file
    #[arg(long, value_enum, default_value_t = Log::Off)]
    log: Log,
    /// Who takes part
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "nexus,nginx,haproxy,floor",
        value_name = "PEER,…"
    )]
    peers: Vec<Peer>,
    /// How long each measurement lasts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Measure memory per client connection instead: idle, and with requests that wait
    #[arg(long)]
    idle: bool,
    /// Measure Nexus with 10 routes and with 10,000 instead: a request's cost, the start, memory
    #[arg(long, conflicts_with = "idle")]
    routes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, clap::ValueEnum)]
enum Log {
    Off,
    On,
}

/// What every measurement needs.
struct Bench {
    programs: Programs,
    /// The proxy's CPU, and that of everything else.
    cpus: (usize, usize),
    folder: PathBuf,
    /// What all proxies serve TLS with.
    identity: Identity,
    with_log: bool,
    seconds: u64,
}

/// Everything that takes part, by its executable.
struct Programs {
    nexus: PathBuf,
    byte_copy: PathBuf,
    fakebackend: PathBuf,
    loadtest: PathBuf,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let rows = match rows::named(&args.rows) {
        Ok(rows) => rows,
        Err(complaint) => {
            eprintln!("cargo xtask bench: {complaint}");
            return Ok(Outcome::Usage);
        }
    };
    let peers: Vec<Peer> = args.peers.iter().copied().filter(|peer| peer.is_there()).collect();
    let (programs, folder) = (build()?, cargo::target_dir().join("bench"));
    std::fs::create_dir_all(&folder)?;
    let bench = Bench {
        cpus: cpu::two()?,
        identity: Identity::make(&programs.fakebackend, &folder)?,
        programs,
        folder,
        with_log: args.log == Log::On,
        seconds: args.seconds,
    };
    allow_many_files()?;
    if args.idle {
        return idle::run(&bench, &peers);
    }
    if args.routes {
        return routes::run(&bench, args.rounds);
    }
    let results = bench.all(&peers, &rows, args.rounds)?;
    println!("\n{}", results.markdown());
    let path = write_json(&bench.folder, &results)?;
    println!("All measurements: {}", path.display());
    Ok(if results.is_whole() { Outcome::Passed } else { Outcome::Failed })
}

impl Bench {
    /// Measures all rows with all peers, in rounds.
    fn all(&self, peers: &[Peer], rows: &[Row], rounds: u32) -> Result<Results> {
        let mut results = Results::new(peers, rows, self.with_log);
        for row in rows {
            let backends = self.backends(row)?;
            for round in 1..=rounds {
                for &peer in peers.iter().filter(|peer| row.has(**peer)) {
                    let (name, who) = (row.name, peer.name());
                    match self.one(peer, row, &backends) {
                        Ok(cell) => {
                            println!("{name:9} round {round}  {who:8} {cell}");
                            results.add(row, peer, cell);
                        }
                        Err(error) if error.is::<interrupt::Interrupted>() => return Err(error),
                        // What one cannot do is said, and keeps the others from nothing.
                        Err(error) => {
                            println!("{name:9} round {round}  {who:8} FAILED: {error:#}");
                            results.miss(row, peer, &error);
                        }
                    }
                }
            }
        }
        Ok(results)
    }

    fn one(&self, peer: Peer, row: &Row, backends: &[Backend]) -> Result<Cell> {
        let measured = measure::measure(self, peer, row, backends);
        measured.with_context(|| format!("{}, row {}", peer.name(), row.name))
    }

    /// The backends of a row, on the CPU of everything but the proxy.
    fn backends(&self, row: &Row) -> Result<Vec<Backend>> {
        self.backends_with(&row.backend_flags())
    }

    fn backends_with(&self, flags: &[String]) -> Result<Vec<Backend>> {
        let start = |id| Backend::start(&self.programs.fakebackend, id, flags);
        cpu::on(self.cpus.1, || ["b1", "b2", "b3"].into_iter().map(start).collect())?
    }
}

/// Nexus and the copier as they are shipped; the others need no fat optimisation.
fn build() -> Result<Programs> {
    let light = cargo::build_programs()?;
    let mut shipped = cargo::build(&["--release", "-p", "nexus", "--bin", "nexus"])?;
    shipped.extend(cargo::build(&["--release", "-p", "nexus", "--example", "byte_copy"])?);
    let mut take = |name: &str| shipped.remove(name).with_context(|| format!("no program {name}"));
    Ok(Programs {
        nexus: take("nexus")?,
        byte_copy: take("byte_copy")?,
        fakebackend: light.fakebackend,
        loadtest: light.loadtest,
    })
}

/// A connection is an open file, and children inherit the limit.
fn allow_many_files() -> Result<()> {
    /// Thousands of clients, as many connections to backends, and then some.
    const NEEDED: u64 = 12_000;
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if maximum.is_some_and(|maximum| maximum < NEEDED) {
        bail!("{NEEDED} open files are needed; allow them: ulimit -Hn {NEEDED}");
    }
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .context("cannot raise the limit of open files")
}

fn write_json(folder: &Path, results: &impl serde::Serialize) -> Result<PathBuf> {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let path = folder.join(format!("{}.json", now.replace(':', "-")));
    std::fs::write(&path, serde_json::to_string_pretty(results)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
