//! Commands by which an operator looks into a running Nexus and takes a hand in it.

use std::time::Duration;

use clap::Args;

use super::Format;
use super::remote::{Named, Where, named};
use crate::config::quantity::time;
use crate::level;

/// How to write what is told.
#[derive(Debug, Clone, Args)]
pub struct Form {
    /// How to write it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,

    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

impl Form {
    /// Says whether a program will read it.
    pub fn is_json(&self) -> bool {
        self.json || self.format == Format::Json
    }
}

const DISABLE_EXAMPLES: &str = "\
Examples:
  nexus disable web/http://10.0.0.5:8081
      No request for it from now on, those of its sessions neither; what it has under way goes on.

It survives a reload, and its probes go on. `nexus enable` takes it back. To let sessions end in
peace, use `nexus drain`; to take it out for a while only, `nexus eject`.

Exit codes:
  0  it is disabled   1  there is no such backend, or the call was refused   2  bad command line   3  no Nexus was reached";

/// Which backend to disable.
#[derive(Debug, Args)]
#[command(after_help = DISABLE_EXAMPLES)]
pub struct Disable {
    /// The backend
    #[arg(value_name = "POOL/BACKEND", value_parser = named)]
    pub backend: Named,

    /// Where.
    #[command(flatten)]
    pub at: Where,
}

const ENABLE_EXAMPLES: &str = "\
Examples:
  nexus enable web/http://10.0.0.5:8081
      Takes back `nexus disable`, and ends an ejection, whoever ejected it.

One that drains goes on draining: `nexus undrain` takes that back. One that is DOWN comes back by
its probes alone.

Exit codes:
  0  it is enabled   1  there is no such backend, or the call was refused   2  bad command line   3  no Nexus was reached";

/// Which backend to enable.
#[derive(Debug, Args)]
#[command(after_help = ENABLE_EXAMPLES)]
pub struct Enable {
    /// The backend
    #[arg(value_name = "POOL/BACKEND", value_parser = named)]
    pub backend: Named,

    /// Where.
    #[command(flatten)]
    pub at: Where,
}

const EJECT_EXAMPLES: &str = "\
Examples:
  nexus eject web/http://10.0.0.5:8081
      No request for it for a minute, as if its answers were bad.
  nexus eject web/10.0.0.5:8081 --time 10m
      It comes back by itself: whoever forgets it has lost nothing.

A pool with `ejection` tries it out afterwards, with one request at a time; others take it back at
once. It is refused if nobody else of the pool is available, and ends early if nobody else is left.

Exit codes:
  0  it is ejected   1  there is no such backend, nobody else is available, or the call was refused   2  bad command line   3  no Nexus was reached";

/// Which backend to eject.
#[derive(Debug, Args)]
#[command(after_help = EJECT_EXAMPLES)]
pub struct Eject {
    /// The backend
    #[arg(value_name = "POOL/BACKEND", value_parser = named)]
    pub backend: Named,

    /// For how long, 24h at most
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time)]
    pub time: Duration,

    /// Where.
    #[command(flatten)]
    pub at: Where,
}

const LEVEL_EXAMPLES: &str = "\
Examples:
  nexus log-level
      Which it is.
  nexus log-level debug
      From now on until the next start: a reload does not change it.

Exit codes:
  0  told, or changed   1  the call was refused   2  bad command line   3  no Nexus was reached";

/// From which level on Nexus writes its own events.
#[derive(Debug, Args)]
#[command(after_help = LEVEL_EXAMPLES)]
pub struct LogLevel {
    /// The level: error, warn, info, debug or trace; without one, it is told
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(level::NAMES))]
    pub level: Option<String>,

    /// Where.
    #[command(flatten)]
    pub at: Where,

    /// In which form.
    #[command(flatten)]
    pub form: Form,
}

const EVENTS_EXAMPLES: &str = "\
Examples:
  nexus events
      The last 256: backends that went DOWN and came back, ejections, reloads, what operators did.
  nexus events --follow
      And then each as it happens, until Nexus stops.
  nexus events --follow --json | jq 'select(.kind == \"backend_down\")'
      One JSON object a line.

Exit codes:
  0  told   1  the call was refused   2  bad command line   3  no Nexus was reached, or it is gone";

/// Which events to tell.
#[derive(Debug, Args)]
#[command(after_help = EVENTS_EXAMPLES)]
pub struct Events {
    /// Go on with what happens
    #[arg(short, long)]
    pub follow: bool,

    /// Only those after the event with this number
    #[arg(long, value_name = "ID", default_value_t = 0)]
    pub after: u64,

    /// Where.
    #[command(flatten)]
    pub at: Where,

    /// In which form.
    #[command(flatten)]
    pub form: Form,
}

const FAILURES_EXAMPLES: &str = "\
Examples:
  nexus failures
      The last requests that failed, and not by their client: why, and what was tried for each.
  nexus failures --limit 500 --json | jq '.failures | group_by(.reason) | map({(.[0].reason): length})'
      How often each reason.

Each worker keeps its last 64. Queries of requests are never shown.

Exit codes:
  0  told   1  the call was refused   2  bad command line   3  no Nexus was reached";

/// Which failures to tell.
#[derive(Debug, Args)]
#[command(after_help = FAILURES_EXAMPLES)]
pub struct Failures {
    /// So many at most
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: u32,

    /// Where.
    #[command(flatten)]
    pub at: Where,

    /// In which form.
    #[command(flatten)]
    pub form: Form,
}
