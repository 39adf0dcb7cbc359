//! Serves an HTTP/1 connection: reads each request, has its fate decided, and does that.
//!
//! A healthy request costs one read and one write; what it is answered with was made before.
//! Deliberately absent: timeouts. Whoever is tested against this backend is to have its own.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Cache};
use tokio::sync::SemaphorePermit;

use crate::behaviour::{self, Act, Facts};
use crate::connections::{End, Lease};
use crate::drip;
use crate::echo;
use crate::health::{self, Health};
use crate::input::{Input, Wait};
use crate::journal::Writer;
use crate::link::Link;
use crate::opening::Visitor;
use crate::request::{self, MAX_HEAD_BYTES, Persist, Refusal, Request, Span, Wish};
use crate::rules::{Rules, Shared};
use crate::send;
use crate::slots::Slots;
use crate::stats::Stats;
use crate::stream::Stream;
use crate::websocket;

mod wrong;

/// Serves the requests of a connection, the first of which may be in the input already.
pub(crate) async fn requests(
    (stream, input): (&mut Stream, Input),
    lease: &Lease,
    shared: &Shared,
    visitor: &Visitor,
) -> End {
    let mut session = Session {
        link: Link { stream, input, lease, trailers: Vec::new() },
        visitor,
        shared,
        rules: Cache::new(&shared.rules),
        journal: Writer::default(),
        answered: 0,
    };
    let refusal = loop {
        match session.next_head().await {
            Ok(Some(Ok(request))) => match session.one(request).await {
                Ok(None) => {}
                Ok(Some(end)) => return end,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    break Refusal::BadRequest;
                }
                Err(_) => return End::Close,
            },
            Ok(Some(Err(refusal))) => break refusal,
            Ok(None) | Err(_) => return End::Close,
        }
    };
    shared.stats.refused();
    let _ = session.link.send(refusal.answer()).await;
    End::Close
}

struct Session<'a> {
    link: Link<'a>,
    visitor: &'a Visitor,
    shared: &'a Shared,
    rules: Cache<&'a ArcSwap<Rules>, Arc<Rules>>,
    journal: Writer,
    answered: u64,
}

impl Session<'_> {
    /// Reads up to the end of the next request head; none if none comes.
    async fn next_head(&mut self) -> io::Result<Option<Result<Request, Refusal>>> {
        let input = &mut self.link.input;
        loop {
            if !input.is_empty() {
                match request::parse(input.filled()) {
                    Ok(Some(request)) => return Ok(Some(Ok(request))),
                    Ok(None) => {}
                    Err(refusal) => return Ok(Some(Err(refusal))),
                }
            }
            debug_assert!(input.filled().len() < MAX_HEAD_BYTES);
            let wait = if input.is_empty() { Wait::UntilFinishing } else { Wait::Always };
            if !input.fill(self.link.stream, self.link.lease, wait).await? {
                return Ok(None);
            }
        }
    }

    /// Serves the request whose head is at the front of the input; tells how the connection ends, if it does.
    async fn one(&mut self, request: Request) -> io::Result<Option<End>> {
        let health = self.rules.load().health.as_ref();
        let path = request.path.of(self.link.input.filled());
        if let Some(health) = health.filter(|rule| rule.is_for(path)) {
            let says = health.says;
            return self.health(&request, says).await;
        }
        let _under_way = Stats::begin(&*self.shared.stats);
        let facts = self.note(&request);
        let rules = self.rules.load();
        let plan = behaviour::decide(rules, facts, |place| rules.faults[place].claim());
        let slots = rules.slots.clone();
        let _slot = match &slots {
            None => None,
            Some(slots) => match slot(&mut self.link, slots).await? {
                Slot::Mine(slot) => Some(slot),
                Slot::Left => return Ok(Some(End::Close)),
                Slot::Full => {
                    self.answered += 1;
                    let stats = &self.shared.stats;
                    return turn_away(&mut self.link, stats, rules, &request).await;
                }
            },
        };
        match plan.act {
            Act::Fault(fault) => {
                self.shared.stats.faulted(fault);
                self.link.input.consume(request.head_bytes);
                wait(plan.after).await;
                let stats = &self.shared.stats;
                let end = wrong::go(&mut self.link, stats, rules, &request, fault).await?;
                self.answered += 1;
                Ok(end)
            }
            Act::Answer(place) => {
                let stats = &self.shared.stats;
                if let Wish::Socket(key) = request.wish {
                    return socket(&mut self.link, stats, &request, key, plan.after).await;
                }
                let how = How { rules, place, after: plan.after, visitor: self.visitor };
                let persist = answer(&mut self.link, stats, &request, how).await?;
                self.answered += 1;
                Ok((persist == Persist::Close).then_some(End::Close))
            }
        }
    }

    /// Answers a health check, which is no request that is counted, or that a fault befalls.
    async fn health(&mut self, request: &Request, says: Health) -> io::Result<Option<End>> {
        self.shared.stats.health_checked();
        let says = if self.rules.load().is_silent() { Health::Hang } else { says };
        let persist = health::answer(&mut self.link, request, says).await?;
        Ok((persist == Persist::Close).then_some(End::Close))
    }

    /// Notes a request in the journal, and tells what its fate depends on.
    fn note(&mut self, request: &Request) -> Facts {
        let head = self.link.input.filled();
        let (key, times_seen) = match request.seq {
            Some(seq) => (seq, self.journal.note(&self.shared.journal, request.run.of(head), seq)),
            None => ((self.link.lease.number << 32) + self.answered, 0),
        };
        if let Some(client) = &self.visitor.client {
            client.asked();
        }
        Facts { key, times_seen, answered: self.answered, is_http2: false }
    }
}

