//! Every effective value, and where it came from.
//!
//! ```text
//! pools.web.timeouts.connect   500ms   nexus.yaml:7
//! pools.web.timeouts.response  30s     default
//! ```

use serde_json::{Value as Json, json};

use crate::config::model::{Default, Key, Kind, TOP, Table};
use crate::config::node::{Node, Origin, Value};
use crate::config::scalar::Scalar;
use crate::config::schema;
use crate::config::section;
use crate::config::source::Sources;

/// What stands for what nobody may see.
const SECRET: &str = "(secret)";

/// One value.
struct Line {
    path: String,
    value: String,
    from: String,
}

/// Writes a configuration for people, one value a line.
pub fn text(root: &Node, sources: &Sources) -> String {
    let lines = lines(root, sources);
    let width =
        |of: fn(&Line) -> &str| lines.iter().map(|l| of(l).chars().count()).max().unwrap_or(0);
    let (paths, values) = (width(|l| &l.path), width(|l| &l.value).min(48));
    let line =
        |Line { path, value, from }: &Line| format!("{path:paths$}  {value:values$}  {from}\n");
    lines.iter().map(line).collect()
}

/// Writes a configuration for programs.
pub fn json(root: &Node, sources: &Sources) -> Json {
    let line =
        |Line { path, value, from }: &Line| json!({ "path": path, "value": value, "from": from });
    lines(root, sources).iter().map(line).collect()
}

fn lines(root: &Node, sources: &Sources) -> Vec<Line> {
    let mut printing = Printing { sources, lines: Vec::new() };
    printing.table("", &TOP, Some(root), None);
    printing.lines
}

struct Printing<'a> {
    sources: &'a Sources,
    lines: Vec<Line>,
}

impl Printing<'_> {
    fn table(
        &mut self,
        path: &str,
        table: &'static Table,
        node: Option<&Node>,
        from: Option<&str>,
    ) {
        for key in table.keys {
            let dot = if path.is_empty() { "" } else { "." };
            let path = format!("{path}{dot}{}", key.name);
            let is_in_group = |name: &str| {
                let group = table.groups.iter().find(|group| group.keys.contains(&name));
                group.is_some_and(|group| {
                    group.keys.iter().any(|key| node.is_some_and(|n| n.get(key).is_some()))
                })
            };
            match node.and_then(|node| node.get(key.name)) {
                Some(node) => self.value(&path, &key.kind, node, from),
                // What another key of its group says has no default.
                None if is_in_group(key.name) => {}
                None => self.default(&path, key),
            }
        }
    }

    fn default(&mut self, path: &str, key: &'static Key) {
        match (key.default, key.kind.table()) {
            (Default::Is(_), _) => {
                if let Some(node) = section::default(key) {
                    self.value(path, &key.kind, &node, Some("default"));
                }
            }
            (Default::Section, Some(table)) => self.table(path, table, None, None),
            (Default::Absent(words), _) if words != "–" => {
                self.line(path, format!("({words})"), "default".to_owned());
            }
            (Default::Required | Default::Section | Default::Absent(_), _) => {}
        }
    }

    fn value(&mut self, path: &str, kind: &'static Kind, node: &Node, from: Option<&str>) {
        match (kind, &node.value) {
            (Kind::Table(table) | Kind::Short(_, _, table), Value::Table(_)) => {
                self.table(path, table, Some(node), from);
            }
            (Kind::Short(short, key, table), _) => {
                self.value(&format!("{path}.{key}"), short, node, from);
                for other in table.keys.iter().filter(|other| other.name != *key) {
                    let is_excluded =
                        table.groups.iter().any(|group| group.keys.contains(&other.name));
                    if !is_excluded {
                        self.default(&format!("{path}.{}", other.name), other);
                    }
                }
            }
            (Kind::Many(of), Value::List(nodes)) if of.table().is_some() => {
                for (at, node) in nodes.iter().enumerate() {
                    self.value(&format!("{path}[{at}]"), of, node, from);
                }
            }
            (Kind::Named(_, of), Value::Table(entries)) if !entries.is_empty() => {
                for entry in entries {
                    self.value(&format!("{path}.{}", entry.key), of, &entry.node, from);
                }
            }
            (Kind::One(Scalar::Secret), _) => {
                self.line(path, SECRET.to_owned(), self.origin(node, from));
            }
            _ => self.line(path, shown(node), self.origin(node, from)),
        }
    }

    fn origin(&self, node: &Node, from: Option<&str>) -> String {
        let place = self.sources.place(node.span);
        let written = format!("{}:{}", place.file, place.line);
        match (from, &node.origin) {
            (Some(from), _) => from.to_owned(),
            (None, Origin::Written | Origin::Missing) => written,
            (None, Origin::Environment) => format!("{written}, with the environment"),
            (None, Origin::Secret) => format!("{written}, from a file"),
        }
    }

    fn line(&mut self, path: &str, value: String, from: String) {
        self.lines.push(Line { path: path.to_owned(), value, from });
    }
}

fn shown(node: &Node) -> String {
    match (&node.origin, node.text()) {
        (Origin::Secret, _) => SECRET.to_owned(),
        (_, Some("")) => "\"\"".to_owned(),
        (_, Some(text)) => text.escape_debug().to_string(),
        (_, None) => schema::value(node).to_string(),
    }
}
