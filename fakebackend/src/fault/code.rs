//! Error codes of HTTP/2 (RFC 9113 section 7), by name or number.

use std::fmt;
use std::str::FromStr;

/// The names, each at its number.
const NAMES: [&str; 14] = [
    "no_error",
    "protocol_error",
    "internal_error",
    "flow_control_error",
    "settings_timeout",
    "stream_closed",
    "frame_size_error",
    "refused_stream",
    "cancel",
    "compression_error",
    "connect_error",
    "enhance_your_calm",
    "inadequate_security",
    "http_1_1_required",
];

/// An error code. Displayed by its name, if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub u32);

impl Code {
    /// What is said of a request that failed for no reason of its own.
    pub const INTERNAL_ERROR: Self = Self(2);

    /// The code of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let place = NAMES.iter().position(|known| *known == name)?;
        u32::try_from(place).ok().map(Self)
    }
}

impl FromStr for Code {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = || text.parse().ok().map(Self);
        Self::named(text).or_else(number).ok_or_else(|| {
            format!("`{text}` is no error code: write a number, or one of {}", NAMES.join(", "))
        })
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(self.0 as usize) {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}
