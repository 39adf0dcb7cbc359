//! What happens on connections.

use std::io::{Read, Write};

use crate::run;
use crate::server::{Reply, Server, ok};

#[test]
fn an_announced_close_is_followed_without_a_word() {
    let closing = ok("http://b1").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let server = Server::start(move |_| Reply::SayAndClose(closing.clone()));
    let (code, report) = run(&format!("-c -n 30 -workers 3 {}", server.url()));
    assert_eq!((code, &report["totals"]["ok"]), (0, &30.into()));
    assert!(report["connections"]["opened"].as_u64() >= Some(30));
    assert_eq!(report["errors"], serde_json::json!([]));
}

#[test]
fn a_connection_closed_while_idle_costs_no_request() {
    let server = Server::start(|_| Reply::SayAndClose(ok("http://b1")));
    let (code, report) = run(&format!("-n 3 {}", server.url()));
    assert_eq!((code, &report["totals"]["ok"]), (0, &3.into()));
    assert_eq!(report["connections"]["opened"], 3);
    assert_eq!(server.seqs(), [0, 1, 2]);
}

#[test]
fn one_connection_carries_answers_of_every_framing() {
    let server = Server::start(|seq| {
        Reply::Say(match seq {
            0 => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n".into(),
            1 => "HTTP/1.1 204 No Content\r\n\r\n".into(),
            2 => {
                "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n".to_owned()
                    + &"x".repeat(1_000_000)
            }
            3 => {
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n".into()
            }
            _ => ok("http://b1"),
        })
    });
    let (code, report) = run(&format!("-c 1 -n 5 {}", server.url()));
    assert_eq!((code, &report["totals"]["ok"]), (0, &5.into()));
    assert_eq!(report["connections"]["opened"], 1);
    assert_eq!(report["totals"]["body_bytes"], 1_000_004);
}

#[test]
fn bytes_that_nobody_asked_for_are_noticed_but_fail_no_request() {
    let twice = ok("http://b1") + "HTTP/1.1 408 Late\r\nContent-Length: 0\r\n\r\n";
    let server = Server::start(move |_| Reply::Say(twice.clone()));
    let (code, report) = run(&format!("-n 3 {}", server.url()));
    assert_eq!((code, &report["totals"]["ok"]), (0, &3.into()));
    assert_eq!(report["connections"]["unasked_bytes"], 2);
}

#[test]
fn a_large_body_goes_out_whole() {
    let server = Server::start(|_| Reply::Say(ok("http://b1")));
    let (code, _) = run(&format!("-n 2 --body-size 1MiB -H A:b {}", server.url()));
    assert_eq!(code, 0);
    server.with_seen(|seen| {
        for request in seen {
            assert_eq!(request.body, 1 << 20);
            assert!(request.head.starts_with("POST / HTTP/1.1\r\n"), "{}", request.head);
            assert!(request.head.contains("\r\na: b\r\n"), "{}", request.head);
        }
    });
}

#[test]
fn localhost_is_every_address_that_it_resolves_to() {
    let server = Server::start(|_| Reply::Say(ok("http://b1")));
    let (code, _) = run(&format!("-n 2 localhost:{}", server.address.port()));
    assert_eq!(code, 0);
}

#[test]
fn where_to_connect_to_may_be_said_apart_from_the_url() {
    let server = Server::start(|_| Reply::Say(ok("http://b1")));
    let (code, _) = run(&format!("-n 1 --connect-to {} http://no-such.invalid/", server.address));
    assert_eq!(code, 0);
    server.with_seen(|seen| assert!(seen[0].head.contains("\r\nhost: no-such.invalid\r\n")));
}

#[test]
fn a_unix_socket_is_as_good_as_a_port() {
    let path = std::env::temp_dir().join(format!("loadtest-{}.socket", std::process::id()));
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        for _ in 0..5 {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
            stream.write_all(ok("http://b1").as_bytes()).unwrap();
        }
    });
    let (code, report) = run(&format!("-c 1 -n 5 --unix {}", path.display()));
    std::fs::remove_file(&path).unwrap();
    assert_eq!((code, &report["connections"]["opened"]), (0, &1.into()));
    server.join().unwrap();
}

#[test]
fn connections_are_kept_spread_or_not_kept_as_asked() {
    let server = Server::start(|_| Reply::Say(ok("http://b1")));
    let opened = |args: &str| {
        let (code, report) = run(&format!("{args} {}", server.url()));
        assert_eq!(code, 0);
        report["connections"]["opened"].as_u64().unwrap()
    };
    assert_eq!(opened("-c 2 -n 20"), 2);
    assert_eq!(opened("-c 2 -n 20 --connections 8"), 8);
    assert_eq!(opened("-c 2 -n 20 --disable-keepalive"), 20);
    assert_eq!(opened("-c 1 -n 20 --requests-per-connection 5"), 4);
}
