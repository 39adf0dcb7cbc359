//! An HTTP probe: one question over a connection of its own, by hyper, and a look at the answer.

use std::io;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use regex::bytes::Regex;

use crate::http2::carrier::Carrier;
use crate::reason::Reason;
use crate::settings::HttpProbe;
use crate::stream::Stream;

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
    pub(super) async fn ask(&self, stream: Stream) -> Result<(), Reason> {
        let HttpProbe { method, path, is_http2, .. } = &self.probe;
        let request = self.request(method, path, Bytes::new(), *is_http2);
        let request = request.ok_or(Reason::BadTarget)?;
        let judge = async |answer| self.judge(answer).await;
        match is_http2 {
            true => http2(stream, request, judge).await,
            false => http1(stream, request, judge).await,
        }
    }

    /// Makes a request with the fields that all probes have; in HTTP/2 the host is part of the
    /// target.
    pub(super) fn request(
        &self,
        method: &str,
        path: &str,
        body: Bytes,
        is_http2: bool,
    ) -> Option<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(method)
            .header("User-Agent", concat!("nexus/", env!("CARGO_PKG_VERSION"), " (health check)"));
        request = if is_http2 {
            request.uri(format!("http://{}{path}", self.host))
        } else {
            request.uri(path).header("Host", &self.host).header("Connection", "close")
        };
        let add = |request: hyper::http::request::Builder, field: &(String, String)| {
            request.header(&field.0, &field.1)
        };
        self.probe.headers.iter().fold(request, add).body(Full::new(body)).ok()
    }

    async fn judge(&self, answer: Response<Incoming>) -> Result<(), Reason> {
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

/// Sends a request over HTTP/1.1 and has its answer judged. The connection lives in this very task:
/// nothing is left of a probe that is given up.
async fn http1(
    stream: Stream,
    request: Request<Full<Bytes>>,
    judge: impl AsyncFnOnce(Response<Incoming>) -> Result<(), Reason>,
) -> Result<(), Reason> {
    let handshake = conn::http1::handshake(TokioIo::new(Carrier::new(stream, Vec::new()).0)).await;
    let (mut sender, connection) = handshake.map_err(reason)?;
    first(async { judge(sender.send_request(request).await.map_err(reason)?).await }, connection)
        .await
}

/// The same over HTTP/2, spoken at once (RFC 9113 §3.3).
pub(super) async fn http2(
    stream: Stream,
    request: Request<Full<Bytes>>,
    judge: impl AsyncFnOnce(Response<Incoming>) -> Result<(), Reason>,
) -> Result<(), Reason> {
    let handshake =
        conn::http2::handshake(Local, TokioIo::new(Carrier::new(stream, Vec::new()).0)).await;
    let (mut sender, connection) = handshake.map_err(reason)?;
    first(async { judge(sender.send_request(request).await.map_err(reason)?).await }, connection)
        .await
}

/// Waits for an answer, or for its connection to fail.
async fn first(
    answer: impl Future<Output = Result<(), Reason>>,
    connection: impl Future<Output = hyper::Result<()>>,
) -> Result<(), Reason> {
    tokio::select! {
        biased;
        answer = answer => answer,
        Err(error) = connection => Err(reason(error)),
    }
}

/// Runs what a connection of HTTP/2 leaves to others, which ends with it, on the control thread.
#[derive(Clone)]
struct Local;

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move { drop(future.await) });
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
#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn reason(error: hyper::Error) -> Reason {
    let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref());
    if error.is_parse() {
        Reason::BadResponse
    } else if source.is_some_and(|error: &io::Error| error.kind() == io::ErrorKind::ConnectionReset)
    {
        Reason::BackendReset
    } else {
        Reason::BackendClosed
    }
}
