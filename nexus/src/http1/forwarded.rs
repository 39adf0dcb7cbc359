//! The `Forwarded` field (RFC 7239): read from proxies, and written for backends.
//!
//! # What of a line that breaks the grammar?
//!
//! It says nothing, and is not passed on: whoever reads it otherwise than Nexus, or puts more behind
//! a quote that never ends, would see another client.

use std::io::Write;
use std::net::IpAddr;

use super::origin::address;

/// Which fields proxies tell each other by whom requests are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForwardedFields {
    /// `X-Forwarded-For`, `-Proto` and `-Host`.
    #[default]
    XForwarded,
    /// `Forwarded`.
    Forwarded,
    /// All of them; `Forwarded` is read first.
    Both,
}

impl ForwardedFields {
    /// The names of all.
    pub const NAMES: &[&str] = &["x_forwarded", "forwarded", "both"];

    /// Finds one by its name.
    pub fn called(name: &str) -> Option<Self> {
        let at = Self::NAMES.iter().position(|known| *known == name)?;
        [Self::XForwarded, Self::Forwarded, Self::Both].get(at).copied()
    }

    /// Returns the name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// Says whether `X-Forwarded-*` is spoken.
    #[inline]
    pub fn has_x(self) -> bool {
        self != Self::Forwarded
    }

    /// Says whether `Forwarded` is spoken.
    #[inline]
    pub fn has_forwarded(self) -> bool {
        self != Self::XForwarded
    }
}

/// A value breaks the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// Shows whom each element of a field's value says that the request is from: `None` is nobody, by a
/// name or not at all.
///
/// # Errors
///
/// Fails if the value breaks the grammar; elements before that were shown.
pub fn each(value: &[u8], mut visit: impl FnMut(Option<IpAddr>)) -> Result<(), Malformed> {
    let mut rest = value.trim_ascii();
    while !rest.is_empty() {
        let is_empty = rest.starts_with(b",");
        let said = if is_empty { None } else { Some(element(&mut rest)?) };
        if let Some(said) = said {
            visit(said);
        }
        rest = match rest {
            [] => &[],
            [b',', after @ ..] => after.trim_ascii_start(),
            _ => return Err(Malformed),
        };
    }
    Ok(())
}

/// Reads pairs up to a comma or the end.
fn element(rest: &mut &[u8]) -> Result<Option<IpAddr>, Malformed> {
    let (mut said, mut is_told) = (None, false);
    loop {
        *rest = rest.trim_ascii_start();
        let name =
            token(rest, |byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
        if !name.is_empty() {
            *rest = rest.strip_prefix(b"=").ok_or(Malformed)?;
            let value = value(rest)?;
            if name.eq_ignore_ascii_case(b"for") {
                if is_told {
                    return Err(Malformed); // Once at most (§4).
                }
                (said, is_told) = (node(value), true);
            }
        }
        *rest = rest.trim_ascii_start();
        match rest.strip_prefix(b";") {
            Some(after) => *rest = after,
            None => return Ok(said),
        }
    }
}

/// Reads a token, or what stands between quotes, as it is written. What must be quoted and is not,
/// as the colon in an address, is read all the same.
fn value<'v>(rest: &mut &'v [u8]) -> Result<&'v [u8], Malformed> {
    if let Some(quoted) = rest.strip_prefix(b"\"") {
        let mut at = 0;
        loop {
            match quoted.get(at) {
                Some(b'"') => break,
                Some(b'\\') if at + 1 < quoted.len() => at += 2,
                None | Some(b'\\') => return Err(Malformed),
                Some(_) => at += 1,
            }
        }
        *rest = &quoted[at + 1..];
        return Ok(&quoted[..at]);
    }
    let value = token(rest, |byte| byte.is_ascii_graphic() && !b"\",;".contains(&byte));
    if value.is_empty() { Err(Malformed) } else { Ok(value) }
}

/// Takes the bytes at the start that are `fit`.
fn token<'v>(rest: &mut &'v [u8], fit: impl Fn(u8) -> bool) -> &'v [u8] {
    let end = rest.iter().position(|byte| !fit(*byte)).unwrap_or(rest.len());
    let (token, after) = rest.split_at(end);
    *rest = after;
    token
}

/// Reads the address of a node, whose port may be a made-up name (§6).
fn node(value: &[u8]) -> Option<IpAddr> {
    let end = memchr::memmem::find(value, b":_").unwrap_or(value.len());
    address(&value[..end])
}

