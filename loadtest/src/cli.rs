//! The command line: what may be written, and what it says to those who ask for help.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches, Parser, ValueEnum};

use crate::abort::Abort;
use crate::config::Config;
use crate::target::Instead;
use crate::{goflags, units};

const AFTER_HELP: &str = "\
Examples:
  loadtest                                   20 requests, one after the other, 100 ms apart
  loadtest -c -n 100 -workers 10 -rate 10    100 requests, 10 a second, on 10 workers
  loadtest -c -n 1000 -workers 20            1000 requests as fast as 20 workers get answers
  loadtest -z 10s -rate 500 http://localhost:8000/api
  loadtest -c 50 -n 10000 --output-format json -o result.json
  loadtest -c -z 10s --http2 --streams 8 --ca site.pem https://localhost:8443
  loadtest -m POST --body-size 1GiB -n 1 -t 60s http://localhost:8000/echo

Flags may be written with one dash or two (-workers 20, --workers=20). A value that begins
with a dash needs the equals sign (--body=-x).

Without a rate each worker waits for its answer before it sends again: a stall of the server then
shows in few requests only. With a rate the schedule does not wait, and latency counts from when a
request was due. Nothing is ever sent twice.

Exit code: 0 none failed; 1 some did; 2 wrong arguments; 3 no request could connect;
130 interrupted.";

