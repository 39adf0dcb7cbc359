//! HTTP/1.1 by hand: nothing between a test and its bytes.

use bytes::{Buf, Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::message::Body;
use crate::outcome::{Outcome, Wrong, wrong};

/// Reads messages.
pub(crate) struct Reader<R> {
    io: R,
    bytes: BytesMut,
    /// Bytes of the chunk under way.
    chunk: u64,
    is_in_chunk: bool,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(crate) fn new(io: R) -> Self {
        Self { io, bytes: BytesMut::new(), chunk: 0, is_in_chunk: false }
    }

    async fn fill(&mut self) -> Outcome<bool> {
        Ok(self.io.read_buf(&mut self.bytes).await? > 0)
    }

    async fn through(&mut self, end: &[u8]) -> Outcome<Option<Bytes>> {
        loop {
            if let Some(at) = memchr::memmem::find(&self.bytes, end) {
                return Ok(Some(self.bytes.split_to(at + end.len()).freeze()));
            }
            if !self.fill().await? {
                return Ok(None);
            }
        }
    }

    /// Reads a request's head; `None` is the end of the connection.
    pub(crate) async fn request(&mut self) -> Outcome<Option<http::Request<()>>> {
        let Some(head) = self.through(b"\r\n\r\n").await? else { return Ok(None) };
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Request::new(&mut fields);
        parsed.parse(&head)?;
        let mut request = http::Request::new(());
        *request.method_mut() = parsed.method.unwrap_or_default().parse()?;
        *request.uri_mut() = parsed.path.unwrap_or_default().parse()?;
        *request.headers_mut() = map(parsed.headers)?;
        Ok(Some(request))
    }

    /// Reads an answer's head.
    pub(crate) async fn response(&mut self) -> Outcome<http::Response<()>> {
        let head = self.through(b"\r\n\r\n").await?;
        let head = head.ok_or_else(|| Wrong("the connection ended before an answer".to_owned()))?;
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Response::new(&mut fields);
        parsed.parse(&head)?;
        let mut response = http::Response::new(());
        *response.status_mut() = http::StatusCode::from_u16(parsed.code.unwrap_or_default())?;
        *response.headers_mut() = map(parsed.headers)?;
        Ok(response)
    }

    /// Reads a piece of a body; `None` is its end.
    pub(crate) async fn piece(
        &mut self,
        body: &mut Body,
        trailers: &mut HeaderMap,
    ) -> Outcome<Option<Bytes>> {
        match body {
            Body::None | Body::Length(0) => Ok(None),
            Body::Length(left) => {
                let data = self.some(*left, "the length that was said").await?;
                *left -= data.len() as u64;
                Ok(Some(data))
            }
            Body::Tunnel if self.bytes.is_empty() && !self.fill().await? => Ok(None),
            Body::Tunnel => Ok(Some(self.bytes.split().freeze())),
            Body::Open => {
                let data = self.chunk(trailers).await?;
                if data.is_none() {
                    *body = Body::None;
                }
                Ok(data)
            }
        }
    }

    async fn some(&mut self, most: u64, of: &str) -> Outcome<Bytes> {
        if self.bytes.is_empty() && !self.fill().await? {
            return wrong(format!("incomplete: {most} bytes are missing of {of}"));
        }
        let len = usize::try_from(most).unwrap_or(usize::MAX).min(self.bytes.len());
        Ok(self.bytes.split_to(len).freeze())
    }

    async fn chunk(&mut self, trailers: &mut HeaderMap) -> Outcome<Option<Bytes>> {
        const CUT: &str = "incomplete: the last chunk is missing";
        if self.chunk == 0 {
            if std::mem::take(&mut self.is_in_chunk) && self.through(b"\r\n").await?.is_none() {
                return wrong(CUT);
            }
            let Some(line) = self.through(b"\r\n").await? else { return wrong(CUT) };
            self.chunk = u64::from_str_radix(std::str::from_utf8(&line)?.trim_end(), 16)?;
            self.is_in_chunk = true;
        }
        if self.chunk > 0 {
            let data = self.some(self.chunk, "a chunk").await?;
            self.chunk -= data.len() as u64;
            return Ok(Some(data));
        }
        self.is_in_chunk = false;
        let mut lines = BytesMut::new();
        loop {
            let Some(line) = self.through(b"\r\n").await? else { return wrong(CUT) };
            lines.extend_from_slice(&line);
            if line.len() == 2 {
                break;
            }
        }
        let mut fields = [httparse::EMPTY_HEADER; 16];
        if let httparse::Status::Complete((_, found)) =
            httparse::parse_headers(&lines, &mut fields)?
        {
            *trailers = map(found)?;
        }
        Ok(None)
    }

    /// Waits for the end of the connection.
    pub(crate) async fn end(&mut self) -> Outcome {
        while self.fill().await? {
            self.bytes.advance(self.bytes.len());
        }
        Ok(())
    }
}

fn map(fields: &[httparse::Header<'_>]) -> Outcome<HeaderMap> {
    let mut map = HeaderMap::new();
    for field in fields {
        map.append(
            HeaderName::from_bytes(field.name.as_bytes())?,
            HeaderValue::from_bytes(field.value)?,
        );
    }
    Ok(map)
}

/// Writes fields as lines.
pub(crate) fn fields(out: &mut Vec<u8>, fields: &HeaderMap) {
    for (name, value) in fields {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// Writes a head, and the field that says how its body follows.
pub(crate) fn head(first: &str, headers: &HeaderMap, body: Body) -> Vec<u8> {
    let mut out = format!("{first}\r\n").into_bytes();
    fields(&mut out, headers);
    match body {
        Body::Length(length) => out.extend(format!("content-length: {length}\r\n").into_bytes()),
        Body::Open => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Body::None | Body::Tunnel => {}
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// Says how the body of a message follows, which has one.
pub(crate) fn body(headers: &HeaderMap) -> Outcome<Body> {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return Ok(Body::Open);
    }
    match headers.get(header::CONTENT_LENGTH) {
        Some(length) => Ok(Body::Length(length.to_str()?.parse()?)),
        None => Ok(Body::None),
    }
}
