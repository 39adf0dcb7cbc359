//! The world around a Nexus under test: raw clients, raw backends, waiting for conditions.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nexus::app::Nexus;
use nexus::settings::{PoolSettings, Probing, Settings, Timeouts};

/// How long a test waits for what must happen: far beyond what a loaded machine needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Returns bytes in which `|` stands for CRLF.
pub(crate) fn lines(text: &str) -> Vec<u8> {
    text.replace('|', "\r\n").into_bytes()
}

/// Returns text for people to compare, CRLF as `|`.
pub(crate) fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace("\r\n", "|")
}

/// Waits until `holds`, and fails with `what` if it never does.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// A pool for a test: no probe after the first.
pub(crate) fn pool(backends: &[SocketAddr]) -> PoolSettings {
    let backends = backends.iter().map(|address| address.to_string().parse().unwrap()).collect();
    let probing = Probing { interval: Duration::from_secs(3600), ..Probing::default() };
    PoolSettings { probing, ..PoolSettings::new("default", backends) }
}

/// Settings for a test: every port by the system, one pool, no log.
pub(crate) fn settings(backends: &[SocketAddr]) -> Settings {
    Settings {
        listeners: vec!["127.0.0.1:0".parse::<SocketAddr>().unwrap().into()],
        pools: vec![pool(backends)],
        routes: None,
        workers: 1,
        timeouts: Timeouts { shutdown: Duration::from_secs(5), ..Timeouts::default() },
        trusted: vec![],
        forwarded_fields: nexus::http1::forwarded::ForwardedFields::default(),
        half_close: false,
        metrics: true,
        connections_max: 10_000,
        handshakes_max: 1000,
        access_log: None,
        request_id: None,
        tracing: None,
        admin: None,
        watch: false,
    }
}

/// Returns a backend of the first pool.
pub(crate) fn backend(nexus: &Nexus, at: usize) -> Arc<nexus::backend::Backend> {
    Arc::clone(&nexus.snapshot().pools[0].backends()[at])
}

/// Starts a Nexus.
pub(crate) fn start(settings: Settings) -> Nexus {
    // Client, Nexus and backend share this process and its files.
    nexus::listen::connections_that_fit();
    Nexus::start(settings, io::sink()).expect("ports by the system are free")
}

/// Starts a Nexus before one backend.
pub(crate) fn before(backend: &Backend) -> Nexus {
    start(settings(&[backend.address]))
}

/// One request as a backend saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Which of its connections it came over.
    pub(crate) connection: usize,
    /// The head, with the empty line.
    pub(crate) head: String,
    /// The body as sent, framing included.
    pub(crate) body: Vec<u8>,
}

impl Seen {
    /// Says whether the head has this line.
    pub(crate) fn has_line(&self, line: &str) -> bool {
        self.head.split("\r\n").any(|found| found == line)
    }
}

/// What a backend does with a connection that it has read a request from.
pub(crate) type Handler = dyn Fn(&mut TcpStream, &Seen) -> Next + Send + Sync;

/// What follows an answer.
pub(crate) enum Next {
    /// The next request.
    Continue,
    /// A clean close.
    Close,
}

/// A backend that records raw requests and answers raw bytes.
pub(crate) struct Backend {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    stopped: Arc<AtomicBool>,
}

impl Backend {
    /// A backend that answers everything with 200 and its name.
    pub(crate) fn named(name: &'static str) -> Self {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len());
        Self::new(move |stream, _| {
            stream.write_all(answer.as_bytes()).unwrap();
            Next::Continue
        })
    }

    /// A backend that answers every request with `bytes`, but innocent ones with 200.
    pub(crate) fn answering(bytes: &[u8], next: fn() -> Next) -> Self {
        let bytes = bytes.to_vec();
        Self::new(move |stream, seen| {
            if seen.head.starts_with("GET /innocent") {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ninnocent").unwrap();
                return Next::Continue;
            }
            let _ = stream.write_all(&bytes);
            next()
        })
    }

    /// A backend that takes requests, says so, and never answers.
    pub(crate) fn waiting() -> (Self, Receiver<()>) {
        let (asked, waiting) = channel();
        let backend = Self::new(move |stream, _| {
            asked.send(()).unwrap();
            let _ = stream.read(&mut [0; 1]);
            Next::Close
        });
        (backend, waiting)
    }

