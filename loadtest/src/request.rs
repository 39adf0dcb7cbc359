//! The request: its template, made once, and what is stamped on each copy.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{HeaderMap, Method, Request, Uri};

use crate::target::Target;

/// What a streamed body is made of, piece by piece; never copied.
static FILLER: [u8; 64 * 1024] = [b'x'; 64 * 1024];

static RUN: HeaderName = HeaderName::from_static("x-loadtest-run");
static SEQ: HeaderName = HeaderName::from_static("x-loadtest-seq");

/// A request without its number.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    pub(crate) method: Method,
    uri: Uri,
    /// Complete but for the number, which stands at 0.
    headers: HeaderMap,
    payload: Payload,
}

/// What the body holds.
#[derive(Clone, Debug)]
pub(crate) enum Payload {
    Empty,
    Bytes(Bytes),
    /// So many bytes of no meaning.
    Filler(u64),
}

impl Template {
    pub(crate) fn new(
        target: &Target,
        run_id: &str,
        method: Option<&str>,
        payload: Payload,
    ) -> Result<Self> {
        let method = match (method, &payload) {
            (Some(name), _) => name.parse().with_context(|| format!("method '{name}'"))?,
            (None, Payload::Empty) => Method::GET,
            (None, _) => Method::POST,
        };
        let mut headers = HeaderMap::new();
        headers.insert(HOST, target.authority.parse()?);
        let agent = HeaderValue::from_static(concat!("loadtest/", env!("CARGO_PKG_VERSION")));
        headers.insert(USER_AGENT, agent);
        let run = run_id.parse().with_context(|| format!("run id '{run_id}'"))?;
        headers.insert(&RUN, run);
        headers.insert(&SEQ, 0.into());
        Ok(Self { method, uri: target.path.clone(), headers, payload })
    }

    /// Adds a header written as `Name: value`; a second one of a name that we set replaces ours.
    pub(crate) fn add(&mut self, header: &str) -> Result<()> {
        let Some((name, value)) = header.split_once(':') else {
            bail!("header '{header}' is not 'Name: value'");
        };
        let name: HeaderName = name.trim().parse().with_context(|| format!("header '{header}'"))?;
        let value = value.trim().parse().with_context(|| format!("header '{header}'"))?;
        if name == HOST || name == USER_AGENT {
            self.headers.insert(name, value);
        } else {
            self.headers.append(name, value);
        }
        Ok(())
    }

    /// Puts the Host where HTTP/2 has it: into the target.
    pub(crate) fn make_http2(&mut self, is_tls: bool) -> Result<()> {
        self.headers.remove("connection");
        let host = self.headers.remove(HOST).context("a request has a host")?;
        let scheme = if is_tls { "https" } else { "http" };
        let uri = Uri::builder().scheme(scheme).authority(host.as_bytes());
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        self.uri = uri.path_and_query(path).build().with_context(|| format!("host {host:?}"))?;
        Ok(())
    }

    /// Whether its body is too large to copy.
    pub(crate) fn is_large(&self) -> bool {
        matches!(self.payload, Payload::Filler(size) if size > FILLER.len() as u64)
    }

    /// The request to send; `None` makes one of the warm-up, which counts nowhere.
    pub(crate) fn stamp(&self, seq: Option<u64>) -> Request<Outgoing> {
        let mut request = Request::new(Outgoing::from(&self.payload));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        match seq {
            Some(seq) => {
                headers.insert(&SEQ, seq.into());
            }
            None => {
                headers.remove(&RUN);
                headers.remove(&SEQ);
            }
        }
        request
    }
}

/// A body on its way out.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Empty,
    Whole(Bytes),
    Filler(u64),
}

impl From<&Payload> for Outgoing {
    fn from(payload: &Payload) -> Self {
        match payload {
            Payload::Bytes(bytes) if !bytes.is_empty() => Self::Whole(bytes.clone()),
            Payload::Filler(size) if *size > 0 => Self::Filler(*size),
            _ => Self::Empty,
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let (data, rest) = match std::mem::replace(&mut *self, Self::Empty) {
            Self::Empty => return Poll::Ready(None),
            Self::Whole(bytes) => (bytes, Self::Empty),
            Self::Filler(left) => {
                let piece = left.min(FILLER.len() as u64);
                let rest = if left > piece { Self::Filler(left - piece) } else { Self::Empty };
                (Bytes::from_static(&FILLER[..piece as usize]), rest)
            }
        };
        *self = rest;
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Empty => 0,
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Filler(left) => *left,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(payload: Payload) -> Template {
        let target = Target::parse("http://localhost:8000/a?b").unwrap();
        Template::new(&target, "run-1", None, payload).unwrap()
    }

    #[test]
    fn each_request_carries_its_run_and_number_and_a_warm_up_neither() {
        let template = template(Payload::Empty);
        let request = template.stamp(Some(42));
        assert_eq!(request.headers()["x-loadtest-seq"], "42");
        assert_eq!(request.headers()["x-loadtest-run"], "run-1");
        assert_eq!(request.headers()["host"], "localhost:8000");
        assert_eq!(request.uri(), "/a?b");
        let request = template.stamp(None);
        assert!(!request.headers().contains_key("x-loadtest-seq"));
        assert!(!request.headers().contains_key("x-loadtest-run"));
    }

    #[test]
    fn over_http2_the_host_is_in_the_target() {
        let mut template = template(Payload::Empty);
        template.add("Host: other").unwrap();
        template.make_http2(true).unwrap();
        let request = template.stamp(Some(1));
        assert_eq!(request.uri(), "https://other/a?b");
        assert!(!request.headers().contains_key("host"));
    }

    #[test]
    fn a_given_host_replaces_ours_and_other_headers_may_repeat() {
        let mut template = template(Payload::Empty);
        template.add("Host: other").unwrap();
        template.add("A: 1").unwrap();
        template.add("a:2").unwrap();
        let request = template.stamp(Some(0));
        assert_eq!(request.headers()["host"], "other");
        assert_eq!(request.headers().get_all("a").iter().count(), 2);
        assert!(template.add("no colon").is_err());
    }

    #[test]
    fn a_large_body_is_made_of_pieces_that_add_up() {
        let request = template(Payload::Filler(200_000)).stamp(Some(0));
        assert_eq!(request.method(), Method::POST);
        let mut body = request.into_body();
        assert_eq!(body.size_hint().exact(), Some(200_000));
        let mut sum = 0;
        let mut cx = Context::from_waker(std::task::Waker::noop());
        while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut body).poll_frame(&mut cx) {
            sum += frame.into_data().unwrap().len();
        }
        assert_eq!(sum, 200_000);
        assert!(body.is_end_stream());
    }
}
