//! Starts the program, talks raw bytes with it, and waits for conditions.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// No step of a story takes longer, unless something is wrong.
const DEADLINE: Duration = Duration::from_secs(20);

/// A running backend, killed on drop.
pub(crate) struct Backend {
    child: Child,
    pub(crate) address: SocketAddr,
    control: SocketAddr,
}

impl Backend {
    /// Starts `b1` with these flags, on free ports.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fakebackend"))
            .args(if flags.contains(&"--unix") { &[][..] } else { &["--listen", "127.0.0.1:0"] })
            .args(["--control", "127.0.0.1:0", "--id", "b1", "--ready-json"])
            .args(flags)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let address = |name: &str| {
            let text = ready[name].as_str().unwrap();
            // On a Unix socket there is no address; whoever asks for one has a story of another kind.
            text.parse().unwrap_or(SocketAddr::from(([0; 4], 0)))
        };
        assert_eq!((&ready["id"], &ready["pid"]), (&"b1".into(), &child.id().into()));
        let (listen, control) = (address("listen"), address("control"));
        Self { child, address: listen, control }
    }

    pub(crate) fn connect(&self) -> Client {
        self.try_connect().unwrap()
    }

    pub(crate) fn try_connect(&self) -> io::Result<Client> {
        let stream = TcpStream::connect_timeout(&self.address, DEADLINE)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_nodelay(true)?;
        Ok(Client { stream, input: Vec::new() })
    }

    /// Whether connections are refused.
    pub(crate) fn refuses(&self) -> bool {
        match self.try_connect() {
            Ok(_) => false,
            Err(error) => error.kind() == ErrorKind::ConnectionRefused,
        }
    }

    /// One request on a connection of its own.
    pub(crate) fn get(&self, path: &str) -> Answer {
        let mut client = self.connect();
        client.send(&format!("GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n"));
        client.answer()
    }

    /// A call of the control port that must be done.
    pub(crate) fn call(&self, method: &str, path: &str, body: &str) -> Value {
        let (status, value) = self.try_call(method, path, body);
        assert_eq!(status, 200, "{method} {path} {body}: {value}");
        value
    }

    pub(crate) fn try_call(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let stream = TcpStream::connect_timeout(&self.control, DEADLINE).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut client = Client { stream, input: Vec::new() };
        let length = body.len();
        client.send(&format!("{method} {path} HTTP/1.1\r\nHost: c\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"));
        let answer = client.answer();
        (answer.status(), serde_json::from_slice(&answer.body).unwrap())
    }

    pub(crate) fn stats(&self) -> Value {
        self.call("GET", "/stats", "")
    }

    /// Waits until as many requests are under way.
    pub(crate) fn wait_in_flight(&self, count: u64) {
        until("the requests are under way", || self.stats()["in_flight"] == count);
    }

    /// Waits until as many connections are open.
    pub(crate) fn wait_open(&self, count: u64) {
        until("the connections are open", || self.stats()["connections"]["open"] == count);
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for the program's end.
    pub(crate) fn exit(&mut self) -> ExitStatus {
        let mut status = None;
        until("the program has ended", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a condition.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "waited in vain until {what}");
        std::thread::yield_now();
    }
}

/// A connection to a backend.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    input: Vec<u8>,
}

impl Client {
    pub(crate) fn send(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).unwrap();
    }

    /// Reads a whole answer, framed by its length or in chunks.
    pub(crate) fn answer(&mut self) -> Answer {
        let head = self.head();
        let (body, trailers) = match length(&head) {
            Some(length) => (self.take(length), String::new()),
            None if head.contains("Transfer-Encoding: chunked") => self.chunks(),
            None => (Vec::new(), String::new()),
        };
        Answer { head, body, trailers }
    }

    /// Reads an answer's head.
    pub(crate) fn head(&mut self) -> String {
        let end = self.fill_until(|input| input.windows(4).position(|end| end == b"\r\n\r\n"));
        String::from_utf8(self.take(end + 4)).unwrap()
    }

    /// Reads so many bytes.
    pub(crate) fn take(&mut self, count: usize) -> Vec<u8> {
        self.fill_until(|input| (input.len() >= count).then_some(()));
        self.input.drain(..count).collect()
    }

    fn chunks(&mut self) -> (Vec<u8>, String) {
        let mut body = Vec::new();
        loop {
            let end = self.fill_until(|input| input.windows(2).position(|end| end == b"\r\n"));
            let line = String::from_utf8(self.take(end + 2)).unwrap();
            let size = usize::from_str_radix(line.trim(), 16).unwrap();
            if size == 0 {
                return (body, self.trailers());
            }
            body.extend(self.take(size));
            assert_eq!(self.take(2), b"\r\n");
        }
    }

    fn trailers(&mut self) -> String {
        let mut trailers = String::new();
        loop {
            let end = self.fill_until(|input| input.windows(2).position(|end| end == b"\r\n"));
            match String::from_utf8(self.take(end + 2)).unwrap() {
                line if line == "\r\n" => return trailers,
                line => trailers.push_str(&line),
            }
        }
    }

    fn fill_until<T>(&mut self, found: impl Fn(&[u8]) -> Option<T>) -> T {
        loop {
            if let Some(found) = found(&self.input) {
                return found;
            }
            let mut buffer = vec![0; 256 * 1024];
            let count = self.stream.read(&mut buffer).unwrap();
            assert!(count > 0, "ended after {:?}", String::from_utf8_lossy(&self.input));
            self.input.extend_from_slice(&buffer[..count]);
        }
    }

    /// Reads to the end: the bytes, and whether the end was clean or a reset.
    pub(crate) fn rest(&mut self) -> (Vec<u8>, Result<(), ErrorKind>) {
        let mut bytes = std::mem::take(&mut self.input);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return (bytes, Ok(())),
                Ok(count) => bytes.extend_from_slice(&buffer[..count]),
                Err(error) => return (bytes, Err(error.kind())),
            }
        }
    }

    /// Reads to a clean end and counts.
    pub(crate) fn count_rest(&mut self) -> u64 {
        let mut total = self.input.len() as u64;
        let mut buffer = vec![0; 1 << 20];
        loop {
            match self.stream.read(&mut buffer).unwrap() {
                0 => return total,
                count => total += count as u64,
            }
        }
    }

    /// Tells that nothing has come and that the connection is open.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let read = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).unwrap();
        self.input.is_empty() && read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}

fn length(head: &str) -> Option<usize> {
    head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse().ok())?
    })
}

/// An answer read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: String,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}
