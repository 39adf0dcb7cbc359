//! Scalars in words, and in the words of JSON Schema.

use serde_json::{Value, json};

use super::Scalar;
use crate::config::nearest;

impl Scalar {
    /// Says what it is: `must be …`.
    pub fn phrase(self) -> String {
        match self {
            Self::Bool => "true or false".to_owned(),
            Self::Whole(min, u64::MAX) => format!("a whole number from {min} on"),
            Self::Whole(min, max) => format!("a whole number from {min} to {max}"),
            Self::OneOf(all) => list(all.iter().map(ToString::to_string)),
            Self::Workers => "`auto` or a whole number from 1 to 1024".to_owned(),
            Self::Time => "a time such as `10s`".to_owned(),
            Self::Size => "a size such as `64KiB`".to_owned(),
            Self::Hedge => "a time such as `50ms`, or `p95`".to_owned(),
            Self::Rate => "a rate such as `10/s` or `5/m`".to_owned(),
            Self::Choice(all) => list(all.iter().map(|word| format!("`{word}`"))),
            Self::Text => "text".to_owned(),
            Self::Loose => "text, a number, true or false".to_owned(),
            Self::Address => "an address to listen on, such as `:8000`".to_owned(),
            Self::Url => "the address of a backend, such as `http://10.0.0.5:8081`".to_owned(),
            Self::Network => "an address or a network such as `10.0.0.0/8`".to_owned(),
            Self::Host => "a host such as `example.com` or `*.example.com`".to_owned(),
            Self::Path => "a path such as `/api`".to_owned(),
            Self::Regex => "a regular expression".to_owned(),
            Self::Method => "a method such as `GET`".to_owned(),
            Self::Statuses => "a status such as `200`, `200-299` or `2xx`".to_owned(),
            Self::FieldName => "the name of a header".to_owned(),
            Self::FieldValue => "the value of a header".to_owned(),
            Self::Template => "text with `{host}`, `{path}` or `{query}` in it".to_owned(),
            Self::Name => "a name".to_owned(),
            Self::AdminAddress => "an address such as `127.0.0.1:9900` or `unix:PATH`".to_owned(),
            Self::Mode => "three octal digits in quotes, such as \"0660\"".to_owned(),
            Self::File => "the path of a file".to_owned(),
            Self::Https => "true, false or a port from 1 to 65535".to_owned(),
            Self::Log(logs) => logs.phrase().to_owned(),
            Self::Secret => "a secret of 16 characters or more, without spaces".to_owned(),
        }
    }

    /// Says what to write.
    pub(super) fn hint(self) -> String {
        match self {
            Self::Bool => "write true or false, without quotes".to_owned(),
            Self::Text | Self::Regex => format!("write {}, in quotes", self.phrase()),
            Self::FieldName => "use letters, digits and `-`".to_owned(),
            Self::FieldValue => "use one line, without spaces at its ends".to_owned(),
            Self::Log(logs) => logs.hint(),
            Self::Name => "use letters, digits, `-`, `_` and `.`".to_owned(),
            _ => format!("use {}", self.phrase()),
        }
    }

    /// Says what to write instead of `text`.
    pub(super) fn hint_for(self, text: &str) -> String {
        match self {
            Self::Choice(all) => match nearest::to(text, all.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => self.hint(),
            },
            Self::Method if text.bytes().any(|byte| byte.is_ascii_lowercase()) => {
                format!("methods are upper-case: {}", text.to_ascii_uppercase())
            }
            Self::Time => format!("add a unit: `{text}s` or `{text}ms`"),
            Self::Url => format!("write http://localhost:{text} or http://host:{text}"),
            _ => self.hint(),
        }
    }

