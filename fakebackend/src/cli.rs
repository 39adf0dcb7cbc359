//! The command line: what can be asked for when it starts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::fault::FaultRule;
use crate::flap::Flap;
use crate::health::Health;
use crate::quantity;
use crate::status::Statuses;

pub use protocols::Protocols;

mod protocols;

const EXAMPLES: &str = "\
Examples:
  fakebackend                                          answers on 127.0.0.1:8081
  fakebackend --listen :8082 --id b2 --latency 20ms --jitter 5ms
  fakebackend --status 503:5,200:95                    5 % of the answers are 503
  fakebackend --fault hang@0.01 --fault reset@1%#10    1 % hang; 1 % are reset, but only 10
  fakebackend --flap up=5s,down=2s                     nobody listens for 2 of every 7 seconds
  fakebackend --health-path /up --status 500           grey: health checks pass, requests do not
  fakebackend --body-size 1GiB                         no more memory than --body-size 1MiB
  fakebackend --tls --cert-out b1.pem                  HTTP/1.1 and HTTP/2 over TLS

Faults, each as KIND[:key=value][@PROBABILITY][#COUNT]:
  refuse               nobody listens while the rule is there
  hang                 the request is read, nothing answered; hang:bytes=N stalls in the body
  close                the request is read, the connection closed without an answer
  reset                the connection is reset (RST) once the head is read; reset:bytes=N in the body
  truncate:bytes=N     the connection is closed N bytes into a body announced longer
  malformed            no HTTP; malformed:kind=status_line (default), header, chunk_size, garbage
  framing:kind=KIND    where the answer ends is told wrongly: cl_too_long, cl_too_short (than what
                       comes), cl_and_te, two_cl, te_obs (\\x0bchunked), extra_bytes (a second answer)
  bandwidth:rate=SIZE  the answer is whole, its body comes at so many bytes a second
  status:code=CODE     the answer is whole, with this status; status:code=503,retry_after=SECONDS
and over HTTP/2 only:
  goaway               the request is answered, the connection takes no more; goaway:code=CODE ends
                       it at once
  rst_stream:code=CODE the stream is reset once the head is read; ,bytes=N in the body
  refuse_stream        the stream is refused, and the request not run

Change it while it runs (--control 127.0.0.1:9081):
  curl 127.0.0.1:9081/state
  curl 127.0.0.1:9081/state -X PUT -d '{\"enabled\":false,\"mode\":\"hang\"}'   or refuse, reset, blackhole
  curl 127.0.0.1:9081/faults -d '{\"fault\":\"close@0.5\"}'
  curl 127.0.0.1:9081/                                 lists every call

Exit codes: 0 stopped as asked, 1 could not run (a port in use, say), 2 wrong flags.";

/// Longest id: it is in every answer.
const MAX_ID_BYTES: usize = 255;

/// An HTTP backend that behaves, fails or flaps on demand.
///
/// Every answer names who gave it (`X-Fake-Id`, and the body). `/echo` gives back what it gets,
/// `/drip?count=10&every=100ms` answers drop by drop, and a WebSocket echoes.
#[derive(Clone, Debug, Parser)]
#[command(version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    /// Address to serve on; port 0 takes any free one.
    #[arg(long, short, value_name = "ADDR", default_value = "127.0.0.1:8081", value_parser = quantity::address)]
    pub listen: SocketAddr,

    /// Serve on a Unix socket at this path instead.
    #[arg(long, value_name = "PATH", conflicts_with = "listen")]
    pub unix: Option<PathBuf>,

    /// Name to answer with [default: the address served on].
    #[arg(long, value_name = "NAME", value_parser = id)]
    pub id: Option<String>,

    /// Address to be controlled on, never affected by faults; or `off`.
    #[arg(long, value_name = "ADDR", default_value = "off")]
    pub control: Control,

    /// Print one line of JSON with the addresses once requests are accepted.
    #[arg(long)]
    pub ready_json: bool,

    /// Statuses to answer with, by weight: `200`, or `503:5,200:95`.
    #[arg(long, value_name = "LIST", default_value = "200", help_heading = "Answer")]
    pub status: Statuses,

    /// Bytes in the body, as `100`, `64KiB`, `1GiB` [default: the id and a line feed].
    #[arg(long, value_name = "SIZE", value_parser = quantity::size, help_heading = "Answer")]
    pub body_size: Option<u64>,

    /// Send the body in chunks rather than with a Content-Length.
    #[arg(long, help_heading = "Answer")]
    pub chunked: bool,

    /// Field to add to every answer; may be repeated.
    #[arg(long, value_name = "NAME:VALUE", value_parser = header, help_heading = "Answer")]
    pub header: Vec<(String, String)>,

    /// Field to send after every body that is in chunks, or over HTTP/2; may be repeated.
    #[arg(long, value_name = "NAME:VALUE", value_parser = header, help_heading = "Answer")]
    pub trailer: Vec<(String, String)>,

    /// Field of an early answer, 103, to send before every answer; may be repeated.
    #[arg(long, value_name = "NAME:VALUE", value_parser = header, help_heading = "Answer")]
    pub early_hint: Vec<(String, String)>,

    /// Time to wait before each answer.
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = quantity::duration, help_heading = "Time")]
    pub latency: Duration,

    /// Vary the latency by up to so much in both directions, evenly.
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = quantity::duration, help_heading = "Time")]
    pub jitter: Duration,

    /// Serve so many requests at once, each for its latency; more wait in the order of their coming.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000), help_heading = "Time")]
    pub slots: Option<u32>,

    /// Let so many wait for a slot at most; more are answered 503 at once.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1000,
        requires = "slots",
        help_heading = "Time"
    )]
    pub slots_queue: u64,

    /// Go up and down by the clock: `up=5s,down=2s[,mode=refuse|hang|reset|blackhole][,existing=keep|close|reset]`.
    #[arg(long, value_name = "RHYTHM", help_heading = "Time")]
    pub flap: Option<Flap>,

    /// Something to go wrong (see below); may be repeated, the first that applies to a request wins.
    #[arg(long, value_name = "FAULT", help_heading = "Faults")]
    pub fault: Vec<FaultRule>,

    /// Answer N requests of a connection, then read the next and close without an answer: what a
    /// client meets whose request crosses with the end of a kept-alive connection.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Faults")]
    pub keepalive_requests: Option<u64>,

    /// Path of health checks; they are no requests: not counted, and no fault befalls them.
    #[arg(long, value_name = "PATH", value_parser = path, help_heading = "Health")]
    pub health_path: Option<String>,

    /// What health checks are told: 200, 503, or nothing.
    #[arg(
        long,
        value_name = "HOW",
        default_value = "ok",
        requires = "health_path",
        help_heading = "Health"
    )]
    pub health: Health,

    /// Seed of every decision by chance: the same seed, id and X-Loadtest-Seq meet the same fate.
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Faults")]
    pub seed: u64,

    /// Threads that serve.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: u16,

    /// Longest time to finish what is under way after SIGTERM or SIGINT.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = quantity::duration)]
    pub grace: Duration,

    /// What is spoken, and how it is wrapped.
    #[command(flatten)]
    pub protocols: Protocols,
}