/// What came of the wait for a slot.
enum Slot<'s> {
    Mine(SemaphorePermit<'s>),
    /// Too many wait.
    Full,
    /// The client did not wait.
    Left,
}

async fn slot<'s>(link: &mut Link<'_>, slots: &'s Slots) -> io::Result<Slot<'s>> {
    tokio::select! {
        biased;
        entered = slots.enter() => Ok(entered.map_or(Slot::Full, Slot::Mine)),
        left = link.left() => left.map(|()| Slot::Left),
    }
}

/// Answers a request for which there is no room.
async fn turn_away(
    link: &mut Link<'_>,
    stats: &Stats,
    rules: &Rules,
    request: &Request,
) -> io::Result<Option<End>> {
    link.input.consume(request.head_bytes);
    link.discard_body(request).await?;
    let persist = if link.lease.is_finishing() { Persist::Close } else { request.persist };
    stats.answered(503);
    let answer = rules.shape.answer(503);
    let cut = request.is_head.then(|| answer.cut(persist, 0));
    send::wire(link.stream, cut.unwrap_or_else(|| answer.whole(persist))).await?;
    Ok((persist == Persist::Close).then_some(End::Close))
}

/// Opens a WebSocket and serves it to its end.
async fn socket(
    link: &mut Link<'_>,
    stats: &Stats,
    request: &Request,
    key: Span,
    after: Duration,
) -> io::Result<Option<End>> {
    let key = key.of(link.input.filled()).to_vec();
    link.input.consume(request.head_bytes);
    wait(after).await;
    stats.answered(101);
    websocket::serve(link, &key).await.map(|()| Some(End::Close))
}

/// What a request is answered by.
#[derive(Clone, Copy)]
struct How<'a> {
    rules: &'a Rules,
    /// The place of its status.
    place: usize,
    after: Duration,
    visitor: &'a Visitor,
}

/// Answers the request whose head is at the front of the input.
async fn answer(
    link: &mut Link<'_>,
    stats: &Stats,
    request: &Request,
    how: How<'_>,
) -> io::Result<Persist> {
    let How { rules, place, after, visitor } = how;
    let answer = &rules.answers[place];
    let has_no_body = matches!(answer.status, 204 | 304);
    let wish = if has_no_body { Wish::Plain } else { request.wish };
    if wish != Wish::Echo {
        link.input.consume(request.head_bytes);
        link.discard_body(request).await?;
    }
    if let Some(early) = rules.shape.early().filter(|_| request.is_http11) {
        link.send(early.as_bytes()).await?;
    }
    wait(after).await;
    // Asked only now: whoever began to wait before the stop is told as well.
    let persist = if link.lease.is_finishing() { Persist::Close } else { request.persist };
    // Counted before it is sent, so that whoever has the answer finds it counted.
    stats.answered(answer.status);
    match wish {
        Wish::Echo => {
            echo::answer(link, (&rules.shape, answer.status), request, persist, visitor).await?;
        }
        Wish::Drip(drip) => {
            drip::answer(link, (&rules.shape, answer.status), drip, request, persist).await?;
        }
        Wish::Plain | Wish::Socket(_) => {
            let cut = request.is_head.then(|| answer.cut(persist, 0));
            send::wire(link.stream, cut.unwrap_or_else(|| answer.whole(persist))).await?;
        }
    }
    Ok(persist)
}

async fn wait(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}
