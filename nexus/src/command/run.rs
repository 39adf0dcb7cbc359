//! From the command line to what Nexus starts with: the flags, or a file with the flags over it.

use std::cell::RefCell;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::Value as Json;

use crate::cli::over::Said;
use crate::cli::{Flags, Format};
use crate::config::disk::{self, Disk, Looks};
use crate::config::problem::{Problem, Severity};
use crate::config::render::Colour;
use crate::config::source::Sources;
use crate::config::{self, World, print, render};
use crate::reload::{Effective, Problems, Reading, Source};
use crate::settings::Settings;

/// What a configuration document that came over the admin address is called.
const DOCUMENT: &str = "configuration.json";

/// The command line and the file that it names, to be read at start and at every reload.
pub struct Configured {
    flags: Flags,
    said: Said,
    /// What was read the last time.
    looks: Mutex<Looks>,
}

impl Configured {
    /// Takes the flags, of which some were `said`.
    pub fn new(flags: Flags, said: Said) -> Self {
        Self { flags, said, looks: Mutex::default() }
    }

    /// Reads the settings; problems are shown in `colour`.
    ///
    /// # Errors
    ///
    /// Returns everything that is wrong with the file.
    pub fn read_in(&self, colour: Colour) -> Result<Reading, Problems> {
        self.read_from(&Disk, colour)
    }

    /// The same from another world.
    ///
    /// # Errors
    ///
    /// Returns everything that is wrong with the file.
    pub fn read_from(&self, world: &dyn World, colour: Colour) -> Result<Reading, Problems> {
        let Some(path) = &self.flags.config else {
            let warnings = Problems::default();
            let settings = secured(self.flags.clone().settings())?;
            return Ok(Reading { settings, warnings, effective: nothing() });
        };
        let world = Recording { world, seen: RefCell::default() };
        let outcome = self.load(path, &world, colour);
        *self.looks.lock().expect("nothing panics while it holds this lock") =
            world.seen.into_inner();
        outcome
    }

    fn load(&self, path: &str, world: &dyn World, colour: Colour) -> Result<Reading, Problems> {
        let loaded = config::load(path, world);
        let text = match self.flags.log_format {
            Format::Text => render::text(&loaded.problems, &loaded.sources, colour),
            Format::Json => lines(&loaded.problems, &loaded.sources),
        };
        let problems = Problems {
            text,
            list: render::json(&loaded.problems, &loaded.sources)["problems"].take(),
        };
        let (Some(config), Some(root)) = (loaded.config, loaded.root) else { return Err(problems) };
        let sources = loaded.sources;
        match self.flags.clone().over(&self.said, config.into_settings()) {
            Ok(settings) => {
                let settings = if world.has_files() { secured(settings)? } else { settings };
                let is_asked = settings.admin.is_some();
                let effective: Effective = if is_asked {
                    Arc::new(move || print::json(&root, &sources))
                } else {
                    nothing()
                };
                Ok(Reading { settings, warnings: problems, effective })
            }
            Err(why) => Err(Problems { list: Json::from(vec![why.clone()]), text: why }),
        }
    }
}

/// Has backends at https whose pool says nothing of TLS verified by what the system trusts.
fn secured(mut settings: Settings) -> Result<Settings, Problems> {
    settings.secure().map_err(|faults| {
        let text: Vec<_> =
            faults.iter().map(|fault| format!("{}\n  hint: {}", fault.cause, fault.hint)).collect();
        Problems { list: Json::from(text.clone()), text: text.join("\n") }
    })?;
    Ok(settings)
}

/// What nobody can ask for need not be kept.
fn nothing() -> Effective {
    Arc::new(|| Json::Array(Vec::new()))
}

impl Source for Configured {
    fn read(&self) -> Result<Reading, Problems> {
        self.read_in(Colour::Off)
    }

    fn read_text(&self, text: &str) -> Result<Reading, Problems> {
        self.load(DOCUMENT, &Document(text), Colour::Off)
    }

    fn looks(&self) -> Looks {
        self.looks.lock().expect("nothing panics while it holds this lock").clone()
    }
}

/// A world that remembers what was looked at.
struct Recording<'w> {
    world: &'w dyn World,
    seen: RefCell<Looks>,
}

impl Recording<'_> {
    fn see(&self, path: &str) {
        let path = if path.is_empty() { "." } else { path };
        let look = || disk::look(Path::new(path));
        self.seen.borrow_mut().entry(path.into()).or_insert_with(look);
    }
}

impl World for Recording<'_> {
    fn read(&self, path: &str) -> Result<String, String> {
        self.see(path);
        self.world.read(path)
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, String> {
        self.see(folder);
        self.world.list(folder)
    }

    fn env(&self, name: &str) -> Option<String> {
        self.world.env(name)
    }

    fn bytes(&self, path: &str) -> Result<Vec<u8>, String> {
        self.see(path);
        self.world.bytes(path)
    }

    fn absolute(&self, path: &str) -> String {
        self.world.absolute(path)
    }

    fn has_files(&self) -> bool {
        self.world.has_files()
    }
}

/// A world of one document: whoever sent it has read files and variables before.
struct Document<'t>(&'t str);

impl World for Document<'_> {
    fn read(&self, path: &str) -> Result<String, String> {
        if path == DOCUMENT {
            Ok(self.0.to_owned())
        } else {
            Err("a document has no files".to_owned())
        }
    }

    fn list(&self, _: &str) -> Result<Vec<String>, String> {
        Err("a document has no folders".to_owned())
    }

    fn env(&self, _: &str) -> Option<String> {
        None
    }

    /// Keys are not sent, and what whoever sends a document names is not opened for them.
    fn has_files(&self) -> bool {
        false
    }
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
