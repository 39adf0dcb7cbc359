//! HTTP/1.1: the connections of one worker, and one exchange at a time over them.

use std::rc::Rc;
use std::time::Instant;

use super::connection::{Connection, End, Unanswered};
use super::deadline::Deadline;
use super::{Exchange, Head, dial};
use crate::outcome::Failure;
use crate::worker::Thread;

/// The connections of one worker.
pub(crate) struct Http1 {
    thread: Rc<Thread>,
    /// Used in turn; empty if every request has a connection of its own.
    slots: Vec<Option<Box<Connection>>>,
    next: usize,
    deadline: Deadline,
}

impl Http1 {
    pub(crate) fn new(thread: Rc<Thread>) -> Self {
        let slots = thread.job.config.connections.unwrap_or(0);
        let slots = (0..slots).map(|_| None).collect();
        Self { thread, slots, next: 0, deadline: Deadline::new() }
    }

    /// Opens all its connections ahead of the first request; returns whether that went well. A
    /// failure is only counted here: the request that needs the connection tries again, and
    /// reports it.
    pub(crate) async fn open_all(&mut self) -> bool {
        for slot in &mut self.slots {
            *slot = open(&self.thread).await.ok();
            if slot.is_none() {
                return false;
            }
        }
        true
    }

    /// Waits, and watches the connection that is next.
    pub(crate) async fn idle_until(&mut self, then: Instant) {
        match self.slots.get_mut(self.next) {
            Some(Some(connection)) => connection.idle_until(then).await,
            _ => tokio::time::sleep_until(then.into()).await,
        }
    }

    /// Sends the request with this number (`None` in the warm-up) and reads its response.
    pub(crate) async fn exchange(&mut self, seq: Option<u64>, started: Instant) -> Exchange {
        let thread = Rc::clone(&self.thread);
        let config = &thread.job.config;
        let mut sent = started;
        loop {
            let mut connection = match self.take_ready() {
                Some(connection) => connection,
                None => match open(&thread).await {
                    Ok(connection) => {
                        sent = Instant::now();
                        connection
                    }
                    Err(failure) => return Exchange::unconnected(failure),
                },
            };
            let aborts = config.abort_of(seq);
            self.deadline.set(sent + aborts.map_or(config.timeout, |abort| abort.after));
            let request = config.template.stamp(seq);
            let response = match connection.send(request, &mut self.deadline).await {
                Ok(response) => response,
                Err(Unanswered::Unsent) => {
                    self.ended(&connection);
                    continue;
                }
                Err(Unanswered::Failed(failure)) => {
                    let failure = failure.or_aborted(aborts.is_some());
                    self.broken(&failure);
                    return Exchange::unanswered(sent, failure);
                }
            };
            let (parts, body) = response.into_parts();
            let status = parts.status.as_u16();
            let mut size = 0;
            let end = connection.drain(body, &mut size, &mut self.deadline).await;
            let end = end.map_err(|failure| failure.or_aborted(aborts.is_some()));
            match &end {
                Ok(()) => self.put_back(connection, config.requests_per_connection),
                Err(failure) => self.broken(failure),
            }
            let head = Some(Head { status, headers: parts.headers });
            return Exchange::ended(sent, head, size, end, config);
        }
    }

    /// The connection whose turn it is, if it is open.
    fn take_ready(&mut self) -> Option<Box<Connection>> {
        let mut connection = self.slots.get_mut(self.next)?.take()?;
        if connection.is_ready() {
            return Some(connection);
        }
        self.ended(&connection);
        None
    }

    fn put_back(&mut self, mut connection: Box<Connection>, most: Option<u64>) {
        connection.carried += 1;
        if most.is_some_and(|most| connection.carried >= most) {
            return self.turn();
        }
        if let Some(slot) = self.slots.get_mut(self.next) {
            *slot = Some(connection);
            self.turn();
        }
    }

    fn turn(&mut self) {
        self.next = (self.next + 1) % self.slots.len().max(1);
    }

    /// Counts an idle connection that is no more.
    fn ended(&self, connection: &Connection) {
        let mut tally = self.thread.tally.borrow_mut();
        match connection.end() {
            Some(End::Closed) => tally.connections.closed_by_peer += 1,
            Some(End::Unasked) => tally.connections.unasked_bytes += 1,
            // An early answer left its request half sent: we close.
            None => {}
        }
    }

    /// Counts a connection that failed in use.
    fn broken(&mut self, failure: &Failure) {
        self.turn();
        if failure.kind.is_peer_close() {
            self.thread.tally.borrow_mut().connections.closed_by_peer += 1;
        }
    }
}

/// Opens a connection and counts how it went.
async fn open(thread: &Thread) -> Result<Box<Connection>, Failure> {
    let stream = dial::dial(thread).await?;
    let large = thread.job.config.template.is_large();
    Connection::over(stream, large).await.map(Box::new)
}
