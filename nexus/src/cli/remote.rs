//! Commands to a Nexus that runs: where it is, and by what right.

use clap::Args;

use super::Format;
use crate::config::quantity::{admin_address, time};
use crate::explain::Question;
use crate::settings::Address;

/// Where a running Nexus is.
#[derive(Debug, Clone, Default, Args)]
pub struct Where {
    /// Its admin address, such as 127.0.0.1:9900 or unix:PATH [default: what --config says, else 127.0.0.1:9900]
    #[arg(long, value_name = "ADDRESS", env = "NEXUS_ADMIN", value_parser = admin_address)]
    pub admin: Option<Address>,

    /// File with a token [default: $NEXUS_TOKEN, else one of those that --config says]
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<String>,

    /// The configuration file that it runs with, to learn address and token from
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<String>,
}

const STATUS_EXAMPLES: &str = "\
Examples:
  nexus status
      Of the Nexus at 127.0.0.1:9900.
  nexus status -c nexus.yaml --format json | jq '.pools[].backends[] | select(.state == \"DOWN\")'
      Of the Nexus whose file this is: backends that are DOWN, and why.

Exit codes:
  0  all backends are UP   1  some are DOWN, or the call was refused   2  bad command line   3  no Nexus was reached";

/// How to ask for the status.
#[derive(Debug, Args)]
#[command(after_help = STATUS_EXAMPLES)]
pub struct Status {
    /// Where.
    #[command(flatten)]
    pub at: Where,

    /// How to write it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

const PLAN_EXAMPLES: &str = "\
Examples:
  nexus plan nexus.yaml
      What a reload would do to the running Nexus, if this were its file.

Lines with `!` close connections or take capacity away; with `✗` they need a restart.

Exit codes:
  0  it can be reloaded   1  problems, or it would be refused   2  bad command line   3  no Nexus was reached";

/// How to plan.
#[derive(Debug, Args)]
#[command(after_help = PLAN_EXAMPLES)]
pub struct Plan {
    /// The file: .yaml, .yml, .toml or .json; also says where the Nexus is unless --config does
    pub file: String,

    /// Where.
    #[command(flatten)]
    pub at: Where,

    /// How to write it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

const RELOAD_EXAMPLES: &str = "\
Examples:
  nexus reload -c nexus.yaml
      Address and token as in the file. On any problem nothing changes, and all problems are shown.
  nexus reload --confirm 30s
      Taken back after 30 s unless confirmed: by Enter on a terminal, or by `nexus confirm`.

Exit codes:
  0  reloaded   1  refused, or not confirmed; nothing has changed   2  bad command line   3  no Nexus was reached";

/// How to reload.
#[derive(Debug, Args)]
#[command(after_help = RELOAD_EXAMPLES)]
pub struct Reload {
    /// Where.
    #[command(flatten)]
    pub at: Where,

    /// Take it back after this time unless it is confirmed
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub confirm: Option<std::time::Duration>,
}

/// How to confirm.
#[derive(Debug, Args)]
pub struct Confirm {
    /// Where.
    #[command(flatten)]
    pub at: Where,
}

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  nexus explain --host example.com --path /api/users
      What the Nexus at 127.0.0.1:9900 would do with this request now, and why.
  nexus explain nexus.yaml --host example.com --path / --header 'X-Beta: yes' --client 10.1.2.3
      What a Nexus with this file would do.

It asks and sends nothing: nobody loses a turn.

Exit codes:
  0  it would be answered   1  it would be refused, or the file has problems   2  bad command line   3  no Nexus was reached";

/// Which request to explain.
#[derive(Debug, Args)]
#[command(after_help = EXPLAIN_EXAMPLES)]
pub struct Explain {
    /// A configuration file to explain with, instead of a Nexus that runs
    pub file: Option<String>,

    /// The host that the request is for
    #[arg(long)]
    pub host: String,

    /// Its path and query
    #[arg(long, default_value = "/")]
    pub path: String,

    /// Its method
    #[arg(long, default_value = "GET")]
    pub method: String,

    /// A further header line; may be repeated
    #[arg(long = "header", value_name = "NAME:VALUE", value_parser = header)]
    pub headers: Vec<(String, String)>,

    /// The client's address
    #[arg(long, default_value = "127.0.0.1")]
    pub client: std::net::IpAddr,

    /// Where.
    #[command(flatten)]
    pub at: Where,

    /// How to write it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

impl Explain {
    /// Returns the question.
    pub fn question(&self) -> Question {
        Question {
            method: self.method.clone(),
            host: self.host.clone(),
            path: self.path.clone(),
            headers: self.headers.clone(),
            client: self.client,
        }
    }
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("use NAME:VALUE, as in 'X-Beta: yes'")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

const WHY_EXAMPLES: &str = "\
Examples:
  nexus why web/http://10.0.0.5:8081
  nexus why web/10.0.0.5:8081 -c nexus.yaml --format json | jq '.probes[0]'

Exit codes:
  0  it gets requests   1  it gets none, or there is no such backend   2  bad command line   3  no Nexus was reached";

/// Which backend to ask about.
#[derive(Debug, Args)]
#[command(after_help = WHY_EXAMPLES)]
pub struct Why {
    /// The backend
    #[arg(value_name = "POOL/BACKEND", value_parser = named)]
    pub backend: Named,

    /// Where.
    #[command(flatten)]
    pub at: Where,

    /// How to write it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

const DRAIN_EXAMPLES: &str = "\
Examples:
  nexus drain web/http://10.0.0.5:8081 --wait
      Nothing new for it from now on; waits until its last request, tunnel and session have ended.
  nexus drain web/10.0.0.5:8081 --wait --deadline 10m && ssh 10.0.0.5 reboot

Sticky sessions stay with it until they end; those left at the deadline move to others. It survives
a reload. `nexus undrain` takes it back.

Exit codes:
  0  it drains, and with --wait nothing is left   1  the deadline has passed, or there is no such backend   2  bad command line   3  no Nexus was reached";

/// Which backend to drain.
#[derive(Debug, Args)]
#[command(after_help = DRAIN_EXAMPLES)]
pub struct Drain {
    /// The backend
    #[arg(value_name = "POOL/BACKEND", value_parser = named)]
    pub backend: Named,

    /// Wait until nothing of it is left
    #[arg(long)]
    pub wait: bool,

    /// Keep its sessions, and wait, for so long at most
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = time)]
    pub deadline: std::time::Duration,

    /// Where.
    #[command(flatten)]
    pub at: Where,
}

/// Which backend gets requests again.
#[derive(Debug, Args)]
pub struct Undrain {
    /// The backend
    #[arg(value_name = "POOL/BACKEND", value_parser = named)]
    pub backend: Named,

    /// Where.
    #[command(flatten)]
    pub at: Where,
}

/// Which backend gets which weight.
#[derive(Debug, Args)]
pub struct Weight {
    /// The backend
    #[arg(value_name = "POOL/BACKEND", value_parser = named)]
    pub backend: Named,

    /// Its weight; without one, that of the configuration again
    #[arg(value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub weight: Option<u32>,

    /// Where.
    #[command(flatten)]
    pub at: Where,
}

/// A backend of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The pool's name.
    pub pool: String,
    /// The backend's URL, or its host and port.
    pub backend: String,
}

pub(super) fn named(text: &str) -> Result<Named, String> {
    let (pool, backend) =
        text.split_once('/').ok_or("use POOL/BACKEND, as in web/http://10.0.0.5:8081")?;
    Ok(Named { pool: pool.to_owned(), backend: backend.to_owned() })
}
