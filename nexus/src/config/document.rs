//! A configuration that was gathered, as one JSON document that needs no further files: how it
//! travels to a Nexus that runs. Secrets are in it.

use serde_json::{Map, Value as Json, json};

use crate::config::node::{Node, Value};

/// Writes a tree.
pub fn write(root: &Node) -> Json {
    let mut document = value(root);
    // What they include is in the tree.
    if let Some(table) = document.as_object_mut() {
        table.remove("include");
    }
    document
}

fn value(node: &Node) -> Json {
    match &node.value {
        Value::Empty => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Number(text) => text.parse().unwrap_or_else(|_| json!(text)),
        // Variables have been put in: what is left of their kind is meant as it stands.
        Value::Text(text) => json!(text.replace("${", "$${")),
        Value::List(nodes) => nodes.iter().map(value).collect(),
        Value::Table(entries) => {
            let entry =
                |entry: &crate::config::node::Entry| (entry.key.clone(), value(&entry.node));
            entries.iter().map(entry).collect::<Map<_, _>>().into()
        }
    }
}
