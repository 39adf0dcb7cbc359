use std::time::UNIX_EPOCH;

use super::*;
use crate::backend::Backend;
use crate::http1::head::parse_request;
use crate::reason::Reason;
use crate::record::{Failed, Protocol};
use crate::retry::Progress;
use crate::route::HeadFields;

fn record() -> Record<'static> {
    Record {
        client: [127, 0, 0, 1].into(),
        protocol: Protocol::Http11,
        is_secured: false,
        method: b"GET",
        target: b"/a\"\x9b?secret",
        host: b"a.example",
        fields: HeadFields::default(),
        status: 200,
        backend: Some("http://b:1"),
        failed: &[],
        attempts: 1,
        duration: Duration::from_micros(1_234),
        bytes_in: 0,
        bytes_out: 5,
        reason: None,
        why_not: None,
        request_id: Some("r\"1"),
        trace_id: None,
    }
}

fn written(format: &LogFormat, record: &Record<'_>) -> String {
    let mut stamp = line::Stamp::default();
    let mut out = Vec::new();
    stamp.set(UNIX_EPOCH + Duration::from_millis(1_764_000_000_045));
    let entry = line::Entry { stamp: &stamp, record, route: Some("api"), pool: Some("web") };
    line::write(&mut out, format, &entry);
    String::from_utf8(out).unwrap()
}

fn failed() -> [Failed; 1] {
    let url = "http://a:1".parse().unwrap();
    let backend = Arc::new(Backend::new(url, Arc::default(), crate::health::Verdict::Up));
    let took = Duration::from_micros(1234);
    [Failed { backend, reason: Reason::ConnectRefused, progress: Progress::NothingSent, took }]
}

#[test]
fn a_line_for_people_has_no_byte_that_a_terminal_obeys() {
    let line = written(&LogFormat::Text, &record());
    let expected =
        "2025-11-24T16:00:00.045Z 127.0.0.1 GET /a\"\\x9b 200 http://b:1 1.234ms request_id=r\"1\n";
    assert_eq!(line, expected);
}

#[test]
fn a_json_line_is_json_and_says_what_failed() {
    let failed = failed();
    let record =
        Record { failed: &failed, attempts: 2, reason: Some(Reason::BackendClosed), ..record() };
    let value: serde_json::Value =
        serde_json::from_str(&written(&LogFormat::Json, &record)).unwrap();
    assert_eq!(value["time"], "2025-11-24T16:00:00.045Z");
    assert_eq!(value["path"], "/a\"\u{9b}");
    assert_eq!(value["duration_ms"], 1.234);
    assert_eq!(value["failed"][0]["reason"], "connect_refused");
    assert_eq!(value["failed"][0]["phase"], "connect");
    assert_eq!(value["failed"][0]["duration_ms"], 1.234);
    assert_eq!(value["reason"], "backend_closed");
    let names = ["host", "protocol", "route", "pool"].map(|name| value[name].as_str().unwrap());
    assert_eq!((names, &value["tls"]), (["a.example", "HTTP/1.1", "api", "web"], &false.into()));
}

#[test]
fn a_combined_line_is_what_web_servers_write() {
    let head = b"GET / HTTP/1.1\r\nReferer: http://r/?q\r\nuser-agent: a \"b\\\r\n\r\n";
    let parsed = parse_request(head).unwrap().unwrap();
    let fields = HeadFields { bytes: head, fields: &parsed.fields };
    let line = written(&LogFormat::Combined, &Record { fields, ..record() });
    let expected = r#"127.0.0.1 - - [24/Nov/2025:16:00:00 +0000] "GET /a\"\x9b HTTP/1.1" 200 5 "http://r/?q" "a \"b\\""#;
    assert_eq!(line.trim_end(), expected);
    let bare = written(&LogFormat::Combined, &Record { bytes_out: 0, ..record() });
    assert!(bare.ends_with("200 - \"-\" \"-\"\n"), "{bare}");
}

#[test]
fn a_template_has_every_name_and_refuses_others() {
    let all: Vec<_> = Gap::NAMES.iter().map(|name| format!("{name}={{{name}}}")).collect();
    let format = LogFormat::parse(&format!("{{{{{}}}}}", all.join("\t"))).unwrap();
    let failed = failed();
    let reason = Some(Reason::BackendClosed);
    let trace_id = crate::trace::TraceId::new(0xabc);
    let line = written(&format, &Record { failed: &failed, reason, trace_id, ..record() });
    let said: Vec<_> = line.trim_matches(['{', '}', '\n']).split('\t').collect();
    assert_eq!(
        said,
        [
            "time=2025-11-24T16:00:00.045Z",
            "client=127.0.0.1",
            "method=GET",
            "path=/a\\\"\\x9b",
            "query=secret",
            "host=a.example",
            "protocol=HTTP/1.1",
            "tls=false",
            "status=200",
            "route=api",
            "pool=web",
            "backend=http://b:1",
            "attempts=1",
            "failed=http://a:1:connect_refused:connect:1.234ms",
            "duration_ms=1.234",
            "bytes_in=0",
            "bytes_out=5",
            "reason=backend_closed",
            "not_retried=-",
            "request_id=r\\\"1",
            "trace_id=00000000000000000000000000000abc",
            "referer=-",
            "user_agent=-",
        ]
    );
    let bad = |text: &str| LogFormat::parse(text).unwrap_err().unwrap();
    assert_eq!(bad("{pfad}"), BadTemplate::UnknownName("pfad".to_owned()));
    assert_eq!(bad("{path"), BadTemplate::Brace);
    assert_eq!(bad("{path}}"), BadTemplate::Brace);
    assert_eq!(bad("{path}\n"), BadTemplate::Control);
    assert_eq!(bad("{{path}}"), BadTemplate::NoGap);
    assert_eq!(LogFormat::parse("jsn"), Err(None));
}