    /// A backend with a will of its own.
    pub(crate) fn new(
        handler: impl Fn(&mut TcpStream, &Seen) -> Next + Send + Sync + 'static,
    ) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), handler)
    }

    /// A backend at a given address, after its predecessor there has gone.
    pub(crate) fn at(
        address: SocketAddr,
        handler: impl Fn(&mut TcpStream, &Seen) -> Next + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).expect("the address is free");
        let address = listener.local_addr().unwrap();
        let (seen, connections, stopped) =
            <(Arc<Mutex<Vec<Seen>>>, Arc<AtomicUsize>, Arc<AtomicBool>)>::default();
        let handler: Arc<Handler> = Arc::new(handler);
        let (all_seen, count, is_stopped) =
            (Arc::clone(&seen), Arc::clone(&connections), Arc::clone(&stopped));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if is_stopped.load(Ordering::SeqCst) {
                    return; // And with it the listener closes.
                }
                let Ok(stream) = stream else { return };
                let connection = count.fetch_add(1, Ordering::SeqCst);
                let (seen, handler) = (Arc::clone(&all_seen), Arc::clone(&handler));
                std::thread::spawn(move || serve(stream, connection, &seen, &*handler));
            }
        });
        Self { address, seen, connections, stopped }
    }

    /// Returns all requests seen so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Returns how many requests were seen.
    pub(crate) fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// Returns how many connections were accepted, the first probe's included.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Stops listening; connections that are open stay.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        until("the listener closes", || TcpStream::connect(self.address).is_err());
    }
}

/// A backend that answers with a status that can be changed.
pub(crate) fn moody(first: u16) -> (Backend, Arc<AtomicU16>) {
    let mood = Arc::new(AtomicU16::new(first));
    let current = Arc::clone(&mood);
    let backend = Backend::new(move |stream, _| {
        let status = current.load(Ordering::SeqCst);
        let _ = write!(stream, "HTTP/1.1 {status} It\r\nContent-Length: 0\r\n\r\n");
        Next::Continue
    });
    (backend, mood)
}

/// A backend whose answers take so many milliseconds, which can be changed.
pub(crate) fn slow(millis: u64) -> (Backend, Arc<AtomicU64>) {
    let time = Arc::new(AtomicU64::new(millis));
    let current = Arc::clone(&time);
    let backend = Backend::new(move |stream, _| {
        std::thread::park_timeout(Duration::from_millis(current.load(Ordering::SeqCst)));
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        Next::Continue
    });
    (backend, time)
}

/// A backend whose answers wait for a word, after which it answers at once.
pub(crate) fn held(name: &'static str) -> (Backend, Receiver<()>, Sender<()>) {
    let (asked, is_asked) = channel();
    let (word, wait) = channel();
    let wait = Mutex::new(wait);
    let backend = Backend::new(move |stream, seen| {
        if seen.head.starts_with("GET /slow") {
            asked.send(()).unwrap();
            let _ = wait.lock().unwrap().recv();
        }
        let length = name.len();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{name}").unwrap();
        Next::Continue
    });
    (backend, is_asked, word)
}

fn serve(mut stream: TcpStream, connection: usize, seen: &Mutex<Vec<Seen>>, handler: &Handler) {
    stream.set_nodelay(true).unwrap();
    let mut reader = Reader::new(stream.try_clone().unwrap());
    while let Some((head, body)) = reader.message() {
        let request = Seen { connection, head, body };
        seen.lock().unwrap().push(request.clone());
        if let Next::Close = handler(&mut stream, &request) {
            return;
        }
    }
}

/// Starts a backend that does as it likes with each connection, the first probe's included.
pub(crate) fn raw(handler: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("ports by the system are free");
    let address = listener.local_addr().unwrap();
    let handler = Arc::new(handler);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let handler = Arc::clone(&handler);
            std::thread::spawn(move || handler(stream));
        }
    });
    address
}

/// An address whose connections are never accepted, and the ones that fill its queue.
pub(crate) fn black_hole() -> (SocketAddr, Vec<socket2::Socket>) {
    let new = || socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let listener = new();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let fills = || {
        let filler = new();
        filler.set_nonblocking(true).unwrap();
        let _ = filler.connect(&address);
        filler
    };
    let mut all = vec![listener];
    all.extend((0..3).map(|_| fills()));
    (address.as_socket().unwrap(), all)
}

