//! The command line: flags in, checked settings out.

use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;

use crate::backend::BackendUrl;
use crate::config::Scalar;
use crate::config::nearest;
use crate::config::quantity::{address, admin_address, network};
use crate::http1::forwarded::ForwardedFields;
use crate::listen;
use crate::log::{AccessLog, LogFormat, Output};
use crate::picker::Algorithm;
use crate::retry::{Causes, Policy};
use crate::settings::{
    Address, Admin, PoolSettings, PoolTimeouts, Probing, Settings, Timeouts, Token,
};

pub mod cert;
pub mod operator;
pub mod over;
pub mod remote;
pub mod top;

const EXAMPLES: &str = "\
Examples:
  nexus
      Listens on port 8000 and balances over http://localhost:8081, :8082 and :8083.
  nexus --listen :8000 --backend http://10.0.0.5:80 --backend http://10.0.0.6:80
      In front of your own backends.
  nexus --backend http://a:8081 --health-interval 1s --attempts 2 --log-format json
      Probes every second, tries two backends at most, logs JSON lines.
  nexus -c nexus.yaml
      Everything from a file (`nexus init` writes one); flags win over it.

Signals:
  SIGHUP            read the configuration file again; on any problem nothing changes
  SIGUSR1           open the access log's file anew: the old one was moved away
  SIGINT, SIGTERM   finish what is under way (--shutdown-timeout), then exit 0; a second one exits at once

Exit codes:
  0  stopped as asked   1  could not start   2  bad command line   130  stopped by a second signal";

/// An HTTP load balancer: health checks, safe failover, one CPU-cheap way for every request.
#[derive(Debug, Parser)]
#[command(name = "nexus", version, about, after_help = EXAMPLES, max_term_width = 100)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do instead of running.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// How to run.
    #[command(flatten)]
    pub flags: Box<Flags>,
}

/// What Nexus can do besides running.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run; the same as no command at all
    Run(Box<Flags>),
    /// Find every problem in a configuration file, without running it (exit code 1 if there is any)
    Check(Check),
    /// Print the JSON Schema of configuration files, for editors
    Schema,
    /// Print a commented configuration file to start from: nexus init > nexus.yaml
    Init,
    /// Make a certificate for development: nexus cert, nexus cert shop.test, nexus cert --client alice
    Cert(cert::Cert),
    /// Tell what a running Nexus does: backends, reloads, connections
    Status(remote::Status),
    /// Watch a running Nexus in the terminal: backends, rates, errors, latencies, events
    Top(top::Top),
    /// Tell what would become of a request, and why, without sending it
    Explain(remote::Explain),
    /// Tell why a backend gets requests or none: its state, what happened to it, its last probes
    Why(remote::Why),
    /// Give a backend nothing new, and wait until nothing of it is under way
    Drain(remote::Drain),
    /// Give a backend requests again
    Undrain(remote::Undrain),
    /// Give a backend another weight
    Weight(remote::Weight),
    /// Give a backend no requests at all, until it is enabled again
    Disable(operator::Disable),
    /// Take back that a backend is disabled, or ejected
    Enable(operator::Enable),
    /// Give a backend no requests for a while
    Eject(operator::Eject),
    /// Tell what has happened: backends DOWN and back, ejections, reloads, operators
    Events(operator::Events),
    /// Tell which requests failed last, and what was tried for each
    Failures(operator::Failures),
    /// Tell from which level on Nexus writes its own events, or change it
    LogLevel(operator::LogLevel),
    /// Tell what a configuration file would change in a running Nexus, and change nothing
    Plan(remote::Plan),
    /// Let a running Nexus read its configuration file again
    Reload(remote::Reload),
    /// Confirm a reload that would be taken back otherwise (`nexus reload --confirm`)
    Confirm(remote::Confirm),
}

/// How to check.
#[derive(Debug, Args)]
pub struct Check {
    /// The file: .yaml, .yml, .toml or .json
    pub file: String,

    /// Also print every effective value and where it came from
    #[arg(long)]
    pub print: bool,

    /// How to write what was found
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// How Nexus runs.
#[derive(Debug, Clone, Args)]
pub struct Flags {
    /// Read a configuration file (.yaml, .toml or .json); flags win over it
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<String>,

    /// Where clients connect to: `:8000` is every address of this machine, `unix:PATH` a socket of its own [repeatable]
    #[arg(short, long, value_name = "ADDRESS", default_value = ":8000", value_parser = address)]
    pub listen: Vec<Address>,

    /// Where requests go, http://host:port [repeatable]
    #[arg(short, long, value_name = "URL", default_values = ["http://localhost:8081", "http://localhost:8082", "http://localhost:8083"])]
    pub backend: Vec<BackendUrl>,

