//! A tree against the model: unknown keys, missing keys, keys that exclude each other, values of a
//! wrong kind.

use crate::config::model::{self, Key, Kind, TOP, Table};
use crate::config::nearest;
use crate::config::node::{Entry, Node, Origin, Span, Value};
use crate::config::problem::{Problem, Step};
use crate::config::scalar::Scalar;
use crate::config::yaml;

/// What a long value is cut to in a message, in characters.
const SHOWN_MAX: usize = 40;

/// What a look at a tree's shape finds.
#[derive(Default)]
pub struct Check {
    /// Everything that does not look as the model says.
    pub problems: Vec<Problem>,
    /// Where secrets are written.
    pub secrets: Vec<Span>,
}

/// Looks at a tree's shape.
pub fn check(root: &Node) -> Check {
    let mut check = Check::default();
    check.table(root, &TOP, "the file", root.span);
    check
}

impl Check {
    fn say(&mut self, span: Span, cause: String, hint: impl Into<String>) {
        self.problems.push(Problem::error(Step::Shape, span, cause, hint));
    }

    /// Checks what stands at `name`; an example of `key` is what hints show.
    fn value(&mut self, node: &Node, kind: &'static Kind, name: &str, key: &Key) {
        if node.origin == Origin::Missing {
            return;
        }
        if node.value == Value::Empty {
            let hint = format!(
                "write a value, such as `{}: {}`, or remove the key",
                key.name, key.example
            );
            return self.say(node.span, format!("`{name}` has no value"), hint);
        }
        match (kind, &node.value) {
            (Kind::One(scalar), _) => self.scalar(node, *scalar, name),
            (Kind::OneOrMany(scalar), Value::List(nodes)) => {
                nodes.iter().for_each(|node| self.scalar(node, *scalar, name));
            }
            (Kind::OneOrMany(scalar), _) => self.scalar(node, *scalar, name),
            (Kind::Many(of), Value::List(nodes)) => {
                nodes.iter().for_each(|node| self.value(node, of, name, key));
            }
            (Kind::Named(names, of), Value::Table(entries)) => {
                for entry in entries {
                    self.name(entry, *names, name);
                    self.value(&entry.node, of, &format!("{name}.{}", entry.key), key);
                }
            }
            (Kind::Table(table) | Kind::Short(_, _, table), Value::Table(_)) => {
                self.table(node, table, &format!("`{name}`"), node.span);
            }
            (Kind::Short(short, _, _), _) => self.value(node, short, name, key),
            (Kind::Many(_) | Kind::Named(..) | Kind::Table(_), _) => {
                let what = kind.phrase();
                let cause = format!("`{name}` must be {what}, not {}", describe(node));
                self.say(node.span, cause, format!("write `{}: {}`", key.name, key.example));
            }
        }
    }

    fn scalar(&mut self, node: &Node, scalar: Scalar, name: &str) {
        if node.origin == Origin::Missing {
            return;
        }
        let is_secret = scalar == Scalar::Secret;
        if is_secret {
            self.secrets.push(node.span);
        }
        if let Err(complaint) = scalar.parse(node) {
            let found = if is_secret { "what is there".to_owned() } else { describe(node) };
            let cause = format!("`{name}` must be {}, not {found}", scalar.phrase());
            self.problems.push(Problem::error(complaint.step, node.span, cause, complaint.hint));
        }
    }

    fn name(&mut self, entry: &Entry, names: Scalar, of: &str) {
        if let Err(complaint) = names.read(&entry.key) {
            let cause = format!("`{}` in `{of}` must be {}", entry.key, names.phrase());
            self.say(entry.span, cause, complaint.hint);
        }
    }

