//! A chunked body: no cut matters, and what comes out goes in and out again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nexus::http1::chunked::{BadChunk, Decoder};
use nexus::http1::egress::chunk_size;

/// What came of a body.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    data: Vec<u8>,
    trailers: Vec<u8>,
    consumed: usize,
    is_done: bool,
}

fn decode(wire: &[u8], step: usize) -> Result<Read, BadChunk> {
    let mut decoder = Decoder::default();
    let (mut data, mut consumed) = (Vec::new(), 0);
    for piece in wire.chunks(step.max(1)) {
        let mut piece = piece.to_vec();
        let decoded = decoder.decode(&mut piece)?;
        assert!(decoded.data <= decoded.consumed && decoded.consumed <= piece.len());
        assert!(decoder.is_done() || decoded.consumed == piece.len(), "nothing is left behind");
        data.extend_from_slice(&piece[..decoded.data]);
        consumed += decoded.consumed;
    }
    let (trailers, is_done) = (decoder.trailers().to_vec(), decoder.is_done());
    Ok(Read { data, trailers, consumed, is_done })
}

fuzz_target!(|input: &[u8]| {
    let Some((step, wire)) = input.split_first() else {
        return;
    };
    let whole = decode(wire, wire.len());
    assert_eq!(decode(wire, usize::from(*step)), whole);
    assert_eq!(decode(wire, 1), whole);
    let Ok(whole) = whole else {
        return;
    };
    if !whole.is_done {
        return;
    }
    let short = decode(&wire[..whole.consumed - 1], wire.len()).expect("its start is no worse");
    assert!(!short.is_done, "a body ends with its last byte");
    for line in whole.trailers.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\r\n").expect("a line ends in CRLF");
        assert!(text.windows(2).any(|two| two == b": "), "{}", text.escape_ascii());
        assert!(!text.iter().any(|byte| *byte != b'\t' && byte.is_ascii_control()));
    }

    let mut again = Vec::new();
    for chunk in whole.data.chunks(usize::from(*step).max(1)) {
        chunk_size(&mut again, chunk.len());
        again.extend_from_slice(chunk);
        again.extend_from_slice(b"\r\n");
    }
    again.extend_from_slice(b"0\r\n");
    again.extend_from_slice(&whole.trailers);
    again.extend_from_slice(b"\r\nnext");
    let consumed = again.len() - b"next".len();
    let expected = Read { consumed, ..whole };
    assert_eq!(decode(&again, again.len()), Ok(expected));
});
