//! `nexus init`: a file to start from.

use crate::command::Outcome;

/// The file.
pub const STARTER: &str = include_str!("starter.yaml");

/// Prints the file.
pub fn init() -> Outcome {
    Outcome::fine(STARTER)
}
