//! A WebSocket that sends every message back (RFC 6455).

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use crate::input::Wait;
use crate::link::Link;

/// What proves that a server has understood the key (section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The longest payload of a control frame (section 5.5).
const CONTROL_BYTES_MAX: u64 = 125;

/// Statuses of a close (section 7.4.1).
const GOING_AWAY: u16 = 1001;
const PROTOCOL_ERROR: u16 = 1002;

const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    /// The first byte: the last-fragment bit, the extensions' bits and the opcode.
    first: u8,
    /// What each byte of the payload was mixed with; clients must (section 5.3).
    mask: Option<[u8; 4]>,
    /// Bytes of the payload.
    length: u64,
    /// Bytes of this head.
    head_bytes: usize,
}

impl Frame {
    /// Reads a frame's head; none if it is not complete yet.
    fn parse(input: &[u8]) -> Option<Self> {
        let (first, second) = (*input.first()?, *input.get(1)?);
        let (length, at) = match second & 0x7f {
            126 => (u64::from(u16::from_be_bytes(*input.get(2..)?.first_chunk()?)), 4),
            127 => (u64::from_be_bytes(*input.get(2..)?.first_chunk()?), 10),
            length => (u64::from(length), 2),
        };
        let is_masked = second & 0x80 != 0;
        let mask = if is_masked { Some(*input.get(at..)?.first_chunk()?) } else { None };
        Some(Self { first, mask, length, head_bytes: at + if is_masked { 4 } else { 0 } })
    }

    fn opcode(self) -> u8 {
        self.first & 0x0f
    }

    /// Says whether a client may send it.
    fn is_right(self) -> bool {
        let is_control = self.opcode() >= CLOSE;
        let is_whole = self.first & 0x80 != 0 && self.length <= CONTROL_BYTES_MAX;
        let is_known = matches!(self.opcode(), 0..=2 | CLOSE | PING | PONG);
        self.mask.is_some() && self.first & 0x70 == 0 && is_known && (!is_control || is_whole)
    }

    /// Writes the head of a frame without a mask.
    fn head(first: u8, length: u64) -> Vec<u8> {
        let mut head = vec![first];
        match (u16::try_from(length), u8::try_from(length)) {
            (_, Ok(length)) if u64::from(length) <= CONTROL_BYTES_MAX => head.push(length),
            (Ok(length), _) => {
                head.push(126);
                head.extend(length.to_be_bytes());
            }
            _ => {
                head.push(127);
                head.extend(length.to_be_bytes());
            }
        }
        head
    }
}

/// Returns the answer that opens a WebSocket.
fn opening(key: &[u8]) -> String {
    let accept = STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

/// Opens a WebSocket and sends messages back until one side closes it.
pub(crate) async fn serve(link: &mut Link<'_>, key: &[u8]) -> io::Result<()> {
    link.send(opening(key).as_bytes()).await?;
    loop {
        let frame = loop {
            if let Some(frame) = Frame::parse(link.input.filled()) {
                break frame;
            }
            if !link.input.fill(link.stream, link.lease, Wait::UntilFinishing).await? {
                return close(link, GOING_AWAY).await;
            }
        };
        if !frame.is_right() {
            return close(link, PROTOCOL_ERROR).await;
        }
        link.input.consume(frame.head_bytes);
        let first = match frame.opcode() {
            PING => 0x80 | PONG,
            _ => frame.first,
        };
        let is_told = frame.opcode() != PONG;
        payload(link, frame, is_told.then(|| Frame::head(first, frame.length))).await?;
        if frame.opcode() == CLOSE {
            return Ok(());
        }
    }
}

/// Sends the payload back as it comes, after `head`; without one it is thrown away.
async fn payload(link: &mut Link<'_>, frame: Frame, head: Option<Vec<u8>>) -> io::Result<()> {
    let is_told = head.is_some();
    let mut out = head.unwrap_or_default();
    let (mask, mut done) = (frame.mask.unwrap_or_default(), 0);
    loop {
        let left = usize::try_from(frame.length - done).unwrap_or(usize::MAX);
        let part = &link.input.filled()[..left.min(link.input.filled().len())];
        let count = part.len();
        if is_told {
            let place = |at: usize| (done as usize).wrapping_add(at) % mask.len();
            out.extend(part.iter().enumerate().map(|(at, byte)| byte ^ mask[place(at)]));
            link.send(&out).await?;
            out.clear();
        }
        link.input.consume(count);
        done += count as u64;
        if done == frame.length {
            return Ok(());
        }
        if !link.input.fill(link.stream, link.lease, Wait::Always).await? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

async fn close(link: &mut Link<'_>, status: u16) -> io::Result<()> {
    let mut frame = Frame::head(0x80 | CLOSE, 2);
    frame.extend(status.to_be_bytes());
    link.send(&frame).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_standard_is_accepted_as_in_the_standard() {
        let answer = opening(b"dGhlIHNhbXBsZSBub25jZQ==");
        assert!(answer.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    }

    #[test]
    fn heads_of_every_length_are_read_as_they_are_written() {
        for length in [0, 1, 125, 126, 65_535, 65_536, 1 << 40] {
            let head = Frame::head(0x82, length);
            let frame = Frame::parse(&head).unwrap();
            assert_eq!((frame.first, frame.length, frame.head_bytes), (0x82, length, head.len()));
            for cut in 0..head.len() {
                assert_eq!(Frame::parse(&head[..cut]), None);
            }
        }
    }

    #[test]
    fn what_a_client_must_not_send_is_refused() {
        let right = |bytes: &[u8]| Frame::parse(bytes).unwrap().is_right();
        assert!(right(&[0x81, 0x80, 0, 0, 0, 0]));
        assert!(!right(&[0x81, 0x00]), "without a mask");
        assert!(!right(&[0x83, 0x80, 0, 0, 0, 0]), "an unknown opcode");
        assert!(!right(&[0xc1, 0x80, 0, 0, 0, 0]), "an extension that nobody agreed on");
        assert!(!right(&[0x09, 0x80, 0, 0, 0, 0]), "a ping in fragments");
        assert!(!right(&[0x89, 0xfe, 0, 126, 0, 0, 0, 0]), "a ping that is too long");
    }
}