/// Sends HTTP requests, and reports which backend answered, how fast, and everything that failed.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Args {
    /// Where to send requests [default: http://localhost:8000]
    #[arg(value_name = "URL")]
    pub(crate) target: Option<String>,
    /// The same as the argument URL
    #[arg(long, value_name = "URL", conflicts_with = "target")]
    pub(crate) url: Option<String>,
    /// Requests to send in all [default: 20; with -c 200; with -z no limit]
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) requests: Option<u64>,
    /// Send concurrently, with N workers if given
    #[arg(short, long, value_name = "N", num_args = 0..=1, require_equals = true,
          default_missing_value = goflags::BARE)]
    pub(crate) concurrent: Option<String>,
    /// Workers, each with one request under way at a time [default: 50; implies -c]
    #[arg(short = 'w', long, value_name = "N")]
    pub(crate) workers: Option<usize>,
    /// Requests a second in all, as 100, 100/s or 6000/m; 0 means no limit [implies -c]
    #[arg(short = 'q', long, value_name = "RATE", value_parser = units::rate)]
    pub(crate) rate: Option<f64>,
    /// Start requests for this long, instead of or beside a number of them [implies -c]
    #[arg(short = 'z', long, value_name = "TIME", value_parser = units::duration)]
    pub(crate) duration: Option<Duration>,
    /// Give a request up after this long
    #[arg(short, long, value_name = "TIME", default_value = "10s", value_parser = units::duration)]
    pub(crate) timeout: Duration,
    /// Give connecting up after this long
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = units::duration)]
    pub(crate) connect_timeout: Duration,
    /// Give this share of the requests up so long after they were sent, as 10% or 10%@5ms
    #[arg(long, value_name = "PERCENT[@TIME]")]
    pub(crate) abort: Option<Abort>,
    /// Method [default: GET, with a body POST]
    #[arg(short, long, value_name = "METHOD")]
    pub(crate) method: Option<String>,
    /// Header to send, as "Name: value"; may be repeated
    #[arg(short = 'H', long, value_name = "HEADER")]
    pub(crate) header: Vec<String>,
    /// Body to send
    #[arg(short = 'd', long, value_name = "TEXT")]
    pub(crate) body: Option<String>,
    /// Send a body of this size instead, streamed (64KiB, 1GiB)
    #[arg(long, value_name = "SIZE", conflicts_with = "body", value_parser = units::size)]
    pub(crate) body_size: Option<u64>,
    /// Count a complete answer below 400 as failed unless its body has this size
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    pub(crate) expect_size: Option<u64>,
    /// Threads, each with its own share of the workers [default: one per core]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Open a new connection for every request
    #[arg(long)]
    pub(crate) disable_keepalive: bool,
    /// Keep this many connections open and spread the requests over them [default: one per worker]
    #[arg(long, value_name = "N", conflicts_with = "disable_keepalive")]
    pub(crate) connections: Option<usize>,
    /// Send this many requests over a connection at most, then open another
    #[arg(long, value_name = "N", conflicts_with = "disable_keepalive")]
    pub(crate) requests_per_connection: Option<u64>,
    /// Speak HTTP/2: as agreed on over https, without asking over http
    #[arg(long, conflicts_with = "connections")]
    pub(crate) http2: bool,
    /// Workers that share an HTTP/2 connection: its requests at once
    #[arg(long, value_name = "N", default_value_t = 1, requires = "http2")]
    pub(crate) streams: usize,
    /// Trust certificates that these (PEM) have signed, and no others
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub(crate) ca: Option<PathBuf>,
    /// Trust whatever certificate comes
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Resume TLS sessions on new connections, rather than shake hands in full each time
    #[arg(long, overrides_with = "no_resume")]
    pub(crate) resume: bool,
    /// Shake hands in full on each connection (the default)
    #[arg(long, overrides_with = "resume")]
    pub(crate) no_resume: bool,
    /// Offer these key exchanges only (x25519, secp256r1, secp384r1, x25519mlkem768)
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) groups: Vec<Group>,
    /// Connect to this Unix socket instead of the URL's host
    #[arg(long, value_name = "PATH", conflicts_with = "connect_to")]
    pub(crate) unix: Option<PathBuf>,
    /// Connect to this address instead of the URL's host
    #[arg(long, value_name = "HOST:PORT", value_parser = Instead::parse)]
    pub(crate) connect_to: Option<Instead>,
    /// Send for this long first, without counting (and without the X-Loadtest-* headers)
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    pub(crate) warmup: Option<Duration>,
    /// Form of the report
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) output_format: Format,
    /// Write the report to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Response header that names the backend
    #[arg(long, value_name = "NAME", default_value = "X-Backend-Server")]
    pub(crate) backend_header: String,
    /// Value of the request header X-Loadtest-Run [default: made from time and process id]
    #[arg(long, value_name = "ID")]
    pub(crate) run_id: Option<String>,
    /// Write one JSON line per request to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) events: Option<PathBuf>,
    /// Print progress as a JSON line on stderr every 500 ms
    #[arg(long)]
    pub(crate) progress_json: bool,
    /// Print no progress
    #[arg(long, conflicts_with = "progress_json")]
    pub(crate) quiet: bool,
}

/// A key exchange of TLS.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
#[value(rename_all = "lowercase")]
pub(crate) enum Group {
    X25519,
    Secp256r1,
    Secp384r1,
    X25519MlKem768,
}

/// The form of the report.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

/// Reads the arguments; `Err` holds the exit code once help or a complaint has been printed.
pub(crate) fn parse(argv: impl IntoIterator<Item = OsString>) -> Result<Config, ExitCode> {
    let mut command = Args::command();
    command.build();
    let longs: Vec<String> =
        command.get_arguments().filter_map(|arg| arg.get_long()).map(str::to_owned).collect();
    let args = command
        .clone()
        .try_get_matches_from(goflags::rewrite(argv, &longs))
        .and_then(|matches| Args::from_arg_matches(&matches))
        .map_err(|stop| {
            // Nobody is left to tell if the terminal is gone.
            let _ = stop.print();
            ExitCode::from(if stop.use_stderr() { crate::report::EXIT_USAGE } else { 0 })
        })?;
    Config::new(args).map_err(|problem| {
        eprintln!("loadtest: {problem:#}\n\nFor more information, try 'loadtest --help'.");
        ExitCode::from(crate::report::EXIT_USAGE)
    })
}