/// Reads the head of a request off a raw backend's connection, CRLF as `|`; empty if there is none,
/// as from a probe.
pub(crate) fn raw_head(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) > 0 {
        head.push(byte[0]);
    }
    shown(&head)
}

/// Reads messages off a connection, trusting their framing.
pub(crate) struct Reader {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Reader {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, bytes: Vec::new() }
    }

    fn fill(&mut self) -> bool {
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece) {
            Ok(read) if read > 0 => {
                self.bytes.extend_from_slice(&piece[..read]);
                true
            }
            _ => false,
        }
    }

    fn take(&mut self, len: usize) -> Option<Vec<u8>> {
        while self.bytes.len() < len {
            if !self.fill() {
                return None;
            }
        }
        Some(self.bytes.drain(..len).collect())
    }

    fn take_through(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.bytes.windows(end.len()).position(|window| window == end) {
                return self.take(at + end.len());
            }
            if !self.fill() {
                return None;
            }
        }
    }

    /// Reads a head, with its empty line.
    pub(crate) fn head(&mut self) -> Option<String> {
        self.take_through(b"\r\n\r\n").map(|head| String::from_utf8_lossy(&head).into_owned())
    }

    /// Reads a message; a body is framed by what the head says.
    pub(crate) fn message(&mut self) -> Option<(String, Vec<u8>)> {
        let head = self.head()?;
        let field = |name: &str| {
            head.lines().find_map(|line| {
                let (label, value) = line.split_once(':')?;
                label.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let body = if field("transfer-encoding").is_some() {
            self.chunked()?
        } else {
            let len = field("content-length").map_or(0, |len| len.parse().unwrap());
            self.take(len)?
        };
        Some((head, body))
    }

    /// Reads a chunked body as it is, to its end.
    fn chunked(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.take_through(b"\r\n")?;
            let size =
                usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
            body.extend(line);
            if size == 0 {
                break;
            }
            body.extend(self.take(size + 2)?);
        }
        loop {
            let line = self.take_through(b"\r\n")?;
            let is_end = line.len() == 2;
            body.extend(line);
            if is_end {
                return Some(body);
            }
        }
    }

    /// Reads exactly so many bytes.
    pub(crate) fn exactly(&mut self, len: usize) -> Vec<u8> {
        self.take(len).expect("the bytes come")
    }

    /// Reads until the other side closes.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.bytes)
    }
}

/// A client that writes raw bytes.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) reader: Reader,
}

impl Client {
    /// Connects to a Nexus.
    pub(crate) fn connect(nexus: &Nexus) -> Self {
        let stream = TcpStream::connect(nexus.addresses()[0]).expect("Nexus listens");
        stream.set_nodelay(true).unwrap();
        let reader = Reader::new(stream.try_clone().unwrap());
        Self { stream, reader }
    }

    /// Sends bytes; whoever refuses them may already have closed.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Sends a request and reads its answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, bytes: &[u8]) -> (String, Vec<u8>) {
        self.send(bytes);
        self.answer()
    }

    /// Reads an answer.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> (String, Vec<u8>) {
        self.reader.message().expect("an answer comes")
    }

    /// GETs a path and returns the body of its answer, which must be a 200.
    #[track_caller]
    pub(crate) fn get(&mut self, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        let (head, body) = self.ask(request.as_bytes());
        assert_eq!(status(&head), 200, "{head}");
        String::from_utf8(body).unwrap()
    }

    /// Asserts that nothing more comes and the connection is closed.
    #[track_caller]
    pub(crate) fn assert_closed(&mut self) {
        assert_eq!(shown(&self.reader.rest()), "", "nothing more comes");
    }
}

/// Returns the status of an answer's head.
#[track_caller]
pub(crate) fn status(head: &str) -> u16 {
    let code = head.split(' ').nth(1).expect("a status line");
    code.parse().unwrap_or_else(|_| panic!("no status in {head}"))
}

/// Returns the value of a field.
pub(crate) fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.split("\r\n").find_map(|line| {
        let (label, value) = line.split_once(':')?;
        label.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// Passes on what is written.
pub(crate) struct Sink(pub(crate) Sender<String>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.send(String::from_utf8_lossy(bytes).into_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
