//! Stories of Nexus behind and in front of other proxies: who the client really is, and who is told.

use std::sync::mpsc::channel;

use nexus::app::Nexus;
use nexus::config::{self, World};
use nexus::settings::Settings;

use crate::world::{Backend, Client, PATIENCE, Sink, lines, start, until};

/// A world of one file.
struct File(String);

impl World for File {
    fn read(&self, _: &str) -> Result<String, String> {
        Ok(self.0.clone())
    }

    fn list(&self, _: &str) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }

    fn env(&self, _: &str) -> Option<String> {
        None
    }
}

/// Reads settings for a test from YAML: one worker, no log, one probe.
#[track_caller]
pub(crate) fn configured(text: &str) -> Settings {
    let text =
        if text.starts_with('{') { text.to_owned() } else { format!("{text}\nworkers: 1\n") };
    let loaded = config::load("nexus.yaml", &File(text));
    let causes: Vec<_> = loaded.problems.iter().map(|problem| problem.cause.clone()).collect();
    let mut settings = loaded.config.unwrap_or_else(|| panic!("{causes:?}")).into_settings();
    settings.access_log = None;
    settings.timeouts.shutdown = PATIENCE / 4;
    settings
}

/// Sends a request with these further lines.
fn ask(client: &mut Client, lines_said: &str) -> String {
    let (_, body) = client.ask(&lines(&format!("GET / HTTP/1.1|Host: a|{lines_said}|")));
    String::from_utf8(body).unwrap()
}

#[test]
fn routes_limits_and_the_log_go_by_the_client_behind_trusted_proxies() {
    let (web, office) = (Backend::named("web"), Backend::named("office"));
    let mut settings = configured(&format!(
        "
listen: 127.0.0.1:0
trusted_proxies: [127.0.0.0/8, 10.0.0.0/8]
pools: {{ web: {{ backends: [{}] }}, office: {{ backends: [{}] }} }}
routes:
  - {{ pool: web, rate_limit: {{ rate: 2/h }} }}
  - {{ match: {{ clients: 1.2.3.0/24 }}, pool: office }}",
        web.address, office.address
    ));
    settings.access_log = Some(nexus::log::LogFormat::Text.into());
    let (written, log) = channel();
    let nexus = Nexus::start(settings, Sink(written)).unwrap();
    let mut client = Client::connect(&nexus);
    assert_eq!(ask(&mut client, "X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.0.0.2|"), "office");
    // On one connection each request has its own client, with its own limit.
    for from in ["6.6.6.6", "7.7.7.7", "8.8.8.8:80"] {
        assert_eq!(ask(&mut client, &format!("X-Forwarded-For: {from}|")), "web");
        assert_eq!(ask(&mut client, &format!("X-Forwarded-For: {from}|")), "web");
        assert!(ask(&mut client, &format!("X-Forwarded-For: {from}|")).contains("rate_limited"));
    }
    assert_eq!(ask(&mut client, ""), "web");
    let seen = &office.seen()[0];
    let told = "X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.0.0.2, 127.0.0.1";
    assert!(seen.has_line(told), "{}", seen.head);
    drop(nexus);
    let log: String = log.iter().collect();
    for client in ["1.2.3.4", "6.6.6.6", "7.7.7.7", "8.8.8.8", "127.0.0.1"] {
        assert!(log.contains(client), "{client}: {log}");
    }
    assert!(!log.contains("10.0.0.2"), "{log}");
}

#[test]
fn a_client_that_is_not_trusted_cannot_be_somebody_else() {
    let (web, office) = (Backend::named("web"), Backend::named("office"));
    let nexus = start(configured(&format!(
        "
listen: 127.0.0.1:0
trusted_proxies: [10.0.0.0/8]
pools: {{ web: {{ backends: [{}] }}, office: {{ backends: [{}] }} }}
routes: [{{ pool: web }}, {{ match: {{ clients: 1.2.3.0/24 }}, pool: office }}]",
        web.address, office.address
    )));
    assert_eq!(ask(&mut Client::connect(&nexus), "X-Forwarded-For: 1.2.3.4|"), "web");
    until("it is seen", || web.count() == 1);
    assert!(web.seen()[0].has_line("X-Forwarded-For: 127.0.0.1"), "{}", web.seen()[0].head);
}

#[test]
fn forwarded_is_read_and_written_where_it_is_spoken() {
    let backend = Backend::named("ok");
    let mut settings = configured(&format!(
        "
listen: 127.0.0.1:0
trusted_proxies: [127.0.0.1, \"fd00::/8\"]
forwarded_fields: forwarded
backends: [{}]",
        backend.address
    ));
    settings.access_log = Some(nexus::log::LogFormat::Text.into());
    let (written, log) = channel();
    let nexus = Nexus::start(settings, Sink(written)).unwrap();
    let mut client = Client::connect(&nexus);
    let said = "for=6.6.6.6, for=\"[2001:db8::1]:80\";proto=https, for=\"[fd00::1]\"";
    ask(&mut client, &format!("X-Forwarded-For: 5.5.5.5|Forwarded: {said}|"));
    ask(&mut client, "X-Forwarded-For: 5.5.5.5|");
    let seen = backend.seen();
    let own = "for=127.0.0.1;host=a;proto=http";
    assert!(seen[0].has_line(&format!("Forwarded: {said}, {own}")), "{}", seen[0].head);
    assert!(seen[1].has_line(&format!("Forwarded: {own}")), "{}", seen[1].head);
    assert!(seen.iter().all(|seen| !seen.head.contains("X-Forwarded-")), "{seen:?}");
    drop(nexus);
    let log: String = log.iter().collect();
    assert!(log.contains("2001:db8::1") && !log.contains("5.5.5.5"), "{log}");
}

#[test]
fn what_is_not_spoken_is_not_passed_on_whoever_says_it() {
    let backend = Backend::named("ok");
    for trusted in ["10.0.0.0/8", "127.0.0.0/8"] {
        let nexus = start(configured(&format!(
            "{{ listen: 127.0.0.1:0, trusted_proxies: [{trusted}], backends: [{}] }}",
            backend.address
        )));
        ask(&mut Client::connect(&nexus), "Forwarded: for=1.2.3.4|");
        let head = &backend.seen().pop().unwrap().head;
        assert!(!head.contains("\r\nForwarded"), "{head}");
    }
}

/// Connects, says something, and returns all that is said back.
fn all_said(nexus: &Nexus, said: &[u8]) -> Vec<u8> {
    let mut client = Client::connect(nexus);
    client.send(said);
    let _ = client.stream.shutdown(std::net::Shutdown::Write);
    client.reader.rest()
}

#[test]
fn a_listener_speaks_what_it_is_told_to() {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let backend = Backend::named("ok");
    let speaks = |protocol: &str| {
        let nexus = start(configured(&format!(
            "
listeners: [{{ address: 127.0.0.1:0, protocol: {protocol} }}]
allow_half_close: true
backends: [{}]",
            backend.address
        )));
        let is_http1 = all_said(&nexus, &lines("GET / HTTP/1.1|Host: a|Connection: close||"))
            .starts_with(b"HTTP/1.1 200");
        let to_preface = all_said(&nexus, PREFACE);
        // The type of the first frame: settings.
        let is_http2 = to_preface.get(3) == Some(&4);
        assert!(is_http2 || to_preface.starts_with(b"HTTP/1.1 400"), "{to_preface:?}");
        (is_http1, is_http2)
    };
    assert_eq!(speaks("auto"), (true, true));
    assert_eq!(speaks("http1"), (true, false));
    assert_eq!(speaks("http2"), (false, true));
}
