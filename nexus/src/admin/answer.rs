//! What the admin address answers with: bytes that are there, or that come as they happen.

use std::convert::Infallible;
use std::fmt::Display;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::Full;
use hyper::body::{Bytes, Frame, SizeHint};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Serialize;
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;

use super::rights::Denial;
use crate::control::Refused;
use crate::reload::{self, Problems};

/// An answer's body.
pub enum Body {
    /// All of it.
    Whole(Full<Bytes>),
    /// Piece by piece, until the other end is dropped. [`CALL_TIMEOUT`](super) is not for these.
    Stream(mpsc::Receiver<Bytes>),
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(whole) => Pin::new(whole).poll_frame(context),
            Self::Stream(pieces) => {
                pieces.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(whole) if whole.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

/// An answer.
pub type Response = hyper::Response<Body>;

/// Answers with a JSON document.
pub fn json_response(status: u16, value: &Json) -> Response {
    let mut body = serde_json::to_vec_pretty(value).expect("values are JSON");
    body.push(b'\n');
    response(status, "application/json", body)
}

/// Answers with a line of text.
pub fn text(status: u16, body: &'static str) -> Response {
    response(status, "text/plain; charset=utf-8", body)
}

/// Answers with bytes of any type.
pub fn response(status: u16, content_type: &str, body: impl Into<Bytes>) -> Response {
    with_body(status, content_type, Body::Whole(Full::new(body.into())))
}

/// Answers with any body. Nothing that is told here may be kept by whoever carries it.
pub fn with_body(status: u16, content_type: &str, body: Body) -> Response {
    hyper::Response::builder()
        .status(status)
        .header(CONTENT_TYPE, content_type)
        .header(CACHE_CONTROL, "no-store")
        .body(body)
        .expect("status and fields are legal")
}

/// Why a call has no result.
#[derive(Debug, Serialize)]
pub struct Failure {
    #[serde(skip)]
    status: u16,
    code: &'static str,
    message: String,
    hint: &'static str,
    #[serde(skip_serializing_if = "Json::is_null")]
    problems: Json,
}

impl Failure {
    /// Makes a failure.
    pub fn new(status: u16, code: &'static str, message: impl Display, hint: &'static str) -> Self {
        Self { status, code, message: message.to_string(), hint, problems: Json::Null }
    }

    /// Returns it as an answer.
    pub fn into_response(self) -> Response {
        json_response(self.status, &json!({ "error": self }))
    }
}

impl From<Denial> for Failure {
    fn from(denial: Denial) -> Self {
        let (status, code, message, hint) = denial.words();
        Self::new(status, code, message, hint)
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        let hint = "correct the file; nothing has changed";
        let mut failure = Self::new(422, "bad_configuration", problems.text.trim_end(), hint);
        failure.problems = problems.list;
        failure
    }
}

impl From<reload::Failure> for Failure {
    fn from(failure: reload::Failure) -> Self {
        let (status, hint) = match failure {
            reload::Failure::Problems(problems) => return problems.into(),
            reload::Failure::NoSource => {
                (409, "start Nexus with --config FILE to be able to reload")
            }
            reload::Failure::Refused(Refused::Stopping) => (503, "it stops"),
            reload::Failure::Refused(_) => (409, "nothing has changed"),
            reload::Failure::Unconfirmed(_) => (409, "confirm it first, or wait"),
        };
        Self::new(status, failure.code(), failure, hint)
    }
}
