//! How a connection begins: who is it from, is it wrapped in TLS, and which HTTP is spoken on it?

use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::TlsAcceptor;

use crate::clients::Client;
use crate::connections::{End, Lease};
use crate::flap::Mode;
use crate::http2;
use crate::input::{Input, Wait};
use crate::proxied;
use crate::rules::Shared;
use crate::serve;
use crate::socket::{Replay, Socket};
use crate::stats::Handshake;
use crate::stream::Stream;
use crate::tls::Agreed;

/// The first bytes of a client that speaks HTTP/2 without having asked (RFC 9113 section 3.3).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A client that has been told goodbye over HTTP/2 leaves within this time, or is left.
const LIMIT_LINGER: Duration = Duration::from_millis(500);

/// Who is connected, and how.
#[derive(Default)]
pub(crate) struct Visitor {
    /// As a PROXY header names it.
    pub(crate) client: Option<Arc<Client>>,
    pub(crate) tls: Option<Agreed>,
}

impl Visitor {
    /// What an echo tells of it.
    pub(crate) fn fields(&self, version: &str) -> Vec<(&'static str, String)> {
        let mut fields = vec![("X-Fake-Protocol", version.to_owned())];
        fields.extend(self.tls.as_ref().map(|tls| ("X-Fake-Tls", tls.show())));
        fields.extend(self.client.as_ref().map(|client| ("X-Fake-Client", client.name.clone())));
        fields
    }
}

/// Serves one connection to its end.
pub(crate) async fn connection(socket: Socket, lease: Lease, shared: Arc<Shared>) {
    if shared.rules.load().down.is_some_and(|down| down.mode == Mode::Reset) {
        return socket.reset_on_close();
    }
    let mut visitor = Visitor::default();
    let mut stream = Stream::Plain(socket);
    let mut input = Input::new();
    if shared.entrance.is_proxied {
        let header = client(&mut stream, &mut input, &lease, &shared);
        match lease.until_told(header).await {
            Ok(Some(client)) => visitor.client = Some(client),
            Ok(None) => return,
            Err(end) => return leave(stream, end).await,
        }
    }
    if let Some(acceptor) = &shared.entrance.tls {
        match secure(stream, &mut input, acceptor, &lease, &shared).await {
            Some((secured, agreed)) => (stream, visitor.tls) = (secured, Some(agreed)),
            None => return,
        }
    }
    let work = http(&mut stream, input, &lease, &shared, visitor);
    let end = lease.until_told(work).await.unwrap_or_else(|end| end);
    leave(stream, end).await;
}

async fn leave(mut stream: Stream, end: End) {
    match end {
        End::Reset => stream.reset_on_close(),
        End::Close => stream.say_goodbye().await,
    }
}

/// Reads the PROXY header; none if none comes.
async fn client(
    stream: &mut Stream,
    input: &mut Input,
    lease: &Lease,
    shared: &Shared,
) -> Option<Arc<Client>> {
    loop {
        match proxied::parse(input.filled()) {
            Ok(Some(header)) => {
                input.consume(header.bytes);
                let name = header.client.map_or("unknown".to_owned(), |client| client.to_string());
                return Some(shared.clients.enter(name));
            }
            Ok(None)
                if matches!(input.fill(stream, lease, Wait::UntilFinishing).await, Ok(true)) => {}
            Ok(None) => return None,
            Err(proxied::NoProxy) => {
                shared.stats.refused();
                return None;
            }
        }
    }
}

/// Shakes hands; none if that fails, or the connection is told to end.
async fn secure(
    stream: Stream,
    input: &mut Input,
    acceptor: &TlsAcceptor,
    lease: &Lease,
    shared: &Shared,
) -> Option<(Stream, Agreed)> {
    let Stream::Plain(socket) = stream else { return None };
    let mut handshake = acceptor.accept(Replay::new(input.take(), socket));
    let shaken = lease.until_told(lease.unless_finishing(&mut handshake)).await;
    match shaken {
        Ok(Some(Ok(tls))) => {
            let agreed = Agreed::of(tls.get_ref().1);
            let how = if agreed.is_resumed { Handshake::Resumed } else { Handshake::Full };
            shared.stats.shook_hands(how);
            Some((Stream::Tls(Box::new(tls)), agreed))
        }
        Ok(Some(Err(_))) => {
            shared.stats.shook_hands(Handshake::Failed);
            None
        }
        Err(End::Reset) => {
            if let Some(replay) = handshake.get_ref() {
                replay.stream.reset_on_close();
            }
            None
        }
        Ok(None) | Err(End::Close) => None,
    }
}

/// Serves whichever HTTP it is: what was agreed on, or else what comes.
async fn http(
    stream: &mut Stream,
    mut input: Input,
    lease: &Lease,
    shared: &Arc<Shared>,
    visitor: Visitor,
) -> End {
    let is_http2 = match visitor.tls.as_ref().and_then(|tls| tls.alpn.as_deref()) {
        Some(agreed) => agreed == "h2",
        None => has_preface(stream, &mut input, lease).await,
    };
    if is_http2 {
        let begun = Replay::new(input.take(), &mut *stream);
        let end = http2::serve(begun, lease, shared, visitor).await;
        if end == End::Close {
            let goodbye = tokio::time::timeout(LIMIT_LINGER, stream.linger());
            let _ = lease.unless_finishing(goodbye).await;
        }
        end
    } else {
        serve::requests((stream, input), lease, shared, &visitor).await
    }
}

/// Whether the connection begins as HTTP/2 does; reads no further than needed to tell.
async fn has_preface(stream: &mut Stream, input: &mut Input, lease: &Lease) -> bool {
    loop {
        let both = input.filled().len().min(PREFACE.len());
        if input.filled()[..both] != PREFACE[..both] {
            return false;
        }
        if both == PREFACE.len() {
            return true;
        }
        let wait = if input.is_empty() { Wait::UntilFinishing } else { Wait::Always };
        if !matches!(input.fill(stream, lease, wait).await, Ok(true)) {
            return false;
        }
    }
}
