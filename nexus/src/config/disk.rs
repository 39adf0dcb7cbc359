//! The world that configurations really come from.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

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

    fn bytes(&self, path: &str) -> Result<Vec<u8>, String> {
        bytes(path)
    }

    fn absolute(&self, path: &str) -> String {
        let absolute = std::path::absolute(path).ok();
        absolute.and_then(|path| path.to_str().map(str::to_owned)).unwrap_or(path.to_owned())
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

/// Reads a file that need not be text.
///
/// # Errors
///
/// Says why it cannot.
pub fn bytes(path: &str) -> Result<Vec<u8>, String> {
    let data = fs::metadata(path).map_err(|error| error.to_string())?;
    if !data.is_file() {
        return Err("it is no file".to_owned()); // A pipe might never end.
    }
    if data.len() > FILE_BYTES_MAX {
        return Err(format!("it has {} bytes, more than {FILE_BYTES_MAX}", data.len()));
    }
    fs::read(path).map_err(|error| error.to_string())
}

/// What a file or folder looks like from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// The device that it is on.
    pub device: u64,
    /// Its number there: another after a rename into its place, or behind a link that was swapped.
    pub inode: u64,
    /// Its bytes.
    pub size: u64,
    /// When it was changed, in seconds and nanoseconds of the epoch.
    pub changed: (i64, i64),
}

/// What files and folders look like; `None` is not there.
pub type Looks = BTreeMap<PathBuf, Option<Look>>;

/// Looks at a file or folder.
pub fn look(path: &Path) -> Option<Look> {
    let data = fs::metadata(path).ok()?;
    Some(Look {
        device: data.dev(),
        inode: data.ino(),
        size: data.size(),
        changed: (data.mtime(), data.mtime_nsec()),
    })
}

/// Looks at many.
pub fn look_at(paths: Vec<PathBuf>) -> Looks {
    paths.into_iter().map(|path| (look(&path), path)).map(|(look, path)| (path, look)).collect()
}
