//! Calls to the admin address of a Nexus that runs, for the commands.

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, HOST};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use serde_json::Value as Json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::settings::Address;

/// Until a call is answered; the other side gives up earlier.
const TIMEOUT: Duration = Duration::from_secs(90);

/// A follower hears nothing for so long: three signs of life are missing.
const SILENCE_MAX: Duration = Duration::from_secs(50);

/// A Nexus that runs, and the right to ask it.
pub struct Remote {
    /// Where it is.
    pub address: Address,
    /// The token to show.
    pub token: Option<String>,
}

/// Why a call has no result.
#[derive(Debug)]
pub enum CallError {
    /// Nobody answers there.
    Unreachable(String),
    /// It was refused, or it failed.
    Refused {
        /// The stable code.
        code: String,
        /// What was said.
        message: String,
        /// What to do.
        hint: String,
    },
}

impl Remote {
    /// Makes a call and returns its result.
    ///
    /// # Errors
    ///
    /// Says whether nobody answered or the answer was no.
    pub fn call(&self, method: &str, path: &str, body: String) -> Result<Json, CallError> {
        self.call_within(TIMEOUT, method, path, body)
    }

    /// The same for who cannot wait so long.
    ///
    /// # Errors
    ///
    /// Says whether nobody answered or the answer was no.
    pub fn call_within(
        &self,
        time: Duration,
        method: &str,
        path: &str,
        body: String,
    ) -> Result<Json, CallError> {
        let unreachable = |why: String| {
            CallError::Unreachable(format!("cannot reach Nexus at {}: {why}", self.address))
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| unreachable(error.to_string()))?;
        let call = async { tokio::time::timeout(time, self.exchange(method, path, body)).await };
        match runtime.block_on(call) {
            Ok(Ok((status, answer))) => read(status, &answer),
            Ok(Err(why)) => Err(unreachable(why)),
            Err(_) => Err(unreachable("it does not answer".to_owned())),
        }
    }

    /// Follows events: each one's data is given to `heard` until that says that it is enough.
    ///
    /// # Errors
    ///
    /// Says why there are no more.
    pub fn follow(
        &self,
        path: &str,
        heard: &mut dyn FnMut(&Json) -> bool,
    ) -> Result<(), CallError> {
        let unreachable = |why: String| {
            CallError::Unreachable(format!("cannot follow Nexus at {}: {why}", self.address))
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| unreachable(error.to_string()))?;
        let mut events = Events::default();
        let mut piece = |piece: &[u8]| events.read(piece).iter().all(&mut *heard);
        let following =
            self.send("GET", path, String::new(), "text/event-stream", Some(&mut piece));
        match runtime.block_on(following) {
            Ok((200, _)) => Ok(()),
            Ok((status, answer)) => read(status, &answer).map(|_| ()),
            Err(why) => Err(unreachable(why)),
        }
    }

    async fn exchange(
        &self,
        method: &str,
        path: &str,
        body: String,
    ) -> Result<(u16, Bytes), String> {
        self.send(method, path, body, "application/json", None).await
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        body: String,
        accept: &str,
        pieces: Option<&mut Pieces<'_>>,
    ) -> Result<(u16, Bytes), String> {
        let said = |error: std::io::Error| error.to_string();
        let host = match &self.address {
            Address::Tcp(address) => address.to_string(),
            Address::Unix(_) => "localhost".to_owned(),
        };
        let uri = path.parse::<Uri>().map_err(|error| error.to_string())?;
        let mut request = Request::builder().method(method).uri(uri).header(HOST, host);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.header(ACCEPT, accept).body(Full::new(Bytes::from(body)));
        let request = request.map_err(|error| error.to_string())?;
        match &self.address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await.map_err(said)?;
                carry(stream, request, pieces).await
            }
            Address::Unix(file) => {
                let stream = UnixStream::connect(file).await.map_err(said)?;
                carry(stream, request, pieces).await
            }
        }
        .map_err(|error| error.to_string())
    }
}

/// Is given an answer piece by piece; says whether to go on.
type Pieces<'p> = dyn FnMut(&[u8]) -> bool + 'p;

/// Sends a request and returns what is answered; the parts of a 200 go to `pieces`, if there are any.
async fn carry(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    request: Request<Full<Bytes>>,
    pieces: Option<&mut Pieces<'_>>,
) -> Result<(u16, Bytes), Box<dyn std::error::Error>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status().as_u16();
        let mut body = answer.into_body();
        let Some(pieces) = pieces.filter(|_| status == 200) else {
            return Ok((status, body.collect().await?.to_bytes()));
        };
        loop {
            let frame = tokio::time::timeout(SILENCE_MAX, body.frame()).await;
            let frame = frame.map_err(|_| "it has gone silent")?.ok_or("it has stopped")??;
            if !frame.data_ref().is_none_or(|piece| pieces(piece)) {
                return Ok((status, Bytes::new()));
            }
        }
    };
    tokio::select! {
        answer = exchange => answer,
        Err(error) = connection => Err(error.into()),
    }
}

/// Server-sent events as they come in.
#[derive(Default)]
struct Events(Vec<u8>);

impl Events {
    /// Reads a piece; returns the data of the events that it completes.
    fn read(&mut self, piece: &[u8]) -> Vec<Json> {
        self.0.extend_from_slice(piece);
        let mut found = Vec::new();
        while let Some(end) = self.0.windows(2).position(|two| two == b"\n\n") {
            let event: Vec<u8> = self.0.drain(..end + 2).collect();
            let mut lines = event.split(|byte| *byte == b'\n');
            let data = lines.find_map(|line| line.strip_prefix(b"data: "));
            found.extend(data.and_then(|data| serde_json::from_slice(data).ok()));
        }
        found
    }
}

fn read(status: u16, answer: &[u8]) -> Result<Json, CallError> {
    let value: Option<Json> = serde_json::from_slice(answer).ok();
    match value {
        Some(value) if status < 300 => Ok(value),
        Some(value) if value["error"].is_object() => {
            let word = |name: &str| value["error"][name].as_str().unwrap_or_default().to_owned();
            Err(CallError::Refused {
                code: word("code"),
                message: word("message"),
                hint: word("hint"),
            })
        }
        _ => Err(CallError::Refused {
            code: "not_nexus".to_owned(),
            message: format!(
                "what answers there (status {status}) is not the admin address of a Nexus"
            ),
            hint: "check --admin".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_however_they_are_cut() {
        let wire = b": hb\n\nid: 1\nevent: drain\ndata: {\"id\":1}\n\ndata: {\"id\":2}\n\nid: 3\n";
        for size in 1..wire.len() {
            let mut events = Events::default();
            let found: Vec<_> = wire.chunks(size).flat_map(|piece| events.read(piece)).collect();
            let ids: Vec<_> = found.iter().map(|event| event["id"].as_u64()).collect();
            assert_eq!(ids, [Some(1), Some(2)], "in pieces of {size}");
        }
    }
}
