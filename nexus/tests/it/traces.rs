//! Stories of traces: what backends are told, and what a receiver of OTLP gets.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nexus::app::Nexus;
use nexus::log::LogFormat;
use nexus::picker::Algorithm;
use nexus::pool::queue::QueueRules;
use nexus::settings::Settings;
use nexus::spans::Tracing;
use nexus::spans::settings::{Endpoint, Headers};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message;

use crate::world::{
    Backend, Client, Next, PATIENCE, Sink, before, field, held, lines, settings, start, status,
    until,
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CLIENT: &str = "00f067aa0ba902b7";

/// A span as a test looks at it.
#[derive(Debug, Clone, PartialEq)]
struct Span {
    trace: String,
    id: String,
    parent: String,
    name: String,
    kind: SpanKind,
    is_error: bool,
    began: u64,
    ended: u64,
    links: Vec<(String, String)>,
    attributes: HashMap<String, String>,
}

impl Span {
    fn says(&self, key: &str) -> &str {
        self.attributes.get(key).map_or("", String::as_str)
    }

    fn holds(&self, inner: &Self) -> bool {
        inner.parent == self.id && self.began <= inner.began && inner.ended <= self.ended
    }
}

fn attributes(all: Vec<KeyValue>) -> HashMap<String, String> {
    let text = |value| match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("neither text nor number: {other:?}"),
    };
    all.into_iter().map(|one| (one.key, text(one.value.unwrap().value))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A receiver of OTLP over HTTP, that answers with a status that can be changed.
struct Collector {
    server: Backend,
    spans: Receiver<Span>,
    mood: Arc<AtomicU16>,
}

impl Collector {
    fn start() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap())
    }

    fn at(address: SocketAddr) -> Self {
        let (taken, spans) = channel();
        let mood = Arc::new(AtomicU16::new(200));
        let current = Arc::clone(&mood);
        let server = Backend::at(address, move |stream, seen| {
            assert!(seen.head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{}", seen.head);
            assert_eq!(field(&seen.head, "Content-Type"), Some("application/x-protobuf"));
            let status = current.load(Ordering::SeqCst);
            if status == 200 {
                let said = ExportTraceServiceRequest::decode(&seen.body[..]).unwrap();
                read(said).into_iter().for_each(|span| drop(taken.send(span)));
            }
            use std::io::Write;
            let _ = write!(stream, "HTTP/1.1 {status} It\r\nContent-Length: 0\r\n\r\n");
            Next::Continue
        });
        Self { server, spans, mood }
    }

    /// Waits for so many spans, and makes sure that they are all.
    fn take(&self, count: usize) -> Vec<Span> {
        let mut all: Vec<_> =
            (0..count).map(|_| self.spans.recv_timeout(PATIENCE).expect("it comes")).collect();
        all.extend(self.spans.try_iter());
        assert_eq!(all.len(), count, "{all:#?}");
        all
    }
}

fn read(said: ExportTraceServiceRequest) -> Vec<Span> {
    let mut spans = Vec::new();
    for resource in said.resource_spans {
        let about = attributes(resource.resource.unwrap().attributes);
        assert_eq!(about["service.name"], "edge");
        assert_eq!(about["service.version"], env!("CARGO_PKG_VERSION"));
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            spans.push(Span {
                kind: span.kind(),
                is_error: span.status.unwrap().code() == StatusCode::Error,
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                name: span.name,
                began: span.start_time_unix_nano,
                ended: span.end_time_unix_nano,
                links: span.links.iter().map(|l| (hex(&l.trace_id), hex(&l.span_id))).collect(),
                attributes: attributes(span.attributes),
            });
        }
    }
    spans
}

fn traced_to(address: SocketAddr, mut settings: Settings, sample: u32) -> Settings {
    settings.tracing = Some(Tracing {
        endpoint: Endpoint::parse(&format!("http://{address}")).unwrap(),
        sample,
        believes_all: false,
        service: "edge".to_owned(),
        headers: Headers(vec![("X-Scope".to_owned(), "test".to_owned())]),
        timeout: PATIENCE,
    });
    settings
}

fn traced(collector: &Collector, settings: Settings, sample: u32) -> Settings {
    traced_to(collector.server.address, settings, sample)
}

fn trusting(mut settings: Settings) -> Settings {
    settings.trusted = vec!["127.0.0.1".parse::<std::net::IpAddr>().unwrap().into()];
    settings
}

