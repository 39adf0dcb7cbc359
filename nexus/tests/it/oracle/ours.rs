//! What Nexus's engine makes of the bytes of a connection: the loops of `connection` and `forward`
//! without their sockets.

use nexus::http1::body::Body;
use nexus::http1::gate::{self, Admission, Target};
use nexus::http1::head::{
    BadHead, HEAD_BYTES_MAX, RequestHead, ResponseHead, parse_request, parse_response,
};
use nexus::http1::response;
use nexus::reason::Reason;

use super::message::{Message, Reading, trailer};
use super::wire::Wire;

/// What is read next.
enum Next {
    Head,
    /// A body, and whether another message may follow it.
    Body(Body, bool),
    Nothing,
}

struct Reader {
    /// What was not understood yet.
    input: Vec<u8>,
    /// Where it begins among all bytes.
    at: usize,
    next: Next,
    reading: Reading,
}

/// Reads requests as long as the connection goes on.
pub(crate) fn requests(wire: &Wire) -> Reading {
    Reader::read(wire, Reader::request)
}

/// Reads the answer to one request, with the interim ones before it.
pub(crate) fn answer(wire: &Wire, to_head: bool) -> Reading {
    Reader::read(wire, |reader| reader.response(to_head))
}

impl Reader {
    fn read(wire: &Wire, head: impl Fn(&mut Self) -> Result<bool, Reason>) -> Reading {
        let mut reader =
            Self { input: vec![], at: 0, next: Next::Head, reading: Reading::default() };
        for piece in wire.pieces() {
            reader.input.extend_from_slice(piece);
            loop {
                let went_on = match &reader.next {
                    Next::Head => head(&mut reader),
                    Next::Body(..) => reader.body(),
                    Next::Nothing => Ok(false),
                };
                match went_on {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(reason) => {
                        return reader.refuse(reason);
                    }
                }
            }
        }
        if let Next::Body(mut body, _) = reader.next {
            let is_whole = body.end();
            reader.reading.messages.last_mut().unwrap().is_whole = is_whole;
        }
        reader.reading.rest = reader.input[..].into();
        reader.reading
    }

    fn refuse(mut self, reason: Reason) -> Reading {
        self.reading.refused = Some(reason);
        // How much of a broken body came before it was seen to be broken is no part of its meaning.
        for message in self.reading.messages.iter_mut().filter(|message| !message.is_whole) {
            message.body.clear();
        }
        self.reading
    }

    /// Reads a request's head; returns whether there was one.
    fn request(&mut self) -> Result<bool, Reason> {
        self.skip_empty_lines();
        self.reading.head_at = self.at;
        let parsed = parse_request(&self.input).map_err(|bad| match bad {
            BadHead::Version if !self.input.starts_with(b"PRI ") => Reason::VersionNotSupported,
            BadHead::Malformed | BadHead::Version => Reason::MalformedRequest,
            BadHead::TooManyFields => Reason::HeadTooLarge,
        })?;
        let Some(head) = parsed else {
            let is_over = self.input.len() >= HEAD_BYTES_MAX;
            return if is_over { Err(Reason::HeadTooLarge) } else { Ok(false) };
        };
        let len = head.len;
        let (start, host, body, keep_alive) = seen(&self.input, head)?;
        self.begin(len, Message::begun(start, host, body), Next::Body(body.into(), keep_alive));
        Ok(true)
    }

    /// Reads a response's head; returns whether there was one.
    fn response(&mut self, to_head: bool) -> Result<bool, Reason> {
        self.reading.head_at = self.at;
        let parsed = parse_response(&self.input).map_err(|_| Reason::BadResponse)?;
        let Some(ResponseHead { len, status, .. }) = parsed else {
            return Ok(false);
        };
        let head = parsed.unwrap();
        let response = response::admit(&self.input, head, to_head)?;
        if response.is_interim() {
            self.skip(len);
            return Ok(true);
        }
        let message = Message::begun(status.to_string(), String::new(), response.body);
        self.begin(len, message, Next::Body(response.body.into(), false));
        Ok(true)
    }

    fn begin(&mut self, len: usize, message: Message, next: Next) {
        self.reading.messages.push(message);
        self.reading.heads.push(self.input[..len].into());
        self.skip(len);
        self.reading.body_at = self.at;
        self.next = next;
    }

    /// Reads of a body what is there; returns whether something follows it.
    fn body(&mut self) -> Result<bool, Reason> {
        let Next::Body(body, keep_alive) = &mut self.next else { unreachable!() };
        let message = self.reading.messages.last_mut().unwrap();
        let piece = body.decode(&mut self.input, |lines| message.trailers = trailers(lines))?;
        message.body.extend_from_slice(&self.input[..piece.data]);
        message.is_whole = body.is_done();
        if message.is_whole {
            self.next = if *keep_alive { Next::Head } else { Next::Nothing };
        }
        self.skip(piece.consumed);
        Ok(matches!(self.next, Next::Head) && !self.input.is_empty())
    }

    fn skip(&mut self, len: usize) {
        self.input.drain(..len);
        self.at += len;
    }

    /// Forgets empty lines before a head (RFC 9112 §2.2).
    fn skip_empty_lines(&mut self) {
        while let [b'\n', ..] | [b'\r', b'\n', ..] = self.input[..] {
            self.skip(if self.input[0] == b'\r' { 2 } else { 1 });
        }
    }
}

/// Lets a head through the gate; returns what it is about.
fn seen(
    bytes: &[u8],
    head: RequestHead,
) -> Result<(String, String, nexus::http1::body::Framing, bool), Reason> {
    let admission = gate::admit(bytes, head)?;
    let (Admission::Forward(request) | Admission::AnswerOptions(request)) = admission;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let target = match request.target {
        Target::Path(path) => text(path.of(bytes)),
        Target::Query(query) => format!("/{}", text(query.of(bytes))),
        Target::Root => "/".to_owned(),
        Target::Asterisk => "*".to_owned(),
    };
    let start = format!("{} {target}", text(request.head.method.of(bytes)));
    Ok((start, text(request.host.of(bytes)), request.body, request.keep_alive))
}

fn trailers(lines: &[u8]) -> Vec<String> {
    let mut slots = [httparse::EMPTY_HEADER; 64];
    let block = [lines, b"\r\n"].concat();
    let Ok(httparse::Status::Complete((_, fields))) = httparse::parse_headers(&block, &mut slots)
    else {
        panic!("trailers are field lines: {}", lines.escape_ascii());
    };
    let mut trailers: Vec<_> =
        fields.iter().map(|field| trailer(field.name, field.value)).collect();
    trailers.sort();
    trailers
}
