//! Stories of `Upgrade`: bytes both ways after 101, HTTP before and without it.

use std::io::{Read, Write};
use std::time::Duration;

use crate::world::{Backend, Client, Next, lines, raw, raw_head, settings, start, status};

const UPGRADE: &str =
    "GET /chat HTTP/1.1|Host: a|Connection: Upgrade|Upgrade: websocket|Sec-WebSocket-Key: k||";

/// A backend that takes up the offer, says hello and echoes until the client's side ends.
fn echo() -> std::net::SocketAddr {
    raw(|mut stream| {
        let head = raw_head(&mut stream);
        if head.is_empty() {
            return;
        }
        assert!(
            head.contains("|Connection: Upgrade|") && head.contains("|Upgrade: websocket|"),
            "{head}"
        );
        let answer = "HTTP/1.1 101 Switching Protocols|Connection: Upgrade|Upgrade: websocket|Sec-WebSocket-Accept: s||hello";
        stream.write_all(&lines(answer)).unwrap();
        let mut piece = [0; 1000];
        while let Ok(read @ 1..) = stream.read(&mut piece) {
            stream.write_all(&piece[..read]).unwrap();
        }
        stream.write_all(b"bye").unwrap();
    })
}

#[test]
fn bytes_pass_both_ways_until_both_sides_have_ended() {
    let nexus = start(settings(&[echo()]));
    let mut client = Client::connect(&nexus);
    // What is sent behind the request belongs to the tunnel.
    client.send(&[&lines(UPGRADE)[..], b"early"].concat());
    let head = client.reader.head().unwrap();
    assert_eq!(status(&head), 101);
    assert!(
        head.contains("\r\nUpgrade: websocket\r\n") && head.contains("\r\nConnection: Upgrade\r\n"),
        "{head}"
    );
    assert_eq!(client.reader.exactly(10), b"helloearly");
    client.send(b"\x81\x00\xff");
    assert_eq!(client.reader.exactly(3), b"\x81\x00\xff");
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.reader.rest(), b"bye", "half-closed, the other half still speaks");
}

#[test]
fn a_tunnel_in_which_nothing_moves_ends() {
    let mut settings = settings(&[echo()]);
    settings.timeouts.tunnel = Duration::from_millis(200);
    let nexus = start(settings);
    let mut client = Client::connect(&nexus);
    client.send(&lines(UPGRADE));
    client.reader.head().unwrap();
    assert_eq!(client.reader.rest(), b"hello");
}

#[test]
fn what_follows_a_declined_upgrade_is_http() {
    let backend = Backend::new(|stream, seen| {
        let path = seen.head.split(' ').nth(1).unwrap().to_owned();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}", path.len()).unwrap();
        Next::Continue
    });
    let nexus = start(settings(&[backend.address]));
    let mut client = Client::connect(&nexus);
    client.send(&[&lines(UPGRADE)[..], &lines("GET /next HTTP/1.1|Host: a||")].concat());
    assert_eq!(client.answer().1, b"/chat", "row 71");
    assert_eq!(client.answer().1, b"/next", "row 71");
    assert_eq!(backend.count(), 2, "row 71: the second is a request of its own");
    assert!(!backend.seen()[1].head.contains("Upgrade"), "row 71");
}

#[test]
fn both_sides_of_a_websocket_are_told_that_nexus_stops() {
    let (told, hears) = std::sync::mpsc::channel();
    let backend = raw(move |mut stream| {
        if raw_head(&mut stream).is_empty() {
            return;
        }
        let answer = "HTTP/1.1 101 Switching Protocols|Connection: Upgrade|Upgrade: websocket||";
        // A frame comes at once, half of a second one later: its end is waited for.
        stream.write_all(&[&lines(answer)[..], b"\x81\x02hi\x81\x04ab"].concat()).unwrap();
        let mut farewell = [0; 8];
        stream.read_exact(&mut farewell[..2]).unwrap();
        stream.write_all(b"cd").unwrap();
        stream.read_exact(&mut farewell[2..]).unwrap();
        told.send(farewell).unwrap();
        stream.write_all(&[0x88, 2, 0x03, 0xe9]).unwrap();
    });
    let mut settings = settings(&[backend]);
    settings.timeouts.shutdown = Duration::from_secs(3);
    let nexus = start(settings);
    let mut client = Client::connect(&nexus);
    client.send(&lines(UPGRADE));
    client.reader.head().unwrap();
    assert_eq!(client.reader.exactly(8), b"\x81\x02hi\x81\x04ab");
    let draining = std::thread::spawn(move || nexus.drain());
    let [opcode, len, a, b, _, _, high, low] = hears.recv().unwrap();
    assert_eq!([opcode, len, high ^ a, low ^ b], [0x88, 0x82, 0x03, 0xe9]);
    assert_eq!(client.reader.exactly(6), b"cd\x88\x02\x03\xe9");
    // It says that it has understood; then all is over before the time is.
    client.send(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9]);
    assert_eq!(client.reader.rest(), b"");
    draining.join().unwrap();
}
