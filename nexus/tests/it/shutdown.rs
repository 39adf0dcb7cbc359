//! Stories of stopping: what is under way is finished, and nothing is lost.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::world::{
    Backend, Client, Next, PATIENCE, before, field, lines, settings, start, status,
};

/// A backend that tells when it is asked, and answers when it may.
fn late() -> (Backend, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (asked, waiting) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let backend = Backend::new(move |stream, _| {
        asked.send(()).unwrap();
        gate.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate").unwrap();
        Next::Continue
    });
    (backend, waiting, open)
}

#[test]
fn a_request_under_way_is_finished_and_its_answer_says_close() {
    let (backend, waiting, open) = late();
    let nexus = before(&backend);
    let address = nexus.addresses()[0];
    let mut client = Client::connect(&nexus);
    client.send(&lines("GET / HTTP/1.1|Host: a||"));
    waiting.recv_timeout(PATIENCE).unwrap();
    let draining = std::thread::spawn(move || nexus.drain());
    crate::world::until("nobody is accepted", || std::net::TcpStream::connect(address).is_err());
    open.send(()).unwrap();
    let (head, body) = client.answer();
    assert_eq!((status(&head), body), (200, b"late".to_vec()));
    assert_eq!(field(&head, "Connection"), Some("close"));
    client.assert_closed();
    draining.join().unwrap();
}

#[test]
fn an_idle_client_may_still_ask_once_and_is_told_to_close() {
    let backend = Backend::named("ok");
    let nexus = before(&backend);
    let address = nexus.addresses()[0];
    let mut client = Client::connect(&nexus);
    client.get("/");
    let draining = std::thread::spawn(move || nexus.drain());
    crate::world::until("nobody is accepted", || std::net::TcpStream::connect(address).is_err());
    let (head, _) = client.ask(&lines("GET / HTTP/1.1|Host: a||"));
    assert_eq!((status(&head), field(&head, "Connection")), (200, Some("close")));
    draining.join().unwrap();
}

#[test]
fn what_takes_too_long_is_cut_off() {
    let (backend, waiting) = Backend::waiting();
    let mut settings = settings(&[backend.address]);
    settings.timeouts.shutdown = Duration::from_millis(300);
    let nexus = start(settings);
    let mut client = Client::connect(&nexus);
    client.send(&lines("GET / HTTP/1.1|Host: a||"));
    waiting.recv_timeout(PATIENCE).unwrap();
    let began = Instant::now();
    nexus.drain();
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
    assert_eq!(status(&client.answer().0), 503);
    client.assert_closed();
}

#[test]
fn nothing_open_means_stopped_at_once() {
    let backend = Backend::named("ok");
    let nexus = before(&backend);
    let began = Instant::now();
    nexus.drain();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
#[cfg(target_os = "linux")]
fn a_client_that_had_not_spoken_yet_is_not_left_waiting() {
    let backend = Backend::named("ok");
    let nexus = before(&backend);
    let mut client = TcpStream::connect(nexus.addresses()[0]).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    nexus.drain();
    let asked = client.write_all(&lines("GET / HTTP/1.1|Host: a||"));
    let answered = asked.and_then(|()| client.read(&mut [0; 1]));
    assert_eq!(answered.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(backend.count(), 0, "what was reset was asked of nobody");
}

#[test]
fn a_request_by_http2_is_finished_and_its_client_told_to_go_away() {
    let (backend, waiting, open) = late();
    let nexus = before(&backend);
    let address = nexus.addresses()[0];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let story = async {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        let request = http::Request::get("http://a.test/").body(()).unwrap();
        let (response, _) = client.send_request(request, true).unwrap();
        tokio::task::spawn_blocking(move || waiting.recv_timeout(PATIENCE)).await.unwrap().unwrap();
        let draining = std::thread::spawn(move || nexus.drain());
        // Told to go away, it may begin nothing any more; what it has begun is answered.
        while let Ok(ready) = client.clone().ready().await {
            drop(ready);
            tokio::task::yield_now().await;
        }
        open.send(()).unwrap();
        let (head, mut body) = response.await.unwrap().into_parts();
        assert_eq!(head.status, 200);
        assert_eq!(body.data().await.unwrap().unwrap(), "late");
        assert!(body.data().await.is_none(), "and whole");
        connection.await.unwrap().unwrap();
        draining.join().unwrap();
    };
    runtime.block_on(async { tokio::time::timeout(PATIENCE, story).await.unwrap() });
}
