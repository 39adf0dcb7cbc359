//! One request as one object of JSON.

use super::super::milliseconds;
use super::{Entry, Manner, plain, trace_id};
use crate::http1::egress::{address, decimal};
use crate::record::Failed;

/// Writes an entry as an object.
pub(super) fn write(out: &mut Vec<u8>, Entry { stamp, record, route, pool }: &Entry<'_>) {
    out.extend_from_slice(b"{\"time\":\"");
    out.extend_from_slice(&stamp.text);
    out.extend_from_slice(b"\",\"client\":\"");
    address(out, record.client);
    out.push(b'"');
    string(out, "method", record.method);
    string(out, "path", record.path());
    if !record.host.is_empty() {
        string(out, "host", record.host);
    }
    string(out, "protocol", record.protocol.name().as_bytes());
    key(out, "tls");
    out.extend_from_slice(if record.is_secured { b"true" } else { b"false" });
    number(out, "status", u64::from(record.status));
    let names = [("route", *route), ("pool", *pool), ("backend", record.backend)];
    for (name, value) in names.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        string(out, name, value.as_bytes());
    }
    number(out, "attempts", u64::from(record.attempts));
    key(out, "duration_ms");
    milliseconds(out, record.duration);
    number(out, "bytes_in", record.bytes_in);
    number(out, "bytes_out", record.bytes_out);
    if !record.failed.is_empty() {
        key(out, "failed");
        failures(out, record.failed);
    }
    if let Some(reason) = record.reason {
        string(out, "reason", reason.code().as_bytes());
    }
    if let Some(why) = record.why_not {
        string(out, "not_retried", why.code().as_bytes());
    }
    if let Some(id) = record.request_id {
        string(out, "request_id", id.as_bytes());
    }
    if let Some(id) = record.trace_id {
        string(out, "trace_id", &trace_id(id));
    }
    out.push(b'}');
}

fn failures(out: &mut Vec<u8>, all: &[Failed]) {
    for (at, failed) in all.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"[{\"backend\":\"" } else { b",{\"backend\":\"" });
        plain(out, failed.backend.name.as_bytes(), Manner::Json);
        out.push(b'"');
        string(out, "reason", failed.reason.code().as_bytes());
        string(out, "phase", failed.phase().as_bytes());
        key(out, "duration_ms");
        milliseconds(out, failed.took);
        out.push(b'}');
    }
    out.push(b']');
}

fn key(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn string(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    key(out, name);
    out.push(b'"');
    plain(out, value, Manner::Json);
    out.push(b'"');
}

fn number(out: &mut Vec<u8>, name: &str, value: u64) {
    key(out, name);
    decimal(out, value);
}
