//! What a proxy says in front of a connection: for which client it opened it.

use std::future::poll_fn;
use std::io;

use super::Client;
use crate::dial::Clock;
use crate::proxy_protocol::{self, BYTES_MAX, Header};
use crate::stream::Stream;
use crate::stream::socket::Socket;

/// Reads it, and takes the client that it names for the one that connects; `None` if the connection is
/// over: who connects is not trusted, or says something else, or nothing for too long.
pub(super) async fn hear(client: &mut Client) -> Option<()> {
    let peer = client.ip;
    if !client.worker.view().settings.trusts(peer) {
        tracing::debug!(%peer, "a connection is closed: only trusted proxies may use the PROXY protocol");
        return None;
    }
    let limit = client.timeouts().head;
    let Client { stream: Stream::Plain(socket), deadline, .. } = client else { return None };
    deadline.set(limit);
    let header = match deadline.within(limit, read(socket)).await {
        Some(Ok(header)) => header,
        Some(Err(error)) => {
            tracing::debug!(%peer, %error, "a connection is closed: no PROXY header");
            return None;
        }
        None => {
            tracing::debug!(%peer, "a connection is closed: its PROXY header took too long");
            return None;
        }
    };
    if let Some(ends) = header.ends {
        client.comes_from(ends.source);
    }
    Some(())
}

/// Reads a header, and nothing of what follows it.
async fn read(socket: &mut Socket) -> io::Result<Header> {
    let (mut bytes, mut len) = ([0; BYTES_MAX], 0);
    loop {
        let seen = poll_fn(|cx| socket.poll_peek(cx, &mut bytes[len..])).await?;
        let header = proxy_protocol::read(&bytes[..len + seen]);
        let header = header.map_err(|_| io::ErrorKind::InvalidData)?;
        // Of a header that is not whole everything is its own.
        let end = header.map_or(len + seen, |header| header.len);
        while len < end {
            let read = poll_fn(|cx| socket.poll_read(cx, &mut bytes[len..end])).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            len += read;
        }
        match header {
            Some(header) => return Ok(header),
            None if seen == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            None => {}
        }
    }
}
