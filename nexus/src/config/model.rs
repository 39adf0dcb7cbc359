//! What a configuration may say: every key, declared once.
//!
//! The check for unknown keys and wrong values, the reader and its defaults, the JSON Schema, the
//! reference in `docs/configuration.md` and `nexus check --print` all come from here, so that none
//! of them can say something else than the others.

use crate::config::scalar::Scalar;

mod breaking;
mod change;
mod ejection;
mod logging;
mod matching;
mod pool;
mod probing;
mod retrying;
mod route;
mod tls;
mod top;

pub use top::TOP;

/// Keys that stand together.
#[derive(Debug)]
pub struct Table {
    /// What it is, in one or a few words.
    pub name: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
    /// Keys that exclude each other.
    pub groups: &'static [Group],
}

/// Keys of which there may be only one.
#[derive(Debug)]
pub struct Group {
    /// The keys.
    pub keys: &'static [&'static str],
    /// Whether there must be one.
    pub is_required: bool,
}

/// One key.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it may be set to.
    pub kind: Kind,
    /// What counts if it is not set.
    pub default: Default,
    /// What it is for, in one sentence.
    pub meaning: &'static str,
    /// A value other than the default, as YAML.
    pub example: &'static str,
    /// What other load balancers call it.
    pub elsewhere: &'static [&'static str],
}

/// What a key may be set to.
#[derive(Debug)]
pub enum Kind {
    /// A single value.
    One(Scalar),
    /// A list.
    Many(&'static Kind),
    /// A value, or a list of them.
    OneOrMany(Scalar),
    /// Names, which the user chooses, and what each stands for.
    Named(Scalar, &'static Kind),
    /// A table.
    Table(&'static Table),
    /// A table, or in short the value of one of its keys.
    Short(&'static Kind, &'static str, &'static Table),
}

/// What counts if a key is not set.
#[derive(Debug, Clone, Copy)]
pub enum Default {
    /// It must be set.
    Required,
    /// This value.
    Is(&'static str),
    /// A table in which every key has its default.
    Section,
    /// Nothing; or something that the other keys decide, said in words.
    Absent(&'static str),
}

/// Declares a key.
const fn key(
    name: &'static str,
    kind: Kind,
    default: Default,
    meaning: &'static str,
    example: &'static str,
) -> Key {
    Key { name, kind, default, meaning, example, elsewhere: &[] }
}

impl Key {
    /// Adds what others call it.
    const fn known_as(self, elsewhere: &'static [&'static str]) -> Self {
        Self { elsewhere, ..self }
    }
}

impl Table {
    /// Returns the key called `name`.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// Returns the keys that must be set.
    pub fn required(&self) -> impl Iterator<Item = &'static Key> {
        self.keys.iter().filter(|key| matches!(key.default, Default::Required))
    }
}

impl Kind {
    /// Returns the table that a value of this kind holds, directly or as a part.
    pub fn table(&self) -> Option<&'static Table> {
        match self {
            Self::One(_) | Self::OneOrMany(_) => None,
            Self::Many(of) | Self::Named(_, of) => of.table(),
            Self::Table(table) | Self::Short(_, _, table) => Some(table),
        }
    }

    /// Returns what a path to a part of it has behind its key.
    pub fn step(&self) -> &'static str {
        match self {
            Self::One(_) | Self::OneOrMany(_) | Self::Table(_) | Self::Short(..) => "",
            Self::Many(_) => "[]",
            Self::Named(..) => ".<name>",
        }
    }

    /// Says what it must be.
    pub fn phrase(&self) -> String {
        match self {
            Self::One(scalar) => scalar.phrase(),
            Self::Many(_) => "a list".to_owned(),
            Self::OneOrMany(scalar) => format!("{}, or a list", scalar.phrase()),
            Self::Named(..) => "a table of names".to_owned(),
            Self::Table(_) => "a table of keys".to_owned(),
            Self::Short(short, _, _) => format!("{}, or a table of keys", short.phrase()),
        }
    }
}

/// Calls `visit` with the path and the table of every table that can be reached from `table`.
pub fn walk(path: &str, table: &'static Table, visit: &mut impl FnMut(&str, &'static Table)) {
    visit(path, table);
    for key in table.keys {
        if let Some(inner) = key.kind.table() {
            let dot = if path.is_empty() { "" } else { "." };
            walk(&format!("{path}{dot}{}{}", key.name, key.kind.step()), inner, visit);
        }
    }
}
