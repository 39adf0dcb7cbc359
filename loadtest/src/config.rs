//! What a run needs to know, made from the arguments and checked.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use hyper::header::HeaderName;

use crate::abort::Abort;
use crate::cli::{Args, Format};
use crate::goflags;
use crate::plan::{Pace, Plan};
use crate::request::{Payload, Template};
use crate::target::{Addresses, Instead, Target};
use crate::tls::Tls;

/// The user's promise of the plain `loadtest`: so many requests, so far apart.
const SEQUENTIAL_REQUESTS: u64 = 20;
const SEQUENTIAL_PAUSE: Duration = Duration::from_millis(100);

/// As `oha` and `hey` have it.
const CONCURRENT_REQUESTS: u64 = 200;
const CONCURRENT_WORKERS: usize = 50;

/// Workers at most: more than this no process may hold open, and each costs some 20 KiB.
const WORKERS_MAX: usize = 100_000;

/// Everything that one run is made from.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) target: Target,
    /// Where to connect to, if not to the target's host.
    pub(crate) instead: Option<Instead>,
    /// What TLS is made of, if the target is reached over it.
    pub(crate) tls: Option<Tls>,
    /// Workers that share an HTTP/2 connection; `None`: HTTP/1.1.
    pub(crate) streams: Option<usize>,
    /// Requests that a connection carries at most.
    pub(crate) requests_per_connection: Option<u64>,
    pub(crate) template: Template,
    pub(crate) plan: Plan,
    pub(crate) warmup: Option<Duration>,
    pub(crate) workers: usize,
    pub(crate) threads: usize,
    /// Connections that each worker keeps open; `None`: a new one for every request.
    pub(crate) connections: Option<usize>,
    pub(crate) timeout: Duration,
    pub(crate) timeout_connect: Duration,
    pub(crate) abort: Option<Abort>,
    /// Bytes that the body of an answer that is no error must have.
    pub(crate) expect_size: Option<u64>,
    pub(crate) backend_header: HeaderName,
    /// The same as it was written.
    pub(crate) backend_header_shown: String,
    pub(crate) run_id: String,
    pub(crate) events: Option<PathBuf>,
    pub(crate) output: Option<PathBuf>,
    pub(crate) format: Format,
    pub(crate) progress: Progress,
}

/// How a run tells how far it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Progress {
    Silent,
    /// A bar on a terminal, a line now and then elsewhere.
    Human,
    Json,
}

impl Config {
    /// Checks the arguments and fills in what they leave open.
    pub(crate) fn new(args: Args) -> Result<Self> {
        let concurrent = concurrent(&args)?;
        let plan = plan(&args, concurrent.is_some());
        let (workers, connections) = workers(&args, concurrent, &plan)?;
        let streams = args.http2.then_some(args.streams);
        ensure!(streams != Some(0), "--streams must be at least 1");
        ensure!(args.requests_per_connection != Some(0), "--requests-per-connection is at least 1");
        // Workers that share a connection are on one thread.
        let shares = workers.div_ceil(streams.unwrap_or(1));
        let threads = args.threads.unwrap_or_else(cores).min(shares);
        ensure!(threads > 0, "--threads must be at least 1");
        ensure!(!args.timeout.is_zero(), "--timeout must be more than 0");
        ensure!(!args.connect_timeout.is_zero(), "--connect-timeout must be more than 0");

        let url = args.target.as_ref().or(args.url.as_ref());
        let target = Target::parse(url.map(String::as_str).unwrap_or("http://localhost:8000"))?;
        let tls = target.is_tls.then(|| Tls::new(&args, &target)).transpose()?;
        let run_id = args.run_id.unwrap_or_else(new_run_id);
        let payload = match (args.body, args.body_size) {
            (Some(text), _) => Payload::Bytes(text.into()),
            (None, Some(size)) => Payload::Filler(size),
            (None, None) => Payload::Empty,
        };
        let mut template = Template::new(&target, &run_id, args.method.as_deref(), payload)?;
        for header in &args.header {
            template.add(header)?;
        }
        match (args.http2, args.disable_keepalive) {
            (true, _) => template.make_http2(target.is_tls)?,
            (false, true) => template.add("Connection: close")?,
            (false, false) => {}
        }
        let progress = match (args.progress_json, args.quiet) {
            (true, _) => Progress::Json,
            (false, true) => Progress::Silent,
            (false, false) => Progress::Human,
        };
        Ok(Self {
            instead: args.unix.map(Instead::Unix).or(args.connect_to),
            tls,
            streams,
            requests_per_connection: args.requests_per_connection,
            target,
            template,
            plan,
            warmup: args.warmup.filter(|warmup| !warmup.is_zero()),
            workers,
            threads,
            connections,
            timeout: args.timeout,
            timeout_connect: args.connect_timeout,
            abort: args.abort,
            expect_size: args.expect_size,
            backend_header: args.backend_header.parse().context("--backend-header")?,
            backend_header_shown: args.backend_header,
            run_id,
            events: args.events,
            output: args.output,
            format: args.output_format,
            progress,
        })
    }