fn request(path: &str, flags: &str) -> Vec<u8> {
    lines(&format!(
        "GET {path} HTTP/1.1|Host: a.example:81|User-Agent: test|traceparent: 00-{TRACE}-{CLIENT}-{flags}|tracestate: x=1|Tracestate: y=2||"
    ))
}

/// Returns the trace and the span that a backend was told, and the flags.
fn told(backend: &Backend) -> [String; 3] {
    let head = backend.seen().pop().unwrap().head;
    assert_eq!(head.to_ascii_lowercase().matches("traceparent:").count(), 1, "{head}");
    let value = field(&head, "traceparent").unwrap();
    let parts: Vec<_> = value.split('-').map(ToOwned::to_owned).collect();
    let [version, rest @ ..] = &parts[..] else { panic!("{value}") };
    assert_eq!(version, "00");
    rest.to_vec().try_into().unwrap()
}

#[test]
fn without_tracing_the_fields_pass_as_they_are() {
    let ok = Backend::named("ok");
    let nexus = before(&ok);
    Client::connect(&nexus).ask(&request("/", "01"));
    let seen = &ok.seen()[0];
    assert!(seen.has_line(&format!("traceparent: 00-{TRACE}-{CLIENT}-01")), "{}", seen.head);
    assert!(seen.head.contains("\r\ntracestate: x=1\r\nTracestate: y=2\r\n"), "{}", seen.head);
}

#[test]
fn a_trace_has_the_request_its_attempts_and_their_connections() {
    let (collector, ok) = (Collector::start(), Backend::named("ok"));
    let gone = Backend::named("gone");
    let mut settings = trusting(settings(&[gone.address, ok.address]));
    settings.pools[0].algorithm = Algorithm::First;
    settings.access_log = Some(LogFormat::Json.into());
    let (written, log) = channel();
    let nexus = Nexus::start(traced(&collector, settings, 0), Sink(written)).unwrap();
    until("the first probe is over", || crate::world::backend(&nexus, 0).is_probed());
    gone.stop();
    let (head, _) = Client::connect(&nexus).ask(&request("/cart?token=secret", "01"));
    assert_eq!(status(&head), 200);

    let spans = collector.take(5);
    assert!(spans.iter().all(|span| span.trace == TRACE));
    assert!(!format!("{spans:?}").contains("secret"));
    let by = |kind: SpanKind, backend: &Backend| {
        let name = format!("http://{}", backend.address);
        let found: Vec<_> = spans
            .iter()
            .filter(|span| span.kind == kind && span.says("nexus.backend") == name)
            .collect();
        assert_eq!(found.len(), 1, "{kind:?} {name} {spans:#?}");
        found[0]
    };
    let own = spans.iter().find(|span| span.kind == SpanKind::Server).unwrap();
    assert_eq!((&*own.parent, &*own.name, own.is_error), (CLIENT, "GET", false));
    for (key, value) in [
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("url.path", "/cart"),
        ("url.scheme", "http"),
        ("server.address", "a.example"),
        ("server.port", "81"),
        ("client.address", "127.0.0.1"),
        ("network.protocol.version", "1.1"),
        ("user_agent.original", "test"),
        ("http.response.body.size", "2"),
        ("nexus.pool", "default"),
    ] {
        assert_eq!(own.says(key), value, "{key}");
    }
    let (first, second) = (by(SpanKind::Client, &gone), by(SpanKind::Client, &ok));
    assert!(own.holds(first) && own.holds(second) && first.ended <= second.began);
    assert_eq!((first.is_error, first.says("error.type")), (true, "connect_refused"));
    assert_eq!(
        (first.says("http.request.resend_count"), second.says("http.request.resend_count")),
        ("", "1")
    );
    assert_eq!((second.is_error, second.says("http.response.status_code")), (false, "200"));
    assert_eq!(second.says("url.full"), format!("http://{}/cart", ok.address));
    assert_eq!(second.says("server.port"), ok.address.port().to_string());
    let (refused, opened) = (by(SpanKind::Internal, &gone), by(SpanKind::Internal, &ok));
    assert_eq!((&*refused.name, refused.is_error), ("connect", true));
    assert!(first.holds(refused) && second.holds(opened) && !opened.is_error);

    assert_eq!(told(&ok), [TRACE, &second.id, "01"]);
    assert!(ok.seen()[0].head.contains("tracestate: x=1\r\nTracestate: y=2"));
    let sent = collector.server.seen();
    assert!(sent.iter().all(|one| one.has_line("x-scope: test")), "{}", sent[0].head);
    drop(nexus);
    assert!(log.iter().collect::<String>().contains(&format!("\"trace_id\":\"{TRACE}\"")));
}

