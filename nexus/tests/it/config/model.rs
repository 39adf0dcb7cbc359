//! Whatever the model has is accepted and read, and nothing else is.

use nexus::config::model::{self, Default, Key, Kind, TOP, Table};
use nexus::config::schema;

use super::{Values, causes, loaded, words, yaml};

/// What every document here stands on: pools that routes can name.
const POOLS: &str = "{ web: { backends: [\"http://a:1\", \"http://b:1\"] }, canary: { backends: [\"http://c:1\"] } }";

/// A document in which one key is set, and the same without it, as YAML.
struct Pair {
    path: String,
    with: String,
    without: String,
}

/// Makes a pair of documents for every key of every table.
fn pairs() -> Vec<Pair> {
    let mut pairs = Vec::new();
    tables(&TOP, "", &|inner| inner.to_owned(), &mut pairs);
    pairs
}

/// Goes through a table whose text, as flow YAML, `wrap` puts into a whole document.
fn tables(table: &'static Table, path: &str, wrap: &dyn Fn(&str) -> String, pairs: &mut Vec<Pair>) {
    for key in table.keys {
        let path = format!("{path}.{}", key.name);
        let document = |value: Option<&str>| wrap(&flow(table, key, value));
        let is_default = matches!(key.default, Default::Is(default) if default == key.example);
        if !is_default {
            let (with, without) = (document(Some(key.example)), document(None));
            pairs.push(Pair { path: path.clone(), with, without });
        }
        if let Some(inner) = key.kind.table() {
            let around = |value: &str| document(Some(&nest(&key.kind, value)));
            tables(inner, &path, &around, pairs);
        }
    }
}

/// Puts a table's text into what its key is set to.
fn nest(kind: &Kind, value: &str) -> String {
    match kind {
        Kind::Many(_) => format!("[{value}]"),
        Kind::Named(..) => format!("{{ web: {value} }}"),
        Kind::Short(_, _, _) | Kind::Table(_) | Kind::One(_) | Kind::OneOrMany(_) => {
            value.to_owned()
        }
    }
}

/// Writes a table in which `key` is set to `value`, with all that it cannot be without.
fn flow(table: &Table, key: &Key, value: Option<&str>) -> String {
    let group = table.groups.iter().find(|group| group.is_required);
    let mut lines = Vec::new();
    for other in table.required().filter(|other| other.name != key.name) {
        lines.push(format!("{}: {}", other.name, other.example));
    }
    if let Some(first) = group.map(|group| group.keys[0]).filter(|_| !excludes(table, key)) {
        lines.push(format!("{first}: {}", table.key(first).unwrap().example));
    }
    match (table.name, key.name) {
        // Alone they mean nothing.
        ("a rewrite", "regex") => lines.push("replace: /".to_owned()),
        ("a rewrite", "replace") => lines.push("regex: '(/)'".to_owned()),
        // Whom this machine trusts is no matter for a test.
        ("TLS of a pool", "key") => {
            lines.extend(["ca: backends.pem", "cert: site.pem"].map(ToOwned::to_owned));
        }
        ("TLS of a pool", name) if name != "ca" => lines.push("ca: backends.pem".to_owned()),
        ("a configuration", "pools" | "backends") => {}
        ("a configuration", _) => lines.push(format!("pools: {POOLS}")),
        _ => {}
    }
    if table.name == "a configuration" && !matches!(key.name, "routes" | "pools" | "backends") {
        lines.push("routes: [{ name: web, pool: web }]".to_owned());
    }
    match value {
        Some(value) => lines.push(format!("{}: {value}", key.name)),
        // A key that must be there differs from itself with another value.
        None if matches!(key.default, Default::Required)
            || excludes(table, key)
            || (table.name, key.name) == ("TLS of a pool", "ca")
            || (table.name, key.name) == ("a configuration", "routes") =>
        {
            lines.push(format!("{}: {}", key.name, other_value(key)));
        }
        None => lines.retain(|line| !line.starts_with("replace: ") && !line.starts_with("regex: ")),
    }
    format!("{{ {} }}", lines.join(", "))
}

