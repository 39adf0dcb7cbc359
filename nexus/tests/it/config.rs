//! Configuration files: what they make of Nexus, and what is said of broken ones.

mod certificates;
mod files;
mod gallery;
mod model;
mod reference;
mod running;
mod tls;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use nexus::config::{self, Config, Loaded, World, render};

/// Files and variables that exist in a test only.
#[derive(Default)]
struct Values {
    files: HashMap<String, String>,
    variables: HashMap<String, String>,
}

impl Values {
    fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        Self { files: files.collect(), ..Self::default() }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }
}

impl World for Values {
    fn read(&self, path: &str) -> Result<String, String> {
        self.files.get(path).cloned().ok_or_else(|| "no such file".to_owned())
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, String> {
        let name = |path: &String| path.strip_prefix(folder)?.strip_prefix('/').map(str::to_owned);
        Ok(self.files.keys().filter_map(name).collect())
    }

    fn env(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn bytes(&self, path: &str) -> Result<Vec<u8>, String> {
        let own = self.read(path);
        own.or_else(|why| certificates::file(path).ok_or(why)).map(String::into_bytes)
    }
}

/// A folder of real files, without an environment.
struct Folder(PathBuf);

impl Folder {
    fn of(name: &str) -> Self {
        Self(Path::new(env!("CARGO_MANIFEST_DIR")).join(name))
    }

    /// Returns the names of the files in it that are configurations.
    fn names(&self) -> Vec<String> {
        let files = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path());
        let files = files.filter(|path| path.is_file() && path.extension().unwrap() != "txt");
        let mut names: Vec<_> =
            files.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }
}

impl World for Folder {
    fn read(&self, path: &str) -> Result<String, String> {
        if path.ends_with(".key") {
            return Ok("made-for-this-test".to_owned()); // No secret lies beside an example.
        }
        fs::read_to_string(self.0.join(path)).map_err(|error| error.to_string())
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, String> {
        let entries = fs::read_dir(self.0.join(folder)).map_err(|error| error.to_string())?;
        Ok(entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect())
    }

    fn env(&self, _: &str) -> Option<String> {
        None
    }

    fn bytes(&self, path: &str) -> Result<Vec<u8>, String> {
        let made = certificates::file(path).map(String::into_bytes);
        let read = || fs::read(self.0.join(path)).map_err(|error| error.to_string());
        made.map_or_else(read, Ok)
    }
}

/// Reads a file that must be free of errors.
#[track_caller]
fn loaded(world: &dyn World, path: &str) -> Config {
    let Loaded { config, sources, problems, .. } = config::load(path, world);
    config.unwrap_or_else(|| panic!("{}", render::text(&problems, &sources, render::Colour::Off)))
}

/// Reads a YAML text that must be free of errors.
#[track_caller]
fn yaml(text: &str) -> Config {
    loaded(&Values::of(&[("nexus.yaml", text)]), "nexus.yaml")
}

/// Writes a configuration without the index of its routes, which is laid out by chance.
fn words(config: &Config) -> String {
    let Config { routes, listeners, pools, workers, timeouts, .. } = config;
    let Config { trusted, half_close, metrics, connections_max, access_log, admin, watch, .. } =
        config;
    let all =
        (listeners, pools, workers, timeouts, trusted, (half_close, metrics), connections_max);
    let marks = (&config.request_id, &config.tracing);
    // A secret does not show itself.
    let tokens = admin.iter().flat_map(|admin| &admin.tokens);
    let secrets: Vec<_> = tokens.map(|token| &token.secret).collect();
    let counts = (config.handshakes_max, config.forwarded_fields);
    let others = (access_log, admin, secrets, watch, counts);
    format!("{all:?} {others:?} {marks:?} {:?}", routes.routes())
}

/// Returns the causes of all problems in a YAML text.
fn causes(text: &str) -> Vec<String> {
    let loaded = config::load("nexus.yaml", &Values::of(&[("nexus.yaml", text)]));
    loaded.problems.into_iter().map(|problem| problem.cause).collect()
}

/// Compares a text with a file; `UPDATE=1` writes the file instead.
pub(crate) fn same_as_file(path: &Path, text: &str) -> bool {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, text).unwrap();
    }
    fs::read_to_string(path).is_ok_and(|known| known == text)
}
