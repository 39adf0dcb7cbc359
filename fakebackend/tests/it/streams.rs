//! Answers that last: `/drip`, and WebSockets.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::harness::Backend;

const OPEN: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

#[test]
fn drops_come_one_after_the_other() {
    let backend = Backend::start(&[]);
    let mut client = backend.connect();
    let begun = Instant::now();
    client.send("GET /drip?count=5&every=20ms HTTP/1.1\r\n\r\n");
    let answer = client.answer();
    assert_eq!(answer.text(), "0000000\n0000001\n0000002\n0000003\n0000004\n");
    assert!(begun.elapsed() >= Duration::from_millis(100));
    client.send("GET / HTTP/1.1\r\n\r\n");
    assert_eq!(client.answer().text(), "b1\n");
    client.send("GET /drip?count=x HTTP/1.1\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 400 "));
}

#[test]
fn a_websocket_sends_messages_back_answers_pings_and_closes_when_asked() {
    let backend = Backend::start(&[]);
    let mut client = backend.connect();
    // A message may come together with the head.
    client
        .stream
        .write_all(&[OPEN.as_bytes(), &[0x81, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'i' ^ 2]].concat())
        .unwrap();
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(client.take(4), [0x81, 2, b'h', b'i']);
    client.stream.write_all(&[0x89, 0x81, 0, 0, 0, 0, b'p']).unwrap();
    assert_eq!(client.take(3), [0x8a, 1, b'p'], "a pong");
    client.stream.write_all(&[0x88, 0x82, 0, 0, 0, 0, 3, 232]).unwrap();
    assert_eq!(client.take(4), [0x88, 2, 3, 232], "closed as asked");
    assert_eq!(client.rest(), (vec![], Ok(())));
}

#[test]
fn a_message_without_a_mask_is_refused() {
    let backend = Backend::start(&[]);
    let mut client = backend.connect();
    client.send(OPEN);
    client.head();
    client.stream.write_all(&[0x81, 0x01, b'x']).unwrap();
    assert_eq!(client.take(4), [0x88, 2, 3, 234], "1002, protocol error");
    assert_eq!(client.rest(), (vec![], Ok(())));
}
