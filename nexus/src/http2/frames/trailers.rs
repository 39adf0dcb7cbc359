//! Trailers, as far as `h2` does not look at them: pseudo-fields in them are malformed (RFC 9113
//! §8.1), and dropped there without a word.
//!
//! Why is no table of HPACK needed? A name that begins with `:` is one of the first 14 of the static
//! table, or is spelled out. One that was spelled out before, and is an index now, passes: nobody
//! sees it behind `h2`.

/// Bytes of trailers that are looked at: more than any that mean something.
const LOOKED_AT_MAX: usize = 16 * 1024;

const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;
const END_HEADERS: u8 = 0x4;

/// The last name of the static table that begins with `:` (RFC 7541 Appendix A).
const PSEUDO_LAST: usize = 14;

/// `:` in Huffman's code, seven bits (RFC 7541 Appendix B).
const COLON: u8 = 0x5c;

/// A trailer section under way, frame by frame.
#[derive(Debug, Default)]
pub(super) struct Trailers {
    /// What its frames have said, padding and priority taken out.
    block: Vec<u8>,
    /// Where in it the frame under way begins.
    frame_at: usize,
    flags: u8,
}

impl Trailers {
    /// Begins with a frame, HEADERS or CONTINUATION.
    pub(super) fn frame(&mut self, flags: u8) {
        self.frame_at = self.block.len();
        self.flags = flags;
    }

    /// Takes some of the frame's payload.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        let room = LOOKED_AT_MAX.saturating_sub(self.block.len());
        self.block.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Ends the frame; says, once all frames have come, whether there is a pseudo-field.
    pub(super) fn end_frame(&mut self) -> Option<bool> {
        let frame = self.block.split_off(self.frame_at);
        self.block.extend_from_slice(fragment(&frame, self.flags));
        (self.flags & END_HEADERS != 0).then(|| has_pseudo_field(&self.block).unwrap_or(false))
    }
}

/// Returns a frame's part of a block.
fn fragment(frame: &[u8], flags: u8) -> &[u8] {
    let (padding, frame) = match frame {
        [padding, rest @ ..] if flags & PADDED != 0 => (usize::from(*padding), rest),
        _ => (0, frame),
    };
    let start = if flags & PRIORITY != 0 { 5 } else { 0 };
    frame.get(start..frame.len().saturating_sub(padding)).unwrap_or_default()
}

/// Says whether a block has a field whose name begins with `:`; `None` is no block, of which `h2`
/// tells.
fn has_pseudo_field(mut block: &[u8]) -> Option<bool> {
    while let [first, ..] = block {
        let (bits, is_literal) = match first {
            0x80.. => (7, false),
            0x40.. => (6, true),
            0x20.. => (5, false),
            _ => (4, true),
        };
        let is_resize = bits == 5;
        let index = integer(&mut block, bits)?;
        if !is_resize && (1..=PSEUDO_LAST).contains(&index) {
            return Some(true);
        }
        if is_literal {
            if index == 0 && begins_with_colon(string(&mut block)?) {
                return Some(true);
            }
            string(&mut block)?;
        }
    }
    Some(false)
}

/// Says whether a string's text begins with `:`.
fn begins_with_colon((is_huffman, text): (bool, &[u8])) -> bool {
    match (is_huffman, text.first()) {
        (true, Some(first)) => first >> 1 == COLON,
        (false, Some(first)) => *first == b':',
        (_, None) => false,
    }
}

/// Takes a string off the front (RFC 7541 §5.2), and says whether it is in Huffman's code.
fn string<'b>(block: &mut &'b [u8]) -> Option<(bool, &'b [u8])> {
    let is_huffman = block.first()? & 0x80 != 0;
    let len = integer(block, 7)?;
    let (text, rest) = block.split_at_checked(len)?;
    *block = rest;
    Some((is_huffman, text))
}

/// Takes an integer off the front, of which the first byte has so many bits (RFC 7541 §5.1).
fn integer(block: &mut &[u8], bits: u32) -> Option<usize> {
    let mask = (1 << bits) - 1;
    let (first, mut rest) = block.split_first()?;
    let mut value = usize::from(first & mask as u8);
    if value == mask {
        for shift in (0..28).step_by(7) {
            let (byte, after) = rest.split_first()?;
            rest = after;
            value += usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                *block = rest;
                return Some(value);
            }
        }
        return None;
    }
    *block = rest;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(block: &[u8], expected: Option<bool>) {
        assert_eq!(has_pseudo_field(block), expected);
    }

    #[test]
    fn a_name_with_a_colon_is_found_however_it_is_said() {
        check(&[0x83], Some(true)); // :method: POST, by its index.
        check(&[0x44, 1, b'/'], Some(true)); // :path, its name by its index.
        check(b"\x00\x03:ab\x01c", Some(true));
        check(&[0x00, 0x82, 0xb9, 0x3f, 1, b'c'], Some(true)); // In Huffman's code.
        check(b"\x00\x01a\x02:b\x0f\x1f\x00", Some(false)); // A value may begin with one.
    }

    #[test]
    fn ordinary_trailers_and_what_is_no_block_pass() {
        check(b"\x40\x0bgrpc-status\x010\xbe", Some(false));
        check(&[0x3f, 0xe1, 0x1f, 0x90], Some(false)); // A change of the table's size, and a field.
        check(&[0x00, 0x7f], None);
        check(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff], None);
    }

    #[test]
    fn padding_and_priority_are_not_of_the_block() {
        let mut trailers = Trailers::default();
        trailers.frame(PADDED | PRIORITY);
        trailers.take(&[2, 0, 0, 0, 0, 9, 0x00, 0x83, 0x83]);
        assert_eq!(trailers.end_frame(), None);
        trailers.frame(END_HEADERS);
        trailers.take(b"\x01a\x01b");
        assert_eq!(trailers.end_frame(), Some(false));
        assert_eq!(trailers.block, b"\x00\x01a\x01b");
    }
}