    /// How a backend is picked: round_robin, least_connections, random, power_of_two, peak_ewma,
    /// ring_hash, maglev, rendezvous, ip_hash or first
    #[arg(long, value_name = "NAME", default_value = "round_robin", value_parser = algorithm)]
    pub algorithm: Algorithm,

    /// Threads that carry requests: `auto` is one per core
    #[arg(long, value_name = "N", default_value = "auto", value_parser = workers)]
    pub workers: usize,

    /// From one TCP probe of a backend to the next
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time, help_heading = "Health")]
    pub health_interval: Duration,

    /// Until a probe counts as failed
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = time, help_heading = "Health")]
    pub health_timeout: Duration,

    /// Backends that one request is tried on at most, as far as that is safe
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100), help_heading = "Retries")]
    pub attempts: u32,

    /// Also try an idempotent request elsewhere when a backend did not answer in time
    #[arg(long, help_heading = "Retries")]
    pub retry_on_timeout: bool,

    /// Until a backend accepts a connection
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = time, help_heading = "Timeouts")]
    pub connect_timeout: Duration,

    /// From the end of a request to the head of its answer (504)
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time, help_heading = "Timeouts")]
    pub response_timeout: Duration,

    /// From the first byte of a request to the end of its head (408)
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time, help_heading = "Timeouts")]
    pub head_timeout: Duration,

    /// Between two requests on a client's connection
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time, help_heading = "Timeouts")]
    pub idle_timeout: Duration,

    /// Without a byte moving in the middle of a body, either way
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time, help_heading = "Timeouts")]
    pub stall_timeout: Duration,

    /// Without a byte moving in a tunnel (WebSocket)
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = time, help_heading = "Timeouts")]
    pub tunnel_timeout: Duration,

    /// Until an idle connection to a backend is closed; keep it below the backend's own
    #[arg(long, value_name = "TIME", default_value = "55s", value_parser = time, help_heading = "Timeouts")]
    pub backend_idle_timeout: Duration,

    /// For what is under way when Nexus is told to stop
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time, help_heading = "Timeouts")]
    pub shutdown_timeout: Duration,

    /// Client connections at once; more wait to be accepted [default: half of `ulimit -Hn`]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Clients")]
    pub max_connections: Option<u32>,

    /// Clients whose X-Forwarded-* fields are believed, an address or network such as 10.0.0.0/8 [repeatable]
    #[arg(long, value_name = "NETWORK", value_parser = network, help_heading = "Clients")]
    pub trusted_proxy: Vec<IpNet>,

    /// Answer clients that have closed their sending side (as `nc -N` does) instead of taking it for leaving
    #[arg(long, help_heading = "Clients")]
    pub allow_half_close: bool,

    /// Where a running Nexus can be asked and told: 127.0.0.1:9900, or unix:PATH [default: nowhere]
    #[arg(long, value_name = "ADDRESS", value_parser = admin_address, help_heading = "Operation")]
    pub admin: Option<Address>,

    /// File with the token that allows changes at the admin address
    #[arg(long, value_name = "FILE", requires = "admin", value_parser = token, help_heading = "Operation")]
    pub admin_token_file: Option<Secret>,

    /// Reload when the configuration file changes
    #[arg(long, requires = "config", help_heading = "Operation")]
    pub watch: bool,

    /// Where a line per request goes: stdout, off, file:PATH, syslog:/dev/log or syslog:udp://ADDRESS
    #[arg(long, value_name = "OUTPUT", default_value = "stdout", value_parser = access_log, help_heading = "Logs")]
    pub access_log: Where,

    /// How requests and Nexus's own events are written
    #[arg(long, value_enum, default_value_t = Format::Text, help_heading = "Logs")]
    pub log_format: Format,

    /// Nexus's own events (on stderr) from this level on
    #[arg(long, value_name = "LEVEL", default_value = "info", help_heading = "Logs")]
    pub log_level: tracing::Level,
}

/// Where the request log goes; `None` is nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Where(pub Option<Output>);

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl From<Format> for LogFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Text => Self::Text,
            Format::Json => Self::Json,
        }
    }
}

