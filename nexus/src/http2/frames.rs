//! A look at a client's frames before the `h2` crate reads them: what it lets pass, and how much.
//!
//! Why, if `h2` reads every frame as well? It forgives what RFC 9113 does not, names some errors
//! wrongly, and answers PING and SETTINGS for as long as they come. What it judges rightly is left
//! to it; `tests/conformance` is the table of both. Of a frame only the header is looked at, and
//! the payload of SETTINGS and WINDOW_UPDATE:
//!
//! ```text
//! PRI * …SM  │ SETTINGS │ HEADERS 1 │ PING  PING  PING  PING …
//!  24 bytes     first                  counted, 10 s at a time
//! ```

mod flood;
mod trailers;

pub use flood::Flood;

use flood::Counts;
use h2::Reason;
use trailers::Trailers;

/// The length of what a client says before its first frame (RFC 9113 §3.4).
const PREFACE_LEN: u32 = 24;

/// The length of a frame's header (RFC 9113 §4.1).
const HEAD_LEN: usize = 9;

/// The length of one setting.
const SETTING_LEN: usize = 6;

/// The length of an increment of a window.
const INCREMENT_LEN: usize = 4;

/// The setting whose value has a bound that `h2` names wrongly.
const INITIAL_WINDOW_SIZE: u16 = 4;

/// The largest window that there may be.
const WINDOW_MAX: u32 = (1 << 31) - 1;

/// An increment below this is small, in bytes: most clients wait until half of a window is used, and
/// the few that do not may still send many ([`Flood::SmallWindows`]).
const SMALL_INCREMENT: u32 = 256;

const END_STREAM: u8 = 0x1;
const ACK: u8 = 0x1;

/// What becomes of a connection, as far as its client's frames say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The bytes may be read.
    Fine,
    /// The client asks too much: the connection ends with `ENHANCE_YOUR_CALM`.
    Calm(Flood),
    /// The client breaks the protocol: the connection ends with this code.
    Broken(Reason),
}

impl Verdict {
    /// Returns the code that the connection must end with, if it must.
    pub fn reason(self) -> Option<Reason> {
        match self {
            Self::Fine => None,
            Self::Calm(_) => Some(Reason::ENHANCE_YOUR_CALM),
            Self::Broken(reason) => Some(reason),
        }
    }
}

/// Follows the frames of one client.
#[derive(Debug)]
pub struct FrameWatch {
    verdict: Verdict,
    /// Bytes to come before the next header: the preface's, or a payload's.
    skip: u32,
    /// What is gathered of a header, or of what a payload consists of.
    part: [u8; HEAD_LEN],
    part_len: usize,
    /// Which payload is read in parts.
    reading: Payload,
    is_first: bool,
    /// The latest stream that the client has opened.
    last: u32,
    continuations: u32,
    /// Trailers under way.
    trailers: Option<Box<Trailers>>,
    counts: Counts,
}

/// What is wanted of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Payload {
    /// Nothing: it is passed over.
    Any,
    /// Each setting.
    Settings,
    /// The increment.
    Window,
    /// All of it: it is of trailers.
    Trailers,
}

/// The header of a frame.
struct Head {
    len: u32,
    kind: u8,
    flags: u8,
    stream: u32,
}

impl FrameWatch {
    /// A watch over a connection of which nothing was read, its preface included.
    pub fn new(now_ms: u64) -> Self {
        Self {
            verdict: Verdict::Fine,
            skip: PREFACE_LEN,
            part: [0; HEAD_LEN],
            part_len: 0,
            reading: Payload::Any,
            is_first: true,
            last: 0,
            continuations: 0,
            trailers: None,
            counts: Counts::new(now_ms),
        }
    }

    /// Looks at what was read next, however it was cut. What was said of one piece stays said of
    /// all after it.
    pub fn see(&mut self, mut bytes: &[u8], now_ms: u64) -> Verdict {
        self.counts.turn(now_ms);
        while !bytes.is_empty() && self.verdict == Verdict::Fine {
            if self.skip > 0 && self.reading == Payload::Any {
                let passed = bytes.len().min(self.skip as usize);
                self.skip -= passed as u32;
                bytes = &bytes[passed..];
            } else if self.reading == Payload::Trailers {
                bytes = self.collect(bytes);
            } else {
                bytes = self.gather(bytes);
            }
        }
        self.verdict
    }

