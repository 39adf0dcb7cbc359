//! From the command line to what Nexus starts with: the flags, or a file with the flags over it.

use crate::cli::over::Said;
use crate::cli::{Flags, Format};
use crate::config::problem::{Problem, Severity};
use crate::config::render::Colour;
use crate::config::source::Sources;
use crate::config::{self, World, render};
use crate::settings::Settings;

/// Returns the settings, and warnings for standard error.
///
/// # Errors
///
/// Says everything that is wrong with the file.
pub fn settings(
    flags: Flags,
    said: &Said,
    world: &dyn World,
    colour: Colour,
) -> Result<(Settings, String), String> {
    let Some(path) = &flags.config else { return Ok((flags.settings(), String::new())) };
    let loaded = config::load(path, world);
    let notes = match flags.log_format {
        Format::Text => render::text(&loaded.problems, &loaded.sources, colour),
        Format::Json => lines(&loaded.problems, &loaded.sources),
    };
    let Some(config) = loaded.config else { return Err(notes) };
    let settings = flags.over(said, config.into_settings())?;
    Ok((settings, notes))
}

/// Writes problems as JSON, one a line, in the shape of Nexus's own events.
fn lines(problems: &[Problem], sources: &Sources) -> String {
    let line = |problem: &Problem| {
        let mut all = render::json(std::slice::from_ref(problem), sources);
        let mut value = all["problems"][0].take();
        value["level"] = match problem.severity {
            Severity::Error => "ERROR".into(),
            Severity::Warning => "WARN".into(),
        };
        value["message"] = "configuration problem".into();
        format!("{value}\n")
    };
    problems.iter().map(line).collect()
}
