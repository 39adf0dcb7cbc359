//! What can be said of `nexus top`.

use std::time::Duration;

use clap::Args;

use super::remote::Where;
use crate::config::quantity::time;

const EXAMPLES: &str = "\
Examples:
  nexus top
      The Nexus at 127.0.0.1:9900, once a second, until `q`. `?` shows all keys.
  nexus top -c nexus.yaml --interval 500ms
      Address and token as in the file: with a token that may write, `d` drains and `+` gives more weight.
  nexus top --once | grep DOWN
      A table, once; the same if nobody reads at a terminal. Rates and latencies are of the last 10 s.
  nexus top --json | jq '.pools[].backends[] | {url, rate, error_ratio}'
      What `GET /v1/stats` answers, for programs.

NO_COLOR=1 draws without colours: every state has a sign and a word as well.

Exit codes:
  0  told, or left by `q`   1  the call was refused   2  bad command line   3  no Nexus was reached";

/// How to watch.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Top {
    /// Where.
    #[command(flatten)]
    pub at: Where,

    /// From one look to the next
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = time)]
    pub interval: Duration,

    /// Print a table once, and end
    #[arg(long)]
    pub once: bool,

    /// Print what `GET /v1/stats` answers, and end
    #[arg(long, conflicts_with = "once")]
    pub json: bool,
}