    /// Takes what is missing of a header, or of a part of a payload, and judges it once whole.
    fn gather<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let wanted = match self.reading {
            Payload::Any | Payload::Trailers => HEAD_LEN,
            Payload::Settings => SETTING_LEN,
            Payload::Window => INCREMENT_LEN,
        };
        let taken = bytes.len().min(wanted - self.part_len);
        self.part[self.part_len..self.part_len + taken].copy_from_slice(&bytes[..taken]);
        self.part_len += taken;
        if self.part_len == wanted {
            self.part_len = 0;
            self.verdict = match self.reading {
                Payload::Any | Payload::Trailers => self.head(),
                Payload::Settings => self.setting(),
                Payload::Window => self.increment(),
            };
        }
        &bytes[taken..]
    }

    fn head(&mut self) -> Verdict {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = self.part;
        let len = u32::from_be_bytes([0, l0, l1, l2]);
        let stream = u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]);
        let head = Head { len, kind, flags, stream };
        self.skip = len;
        if std::mem::take(&mut self.is_first) && kind != SETTINGS {
            return Verdict::Broken(Reason::PROTOCOL_ERROR);
        }
        self.frame(&head)
    }

    /// Judges a frame by its header: one branch for most of them.
    fn frame(&mut self, head: &Head) -> Verdict {
        match head.kind {
            DATA if head.len == 0 && head.flags & END_STREAM == 0 => {
                self.counts.add(Flood::EmptyData)
            }
            DATA => Verdict::Fine,
            HEADERS => self.headers(head),
            PRIORITY => sized(head.len == 5).unwrap_or_else(|| self.counts.add(Flood::Priorities)),
            RST_STREAM => sized(head.len == 4).unwrap_or_else(|| self.counts.add(Flood::Resets)),
            SETTINGS => self.settings(head),
            PUSH_PROMISE => Verdict::Broken(Reason::PROTOCOL_ERROR),
            PING => sized(head.len == 8).unwrap_or_else(|| self.counts.add(Flood::Pings)),
            GOAWAY => sized(head.len >= 8).unwrap_or_else(|| self.counts.add(Flood::GoAways)),
            WINDOW_UPDATE => sized(head.len == INCREMENT_LEN as u32).unwrap_or_else(|| {
                self.reading = Payload::Window;
                Verdict::Fine
            }),
            CONTINUATION => self.continuation(head.flags),
            _ => self.counts.add(Flood::Unknown),
        }
    }

    /// A block begins; `h2` answers a malformed one of a stream that is not the client's to open
    /// with an error of that stream.
    fn headers(&mut self, head: &Head) -> Verdict {
        self.continuations = 0;
        self.trailers = None;
        if head.stream.is_multiple_of(2) {
            return Verdict::Broken(Reason::PROTOCOL_ERROR);
        }
        if head.stream > self.last {
            self.last = head.stream;
            self.counts.opened();
            return Verdict::Fine;
        }
        if head.flags & END_STREAM == 0 {
            return Verdict::Broken(Reason::PROTOCOL_ERROR); // Trailers end a request, or are none.
        }
        self.trailers = Some(Box::default());
        self.of_trailers(head.flags)
    }

    /// A frame of trailers begins.
    fn of_trailers(&mut self, flags: u8) -> Verdict {
        if let Some(trailers) = &mut self.trailers {
            trailers.frame(flags);
            self.reading = Payload::Trailers;
            if self.skip == 0 {
                return self.end_of_trailers();
            }
        }
        Verdict::Fine
    }

    /// Collects what trailers say.
    fn collect<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let taken = bytes.len().min(self.skip as usize);
        if let Some(trailers) = &mut self.trailers {
            trailers.take(&bytes[..taken]);
        }
        self.skip -= taken as u32;
        if self.skip == 0 {
            self.verdict = self.end_of_trailers();
        }
        &bytes[taken..]
    }

    /// A frame of trailers ends.
    fn end_of_trailers(&mut self) -> Verdict {
        self.reading = Payload::Any;
        match self.trailers.as_mut().and_then(|trailers| trailers.end_frame()) {
            None => Verdict::Fine,
            Some(is_malformed) => {
                self.trailers = None;
                if is_malformed {
                    return Verdict::Broken(Reason::PROTOCOL_ERROR);
                }
                Verdict::Fine
            }
        }
    }

    fn continuation(&mut self, flags: u8) -> Verdict {
        self.continuations += 1;
        if self.continuations > Flood::Continuations.most() {
            return Verdict::Calm(Flood::Continuations);
        }
        self.of_trailers(flags)
    }

    fn settings(&mut self, head: &Head) -> Verdict {
        let is_ack = head.flags & ACK != 0;
        if (is_ack && head.len > 0) || !head.len.is_multiple_of(SETTING_LEN as u32) {
            return Verdict::Broken(Reason::FRAME_SIZE_ERROR);
        }
        if head.len > 0 {
            self.reading = Payload::Settings;
        }
        // Of acknowledgements `h2` takes as many as it asked for.
        if is_ack { Verdict::Fine } else { self.counts.add(Flood::Settings) }
    }

    fn setting(&mut self) -> Verdict {
        self.read(SETTING_LEN);
        let [i0, i1, v0, v1, v2, v3, ..] = self.part;
        let (id, value) = (u16::from_be_bytes([i0, i1]), u32::from_be_bytes([v0, v1, v2, v3]));
        if id == INITIAL_WINDOW_SIZE && value > WINDOW_MAX {
            return Verdict::Broken(Reason::FLOW_CONTROL_ERROR);
        }
        Verdict::Fine
    }

    /// An increment of 0 is left to `h2`.
    fn increment(&mut self) -> Verdict {
        self.read(INCREMENT_LEN);
        let [i0, i1, i2, i3, ..] = self.part;
        if u32::from_be_bytes([i0 & 0x7f, i1, i2, i3]) < SMALL_INCREMENT {
            return self.counts.add(Flood::SmallWindows);
        }
        Verdict::Fine
    }

    /// Counts a part of a payload as read; after the last a header follows.
    fn read(&mut self, len: usize) {
        self.skip -= len as u32;
        if self.skip == 0 {
            self.reading = Payload::Any;
        }
    }
}

/// Says that a frame is broken whose length is not what its type has.
fn sized(is_right: bool) -> Option<Verdict> {
    (!is_right).then_some(Verdict::Broken(Reason::FRAME_SIZE_ERROR))
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

#[cfg(test)]
mod tests;
