//! HPACK (RFC 7541) by hand: every representation on its own, and a decoder for answers.

use std::collections::VecDeque;

/// A field.
pub(crate) type Field = (String, String);

/// The size of the dynamic table before anything was agreed on.
const TABLE_SIZE: usize = 4096;

/// What an entry costs beside its name and value (§4.1).
const ENTRY_OVERHEAD: usize = 32;

/// The static table (§A).
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// The first index of the dynamic table.
pub(crate) const DYNAMIC: usize = STATIC.len() + 1;

/// How many bits each symbol has, end of string last (§B); the code is canonical, so that this is
/// all there is to know.
#[rustfmt::skip]
const HUFFMAN_BITS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
     6, 10, 10, 12, 13,  6,  8, 11, 10, 10,  8, 11,  8,  6,  6,  6,
     5,  5,  5,  6,  6,  6,  6,  6,  6,  6,  7,  8, 15,  6, 12, 10,
    13,  6,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,
     7,  7,  7,  7,  7,  7,  7,  7,  8,  7,  8, 13, 19, 13, 14,  6,
    15,  5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,
     6,  7,  6,  5,  5,  6,  7,  7,  7,  7,  7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// The symbol that must not be sent: end of string.
pub(crate) const EOS: usize = 256;

/// Writes an integer after the bits of `pattern` (§5.1).
pub(crate) fn integer(pattern: u8, prefix_bits: u32, value: usize) -> Vec<u8> {
    let most = (1 << prefix_bits) - 1;
    if value < most {
        return vec![pattern | value as u8];
    }
    let (mut bytes, mut rest) = (vec![pattern | most as u8], value - most);
    while rest >= 128 {
        bytes.push(rest as u8 | 128);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

/// Writes a string as it is (§5.2).
pub(crate) fn string(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    [&integer(0, 7, text.len())[..], text].concat()
}

/// Writes a string in Huffman's code (§5.2).
pub(crate) fn huffman(text: &str) -> Vec<u8> {
    let symbols: Vec<_> = text.bytes().map(usize::from).collect();
    huffman_padded(&huffman_bits(&symbols), true, 0)
}

/// Returns the bits of symbols, `EOS` included.
pub(crate) fn huffman_bits(symbols: &[usize]) -> Vec<bool> {
    let codes = huffman_codes();
    let bits = |symbol: &usize| {
        let (code, len) = codes[*symbol];
        (0..len).rev().map(move |bit| code >> bit & 1 == 1)
    };
    symbols.iter().flat_map(bits).collect()
}

/// Writes bits as a string, filled up to a byte with `fill`, and more bytes of it.
pub(crate) fn huffman_padded(bits: &[bool], fill: bool, more: usize) -> Vec<u8> {
    let mut bits = bits.to_vec();
    bits.resize(bits.len().next_multiple_of(8) + more * 8, fill);
    let byte = |bits: &[bool]| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    let bytes: Vec<u8> = bits.chunks(8).map(byte).collect();
    [integer(128, 7, bytes.len()), bytes].concat()
}

fn huffman_codes() -> [(u32, u8); 257] {
    let mut order: Vec<_> = (0..257).collect();
    order.sort_by_key(|symbol| HUFFMAN_BITS[*symbol]);
    let (mut codes, mut code, mut len) = ([(0, 0); 257], 0u32, 0);
    for symbol in order {
        code <<= HUFFMAN_BITS[symbol] - len;
        len = HUFFMAN_BITS[symbol];
        codes[symbol] = (code, len);
        code += 1;
    }
    codes
}

/// A field by its index (§6.1).
pub(crate) fn indexed(index: usize) -> Vec<u8> {
    integer(128, 7, index)
}

/// How a literal field is treated by the dynamic table (§6.2).
#[derive(Clone, Copy)]
pub(crate) enum Index {
    /// It is put in.
    Added,
    /// It is not.
    Without,
    /// It must never be, by nobody on the way.
    Never,
}

impl Index {
    fn integer(self, value: usize) -> Vec<u8> {
        match self {
            Self::Added => integer(0x40, 6, value),
            Self::Without => integer(0, 4, value),
            Self::Never => integer(0x10, 4, value),
        }
    }
}

/// A literal field whose name and value are strings that are already written.
pub(crate) fn literal_of(index: Index, name: &[u8], value: &[u8]) -> Vec<u8> {
    [&index.integer(0), name, value].concat()
}

/// A literal field whose name has an index.
pub(crate) fn literal_named(index: Index, name: usize, value: &[u8]) -> Vec<u8> {
    [&index.integer(name), value].concat()
}

/// A literal field that leaves the dynamic table alone.
pub(crate) fn literal(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
    literal_of(Index::Without, &string(name), &string(value))
}

/// A literal field that goes into the dynamic table.
pub(crate) fn added(name: &str, value: &str) -> Vec<u8> {
    literal_of(Index::Added, &string(name), &string(value))
}

/// A change of the dynamic table's size (§6.3).
pub(crate) fn size_update(size: usize) -> Vec<u8> {
    integer(0x20, 5, size)
}

/// Fields as literals.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| literal(name, value)).collect()
}

/// The pseudo-fields of an ordinary request.
pub(crate) fn get() -> Vec<u8> {
    [indexed(2), indexed(6), indexed(4), literal(":authority", "conformance")].concat()
}

/// The pseudo-fields of a request with a body.
pub(crate) fn post() -> Vec<u8> {
    [indexed(3), indexed(6), indexed(4), literal(":authority", "conformance")].concat()
}

/// Decodes answers.
pub(crate) struct Decoder {
    entries: VecDeque<Field>,
    size: usize,
}

impl Decoder {
    pub(crate) fn new(size: usize) -> Self {
        Self { entries: VecDeque::new(), size }
    }

    /// Decodes a block.
    pub(crate) fn block(&mut self, mut bytes: &[u8]) -> Option<Vec<Field>> {
        let mut fields = Vec::new();
        while let Some(&first) = bytes.first() {
            let from = &mut bytes;
            if first & 0x80 != 0 {
                let index = take_integer(from, 7)?;
                fields.push(self.entry(index)?);
            } else if first & 0x40 != 0 {
                let field = self.take_literal(from, 6)?;
                self.entries.push_front(field.clone());
                self.evict();
                fields.push(field);
            } else if first & 0x20 != 0 {
                self.size = take_integer(from, 5)?;
                self.evict();
            } else {
                fields.push(self.take_literal(from, 4)?);
            }
        }
        Some(fields)
    }

    fn entry(&self, index: usize) -> Option<Field> {
        match index {
            0 => None,
            1..DYNAMIC => {
                let (name, value) = STATIC[index - 1];
                Some((name.to_owned(), value.to_owned()))
            }
            _ => self.entries.get(index - DYNAMIC).cloned(),
        }
    }

    fn take_literal(&self, from: &mut &[u8], prefix_bits: u32) -> Option<Field> {
        let name = match take_integer(from, prefix_bits)? {
            0 => take_string(from)?,
            index => self.entry(index)?.0,
        };
        Some((name, take_string(from)?))
    }

    fn evict(&mut self) {
        let cost = |(name, value): &Field| name.len() + value.len() + ENTRY_OVERHEAD;
        while self.entries.iter().map(cost).sum::<usize>() > self.size {
            self.entries.pop_back();
        }
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(TABLE_SIZE)
    }
}

fn take_integer(from: &mut &[u8], prefix_bits: u32) -> Option<usize> {
    let most = (1 << prefix_bits) - 1;
    let mut value = usize::from(take(from, 1)?[0]) & most;
    if value < most {
        return Some(value);
    }
    for shift in (0..28).step_by(7) {
        let byte = usize::from(take(from, 1)?[0]);
        value += (byte & 127) << shift;
        if byte < 128 {
            return Some(value);
        }
    }
    None
}

fn take_string(from: &mut &[u8]) -> Option<String> {
    let is_huffman = from.first()? & 128 != 0;
    let len = take_integer(from, 7)?;
    let bytes = take(from, len)?;
    let bytes = if is_huffman { huffman_decoded(bytes)? } else { bytes.to_vec() };
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn take<'b>(from: &mut &'b [u8], len: usize) -> Option<&'b [u8]> {
    let (taken, rest) = from.split_at_checked(len)?;
    *from = rest;
    Some(taken)
}

fn huffman_decoded(bytes: &[u8]) -> Option<Vec<u8>> {
    let codes = huffman_codes();
    let (mut text, mut code, mut len) = (Vec::new(), 0u32, 0);
    for bit in bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)) {
        (code, len) = (code << 1 | u32::from(bit), len + 1);
        if let Some(symbol) = codes.iter().position(|known| *known == (code, len)) {
            text.push(u8::try_from(symbol).ok()?);
            (code, len) = (0, 0);
        }
    }
    (len < 8 && code == (1 << len) - 1).then_some(text)
}
