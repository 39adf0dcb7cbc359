//! An HTTP probe: one question over a connection of its own, by hyper, and a look at the answer.

use std::io;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use regex::bytes::Regex;
use tokio::net::TcpStream;

use crate::reason::Reason;
use crate::settings::HttpProbe;

/// Bytes of an answer's body that are looked at: a status page has fewer.
const BODY_BYTES_MAX: usize = 64 << 10;

/// What is asked, and what is expected.
pub(super) struct Question {
    probe: HttpProbe,
    host: String,
    regex: Option<Regex>,
}

impl Question {
    /// Makes a question to a backend at `authority`.
    pub(super) fn new(probe: &HttpProbe, authority: &str) -> Self {
        let host = probe.host.clone().unwrap_or_else(|| authority.to_owned());
        // The configuration has let no other expression through.
        let regex = probe.body_regex.as_ref().and_then(|regex| Regex::new(regex).ok());
        Self { probe: probe.clone(), host, regex }
    }

    /// Asks over `stream`.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the answer.
    pub(super) async fn ask(&self, stream: TcpStream) -> Result<(), Reason> {
        let request = self.request().ok_or(Reason::BadTarget)?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| reason(&error))?;
        let answer = async { self.judge(sender.send_request(request).await).await };
        // The connection lives in this very task: nothing is left of a probe that is given up.
        tokio::select! {
            biased;
            answer = answer => answer,
            Err(error) = connection => Err(reason(&error)),
        }
    }

    fn request(&self) -> Option<Request<Empty<Bytes>>> {
        let request = Request::builder()
            .method(self.probe.method.as_str())
            .uri(&self.probe.path)
            .header("Host", &self.host)
            .header("User-Agent", concat!("nexus/", env!("CARGO_PKG_VERSION"), " (health check)"))
            .header("Connection", "close");
        let add = |request: hyper::http::request::Builder, field: &(String, String)| {
            request.header(&field.0, &field.1)
        };
        self.probe.headers.iter().fold(request, add).body(Empty::new()).ok()
    }

    async fn judge(&self, answer: hyper::Result<Response<Incoming>>) -> Result<(), Reason> {
        let answer = answer.map_err(|error| reason(&error))?;
        let status = answer.status().as_u16();
        if !self.probe.statuses.iter().any(|range| range.contains(&status)) {
            return Err(Reason::UnexpectedStatus);
        }
        if self.probe.body.is_none() && self.regex.is_none() {
            return Ok(());
        }
        let body = read(answer.into_body()).await?;
        let contains = |text: &String| memchr::memmem::find(&body, text.as_bytes()).is_some();
        let is_right = self.probe.body.as_ref().is_none_or(contains)
            && self.regex.as_ref().is_none_or(|regex| regex.is_match(&body));
        if is_right { Ok(()) } else { Err(Reason::UnexpectedBody) }
    }
}

/// Reads the start of a body.
async fn read(mut body: Incoming) -> Result<Vec<u8>, Reason> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Reason::ResponseTruncated)?;
        if let Some(data) = frame.data_ref() {
            bytes.extend_from_slice(&data[..data.len().min(BODY_BYTES_MAX - bytes.len())]);
        }
        if bytes.len() == BODY_BYTES_MAX {
            break;
        }
    }
    Ok(bytes)
}

/// Says what an error means.
fn reason(error: &hyper::Error) -> Reason {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref());
    if error.is_parse() {
        Reason::BadResponse
    } else if source.is_some_and(|error: &io::Error| error.kind() == io::ErrorKind::ConnectionReset)
    {
        Reason::BackendReset
    } else {
        Reason::BackendClosed
    }
}