/// Writes an element of Nexus's own: whom it was connected from, what for, and how.
pub fn element_of(out: &mut Vec<u8>, ip: IpAddr, host: &[u8], proto: &str) {
    match ip {
        IpAddr::V4(ip) => write!(out, "for={ip}"),
        IpAddr::V6(ip) => write!(out, "for=\"[{ip}]\""),
    }
    .expect("writing to memory cannot fail");
    if !host.is_empty() {
        let is_token =
            host.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(byte));
        let quote: &[u8] = if is_token { b"" } else { b"\"" };
        // The gate has let no quote and no backslash through.
        [b";host=", quote, host, quote].into_iter().for_each(|part| out.extend_from_slice(part));
    }
    out.extend_from_slice(b";proto=");
    out.extend_from_slice(proto.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a value; `-` is an element without an address, `!` the end by a broken one.
    fn read(value: &str) -> String {
        let mut read = Vec::new();
        let shown = |ip: Option<IpAddr>| ip.map_or("-".to_owned(), |ip| ip.to_string());
        let outcome = each(value.as_bytes(), |ip| read.push(shown(ip)));
        outcome.is_err().then(|| read.push("!".to_owned()));
        read.join(" ")
    }

    #[test]
    fn each_element_says_one_client_or_none() {
        for (value, expected) in [
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
            ("for=192.0.2.43, for=198.51.100.17", "192.0.2.43 198.51.100.17"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=\"[2001:db8::1]\" ; host=a", "2001:db8::1"),
            ("host=\"a, for=6.6.6.6\";FOR=1.1.1.1", "1.1.1.1"),
            ("secret=\"\\\"\";for=1.1.1.1", "1.1.1.1"),
            ("for=\"1.1.1.1:80\", for=\"2.2.2.2:_x\"", "1.1.1.1 2.2.2.2"),
            ("for=unknown", "-"),
            ("for=_hidden, for=_SEVKISEK", "- -"),
            ("for=\"unknown:80\"", "-"),
            ("proto=https", "-"),
            (";;for=1.1.1.1;", "1.1.1.1"),
            (", ,for=1.1.1.1,", "1.1.1.1"),
            ("", ""),
            // Quotes that are missing are forgiven: there is one way to read it.
            ("for=1.1.1.1:80", "1.1.1.1"),
            ("for=[2001:db8::1]:80", "2001:db8::1"),
            ("for=::ffff:1.1.1.1", "1.1.1.1"),
        ] {
            assert_eq!(read(value), expected, "{value}");
        }
    }

    #[test]
    fn what_breaks_the_grammar_says_nothing() {
        for (value, expected) in [
            ("for=\"1.1.1.1", "!"),
            ("for=1.1.1.1, for=\"2.2.2.2, for=3.3.3.3", "1.1.1.1 !"),
            ("for=\"\\", "!"),
            ("for", "!"),
            ("for=", "!"),
            ("for =1.1.1.1", "!"),
            ("for=1.1.1.1;for=2.2.2.2", "!"),
            ("for=1.1.1.1 for=2.2.2.2", "1.1.1.1 !"),
            ("=1.1.1.1", "- !"),
            ("for=\"1.1.1.1\"x", "1.1.1.1 !"),
        ] {
            assert_eq!(read(value), expected, "{value}");
        }
    }

    #[test]
    fn what_is_written_is_quoted_where_it_must_be_and_reads_back() {
        for (ip, host, expected) in [
            ("1.2.3.4", "a.test", "for=1.2.3.4;host=a.test;proto=https"),
            ("1.2.3.4", "a:80", "for=1.2.3.4;host=\"a:80\";proto=https"),
            ("::1", "[::1]:80", "for=\"[::1]\";host=\"[::1]:80\";proto=https"),
            ("1.2.3.4", "a;b=c", "for=1.2.3.4;host=\"a;b=c\";proto=https"),
            ("1.2.3.4", "", "for=1.2.3.4;proto=https"),
        ] {
            let mut out = Vec::new();
            element_of(&mut out, ip.parse().unwrap(), host.as_bytes(), "https");
            let text = String::from_utf8(out).unwrap();
            assert_eq!((text.as_str(), read(&text).as_str()), (expected, ip));
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_was_said_can_hide_what_is_put_behind_it(
            said in r#"[fFoOrR=";,\\ :.\[\]0-9a_-]{0,40}"#,
        ) {
            if each(said.as_bytes(), |_| ()).is_ok() {
                let mut last = None;
                let longer = format!("{said}, for=1.2.3.4");
                proptest::prop_assert!(each(longer.as_bytes(), |ip| last = ip).is_ok());
                proptest::prop_assert_eq!(last, Some(IpAddr::from([1, 2, 3, 4])));
            }
        }
    }
}
