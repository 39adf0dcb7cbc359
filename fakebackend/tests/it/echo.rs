//! `/echo` gives back what it gets.

use std::io::Write;

use crate::harness::Backend;

#[test]
fn a_body_comes_back_with_its_length_and_type() {
    let backend = Backend::start(&[]);
    let mut client = backend.connect();
    for method in ["POST", "PUT", "GET"] {
        client.send(&format!(
            "{method} /echo HTTP/1.1\r\nContent-Type: a/b\r\nContent-Length: 5\r\n\r\nhello"
        ));
        let answer = client.answer();
        assert_eq!(answer.text(), "hello");
        assert!(
            answer.head.contains("X-Fake-Id: b1\r\nContent-Type: a/b\r\nContent-Length: 5\r\n")
        );
    }
}

#[test]
fn chunks_come_back_in_chunks() {
    let backend = Backend::start(&[]);
    let mut client = backend.connect();
    let body = "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: 1\r\n\r\n";
    client.send(&format!("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}"));
    let answer = client.answer();
    assert!(answer.head.contains("Transfer-Encoding: chunked\r\n"));
    assert_eq!((answer.text(), &*answer.trailers), ("hello world", "Trailer: 1\r\n"));
    assert!(answer.head.contains("X-Fake-Protocol: HTTP/1.1\r\n"), "{}", answer.head);
}

#[test]
fn without_a_body_the_head_comes_back() {
    let backend = Backend::start(&[]);
    let mut client = backend.connect();
    let request = "GET /echo?x HTTP/1.1\r\nHost: a\r\nX-Odd-Case: 1\r\n\r\n";
    client.send(request);
    assert_eq!(client.answer().text(), request);
    client.send("HEAD /echo HTTP/1.1\r\n\r\n");
    assert!(client.head().contains("Content-Length: 23\r\n"));
    client.send("HEAD /echo HTTP/1.1\r\nContent-Length: 2\r\n\r\nab");
    assert!(client.head().contains("Content-Length: 2\r\n"));
    client.send("GET / HTTP/1.1\r\n\r\n");
    assert_eq!(client.answer().text(), "b1\n");
}

#[test]
fn a_large_body_streams_back_while_it_is_sent() {
    const PIECES: usize = 64;
    let backend = Backend::start(&[]);
    let mut client = backend.connect();
    let mut writer = client.stream.try_clone().unwrap();
    let upload = std::thread::spawn(move || {
        let head = format!(
            "POST /echo HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            PIECES << 20
        );
        writer.write_all(head.as_bytes()).unwrap();
        let piece: Vec<u8> = (0..1 << 20).map(|place: u32| (place % 251) as u8).collect();
        (0..PIECES).for_each(|_| writer.write_all(&piece).unwrap());
    });
    client.head();
    for _ in 0..PIECES {
        let piece = client.take(1 << 20);
        assert!(piece.iter().enumerate().all(|(place, &byte)| byte == (place % 251) as u8));
    }
    upload.join().unwrap();
    assert_eq!(client.rest(), (Vec::new(), Ok(())));
}

#[test]
fn statuses_and_faults_apply_to_it_as_to_any_path() {
    let backend = Backend::start(&["--status", "503", "--fault", "close#1"]);
    let request = "POST /echo HTTP/1.1\r\nContent-Length: 2\r\n\r\nab";
    let mut client = backend.connect();
    client.send(request);
    assert_eq!(client.rest(), (Vec::new(), Ok(())));
    let mut client = backend.connect();
    client.send(request);
    let answer = client.answer();
    assert_eq!((answer.status(), answer.text()), (503, "ab"));
}
