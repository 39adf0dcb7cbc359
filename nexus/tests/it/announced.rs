//! Stories of the PROXY protocol, in front of Nexus and behind it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use nexus::app::Nexus;
use nexus::proxy_protocol::{self, Ends, Header, Version};
use nexus::tls::ListenerTls;
use rustls::pki_types::ServerName;

use crate::proxies::configured;
use crate::secure::{Authority, server_config};
use crate::world::{Backend, Client, PATIENCE, lines, raw, raw_head, start, until};

const GET: &str = "GET / HTTP/1.1|Host: a||";

/// Starts a Nexus that trusts these, whose listener is announced.
fn behind(trusted: &str, backend: &Backend) -> Nexus {
    let mut settings = configured(&format!(
        "
listeners: [{{ address: 127.0.0.1:0, proxy_protocol: true }}]
trusted_proxies: [{trusted}]
backends: [{}]",
        backend.address
    ));
    settings.timeouts.head = Duration::from_millis(300);
    start(settings)
}

fn ends(source: &str) -> Option<Ends> {
    Some(Ends::of(source.parse().unwrap(), "192.0.2.1:443".parse().unwrap()))
}

#[test]
fn the_client_is_whom_a_trusted_proxy_names_however_it_is_cut() {
    let backend = Backend::named("ok");
    let nexus = behind("127.0.0.0/8", &backend);
    for version in [Version::V1, Version::V2] {
        for (source, told) in [("1.2.3.4:5", "1.2.3.4"), ("[2001:db8::1]:5", "2001:db8::1")] {
            for step in [1, 7, 1000] {
                let mut client = Client::connect(&nexus);
                let bytes = [proxy_protocol::write(version, ends(source)), lines(GET)].concat();
                for piece in bytes.chunks(step) {
                    client.send(piece);
                }
                client.answer();
                assert_eq!(client.get("/"), "ok", "the connection goes on");
                let seen = backend.seen();
                let line = format!("X-Forwarded-For: {told}");
                assert!(seen[seen.len() - 2..].iter().all(|seen| seen.has_line(&line)), "{seen:?}");
            }
        }
    }
}

#[test]
fn a_connection_of_the_proxys_own_is_from_the_proxy() {
    let backend = Backend::named("ok");
    let nexus = behind("127.0.0.0/8", &backend);
    for version in [Version::V1, Version::V2] {
        let mut client = Client::connect(&nexus);
        client.send(&proxy_protocol::write(version, None));
        assert_eq!(client.get("/"), "ok");
    }
    assert!(backend.seen().iter().all(|seen| seen.has_line("X-Forwarded-For: 127.0.0.1")));
}

#[test]
fn whoever_is_not_trusted_or_says_something_else_is_not_heard() {
    let backend = Backend::named("ok");
    let header = proxy_protocol::write(Version::V1, ends("1.2.3.4:5"));
    let untrusted = behind("10.0.0.0/8", &backend);
    let nexus = behind("127.0.0.0/8", &backend);
    let half = &header[..header.len() / 2];
    for (nexus, said) in [
        (&untrusted, [&header[..], &lines(GET)].concat()),
        (&nexus, lines(GET)),
        (&nexus, lines("PROXY TCP4 1.2.3.4|GET / HTTP/1.1|Host: a||")),
        (&nexus, half.to_vec()), // And then nothing, for too long.
        (&nexus, Vec::new()),
    ] {
        let mut client = Client::connect(nexus);
        client.send(&said);
        client.assert_closed();
    }
    // One that leaves in the middle leaves nothing behind.
    let mut client = Client::connect(&nexus);
    client.send(half);
    drop(client);
    assert_eq!(backend.count(), 0);
}

#[test]
fn it_stands_before_tls() {
    let (backend, authority) = (Backend::named("secret"), Authority::new());
    let mut settings = configured(&format!(
        "
listeners: [{{ address: 127.0.0.1:0, proxy_protocol: true }}]
trusted_proxies: [127.0.0.1]
backends: [{}]",
        backend.address
    ));
    settings.listeners[0].tls = Some(authority.front(&["a.test"], ListenerTls::new(Vec::new())));
    let nexus = start(settings);
    let mut socket = TcpStream::connect(nexus.addresses()[0]).unwrap();
    let config = authority.client_config(None, &["http/1.1"]);
    let name = ServerName::try_from("a.test").unwrap();
    let session = rustls::ClientConnection::new(config, name).unwrap();
    socket.write_all(&proxy_protocol::write(Version::V2, ends("1.2.3.4:5"))).unwrap();
    let mut client = rustls::StreamOwned::new(session, socket);
    client.write_all(&lines("GET / HTTP/1.1|Host: a.test|Connection: close||")).unwrap();
    let mut answer = String::new();
    let _ = client.read_to_string(&mut answer);
    assert!(answer.ends_with("secret"), "{answer}");
    assert!(backend.seen()[0].has_line("X-Forwarded-For: 1.2.3.4"));
}

