//! One request as one line.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use super::milliseconds;
use crate::http1::egress::{address, decimal};
use crate::record::Record;

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
}

/// Writes `bytes` so that no terminal and no JSON reader takes them for anything but text.
fn plain(out: &mut Vec<u8>, bytes: &[u8], is_json: bool) {
    for &byte in bytes {
        match byte {
            b'"' | b'\\' if is_json => out.extend_from_slice(&[b'\\', byte]),
            b' '..=b'~' => out.push(byte),
            _ if is_json => write!(out, "\\u00{byte:02x}").expect("writing to memory cannot fail"),
            _ => write!(out, "\\x{byte:02x}").expect("writing to memory cannot fail"),
        }
    }
}

/// `time client method path status backend duration`, and what was unusual.
pub(super) fn text(out: &mut Vec<u8>, stamp: &Stamp, record: &Record<'_>) {
    out.extend_from_slice(&stamp.text);
    out.push(b' ');
    address(out, record.client);
    out.push(b' ');
    plain(out, record.method, false);
    out.push(b' ');
    plain(out, record.path(), false);
    out.push(b' ');
    decimal(out, u64::from(record.status));
    out.push(b' ');
    out.extend_from_slice(record.backend.unwrap_or("-").as_bytes());
    out.push(b' ');
    milliseconds(out, record.duration);
    out.extend_from_slice(b"ms");
    if record.attempts > 1 {
        write!(out, " attempts={}", record.attempts).expect("writing to memory cannot fail");
    }
    for failed in record.failed {
        write!(out, " failed={}:{}:{}:", failed.backend.name, failed.reason.code(), failed.phase())
            .expect("writing to memory cannot fail");
        milliseconds(out, failed.took);
        out.extend_from_slice(b"ms");
    }
    if let Some(reason) = record.reason {
        write!(out, " reason={}", reason.code()).expect("writing to memory cannot fail");
    }
    if let Some(why) = record.why_not {
        write!(out, " not_retried={}", why.code()).expect("writing to memory cannot fail");
    }
    out.push(b'\n');
}

fn key(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn string(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    key(out, name);
    out.push(b'"');
    plain(out, value, true);
    out.push(b'"');
}

fn number(out: &mut Vec<u8>, name: &str, value: u64) {
    key(out, name);
    decimal(out, value);
}

/// The same as a JSON object.
pub(super) fn json(out: &mut Vec<u8>, stamp: &Stamp, record: &Record<'_>) {
    out.extend_from_slice(b"{\"time\":\"");
    out.extend_from_slice(&stamp.text);
    out.extend_from_slice(b"\",\"client\":\"");
    address(out, record.client);
    out.push(b'"');
    string(out, "method", record.method);
    string(out, "path", record.path());
    number(out, "status", u64::from(record.status));
    if let Some(backend) = record.backend {
        string(out, "backend", backend.as_bytes());
    }
    number(out, "attempts", u64::from(record.attempts));
    key(out, "duration_ms");
    milliseconds(out, record.duration);
    number(out, "bytes_in", record.bytes_in);
    number(out, "bytes_out", record.bytes_out);
    if !record.failed.is_empty() {
        key(out, "failed");
        for (at, failed) in record.failed.iter().enumerate() {
            out.extend_from_slice(if at == 0 { b"[{\"backend\":\"" } else { b",{\"backend\":\"" });
            out.extend_from_slice(failed.backend.name.as_bytes());
            out.push(b'"');
            string(out, "reason", failed.reason.code().as_bytes());
            string(out, "phase", failed.phase().as_bytes());
            key(out, "duration_ms");
            milliseconds(out, failed.took);
            out.push(b'}');
        }
        out.push(b']');
    }
    if let Some(reason) = record.reason {
        string(out, "reason", reason.code().as_bytes());
    }
    if let Some(why) = record.why_not {
        string(out, "not_retried", why.code().as_bytes());
    }
    out.extend_from_slice(b"}\n");
}