#[test]
fn a_stranger_begins_a_new_trace_with_a_link_to_theirs() {
    let (collector, ok) = (Collector::start(), Backend::named("ok"));
    let nexus = start(traced(&collector, settings(&[ok.address]), nexus::log::WHOLE));
    Client::connect(&nexus).ask(&request("/", "01"));
    let spans = collector.take(3);
    let own = spans.iter().find(|span| span.kind == SpanKind::Server).unwrap();
    let attempt = spans.iter().find(|span| span.kind == SpanKind::Client).unwrap();
    assert_ne!(own.trace, TRACE);
    assert_eq!((&*own.parent, &own.links[..]), ("", &[(TRACE.into(), CLIENT.into())][..]));
    assert_eq!(told(&ok), [&own.trace, &attempt.id, "03"]);
    assert!(!ok.seen()[0].head.to_ascii_lowercase().contains("tracestate"));
    // Who says two things says nothing.
    let twice = format!(
        "GET / HTTP/1.1|Host: a|traceparent: 00-{TRACE}-{CLIENT}-01|traceparent: 00-{TRACE}-{CLIENT}-01||"
    );
    Client::connect(&nexus).ask(&lines(&twice));
    let spans = collector.take(2); // Over the connection that is there.
    assert!(spans.iter().all(|span| span.links.is_empty() && span.trace != TRACE), "{spans:#?}");
}

#[test]
fn what_is_not_recorded_is_not_sent_but_told() {
    let (collector, ok) = (Collector::start(), Backend::named("ok"));
    let nexus = start(traced(&collector, trusting(settings(&[ok.address])), 0));
    // A trusted proxy that does not record: nothing of its is touched.
    Client::connect(&nexus).ask(&request("/", "00"));
    assert!(ok.seen()[0].has_line(&format!("traceparent: 00-{TRACE}-{CLIENT}-00")));
    assert!(ok.seen()[0].head.contains("\r\ntracestate: x=1\r\nTracestate: y=2\r\n"));
    // Nobody's: backends learn that they need not record either.
    Client::connect(&nexus).get("/");
    assert_eq!(told(&ok)[2], "02");
    // The only one that is recorded is the only one that is sent.
    Client::connect(&nexus).ask(&request("/", "01"));
    let spans = collector.take(2);
    assert!(spans.iter().all(|span| span.trace == TRACE));
}

#[test]
fn the_wait_for_a_place_is_a_span_of_its_own() {
    let collector = Collector::start();
    let (held, asked, word) = held("held");
    let mut settings = settings(&[held.address]);
    settings.pools[0].queue = Some(QueueRules { timeout: PATIENCE, waiting_max: 10 });
    settings.pools[0].backends[0].requests_max = Some(1);
    let nexus = start(traced(&collector, settings, nexus::log::WHOLE));
    let mut first = Client::connect(&nexus);
    first.send(&lines("GET /slow HTTP/1.1|Host: a||"));
    asked.recv().unwrap();
    let mut second = Client::connect(&nexus);
    second.send(&lines("GET /late HTTP/1.1|Host: a||"));
    until("it waits", || nexus.snapshot().pools[0].queue.waiting() == 1);
    word.send(()).unwrap();
    first.answer();
    second.answer();
    let spans = collector.take(6);
    let late = spans.iter().find(|span| span.says("url.path") == "/late").unwrap();
    let queue = spans.iter().find(|span| span.name == "queue").unwrap();
    assert!(late.holds(queue) && queue.kind == SpanKind::Internal, "{spans:#?}");
    assert_eq!(queue.says("nexus.pool"), "default");
}

