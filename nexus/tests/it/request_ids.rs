//! Stories of the names that requests have.

use std::sync::mpsc::channel;

use nexus::app::Nexus;
use nexus::log::LogFormat;
use nexus::settings::Settings;

use crate::world::{
    Backend, Client, Next, Sink, backend, before, field, lines, settings, start, status, until,
};

const HEADER: &str = "X-Request-Id";

fn named(backend: &Backend) -> Settings {
    Settings { request_id: Some(HEADER.to_owned()), ..settings(&[backend.address]) }
}

fn trusting(mut settings: Settings) -> Settings {
    settings.trusted = vec!["127.0.0.1".parse::<std::net::IpAddr>().unwrap().into()];
    settings
}

/// Sends `request`, and returns what the client and the backend were told that it is called.
fn told(nexus: &Nexus, backend: &Backend, request: &str) -> (String, String) {
    let (head, _) = Client::connect(nexus).ask(&lines(request));
    let seen = backend.seen().pop().unwrap().head;
    assert_eq!(head.matches("X-Request-Id:").count(), 1, "{head}");
    assert_eq!(seen.to_ascii_lowercase().matches("x-request-id:").count(), 1, "{seen}");
    let name = |head: &str| field(head, HEADER).unwrap().to_owned();
    (name(&head), name(&seen))
}

#[test]
fn without_names_the_field_passes_as_it_is_both_ways() {
    let backend = Backend::answering(
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nx-request-id: theirs\r\n\r\n",
        || Next::Continue,
    );
    let nexus = before(&backend);
    let (head, _) =
        Client::connect(&nexus).ask(&lines("GET / HTTP/1.1|Host: a|x-request-id: mine||"));
    assert!(head.contains("\r\nx-request-id: theirs\r\n"), "{head}");
    assert!(backend.seen()[0].has_line("x-request-id: mine"));
}

#[test]
fn a_stranger_gets_a_new_name_which_all_are_told() {
    let backend = Backend::answering(
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Request-ID: theirs\r\n\r\n",
        || Next::Continue,
    );
    let (written, log) = channel();
    let settings = Settings { access_log: Some(LogFormat::Json.into()), ..named(&backend) };
    let nexus = Nexus::start(settings, Sink(written)).unwrap();
    let (to_client, to_backend) =
        told(&nexus, &backend, "GET / HTTP/1.1|Host: a|x-request-id: forged|X-REQUEST-ID: two||");
    assert_eq!(to_client, to_backend);
    assert!(to_client.len() == 32 && to_client.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let (another, _) = told(&nexus, &backend, "GET / HTTP/1.1|Host: a||");
    assert_ne!(another, to_client);
    drop(nexus);
    let log: String = log.iter().collect();
    assert!(log.contains(&format!("\"request_id\":\"{to_client}\"")), "{log}");
}

#[test]
fn what_a_trusted_proxy_says_is_kept_if_it_is_a_name() {
    let backend = Backend::named("ok");
    let nexus = start(trusting(named(&backend)));
    let ask = |name: &str| {
        let request = format!("GET / HTTP/1.1|Host: a|X-Request-Id: {name}||");
        told(&nexus, &backend, &request)
    };
    assert_eq!(ask("edge-1/7f3c"), ("edge-1/7f3c".to_owned(), "edge-1/7f3c".to_owned()));
    for wrong in ["two words", &"x".repeat(129), "\u{e9}"] {
        let (to_client, to_backend) = ask(wrong);
        assert!(to_client == to_backend && to_client.len() == 32, "{wrong}: {to_client}");
    }
}

#[test]
fn answers_of_nexus_itself_name_the_request_too() {
    let gone = Backend::named("gone");
    gone.stop();
    let (written, log) = channel();
    let settings = Settings { access_log: Some(LogFormat::Json.into()), ..trusting(named(&gone)) };
    let nexus = Nexus::start(settings, Sink(written)).unwrap();
    until("nobody is there", || !backend(&nexus, 0).is_up());
    let mut names = Vec::new();
    for (request, expected) in [
        ("GET / HTTP/1.1|Host: a||", 503),
        ("GET / HTTP/1.1|Host: a|Accept: application/json||", 503),
        ("POST / HTTP/1.1|Host: a|Content-Type: application/grpc||", 200),
        ("GET / HTTP/1.1||", 400),
        ("GET / HTTP/9.9||", 505),
        ("OPTIONS * HTTP/1.1|Host: a|Max-Forwards: 0||", 204),
        ("OPTIONS * HTTP/1.1|Host: a|Max-Forwards: 0|X-Request-Id: kept||", 204),
    ] {
        let (head, _) = Client::connect(&nexus).ask(&lines(request));
        assert_eq!(status(&head), expected, "{head}");
        names.push(field(&head, HEADER).unwrap_or_else(|| panic!("{head}")).to_owned());
    }
    assert_eq!(names.last().unwrap(), "kept");
    drop(nexus);
    let log: String = log.iter().collect();
    assert!(names.iter().all(|name| log.contains(&format!("\"request_id\":\"{name}\""))), "{log}");
}

#[test]
fn a_request_keeps_its_name_over_all_attempts() {
    let (bad, good) = (Backend::answering(b"", || Next::Close), Backend::named("good"));
    let mut settings = named(&bad);
    settings.pools = vec![crate::world::pool(&[bad.address, good.address])];
    settings.pools[0].algorithm = nexus::picker::Algorithm::First;
    let nexus = start(settings);
    let (head, _) = Client::connect(&nexus).ask(&lines("GET / HTTP/1.1|Host: a||"));
    let seen = [&bad, &good].map(|one| field(&one.seen()[0].head, HEADER).unwrap().to_owned());
    assert_eq!(seen, [field(&head, HEADER).unwrap(); 2]);
}
