//! The chunked coding (RFC 9112 §7.1), decoded in place: the data moves together at the front of
//! the buffer it was read into, and the framing between is gone.

use std::ops::Range;

/// Bytes of chunk extensions in one body. Nobody uses them; attackers do.
const EXTENSION_BYTES_MAX: usize = 16 * 1024;

/// Bytes of trailers in one body.
const TRAILER_BYTES_MAX: usize = 8 * 1024;

/// Hexadecimal digits in a chunk size: 64 bits.
const SIZE_DIGITS_MAX: u8 = 16;

/// The framing of a chunked body is broken: where it ends can no longer be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadChunk;

/// What one call to [`Decoder::decode`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// How many bytes of data now lie at the front.
    pub data: usize,
    /// Where in the input the body's framing left off; what follows is not this body's.
    pub consumed: usize,
}

/// Where in the coding the next byte belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the size, after this many digits.
    Size(u8),
    /// White space between size and extension, which RFC 9112 §7.1.1 calls bad and allows.
    Space,
    Extension,
    /// In a quoted string in an extension; escaped or not.
    Quoted(bool),
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the start of a line after the last chunk.
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
    End,
}

/// Decodes one chunked body, fed in pieces of any size.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    /// Bytes left in the current chunk; while its size is read, the size so far.
    left: u64,
    extension_bytes: usize,
    trailers: Vec<u8>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { state: State::Size(0), left: 0, extension_bytes: 0, trailers: Vec::new() }
    }
}

impl Decoder {
    /// Returns whether the body is complete.
    pub fn is_done(&self) -> bool {
        self.state == State::End
    }

    /// Returns the trailer lines, each with its CRLF, once the body is complete.
    pub fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    /// Decodes `bytes` in place.
    ///
    /// # Errors
    ///
    /// Fails where the framing breaks the grammar or a limit; the data before it is lost.
    pub fn decode(&mut self, bytes: &mut [u8]) -> Result<Decoded, BadChunk> {
        let (mut at, mut data) = (0, 0);
        while at < bytes.len() && !self.is_done() {
            if self.state == State::Data {
                let run = self.data_run(at, bytes.len());
                if data != at {
                    bytes.copy_within(run.clone(), data);
                }
                data += run.len();
                at = run.end;
            } else {
                self.step(bytes[at])?;
                at += 1;
            }
        }
        Ok(Decoded { data, consumed: at })
    }

    fn data_run(&mut self, at: usize, end: usize) -> Range<usize> {
        let len = usize::try_from(self.left).unwrap_or(usize::MAX).min(end - at);
        self.left -= len as u64;
        if self.left == 0 {
            self.state = State::DataCr;
        }
        at..at + len
    }

    /// Takes one byte of framing.
    fn step(&mut self, byte: u8) -> Result<(), BadChunk> {
        self.state = match (self.state, byte) {
            (State::Size(digits), _) if byte.is_ascii_hexdigit() => {
                self.size_digit(digits, byte)?
            }
            (State::Size(1..) | State::Space, b' ' | b'\t') => self.extension(State::Space)?,
            (State::Size(1..) | State::Space, b';') => State::Extension,
            (State::Size(1..) | State::Space | State::Extension, b'\r') => State::SizeLf,
            (State::Extension, b'"') => self.extension(State::Quoted(false))?,
            (State::Quoted(false), b'"') => self.extension(State::Extension)?,
            (State::Quoted(false), b'\\') => self.extension(State::Quoted(true))?,
            (State::Extension | State::Quoted(_), b'\t' | b' '..=b'~' | 0x80..) => {
                let quoted = matches!(self.state, State::Quoted(_));
                self.extension(if quoted { State::Quoted(false) } else { State::Extension })?
            }
            (State::SizeLf, b'\n') if self.left == 0 => State::TrailerStart,
            (State::SizeLf, b'\n') => State::Data,
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size(0),
            (State::TrailerStart, b'\r') => State::EndLf,
            (State::EndLf, b'\n') => self.end()?,
            (State::Trailer, b'\r') => State::TrailerLf,
            (State::TrailerLf, b'\n') => self.trailer_byte(byte, State::TrailerStart)?,
            (State::TrailerStart | State::Trailer, b'\t' | b' '..=b'~' | 0x80..) => {
                self.trailer_byte(byte, State::Trailer)?
            }
            _ => return Err(BadChunk),
        };
        Ok(())
    }

    fn size_digit(&mut self, digits: u8, byte: u8) -> Result<State, BadChunk> {
        if digits == SIZE_DIGITS_MAX {
            return Err(BadChunk);
        }
        let digit = (byte as char).to_digit(16).ok_or(BadChunk)?;
        let before = if digits == 0 { 0 } else { self.left };
        self.left = before << 4 | u64::from(digit);
        Ok(State::Size(digits + 1))
    }

    fn extension(&mut self, next: State) -> Result<State, BadChunk> {
        self.extension_bytes += 1;
        if self.extension_bytes > EXTENSION_BYTES_MAX { Err(BadChunk) } else { Ok(next) }
    }

