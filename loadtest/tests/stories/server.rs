//! A server that does to each request what the story says, and remembers which it has seen.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Nothing in these tests takes longer than this unless it hangs.
const DEADLINE: Duration = Duration::from_secs(20);

/// What the server does with a request.
pub(crate) enum Reply {
    /// Answers with these bytes and keeps the connection.
    Say(String),
    /// Answers with these bytes and closes.
    SayAndClose(String),
    /// Answers with these bytes and resets.
    SayAndReset(String),
    /// Closes without an answer.
    Close,
    /// Resets without an answer.
    Reset,
    /// Answers never, and keeps the connection until the client closes it.
    Hang,
    /// Answers with these bytes after this time.
    Stall(Duration, String),
}

/// A request as the server saw it.
pub(crate) struct Seen {
    pub(crate) seq: Option<u64>,
    pub(crate) head: String,
    /// Bytes of its body.
    pub(crate) body: u64,
}

/// A server on a port of its own, for as long as the test runs.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<(Mutex<Vec<Seen>>, Condvar)>,
}

impl Server {
    /// Starts one; the closure is given each request's number (0 in a warm-up).
    pub(crate) fn start(reply: impl Fn(u64) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new((Mutex::default(), Condvar::new()));
        let (seen_too, reply) = (Arc::clone(&seen), Arc::new(reply));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (seen, reply) = (Arc::clone(&seen_too), Arc::clone(&reply));
                std::thread::spawn(move || serve(&stream.unwrap(), &seen, &*reply));
            }
        });
        Self { address, seen }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The numbers of all requests so far, sorted.
    pub(crate) fn seqs(&self) -> Vec<u64> {
        let seen = self.seen.0.lock().unwrap();
        let mut seqs: Vec<u64> = seen.iter().filter_map(|seen| seen.seq).collect();
        seqs.sort_unstable();
        seqs
    }

    /// Looks at the requests so far.
    pub(crate) fn with_seen<T>(&self, look: impl FnOnce(&[Seen]) -> T) -> T {
        look(&self.seen.0.lock().unwrap())
    }

    /// Waits until it has seen so many requests.
    pub(crate) fn wait_for(&self, count: usize) {
        let seen = self.seen.0.lock().unwrap();
        let (seen, _) =
            self.seen.1.wait_timeout_while(seen, DEADLINE, |seen| seen.len() < count).unwrap();
        assert!(seen.len() >= count, "only {} requests came", seen.len());
    }
}

fn serve(
    mut stream: &TcpStream,
    seen: &(Mutex<Vec<Seen>>, Condvar),
    reply: &(dyn Fn(u64) -> Reply + Send + Sync),
) {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    while let Some(head) = peek_head(stream) {
        let field = |name: &str| {
            let line = head.lines().find(|line| line.to_lowercase().starts_with(name))?;
            line[name.len()..].trim().parse::<u64>().ok()
        };
        let seq = field("x-loadtest-seq:");
        let reply = reply(seq.unwrap_or(0));
        // A close with unread input is a reset.
        let resets = matches!(reply, Reply::Reset | Reply::SayAndReset(_));
        let body = if resets { 0 } else { consume(stream, &head, field("content-length:")) };
        seen.0.lock().unwrap().push(Seen { seq, head, body });
        seen.1.notify_all();
        let (text, more) = match reply {
            Reply::Say(text) => (text, true),
            Reply::SayAndClose(text) | Reply::SayAndReset(text) => (text, false),
            Reply::Close | Reply::Reset => (String::new(), false),
            Reply::Hang => {
                let _ = stream.read(&mut [0]);
                return;
            }
            Reply::Stall(time, text) => {
                let never = (Mutex::new(()), Condvar::new());
                let held = never.0.lock().unwrap();
                drop(never.1.wait_timeout_while(held, time, |()| true).unwrap());
                (text, true)
            }
        };
        if stream.write_all(text.as_bytes()).is_err() || !more {
            return;
        }
    }
}

/// Waits for a whole request head and leaves it where it is.
fn peek_head(stream: &TcpStream) -> Option<String> {
    let mut buffer = [0; 4096];
    loop {
        let length = stream.peek(&mut buffer).ok().filter(|length| *length > 0)?;
        let text = String::from_utf8_lossy(&buffer[..length]);
        if let Some(end) = text.find("\r\n\r\n") {
            return Some(text[..end + 4].to_owned());
        }
    }
}

fn consume(mut stream: &TcpStream, head: &str, length: Option<u64>) -> u64 {
    stream.read_exact(&mut vec![0; head.len()]).unwrap();
    std::io::copy(&mut stream.take(length.unwrap_or(0)), &mut std::io::sink()).unwrap_or(0)
}

/// A 200 from this backend.
pub(crate) fn ok(backend: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nX-Backend-Server: {backend}\r\nContent-Length: 3\r\n\r\nok\n")
}