#[test]
fn an_attempt_that_is_outrun_and_the_one_beside_it_are_both_there() {
    let (collector, fast) = (Collector::start(), Backend::named("fast"));
    let (silent, _asked) = Backend::waiting();
    let mut settings = settings(&[silent.address, fast.address]);
    settings.pools[0].algorithm = Algorithm::First;
    settings.pools[0].retry.hedge = Some(nexus::retry::Hedge::After(Duration::from_millis(20)));
    let nexus = start(traced(&collector, settings, nexus::log::WHOLE));
    assert_eq!(Client::connect(&nexus).get("/"), "fast");
    // The connection of the one beside is opened by nobody who writes it down.
    let spans = collector.take(4);
    let mut attempts: Vec<_> = spans.iter().filter(|span| span.kind == SpanKind::Client).collect();
    attempts.sort_by_key(|span| span.began);
    let [outrun, won] = attempts[..] else { panic!("{spans:#?}") };
    assert_eq!((outrun.says("nexus.reason"), outrun.is_error), ("outrun", false));
    assert_eq!((won.says("http.response.status_code"), won.says("nexus.reason")), ("200", ""));
    assert_eq!(told(&fast)[1], won.id);
    assert_eq!(told(&silent)[1], outrun.id);
}

#[test]
fn methods_that_clients_make_up_make_no_names() {
    let (collector, ok) = (Collector::start(), Backend::named("ok"));
    let nexus = start(traced(&collector, settings(&[ok.address]), nexus::log::WHOLE));
    Client::connect(&nexus).ask(&lines("BREW / HTTP/1.1|Host: a||"));
    let spans = collector.take(3);
    let own = spans.iter().find(|span| span.kind == SpanKind::Server).unwrap();
    assert_eq!((&*own.name, own.says("http.request.method")), ("HTTP", "_OTHER"));
    assert_eq!(own.says("http.request.method_original"), "BREW");
}

#[test]
fn a_receiver_that_is_away_harms_nobody_and_gets_what_waits_when_it_is_back() {
    let ok = Backend::named("ok");
    let address = {
        let gone = Collector::start();
        gone.server.stop();
        gone.server.address
    };
    let nexus = start(traced_to(address, settings(&[ok.address]), nexus::log::WHOLE));
    for _ in 0..20 {
        assert_eq!(Client::connect(&nexus).get("/"), "ok");
    }
    let collector = Collector::at(address);
    collector.mood.store(503, Ordering::SeqCst);
    until("it was tried and put off", || collector.server.count() > 0);
    collector.mood.store(200, Ordering::SeqCst);
    let mut own = 0;
    while own < 20 {
        own +=
            usize::from(collector.spans.recv_timeout(PATIENCE).unwrap().kind == SpanKind::Server);
    }
    assert_eq!(nexus.spans_dropped(), 0);
}

#[test]
fn a_receiver_that_refuses_costs_spans_which_are_counted() {
    let (collector, ok) = (Collector::start(), Backend::named("ok"));
    collector.mood.store(400, Ordering::SeqCst);
    let nexus = start(traced(&collector, settings(&[ok.address]), nexus::log::WHOLE));
    Client::connect(&nexus).get("/");
    until("all three are counted", || nexus.spans_dropped() == 3);
}

#[test]
fn the_last_spans_are_sent_at_the_end_and_a_receiver_that_is_stuck_does_not_keep_nexus() {
    let (collector, ok) = (Collector::start(), Backend::named("ok"));
    let nexus = start(traced(&collector, settings(&[ok.address]), nexus::log::WHOLE));
    Client::connect(&nexus).get("/");
    drop(nexus);
    assert_eq!(collector.spans.try_iter().count(), 3, "they are there when Nexus is gone");

    let (stuck, _asked) = Backend::waiting();
    let nexus = start(traced_to(stuck.address, settings(&[ok.address]), nexus::log::WHOLE));
    Client::connect(&nexus).get("/");
    let began = Instant::now();
    drop(nexus);
    // A second, and what a loaded machine takes on top.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn a_reload_changes_how_many_are_recorded_but_not_where_they_go() {
    let (collector, ok) = (Collector::start(), Backend::named("ok"));
    let off = traced(&collector, settings(&[ok.address]), 0);
    let nexus = start(off.clone());
    Client::connect(&nexus).get("/quiet");
    let on = traced(&collector, settings(&[ok.address]), nexus::log::WHOLE);
    let plan = nexus.reload(on).unwrap();
    assert_eq!(plan.to_string(), "  tracing.sample 0 % → 100 %");
    Client::connect(&nexus).get("/loud");
    let spans = collector.take(2);
    assert!(spans.iter().any(|span| span.says("url.path") == "/loud"));
    for tracing in [None, traced_to(ok.address, off.clone(), 0).tracing] {
        let refused = nexus.reload(Settings { tracing, ..off.clone() });
        assert!(matches!(refused, Err(nexus::control::Refused::NeedsRestart("tracing"))));
    }
}
