//! The client of one worker: its connections, and one exchange at a time over them.
//!
//! Never resends: a request that fails once a byte of it may have been written has failed. Only a
//! request that was *not* written, because its idle connection turned out to be closed, goes out on
//! a new connection.

mod connection;
mod deadline;
mod dial;
mod http1;
mod http2;
mod stream;

use std::rc::Rc;
use std::time::Instant;

use hyper::HeaderMap;

use self::http1::Http1;
use self::http2::Http2;
pub(crate) use self::http2::Trunk;
use crate::config::Config;
use crate::outcome::Failure;
use crate::worker::Thread;

/// The client of one worker.
pub(crate) enum Client {
    Http1(Http1),
    Http2(Http2),
}

/// What came of a request.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// When the request went out; `None` if no connection came about.
    pub(crate) sent: Option<Instant>,
    pub(crate) head: Option<Head>,
    /// Bytes of the body.
    pub(crate) body: u64,
    /// `None`: a complete response that is no error.
    pub(crate) failure: Option<Failure>,
}

/// The head of a response.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
}

impl Client {
    /// A client that shares an HTTP/2 connection, or has HTTP/1.1 connections of its own.
    pub(crate) fn new(thread: Rc<Thread>, trunk: Option<Rc<Trunk>>) -> Self {
        match trunk {
            Some(trunk) => Self::Http2(Http2::new(thread, trunk)),
            None => Self::Http1(Http1::new(thread)),
        }
    }

    /// Opens all its connections ahead of the first request; returns whether that went well. A
    /// failure is only counted here: the request that needs the connection tries again, and
    /// reports it.
    pub(crate) async fn open_all(&mut self) -> bool {
        match self {
            Self::Http1(client) => client.open_all().await,
            Self::Http2(client) => client.open().await,
        }
    }

    /// Waits, and watches the connection that is next.
    pub(crate) async fn idle_until(&mut self, then: Instant) {
        match self {
            Self::Http1(client) => client.idle_until(then).await,
            // Its connection has a task that watches it.
            Self::Http2(_) => tokio::time::sleep_until(then.into()).await,
        }
    }

    /// Sends the request with this number (`None` in the warm-up) and reads its response.
    pub(crate) async fn exchange(&mut self, seq: Option<u64>, started: Instant) -> Exchange {
        match self {
            Self::Http1(client) => client.exchange(seq, started).await,
            Self::Http2(client) => client.exchange(seq, started).await,
        }
    }
}

impl Exchange {
    fn unconnected(failure: Failure) -> Self {
        Self { sent: None, head: None, body: 0, failure: Some(failure) }
    }

    fn unanswered(sent: Instant, failure: Failure) -> Self {
        Self { sent: Some(sent), head: None, body: 0, failure: Some(failure) }
    }

    /// What came of a request that was answered, if only in part.
    fn ended(
        sent: Instant,
        head: Option<Head>,
        body: u64,
        end: Result<(), Failure>,
        config: &Config,
    ) -> Self {
        let status = head.as_ref().map_or(0, |head| head.status);
        let wrong = || config.expect_size.filter(|expected| *expected != body);
        let failure = end.err().or_else(|| Failure::status(status));
        let failure = failure.or_else(|| wrong().map(|_| Failure::wrong_size(body)));
        Self { sent: Some(sent), head, body, failure }
    }
}
