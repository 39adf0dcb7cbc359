//! What the conditions of two routes have to do with each other.

use ipnet::IpNet;

use crate::route::language::{Alphabet, Exists, Languages};
use crate::route::matcher::{FieldMatch, Matcher, ValueMatch};

/// Whether one request can fulfil the conditions of two routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meet {
    Never,
    Maybe,
    Unknown,
}

/// Says whether one request can fulfil the conditions of both.
pub(super) fn meet(a: &Matcher, b: &Matcher, languages: &mut Languages) -> Meet {
    let either_is_free = a.methods.is_empty() || b.methods.is_empty();
    if !either_is_free && !a.methods.iter().any(|method| b.methods.contains(method)) {
        return Meet::Never;
    }
    let touch = |a: &IpNet| b.clients.iter().any(|b| a.contains(b) || b.contains(a));
    let either_is_free = a.clients.is_empty() || b.clients.is_empty();
    if !either_is_free && !a.clients.iter().any(touch) {
        return Meet::Never;
    }
    let differs =
        a.query.iter().any(|a| b.query.iter().any(|b| a.name == b.name && a.value != b.value));
    if differs {
        return Meet::Never;
    }
    let mut met = Meet::Maybe;
    for a in &a.headers {
        for b in b.headers.iter().filter(|b| a.name.eq_ignore_ascii_case(&b.name)) {
            match values_meet(&a.value, &b.value, languages) {
                Meet::Never => return Meet::Never,
                Meet::Maybe => {}
                Meet::Unknown => met = Meet::Unknown,
            }
        }
    }
    met
}

fn values_meet(a: &ValueMatch, b: &ValueMatch, languages: &mut Languages) -> Meet {
    let when = |is: bool| if is { Meet::Maybe } else { Meet::Never };
    match (a, b) {
        (ValueMatch::Present, _) | (_, ValueMatch::Present) => Meet::Maybe,
        (ValueMatch::Is(text), other) | (other, ValueMatch::Is(text)) => {
            when(other.matches(text.as_bytes()))
        }
        (ValueMatch::Regex(a), ValueMatch::Regex(b)) => {
            match languages.find(a.as_str(), b.as_str(), true, Alphabet::Value) {
                Exists::No => Meet::Never,
                Exists::Yes(_) => Meet::Maybe,
                Exists::Unknown => Meet::Unknown,
            }
        }
    }
}

/// Says whether a request that fulfils the conditions of `narrow` surely fulfils those of `wide`.
pub(super) fn implies(narrow: &Matcher, wide: &Matcher) -> bool {
    methods_imply(narrow, wide)
        && clients_imply(narrow, wide)
        && wide.query.iter().all(|pair| narrow.query.contains(pair))
        && wide.headers.iter().all(|wide| narrow.headers.iter().any(|n| field_implies(n, wide)))
}

fn methods_imply(narrow: &Matcher, wide: &Matcher) -> bool {
    wide.methods.is_empty()
        || !narrow.methods.is_empty() && narrow.methods.iter().all(|m| wide.methods.contains(m))
}

fn clients_imply(narrow: &Matcher, wide: &Matcher) -> bool {
    let is_inside = |net: &IpNet| wide.clients.iter().any(|wide| wide.contains(net));
    wide.clients.is_empty() || !narrow.clients.is_empty() && narrow.clients.iter().all(is_inside)
}

fn field_implies(narrow: &FieldMatch, wide: &FieldMatch) -> bool {
    let value = match (&narrow.value, &wide.value) {
        (_, ValueMatch::Present) => true,
        (ValueMatch::Is(value), wide) => wide.matches(value.as_bytes()),
        (ValueMatch::Regex(narrow), ValueMatch::Regex(wide)) => narrow.as_str() == wide.as_str(),
        _ => false,
    };
    value && narrow.name.eq_ignore_ascii_case(&wide.name)
}