/// Where to be controlled, if anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Nowhere.
    Off,
    /// On this address.
    On(SocketAddr),
}

impl std::str::FromStr for Control {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            _ => quantity::address(text).map(Self::On),
        }
    }
}

fn id(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    if text.is_empty() || text.len() > MAX_ID_BYTES || !text.bytes().all(is_plain) {
        return Err(format!("an id is 1 to {MAX_ID_BYTES} plain ASCII characters, as b1"));
    }
    Ok(text.to_owned())
}

fn path(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'?';
    if !text.starts_with('/') || !text.bytes().all(is_plain) {
        return Err(format!("`{text}` is no path: write one without a query, as /healthz"));
    }
    Ok(text.to_owned())
}

fn header(text: &str) -> Result<(String, String), String> {
    let wrong = || format!("`{text}` is no field: write NAME:VALUE, as Cache-Control:no-store");
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let value = value.trim();
    if name.is_empty()
        || !name.bytes().all(is_token)
        || value.bytes().any(|byte| byte < b' ' || byte == 127)
    {
        return Err(wrong());
    }
    match name.to_ascii_lowercase().as_str() {
        "content-length" | "transfer-encoding" | "connection" => {
            Err(format!("`{name}` says how the answer is framed and is set by fakebackend itself"))
        }
        _ => Ok((name.to_owned(), value.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(flags: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("fakebackend").chain(flags.split_whitespace()))
    }

    #[test]
    fn it_starts_without_any_flag() {
        let cli = parse("").unwrap();
        assert_eq!(cli.listen, "127.0.0.1:8081".parse().unwrap());
        assert_eq!(cli.control, Control::Off);
    }

    #[test]
    fn faults_and_fields_may_be_repeated() {
        let cli = parse("--fault hang@0.5 --fault close#1 --header A:1 --header B:2").unwrap();
        assert_eq!((cli.fault.len(), cli.header.len()), (2, 2));
    }

    #[test]
    fn wrong_flags_are_refused() {
        for flags in [
            "--status abc",
            "--fault explode",
            "--flap up=1s",
            "--latency 5",
            "--workers 0",
            "--header X",
            "--header Content-Length:3",
            "--listen nowhere",
            "--control 1.2.3.4",
            "--keepalive-requests 0",
            "--slots 0",
            "--slots-queue 5",
            "--health fail",
            "--health-path healthz",
            "--health-path /healthz --health ill",
            "--cert a.pem",
            "--cert-out a.pem",
            "--alpn h3",
            "--streams 0",
            "--unix /tmp/b1 --listen :80",
        ] {
            assert_eq!(parse(flags).unwrap_err().exit_code(), 2, "{flags}");
        }
    }
}
