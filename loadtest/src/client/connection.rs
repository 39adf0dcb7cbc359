//! One open connection, and one exchange at a time over it.
//!
//! Who drives it? The exchange itself, in the worker's own task, before it looks for the answer: no
//! second task, no wake between two tasks.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::task::coop::unconstrained;
use tokio::time::sleep_until;

use super::deadline::Deadline;
use super::stream::Stream;
use crate::outcome::{Failure, Stage};
use crate::request::Outgoing;

/// A connection to the target.
pub(crate) struct Connection {
    sender: SendRequest<Outgoing>,
    driver: Driver,
    /// Whether it has been idle, so that the peer may have closed it meanwhile.
    idled: bool,
    /// Requests that it has carried to the end of their responses.
    pub(super) carried: u64,
}

/// Why a request has no response.
pub(crate) enum Unanswered {
    /// Not a byte of it was written: the connection was closed while idle.
    Unsent,
    Failed(Failure),
}

/// How a connection ended that no exchange was using.
#[derive(Debug, PartialEq)]
pub(crate) enum End {
    /// The peer closed it.
    Closed,
    /// The peer sent bytes that no request had asked for.
    Unasked,
}

impl Connection {
    /// Speaks HTTP/1.1 over a stream; `large` bodies are to be sent without a copy.
    pub(super) async fn over(stream: Stream, large: bool) -> Result<Self, Failure> {
        // One buffer costs less to write than a list of one.
        let (sender, connection) = http1::Builder::new()
            .writev(large)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Failure::exchange(error, Stage::Head))?;
        Ok(Self { sender, driver: Driver { connection, end: None }, idled: false, carried: 0 })
    }

    /// Whether the next request can go out on it.
    pub(crate) fn is_ready(&mut self) -> bool {
        self.idled = true;
        // No waker: nothing is waited for here, and `send` would wake the one left behind, which
        // is the task that it runs in.
        self.driver.drive(&mut Context::from_waker(Waker::noop()));
        self.driver.end.is_none() && self.sender.is_ready()
    }

    /// Watches the idle connection until then, so that a close by the peer is seen.
    pub(crate) async fn idle_until(&mut self, then: Instant) {
        let mut sleep = pin!(sleep_until(then.into()));
        poll_fn(|cx| {
            self.driver.drive(cx);
            sleep.as_mut().poll(cx)
        })
        .await;
    }

    /// How it ended, if it has.
    pub(crate) fn end(&self) -> Option<End> {
        match self.driver.end.as_ref()? {
            Err(error) if !Failure::is_broken(error) => Some(End::Unasked),
            _ => Some(End::Closed),
        }
    }

    /// Sends a request and waits for the head of its response.
    pub(crate) async fn send(
        &mut self,
        request: Request<Outgoing>,
        deadline: &mut Deadline,
    ) -> Result<Response<Incoming>, Unanswered> {
        // A response arrives by nothing but `drive` below, so it needs no waker, which saves this
        // task a second poll; and unconstrained, or it might give way and wait for that waker.
        let mut response = pin!(unconstrained(self.sender.try_send_request(request)));
        let mut no_waker = Context::from_waker(Waker::noop());
        let driver = &mut self.driver;
        let answer = poll_fn(|cx| {
            driver.drive(cx);
            match response.as_mut().poll(&mut no_waker) {
                Poll::Ready(answer) => Poll::Ready(Some(answer)),
                Poll::Pending => deadline.poll(cx).map(|()| None),
            }
        })
        .await;
        match answer {
            Some(Ok(response)) => Ok(response),
            Some(Err(mut error)) => match error.take_message() {
                Some(_) if self.idled => Err(Unanswered::Unsent),
                _ => Err(Unanswered::Failed(Failure::exchange(error.into_error(), Stage::Head))),
            },
            None => Err(Unanswered::Failed(Failure::timeout(Stage::Head))),
        }
    }

    /// Reads a body to its end without keeping it, and adds its bytes to `size`.
    pub(crate) async fn drain(
        &mut self,
        mut body: Incoming,
        size: &mut u64,
        deadline: &mut Deadline,
    ) -> Result<(), Failure> {
        while !body.is_end_stream() {
            let Some(frame) = self.frame(&mut body, deadline).await else {
                return Err(Failure::timeout(Stage::Body));
            };
            match frame {
                Some(Ok(frame)) => *size += frame.data_ref().map_or(0, Bytes::len) as u64,
                Some(Err(error)) => return Err(Failure::exchange(self.cause(error), Stage::Body)),
                None => break,
            }
        }
        Ok(())
    }

    /// The next piece of a body; the outer `None` is the deadline, the inner one its end.
    async fn frame(&mut self, body: &mut Incoming, deadline: &mut Deadline) -> Option<Piece> {
        let mut no_waker = Context::from_waker(Waker::noop());
        poll_fn(|cx| {
            let mut piece = Pin::new(&mut *body).poll_frame(&mut no_waker);
            if piece.is_pending() {
                self.driver.drive(cx);
                piece = Pin::new(&mut *body).poll_frame(&mut no_waker);
            }
            match piece {
                Poll::Ready(piece) => Poll::Ready(Some(piece)),
                Poll::Pending => deadline.poll(cx).map(|()| None),
            }
        })
        .await
    }

    /// What broke the connection, if that is why the body failed.
    fn cause(&mut self, error: hyper::Error) -> hyper::Error {
        match self.driver.end.take() {
            Some(Err(cause)) => cause,
            _ => error,
        }
    }
}

type Piece = Option<Result<Frame<Bytes>, hyper::Error>>;

/// The half of a connection that moves bytes.
struct Driver {
    connection: http1::Connection<TokioIo<Stream>, Outgoing>,
    /// How it ended, once it has: it must not be polled any more.
    end: Option<Result<(), hyper::Error>>,
}

impl Driver {
    fn drive(&mut self, cx: &mut Context<'_>) {
        if self.end.is_none()
            && let Poll::Ready(end) = Pin::new(&mut self.connection).poll(cx)
        {
            self.end = Some(end);
        }
    }
}