impl Flags {
    /// Turns what was said into settings.
    pub fn settings(self) -> Settings {
        let fit = listen::connections_that_fit();
        let log = AccessLog::from(LogFormat::from(self.log_format));
        Settings {
            listeners: self.listen.into_iter().map(Into::into).collect(),
            pools: vec![PoolSettings {
                algorithm: self.algorithm,
                probing: Probing {
                    interval: self.health_interval,
                    timeout: self.health_timeout,
                    ..Probing::default()
                },
                retry: Policy {
                    attempts_max: self.attempts,
                    on: Causes { response_timeout: self.retry_on_timeout, ..Causes::default() },
                    ..Policy::default()
                },
                timeouts: PoolTimeouts {
                    connect: self.connect_timeout,
                    response: self.response_timeout,
                    ..PoolTimeouts::default()
                },
                ..PoolSettings::new("default", self.backend.into_iter().map(Into::into).collect())
            }],
            routes: None,
            workers: self.workers,
            timeouts: Timeouts {
                head: self.head_timeout,
                idle: self.idle_timeout,
                stall: self.stall_timeout,
                tunnel: self.tunnel_timeout,
                idle_backend: self.backend_idle_timeout,
                shutdown: self.shutdown_timeout,
            },
            trusted: self.trusted_proxy,
            forwarded_fields: ForwardedFields::default(),
            half_close: self.allow_half_close,
            metrics: true,
            connections_max: self.max_connections.map_or(fit, |max| max as usize),
            handshakes_max: crate::tls::settings::HANDSHAKES_MAX,
            access_log: self.access_log.0.map(|output| AccessLog { output, ..log }),
            request_id: None,
            tracing: None,
            admin: self.admin.map(|address| Admin {
                address,
                hosts: Vec::new(),
                tokens: self.admin_token_file.into_iter().map(Secret::into_token).collect(),
            }),
            watch: self.watch,
        }
    }
}

/// A secret that is not shown.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    fn into_token(self) -> Token {
        Token { name: "admin-token-file".to_owned(), secret: self.0, may_write: true }
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

/// Reads a token from a file.
fn token(path: &str) -> Result<Secret, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    match Scalar::Secret.read(text.trim()) {
        Ok(_) => Ok(Secret(text.trim().to_owned())),
        Err(complaint) => Err(complaint.hint),
    }
}

/// Reads where the request log goes.
fn access_log(text: &str) -> Result<Where, &'static str> {
    Output::parse(text).map(Where)
}

/// Reads the name of an algorithm.
fn algorithm(name: &str) -> Result<Algorithm, String> {
    Algorithm::called(name).ok_or_else(|| {
        let known: Vec<_> = Algorithm::ALL.iter().map(|known| known.name()).collect();
        let near = nearest::to(name, known.iter().copied());
        let all = || format!("use one of {}", known.join(", "));
        near.map_or_else(all, |near| format!("did you mean `{near}`?"))
    })
}

/// Reads a number of workers, or `auto`.
fn workers(text: &str) -> Result<usize, String> {
    if text == "auto" {
        return Ok(std::thread::available_parallelism().map_or(1, usize::from));
    }
    let known = text.parse().ok().filter(|workers| (1..=1024).contains(workers));
    known.ok_or_else(|| "use `auto` or a number from 1 to 1024".to_owned())
}

/// Reads a time such as `250ms`, `10s` or `1h`, longer than nothing.
fn time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text)
        .map_err(|_| "use a time such as 250ms, 10s or 1m".to_owned())?;
    if time.is_zero() {
        Err("must be longer than 0; every wait here ends".to_owned())
    } else {
        Ok(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(args: &str, expected: Result<(), &str>) {
        let words = std::iter::once("nexus").chain(args.split_whitespace());
        match (Cli::try_parse_from(words), expected) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(part)) => {
                assert!(error.to_string().contains(part), "{args}: {error}");
                assert_eq!(error.exit_code(), 2, "{args}");
            }
            (Ok(cli), Err(part)) => panic!("{args}: {cli:?} has no problem {part:?}"),
            (Err(error), Ok(())) => panic!("{args}: {error}"),
        }
    }

    #[test]
    fn no_flag_is_needed() {
        let cli = Cli::try_parse_from(["nexus"]).unwrap();
        assert_eq!(cli.flags.listen[0].tcp().unwrap().port(), 8000);
        let backends: Vec<_> = cli.flags.backend.iter().map(ToString::to_string).collect();
        assert_eq!(
            backends,
            ["http://localhost:8081", "http://localhost:8082", "http://localhost:8083"]
        );
    }

    #[test]
    fn bad_input_is_named_with_what_to_write_instead() {
        check(
            "--listen 127.0.0.1:0 --listen [::1]:1 --backend a:1 --workers 2 --trusted-proxy 10.0.0.1",
            Ok(()),
        );
        check("--listen :x", Err("the port must be a number"));
        check("--listen nowhere:1", Err("not an address"));
        check("--backend ftp://a", Err("unknown scheme"));
        check("--workers 0", Err("use `auto`"));
        check("--connect-timeout 5", Err("250ms"));
        check("--connect-timeout 0s", Err("longer than 0"));
        check("--attempts 0", Err("1..=100"));
        check("--trusted-proxy ten", Err("10.0.0.0/8"));
        check("--log-level loud", Err("--log-level"));
        check("--lissen :1", Err("--listen"));
    }
}
