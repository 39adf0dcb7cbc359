//! Every kind of single value that a configuration has: how it is read, and how it is described to
//! people and to schemas.

use std::time::Duration;

use ipnet::IpNet;
use regex::bytes::Regex;

use crate::backend::BackendUrl;
use crate::config::node::{Node, Origin, Value};
use crate::config::problem::Step;
use crate::config::quantity;
use crate::retry::Hedge;
use crate::route::{HostPattern, Interval, PathPattern, Template};
use crate::settings::Address;

/// A kind of single value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    /// `true` or `false`.
    Bool,
    /// A whole number in a range.
    Whole(u64, u64),
    /// One of these numbers.
    OneOf(&'static [u64]),
    /// A number of threads, or `auto`.
    Workers,
    /// `10s`.
    Time,
    /// `64KiB`.
    Size,
    /// `5/m`.
    Rate,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Any text.
    Text,
    /// Any text, number, `true` or `false`: what stands in a query.
    Loose,
    /// An address to listen on.
    Address,
    /// Where a backend is.
    Url,
    /// An address or network.
    Network,
    /// A host, or `*.` and a host.
    Host,
    /// A path.
    Path,
    /// A regular expression.
    Regex,
    /// A method.
    Method,
    /// Statuses of answers: `200`, `200-299` or `2xx`.
    Statuses,
    /// The name of a header.
    FieldName,
    /// The value of a header.
    FieldValue,
    /// Text with `{host}`, `{path}` or `{query}` in it.
    Template,
    /// The name of a pool or route.
    Name,
    /// An address for operators.
    AdminAddress,
    /// Who may use a file, in octal digits.
    Mode,
    /// What nobody may know or guess.
    Secret,
    /// `50ms` or `p95`.
    Hedge,
    /// The path of a file, relative to the file that names it.
    File,
    /// `true`, `false` or a port: where https is.
    Https,
    /// Something about logs.
    Log(Logs),
}

/// A value that was read.
#[derive(Debug, Clone)]
pub enum Parsed {
    /// Of a [`Scalar::Bool`].
    Bool(bool),
    /// Of a [`Scalar::Whole`], [`Scalar::OneOf`], [`Scalar::Size`], [`Scalar::Workers`], with 0 for
    /// nowhere [`Scalar::Https`], or in millionths [`Logs::Share`].
    Whole(u64),
    /// Of a [`Scalar::Time`].
    Time(Duration),
    /// Of everything that stays text.
    Text(String),
    /// Of a [`Scalar::Address`] or [`Scalar::AdminAddress`].
    Address(Address),
    /// Of a [`Scalar::Statuses`].
    Statuses(std::ops::RangeInclusive<u16>),
    /// Of a [`Scalar::Rate`].
    Rate(Interval),
    /// Of a [`Scalar::Url`].
    Url(BackendUrl),
    /// Of a [`Scalar::Network`].
    Network(IpNet),
    /// Of a [`Scalar::Host`].
    Host(HostPattern),
    /// Of a [`Scalar::Regex`].
    Regex(Regex),
    /// Of a [`Scalar::Hedge`].
    Hedge(Hedge),
    /// Of a [`Scalar::Template`].
    Template(Template),
}

/// Why a value cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// Whether a schema sees it, too.
    pub step: Step,
    /// What to write instead.
    pub hint: String,
}

fn shape(hint: impl Into<String>) -> Complaint {
    Complaint { step: Step::Shape, hint: hint.into() }
}

fn meaning(hint: impl Into<String>) -> Complaint {
    Complaint { step: Step::Meaning, hint: hint.into() }
}

/// Bytes of a secret at least: shorter ones can be guessed.
const SECRET_BYTES_MIN: usize = 16;

/// Where https is unless something else is said (RFC 9110 §4.2.2).
const HTTPS_PORT: u64 = 443;

/// Bytes of a compiled expression at most: what a hostile one could cost at most.
const REGEX_BYTES_MAX: usize = 1 << 20;

impl Scalar {
    /// Reads a value.
    ///
    /// # Errors
    ///
    /// Says what to write instead.
    pub fn parse(self, node: &Node) -> Result<Parsed, Complaint> {
        let is_fixed = node.origin == Origin::Written;
        let text = match &node.value {
            _ if node.origin == Origin::Missing => return Err(meaning(self.hint())),
            Value::List(_) => return Err(shape("write one value, without `-` or brackets")),
            Value::Table(_) | Value::Empty => return Err(shape(self.hint())),
            Value::Text(_) if is_fixed && !self.may_be_text() => {
                return Err(shape(self.hint_without_quotes(node.text().unwrap_or_default())));
            }
            Value::Bool(_) | Value::Number(_) if is_fixed && !self.may_be(&node.value) => {
                let text = node.text().unwrap_or_default();
                let is_right = self.read(text).is_ok();
                let quoted = || format!("put it in quotes: \"{text}\"");
                return Err(shape(if is_right { quoted() } else { self.hint_for(text) }));
            }
            value => match value {
                Value::Bool(true) => "true",
                Value::Bool(false) => "false",
                _ => node.text().unwrap_or_default(),
            },
        };
        self.read(text).map_err(|complaint| match is_fixed {
            true => complaint,
            false => Complaint { step: Step::Meaning, ..complaint },
        })
    }