/// Says whether the key is one of those of which there must be one.
fn excludes(table: &Table, key: &Key) -> bool {
    table.groups.iter().any(|group| group.is_required && group.keys.contains(&key.name))
}

fn other_value(key: &Key) -> &'static str {
    match (key.name, &key.kind) {
        ("pool", _) if key.example == "canary" => "web",
        ("pool", _) => "canary",
        ("redirect", _) => "{ host: other.example.com }",
        ("respond", _) => "{ status: 205 }",
        ("split", _) => "[{ pool: web, weight: 1 }, { pool: canary, weight: 9 }]",
        ("routes", _) => "[{ pool: web }]",
        ("pools", _) => "[{ pool: canary, weight: 1 }]",
        ("backends", _) => "[\"http://other:1\"]",
        ("weight", _) => "1000",
        ("present", _) => "true",
        ("address", _) => "\":9999\"",
        ("url", _) => "http://other:1",
        ("value" | "regex" | "name", _) => "other",
        ("rate", _) => "1/h",
        ("window" | "timeout", _) => "7s",
        ("cookie" | "app_cookie" | "header", _) => "X-Other",
        ("client", _) => "address",
        ("cert" | "ca", _) => "other.pem",
        ("certificates", _) => "[other.pem]",
        ("max_age", _) => "7d",
        ("token", _) => "fedcba9876543210",
        _ => panic!("another value for {}", key.name),
    }
}

#[test]
fn every_key_changes_what_is_read() {
    let world =
        |text: &str| Values::of(&[("nexus.yaml", text), ("conf.d/a.yaml", "{ workers: 7 }")]);
    let mut count = 0;
    for Pair { path, with, without } in pairs() {
        // A condition, not a value: it is true or not there.
        let without = if path.ends_with(".present") {
            without.replace("present: true", "value: x")
        } else if path.ends_with(".client") {
            without.replace("client: address", "header: X-Other")
        } else {
            without
        };
        let read = |text: &str| words(&loaded(&world(text), "nexus.yaml"));
        assert_ne!(read(&with), read(&without), "{path}: {with} and {without}");
        count += 1;
    }
    assert!(count > 60, "{count} keys");
}

#[test]
fn every_document_that_is_read_is_right_for_the_schema_too() {
    let validator = jsonschema::validator_for(&schema::schema()).unwrap();
    for Pair { path, with, .. } in pairs() {
        let values = Values::of(&[("nexus.yaml", &with), ("conf.d/a.yaml", "")]);
        let root = nexus::config::load("nexus.yaml", &values).root.unwrap();
        let value = schema::value(&root);
        let errors: Vec<_> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{path}: {with}: {errors:?}");
    }
}

#[test]
fn every_default_is_what_is_read_without_it() {
    let mut texts = Vec::new();
    model::walk("", &TOP, &mut |path, table| {
        for key in table.keys {
            if let Default::Is(text) = key.default {
                texts.push((path.to_owned(), key.name, text));
            }
        }
    });
    for (path, name, default) in texts.into_iter().filter(|(path, ..)| !path.contains(['[', '<'])) {
        let section = match path.as_str() {
            "" => format!("{{ {name}: {default}, backends: [\"http://a:1\"] }}"),
            _ => format!("{{ {path}: {{ {name}: {default} }}, backends: [\"http://a:1\"] }}"),
        };
        // What is nowhere unless written has no default as a whole, but its keys have.
        let is_absent = TOP.key(&path).is_some_and(|key| matches!(key.default, Default::Absent(_)));
        let empty = if is_absent { format!("{path}: {{}}, ") } else { String::new() };
        let plain = words(&yaml(&format!("{{ {empty}backends: [\"http://a:1\"] }}")));
        assert_eq!(words(&yaml(&section)), plain, "{section}");
    }
}

#[test]
fn no_key_that_others_use_is_one_of_ours() {
    model::walk("", &TOP, &mut |path, table| {
        for key in table.keys {
            for other in key.elsewhere {
                assert!(table.key(other).is_none(), "{other} at {path}");
            }
        }
    });
}

#[test]
fn the_words_of_other_balancers_are_translated() {
    let said = causes("upstreams: [http://a:1]");
    assert_eq!(said, ["unknown key `upstreams` in a configuration"]);
}
