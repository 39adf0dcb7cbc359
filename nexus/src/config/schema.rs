//! JSON Schema (draft 2020-12) of the configuration, for editors.

use serde_json::{Map, Value, json};

use crate::config::model::{Default, Key, Kind, TOP, Table};
use crate::config::node::Origin;
use crate::config::scalar::Scalar;
use crate::config::section;

/// Returns the schema of a whole configuration.
pub fn schema() -> Value {
    let mut schema = table(&TOP);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("Nexus");
    // What a variable stands for only `nexus check` can know.
    let variable = json!({ "type": "string", "pattern": "\\$\\{[A-Za-z_]" });
    schema["$defs"] = json!({ "variable": variable });
    schema
}

fn table(table: &Table) -> Value {
    let properties: Map<String, Value> =
        table.keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let mut schema = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    let required: Vec<_> = table.required().map(|key| key.name).collect();
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    let groups: Vec<Value> = table.groups.iter().flat_map(group).collect();
    if !groups.is_empty() {
        schema["allOf"] = json!(groups);
    }
    schema
}

/// Says that of some keys there may be one only, and perhaps must be one.
fn group(group: &crate::config::model::Group) -> Vec<Value> {
    let has = |key: &&str| json!({ "required": [key] });
    let each: Vec<Value> = group.keys.iter().map(has).collect();
    if group.is_required {
        return vec![json!({ "oneOf": each })];
    }
    let pairs = group.keys.iter().enumerate();
    let pairs = pairs.flat_map(|(at, a)| group.keys[at + 1..].iter().map(move |b| (a, b)));
    pairs.map(|(a, b)| json!({ "not": { "required": [a, b] } })).collect()
}

fn property(key: &Key) -> Value {
    let mut schema = kind(&key.kind);
    schema["description"] = json!(key.meaning);
    if let (Default::Is(_), Some(node)) = (key.default, section::default(key)) {
        schema["default"] = value(&node);
    }
    schema
}

fn kind(of: &Kind) -> Value {
    match of {
        Kind::One(one) => scalar(*one),
        Kind::Many(of) => json!({ "type": "array", "items": kind(of) }),
        Kind::OneOrMany(one) => {
            let one = scalar(*one);
            json!({ "anyOf": [one.clone(), { "type": "array", "items": one }] })
        }
        Kind::Named(names, of) => json!({
            "type": "object",
            "propertyNames": names.schema(),
            "additionalProperties": kind(of),
        }),
        Kind::Table(inner) => table(inner),
        Kind::Short(short, _, inner) => json!({ "anyOf": [kind(short), table(inner)] }),
    }
}

fn scalar(scalar: Scalar) -> Value {
    match scalar.schema() {
        any if any == json!({ "type": "string" }) => any,
        one => json!({ "anyOf": [one, { "$ref": "#/$defs/variable" }] }),
    }
}

/// Returns a tree as JSON, without secrets.
pub fn value(node: &crate::config::node::Node) -> Value {
    use crate::config::node::Value as Written;
    match &node.value {
        _ if node.origin == Origin::Secret => json!("(secret-from-a-file)"),
        Written::Empty => Value::Null,
        Written::Bool(value) => json!(value),
        Written::Number(text) => text
            .parse::<i64>()
            .map_or_else(|_| json!(text.parse::<f64>().unwrap_or_default()), |n| json!(n)),
        Written::Text(text) => json!(text),
        Written::List(nodes) => nodes.iter().map(value).collect(),
        Written::Table(entries) => entries
            .iter()
            .map(|entry| (entry.key.clone(), value(&entry.node)))
            .collect::<Map<_, _>>()
            .into(),
    }
}