proptest::proptest! {
    #[test]
    fn no_byte_of_a_client_breaks_a_line_its_quotes_or_a_terminal(
        method: Vec<u8>, target: Vec<u8>, host: Vec<u8>, agent: Vec<u8>,
    ) {
        let label = b"user-agent".len();
        let bytes = [&b"user-agent"[..], &agent].concat();
        let span = crate::http1::head::Span::new;
        let fields = [crate::http1::head::Field {
            name: crate::http1::head::Name::Other,
            one_hop: false,
            label: span(0, label),
            value: span(label, bytes.len()),
        }];
        let fields = HeadFields { bytes: &bytes, fields: &fields };
        let record =
            Record { method: &method, target: &target, host: &host, fields, ..record() };
        let quoted = LogFormat::parse("\"{method}\" \"{path}\" \"{host}\" \"{user_agent}\"").unwrap();
        for format in [LogFormat::Text, LogFormat::Json, LogFormat::Combined, quoted] {
            let line = written(&format, &record);
            let is_plain = |byte: u8| matches!(byte, b' '..=b'~');
            proptest::prop_assert!(line.strip_suffix('\n').unwrap().bytes().all(is_plain));
            if format == LogFormat::Json {
                proptest::prop_assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok());
            } else if format != LogFormat::Text {
                // What is left after the quotes of a value are taken out stands in pairs.
                let quotes = line.replace("\\\\", "").replace("\\\"", "").matches('"').count();
                proptest::prop_assert_eq!(quotes, if format == LogFormat::Combined { 6 } else { 8 });
            }
        }
    }
}

#[test]
fn failures_are_always_written_and_the_rest_by_chance() {
    let log = |sample, filter| AccessLog { sample, filter, ..LogFormat::Text.into() };
    let takes =
        |log: &AccessLog, record: &Record<'_>, dice: u32| log.takes(record, Some("api"), || dice);
    let (fine, bad) = (record(), Record { status: 502, ..record() });
    let broken = Record { reason: Some(Reason::ResponseTruncated), ..record() };
    let gone = Record { reason: Some(Reason::ClientGone), ..record() };
    let tenth = log(Some(WHOLE / 10), Filter::default());
    assert!(takes(&tenth, &fine, WHOLE / 10 - 1) && !takes(&tenth, &fine, WHOLE / 10));
    assert!(takes(&tenth, &bad, WHOLE - 1) && takes(&tenth, &broken, WHOLE - 1));
    assert!(!takes(&tenth, &gone, WHOLE - 1));
    assert!(takes(&log(None, Filter::default()), &fine, WHOLE - 1));
    let none = log(Some(0), Filter::default());
    assert!(takes(&none, &bad, 0) && !takes(&none, &fine, 0));
}

#[test]
fn whoever_meets_one_condition_of_a_filter_is_written_and_nobody_else() {
    let (slow, routes) = (Some(Duration::from_millis(500)), vec!["api".to_owned()]);
    let filter = Filter { statuses: vec![400..=499], slow, routes: Vec::new() };
    let log = AccessLog { filter, ..LogFormat::Text.into() };
    let takes = |record: &Record<'_>, route| log.takes(record, route, || WHOLE - 1);
    assert!(takes(&Record { status: 404, ..record() }, None));
    assert!(takes(&Record { duration: Duration::from_millis(500), ..record() }, None));
    assert!(!takes(&record(), Some("api")) && !takes(&Record { status: 502, ..record() }, None));
    let filter = Filter { routes, ..Filter::default() };
    let log = AccessLog { filter, ..LogFormat::Text.into() };
    assert!(log.takes(&record(), Some("api"), || 0) && !log.takes(&record(), Some("b"), || 0));
}

#[test]
fn outputs_are_read_as_they_are_written() {
    for text in [
        "stdout",
        "file:/a b",
        "syslog:/dev/log",
        "syslog:udp://127.0.0.1:9",
        "syslog:udp://[::1]:514",
    ] {
        assert_eq!(Output::parse(text).unwrap().unwrap().to_string(), text);
    }
    let udp = |text| Output::parse(text).unwrap().unwrap().to_string();
    assert_eq!(udp("syslog:udp://[::1]"), "syslog:udp://[::1]:514");
    assert_eq!(udp("syslog:udp://localhost:5514"), "syslog:udp://127.0.0.1:5514");
    assert_eq!(Output::parse("off"), Ok(None));
    for wrong in
        ["", "file:", "syslog:log", "syslog:udp://loghost", "syslog:tcp://1.1.1.1", "stderr"]
    {
        assert!(Output::parse(wrong).is_err(), "{wrong}");
    }
    assert_eq!((facility("local0"), facility("local7"), facility("daemon")), (16, 23, 3));
}

/// Takes nothing until it is told to.
struct Stuck(Receiver<()>);

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_writer_that_is_stuck_makes_nobody_wait_and_what_is_lost_is_counted() {
    let (open, gate) = sync_channel(0);
    let dropped = Arc::new(AtomicU64::new(0));
    let rules = AccessLog::from(LogFormat::Text);
    let writer = Writer::start(&rules, Stuck(gate), Arc::clone(&dropped)).unwrap();
    let mut log = writer.log();
    for _ in 0..BLOCKS_MAX + 3 {
        log.write_named(&rules, &record(), (None, None));
        log.flush();
    }
    assert!(dropped.load(Ordering::Relaxed) >= 1);
    drop((log, open));
}
