//! WebSocket frames (RFC 6455 §5) as far as a tunnel has to know them: where one ends, and how to
//! say that it is over. Pure.

/// Says with 1001 that the endpoint goes away (RFC 6455 §7.4.1), as a server does.
pub const GOING_AWAY: [u8; 4] = [0x88, 2, 0x03, 0xe9];

/// The same as a client does, masked by `mask` (§5.3).
pub fn going_away_masked(mask: [u8; 4]) -> [u8; 8] {
    let [opcode, len, high, low] = GOING_AWAY;
    let [a, b, c, d] = mask;
    [opcode, len | MASKED, a, b, c, d, high ^ a, low ^ b]
}

/// The operation that ends a connection.
const CLOSE: u8 = 8;

const MASKED: u8 = 0x80;

/// Bytes of a frame's head at most: two, a length of eight, a mask of four.
const HEAD_LEN_MAX: usize = 14;

/// Follows the frames of one direction.
#[derive(Debug, Default)]
pub struct Frames {
    /// The head under way.
    head: [u8; HEAD_LEN_MAX],
    head_len: usize,
    /// Bytes of payload to come.
    left: u64,
    /// Whether a frame said that it is over.
    pub is_closed: bool,
}

impl Frames {
    /// Says whether the next byte begins a frame.
    pub fn is_between(&self) -> bool {
        self.head_len == 0 && self.left == 0
    }

    /// Follows what passes next, however it was cut.
    pub fn pass(&mut self, mut bytes: &[u8]) {
        while let [first, rest @ ..] = bytes {
            if self.left > 0 {
                let passed = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.left -= passed as u64;
                bytes = &bytes[passed..];
                continue;
            }
            self.head[self.head_len] = *first;
            self.head_len += 1;
            bytes = rest;
            if self.head_len >= 2 && self.head_len == head_len(self.head[1]) {
                self.is_closed |= self.head[0] & 0x0f == CLOSE;
                self.left = payload_len(&self.head);
                self.head_len = 0;
            }
        }
    }
}

/// Returns how long a head is, by its second byte.
fn head_len(second: u8) -> usize {
    let length = match second & !MASKED {
        127 => 8,
        126 => 2,
        _ => 0,
    };
    2 + length + if second & MASKED != 0 { 4 } else { 0 }
}

fn payload_len(head: &[u8; HEAD_LEN_MAX]) -> u64 {
    let [_, second, a, b, c, d, e, f, g, h, ..] = *head;
    match second & !MASKED {
        127 => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        126 => u64::from(u16::from_be_bytes([a, b])),
        short => u64::from(short),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(opcode: u8, len: usize, mask: bool) -> Vec<u8> {
        let bit = if mask { MASKED } else { 0 };
        let mut frame = vec![0x80 | opcode];
        match len {
            0..126 => frame.push(len as u8 | bit),
            126..65_536 => {
                frame.push(126 | bit);
                frame.extend_from_slice(&(len as u16).to_be_bytes());
            }
            _ => {
                frame.push(127 | bit);
                frame.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(&[7; 4][..if mask { 4 } else { 0 }]);
        frame.extend(std::iter::repeat_n(8, len));
        frame
    }

    #[test]
    fn the_end_is_said_as_rfc_6455_has_it() {
        let masked = going_away_masked([1, 2, 3, 4]);
        assert_eq!(masked, [0x88, 0x82, 1, 2, 3, 4, 0x03 ^ 1, 0xe9 ^ 2]);
        let mut frames = Frames::default();
        frames.pass(&masked);
        assert!(frames.is_closed && frames.is_between());
    }

    proptest! {
        #[test]
        fn a_frame_ends_where_it_ends_however_it_is_cut(
            frames in prop::collection::vec((0u8..8, 0usize..70_000, any::<bool>()), 1..5),
            cut in 1usize..5000,
        ) {
            let bytes: Vec<_> = frames.iter().flat_map(|(op, len, mask)| frame(*op, *len, *mask)).collect();
            let mut seen = Frames::default();
            bytes.chunks(cut).for_each(|piece| seen.pass(piece));
            prop_assert!(seen.is_between() && !seen.is_closed);
            seen.pass(&frame(CLOSE, 2, true)[..3]);
            prop_assert!(!seen.is_between());
        }
    }
}
