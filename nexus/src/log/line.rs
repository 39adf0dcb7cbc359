//! One request as one line.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use super::milliseconds;
use super::rules::LogFormat;
use super::template::{Gap, Part};
use crate::http1::egress::{address, decimal};
use crate::reason::Reason;
use crate::record::{Failed, Record};
use crate::retry::WhyNot;
use crate::route::Fields;
use crate::trace::{self, TraceId};

mod json;

/// A point in time as text (RFC 3339, UTC, milliseconds), made anew only when the second changes.
pub(super) struct Stamp {
    second: u64,
    text: Vec<u8>,
}

/// `2026-11-23T06:50:00` without what follows.
const TO_THE_SECOND: usize = 19;

impl Default for Stamp {
    fn default() -> Self {
        Self { second: u64::MAX, text: Vec::new() }
    }
}

impl Stamp {
    pub(super) fn set(&mut self, now: SystemTime) {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        if since.as_secs() != self.second {
            self.second = since.as_secs();
            self.text.clear();
            write!(self.text, "{}", humantime::format_rfc3339_seconds(now))
                .expect("writing to memory cannot fail");
        }
        let millis = since.subsec_millis();
        self.text.truncate(TO_THE_SECOND);
        let digits = [millis / 100, millis / 10 % 10, millis % 10].map(|digit| b'0' + digit as u8);
        self.text.push(b'.');
        self.text.extend_from_slice(&digits);
        self.text.push(b'Z');
    }

    /// Writes it as web servers do: `[23/Nov/2026:06:50:00 +0000]`.
    fn write_common(&self, out: &mut Vec<u8>) {
        const MONTHS: &[&[u8; 3]; 12] = &[
            b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
            b"Dec",
        ];
        let text = &self.text;
        let month = usize::from((text[5] - b'0') * 10 + (text[6] - b'0'));
        let parts: [&[u8]; 7] =
            [b"[", &text[8..10], b"/", MONTHS[(month - 1) % 12], b"/", &text[..4], b":"];
        parts.iter().for_each(|part| out.extend_from_slice(part));
        out.extend_from_slice(&text[11..TO_THE_SECOND]);
        out.extend_from_slice(b" +0000]");
    }
}

/// What a line says.
pub(super) struct Entry<'a> {
    /// When the request was over.
    pub(super) stamp: &'a Stamp,
    /// What is known of it.
    pub(super) record: &'a Record<'a>,
    /// The name of its route.
    pub(super) route: Option<&'a str>,
    /// The name of its pool.
    pub(super) pool: Option<&'a str>,
}

/// Writes a line, with its end.
pub(super) fn write(out: &mut Vec<u8>, format: &LogFormat, entry: &Entry<'_>) {
    match format {
        LogFormat::Text => text(out, entry),
        LogFormat::Json => json::write(out, entry),
        LogFormat::Combined => combined(out, entry),
        LogFormat::Template(template) => {
            for part in template.parts() {
                match part {
                    Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                    Part::Gap(gap) => fill(out, *gap, entry),
                }
            }
        }
    }
    out.push(b'\n');
}

/// How bytes are written that somebody else has chosen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// For people.
    Plain,
    /// In quotes, or where quotes may be.
    Quoted,
    /// In the quotes of JSON.
    Json,
}

