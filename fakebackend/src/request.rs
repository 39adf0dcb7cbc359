//! The head of a request, reduced to what decides the answer. Which bytes are its, and is it clear?

use std::mem::MaybeUninit;

use crate::drip::Drip;

/// Longest request head that is read.
pub const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Most fields in a request head.
const MAX_FIELDS: usize = 100;

/// What a request head says, without the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Bytes of the head, from the first of the request line to the empty line.
    pub head_bytes: usize,
    /// Whether the answer must have no body (HEAD).
    pub is_head: bool,
    /// What is asked for.
    pub wish: Wish,
    /// The path without the query, in the head.
    pub path: Span,
    /// How the body is framed.
    pub framing: Framing,
    /// Whether the connection is to stay open, and how the answer says so.
    pub persist: Persist,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// Whether it is HTTP/1.1, and its client understands answers before the answer.
    pub is_http11: bool,
    /// `X-Loadtest-Seq`.
    pub seq: Option<u64>,
    /// `X-Loadtest-Run`, in the head; empty if there is none.
    pub run: Span,
    /// `Content-Type`, in the head; empty if there is none.
    pub content_type: Span,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// The answer that all paths have.
    Plain,
    /// What was sent (`/echo`).
    Echo,
    /// An answer drop by drop (`/drip`).
    Drip(Drip),
    /// A WebSocket, with the key that is in the head.
    Socket(Span),
}

/// How the body of a request is framed (RFC 9112 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes; 0 is no body.
    Length(u64),
    /// In chunks.
    Chunked,
}

/// What becomes of the connection, in the order of the answer's variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persist {
    /// It stays open, as goes without saying in HTTP/1.1.
    Implied,
    /// It stays open and the answer says so, for HTTP/1.0.
    Announced,
    /// It is closed after the answer, which says so.
    Close,
}

/// A part of the head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The bytes of the span in its head.
    #[must_use]
    pub fn of(self, head: &[u8]) -> &[u8] {
        &head[self.start as usize..self.end as usize]
    }

    fn is_empty(self) -> bool {
        self.start == self.end
    }

    fn find(part: &[u8], head: &[u8]) -> Self {
        let start = part.as_ptr().addr() - head.as_ptr().addr();
        Self { start: start as u32, end: (start + part.len()) as u32 }
    }
}

/// Why a request is refused. The connection is closed after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is no HTTP/1 request, or it is not clear where it ends.
    BadRequest,
    /// Its head is longer than [`MAX_HEAD_BYTES`] or has too many fields.
    HeadTooLarge,
    /// Its body has a transfer coding other than `chunked`.
    UnknownCoding,
}

impl Refusal {
    /// The whole answer.
    #[must_use]
    pub fn answer(self) -> &'static [u8] {
        match self {
            Self::BadRequest => {
                b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 12\r\n\r\nbad request\n"
            }
            Self::HeadTooLarge => {
                b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 15\r\n\r\nhead too large\n"
            }
            Self::UnknownCoding => {
                b"HTTP/1.1 501 Not Implemented\r\nConnection: close\r\nContent-Length: 24\r\n\r\nunknown transfer coding\n\n"
            }
        }
    }
}

/// Reads a request head from the front of `input`; none if it is not complete yet.
///
/// # Errors
///
/// Says why the request is refused.
pub fn parse(input: &[u8]) -> Result<Option<Request>, Refusal> {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut head = httparse::Request::new(&mut []);
    let head_bytes = match head.parse_with_uninit_headers(input, &mut fields) {
        Ok(httparse::Status::Complete(bytes)) => bytes,
        Ok(httparse::Status::Partial) if input.len() >= MAX_HEAD_BYTES => {
            return Err(Refusal::HeadTooLarge);
        }
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::HeadTooLarge),
        Err(_) => return Err(Refusal::BadRequest),
    };
    let mut said = Said::default();
    for field in head.headers.iter() {
        said.hear(field.name, field.value, input)?;
    }
    let is_http11 = head.version == Some(1);
    let (path, query) = path_and_query(head.path.unwrap_or_default());
    Ok(Some(Request {
        head_bytes,
        is_head: head.method == Some("HEAD"),
        wish: said.wish(path, query)?,
        path: Span::find(path.as_bytes(), input),
        framing: said.framing(is_http11)?,
        persist: said.persist(is_http11),
        expects_continue: said.expects_continue && is_http11,
        is_http11,
        seq: said.seq,
        run: said.run,
        content_type: said.content_type,
    }))
}

