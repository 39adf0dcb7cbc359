//! The world that configurations really come from.

use std::fs;

use crate::config::World;

/// Bytes of one file at most: a configuration of 10,000 routes is a few megabytes.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Files of this machine, and the environment of this process.
pub struct Disk;

impl World for Disk {
    fn read(&self, path: &str) -> Result<String, String> {
        let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
        if size > FILE_BYTES_MAX {
            return Err(format!("it has {size} bytes, more than {FILE_BYTES_MAX}"));
        }
        fs::read_to_string(path).map_err(|error| error.to_string())
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, String> {
        let entries = fs::read_dir(folder).map_err(|error| error.to_string())?;
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        names.collect::<std::io::Result<_>>().map_err(|error| error.to_string())
    }

    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}
