//! Traces as OTLP has them; names and attributes by the semantic conventions of OpenTelemetry
//! (HTTP spans, version 1.23 and later). Pure.
//!
//! A query is never told, in `url.full` neither: it may hold secrets.

use std::time::{Instant, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

use super::{Finished, Kind, Part};
use crate::backend::{Backend, Scheme};
use crate::reason::{Fault, Reason};
use crate::record::Protocol;
use crate::trace::SpanId;

/// The methods that have names of their own (RFC 9110 §9, RFC 5789); all others are `_OTHER`, or
/// clients could make names without end.
const METHODS: [&str; 9] =
    ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];

/// Bits beside the trace's flags: whether it is known, and true, that the parent is another program's.
const IS_KNOWN: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// Attributes one behind the other.
#[derive(Default)]
struct Attributes(Vec<KeyValue>);

impl Attributes {
    fn put(&mut self, key: &str, value: Value) {
        let value = Some(AnyValue { value: Some(value) });
        self.0.push(KeyValue { key: key.to_owned(), value, ..KeyValue::default() });
    }

    fn text(&mut self, key: &str, value: impl Into<String>) {
        self.put(key, Value::StringValue(value.into()));
    }

    fn text_if(&mut self, key: &str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    fn number(&mut self, key: &str, value: u64) {
        self.put(key, Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)));
    }

    fn method(&mut self, method: &str) {
        match METHODS.contains(&method) {
            true => self.text("http.request.method", method),
            false => {
                self.text("http.request.method", "_OTHER");
                self.text("http.request.method_original", method);
            }
        }
    }

    fn backend(&mut self, backend: &Backend) {
        self.text("server.address", backend.url.host());
        if backend.url.port() != 0 {
            self.number("server.port", u64::from(backend.url.port()));
        }
        self.text("nexus.backend", &*backend.name);
    }
}

/// Puts spans into what a receiver is sent.
pub(super) fn request(service: &str, host: &str, spans: Vec<Span>) -> ExportTraceServiceRequest {
    let mut attributes = Attributes::default();
    attributes.text("service.name", service);
    attributes.text("service.version", env!("CARGO_PKG_VERSION"));
    attributes.text("host.name", host);
    attributes.number("process.pid", u64::from(std::process::id()));
    let resource = Some(Resource { attributes: attributes.0, ..Resource::default() });
    let (name, version) = ("nexus".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    let scope = Some(InstrumentationScope { name, version, ..InstrumentationScope::default() });
    let scope_spans = vec![ScopeSpans { scope, spans, ..ScopeSpans::default() }];
    let all = ResourceSpans { resource, scope_spans, ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![all] }
}

/// Turns a request into spans: its own, and one for each of its parts.
pub(super) fn spans(finished: &Finished) -> impl Iterator<Item = Span> + '_ {
    std::iter::once(own(finished)).chain(finished.parts.iter().map(|part| part_of(finished, part)))
}

fn own(finished: &Finished) -> Span {
    let mut all = Attributes::default();
    all.method(&finished.method);
    all.text("url.scheme", if finished.is_secured { "https" } else { "http" });
    all.text("url.path", finished.path.as_str());
    let (host, port) = host_and_port(&finished.host);
    if !host.is_empty() {
        all.text("server.address", host);
    }
    if let Some(port) = port {
        all.number("server.port", u64::from(port));
    }
    all.text("client.address", finished.client.to_string());
    all.text("network.protocol.version", version(finished.protocol));
    all.number("http.response.status_code", u64::from(finished.status));
    all.number("http.request.body.size", finished.bytes_in);
    all.number("http.response.body.size", finished.bytes_out);
    all.text_if("user_agent.original", finished.user_agent.as_deref());
    all.text_if("nexus.route", finished.route.as_deref());
    all.text_if("nexus.pool", finished.pool.as_deref());
    all.text_if("nexus.request_id", finished.request_id.as_deref());
    all.text_if("nexus.reason", finished.reason.map(Reason::code));
    let why = || finished.reason.map_or(finished.status.to_string(), |reason| reason.code().into());
    let error = finished.has_failed.then(why);
    let parent = finished.parent.map_or_else(Vec::new, bytes);
    let ended = finished.began + finished.took;
    let links = finished.link.iter().map(|link| Link {
        trace_id: link.trace.get().to_be_bytes().to_vec(),
        span_id: bytes(link.span),
        flags: u32::from(link.flags()) | IS_KNOWN | IS_REMOTE,
        ..Link::default()
    });
    let remote = if finished.parent.is_some() { IS_REMOTE } else { 0 };
    let span = span(finished, method_name(finished), (finished.began, ended), (all, error));
    Span {
        span_id: bytes(finished.span),
        parent_span_id: parent,
        kind: SpanKind::Server.into(),
        links: links.collect(),
        flags: span.flags | remote,
        ..span
    }
}