/// Writes `bytes` so that no terminal and no reader takes them for anything but text.
pub(super) fn plain(out: &mut Vec<u8>, bytes: &[u8], manner: Manner) {
    let is_odd = |byte: &u8| match byte {
        b'"' | b'\\' => manner != Manner::Plain,
        byte => !matches!(byte, b' '..=b'~'),
    };
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(is_odd) {
        out.extend_from_slice(&rest[..at]);
        match (rest[at], manner) {
            (byte @ (b'"' | b'\\'), _) => out.extend_from_slice(&[b'\\', byte]),
            (byte, Manner::Json) => {
                write!(out, "\\u00{byte:02x}").expect("writing to memory cannot fail");
            }
            (byte, _) => write!(out, "\\x{byte:02x}").expect("writing to memory cannot fail"),
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// `time client method path status backend duration`, and what was unusual.
fn text(out: &mut Vec<u8>, Entry { stamp, record, .. }: &Entry<'_>) {
    out.extend_from_slice(&stamp.text);
    out.push(b' ');
    address(out, record.client);
    out.push(b' ');
    plain(out, record.method, Manner::Plain);
    out.push(b' ');
    plain(out, record.path(), Manner::Plain);
    out.push(b' ');
    decimal(out, u64::from(record.status));
    out.push(b' ');
    plain(out, record.backend.unwrap_or("-").as_bytes(), Manner::Plain);
    out.push(b' ');
    milliseconds(out, record.duration);
    out.extend_from_slice(b"ms");
    if record.attempts > 1 {
        write!(out, " attempts={}", record.attempts).expect("writing to memory cannot fail");
    }
    for failed in record.failed {
        out.extend_from_slice(b" failed=");
        write_failed(out, failed, Manner::Plain);
    }
    if let Some(reason) = record.reason {
        write!(out, " reason={}", reason.code()).expect("writing to memory cannot fail");
    }
    if let Some(why) = record.why_not {
        write!(out, " not_retried={}", why.code()).expect("writing to memory cannot fail");
    }
    if let Some(id) = record.request_id {
        out.extend_from_slice(b" request_id=");
        plain(out, id.as_bytes(), Manner::Plain);
    }
    if let Some(id) = record.trace_id {
        out.extend_from_slice(b" trace_id=");
        out.extend_from_slice(&trace_id(id));
    }
}

fn trace_id(id: TraceId) -> [u8; 32] {
    let mut text = [0; 32];
    trace::digits(&mut text, id.get());
    text
}

/// `backend:reason:phase:time`
fn write_failed(out: &mut Vec<u8>, failed: &Failed, manner: Manner) {
    plain(out, failed.backend.name.as_bytes(), manner);
    write!(out, ":{}:{}:", failed.reason.code(), failed.phase())
        .expect("writing to memory cannot fail");
    milliseconds(out, failed.took);
    out.extend_from_slice(b"ms");
}

/// As Apache's `combined`: `client - - [time] "request line" status bytes "referer" "user agent"`.
fn combined(out: &mut Vec<u8>, entry: &Entry<'_>) {
    let record = entry.record;
    address(out, record.client);
    out.extend_from_slice(b" - - ");
    entry.stamp.write_common(out);
    out.extend_from_slice(b" \"");
    plain(out, record.method, Manner::Quoted);
    out.push(b' ');
    plain(out, record.path(), Manner::Quoted);
    write!(out, " {}\" {} ", record.protocol.name(), record.status)
        .expect("writing to memory cannot fail");
    match record.bytes_out {
        0 => out.push(b'-'),
        bytes => decimal(out, bytes),
    }
    for gap in [Gap::Referer, Gap::UserAgent] {
        out.extend_from_slice(b" \"");
        fill(out, gap, entry);
        out.push(b'"');
    }
}

/// Writes what a gap stands for; `-` is nothing.
fn fill(out: &mut Vec<u8>, gap: Gap, Entry { stamp, record, route, pool }: &Entry<'_>) {
    let field = |name: &[u8]| record.fields.first(name).unwrap_or_default();
    let text: &[u8] = match gap {
        Gap::Time => &stamp.text,
        Gap::Client => return address(out, record.client),
        Gap::Method => record.method,
        Gap::Path => record.path(),
        Gap::Query => record.query(),
        Gap::Host => record.host,
        Gap::Protocol => record.protocol.name().as_bytes(),
        Gap::Tls if record.is_secured => b"true",
        Gap::Tls => b"false",
        Gap::Status => return decimal(out, u64::from(record.status)),
        Gap::Route => route.unwrap_or_default().as_bytes(),
        Gap::Pool => pool.unwrap_or_default().as_bytes(),
        Gap::Backend => record.backend.unwrap_or_default().as_bytes(),
        Gap::Attempts => return decimal(out, u64::from(record.attempts)),
        Gap::Failed if record.failed.is_empty() => b"",
        Gap::Failed => {
            for (at, failed) in record.failed.iter().enumerate() {
                out.extend_from_slice(if at == 0 { b"" } else { b"," });
                write_failed(out, failed, Manner::Quoted);
            }
            return;
        }
        Gap::Duration => return milliseconds(out, record.duration),
        Gap::BytesIn => return decimal(out, record.bytes_in),
        Gap::BytesOut => return decimal(out, record.bytes_out),
        Gap::Reason => record.reason.map_or("", Reason::code).as_bytes(),
        Gap::NotRetried => record.why_not.map_or("", WhyNot::code).as_bytes(),
        Gap::RequestId => record.request_id.unwrap_or_default().as_bytes(),
        Gap::TraceId => match record.trace_id {
            Some(id) => return out.extend_from_slice(&trace_id(id)),
            None => b"",
        },
        Gap::Referer => field(b"referer"),
        Gap::UserAgent => field(b"user-agent"),
    };
    plain(out, if text.is_empty() { b"-" } else { text }, Manner::Quoted);
}