    fn table(&mut self, node: &Node, table: &'static Table, name: &str, span: Span) {
        let Value::Table(entries) = &node.value else {
            let cause = format!("{name} must be a table of keys, not {}", describe(node));
            return self.say(
                node.span,
                cause,
                "begin with `pools:`, or run `nexus init` for a file to start from",
            );
        };
        for entry in entries {
            match table.key(&entry.key) {
                Some(key) => self.value(&entry.node, &key.kind, &entry.key, key),
                None => {
                    let cause = format!("unknown key `{}` in {}", entry.key, table.name);
                    self.say(entry.span, cause, meant(&entry.key, table));
                }
            }
        }
        for key in table.required().filter(|key| node.get(key.name).is_none()) {
            let cause = format!("{} needs `{}`", table.name, key.name);
            self.say(head(node, span), cause, format!("add `{}: {}`", key.name, key.example));
        }
        for group in table.groups {
            let said: Vec<_> =
                entries.iter().filter(|e| group.keys.contains(&e.key.as_str())).collect();
            let all = words(group.keys);
            if let [first, second, ..] = said[..] {
                let cause = format!("`{}` and `{}` exclude each other", first.key, second.key);
                let hint = format!("keep one of {all}");
                let problem = Problem::error(Step::Shape, second.span, cause, hint);
                self.problems.push(problem.beside(first.span, "the other"));
            } else if said.is_empty() && group.is_required {
                let cause = format!("{} needs one of {all}", table.name);
                let hint = group
                    .keys
                    .first()
                    .and_then(|name| table.key(name))
                    .map_or_else(String::new, |key| {
                        format!("add, for example, `{}: {}`", key.name, key.example)
                    });
                self.say(head(node, span), cause, hint);
            }
        }
    }
}

/// Returns where a table begins: its first key, if it has one.
fn head(node: &Node, span: Span) -> Span {
    node.entries().first().map_or(span, |entry| entry.span)
}

/// Says what an unknown key may have been meant to be.
fn meant(word: &str, table: &'static Table) -> String {
    let elsewhere = table.keys.iter().find(|key| key.elsewhere.contains(&word));
    if let Some(key) = elsewhere {
        return format!("it is called `{}` here, as in `{}: {}`", key.name, key.name, key.example);
    }
    if let Some(near) = nearest::to(word, table.keys.iter().map(|key| key.name)) {
        return format!("did you mean `{near}`?");
    }
    if let Some(place) = belongs(word, table) {
        return format!("`{word}` belongs into {place}");
    }
    let known: Vec<_> = table.keys.iter().map(|key| key.name).collect();
    match known[..] {
        [only] => format!("the only key here is `{only}`"),
        _ => format!("the keys here are {}", words(&known)),
    }
}

/// Finds the table below `from`, or else the top of the file, that has a key called so.
fn belongs(word: &str, from: &'static Table) -> Option<String> {
    let mut found = None;
    model::walk("", from, &mut |path, inside| {
        if inside.key(word).is_some() && found.is_none() {
            found = Some(format!("`{path}`"));
        }
    });
    let is_top = || TOP.key(word).is_some();
    found.or_else(|| is_top().then(|| "the top of the file".to_owned()))
}

fn words(keys: &[&str]) -> String {
    let all: Vec<_> = keys.iter().map(|key| format!("`{key}`")).collect();
    match &all[..] {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// Shows what is written, short, and never what came from elsewhere.
fn describe(node: &Node) -> String {
    match node.text() {
        Some("") => "empty text".to_owned(),
        Some(_) if node.origin == Origin::Secret => "what its file says".to_owned(),
        Some(text) if text.chars().count() > SHOWN_MAX => {
            format!("`{}…`", text.chars().take(SHOWN_MAX).collect::<String>().escape_debug())
        }
        // Where text looks like a number, the quotes are what matters.
        Some(text) if matches!(node.value, Value::Text(_)) && !is_text(text) => {
            format!("`\"{text}\"`")
        }
        Some(text) => format!("`{}`", text.escape_debug()),
        None => node.kind().to_owned(),
    }
}

/// Says whether it would be text without quotes, too.
fn is_text(text: &str) -> bool {
    matches!(yaml::plain(text), Value::Text(_))
}
