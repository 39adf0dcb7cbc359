//! A configuration that was gathered, as one JSON document that needs no further files: how it
//! travels to a Nexus that runs. Secrets are in it, but no certificates and keys: only where they
//! are.

use serde_json::{Map, Value as Json, json};

use crate::config::Files;
use crate::config::model::{Kind, TOP};
use crate::config::node::{Entry, Node, Value};
use crate::config::scalar::Scalar;

static A_CONFIGURATION: Kind = Kind::Table(&TOP);

/// Writes a tree.
pub fn write(root: &Node, files: Files<'_>) -> Json {
    let mut document = value(root, Some(&A_CONFIGURATION), files);
    // What they include is in the tree.
    if let Some(table) = document.as_object_mut() {
        table.remove("include");
    }
    document
}

/// Writes what stands where something of a kind belongs.
fn value(node: &Node, kind: Option<&'static Kind>, files: Files<'_>) -> Json {
    match &node.value {
        Value::Empty => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Number(text) => text.parse().unwrap_or_else(|_| json!(text)),
        Value::Text(_) if kind.is_some_and(is_file) => json!(plain(&files.path(node))),
        Value::Text(text) => json!(plain(text)),
        Value::List(nodes) => {
            let of = match kind {
                Some(Kind::Many(of)) => Some(*of),
                other => other,
            };
            nodes.iter().map(|node| value(node, of, files)).collect()
        }
        Value::Table(entries) => {
            let entry = |entry: &Entry| {
                let kind = kind.and_then(|kind| part(kind, &entry.key));
                (entry.key.clone(), value(&entry.node, kind, files))
            };
            entries.iter().map(entry).collect::<Map<_, _>>().into()
        }
    }
}

/// Variables have been put in: what is left of their kind is meant as it stands.
fn plain(text: &str) -> String {
    text.replace("${", "$${")
}

/// Returns the kind of what stands under a key.
fn part(kind: &'static Kind, key: &str) -> Option<&'static Kind> {
    match kind {
        Kind::Named(_, of) => Some(of),
        Kind::Table(table) | Kind::Short(_, _, table) => table.key(key).map(|key| &key.kind),
        Kind::One(_) | Kind::OneOrMany(_) | Kind::Many(_) => None,
    }
}

/// Says whether a single value of this kind names a file.
fn is_file(kind: &'static Kind) -> bool {
    match kind {
        Kind::One(scalar) | Kind::OneOrMany(scalar) => *scalar == Scalar::File,
        Kind::Short(short, _, _) => is_file(short),
        Kind::Many(_) | Kind::Named(..) | Kind::Table(_) => false,
    }
}
