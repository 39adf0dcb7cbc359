//! The reference of all keys, as Markdown.

use std::fmt::Write;

use crate::config::model::{self, Default, Key, Kind, TOP, Table};

const INTRODUCTION: &str = "\
# Configuration

Every key that a configuration file may have. This page is made from the same description that files
are checked and read by (`nexus/src/config/model.rs`); a test keeps it true.

A file is YAML, TOML or JSON, as its name ends: `.yaml`, `.yml`, `.toml`, `.json`. All three have the
same keys. `nexus init` writes a file to start from, `nexus check FILE` finds every problem in one,
`nexus check FILE --print` shows every value and where it came from, and `nexus schema` is for
editors. Complete files are in [`examples/`](../examples).

* **Times** have a unit: `250ms`, `10s`, `1h30m`. **Sizes** are bytes or have one: `64KiB`, `10MB`.
* **`${NAME}`** in a value is a variable of the environment, `${NAME:-default}` one that may be
  missing, `${file:PATH}` what a file says (relative to this one; never shown). `$${` is `${`.
* **The short form** of a whole file is `listen` and `backends`: one pool, `default`, that gets every
  request. An empty file is the same as none.
* **Command-line flags win** over the file.
* **Of all routes that match the most specific is taken**, wherever it stands: an exact host before
  a longer `*.wildcard`, before a shorter, before any; then an exact path before an expression,
  before a longer prefix, before a shorter; then whichever asks for more of methods, headers, query
  and clients. Two routes that are equal in all that and can match the same request are an error.
";

/// Writes the page.
pub fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    let mut seen: Vec<(&str, String)> = Vec::new();
    model::walk("", &TOP, &mut |path, table| {
        let heading =
            if path.is_empty() { "The top of a file".to_owned() } else { format!("`{path}`") };
        let _ = write!(page, "\n## {heading}\n\n");
        match seen.iter().find(|(name, _)| *name == table.name) {
            Some((_, first)) => {
                let _ = writeln!(page, "As {first}.");
            }
            None => {
                seen.push((table.name, heading));
                section(&mut page, table);
            }
        }
    });
    page
}

fn section(page: &mut String, table: &Table) {
    let name = format!("{}{}", table.name[..1].to_uppercase(), &table.name[1..]);
    let _ = writeln!(page, "{name}.\n");
    for group in table.groups {
        let keys: Vec<_> = group.keys.iter().map(|key| format!("`{key}`")).collect();
        let how = if group.is_required { "Exactly one" } else { "At most one" };
        let _ = writeln!(page, "{how} of {}.\n", keys.join(", "));
    }
    let _ = writeln!(page, "| key | is | default | meaning | example |\n|---|---|---|---|---|");
    for key in table.keys {
        row(page, key);
    }
}

fn row(page: &mut String, key: &Key) {
    let default = match key.default {
        Default::Required => "required".to_owned(),
        Default::Is(text) => format!("`{text}`"),
        Default::Section => "every key its own".to_owned(),
        Default::Absent(words) => words.to_owned(),
    };
    let cells = [what(&key.kind), default, key.meaning.to_owned(), format!("`{}`", key.example)];
    let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    let _ = writeln!(page, "| `{}` | {} |", key.name, cells.join(" | "));
}

/// Says what a key is set to, and what each part of it is.
fn what(kind: &Kind) -> String {
    match kind {
        Kind::One(_) | Kind::OneOrMany(_) => kind.phrase(),
        Kind::Many(of) => format!("a list, each {}", what(of)),
        Kind::Named(_, of) => format!("a table of names, each {}", what(of)),
        Kind::Table(table) => table.name.to_owned(),
        Kind::Short(short, key, table) => {
            format!("{} (its `{key}`), or {}", what(short), table.name)
        }
    }
}
