//! Those who are connected all the while: what they have open must outlast everything.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::facts::Companion;
use super::file::Beside;
use super::{sessions, slowloris};

/// From one message or drop to the next.
const EVERY: Duration = Duration::from_millis(50);
/// An echo or a drop comes within this time, or it is as good as lost.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// The download ends so long before the load: it must not be cut off by the end of the run.
const EARLIER: Duration = Duration::from_secs(1);

/// Somebody who is connected.
pub(super) struct Running {
    name: &'static str,
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<String>>,
}

impl Running {
    /// Connects; what lasts by itself lasts about so long. Sessions may leave these backends early.
    pub(super) fn start(
        who: Beside,
        (address, is_tls): (SocketAddr, bool),
        lasts: Duration,
        may_be_left: Vec<String>,
    ) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let (name, thread) = match who {
            Beside::Websocket => {
                ("websocket", std::thread::spawn(move || websocket(address, &told)))
            }
            Beside::Sessions => (
                "sessions",
                std::thread::spawn(move || sessions::visit(address, &may_be_left, &told)),
            ),
            Beside::Slowloris => {
                ("slowloris", std::thread::spawn(move || slowloris::crawl(address, is_tls, &told)))
            }
            Beside::Download => ("download", std::thread::spawn(move || download(address, lasts))),
        };
        Self { name, is_over, thread }
    }

    /// The run is over: how was it?
    pub(super) fn end(self) -> Companion {
        self.is_over.store(true, Ordering::Relaxed);
        let outcome = match self.thread.join() {
            Ok(outcome) => outcome.map_err(|error| error.to_string()),
            Err(_) => Err("panicked".to_owned()),
        };
        Companion { name: self.name, outcome }
    }
}

pub(super) fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn websocket(address: SocketAddr, is_over: &AtomicBool) -> io::Result<String> {
    let mut stream = BufReader::new(connect(address)?);
    let open = format!(
        "GET /socket HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.get_mut().write_all(open.as_bytes())?;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Err(wrong("it was closed instead of opened"));
        }
    }
    if !head.starts_with("HTTP/1.1 101 ") {
        return Err(wrong(&format!("it was not opened: {}", head.lines().next().unwrap_or(""))));
    }
    let (mut count, mut slowest) = (0_u32, Duration::ZERO);
    while !is_over.load(Ordering::Relaxed) {
        let sent = Instant::now();
        stream.get_mut().write_all(&frame(0x81, &count.to_be_bytes()))?;
        let mut answer = [0; 6];
        stream
            .read_exact(&mut answer)
            .map_err(|error| wrong(&format!("message {count}: {error}")))?;
        if answer[..2] != [0x81, 4] || answer[2..] != count.to_be_bytes() {
            return Err(wrong(&format!("message {count} came back as another: {answer:?}")));
        }
        slowest = slowest.max(sent.elapsed());
        count += 1;
        std::thread::sleep(EVERY);
    }
    stream.get_mut().write_all(&frame(0x88, &1000_u16.to_be_bytes()))?;
    stream.read_exact(&mut [0; 4])?;
    Ok(format!("{count} messages came back, the slowest in {} ms", slowest.as_millis()))
}

/// A frame as clients send it; a mask of zeros leaves the payload as it is.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = 0x80 | u8::try_from(payload.len()).unwrap_or(0);
    [&[first, length, 0, 0, 0, 0], payload].concat()
}

fn download(address: SocketAddr, lasts: Duration) -> io::Result<String> {
    let drops = lasts.saturating_sub(EARLIER).as_millis() / EVERY.as_millis();
    let mut stream = BufReader::new(connect(address)?);
    let every = EVERY.as_millis();
    let ask = format!(
        "GET /drip?count={drops}&every={every}ms HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    );
    stream.get_mut().write_all(ask.as_bytes())?;
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let came = body.lines().enumerate().take_while(|(at, line)| line.parse() == Ok(*at)).count();
    match read {
        Ok(_) if came as u128 == drops => Ok(format!("all {drops} drops came")),
        Ok(_) => Err(wrong(&format!("ended after {came} of {drops} drops"))),
        Err(error) => Err(wrong(&format!("broke after {came} of {drops} drops: {error}"))),
    }
}

pub(super) fn wrong(what: &str) -> io::Error {
    io::Error::other(what.to_owned())
}