    /// Reads a value's text.
    ///
    /// # Errors
    ///
    /// Says what to write instead.
    pub fn read(self, text: &str) -> Result<Parsed, Complaint> {
        let is_token = |text: &str| !text.is_empty() && text.bytes().all(is_token_byte);
        let kept = |is_right: bool| match is_right {
            true => Ok(Parsed::Text(text.to_owned())),
            false => Err(shape(self.hint_for(text))),
        };
        match self {
            Self::Bool => match text {
                "true" => Ok(Parsed::Bool(true)),
                "false" => Ok(Parsed::Bool(false)),
                _ => Err(shape(self.hint())),
            },
            Self::Whole(min, max) => {
                let number = text.parse().ok().filter(|number| (min..=max).contains(number));
                number.map(Parsed::Whole).ok_or_else(|| shape(self.hint()))
            }
            Self::OneOf(all) => {
                let number = text.parse().ok().filter(|number| all.contains(number));
                number.map(Parsed::Whole).ok_or_else(|| shape(self.hint()))
            }
            Self::Workers if text == "auto" => Ok(Parsed::Whole(cores())),
            Self::Workers => Self::Whole(1, 1024).read(text).map_err(|_| shape(self.hint())),
            Self::Time => {
                let late =
                    |hint| if hint == "use 365d at most" { meaning(hint) } else { shape(hint) };
                quantity::time(text).map(Parsed::Time).map_err(late)
            }
            Self::Hedge => hedge(text).map(Parsed::Hedge).map_err(shape),
            Self::Size => {
                let late = |hint| if hint == "too large" { meaning(hint) } else { shape(hint) };
                quantity::size(text).map(Parsed::Whole).map_err(late)
            }
            Self::Rate => quantity::rate(text).map(Parsed::Rate).map_err(shape),
            Self::Https => https(text).map(Parsed::Whole).ok_or_else(|| shape(self.hint())),
            Self::Log(logs) => logs.read(text),
            Self::Mode => kept(is_mode(text)),
            Self::File => kept(!text.is_empty() && !text.contains('\0')),
            Self::Choice(all) => kept(all.contains(&text)),
            Self::Text | Self::Loose => kept(true),
            Self::Address => quantity::address(text).map(Parsed::Address).map_err(shape),
            Self::Url => text.parse().map(Parsed::Url).map_err(|why: String| shape(why)),
            Self::Network => quantity::network(text).map(Parsed::Network).map_err(shape),
            Self::Host => {
                HostPattern::parse(text).map(Parsed::Host).map_err(|why| shape(why.to_string()))
            }
            Self::Path => match PathPattern::check(text) {
                Ok(()) => Ok(Parsed::Text(text.to_owned())),
                Err(why) => Err(shape(why.to_string())),
            },
            Self::Regex => regex(text).map(Parsed::Regex).map_err(meaning),
            Self::Method => kept(is_token(text) && !text.bytes().any(|b| b.is_ascii_lowercase())),
            Self::Statuses => quantity::statuses(text).map(Parsed::Statuses).map_err(shape),
            Self::FieldName => kept(is_token(text)),
            Self::FieldValue => kept(text.trim() == text && text.bytes().all(is_value_byte)),
            Self::Template => {
                Template::parse(text).map(Parsed::Template).map_err(|why| shape(why.to_string()))
            }
            Self::AdminAddress => quantity::admin_address(text).map(Parsed::Address).map_err(shape),
            Self::Secret => kept(is_secret(text)),
            Self::Name => kept(!text.is_empty() && text.bytes().all(is_name_byte)),
        }
    }

    fn may_be_text(self) -> bool {
        !matches!(self, Self::Bool | Self::Whole(..) | Self::OneOf(_) | Self::Https)
    }

    fn may_be(self, value: &Value) -> bool {
        match value {
            Value::Bool(_) => {
                matches!(self, Self::Bool | Self::Loose | Self::FieldValue | Self::Https)
            }
            _ => matches!(
                self,
                Self::Whole(..)
                    | Self::OneOf(_)
                    | Self::Statuses
                    | Self::Workers
                    | Self::Size
                    | Self::Loose
                    | Self::FieldValue
                    | Self::Address
                    | Self::AdminAddress
                    | Self::Secret
                    | Self::Https
            ),
        }
    }

    fn hint_without_quotes(self, text: &str) -> String {
        let reads = self.read(text).is_ok();
        if reads { format!("remove the quotes: {text}") } else { self.hint() }
    }
}

/// Returns how many cores there are.
fn cores() -> u64 {
    std::thread::available_parallelism().map_or(1, usize::from) as u64
}

/// Reads the port that https is at; 0 is nowhere.
fn https(text: &str) -> Option<u64> {
    match text {
        "true" => Some(HTTPS_PORT),
        "false" => Some(0),
        _ => text.parse().ok().filter(|port| (1..=65_535).contains(port)),
    }
}

/// Reads when another backend is asked.
fn hedge(text: &str) -> Result<Hedge, &'static str> {
    if text == "p95" { Ok(Hedge::P95) } else { quantity::time(text).map(Hedge::After) }
}

/// Reads an expression.
fn regex(text: &str) -> Result<Regex, String> {
    let built = regex::bytes::RegexBuilder::new(text).size_limit(REGEX_BYTES_MAX).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "it is too large; repeat less".to_owned(),
        // The last line says why, those before show where.
        error => {
            let said = error.to_string();
            let why = said.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("{why}; in single quotes YAML leaves backslashes alone")
        }
    })
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_value_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

fn is_mode(text: &str) -> bool {
    let digits = text.strip_prefix('0').filter(|rest| rest.len() == 3).unwrap_or(text);
    digits.len() == 3 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'7'))
}

fn is_secret(text: &str) -> bool {
    text.len() >= SECRET_BYTES_MIN && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._".contains(&byte)
}

mod describe;
mod logs;

pub use logs::Logs;
