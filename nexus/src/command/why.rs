//! Why a backend gets requests, or none: its state, what happened to it, what its probes found.

use serde_json::Value as Json;

use super::Outcome;
use super::operator::change;
use super::remote::{failed, find, list};
use crate::cli::Format;
use crate::cli::remote::Why;
use crate::config::World;

/// Asks a running Nexus about a backend.
pub fn why(how: &Why, world: &dyn World) -> Outcome {
    let path = change("why", &how.backend);
    let told = find(&how.at, None, world)
        .and_then(|remote| remote.call("GET", &path, String::new()).map_err(failed));
    match told {
        Ok(told) => {
            let text = match how.format {
                Format::Json => format!("{told:#}\n"),
                Format::Text => text(&told),
            };
            Outcome { text, code: u8::from(told["gets_requests"] != true) }
        }
        Err(outcome) => outcome,
    }
}

fn text(told: &Json) -> String {
    let word = |name: &str| told[name].as_str().unwrap_or("–");
    let mut text = format!(
        "{}/{} is {} since {}\n{}\n",
        word("pool"),
        word("url"),
        word("state"),
        word("since"),
        word("why")
    );
    for (title, name, nothing) in [
        ("what happened, the latest first", "turns", "nothing since it is there"),
        ("its last probes, the latest first", "probes", "none has come back"),
    ] {
        text += &format!("\n{title}:\n");
        let entries = list(told, name);
        if entries.is_empty() {
            text += &format!("  {nothing}\n");
        }
        for entry in entries {
            let word = |name: &str| entry[name].as_str().unwrap_or("–").to_owned();
            text += &format!("  {}  {}\n", word("at"), word("text"));
        }
    }
    text
}
