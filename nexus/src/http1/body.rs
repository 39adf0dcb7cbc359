//! Where a body ends: the closed set of framings, and reading by each.

use super::chunked;
use crate::reason::Reason;

/// How the end of a body is found (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// It has this many bytes.
    Length(u64),
    /// It says itself where it ends.
    Chunked,
    /// It ends with the connection: answers only.
    UntilClose,
}

/// Reads a body out of the bytes of a connection.
#[derive(Debug)]
pub enum Body {
    /// This many bytes are to come.
    Length(u64),
    /// The coding says when it is over.
    Chunked(Box<chunked::Decoder>),
    /// All that comes belongs to it.
    UntilClose,
    /// It is complete.
    Done,
}

/// What one piece of input was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Bytes of the body that now lie at the front of the input.
    pub data: usize,
    /// Bytes of the input that belong to the body and its framing.
    pub consumed: usize,
}

impl From<Framing> for Body {
    fn from(framing: Framing) -> Self {
        match framing {
            Framing::None | Framing::Length(0) => Self::Done,
            Framing::Length(bytes) => Self::Length(bytes),
            Framing::Chunked => Self::Chunked(Box::default()),
            Framing::UntilClose => Self::UntilClose,
        }
    }
}

impl Body {
    /// Returns whether nothing more is to come.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// Takes the framing out of `bytes`, in place.
    ///
    /// When the body is complete its trailers, if it has any, are handed to `trailers`.
    ///
    /// # Errors
    ///
    /// Fails with [`Reason::BadBody`] where the framing is broken.
    pub fn decode(
        &mut self,
        bytes: &mut [u8],
        trailers: impl FnOnce(&[u8]),
    ) -> Result<Piece, Reason> {
        match self {
            Self::Done => Ok(Piece { data: 0, consumed: 0 }),
            Self::UntilClose => Ok(Piece { data: bytes.len(), consumed: bytes.len() }),
            Self::Length(left) => {
                let data = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= data as u64;
                if *left == 0 {
                    *self = Self::Done;
                }
                Ok(Piece { data, consumed: data })
            }
            Self::Chunked(decoder) => {
                let decoded = decoder.decode(bytes).map_err(|_| Reason::BadBody)?;
                if decoder.is_done() {
                    trailers(decoder.trailers());
                    *self = Self::Done;
                }
                Ok(Piece { data: decoded.data, consumed: decoded.consumed })
            }
        }
    }

    /// Takes note that the connection ended; returns whether the body may end there.
    pub fn end(&mut self) -> bool {
        match self {
            Self::UntilClose | Self::Done => {
                *self = Self::Done;
                true
            }
            Self::Length(_) | Self::Chunked(_) => false,
        }
    }
}
