//! Answers that do not say truly where they end: what a parser that is too kind falls for.

use crate::fault::Misframed;
use crate::link::Link;

/// An answer that nobody has asked for. Whoever is shown its status got what was not meant for them.
const STRAY: &[u8] = b"HTTP/1.1 299 Stray\r\nContent-Length: 6\r\n\r\nstray\n";

/// Sends an answer framed like this to a request that has been read.
///
/// Where the framing alone tells of the end, the connection stays open, as a server's would that
/// knows no better; what comes on it is read, and never answered or noted.
pub(crate) async fn answer(link: &mut Link<'_>, kind: Misframed) -> std::io::Result<()> {
    link.send(&bytes(kind)).await?;
    match kind {
        Misframed::ClTooLong => Ok(()),
        _ => link.outwait().await,
    }
}

fn bytes(kind: Misframed) -> Vec<u8> {
    let (fields, body): (&str, &[u8]) = match kind {
        Misframed::ClTooLong => ("Content-Length: 30\r\n", b"b1\n"),
        Misframed::ClTooShort => ("Content-Length: 3\r\n", b"b1\nand more than was announced\n"),
        Misframed::ClAndTe => {
            ("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", b"3\r\nb1\n\r\n0\r\n\r\n")
        }
        Misframed::TwoCl => ("Content-Length: 3\r\nContent-Length: 2\r\n", b"b1\n"),
        Misframed::TeObs => ("Transfer-Encoding: \x0bchunked\r\n", b"3\r\nb1\n\r\n0\r\n\r\n"),
        Misframed::ExtraBytes => ("Content-Length: 3\r\n", b"b1\n"),
    };
    let stray = if kind == Misframed::ExtraBytes { STRAY } else { b"" };
    [format!("HTTP/1.1 200 OK\r\n{fields}\r\n").as_bytes(), body, stray].concat()
}
