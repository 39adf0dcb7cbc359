//! Stories of clients that begin and never come to an end, in every protocol: Nexus parts with each
//! in its time, and honest clients beside them do not notice.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use http::Request;
use nexus::app::Nexus;
use nexus::settings::Timeouts;
use nexus::tls::ListenerTls;

use crate::secure::{Authority, connect};
use crate::world::{Backend, PATIENCE, pool, settings, start, status};

/// Slow clients of each story.
const COUNT: usize = 100;
/// From one piece of what they say to the next: never so long that they look idle.
const EVERY: Duration = Duration::from_millis(50);
/// Each of Nexus's limits, and all the time that a request has: an honest one, too, on a machine that
/// is busy.
const LIMIT: Duration = Duration::from_secs(2);
/// What a connection may take on top: HTTP/2's two seconds to end once it was told to, and a machine
/// that is busy.
const SLACK: Duration = Duration::from_secs(10);
/// Honest answers come within this time, 99 of 100: far more than they need, less than a slow client
/// takes.
const HONEST: Duration = Duration::from_secs(1);

/// A client that comes to no end.
struct Slow {
    /// Said at once.
    first: Vec<u8>,
    /// Said again and again.
    then: Vec<u8>,
    way: Way,
    /// After this time it is parted with, and not before.
    after: Duration,
}

/// How it comes.
enum Way {
    Plain,
    /// To the TLS listener, whatever it says there.
    ToTls,
    /// Over TLS.
    OverTls,
}

trait Talk: Read + Write {}

impl<T: Read + Write> Talk for T {}

/// A Nexus that is short of patience, with a plain listener and one with TLS, and its authority.
fn world(backend: &Backend) -> (Nexus, Authority) {
    let authority = Authority::new();
    let mut settings = settings(&[]);
    settings.timeouts =
        Timeouts { head: LIMIT, idle: LIMIT, stall: LIMIT, ..settings.timeouts.clone() };
    settings.pools = vec![pool(&[backend.address])];
    settings.pools[0].timeouts.total = Some(LIMIT);
    let tls = ListenerTls { handshake_timeout: LIMIT, ..ListenerTls::new(Vec::new()) };
    settings.listeners.push("127.0.0.2:0".parse::<SocketAddr>().unwrap().into());
    settings.listeners[1].tls = Some(authority.front(&["a.test"], tls));
    (start(settings), authority)
}

/// Lets slow clients come, and honest ones beside them.
#[track_caller]
fn check(slow: &Slow) {
    let backend = Backend::named("ok");
    let (nexus, authority) = world(&backend);
    let (plain, secure) = (nexus.addresses()[0], nexus.addresses()[1]);
    let is_over = Arc::new(AtomicBool::new(false));
    let honest: Vec<JoinHandle<Vec<Duration>>> = vec![
        honest(&is_over, move |is_over| by_http1(is_over, || TcpStream::connect(plain).unwrap())),
        honest(&is_over, {
            let config = authority.client_config(None, &["http/1.1"]);
            move |is_over| by_http1(is_over, || connect(secure, Arc::clone(&config), "a.test"))
        }),
        honest(&is_over, move |is_over| by_http2(is_over, plain)),
    ];
    let begun = Instant::now();
    let mut all: Vec<_> = (0..COUNT).map(|_| slow.start(plain, secure, &authority)).collect();
    let started = begun.elapsed();
    let (mut earliest, mut latest) = (None, Duration::ZERO);
    while !all.is_empty() {
        let stays = begun.elapsed();
        assert!(stays < slow.after + PATIENCE, "{} are still listened to", all.len());
        all.retain_mut(|stream| goes_on(stream, &slow.then));
        if all.len() < COUNT {
            earliest = earliest.or(Some(stays));
        }
        latest = begun.elapsed();
        std::thread::park_timeout(EVERY);
    }
    // Each began within this time, and not at its begin.
    assert!(earliest.unwrap() + EVERY >= slow.after, "parted with after {earliest:?}");
    assert!(latest < slow.after + started + SLACK, "parted with after {latest:?}");
    is_over.store(true, Ordering::Relaxed);
    for honest in honest {
        let mut times = honest.join().expect("no honest request fails");
        times.sort();
        let p99 = times[times.len() * 99 / 100];
        assert!(times.len() > 10 && p99 < HONEST, "{} honest, p99 {p99:?}", times.len());
    }
}

impl Slow {
    fn start(&self, plain: SocketAddr, secure: SocketAddr, authority: &Authority) -> Box<dyn Talk> {
        let mut stream: Box<dyn Talk> = match self.way {
            Way::Plain => Box::new(quick(TcpStream::connect(plain).unwrap())),
            Way::ToTls => Box::new(quick(TcpStream::connect(secure).unwrap())),
            Way::OverTls => {
                let config = authority.client_config(None, &["http/1.1"]);
                let mut stream = connect(secure, config, "a.test");
                while stream.conn.is_handshaking() {
                    stream.conn.complete_io(&mut stream.sock).unwrap();
                }
                quick(stream.sock.try_clone().unwrap());
                Box::new(stream)
            }
        };
        let _ = stream.write_all(&self.first);
        stream
    }
}

/// A socket that does not block.
fn quick(stream: TcpStream) -> TcpStream {
    stream.set_nodelay(true).unwrap();
    stream.set_nonblocking(true).unwrap();
    stream
}

/// Says a piece more, hears what there is; tells whether the other side still listens.
fn goes_on(stream: &mut Box<dyn Talk>, then: &[u8]) -> bool {
    let is_pending = |error: &std::io::Error| error.kind() == ErrorKind::WouldBlock;
    loop {
        match stream.read(&mut [0; 4096]) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) if is_pending(&error) => break,
            Err(_) => return false,
        }
    }
    then.is_empty() || stream.write_all(then).is_ok_and(|()| stream.flush().is_ok())
}

