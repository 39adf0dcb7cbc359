//! The bytes of answers, made once: a request only picks which to send.
//!
//! An answer is a head, then a block so many times over, then a tail. A small body is in the same
//! bytes as its head, so that one send carries both; a body of a gibibyte is one block of a
//! mebibyte sent a thousand times.

use std::io::IoSlice;

use bytes::Bytes;

use crate::request::Persist;

/// Bodies up to this size are kept with their head and leave in one send.
const TOGETHER_BYTES: u64 = 16 * 1024;
/// The block of larger bodies.
const BLOCK_BYTES: usize = 1024 * 1024;
/// The size of a chunk, where chunks are asked for.
const CHUNK_BYTES: usize = 64 * 1024;

/// What all answers of a backend have in common.
#[derive(Clone)]
pub struct Shape {
    id: String,
    headers: Vec<(String, String)>,
    /// Fields of a 103 that comes before every answer.
    pub(crate) hints: Vec<(String, String)>,
    /// Fields after the body, where it has room for them.
    pub(crate) trailers: Vec<(String, String)>,
    pub(crate) body_bytes: u64,
    pub(crate) is_chunked: bool,
    /// Empty unless a body needs it.
    block: Bytes,
}

/// One answer, in each way that a connection can go on after it.
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// By [`Persist`]: the head, and how much of it comes before the body.
    heads: [(Bytes, usize); 3],
    block: Bytes,
    times: u64,
    tail: Bytes,
}

/// What is sent of an answer.
#[derive(Clone, Copy)]
pub struct Wire<'a> {
    head: &'a [u8],
    block: &'a [u8],
    times: u64,
    tail: &'a [u8],
    /// Bytes to send.
    pub total: u64,
}

impl Shape {
    /// Plans bodies of `body_bytes`, or else of the id and a line feed.
    #[must_use]
    pub fn new(
        id: &str,
        headers: Vec<(String, String)>,
        body_bytes: Option<u64>,
        is_chunked: bool,
    ) -> Self {
        let body_bytes = body_bytes.unwrap_or(id.len() as u64 + 1);
        let (id, block) = (id.to_owned(), Bytes::new());
        let (hints, trailers) = (Vec::new(), Vec::new());
        let mut shape = Self { id, headers, hints, trailers, body_bytes, is_chunked, block };
        if body_bytes >= shape.block_content() as u64 {
            shape.block = shape.make_block();
        }
        shape
    }

    /// Makes the answer with this status.
    #[must_use]
    pub fn answer(&self, status: u16) -> Answer {
        self.sized(status, self.body_bytes)
    }

    /// Makes the answer with this status and one field more.
    #[must_use]
    pub fn answer_with(&self, status: u16, field: (String, String)) -> Answer {
        let mut shape = self.clone();
        shape.headers.push(field);
        shape.answer(status)
    }

    /// Makes an answer whose body is announced longer than `bytes`, to be cut there.
    #[must_use]
    pub fn longer_than(&self, status: u16, bytes: u64) -> Answer {
        self.sized(status, self.more_than(bytes))
    }

    /// The size to announce of a body that is to be cut after `bytes`.
    pub(crate) fn more_than(&self, bytes: u64) -> u64 {
        self.body_bytes.max(bytes.saturating_add(1))
    }

    /// The 103 that comes before every answer, if one does.
    pub(crate) fn early(&self) -> Option<String> {
        let fields = lines(&self.hints);
        (!fields.is_empty()).then(|| format!("HTTP/1.1 103 Early Hints\r\n{fields}\r\n"))
    }

