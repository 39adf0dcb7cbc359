//! Bodies on their way, whichever protocol carries them: [`Sink`] out, [`Source`] in.

use std::future::poll_fn;

use bytes::{BufMut, Bytes, BytesMut};
use h2::{RecvStream, SendStream};
use http::HeaderMap;
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};

use crate::http1::{self, Reader};
use crate::outcome::{Outcome, wrong};
use crate::wire::Io;

/// How a body's end is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    None,
    Length(u64),
    /// By itself: chunks in HTTP/1.
    Open,
    /// What follows a switch of protocols.
    Tunnel,
}

/// Where the bytes of a message go.
pub(crate) enum Sink {
    Http1(WriteHalf<Io>, Body),
    Http2(SendStream<Bytes>),
}

impl Sink {
    /// Sends a piece of the body.
    pub(crate) async fn send(&mut self, mut data: Bytes) -> Outcome {
        match self {
            Self::Http1(io, Body::Open) => {
                let mut chunk = BytesMut::new();
                chunk.put_slice(format!("{:x}\r\n", data.len()).as_bytes());
                chunk.put_slice(&data);
                chunk.put_slice(b"\r\n");
                io.write_all(&chunk).await?;
                io.flush().await?;
            }
            Self::Http1(io, _) => {
                io.write_all(&data).await?;
                io.flush().await?;
            }
            Self::Http2(stream) => {
                while !data.is_empty() {
                    stream.reserve_capacity(data.len());
                    let room = match poll_fn(|cx| stream.poll_capacity(cx)).await {
                        Some(room) => room?.min(data.len()),
                        None => return wrong("the stream takes no more"),
                    };
                    stream.send_data(data.split_to(room), false)?;
                }
            }
        }
        Ok(())
    }

    /// Ends the message.
    pub(crate) async fn finish(&mut self) -> Outcome {
        self.finish_with(HeaderMap::new()).await
    }

    /// Ends the message with trailers.
    pub(crate) async fn finish_with(&mut self, trailers: HeaderMap) -> Outcome {
        match self {
            Self::Http1(io, Body::Open) => {
                let mut end = b"0\r\n".to_vec();
                http1::fields(&mut end, &trailers);
                end.extend_from_slice(b"\r\n");
                io.write_all(&end).await?;
                io.flush().await?;
            }
            Self::Http1(io, Body::Tunnel) => io.shutdown().await?,
            Self::Http1(..) => {}
            Self::Http2(stream) if trailers.is_empty() => stream.send_data(Bytes::new(), true)?,
            Self::Http2(stream) => stream.send_trailers(trailers)?,
        }
        Ok(())
    }

    /// Gives the message up; in HTTP/1 that is done by dropping both halves.
    pub(crate) fn reset(&mut self) {
        if let Self::Http2(stream) = self {
            stream.send_reset(h2::Reason::CANCEL);
        }
    }
}

/// Where the bytes of a message come from.
pub(crate) enum Source {
    Http1(Reader<ReadHalf<Io>>, Body, HeaderMap),
    Http2(RecvStream),
}

impl Source {
    /// Returns the next piece of the body; `None` is its end, and an error that it is not whole.
    pub(crate) async fn data(&mut self) -> Outcome<Option<Bytes>> {
        match self {
            Self::Http1(reader, body, trailers) => reader.piece(body, trailers).await,
            Self::Http2(body) => {
                while let Some(data) = body.data().await {
                    let data = data?;
                    body.flow_control().release_capacity(data.len())?;
                    if !data.is_empty() {
                        return Ok(Some(data));
                    }
                }
                Ok(None)
            }
        }
    }

    /// Returns all of the body.
    pub(crate) async fn all(&mut self) -> Outcome<Bytes> {
        let mut all = BytesMut::new();
        while let Some(data) = self.data().await? {
            all.put_slice(&data);
        }
        Ok(all.freeze())
    }

    /// Returns exactly so many bytes; `beyond` holds what came with them.
    pub(crate) async fn exactly(&mut self, len: usize, beyond: &mut BytesMut) -> Outcome<Bytes> {
        while beyond.len() < len {
            match self.data().await? {
                Some(data) => beyond.put_slice(&data),
                None => return wrong(format!("it ends after {} of {len} bytes", beyond.len())),
            }
        }
        Ok(beyond.split_to(len).freeze())
    }

    /// Returns the trailers, once the body has ended.
    pub(crate) async fn trailers(&mut self) -> Outcome<HeaderMap> {
        Ok(match self {
            Self::Http1(_, _, trailers) => std::mem::take(trailers),
            Self::Http2(body) => body.trailers().await?.unwrap_or_default(),
        })
    }

    /// Waits, in HTTP/1, until the other side has left.
    pub(crate) async fn end(&mut self) -> Outcome {
        match self {
            Self::Http1(reader, ..) => reader.end().await,
            Self::Http2(body) => match body.data().await {
                None => std::future::pending().await,
                Some(data) => data.map(drop).map_err(Into::into),
            },
        }
    }
}