/// Asks again and again until it is over; each answer's time.
fn honest(
    is_over: &Arc<AtomicBool>,
    ask: impl FnOnce(&AtomicBool) -> Vec<Duration> + Send + 'static,
) -> JoinHandle<Vec<Duration>> {
    let is_over = Arc::clone(is_over);
    std::thread::spawn(move || ask(&is_over))
}

/// A new connection for each ten requests.
fn by_http1<S: Talk>(is_over: &AtomicBool, connect: impl Fn() -> S) -> Vec<Duration> {
    let mut times = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let mut stream = connect();
        for _ in 0..10 {
            let begun = Instant::now();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"\r\n\r\nok") {
                let mut piece = [0; 4096];
                let read = stream.read(&mut piece).unwrap();
                assert!(read > 0, "{}", String::from_utf8_lossy(&answer));
                answer.extend_from_slice(&piece[..read]);
            }
            assert_eq!(status(&String::from_utf8_lossy(&answer)), 200);
            times.push(begun.elapsed());
        }
    }
    times
}

/// One connection, one stream after the other.
fn by_http2(is_over: &AtomicBool, address: SocketAddr) -> Vec<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let mut times = Vec::new();
        while !is_over.load(Ordering::Relaxed) {
            let begun = Instant::now();
            let request = Request::get("http://a.test/").body(()).unwrap();
            let (response, _) = client.send_request(request, true).unwrap();
            let response = tokio::time::timeout(PATIENCE, response).await.unwrap().unwrap();
            assert_eq!(response.status(), 200);
            times.push(begun.elapsed());
        }
        times
    })
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&len[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
/// `:method`, `:scheme http`, `:path /` by their indexes, `:authority a` (RFC 7541 Appendix A).
const GET: &[u8] = &[0x82, 0x86, 0x84, 0x41, 1, b'a'];
const POST: &[u8] = &[0x83, 0x86, 0x84, 0x41, 1, b'a'];

/// What opens a connection, with these settings, and what follows.
fn http2(settings: &[u8], frames: &[Vec<u8>]) -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, settings), &frames.concat()].concat()
}

fn ping() -> Vec<u8> {
    frame(PING, 0, 0, b"stay on!")
}

#[test]
fn a_head_a_byte_at_a_time() {
    let first = b"GET / HTTP/1.1\r\nX-Slow: ".to_vec();
    check(&Slow { first, then: b"x".to_vec(), way: Way::Plain, after: LIMIT });
}

#[test]
fn a_body_a_byte_at_a_time_has_the_time_of_its_request() {
    let first = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n".to_vec();
    check(&Slow { first, then: b"x".to_vec(), way: Way::Plain, after: LIMIT });
}

#[test]
fn a_body_that_stops() {
    let first = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nx".to_vec();
    check(&Slow { first, then: Vec::new(), way: Way::Plain, after: LIMIT });
}

#[test]
fn a_handshake_a_byte_at_a_time() {
    // A ClientHello that is said to be 16 KiB long: a record, a handshake, a version.
    let first = vec![0x16, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc, 3, 3];
    check(&Slow { first, then: b"x".to_vec(), way: Way::ToTls, after: LIMIT });
}

#[test]
fn a_head_a_byte_at_a_time_over_tls() {
    let first = b"GET / HTTP/1.1\r\nX-Slow: ".to_vec();
    check(&Slow { first, then: b"x".to_vec(), way: Way::OverTls, after: LIMIT });
}

#[test]
fn a_preface_and_nothing_else() {
    let first = PREFACE.to_vec();
    check(&Slow { first, then: Vec::new(), way: Way::Plain, after: LIMIT });
}

#[test]
fn half_a_preface() {
    let first = PREFACE[..9].to_vec();
    check(&Slow { first, then: Vec::new(), way: Way::Plain, after: LIMIT });
}

#[test]
fn a_block_of_fields_a_byte_at_a_time() {
    let block = [&[0, 0x3f, 0, HEADERS, 0, 0, 0, 0, 1], GET].concat();
    let first = http2(&[], &[block]);
    check(&Slow { first, then: vec![0x84], way: Way::Plain, after: LIMIT });
}

#[test]
fn a_body_by_http2_that_stops() {
    let first = http2(&[], &[frame(HEADERS, END_HEADERS, 1, POST), frame(DATA, 0, 1, b"x")]);
    // The stream ends by the one limit, the connection by the other.
    check(&Slow { first, then: ping(), way: Way::Plain, after: LIMIT + LIMIT });
}

#[test]
fn a_body_by_http2_a_byte_at_a_time_has_the_time_of_its_request() {
    let first = http2(&[], &[frame(HEADERS, END_HEADERS, 1, POST)]);
    let then = frame(DATA, 0, 1, b"x");
    check(&Slow { first, then, way: Way::Plain, after: LIMIT + LIMIT });
}

#[test]
fn an_answer_that_nobody_reads() {
    const NO_WINDOW: &[u8] = &[0, 4, 0, 0, 0, 0];
    let all = END_HEADERS | END_STREAM;
    let first = http2(NO_WINDOW, &[frame(HEADERS, all, 1, GET)]);
    check(&Slow { first, then: ping(), way: Way::Plain, after: LIMIT + LIMIT });
}

#[test]
fn pings_and_nothing_else() {
    check(&Slow { first: http2(&[], &[]), then: ping(), way: Way::Plain, after: LIMIT });
}
