//! A client that says what it is told to, byte by byte, and hears all that comes back.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::hpack::{self, Decoder, Field};
use crate::server::Server;
use crate::wire::{Code, FRAME_LEN_MAX, Frame, PREFACE, flag, frame, kind, setting, settings};

/// How long whatever must happen may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// What the suite's own pings say.
const PING: [u8; 8] = *b"are you?";

/// What comes back.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The head of an answer, or its trailers.
    Head { stream: u32, fields: Vec<Field>, is_end: bool },
    /// A part of a body.
    Data { stream: u32, bytes: Vec<u8>, is_end: bool },
    /// RST_STREAM.
    Reset { stream: u32, code: Code },
    /// GOAWAY.
    GoAway { last: u32, code: Code },
    /// SETTINGS, already acknowledged.
    Settings,
    /// The acknowledgement of ours.
    SettingsAck,
    /// The answer to a ping.
    Pong([u8; 8]),
    /// WINDOW_UPDATE.
    Window { stream: u32, by: u32 },
    /// Any other frame.
    Other(u8),
    /// The end, however it came.
    Closed,
}

/// What the server has said that it takes; what it has not said is as the RFC has it.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) header_table: u32,
    pub(crate) streams: Option<u32>,
    pub(crate) window: u32,
    pub(crate) frame: u32,
    pub(crate) header_list: Option<u32>,
    pub(crate) has_connect: bool,
    pub(crate) push: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_table: 4096,
            streams: None,
            window: 65_535,
            frame: FRAME_LEN_MAX as u32,
            header_list: None,
            has_connect: false,
            push: None,
        }
    }
}

/// A connection.
pub(crate) struct Client {
    stream: TcpStream,
    is_refused: bool,
    bytes: Vec<u8>,
    /// Reads the heads of answers.
    pub(crate) decoder: Decoder,
    /// What the server takes.
    pub(crate) limits: Limits,
    /// The head that is not complete.
    head: Vec<u8>,
    is_end: bool,
}

impl Client {
    /// Connects, and says nothing.
    pub(crate) fn connect(server: &Server) -> Self {
        let stream = TcpStream::connect(server.addr).expect("the server listens");
        stream.set_nodelay(true).expect("a socket has options");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket has options");
        Self {
            stream,
            is_refused: false,
            bytes: Vec::new(),
            decoder: Decoder::default(),
            limits: Limits::default(),
            head: Vec::new(),
            is_end: false,
        }
    }

    /// Connects, and exchanges settings with the server.
    pub(crate) fn shake_hands(server: &Server) -> Result<Self, String> {
        let mut client = Self::connect(server);
        client.send(PREFACE);
        client.settings(&[])?;
        Ok(client)
    }

