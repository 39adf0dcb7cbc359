//! `nexus check`: every problem in a file, at once.

use serde_json::json;

use crate::cli::{Check, Format};
use crate::command::Outcome;
use crate::config::render::Colour;
use crate::config::{self, Loaded, World, print, render};

/// Checks a file. The exit code is 1 if Nexus would refuse it.
pub fn check(how: &Check, world: &dyn World, colour: Colour) -> Outcome {
    let loaded = config::load(&how.file, world);
    let code = u8::from(loaded.config.is_none());
    let text = match how.format {
        Format::Text => text(how, &loaded, colour),
        Format::Json => json_text(how, &loaded),
    };
    Outcome { text, code }
}

fn text(how: &Check, loaded: &Loaded, colour: Colour) -> String {
    let mut text = render::text(&loaded.problems, &loaded.sources, colour);
    if let Some(config) = &loaded.config {
        let (listeners, pools) = (config.listeners.len(), config.pools.len());
        let (backends, routes) = (
            config.pools.iter().map(|pool| pool.backends.len()).sum(),
            config.routes.routes().len(),
        );
        let counts = [
            count(listeners, "listener"),
            count(pools, "pool"),
            count(backends, "backend"),
            count(routes, "route"),
        ];
        text += &format!("{} can be run: {}\n", how.file, counts.join(", "));
    }
    if let (true, Some(root), Some(_)) = (how.print, &loaded.root, &loaded.config) {
        text.push('\n');
        text += &print::text(root, &loaded.sources);
    }
    text
}

fn count(count: usize, word: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {word}{s}")
}

fn json_text(how: &Check, loaded: &Loaded) -> String {
    let mut value = render::json(&loaded.problems, &loaded.sources);
    value["ok"] = json!(loaded.config.is_some());
    if let (true, Some(root), Some(_)) = (how.print, &loaded.root, &loaded.config) {
        value["values"] = print::json(root, &loaded.sources);
    }
    format!("{value:#}\n")
}
