use std::time::UNIX_EPOCH;

use super::*;
use crate::backend::Backend;
use crate::reason::Reason;
use crate::record::{Failed, Protocol};
use crate::retry::Progress;

fn record() -> Record<'static> {
    Record {
        client: [127, 0, 0, 1].into(),
        protocol: Protocol::Http11,
        is_secured: false,
        method: b"GET",
        target: b"/a\"\x9b?secret",
        host: b"a.example",
        status: 200,
        backend: Some("http://b:1"),
        failed: &[],
        attempts: 1,
        duration: Duration::from_micros(1_234),
        bytes_in: 0,
        bytes_out: 5,
        reason: None,
        why_not: None,
    }
}

fn written(format: LogFormat, record: &Record<'_>) -> String {
    let mut stamp = line::Stamp::default();
    let mut out = Vec::new();
    stamp.set(UNIX_EPOCH + Duration::from_millis(1_764_000_000_045));
    match format {
        LogFormat::Text => line::text(&mut out, &stamp, record),
        LogFormat::Json => line::json(&mut out, &stamp, record),
    }
    String::from_utf8(out).unwrap()
}

#[test]
fn a_line_for_people_has_no_byte_that_a_terminal_obeys() {
    let line = written(LogFormat::Text, &record());
    let expected = "2025-11-24T16:00:00.045Z 127.0.0.1 GET /a\"\\x9b 200 http://b:1 1.234ms\n";
    assert_eq!(line, expected);
}

#[test]
fn a_json_line_is_json_and_says_what_failed() {
    let url = "http://a:1".parse().unwrap();
    let backend = Backend::new(url, Arc::default(), crate::health::Verdict::Up);
    let took = Duration::from_micros(1234);
    let (backend, progress) = (Arc::new(backend), Progress::NothingSent);
    let failed = [Failed { backend, reason: Reason::ConnectRefused, progress, took }];
    let record =
        Record { failed: &failed, attempts: 2, reason: Some(Reason::BackendClosed), ..record() };
    let value: serde_json::Value =
        serde_json::from_str(&written(LogFormat::Json, &record)).unwrap();
    assert_eq!(value["time"], "2025-11-24T16:00:00.045Z");
    assert_eq!(value["path"], "/a\"\u{9b}");
    assert_eq!(value["duration_ms"], 1.234);
    assert_eq!(value["failed"][0]["reason"], "connect_refused");
    assert_eq!(value["failed"][0]["phase"], "connect");
    assert_eq!(value["failed"][0]["duration_ms"], 1.234);
    assert_eq!(value["reason"], "backend_closed");
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
    let writer = Writer::start(Stuck(gate)).unwrap();
    let mut log = writer.log(LogFormat::Text);
    for _ in 0..BLOCKS_MAX + 3 {
        log.write(&record());
        log.flush();
    }
    assert!(writer.dropped.load(Ordering::Relaxed) >= 1);
    drop((log, open));
}
