//! What one worker does: draws a ticket, waits until it is due, sends, and hands in what came of it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore};

use crate::client::{Client, Exchange, Trunk};
use crate::config::Progress;
use crate::events::Lines;
use crate::outcome::Failure;
use crate::plan::{self, LATE_AFTER, Start};
use crate::run::{Job, Phase};
use crate::tally::{Latency, Sample, Tally};

/// In a closed loop a worker rests so long after it could not connect: without a rest a target that
/// refuses would be asked a hundred thousand times a second.
const REST: Duration = Duration::from_millis(10);

/// Connections that a thread opens at the same time ahead of the run: fewer than a listener's
/// backlog holds.
const OPENING_MAX: usize = 64;

/// What the workers of one thread share. It never leaves the thread.
pub(crate) struct Thread {
    pub(crate) job: Arc<Job>,
    pub(crate) tally: RefCell<Tally>,
    /// Set once no more requests are to be started.
    pub(crate) stopping: Cell<bool>,
    pub(crate) in_flight: Cell<usize>,
    /// Told when the last request under way ends while stopping.
    pub(crate) landed: Notify,
    /// Latencies since they were last laid out, if anybody looks.
    recent: Option<RefCell<Latency>>,
    lines: RefCell<Lines>,
    opening: Semaphore,
}

impl Thread {
    pub(crate) fn new(job: Arc<Job>) -> Self {
        let watched = job.config.progress != Progress::Silent;
        Self {
            job,
            tally: RefCell::new(Tally::new()),
            recent: watched.then(|| RefCell::new(Latency::coarse())),
            lines: RefCell::default(),
            stopping: Cell::new(false),
            in_flight: Cell::new(0),
            landed: Notify::new(),
            opening: Semaphore::new(OPENING_MAX),
        }
    }

    /// The HTTP/2 connections of so many workers; none for HTTP/1.
    pub(crate) fn trunks(self: &Rc<Self>, workers: usize) -> Vec<Rc<Trunk>> {
        let Some(streams) = self.job.config.streams else { return Vec::new() };
        (0..workers.div_ceil(streams)).map(|_| Trunk::new(self)).collect()
    }

    /// Lays out how far this thread is.
    pub(crate) fn publish(&self, index: usize) {
        if let Some(recent) = &self.recent {
            self.job.live[index].publish(&self.tally.borrow(), &mut recent.borrow_mut());
        }
    }

    /// Hands in what was measured.
    pub(crate) fn hand_in(&self) -> Tally {
        if let Some(events) = &self.job.events {
            events.write(&mut self.lines.borrow_mut());
        }
        let mut tally = self.tally.replace(Tally::new());
        tally.cpu = self.job.measured().cpu();
        tally
    }

    fn record(&self, sample: &Sample<'_>) {
        self.tally.borrow_mut().record(sample);
        if let Some(recent) = &self.recent
            && sample.failure.is_none()
        {
            recent.borrow_mut().record(sample.response);
        }
        if let Some(events) = &self.job.events {
            events.record(&mut self.lines.borrow_mut(), sample);
        }
    }
}

/// A number, and when it was to be sent; times count from the start of the phase.
#[derive(Clone, Copy, Debug)]
struct Ticket {
    seq: u64,
    due: Option<Duration>,
    claimed: Duration,
    started: Duration,
}

/// Works through the phases of the run, each begun by all workers together.
pub(crate) async fn work(thread: Rc<Thread>, trunk: Option<Rc<Trunk>>) {
    let mut client = Client::new(Rc::clone(&thread), trunk);
    if let Ok(permit) = thread.opening.acquire().await {
        if client.open_all().await {
            drop(permit);
        } else {
            // The others need not wait for as many timeouts to find out the same.
            thread.opening.close();
        }
    }
    for phase in &thread.job.phases {
        thread.job.barrier.wait().await;
        let start = phase.begin();
        run_phase(&thread, &mut client, phase, start).await;
        if thread.stopping.get() {
            return;
        }
    }
}

async fn run_phase(thread: &Thread, client: &mut Client, phase: &Phase, start: Instant) {
    while !thread.stopping.get() {
        let seq = phase.draw();
        let claimed = start.elapsed();
        let due = phase.plan.due(seq);
        let started = match phase.plan.start(seq, claimed) {
            Start::Never => break,
            Start::Now => claimed,
            Start::At(due) => {
                client.idle_until(start + due).await;
                start.elapsed()
            }
        };
        let ticket = Ticket { seq, due, claimed, started };
        let refused = send(thread, client, phase, start, ticket).await;
        let rest = match phase.plan.pause() {
            pause if pause.is_zero() && refused && phase.plan.is_closed() => REST,
            pause => pause,
        };
        if !rest.is_zero() {
            client.idle_until(Instant::now() + rest).await;
        }
    }
}

/// Sends one request; returns whether it could not connect.
async fn send(
    thread: &Thread,
    client: &mut Client,
    phase: &Phase,
    start: Instant,
    ticket: Ticket,
) -> bool {
    let mut flight = Flight::begin(thread, phase.measured, start, ticket);
    let seq = phase.measured.then_some(ticket.seq);
    let exchange = client.exchange(seq, start + ticket.started).await;
    flight.land(&exchange);
    exchange.failure.is_some_and(|failure| failure.kind.is_connect())
}

/// A request under way: counted while it is, and recorded even if its worker is stopped meanwhile.
struct Flight<'a> {
    thread: &'a Thread,
    measured: bool,
    start: Instant,
    ticket: Ticket,
    landed: bool,
}

impl<'a> Flight<'a> {
    fn begin(thread: &'a Thread, measured: bool, start: Instant, ticket: Ticket) -> Self {
        thread.in_flight.set(thread.in_flight.get() + 1);
        Self { thread, measured, start, ticket, landed: false }
    }

    fn land(&mut self, exchange: &Exchange) {
        self.landed = true;
        if !self.measured {
            return;
        }
        let Ticket { seq, due, claimed, started } = self.ticket;
        let ended = self.start.elapsed();
        let sent = exchange.sent.map_or(started, |sent| sent.duration_since(self.start));
        let header = |name| {
            let head = exchange.head.as_ref()?;
            head.headers.get(name).map(hyper::header::HeaderValue::as_bytes)
        };
        if let Some(due) = due {
            let mut tally = self.thread.tally.borrow_mut();
            match claimed.checked_sub(due) {
                Some(lag) if lag > LATE_AFTER => tally.started_late(lag),
                Some(_) => {}
                None => tally.timer_lag.record(started - due),
            }
        }
        self.thread.record(&Sample {
            seq,
            ended,
            response: ended.saturating_sub(plan::intended(due, claimed, started)),
            service: ended.saturating_sub(sent),
            status: exchange.head.as_ref().map(|head| head.status),
            backend: header(&self.thread.job.config.backend_header),
            // Only answers that report a failure have it.
            reason: exchange.failure.as_ref().and_then(|_| header(&self.thread.job.reason_header)),
            body: exchange.body,
            failure: exchange.failure.as_ref(),
        });
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        if !self.landed {
            self.land(&Exchange {
                sent: None,
                head: None,
                body: 0,
                failure: Some(Failure::interrupted()),
            });
        }
        let left = self.thread.in_flight.get() - 1;
        self.thread.in_flight.set(left);
        if left == 0 && self.thread.stopping.get() {
            self.thread.landed.notify_one();
        }
    }
}