/// The two parts of a target, in origin form or absolute form (RFC 9112 section 3.2).
fn path_and_query(target: &str) -> (&str, &str) {
    let path = match target.strip_prefix("http://") {
        // An absolute target without a path has none to point at.
        Some(rest) => rest.find('/').map_or(&rest[rest.len()..], |slash| &rest[slash..]),
        None => target,
    };
    path.split_once('?').unwrap_or((path, ""))
}

/// What a path asks for; none if its query makes no sense.
pub(crate) fn wish(path: &str, query: &str) -> Option<Wish> {
    match path {
        "/echo" => Some(Wish::Echo),
        "/drip" => Drip::parse(query).map(Wish::Drip),
        _ => Some(Wish::Plain),
    }
}

/// What the fields said so far.
#[derive(Default)]
struct Said {
    length: Option<u64>,
    is_chunked: bool,
    close: bool,
    keep_alive: bool,
    upgrade: bool,
    expects_continue: bool,
    is_websocket: bool,
    key: Span,
    seq: Option<u64>,
    run: Span,
    content_type: Span,
}

impl Said {
    /// Says what the request is for.
    fn wish(&self, path: &str, query: &str) -> Result<Wish, Refusal> {
        if self.is_websocket && self.upgrade && !self.key.is_empty() {
            return Ok(Wish::Socket(self.key));
        }
        wish(path, query).ok_or(Refusal::BadRequest)
    }

    fn hear(&mut self, name: &str, value: &[u8], input: &[u8]) -> Result<(), Refusal> {
        // By length first: most fields are none of these and need no comparison.
        match name.len() {
            6 if name.eq_ignore_ascii_case("expect") => {
                self.expects_continue |= value.eq_ignore_ascii_case(b"100-continue");
            }
            7 if name.eq_ignore_ascii_case("upgrade") => {
                self.is_websocket |= value.eq_ignore_ascii_case(b"websocket");
            }
            10 if name.eq_ignore_ascii_case("connection") => self.connection(value),
            12 if name.eq_ignore_ascii_case("content-type") => {
                self.content_type = Span::find(value, input);
            }
            14 if name.eq_ignore_ascii_case("content-length") => self.length(value)?,
            14 if name.eq_ignore_ascii_case("x-loadtest-seq") => self.seq = number(value),
            14 if name.eq_ignore_ascii_case("x-loadtest-run") => {
                self.run = Span::find(value, input);
            }
            17 if name.eq_ignore_ascii_case("sec-websocket-key") => {
                self.key = Span::find(value, input);
            }
            17 if name.eq_ignore_ascii_case("transfer-encoding") => self.coding(value)?,
            _ => {}
        }
        Ok(())
    }

    fn connection(&mut self, value: &[u8]) {
        for option in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.upgrade |= option.eq_ignore_ascii_case(b"upgrade");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        let length = number(value).ok_or(Refusal::BadRequest)?;
        match self.length.replace(length) {
            Some(other) if other != length => Err(Refusal::BadRequest),
            _ => Ok(()),
        }
    }

    fn coding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Refusal::UnknownCoding);
        }
        match std::mem::replace(&mut self.is_chunked, true) {
            false => Ok(()),
            true => Err(Refusal::BadRequest),
        }
    }

    /// A length beside chunks, or chunks in HTTP/1.0, is how requests are smuggled: refused.
    fn framing(&self, is_http11: bool) -> Result<Framing, Refusal> {
        match (self.is_chunked, self.length) {
            (true, None) if is_http11 => Ok(Framing::Chunked),
            (true, _) => Err(Refusal::BadRequest),
            (false, length) => Ok(Framing::Length(length.unwrap_or(0))),
        }
    }

    fn persist(&self, is_http11: bool) -> Persist {
        match (self.close, is_http11, self.keep_alive) {
            (true, _, _) | (false, false, false) => Persist::Close,
            (false, true, _) => Persist::Implied,
            (false, false, true) => Persist::Announced,
        }
    }
}

pub(crate) fn number(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    value.iter().try_fold(0u64, |number, digit| {
        number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests;