fn part_of(finished: &Finished, part: &Part) -> Span {
    let mut all = Attributes::default();
    let mut error =
        part.reason.filter(|reason| is_error(*reason)).map(|reason| reason.code().into());
    let (name, kind) = match &part.kind {
        Kind::Queue => {
            all.text_if("nexus.pool", finished.pool.as_deref());
            ("queue", SpanKind::Internal)
        }
        Kind::Connect(backend) => {
            all.backend(backend);
            ("connect", SpanKind::Internal)
        }
        Kind::Attempt { backend, before, status } => {
            all.method(&finished.method);
            all.backend(backend);
            let scheme = if backend.url.scheme == Scheme::Https { "https" } else { "http" };
            let host = &backend.url.authority;
            all.text("url.full", format!("{scheme}://{host}{}", finished.path));
            if *before > 0 {
                all.number("http.request.resend_count", u64::from(*before));
            }
            if let Some(status) = status {
                all.number("http.response.status_code", u64::from(*status));
            }
            error = error.or_else(|| status.filter(|s| *s >= 400).map(|s| s.to_string()));
            (method_name(finished), SpanKind::Client)
        }
    };
    all.text_if("nexus.reason", part.reason.map(Reason::code));
    let end = part.ended.unwrap_or(finished.began + finished.took);
    Span {
        span_id: bytes(part.id),
        parent_span_id: bytes(part.parent.unwrap_or(finished.span)),
        kind: kind.into(),
        ..span(finished, name, (part.began, end), (all, error))
    }
}

/// Makes what all spans have.
fn span(
    finished: &Finished,
    name: &str,
    (began, ended): (Instant, Instant),
    (mut attributes, error): (Attributes, Option<String>),
) -> Span {
    let at = |when: Instant| {
        let time = finished.began_at + when.saturating_duration_since(finished.began);
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    };
    let code = if error.is_some() { StatusCode::Error } else { StatusCode::Unset };
    attributes.text_if("error.type", error);
    Span {
        trace_id: finished.trace.get().to_be_bytes().to_vec(),
        name: name.to_owned(),
        start_time_unix_nano: at(began),
        end_time_unix_nano: at(ended),
        attributes: attributes.0,
        flags: u32::from(finished.flags) | IS_KNOWN,
        status: Some(Status { code: code.into(), ..Status::default() }),
        ..Span::default()
    }
}

/// Says whether something went wrong: an attempt that was given up for another, or since its client
/// left, is none.
fn is_error(reason: Reason) -> bool {
    reason.facts().fault != Fault::Client
        && !matches!(reason, Reason::Outrun | Reason::RetriedStatus)
}

/// Returns the name of a span that is about the request: clients must not make up names.
fn method_name(finished: &Finished) -> &str {
    if METHODS.contains(&finished.method.as_str()) { &finished.method } else { "HTTP" }
}

fn bytes(id: SpanId) -> Vec<u8> {
    id.get().to_be_bytes().to_vec()
}

fn version(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http10 => "1.0",
        Protocol::Http11 => "1.1",
        Protocol::Http2 => "2",
    }
}

fn host_and_port(host: &str) -> (&str, Option<u16>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => {
            (name, port.parse().ok())
        }
        _ => (host, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_taken_from_its_port() {
        assert_eq!(host_and_port("a.example:8080"), ("a.example", Some(8080)));
        assert_eq!(host_and_port("[::1]:80"), ("[::1]", Some(80)));
        assert_eq!(host_and_port("[::1]"), ("[::1]", None));
        assert_eq!(host_and_port("a"), ("a", None));
    }
}
