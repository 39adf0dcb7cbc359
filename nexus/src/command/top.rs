//! Watches a running Nexus in the terminal: the numbers of `GET /v1/stats`, once a second.
//!
//! What is known is a `Model`: keys and answers change it, `draw` shows it, both without a terminal.

mod ask;
mod draw;
mod keys;
mod live;
mod model;
mod news;
mod plain;
mod rows;
mod stats;
#[cfg(test)]
mod tests;

use super::Outcome;
use super::remote::{failed, find};
use crate::cli::top::Top;
use crate::config::World;
use crate::config::render::Colour;

/// Watches, or tells once: if that is wanted, or if nobody reads at a terminal.
pub fn top(how: &Top, world: &dyn World, is_terminal: bool, colour: Colour) -> Outcome {
    let remote = match find(&how.at, None, world) {
        Ok(remote) => remote,
        Err(outcome) => return outcome,
    };
    let (method, path) = ask::Ask::Stats.call().expect("it is a call");
    let answer = match remote.call(method, &path, String::new()) {
        Ok(answer) => answer,
        Err(error) => return failed(error),
    };
    if how.json {
        return Outcome::fine(format!("{answer:#}\n"));
    }
    if how.once || !is_terminal {
        return match stats::Stats::read(&answer) {
            Ok(stats) => Outcome::fine(plain::text(&stats)),
            Err(error) => {
                Outcome { text: format!("not the answer of this version: {error}\n"), code: 1 }
            }
        };
    }
    let mut model = model::Model::new(
        remote.address.to_string(),
        remote.token.is_some(),
        matches!(colour, Colour::On),
    );
    model.heard(&ask::Ask::Stats, Ok(answer));
    match live::watch(remote, model, how.interval) {
        Ok(()) => Outcome::fine(""),
        Err(error) => Outcome { text: format!("the terminal cannot be used: {error}\n"), code: 1 },
    }
}
