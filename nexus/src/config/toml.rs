//! TOML text to a tree.

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use crate::config::node::{Entry, FileId, Node, Span, Value};
use crate::config::problem::{Problem, Step};

/// Reads TOML.
///
/// # Errors
///
/// Says every place that is not TOML.
pub fn read(text: &str, file: FileId) -> Result<Node, Vec<Problem>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(errors.iter().map(|error| broken(error, file)).collect());
    }
    let span = Span { file, start: 0, end: text.len() };
    Ok(Node::new(span, entries(table.into_inner(), file)))
}

fn broken(error: &Error, file: FileId) -> Problem {
    let range = error.span().unwrap_or(0..0);
    let span = Span { file, start: range.start, end: range.end };
    let said = error.message().lines().next().unwrap_or_default();
    let hint = match said {
        _ if said.contains("duplicate") => {
            "keep one of the two, or put the values of both under one"
        }
        _ if said.contains("quote") || said.contains("string") => {
            "write text in double quotes: key = \"text\""
        }
        _ if said.contains("key") => "write `key = value`, one on a line, tables as `[pools.web]`",
        _ => "write `key = \"text\"`, `key = 1`, `key = true` or `key = [\"a\", \"b\"]`",
    };
    Problem::error(Step::Syntax, span, format!("not TOML: {said}"), hint)
}

fn entries(table: DeTable<'_>, file: FileId) -> Value {
    let mut entries: Vec<Entry> = table
        .into_iter()
        .map(|(key, value)| Entry {
            span: place(&key, file),
            key: key.into_inner().into_owned(),
            node: node(value, file),
        })
        .collect();
    entries.sort_by_key(|entry| entry.span);
    Value::Table(entries)
}

fn place<T>(spanned: &Spanned<T>, file: FileId) -> Span {
    Span { file, start: spanned.span().start, end: spanned.span().end }
}

fn node(value: Spanned<DeValue<'_>>, file: FileId) -> Node {
    let span = place(&value, file);
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) if number.radix() == 10 => {
            Value::Number(number.as_str().to_owned())
        }
        DeValue::Integer(number) => {
            let value = i64::from_str_radix(number.as_str(), number.radix());
            Value::Number(
                value.map_or_else(|_| number.as_str().to_owned(), |value| value.to_string()),
            )
        }
        DeValue::Float(number) => Value::Number(number.as_str().to_owned()),
        DeValue::Boolean(value) => Value::Bool(value),
        DeValue::Datetime(time) => Value::Text(time.to_string()),
        DeValue::Array(items) => {
            Value::List(items.into_iter().map(|item| node(item, file)).collect())
        }
        DeValue::Table(table) => entries(table, file),
    };
    Node::new(span, value)
}
