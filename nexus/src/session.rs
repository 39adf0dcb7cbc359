//! Which requests belong together, so that one backend answers them all.

pub mod table;
pub mod token;

use std::fmt;
use std::time::{Duration, SystemTime};

use token::Keys;

/// How sessions keep their backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sticky {
    /// What tells a session.
    pub by: By,
    /// How long a session lasts after its last sign of life.
    pub ttl: Duration,
    /// What happens while its backend is full.
    pub when_full: WhenFull,
    /// Sessions that are remembered at most; a cookie of Nexus's own is not remembered.
    pub sessions_max: usize,
}

/// What tells a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// A cookie that Nexus sets.
    Cookie(Box<Cookie>),
    /// A cookie that the application sets.
    AppCookie(String),
    /// A header.
    Header(String),
    /// The client's address; of IPv6 the first 64 bits.
    Client,
}

/// What happens to a session while its backend is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// It moves to another backend, for good.
    Move,
    /// It waits in the queue.
    Wait,
}

/// The cookie that Nexus sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    /// Its name.
    pub name: String,
    /// What stands behind its value: `; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax`.
    pub attributes: String,
    /// What its values are signed with.
    pub keys: Keys,
}

impl Cookie {
    /// Writes the `Set-Cookie` field's value (RFC 6265 §4.1).
    pub fn field(&self, value: &str) -> String {
        format!("{}={value}{}", self.name, self.attributes)
    }
}

impl fmt::Display for Sticky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.by {
            By::Cookie(cookie) => write!(f, "cookie {}", cookie.name),
            By::AppCookie(name) => write!(f, "the application's cookie {name}"),
            By::Header(name) => write!(f, "header {name}"),
            By::Client => write!(f, "client address"),
        }
    }
}

/// Finds the values of all cookies called `name` in a `Cookie` field (RFC 6265 §4.2).
pub fn cookies<'a>(field: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let pairs = field.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    pairs.filter_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

/// Returns the value that a `Set-Cookie` field gives to the cookie called `name`.
pub fn set_cookie<'a>(field: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let pair = field.split(|byte| *byte == b';').next()?.trim_ascii();
    pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
}

/// Returns the seconds since 1970.
pub fn now() -> u32 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name_wherever_it_stands() {
        let found = |field: &str| -> Vec<String> {
            let all = cookies(field.as_bytes(), "sid");
            all.map(|value| String::from_utf8_lossy(value).into_owned()).collect()
        };
        assert_eq!(found("sid=1"), ["1"]);
        assert_eq!(found("a=b; sid=1;sid=2 ; xsid=3; sid"), ["1", "2"]);
        assert_eq!(found("sid=a=b"), ["a=b"]);
        assert!(found("SID=1").is_empty(), "names of cookies have a case");
    }

    #[test]
    fn a_cookie_that_is_set_is_the_first_pair() {
        assert_eq!(set_cookie(b"sid=abc; Path=/; HttpOnly", "sid"), Some(&b"abc"[..]));
        assert_eq!(set_cookie(b"other=abc; sid=x", "sid"), None);
    }
}
