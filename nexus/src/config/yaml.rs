//! YAML text to a tree. YAML 1.2: `yes`, `no`, `on` and `off` are text.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};

use crate::config::node::{Entry, FileId, Node, Span, Value};
use crate::config::problem::{Problem, Step};

/// Parts of a tree, aliases written out: a file of a few lines can stand for billions.
const NODES_MAX: usize = 1_000_000;

/// Reads YAML.
///
/// # Errors
///
/// Fails at the first place that is not YAML, or is YAML that means nothing here (several
/// documents, tags, keys that are not text); says every key that a table has twice.
pub fn read(text: &str, file: FileId) -> Result<Node, Vec<Problem>> {
    let mut builder = Builder::new(text, file);
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| vec![builder.broken(&error)])?;
        let span = builder.span(span.start.index(), span.end.index());
        builder.take(event, span).map_err(|problem| vec![problem])?;
    }
    if builder.problems.is_empty() { Ok(builder.root()) } else { Err(builder.problems) }
}

/// A list or table that is not complete yet.
struct Open {
    anchor: usize,
    span: Span,
    items: Items,
}

enum Items {
    List(Vec<Node>),
    Table(Vec<Entry>, Option<(String, Span)>),
}

struct Builder {
    file: FileId,
    /// The byte that each character begins at; empty if all are one byte.
    bytes: Vec<usize>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    root: Option<Node>,
    nodes: usize,
    problems: Vec<Problem>,
}

impl Builder {
    fn new(text: &str, file: FileId) -> Self {
        let bytes = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices().map(|(at, _)| at).chain([text.len()]).collect()
        };
        let (open, anchors, problems) = (Vec::new(), HashMap::new(), Vec::new());
        Self { file, bytes, open, anchors, root: None, nodes: 0, problems }
    }

    fn span(&self, start: usize, end: usize) -> Span {
        let byte = |at: usize| match self.bytes.last() {
            None => at,
            Some(last) => self.bytes.get(at).copied().unwrap_or(*last),
        };
        Span { file: self.file, start: byte(start), end: byte(end) }
    }

    fn broken(&self, error: &ScanError) -> Problem {
        let at = error.marker().index();
        let hint = match error.info() {
            info if info.contains("tab") => "indent with spaces, never with tabs",
            info if info.contains("indent")
                || info.contains("block")
                || info.contains("simple key") =>
            {
                "check the indentation, and that `key:` is followed by a space; quote text that contains `: ` or begins with `*`, `&`, `@` or `%`"
            }
            info if info.contains("flow") || info.contains(']') || info.contains('}') => {
                "quote text that contains `: ` or `, `; close every `[` with `]` and every `{` with `}`, with commas in between"
            }
            info if info.contains("quote")
                || info.contains("scalar")
                || info.contains("escape") =>
            {
                "close every quote; in double quotes write a backslash as `\\\\`"
            }
            _ => "quote text that contains `: ` or begins with `*`, `&`, `@`, `%` or a backquote",
        };
        let cause = format!("not YAML: {}", error.info());
        Problem::error(Step::Syntax, self.span(at, at + 1), cause, hint)
    }

    fn root(self) -> Node {
        let empty = Span { file: self.file, start: 0, end: 0 };
        let is_something = |node: &Node| node.value != Value::Empty;
        let root = self.root.filter(is_something);
        root.unwrap_or_else(|| Node::new(empty, Value::Table(Vec::new())))
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        let refuse = |cause: &str, hint: &str| Err(Problem::error(Step::Syntax, span, cause, hint));
        match event {
            Event::DocumentStart(_) if self.root.is_some() => {
                return refuse(
                    "a second document in one file",
                    "remove the `---` and what follows, or move it to a file of its own and `include` it",
                );
            }
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => {
                return refuse("tags mean nothing here", "remove the word that begins with `!`");
            }
            Event::Scalar(text, style, anchor, None) => {
                let value = if style == ScalarStyle::Plain {
                    plain(&text)
                } else {
                    Value::Text(text.into_owned())
                };
                return self.place(Node::new(span, value), anchor);
            }
            Event::SequenceStart(anchor, None) => {
                self.open.push(Open { anchor, span, items: Items::List(Vec::new()) });
            }
            Event::MappingStart(anchor, None) => {
                self.open.push(Open { anchor, span, items: Items::Table(Vec::new(), None) });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { anchor, span: start, items }) = self.open.pop() else {
                    return Ok(());
                };
                let value = match items {
                    Items::List(nodes) => Value::List(nodes),
                    Items::Table(entries, _) => Value::Table(entries),
                };
                return self.place(Node::new(Span { end: span.end, ..start }, value), anchor);
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return refuse("an alias inside of what it stands for", "write the value out");
                };
                self.nodes += size(&node);
                return self.place(node, 0);
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => {}
        }
        Ok(())
    }

    /// Puts a complete node where it belongs.
    fn place(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            let cause = format!("more than {NODES_MAX} values");
            return Err(Problem::error(
                Step::Syntax,
                node.span,
                cause,
                "write aliases (`*name`) out only where they are needed",
            ));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.items) {
            None => self.root = Some(node),
            Some(Items::List(nodes)) => nodes.push(node),
            Some(Items::Table(entries, waiting)) => match waiting.take() {
                None => {
                    let Some(key) = node.text() else {
                        let cause = "a key must be one word";
                        let hint = "write `key: value`; quote text that begins with `{` or `[`";
                        return Err(Problem::error(Step::Syntax, node.span, cause, hint));
                    };
                    *waiting = Some((key.to_owned(), node.span));
                }
                Some((key, span)) => {
                    let first = entries.iter().find(|entry| entry.key == key);
                    self.problems.extend(first.map(|first| twice(&key, span, first.span)));
                    entries.push(Entry { key, span, node });
                }
            },
        }
        Ok(())
    }
}

/// A key that a table has twice.
pub(super) fn twice(key: &str, span: Span, first: Span) -> Problem {
    let hint = "keep one of the two, or put the values of both under one";
    Problem::error(Step::Syntax, span, format!("`{key}` is there twice"), hint)
        .beside(first, "first here")
}

fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::List(nodes) => nodes.iter().map(size).sum(),
        Value::Table(entries) => entries.iter().map(|entry| size(&entry.node)).sum(),
        _ => 0,
    }
}

/// Says what unquoted text is (YAML 1.2.2 §10.3.2, without octal, hexadecimal and infinities).
pub(super) fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Empty,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ if is_number(text) => Value::Number(text.to_owned()),
        _ => Value::Text(text.to_owned()),
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'-' | b'+'))
        && digits.parse::<f64>().is_ok()
}