    /// Sends bytes; whoever refuses them may already have closed, and is sent no more.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.is_refused = self.is_refused || self.stream.write_all(bytes).is_err();
    }

    /// Sends a frame.
    pub(crate) fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.send(&frame(kind, flags, stream, payload));
    }

    /// Sends HEADERS.
    pub(crate) fn head(&mut self, stream: u32, flags: u8, block: &[u8]) {
        self.frame(kind::HEADERS, flags, stream, block);
    }

    /// Sends a whole request, with more fields than it needs.
    pub(crate) fn get(&mut self, stream: u32, more: &[(&str, &str)]) {
        self.head(stream, flag::ALL, &[hpack::get(), hpack::block(more)].concat());
    }

    /// Sends a whole request of nothing but these fields.
    pub(crate) fn ask(&mut self, stream: u32, fields: &[(&str, &str)]) {
        self.head(stream, flag::ALL, &hpack::block(fields));
    }

    /// Sends the head of a request whose body follows.
    pub(crate) fn post(&mut self, stream: u32, more: &[(&str, &str)]) {
        self.head(stream, flag::END_HEADERS, &[hpack::post(), hpack::block(more)].concat());
    }

    /// Sends the head of a request that is not answered, and whose body is not read.
    pub(crate) fn hold(&mut self, stream: u32) {
        let fields = [(":method", "POST"), (":scheme", "http"), (":authority", "conformance")];
        let block = [hpack::block(&fields), hpack::literal(":path", "/hold")].concat();
        self.head(stream, flag::END_HEADERS, &block);
    }

    /// Sends a part of a body.
    pub(crate) fn data(&mut self, stream: u32, flags: u8, bytes: &[u8]) {
        self.frame(kind::DATA, flags, stream, bytes);
    }

    /// Sends settings and waits until they hold.
    pub(crate) fn settings(&mut self, values: &[(u16, u32)]) -> Result<(), String> {
        self.frame(kind::SETTINGS, flag::NONE, 0, &settings(values));
        let is_acked = |heard: &Heard| matches!(heard, Heard::SettingsAck).then_some(());
        self.until("SETTINGS are acknowledged", is_acked)
    }

    /// Opens a window further.
    pub(crate) fn window_update(&mut self, stream: u32, by: u32) {
        self.frame(kind::WINDOW_UPDATE, flag::NONE, stream, &by.to_be_bytes());
    }

    /// Says that nothing more comes.
    pub(crate) fn leave(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Returns a second handle on the same socket, to send while this one hears.
    pub(crate) fn sender(&self) -> TcpStream {
        self.stream.try_clone().expect("a socket has a second handle")
    }

    /// Hears the next of what comes; nothing, if nothing has come by the deadline.
    pub(crate) fn hear(&mut self, deadline: Instant) -> Option<Heard> {
        loop {
            while let Some(frame) = Frame::take(&mut self.bytes) {
                if let Some(heard) = self.understand(&frame) {
                    return Some(heard);
                }
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            let left = left.max(Duration::from_millis(1));
            self.stream.set_read_timeout(Some(left)).expect("a socket has options");
            let mut piece = [0; 16 * 1024];
            match self.stream.read(&mut piece) {
                Ok(0) => return Some(Heard::Closed),
                Ok(read) => self.bytes.extend_from_slice(&piece[..read]),
                Err(error) if is_timeout(&error) => return None,
                Err(_) => return Some(Heard::Closed),
            }
        }
    }

    /// Hears until `is` says what it was waiting for, and no longer than there is patience.
    pub(crate) fn until<T>(
        &mut self,
        what: &str,
        mut is: impl FnMut(&Heard) -> Option<T>,
    ) -> Result<T, String> {
        let deadline = Instant::now() + PATIENCE;
        let mut last = "silence".to_owned();
        while let Some(heard) = self.hear(deadline) {
            if let Some(found) = is(&heard) {
                return Ok(found);
            }
            if let Heard::Closed = heard {
                last.push_str(", and the end of the connection");
                break;
            }
            last = brief(&heard);
        }
        Err(format!("{what}: no, but {last}"))
    }

    /// Proves that the connection lives, and that all that was sent before was taken.
    pub(crate) fn pong(&mut self) -> Result<(), String> {
        self.frame(kind::PING, flag::NONE, 0, &PING);
        let is_ours = |heard: &Heard| matches!(heard, Heard::Pong(PING)).then_some(());
        self.until("the connection lives", is_ours)
    }

    fn understand(&mut self, frame: &Frame) -> Option<Heard> {
        let stream = frame.stream;
        Some(match frame.kind {
            kind::HEADERS => {
                self.is_end = frame.has(flag::END_STREAM);
                self.head = without_padding(frame);
                return self.complete(frame);
            }
            kind::CONTINUATION => {
                self.head.extend_from_slice(&frame.payload);
                return self.complete(frame);
            }
            kind::DATA => {
                let is_end = frame.has(flag::END_STREAM);
                Heard::Data { stream, bytes: without_padding(frame), is_end }
            }
            kind::RST_STREAM => Heard::Reset { stream, code: Code(frame.word(0)) },
            kind::GOAWAY => Heard::GoAway { last: frame.word(0), code: Code(frame.word(4)) },
            kind::SETTINGS if frame.has(flag::ACK) => Heard::SettingsAck,
            kind::SETTINGS => {
                self.limits.read(&frame.payload);
                self.frame(kind::SETTINGS, flag::ACK, 0, &[]);
                Heard::Settings
            }
            kind::PING if frame.has(flag::ACK) => {
                Heard::Pong(frame.payload.clone().try_into().unwrap_or_default())
            }
            kind::PING => {
                self.frame(kind::PING, flag::ACK, 0, &frame.payload);
                Heard::Other(kind::PING)
            }
            kind::WINDOW_UPDATE => Heard::Window { stream, by: frame.word(0) },
            other => Heard::Other(other),
        })
    }

    fn complete(&mut self, frame: &Frame) -> Option<Heard> {
        if !frame.has(flag::END_HEADERS) {
            return None;
        }
        let unreadable = || vec![(":status".to_owned(), "unreadable".to_owned())];
        let fields = self.decoder.block(&self.head).unwrap_or_else(unreadable);
        Some(Heard::Head { stream: frame.stream, fields, is_end: self.is_end })
    }
}

impl Limits {
    fn read(&mut self, payload: &[u8]) {
        for one in payload.chunks_exact(6) {
            let value = u32::from_be_bytes([one[2], one[3], one[4], one[5]]);
            match u16::from_be_bytes([one[0], one[1]]) {
                setting::HEADER_TABLE_SIZE => self.header_table = value,
                setting::ENABLE_PUSH => self.push = Some(value),
                setting::MAX_CONCURRENT_STREAMS => self.streams = Some(value),
                setting::INITIAL_WINDOW_SIZE => self.window = value,
                setting::MAX_FRAME_SIZE => self.frame = value,
                setting::MAX_HEADER_LIST_SIZE => self.header_list = Some(value),
                setting::ENABLE_CONNECT_PROTOCOL => self.has_connect = value == 1,
                _ => {}
            }
        }
    }
}

/// Says what was heard, without all of it.
pub(crate) fn brief(heard: &Heard) -> String {
    match heard {
        Heard::Head { stream, fields, .. } => {
            let status = fields.first().map_or("nothing", |(_, value)| value);
            format!("an answer {status} on stream {stream}")
        }
        Heard::Data { stream, bytes, .. } => format!("{} bytes on stream {stream}", bytes.len()),
        Heard::Reset { stream, code } => format!("RST_STREAM {code:?} on stream {stream}"),
        Heard::GoAway { code, .. } => format!("GOAWAY {code:?}"),
        Heard::Closed => "the end of the connection".to_owned(),
        Heard::Other(kind) => format!("a frame of type {kind:#x}"),
        other => format!("{other:?}"),
    }
}

fn without_padding(frame: &Frame) -> Vec<u8> {
    if !frame.has(flag::PADDED) {
        return frame.payload.clone();
    }
    let padding = frame.payload.first().map_or(0, |len| usize::from(*len));
    let end = frame.payload.len().saturating_sub(padding);
    frame.payload.get(1..end).unwrap_or_default().to_vec()
}

fn is_timeout(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}
