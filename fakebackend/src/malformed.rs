//! Answers that are no HTTP.

use crate::fault::Malformed;

/// The bytes that are sent instead of an answer, before the connection is closed.
pub(crate) fn bytes(kind: Malformed) -> &'static [u8] {
    match kind {
        Malformed::StatusLine => b"HTTP/1.1 2OO OK\r\nContent-Length: 3\r\n\r\nb1\n",
        Malformed::Header => {
            b"HTTP/1.1 200 OK\r\nThis field has no colon\r\nContent-Length: 3\r\n\r\nb1\n"
        }
        Malformed::ChunkSize => {
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nthree\r\nb1\n\r\n0\r\n\r\n"
        }
        Malformed::Garbage => b"\x00\xff\xfeSSH-2.0-not\x1b[31mHTTP\x07\r\n\x80\x81\x82\r\n\r\n",
    }
}
