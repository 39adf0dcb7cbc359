//! Answers that do not say truly where they end: what a parser that is too kind falls for.

use crate::answer::Shape;
use crate::fault::Misframed;
use crate::link::Link;

/// An answer that nobody has asked for. Whoever is shown its status got what was not meant for them.
const STRAY: &[u8] = b"HTTP/1.1 299 Stray\r\nContent-Length: 6\r\n\r\nstray\n";

/// Sends an answer framed like this to a request that has been read.
///
/// Where the framing alone tells of the end, the connection stays open, as a server's would that
/// knows no better; what comes on it is read, and never answered or noted.
pub(crate) async fn answer(
    link: &mut Link<'_>,
    shape: &Shape,
    kind: Misframed,
) -> std::io::Result<()> {
    link.send(&bytes(shape, kind)).await?;
    match kind {
        Misframed::ClTooLong => Ok(()),
        _ => link.outwait().await,
    }
}

fn bytes(shape: &Shape, kind: Misframed) -> Vec<u8> {
    let body = shape.content(shape.body_bytes);
    let size = body.len();
    let length = |size: usize| format!("Content-Length: {size}\r\n");
    let (fields, is_chunked, behind): (String, bool, &[u8]) = match kind {
        Misframed::ClTooLong => (length(size + 1), false, b""),
        Misframed::ClTooShort => (length(size), false, b"and more than was announced\n"),
        Misframed::ClAndTe => (length(size) + "Transfer-Encoding: chunked\r\n", true, b""),
        Misframed::TwoCl => (length(size) + &length(size + 1), false, b""),
        Misframed::TeObs => ("Transfer-Encoding: \x0bchunked\r\n".to_owned(), true, b""),
        Misframed::ExtraBytes => (length(size), false, STRAY),
    };
    let head = shape.opening(200) + &fields + "\r\n";
    if is_chunked {
        let size = format!("{size:x}\r\n");
        [head.as_bytes(), size.as_bytes(), &body, b"\r\n0\r\n\r\n", behind].concat()
    } else {
        [head.as_bytes(), &body, behind].concat()
    }
}
