//! Bytes as they come over a connection, and the strategies that cut and spoil them.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// The bytes of a connection, in the pieces in which they come.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) bytes: Vec<u8>,
    /// Where pieces end, rising.
    cuts: Vec<usize>,
}

impl Wire {
    /// Returns bytes that come at once.
    pub(crate) fn whole(bytes: Vec<u8>) -> Self {
        Self { bytes, cuts: vec![] }
    }

    /// Returns the same bytes in one piece.
    pub(crate) fn uncut(&self) -> Self {
        Self::whole(self.bytes.clone())
    }

    /// Returns the same bytes in pieces of `step` bytes.
    pub(crate) fn by(&self, step: usize) -> Self {
        let cuts = (1..self.bytes.len()).filter(|at| at % step == 0).collect();
        Self { bytes: self.bytes.clone(), cuts }
    }

    /// Returns the pieces, none of them empty.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.cuts.iter().copied());
        let ends = self.cuts.iter().copied().chain(std::iter::once(self.bytes.len()));
        starts.zip(ends).map(|(start, end)| &self.bytes[start..end]).filter(|p| !p.is_empty())
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in self.pieces() {
            write!(f, "\n    b\"{}\"", piece.escape_ascii())?;
        }
        Ok(())
    }
}

/// Cuts bytes anywhere: not at all, in a few places, or at every one.
pub(crate) fn cut(bytes: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Wire> {
    let cuts = prop_oneof![
        2 => Just(None),
        6 => vec(any::<Index>(), 1..6).prop_map(Some),
    ];
    let step = prop_oneof![9 => Just(usize::MAX), 1 => 1..8usize];
    (bytes, cuts, step).prop_map(|(bytes, cuts, step)| {
        let len = bytes.len();
        let at = |index: Index| index.index(len + 1);
        let mut cuts: Vec<_> = cuts.unwrap_or_default().into_iter().map(at).collect();
        cuts.extend((1..len).filter(|at| at % step == 0));
        cuts.sort_unstable();
        Wire { bytes, cuts }
    })
}

/// One small damage.
#[derive(Debug, Clone)]
enum Damage {
    Insert(&'static str),
    Byte(u8),
    Remove(usize),
    Repeat(usize),
}

/// Spoils some of the messages in a place or two, with what parsers stumble over.
pub(crate) fn spoilt(bytes: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    #[rustfmt::skip] // More to a line are read more quickly.
    const NASTY: [&str; 24] = [
        "\r", "\n", "\r\n", "\r\n\r\n", " ", "\t", "\0", ":", ",", ";", "\"", "\\", "\u{b}",
        "\u{7f}", "é", "0", "#", "?", "/", "*", "@", "%", "chunked", "\n\n",
    ];
    let damage = prop_oneof![
        6 => select(&NASTY[..]).prop_map(Damage::Insert),
        1 => any::<u8>().prop_map(Damage::Byte),
        2 => (1..4usize).prop_map(Damage::Remove),
        2 => (1..9usize).prop_map(Damage::Repeat),
    ];
    let damages = prop_oneof![
        6 => Just(vec![]),
        4 => vec((any::<Index>(), damage), 1..3),
    ];
    (bytes, damages).prop_map(|(mut bytes, damages)| {
        for (at, damage) in damages {
            let at = at.index(bytes.len() + 1);
            let upto = |len: usize| at..(at + len).min(bytes.len());
            match damage {
                Damage::Insert(text) => drop(bytes.splice(at..at, text.bytes())),
                Damage::Byte(byte) => bytes.insert(at, byte),
                Damage::Remove(len) => drop(bytes.drain(upto(len))),
                Damage::Repeat(len) => {
                    let again = bytes[upto(len)].to_vec();
                    bytes.splice(at..at, again);
                }
            }
        }
        bytes
    })
}
