//! Single values about logs, names of requests and traces.

use serde_json::{Value, json};

use super::{Complaint, Parsed, is_token_byte, meaning, shape};
use crate::config::{nearest, quantity};
use crate::log::{BadTemplate, Gap, LogFormat, Output};
use crate::spans::settings::Endpoint;

/// A kind of single value about what is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logs {
    /// `10%`.
    Share,
    /// Where the request log goes.
    Output,
    /// How the request log is written.
    Format,
    /// `on`, `off` or the name of a header.
    RequestId,
    /// Where a collector of traces is.
    Endpoint,
}

impl Logs {
    /// Reads a value's text.
    pub(super) fn read(self, text: &str) -> Result<Parsed, Complaint> {
        let kept = |is_right: bool| match is_right {
            true => Ok(Parsed::Text(text.to_owned())),
            false => Err(shape(self.hint_for(text))),
        };
        match self {
            Self::Share => quantity::share(text).map(Parsed::Whole).ok_or(shape(self.hint())),
            Self::Output => match Output::parse(text) {
                // An address is more than a schema can look at.
                Err(hint) if text.starts_with("syslog:udp://") => Err(meaning(hint)),
                read => kept(read.is_ok()),
            },
            Self::RequestId => {
                let is_token = !text.is_empty() && text.bytes().all(is_token_byte);
                kept(is_token && !matches!(text, "true" | "false"))
            }
            Self::Endpoint => match Endpoint::parse(text) {
                Ok(_) => kept(true),
                // As above.
                Err(hint) => Err(meaning(hint)),
            },
            Self::Format => match LogFormat::parse(text) {
                Err(Some(why)) => Err(shape(bad_template(&why))),
                read => kept(read.is_ok()),
            },
        }
    }

    /// Says what it is: `must be …`.
    pub(super) fn phrase(self) -> &'static str {
        match self {
            Self::Share => "a share such as `10%`",
            Self::Output => "`stdout`, `off`, `file:PATH` or `syslog:…`",
            Self::Format => "`text`, `json`, `combined` or a template",
            Self::RequestId => "`on`, `off` or the name of a header",
            Self::Endpoint => "the address of a collector such as `http://127.0.0.1:4318`",
        }
    }

    /// Says what to write.
    pub(super) fn hint(self) -> String {
        match self {
            Self::Output => "use `stdout`, `off`, `file:PATH`, `syslog:/dev/log` or `syslog:udp://127.0.0.1:514`".to_owned(),
            Self::Format => "use `text`, `json`, `combined`, or a template such as \"{client} {method} {path} {status}\"".to_owned(),
            _ => format!("use {}", self.phrase()),
        }
    }

    fn hint_for(self, text: &str) -> String {
        let words = match self {
            Self::Output => &["stdout", "off"],
            Self::Format => LogFormat::NAMES,
            Self::Share | Self::RequestId | Self::Endpoint => &[],
        };
        let near = nearest::to(text, words.iter().copied());
        near.map_or_else(|| self.hint(), |near| format!("did you mean `{near}`?"))
    }

    /// Returns its JSON Schema.
    pub(super) fn schema(self) -> Value {
        let text = |pattern: &str| json!({ "type": "string", "pattern": pattern });
        match self {
            Self::Share => text("^(100|[0-9]{1,2}(\\.[0-9]{1,4})?)%$"),
            Self::Output => {
                text("^(stdout|off|file:[^\\x00]+|syslog:/[^\\x00]*|syslog:udp://[^\\x00]*)$")
            }
            Self::RequestId => text("^(?!(true|false)$)[A-Za-z0-9!#$%&'*+.^_`|~-]+$"),
            Self::Endpoint => json!({ "type": "string" }),
            Self::Format => {
                let literal = "([^{}\\x00-\\x08\\x0a-\\x1f\\x7f-\\x9f]|\\{\\{|\\}\\})*";
                let gap = format!("\\{{({})\\}}", Gap::NAMES.join("|"));
                let template = text(&format!("^({literal}{gap})+{literal}$"));
                json!({ "anyOf": [{ "enum": LogFormat::NAMES }, template] })
            }
        }
    }
}

/// Says what is wrong with a template.
fn bad_template(why: &BadTemplate) -> String {
    match why {
        BadTemplate::UnknownName(name) => match nearest::to(name, Gap::NAMES.iter().copied()) {
            Some(near) => format!("nothing is called {{{name}}}: did you mean {{{near}}}?"),
            None => {
                let all: Vec<_> = Gap::NAMES.iter().map(|name| format!("{{{name}}}")).collect();
                format!("nothing is called {{{name}}}: there are {}", all.join(", "))
            }
        },
        BadTemplate::Brace => {
            "a brace has no partner; `{{` and `}}` stand for braces themselves".to_owned()
        }
        BadTemplate::Control => "use one line, without control characters but tabs".to_owned(),
        BadTemplate::NoGap => "name something of the request in it, such as {path}".to_owned(),
    }
}
