//! Gives a request back: its body as it comes and its trailers, or its head if it has no body.

use std::io;

use crate::answer::{Shape, closing};
use crate::link::Link;
use crate::opening::Visitor;
use crate::request::{Framing, Persist, Request};
use crate::send;

/// Echoes the request whose head is at the front of the input.
pub(crate) async fn answer(
    link: &mut Link<'_>,
    (shape, status): (&Shape, u16),
    request: &Request,
    persist: Persist,
    visitor: &Visitor,
) -> io::Result<()> {
    let head = &link.input.filled()[..request.head_bytes];
    let mut out = shape.opening(status).into_bytes();
    fields(&mut out, request, head);
    for (name, value) in visitor.fields("HTTP/1.1") {
        out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    out.extend_from_slice(closing(persist).as_bytes());
    if request.framing == Framing::Length(0) {
        if !request.is_head {
            out.extend_from_slice(head);
        }
        link.input.consume(request.head_bytes);
        return link.send(&out).await;
    }
    link.input.consume(request.head_bytes);
    if request.is_head {
        link.discard_body(request).await?;
        return link.send(&out).await;
    }
    body(link, request, out).await
}

/// Sends the body piece by piece, the answer's head together with the first.
async fn body(link: &mut Link<'_>, request: &Request, mut before: Vec<u8>) -> io::Result<()> {
    let is_chunked = request.framing == Framing::Chunked;
    let mut body = link.begin_body(request).await?;
    while let Some(count) = link.next(&mut body).await? {
        let after: &[u8] = if is_chunked { b"\r\n" } else { b"" };
        if is_chunked {
            before.extend_from_slice(format!("{count:x}\r\n").as_bytes());
        }
        send::pieces(link.stream, [&before, &link.input.filled()[..count], after]).await?;
        link.input.consume(count);
        before.clear();
    }
    if is_chunked {
        before.extend_from_slice(b"0\r\n");
        before.extend_from_slice(&link.trailers);
    }
    link.send(&before).await
}

/// What the body is, and how it is framed.
fn fields(out: &mut Vec<u8>, request: &Request, head: &[u8]) {
    let (kind, framing): (&[u8], String) = match request.framing {
        Framing::Length(0) => {
            (b"text/plain", format!("Content-Length: {}\r\n", request.head_bytes))
        }
        Framing::Length(bytes) => {
            (request.content_type.of(head), format!("Content-Length: {bytes}\r\n"))
        }
        Framing::Chunked => {
            (request.content_type.of(head), "Transfer-Encoding: chunked\r\n".to_owned())
        }
    };
    if !kind.is_empty() {
        out.extend_from_slice(b"Content-Type: ");
        out.extend_from_slice(kind);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(framing.as_bytes());
}
