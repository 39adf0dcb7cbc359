//! Stories of requests that share a connection to a backend.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use bytes::Bytes;
use http::Response;

use crate::world::{Client, backend, lines, settings, start, status, until};

/// More than all windows and sockets on the way hold together.
const BIG: usize = 16 * 1024 * 1024;

/// A backend at h2c: `/big` is [`BIG`] bytes, `/half` half an answer, whose stream is reset once
/// anything else is asked for, which is short. Returns how many connections it had, too.
fn shared() -> (SocketAddr, Arc<AtomicUsize>) {
    let (listens, is_listening) = channel();
    let connections = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&connections);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            listens.send(listener.local_addr().unwrap()).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let count = Arc::clone(&count);
                tokio::spawn(async move {
                    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
                    count.fetch_add(1, Ordering::SeqCst);
                    let mut halves = Vec::new();
                    while let Some(Ok((request, mut respond))) = connection.accept().await {
                        let mut body = respond.send_response(Response::new(()), false).unwrap();
                        match request.uri().path() {
                            "/big" => drop(body.send_data(vec![0; BIG].into(), true)),
                            "/half" => {
                                let _ = body.send_data(Bytes::from_static(b"half"), false);
                                halves.push(body);
                            }
                            _ => {
                                for mut half in halves.drain(..) {
                                    half.send_reset(h2::Reason::INTERNAL_ERROR);
                                }
                                let _ = body.send_data(Bytes::from_static(b"short"), true);
                            }
                        }
                    }
                });
            }
        });
    });
    (is_listening.recv().unwrap(), connections)
}

fn before(address: SocketAddr) -> nexus::app::Nexus {
    let mut settings = settings(&[]);
    settings.pools[0].backends = vec![format!("h2c://{address}").parse().unwrap()];
    start(settings)
}

#[test]
fn clients_that_take_nothing_hold_up_nobody_else() {
    let (address, connections) = shared();
    let nexus = before(address);
    let slow: Vec<_> = (0..20)
        .map(|_| {
            let mut client = Client::connect(&nexus);
            client.send(&lines("GET /big HTTP/1.1|Host: a||"));
            // The head has come, so that its answer is under way; nothing more is read of it.
            client.stream.read_exact(&mut [0; 16]).unwrap();
            client
        })
        .collect();
    let mut client = Client::connect(&nexus);
    for _ in 0..20 {
        assert_eq!(client.get("/"), "5\r\nshort\r\n0\r\n\r\n");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1, "all by one connection");
    drop(slow);
}

#[test]
fn a_stream_that_is_reset_takes_nobody_down() {
    let (address, connections) = shared();
    let nexus = before(address);
    for _ in 0..5 {
        let mut client = Client::connect(&nexus);
        client.send(&lines("GET /half HTTP/1.1|Host: a||"));
        assert_eq!(status(&client.reader.head().unwrap()), 200);
        assert_eq!(client.reader.exactly(9), b"4\r\nhalf\r\n");
        let (head, _) = Client::connect(&nexus).ask(&lines("GET / HTTP/1.1|Host: a||"));
        assert_eq!(status(&head), 200);
        assert_eq!(client.reader.rest(), b"", "it ends, and is not whole");
        assert!(backend(&nexus, 0).is_up());
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1, "which is as good as before");
    until("nothing is under way", || backend(&nexus, 0).in_flight() == 0);
}
