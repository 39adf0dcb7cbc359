//! JSON text to a tree.
//!
//! `serde_json` says whether it is JSON, and what is wrong if it is not; what is left to do here is
//! to walk text that is known to be right, and to remember the places.

use serde::de::IgnoredAny;

use crate::config::node::{Entry, FileId, Node, Span, Value};
use crate::config::problem::{Problem, Step};
use crate::config::source::floor;
use crate::config::yaml::twice;

/// Reads JSON.
///
/// # Errors
///
/// Fails at the first place that is not JSON; says every key that a table has twice.
pub fn read(text: &str, file: FileId) -> Result<Node, Vec<Problem>> {
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        return Err(vec![broken(text, file, &error)]);
    }
    let mut walk = Walk { text, file, at: 0, problems: Vec::new() };
    let root = walk.value();
    if walk.problems.is_empty() { Ok(root) } else { Err(walk.problems) }
}

fn broken(text: &str, file: FileId, error: &serde_json::Error) -> Problem {
    let before: usize =
        text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let start = floor(text, before + error.column().saturating_sub(1));
    let said = error.to_string();
    let said = said.split(" at line ").next().unwrap_or_default();
    let rest = &text[start..];
    let hint = match said {
        _ if rest.starts_with(['}', ']']) => "remove the comma before the closing bracket",
        _ if rest.starts_with(['/', '#']) => "JSON has no comments; YAML and TOML do",
        _ if said.contains("key must be a string") => "write keys in double quotes",
        _ if said.contains("EOF") => "close every `{`, `[` and quote that was opened",
        _ if said.contains("expected `,`") => "put a comma between two entries",
        _ if said.contains("trailing characters") => "a file is one value: remove what follows it",
        _ => "JSON knows no comments and no single quotes; YAML (nexus.yaml) does",
    };
    let span = Span { file, start, end: start + 1 };
    Problem::error(Step::Syntax, span, format!("not JSON: {said}"), hint)
}

/// A walk over JSON that is known to be right and no deeper than `serde_json` allows (128).
struct Walk<'a> {
    text: &'a str,
    file: FileId,
    at: usize,
    problems: Vec<Problem>,
}

impl Walk<'_> {
    fn peek(&mut self) -> u8 {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        bytes.get(self.at).copied().unwrap_or_default()
    }

    /// Steps over `byte`, if it comes next.
    fn skip(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == byte;
        self.at += usize::from(is_next);
        is_next
    }

    fn span(&self, start: usize) -> Span {
        Span { file: self.file, start, end: self.at }
    }

    fn value(&mut self) -> Node {
        let first = self.peek();
        let start = self.at;
        let value = match first {
            b'{' => self.table(),
            b'[' => self.list(),
            b'"' => Value::Text(self.string()),
            _ => self.word(),
        };
        Node::new(self.span(start), value)
    }

    fn table(&mut self) -> Value {
        let mut entries: Vec<Entry> = Vec::new();
        self.skip(b'{');
        while !self.skip(b'}') {
            self.peek();
            let start = self.at;
            let key = self.string();
            let span = self.span(start);
            self.skip(b':');
            let node = self.value();
            let first = entries.iter().find(|entry| entry.key == key);
            self.problems.extend(first.map(|first| twice(&key, span, first.span)));
            entries.push(Entry { key, span, node });
            self.skip(b',');
        }
        Value::Table(entries)
    }

    fn list(&mut self) -> Value {
        let mut nodes = Vec::new();
        self.skip(b'[');
        while !self.skip(b']') {
            nodes.push(self.value());
            self.skip(b',');
        }
        Value::List(nodes)
    }

    fn string(&mut self) -> String {
        let start = self.at;
        self.at += 1;
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(|byte| *byte != b'"') {
            self.at += if bytes[self.at] == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
        serde_json::from_str(&self.text[start..self.at]).unwrap_or_default()
    }

    fn word(&mut self) -> Value {
        let start = self.at;
        let rest = &self.text[start..];
        let length = rest.find(|c: char| c.is_ascii_whitespace() || ",]}".contains(c));
        self.at += length.unwrap_or(rest.len()).max(1);
        match &self.text[start..self.at] {
            "null" => Value::Empty,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            number => Value::Number(number.to_owned()),
        }
    }
}