    fn trailer_byte(&mut self, byte: u8, next: State) -> Result<State, BadChunk> {
        if self.trailers.len() + 2 > TRAILER_BYTES_MAX {
            return Err(BadChunk);
        }
        match byte {
            b'\n' => self.trailers.extend_from_slice(b"\r\n"),
            _ => self.trailers.push(byte),
        }
        Ok(next)
    }

    /// Ends the body; its trailers must be field lines.
    fn end(&mut self) -> Result<State, BadChunk> {
        let mut slots = [httparse::EMPTY_HEADER; 64];
        let mut block = std::mem::take(&mut self.trailers);
        block.extend_from_slice(b"\r\n");
        let parsed = httparse::parse_headers(&block, &mut slots);
        let Ok(httparse::Status::Complete((_, fields))) = parsed else {
            return Err(BadChunk);
        };
        for field in fields.iter().filter(|field| may_trail(field.name)) {
            self.trailers.extend_from_slice(field.name.as_bytes());
            self.trailers.extend_from_slice(b": ");
            self.trailers.extend_from_slice(field.value);
            self.trailers.extend_from_slice(b"\r\n");
        }
        Ok(State::End)
    }
}

/// Says whether a field may come after the body: nothing that frames, routes, authenticates or
/// changes what came before it (RFC 9110 §6.5.1).
fn may_trail(name: &str) -> bool {
    const BARRED: [&str; 30] = [
        "age",
        "authorization",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "cookie",
        "date",
        "expect",
        "expires",
        "forwarded",
        "host",
        "keep-alive",
        "location",
        "max-forwards",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "range",
        "retry-after",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "vary",
        "warning",
        "www-authenticate",
    ];
    let barred_prefix =
        ["x-forwarded", "x_forwarded", "x-client", "x_client", "if-"].iter().any(|prefix| {
            name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        });
    !barred_prefix && !BARRED.iter().any(|barred| name.eq_ignore_ascii_case(barred))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Decodes `wire` in pieces of `step` bytes; returns data, trailers and what is left over.
    fn decode(wire: &[u8], step: usize) -> Result<(Vec<u8>, Vec<u8>, usize), BadChunk> {
        let (mut decoder, mut data, mut consumed) = (Decoder::default(), Vec::new(), 0);
        for piece in wire.chunks(step) {
            let mut piece = piece.to_vec();
            let decoded = decoder.decode(&mut piece)?;
            data.extend_from_slice(&piece[..decoded.data]);
            consumed += decoded.consumed;
        }
        if decoder.is_done() {
            Ok((data, decoder.trailers().to_vec(), wire.len() - consumed))
        } else {
            Err(BadChunk)
        }
    }

    #[track_caller]
    fn check(wire: &str, expected: Result<&str, BadChunk>) {
        for step in [1, 2, 3, 7, wire.len()] {
            let data =
                decode(wire.as_bytes(), step).map(|(data, ..)| String::from_utf8(data).unwrap());
            assert_eq!(data, expected.map(str::to_owned), "{wire:?} by {step}");
        }
    }

    #[test]
    fn chunks_come_out_joined() {
        check("3\r\nabc\r\n0\r\n\r\n", Ok("abc"));
        check("A\r\n0123456789\r\n0003\r\nabc\r\n0\r\n\r\n", Ok("0123456789abc"));
        check("3 \r\nabc\r\n0\r\n\r\n", Ok("abc"));
        check("3;a=b\r\nabc\r\n0;x=\"y;\\\"z\"\r\n\r\n", Ok("abc"));
    }

    #[test]
    fn broken_framing_is_refused() {
        for size in
            ["0x3", "+3", "-3", " 3", "", "00000000000000003", "3;a\nb", "3;a\rb", "3\n", "g"]
        {
            check(&format!("{size}\r\nabc\r\n0\r\n\r\n"), Err(BadChunk));
        }
        check("3\r\nabc\n0\r\n\r\n", Err(BadChunk));
        check("3\r\nabcXX0\r\n\r\n", Err(BadChunk));
        check("0\r\nfoo\r\n\r\n", Err(BadChunk));
        check("0\r\nX: v\n\r\n", Err(BadChunk));
    }

    #[test]
    fn only_harmless_trailers_are_kept() {
        let wire = b"0\r\nContent-Length: 5\r\nHost: evil\r\nX-T:  v \r\nTransfer-Encoding: chunked\r\n\r\nGET";
        assert_eq!(decode(wire, 4), Ok((vec![], b"X-T: v\r\n".to_vec(), 3)));
    }

    #[test]
    fn extensions_and_trailers_have_a_limit() {
        check(
            &format!("3;{}\r\nabc\r\n0\r\n\r\n", "a".repeat(EXTENSION_BYTES_MAX + 1)),
            Err(BadChunk),
        );
        check(&format!("0\r\nA: {}\r\n\r\n", "a".repeat(TRAILER_BYTES_MAX)), Err(BadChunk));
    }

    proptest! {
        #[test]
        fn any_body_in_any_segments_comes_out_whole(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 0..8),
            step in 1usize..40,
        ) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"0\r\n\r\nnext");
            prop_assert_eq!(decode(&wire, step), Ok((chunks.concat(), vec![], 4)));
        }
    }
}