    /// Returns its JSON Schema.
    pub fn schema(self) -> Value {
        let text = |pattern: &str| json!({ "type": "string", "pattern": pattern });
        match self {
            Self::Bool => json!({ "type": "boolean" }),
            Self::Whole(min, u64::MAX) => json!({ "type": "integer", "minimum": min }),
            Self::Whole(min, max) => json!({ "type": "integer", "minimum": min, "maximum": max }),
            Self::OneOf(all) => json!({ "enum": all }),
            Self::Workers => json!({ "anyOf": [
                { "const": "auto" },
                { "type": "integer", "minimum": 1, "maximum": 1024 },
                text("^([1-9][0-9]{0,2}|10[01][0-9]|102[0-4])$"),
            ] }),
            Self::Hedge => text("^(p95|(?=.*[1-9])\\s*([0-9]+(ms|s|m|h|d)\\s*)+)$"),
            Self::Time => text("^(?=.*[1-9])\\s*([0-9]+(ms|s|m|h|d)\\s*)+$"),
            Self::Size => json!({ "anyOf": [
                { "type": "integer", "minimum": 0 },
                text("^\\s*[0-9]+\\s*(B|KiB|MiB|GiB|KB|MB|GB)?\\s*$"),
            ] }),
            Self::Rate => text("^[1-9][0-9]{0,5}/(s|m|h|d)$"),
            Self::Choice(all) => json!({ "enum": all }),
            Self::Text | Self::Regex => json!({ "type": "string" }),
            Self::Loose => json!({ "type": ["string", "number", "boolean"] }),
            Self::Address => json!({ "anyOf": [
                { "type": "integer", "minimum": 0, "maximum": 65535 },
                text("^(|([0-9.]+|\\[[0-9A-Fa-f:.]+\\]|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*|\\*|localhost)?:)[0-9]{1,5}$"),
                text("^unix:[^\\x00]{1,107}$"),
            ] }),
            Self::Url => text(
                "^(((https?|h2c)://)?(\\[[0-9A-Fa-f:.]+\\]|[^/?#@:\\s\\[\\]]+)(:[0-9]{1,5})?/?|((https?|h2c)\\+)?unix:/[^\\x00]{1,106})$",
            ),
            Self::Network => {
                text("^([0-9]{1,3}(\\.[0-9]{1,3}){3}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*)(/[0-9]{1,3})?$")
            }
            Self::Host => text("^(\\*\\.)?([A-Za-z0-9._~-]+|\\[[0-9A-Fa-f:.]+\\])$"),
            Self::Path => text("^/[!-\"$->@-~]*$"),
            Self::Method => text("^[A-Z0-9!#$%&'*+.^_`|~-]+$"),
            Self::Statuses => json!({ "anyOf": [
                { "type": "integer", "minimum": 100, "maximum": 599 },
                text("^[1-5]([0-9]{2}(-[1-5][0-9]{2})?|xx)$"),
            ] }),
            Self::FieldName => text("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"),
            Self::FieldValue => json!({ "anyOf": [
                { "type": ["number", "boolean"] },
                text("^$|^[^\\s\\x00-\\x1f\\x7f]([^\\x00-\\x08\\x0a-\\x1f\\x7f]*[^\\s\\x00-\\x1f\\x7f])?$"),
            ] }),
            Self::Template => text("^([!#-;=?-\\[\\]_a-z~]|\\{(host|path|query)\\})*$"),
            Self::Name => text("^[A-Za-z0-9._-]+$"),
            Self::AdminAddress => Self::Address.schema(),
            Self::Mode => text("^0?[0-7]{3}$"),
            Self::File => text("^[^\\x00]+$"),
            Self::Https => json!({ "anyOf": [
                { "type": "boolean" },
                { "type": "integer", "minimum": 1, "maximum": 65535 },
            ] }),
            Self::Log(logs) => logs.schema(),
            Self::Secret => text("^[!-~]{16,}$"),
        }
    }
}

fn list(words: impl Iterator<Item = String>) -> String {
    let mut words: Vec<String> = words.collect();
    let last = words.pop().unwrap_or_default();
    if words.is_empty() { last } else { format!("{} or {last}", words.join(", ")) }
}
