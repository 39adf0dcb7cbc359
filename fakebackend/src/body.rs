//! The body of a request, piece by piece. Where does it end?

use crate::request::Framing;

/// Longest line of framing (a chunk's size with its extensions, or a trailer field).
const MAX_LINE_BYTES: usize = 4 * 1024;

/// Reads a body. Feed it what has come, do what it says, and feed it the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// So many bytes are left.
    Length(u64),
    /// The line with a chunk's size is next.
    ChunkSize,
    /// So many bytes of a chunk are left.
    Chunk(u64),
    /// The end of a chunk's line is next.
    ChunkEnd,
    /// A trailer field or the last empty line is next.
    Trailer,
    /// Nothing is left.
    Done,
}

/// What is at the front of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many bytes of the body.
    Data(usize),
    /// So many bytes of framing.
    Framing(usize),
    /// Not enough to tell.
    More,
    /// The body has ended before.
    End,
}

/// The framing makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadFraming;

impl Body {
    /// The body that a request head announces.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        match framing {
            Framing::Length(0) => Self::Done,
            Framing::Length(bytes) => Self::Length(bytes),
            Framing::Chunked => Self::ChunkSize,
        }
    }

    /// Tells what is at the front of `input` and goes past it.
    ///
    /// # Errors
    ///
    /// If that is no chunk where there must be one.
    pub fn step(&mut self, input: &[u8]) -> Result<Step, BadFraming> {
        match *self {
            Self::Done => Ok(Step::End),
            _ if input.is_empty() => Ok(Step::More),
            Self::Length(left) => Ok(self.data(input, left, Self::Length, Self::Done)),
            Self::Chunk(left) => Ok(self.data(input, left, Self::Chunk, Self::ChunkEnd)),
            Self::ChunkSize => self.size(input),
            Self::ChunkEnd => self.end_of_chunk(input),
            Self::Trailer => self.trailer(input),
        }
    }

    fn data(&mut self, input: &[u8], left: u64, more: fn(u64) -> Self, then: Self) -> Step {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        *self = match left - count as u64 {
            0 => then,
            left => more(left),
        };
        Step::Data(count)
    }

    fn size(&mut self, input: &[u8]) -> Result<Step, BadFraming> {
        match httparse::parse_chunk_size(input) {
            Ok(httparse::Status::Complete((line_bytes, size))) => {
                *self = if size == 0 { Self::Trailer } else { Self::Chunk(size) };
                Ok(Step::Framing(line_bytes))
            }
            Ok(httparse::Status::Partial) if input.len() < MAX_LINE_BYTES => Ok(Step::More),
            _ => Err(BadFraming),
        }
    }

    fn end_of_chunk(&mut self, input: &[u8]) -> Result<Step, BadFraming> {
        match input {
            [b'\r', b'\n', ..] => {
                *self = Self::ChunkSize;
                Ok(Step::Framing(2))
            }
            [b'\r'] => Ok(Step::More),
            _ => Err(BadFraming),
        }
    }

    fn trailer(&mut self, input: &[u8]) -> Result<Step, BadFraming> {
        match input.iter().position(|&byte| byte == b'\n') {
            Some(end) => {
                if input[..end].strip_suffix(b"\r").unwrap_or(&input[..end]).is_empty() {
                    *self = Self::Done;
                }
                Ok(Step::Framing(end + 1))
            }
            None if input.len() < MAX_LINE_BYTES => Ok(Step::More),
            None => Err(BadFraming),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `input` in pieces of every size; says the body and what follows it.
    fn check(framing: Framing, input: &str, expected: Result<(&str, &str), BadFraming>) {
        for piece in 1..=input.len() {
            assert_eq!(
                read(framing, input.as_bytes(), piece),
                expected.map(|(body, rest)| (body.to_owned(), rest.to_owned())),
                "{input:?} in pieces of {piece}"
            );
        }
    }

    fn read(framing: Framing, input: &[u8], piece: usize) -> Result<(String, String), BadFraming> {
        let (mut body, mut data, mut at, mut end) = (Body::new(framing), Vec::new(), 0, 0);
        loop {
            match body.step(&input[at..end])? {
                Step::Data(count) => {
                    data.extend_from_slice(&input[at..at + count]);
                    at += count;
                }
                Step::Framing(count) => at += count,
                Step::More if end == input.len() => {
                    return Ok((text(&data), "incomplete".to_owned()));
                }
                Step::More => end = (end + piece).min(input.len()),
                Step::End => return Ok((text(&data), text(&input[at..]))),
            }
        }
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    #[test]
    fn a_length_ends_the_body() {
        check(Framing::Length(3), "abcGET", Ok(("abc", "GET")));
        check(Framing::Length(0), "GET", Ok(("", "GET")));
        check(Framing::Length(9), "abc", Ok(("abc", "incomplete")));
    }

    #[test]
    fn chunks_are_put_together() {
        check(Framing::Chunked, "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\nGET", Ok(("abcde", "GET")));
        check(Framing::Chunked, "0\r\nA: 1\r\nB: 2\r\n\r\nGET", Ok(("", "GET")));
        check(Framing::Chunked, "3\r\nabc\r\n0\r\n", Ok(("abc", "incomplete")));
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        check(Framing::Chunked, "three\r\n", Err(BadFraming));
        check(Framing::Chunked, "3\r\nabcd", Err(BadFraming));
        check(Framing::Chunked, "fffffffffffffffff\r\n", Err(BadFraming));
    }

    #[test]
    fn a_line_of_framing_has_a_limit() {
        let long = format!("3;{}", "x".repeat(MAX_LINE_BYTES));
        assert_eq!(Body::ChunkSize.step(long.as_bytes()), Err(BadFraming));
        assert_eq!(Body::Trailer.step(long.as_bytes()), Err(BadFraming));
    }
}
