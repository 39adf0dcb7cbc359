//! A table of a tree, as the reader sees it: every key of the model has a value, what is not
//! written has its default. What cannot be read has its default, too; that was complained about
//! before.

use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::IpNet;
use regex::bytes::Regex;

use crate::backend::BackendUrl;
use crate::config::model::{Default, Key, Kind, Table};
use crate::config::node::{Entry, FileId, Node, Span, Value};
use crate::config::scalar::Parsed;
use crate::config::yaml;
use crate::retry::Hedge;
use crate::route::{HostPattern, Interval, Template};
use crate::settings::Address;

/// Where defaults stand: at the start of the first file.
pub const NOWHERE: Span = Span { file: FileId(0), start: 0, end: 0 };

/// A table of the tree under its description.
#[derive(Clone, Copy)]
pub struct Section<'a> {
    table: &'static Table,
    node: Option<&'a Node>,
    /// The key that the node is the value of, if it is written in short.
    short: Option<&'static str>,
}

impl<'a> Section<'a> {
    /// Opens what stands under a table's description; `None` is not written.
    pub fn new(table: &'static Table, node: Option<&'a Node>) -> Self {
        Self { table, node, short: None }
    }

    /// Opens what stands under a kind that holds a table.
    fn open(kind: &Kind, node: Option<&'a Node>) -> Self {
        let table = kind.table().expect("only kinds that hold a table are opened");
        let short = match (kind, node.map(|node| &node.value)) {
            (_, None | Some(Value::Table(_))) => None,
            (Kind::Short(_, key, _), _) => Some(*key),
            _ => None,
        };
        Self { table, node, short }
    }

    /// Returns where it stands.
    pub fn span(&self) -> Span {
        self.node.map_or(NOWHERE, |node| node.entries().first().map_or(node.span, |e| e.span))
    }

    /// Says whether a place is in it.
    pub fn holds(&self, span: Span) -> bool {
        self.node.is_some_and(|node| node.holds(span))
    }