    /// Looks up where to connect to.
    pub(crate) fn resolve(&self) -> Result<Addresses> {
        self.instead.as_ref().map_or_else(|| self.target.resolve(), Instead::resolve)
    }

    /// Connections that are open at once at most.
    pub(crate) fn connections_max(&self) -> usize {
        match self.streams {
            Some(streams) if self.connections.is_some() => self.workers.div_ceil(streams),
            _ => self.workers * self.connections.unwrap_or(1),
        }
    }

    /// How the request with this number is given up on purpose, if it is, before it times out.
    pub(crate) fn abort_of(&self, seq: Option<u64>) -> Option<Abort> {
        let abort = self.abort.filter(|abort| abort.after < self.timeout)?;
        abort.chooses(seq?).then_some(abort)
    }

    /// The shape of the load in a few words.
    pub(crate) fn pace(&self) -> String {
        match self.plan.pace {
            Pace::Open { per_second } => format!("open loop, {per_second}/s in all"),
            Pace::Closed { pause } if pause.is_zero() => "closed loop".to_owned(),
            Pace::Closed { pause } => {
                format!("one after the other, {} ms apart", pause.as_millis())
            }
        }
    }
}

/// `None`: one after the other. `Some(n)`: concurrently, with `n` workers if that was said.
fn concurrent(args: &Args) -> Result<Option<Option<usize>>> {
    let said = match args.concurrent.as_deref() {
        None | Some("false") => None,
        Some(goflags::BARE | "true") => Some(None),
        Some(count) => match count.parse() {
            Ok(count) => Some(Some(count)),
            Err(_) => bail!("-c takes a number of workers, not '{count}'"),
        },
    };
    let implied = args.workers.is_some()
        || args.rate.is_some()
        || args.duration.is_some()
        || args.connections.is_some();
    Ok(said.or(implied.then_some(None)))
}

fn plan(args: &Args, concurrent: bool) -> Plan {
    let pace = match args.rate {
        Some(per_second) if per_second > 0.0 => Pace::Open { per_second },
        _ if concurrent => Pace::Closed { pause: Duration::ZERO },
        _ => Pace::Closed { pause: SEQUENTIAL_PAUSE },
    };
    let requests = match args.duration {
        Some(_) => args.requests,
        None if concurrent => Some(args.requests.unwrap_or(CONCURRENT_REQUESTS)),
        None => Some(args.requests.unwrap_or(SEQUENTIAL_REQUESTS)),
    };
    Plan { pace, requests, duration: args.duration }
}

/// Workers, and connections of each.
fn workers(
    args: &Args,
    concurrent: Option<Option<usize>>,
    plan: &Plan,
) -> Result<(usize, Option<usize>)> {
    ensure!(plan.requests != Some(0), "--requests must be at least 1");
    let asked = match concurrent {
        None => 1,
        Some(count) => args.workers.or(count).unwrap_or(CONCURRENT_WORKERS),
    };
    ensure!(asked > 0, "--workers must be at least 1");
    ensure!(asked <= WORKERS_MAX, "--workers must be at most {WORKERS_MAX}");
    let useful = usize::try_from(plan.requests.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    let workers = asked.min(useful);
    if args.disable_keepalive {
        return Ok((workers, None));
    }
    let Some(connections) = args.connections else {
        return Ok((workers, Some(1)));
    };
    ensure!(connections > 0, "--connections must be at least 1");
    ensure!(connections <= WORKERS_MAX, "--connections must be at most {WORKERS_MAX}");
    let workers = workers.min(connections);
    Ok((workers, Some(connections.div_ceil(workers))))
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn new_run_id() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:x}-{:x}", now.as_millis(), std::process::id())
}

#[cfg(test)]
mod tests;
