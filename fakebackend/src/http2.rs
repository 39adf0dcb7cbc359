//! Serves an HTTP/2 connection: meets each request, has its fate decided, and starts what does that.
//!
//! Who decides? The same as for HTTP/1, by the same rules. Requests are met in the connection's own
//! task, one after the other, and answered in a task each; what they want of the connection (its
//! end, mostly) they ask for.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::Request;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::behaviour::{self, Act, Facts};
use crate::connections::{End, Lease};
use crate::fault::{Code, Fault};
use crate::journal::Writer;
use crate::opening::Visitor;
use crate::request::{MAX_HEAD_BYTES, number};
use crate::rules::{Rules, Shared};
use crate::socket::Replay;
use crate::stats::Stats;
use crate::stream::Stream;

use exchange::Exchange;

mod answer;
mod echo;
mod exchange;
mod grpc;
mod send;
mod wrong;

/// What a client may send of bodies before we have read them: on one stream, on all of a connection.
const WINDOW_BYTES: u32 = 1 << 20;
const WINDOW_ALL_BYTES: u32 = 16 << 20;
/// What requests may ask of their connection before it hears of the first.
const QUEUE: usize = 16;

/// What a request asks of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// To take no more; with a code, to end at once.
    GoAway(Option<Code>),
    /// To be closed, or reset, without a word.
    End(End),
}

type Wire<'a> = Replay<&'a mut Stream>;

/// Serves a connection to its end.
pub(crate) async fn serve(
    stream: Wire<'_>,
    lease: &Lease,
    shared: &Arc<Shared>,
    visitor: Visitor,
) -> End {
    let mut builder = Builder::new();
    builder
        .initial_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_ALL_BYTES)
        .max_header_list_size(MAX_HEAD_BYTES as u32)
        .max_concurrent_streams(shared.entrance.streams_max);
    let mut connection = match lease.unless_finishing(builder.handshake(stream)).await {
        Some(Ok(connection)) => connection,
        Some(Err(_)) => {
            shared.stats.refused();
            return End::Close;
        }
        // Agreed on over TLS, and never begun.
        None => return End::Close,
    };
    shared.stats.http2_connection();
    let (endings, mut asked) = mpsc::channel(QUEUE);
    let mut session = Session {
        lease,
        shared,
        visitor: Arc::new(visitor),
        journal: Writer::default(),
        met: 0,
        finishing: watch::Sender::new(false),
        endings,
        exchanges: JoinSet::new(),
    };
    loop {
        let poll = |cx: &mut Context<'_>| session.poll(cx, &mut connection, &mut asked);
        match std::future::poll_fn(poll).await {
            Event::Met(request, respond) => session.meet(*request, respond),
            Event::Asked(Ending::GoAway(None)) => connection.graceful_shutdown(),
            Event::Asked(Ending::GoAway(Some(Code(code)))) => {
                connection.abrupt_shutdown(Reason::from(code));
            }
            Event::Asked(Ending::End(end)) => {
                flush(&mut connection).await;
                return end;
            }
            Event::Over => return End::Close,
        }
    }
}

/// Writes what was answered before, as far as it can be written at once.
async fn flush(connection: &mut Connection<Wire<'_>, Bytes>) {
    std::future::poll_fn(|cx| {
        let _ = connection.poll_closed(cx);
        Poll::Ready(())
    })
    .await;
}

enum Event {
    Met(Box<Request<RecvStream>>, SendResponse<Bytes>),
    Asked(Ending),
    /// The connection has ended.
    Over,
}

struct Session<'a> {
    lease: &'a Lease,
    shared: &'a Arc<Shared>,
    visitor: Arc<Visitor>,
    journal: Writer,
    /// Requests met so far.
    met: u64,
    /// Becomes true once the connection is to finish.
    finishing: watch::Sender<bool>,
    endings: mpsc::Sender<Ending>,
    exchanges: JoinSet<()>,
}

impl Session<'_> {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut Connection<Wire<'_>, Bytes>,
        asked: &mut mpsc::Receiver<Ending>,
    ) -> Poll<Event> {
        while let Poll::Ready(Some(_)) = self.exchanges.poll_join_next(cx) {}
        if let Poll::Ready(Some(ending)) = asked.poll_recv(cx) {
            return Poll::Ready(Event::Asked(ending));
        }
        if self.lease.is_finishing() && !self.finishing.send_replace(true) {
            connection.graceful_shutdown();
        }
        connection.poll_accept(cx).map(|accepted| match accepted {
            Some(Ok((request, respond))) => Event::Met(Box::new(request), respond),
            Some(Err(_)) | None => Event::Over,
        })
    }

    /// Notes a request, decides what it gets, and starts that.
    fn meet(&mut self, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        let rules = self.shared.rules.load_full();
        let (head, body) = request.into_parts();
        let is_check = |rule: &crate::health::HealthRule| rule.is_for(head.uri.path().as_bytes());
        if rules.health.as_ref().is_some_and(is_check) || grpc::is_check(&head) {
            self.shared.stats.health_checked();
            let exchange = self.exchange(rules, head, body, respond);
            self.exchanges.spawn(exchange.health());
            return;
        }
        let under_way = Stats::begin(Arc::clone(&self.shared.stats));
        self.shared.stats.http2_request();
        let seq = head.headers.get("x-loadtest-seq").and_then(|seq| number(seq.as_bytes()));
        let facts = self.note(seq, &head);
        let plan = behaviour::decide(&rules, facts, |place| rules.faults[place].claim());
        if plan.act == Act::Fault(Fault::RefuseStream) {
            self.shared.stats.faulted(Fault::RefuseStream);
            if let Some(seq) = seq {
                self.journal.refused(seq);
            }
            return respond.send_reset(Reason::REFUSED_STREAM);
        }
        let exchange = self.exchange(rules, head, body, respond);
        self.exchanges.spawn(async move {
            let _under_way = under_way;
            exchange.go(plan).await;
        });
    }

    /// Notes a request in the journal, and tells what its fate depends on.
    fn note(&mut self, seq: Option<u64>, head: &http::request::Parts) -> Facts {
        let (key, times_seen) = match seq {
            Some(seq) => {
                let run = head.headers.get("x-loadtest-run").map_or(&b""[..], |run| run.as_bytes());
                (seq, self.journal.note(&self.shared.journal, run, seq))
            }
            None => ((self.lease.number << 32) + self.met, 0),
        };
        if let Some(client) = &self.visitor.client {
            client.asked();
        }
        let answered = self.met;
        self.met += 1;
        Facts { key, times_seen, answered, is_http2: true }
    }

    fn exchange(
        &self,
        rules: Arc<Rules>,
        head: http::request::Parts,
        body: RecvStream,
        respond: SendResponse<Bytes>,
    ) -> Exchange {
        Exchange {
            shared: Arc::clone(self.shared),
            visitor: Arc::clone(&self.visitor),
            rules,
            head,
            body,
            respond,
            endings: self.endings.clone(),
            finishing: self.finishing.subscribe(),
        }
    }
}