/// Reads a header, one byte at a time.
fn header(stream: &mut impl Read) -> Option<Header> {
    let (mut bytes, mut byte) = (Vec::new(), [0]);
    loop {
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return None;
        }
        bytes.push(byte[0]);
        if let Some(header) = proxy_protocol::read(&bytes).expect("it is a header") {
            return Some(header);
        }
    }
}

/// Starts a backend that expects a header in front of each connection, and tells of each what came.
fn announced() -> (SocketAddr, Receiver<(Header, String)>) {
    let (came, comes) = channel();
    let address = raw(move |mut stream| {
        let Some(header) = header(&mut stream) else { return };
        loop {
            let head = raw_head(&mut stream);
            let is_over = head.is_empty();
            came.send((header, head)).unwrap();
            if is_over {
                return;
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
        }
    });
    (address, comes)
}

#[test]
fn a_backend_is_told_of_each_client_on_a_connection_of_its_own() {
    for version in Version::NAMES {
        let (address, came) = announced();
        let nexus = start(configured(&format!(
            "
listen: 127.0.0.1:0
trusted_proxies: [127.0.0.1]
pools: {{ web: {{ backends: [{address}], proxy_protocol: {version} }} }}
routes: [{{ pool: web }}]"
        )));
        let came = || came.recv_timeout(PATIENCE).unwrap();
        assert_eq!((came().0.ends, ()), (None, ()), "the probe is Nexus's own");
        let mut client = Client::connect(&nexus);
        let own = client.stream.local_addr().unwrap();
        for (said, source) in
            [("", own), ("X-Forwarded-For: 6.6.6.6|", "6.6.6.6:0".parse().unwrap())]
        {
            let (_, body) = client.ask(&lines(&format!("GET / HTTP/1.1|Host: a|{said}|")));
            assert_eq!(body, b"ok");
            let (header, head) = came();
            assert_eq!(header.ends.unwrap().source, source);
            assert!(head.starts_with("GET / HTTP/1.1|"), "{head}");
            assert_eq!(came().1, "", "nothing follows on this connection");
        }
    }
}

#[test]
fn it_is_said_before_tls_to_a_backend_too() {
    let authority = Authority::new();
    let config = server_config(&authority.server("127.0.0.1"), &["h2", "http/1.1"]);
    let (came, comes) = channel();
    let address = raw(move |mut stream| {
        let Some(header) = header(&mut stream) else { return };
        let session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = rustls::StreamOwned::new(session, stream);
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) > 0 {
            head.push(byte[0]);
        }
        if head.is_empty() {
            return; // The probe.
        }
        came.send(header).unwrap();
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let mut settings = configured("listen: 127.0.0.1:0");
    settings.pools[0].tls = Some(authority.back());
    settings.pools[0].backends = vec![format!("https://{address}").parse().unwrap()];
    settings.pools[0].proxy_protocol = Some(Version::V2);
    let nexus = start(settings);
    let mut client = Client::connect(&nexus);
    let own = client.stream.local_addr().unwrap();
    assert_eq!(client.get("/"), "ok");
    assert_eq!(comes.recv_timeout(PATIENCE).unwrap().ends.unwrap().source, own);
}

#[test]
fn two_in_a_row_know_the_same_client() {
    let backend = Backend::named("ok");
    let inner = behind("127.0.0.1", &backend);
    let outer = start(configured(&format!(
        "
listen: 127.0.0.1:0
trusted_proxies: [127.0.0.1]
pools: {{ web: {{ backends: [{}], proxy_protocol: v2 }} }}
routes: [{{ pool: web }}]",
        inner.addresses()[0]
    )));
    let mut client = Client::connect(&outer);
    let asked = lines("GET / HTTP/1.1|Host: a|X-Forwarded-For: 2001:db8::7||");
    for _ in 0..3 {
        assert_eq!(client.ask(&asked).1, b"ok");
    }
    until("they are seen", || backend.count() == 3);
    // Who is named is not trusted in turn: what it says of others is not passed on.
    assert!(backend.seen().iter().all(|seen| seen.has_line("X-Forwarded-For: 2001:db8::7")));
}

#[test]
fn what_is_said_first_changes_with_a_reload_on_every_connection() {
    let (address, came) = announced();
    let settings = |protocol: &str| {
        configured(&format!(
            "
listen: 127.0.0.1:0
pools: {{ web: {{ backends: [{address}]{protocol} }} }}
routes: [{{ pool: web }}]"
        ))
    };
    let nexus = start(settings(", proxy_protocol: v1"));
    let mut client = Client::connect(&nexus);
    assert_eq!(client.get("/"), "ok");
    let plan = nexus.reload(settings(", proxy_protocol: v2")).unwrap().to_string();
    assert_eq!(
        plan,
        "  pool web: proxy_protocol v1 → v2: its backends are probed anew, as new ones"
    );
    assert_eq!(client.get("/"), "ok");
    drop(nexus);
    let versions: Vec<usize> = came
        .try_iter()
        .filter(|(_, head)| !head.is_empty())
        .map(|(header, _)| header.len)
        .collect();
    assert_eq!(versions.len(), 2);
    assert!(versions[0] > 30 && versions[1] == 28, "{versions:?}");
}
