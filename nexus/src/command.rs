//! What Nexus can be told to do besides running: each command is a function to what is said and to
//! the exit code.

pub mod cert;
pub mod check;
pub mod happened;
pub mod init;
pub mod operator;
pub mod remote;
pub mod run;
pub mod top;
pub mod why;

/// What a command has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// For standard output.
    pub text: String,
    /// The exit code.
    pub code: u8,
}

impl Outcome {
    /// Makes an outcome that is all right.
    pub fn fine(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: 0 }
    }
}

/// Prints the JSON Schema.
pub fn schema() -> Outcome {
    Outcome::fine(format!("{:#}\n", crate::config::schema::schema()))
}
