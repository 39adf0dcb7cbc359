//! `cargo xtask demo`: a failover to watch.
//!
//! Three backends, Nexus, a steady load; one backend is killed and started again. `watch` runs it,
//! `view` shows it, `story` says afterwards what happened when. Under half a minute after the build.

use anyhow::Result;

use crate::{Outcome, cargo};

mod story;
mod view;
mod watch;

/// What `cargo xtask demo` takes.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Requests a second
    #[arg(long, default_value_t = 300)]
    rate: u64,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    println!("Building Nexus, loadtest and fakebackend …");
    let programs = cargo::build_programs()?;
    let folder = cargo::target_dir().join("demo");
    std::fs::create_dir_all(&folder)?;
    let story = watch::watch(&programs, args.rate, &folder)?;
    println!("\n{}", story.tell());
    Ok(if story.is_happy() { Outcome::Passed } else { Outcome::Failed })
}