    /// The fields of every answer: who gives it, and those asked for.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let id = std::iter::once(("X-Fake-Id", self.id.as_str()));
        id.chain(self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// What bodies are made of, over and over, without framing: as much of it as they need.
    pub(crate) fn content(&self, body_bytes: u64) -> Bytes {
        let bytes = body_bytes.min(self.block_content() as u64) as usize;
        if !self.is_chunked && bytes == self.block.len() {
            return self.block.clone();
        }
        let line = self.id.bytes().chain([b'\n']);
        line.chain(FILLER.iter().copied().cycle()).take(bytes).collect()
    }

    /// The body's bytes in a block.
    fn block_content(&self) -> usize {
        if self.is_chunked { CHUNK_BYTES } else { BLOCK_BYTES }
    }

    fn sized(&self, status: u16, body_bytes: u64) -> Answer {
        let has_body = !matches!(status, 204 | 304);
        let body_bytes = if has_body { body_bytes } else { 0 };
        let (times, rest) =
            (body_bytes / self.block_content() as u64, body_bytes % self.block_content() as u64);
        let mut tail = Vec::new();
        if rest > 0 {
            self.piece(&mut tail, rest as usize);
        }
        if self.is_chunked && has_body {
            tail.extend_from_slice(b"0\r\n");
            tail.extend_from_slice(lines(&self.trailers).as_bytes());
            tail.extend_from_slice(b"\r\n");
        }
        let block = if times == 0 {
            Bytes::new()
        } else if self.block.is_empty() {
            self.make_block()
        } else {
            self.block.clone()
        };
        let framing = has_body.then_some(body_bytes);
        let is_together = times == 0 && tail.len() as u64 <= TOGETHER_BYTES;
        let heads = [Persist::Implied, Persist::Announced, Persist::Close].map(|persist| {
            let mut head = self.head(status, framing, persist);
            let head_bytes = head.len();
            if is_together {
                head.extend_from_slice(&tail);
            }
            (Bytes::from(head), head_bytes)
        });
        let tail = if is_together { Bytes::new() } else { Bytes::from(tail) };
        Answer { status, heads, block, times, tail }
    }

    fn head(&self, status: u16, body_bytes: Option<u64>, persist: Persist) -> Vec<u8> {
        let mut head = self.opening(status);
        match body_bytes {
            Some(_) if self.is_chunked => {
                head.push_str("Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n");
                for (name, _) in &self.trailers {
                    head.push_str(&format!("Trailer: {name}\r\n"));
                }
            }
            Some(bytes) => {
                head.push_str(&format!("Content-Type: text/plain\r\nContent-Length: {bytes}\r\n"));
            }
            None => {}
        }
        head.push_str(closing(persist));
        head.into_bytes()
    }

    /// The first lines of every answer: its status, who gives it, and the fields asked for.
    pub(crate) fn opening(&self, status: u16) -> String {
        let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
        for (name, value) in self.fields() {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head
    }

    fn make_block(&self) -> Bytes {
        let mut block = Vec::new();
        self.piece(&mut block, self.block_content());
        Bytes::from(block)
    }

    /// Appends `bytes` of body, as a chunk where chunks are asked for.
    fn piece(&self, out: &mut Vec<u8>, bytes: usize) {
        if self.is_chunked {
            out.extend_from_slice(format!("{bytes:x}\r\n").as_bytes());
        }
        let line = self.id.bytes().chain([b'\n']);
        out.extend(line.chain(FILLER.iter().copied().cycle()).take(bytes));
        if self.is_chunked {
            out.extend_from_slice(b"\r\n");
        }
    }
}

const FILLER: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-\n";

/// The last lines of every answer's head: what becomes of the connection.
pub(crate) fn closing(persist: Persist) -> &'static str {
    match persist {
        Persist::Implied => "\r\n",
        Persist::Announced => "Connection: keep-alive\r\n\r\n",
        Persist::Close => "Connection: close\r\n\r\n",
    }
}

/// Fields, each on its line.
fn lines(fields: &[(String, String)]) -> String {
    fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect()
}

pub(crate) fn reason(status: u16) -> &'static str {
    match hyper::StatusCode::from_u16(status) {
        Ok(status) => status.canonical_reason().unwrap_or("Unknown"),
        Err(_) => "Unknown",
    }
}

impl Answer {
    /// The whole answer.
    #[must_use]
    pub fn whole(&self, persist: Persist) -> Wire<'_> {
        let (head, _) = &self.heads[persist as usize];
        let body_bytes = self.block.len() as u64 * self.times + self.tail.len() as u64;
        Wire {
            head,
            block: &self.block,
            times: self.times,
            tail: &self.tail,
            total: head.len() as u64 + body_bytes,
        }
    }

    /// The answer up to so many bytes after its head.
    #[must_use]
    pub fn cut(&self, persist: Persist, bytes: u64) -> Wire<'_> {
        let whole = self.whole(persist);
        let (_, head_bytes) = self.heads[persist as usize];
        Wire { total: whole.total.min((head_bytes as u64).saturating_add(bytes)), ..whole }
    }
}

impl<'a> Wire<'a> {
    /// All of it, if it is in one piece.
    #[must_use]
    pub fn together(&self) -> Option<&'a [u8]> {
        self.head.get(..usize::try_from(self.total).ok()?)
    }

    /// Fills `out` with what is to be sent from byte `at` on, as far as it has room; returns how many.
    pub fn slices(&self, mut at: u64, out: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        while count < out.len() && at < self.total {
            let rest = self.rest(at);
            let left = usize::try_from(self.total - at).unwrap_or(usize::MAX);
            let slice = &rest[..rest.len().min(left)];
            out[count] = IoSlice::new(slice);
            at += slice.len() as u64;
            count += 1;
        }
        count
    }

    /// What stands at `at`, to the end of its part.
    fn rest(&self, at: u64) -> &'a [u8] {
        let Some(at) = at.checked_sub(self.head.len() as u64) else {
            return &self.head[at as usize..];
        };
        match at.checked_sub(self.block.len() as u64 * self.times) {
            None => &self.block[(at % self.block.len() as u64) as usize..],
            Some(at) => &self.tail[at as usize..],
        }
    }
}

#[cfg(test)]
mod tests;
