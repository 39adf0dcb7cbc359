//! A file as a tree in which every part knows where it stands, whatever format it was written in.

/// Which file; an index into [`crate::config::source::Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u16);

/// A stretch of a file, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

/// What is written at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing: `key:` in YAML, `null`.
    Empty,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it was written.
    Number(String),
    /// Text.
    Text(String),
    /// `[a, b]`.
    List(Vec<Node>),
    /// `{key: value}`, in the order of the file.
    Table(Vec<Entry>),
}

/// Where a value came from, if not from what stands at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// From the file itself.
    Written,
    /// From the environment, or from a default beside a variable's name.
    Environment,
    /// From a file that holds a secret: it is never shown.
    Secret,
    /// From something that is not there, which was complained about.
    Missing,
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub value: Value,
    /// Where it came from.
    pub origin: Origin,
}

/// One line of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub span: Span,
    /// What it is set to.
    pub node: Node,
}

impl Node {
    /// Makes a node that was written as it is.
    pub fn new(span: Span, value: Value) -> Self {
        Self { span, value, origin: Origin::Written }
    }

    /// Returns the value under a key, if this is a table that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// Returns the line of a key, if this is a table that has it.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// Returns the lines of a table; nothing for anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Table(entries) => entries,
            _ => &[],
        }
    }

    /// Says whether a place is in it.
    pub fn holds(&self, span: Span) -> bool {
        let is_in = |outer: Span| {
            outer.file == span.file && outer.start <= span.start && span.end <= outer.end
        };
        is_in(self.span)
            || match &self.value {
                Value::List(nodes) => nodes.iter().any(|node| node.holds(span)),
                Value::Table(entries) => {
                    entries.iter().any(|entry| is_in(entry.span) || entry.node.holds(span))
                }
                Value::Empty | Value::Bool(_) | Value::Number(_) | Value::Text(_) => false,
            }
    }

    /// Returns a scalar as text.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Bool(true) => Some("true"),
            Value::Bool(false) => Some("false"),
            Value::Number(text) | Value::Text(text) => Some(text),
            Value::Empty | Value::List(_) | Value::Table(_) => None,
        }
    }

    /// Says what is written here, for people.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Empty => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Table(_) => "a table of keys",
        }
    }
}