    fn key(&self, name: &str) -> &'static Key {
        let key = self.table.key(name);
        key.unwrap_or_else(|| unreachable!("the model has `{name}` in {}", self.table.name))
    }

    /// Returns what is written under a key.
    pub fn written(&self, name: &str) -> Option<&'a Node> {
        self.key(name);
        let node = self.node?;
        if self.short == Some(name) { Some(node) } else { node.get(name) }
    }

    /// Returns where a key is written, or where it would be.
    pub fn place(&self, name: &str) -> Span {
        self.written(name).map_or_else(|| self.span(), |node| node.span)
    }

    /// Returns where the key itself is written, if it is.
    pub fn key_span(&self, name: &str) -> Option<Span> {
        self.key(name);
        self.node.and_then(|node| node.entry(name)).map(|entry| entry.span)
    }

    /// Reads a single value; if it is not written, or cannot be read, its default.
    fn one(&self, name: &str) -> Option<Parsed> {
        let key = self.key(name);
        let Kind::One(scalar) = key.kind else { unreachable!("`{name}` is one value") };
        let written = self.written(name).and_then(|node| scalar.parse(node).ok());
        written.or_else(|| scalar.parse(&default(key)?).ok())
    }

    /// Returns a time that has a default.
    pub fn time(&self, name: &str) -> Duration {
        self.time_if(name).unwrap_or_default()
    }

    /// Returns a time, if there is one.
    pub fn time_if(&self, name: &str) -> Option<Duration> {
        match self.one(name)? {
            Parsed::Time(time) => Some(time),
            _ => None,
        }
    }

    /// Returns a number that has a default, in a type that the key's range fits.
    pub fn whole<N: TryFrom<u64> + std::default::Default>(&self, name: &str) -> N {
        self.whole_if(name).unwrap_or_default()
    }

    /// Returns a number, if there is one, in a type that the key's range fits.
    pub fn whole_if<N: TryFrom<u64>>(&self, name: &str) -> Option<N> {
        match self.one(name)? {
            Parsed::Whole(number) => number.try_into().ok(),
            _ => None,
        }
    }

    /// Returns whether something that has a default is true.
    pub fn bool(&self, name: &str) -> bool {
        self.bool_if(name).unwrap_or_default()
    }

    /// Returns whether something is true, if it is said.
    pub fn bool_if(&self, name: &str) -> Option<bool> {
        match self.one(name)? {
            Parsed::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// Returns text that has a default.
    pub fn text(&self, name: &str) -> String {
        self.text_if(name).unwrap_or_default()
    }

    /// Returns text, if there is some.
    pub fn text_if(&self, name: &str) -> Option<String> {
        match self.one(name)? {
            Parsed::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns an address to listen on.
    pub fn address(&self, name: &str) -> Option<Address> {
        match self.one(name)? {
            Parsed::Address(address) => Some(address),
            _ => None,
        }
    }

    /// Returns a rate.
    pub fn rate(&self, name: &str) -> Option<Interval> {
        match self.one(name)? {
            Parsed::Rate(rate) => Some(rate),
            _ => None,
        }
    }

    /// Returns when another backend is asked, too.
    pub fn hedge(&self, name: &str) -> Option<Hedge> {
        match self.one(name)? {
            Parsed::Hedge(hedge) => Some(hedge),
            _ => None,
        }
    }

    /// Returns where a backend is.
    pub fn url(&self, name: &str) -> Option<BackendUrl> {
        match self.one(name)? {
            Parsed::Url(url) => Some(url),
            _ => None,
        }
    }

    /// Returns a host.
    pub fn host(&self, name: &str) -> Option<HostPattern> {
        match self.one(name)? {
            Parsed::Host(host) => Some(host),
            _ => None,
        }
    }

    /// Returns an expression.
    pub fn regex(&self, name: &str) -> Option<Regex> {
        match self.one(name)? {
            Parsed::Regex(regex) => Some(regex),
            _ => None,
        }
    }

    /// Returns a template.
    pub fn template(&self, name: &str) -> Option<Template> {
        match self.one(name)? {
            Parsed::Template(template) => Some(template),
            _ => None,
        }
    }

    /// Returns the table under a key, which may not be written.
    pub fn section(&self, name: &str) -> Section<'a> {
        Section::open(&self.key(name).kind, self.written(name))
    }

    /// Returns the table under a key, if it is written.
    pub fn section_if(&self, name: &str) -> Option<Section<'a>> {
        self.written(name).map(|_| self.section(name))
    }

    /// Returns the tables of a list.
    pub fn sections(&self, name: &str) -> Vec<Section<'a>> {
        let key = self.key(name);
        let of = match key.kind {
            Kind::Many(of) => of,
            _ => unreachable!("`{name}` is a list"),
        };
        let nodes = self.written(name).map_or(&[][..], |node| match &node.value {
            Value::List(nodes) => nodes,
            _ => &[],
        });
        nodes.iter().map(|node| Section::open(of, Some(node))).collect()
    }

    /// Returns the tables that have names, with the places of the names.
    pub fn named(&self, name: &str) -> Vec<(&'a Entry, Section<'a>)> {
        let Kind::Named(_, of) = self.key(name).kind else { unreachable!("`{name}` has names") };
        let entries = self.written(name).map_or(&[][..], Node::entries);
        entries.iter().map(|entry| (entry, Section::open(of, Some(&entry.node)))).collect()
    }

    /// Returns the values that have names, as text.
    pub fn pairs(&self, name: &str) -> Vec<(String, String)> {
        let kind = &self.key(name).kind;
        let Kind::Named(_, Kind::One(scalar)) = kind else { unreachable!("`{name}` has names") };
        let entries = self.written(name).map_or(&[][..], Node::entries);
        let pair = |entry: &Entry| match scalar.parse(&entry.node) {
            Ok(Parsed::Text(text)) => Some((entry.key.clone(), text)),
            _ => None,
        };
        entries.iter().filter_map(pair).collect()
    }

    /// Reads one value or a list of them; if none is written, or can be read, the default.
    fn all(&self, name: &str) -> Vec<Parsed> {
        let key = self.key(name);
        let scalar = match key.kind {
            Kind::OneOrMany(scalar) | Kind::Many(&Kind::One(scalar)) => scalar,
            _ => unreachable!("`{name}` is one value or a list of them"),
        };
        let parse = |node: &Node| -> Vec<Parsed> {
            parts(node).iter().filter_map(|part| scalar.parse(part).ok()).collect()
        };
        let written = self.written(name).map(parse).filter(|all| !all.is_empty());
        written.or_else(|| default(key).as_ref().map(parse)).unwrap_or_default()
    }

    /// Returns the places of one value or of a list of them.
    pub fn nodes(&self, name: &str) -> &'a [Node] {
        self.written(name).map_or(&[], parts)
    }

    /// Returns hosts.
    pub fn hosts(&self, name: &str) -> Vec<HostPattern> {
        let host = |parsed| match parsed {
            Parsed::Host(host) => Some(host),
            _ => None,
        };
        self.all(name).into_iter().filter_map(host).collect()
    }

    /// Returns networks.
    pub fn networks(&self, name: &str) -> Vec<IpNet> {
        let network = |parsed| match parsed {
            Parsed::Network(network) => Some(network),
            _ => None,
        };
        self.all(name).into_iter().filter_map(network).collect()
    }

    /// Returns addresses.
    pub fn addresses(&self, name: &str) -> Vec<Address> {
        let address = |parsed| match parsed {
            Parsed::Address(address) => Some(address),
            _ => None,
        };
        self.all(name).into_iter().filter_map(address).collect()
    }

    /// Returns statuses.
    pub fn statuses(&self, name: &str) -> Vec<RangeInclusive<u16>> {
        let range = |parsed| match parsed {
            Parsed::Statuses(range) => Some(range),
            _ => None,
        };
        self.all(name).into_iter().filter_map(range).collect()
    }

    /// Returns texts.
    pub fn texts(&self, name: &str) -> Vec<String> {
        let text = |parsed| match parsed {
            Parsed::Text(text) => Some(text),
            _ => None,
        };
        self.all(name).into_iter().filter_map(text).collect()
    }
}

/// Returns the values of a list, or the one value.
fn parts(node: &Node) -> &[Node] {
    match &node.value {
        Value::List(nodes) => nodes,
        _ => std::slice::from_ref(node),
    }
}

/// Returns a key's default as if it were written.
pub fn default(key: &Key) -> Option<Node> {
    match key.default {
        Default::Is(text) => yaml::read(text, NOWHERE.file).ok(),
        Default::Required | Default::Section | Default::Absent(_) => None,
    }
}
