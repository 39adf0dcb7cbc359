//! The life of one request, top to bottom. Start here.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::backend::{Backend, now_ms};
use crate::buffer::Buffer;
use crate::connection::{After, Client};
use crate::ejection::Rules;
use crate::exchange::Exchange;
use crate::flow::Flow;
use crate::forward::{self, Answered};
use crate::http1::gate::Request;
use crate::log::{Failed, Record};
use crate::mirror;
use crate::picker::Place;
use crate::place::{self, Choice};
use crate::pool::Pool;
use crate::pool::admission::Admitted;
use crate::pool::sessions::Answer;
use crate::reason::{Fault, Reason};
use crate::respond::own::{self, Refusal};
use crate::respond::{self, End};
use crate::retry::{self, Again, Failure, Policy, Progress, WhyNot};
use crate::route::{self, Fields, HeadFields, Priority};
use crate::session;
use crate::way::{Next, Way};
use crate::worker::{Picked, Taken, View};

/// Answers one request. It cannot fail: what goes wrong becomes an answer.
///
/// Returns what becomes of the connection, and what the client sent behind the request.
pub async fn serve(
    client: &mut Client,
    request: Request,
    upload: Flow,
    began: Option<Instant>,
) -> (After, Option<(Buffer, usize)>) {
    let view = client.worker.view(); // One view, from here to the last byte.
    let way = find_way(&view, &request, &upload, client.ip);
    let mut exchange = Exchange::new(client, view, request, upload, way.route);
    let mut attempts = Attempts { began, ..Attempts::default() };
    let (backend, end) = match way.next {
        Next::Ask { pool, target } => {
            (exchange.pool, exchange.target) = (pool, target);
            ask(&mut exchange, &mut attempts).await
        }
        Next::Redirect { status, location } => {
            (None, own::redirect(&mut exchange, status, &location).await)
        }
        Next::Respond => (None, own::fixed(&mut exchange).await),
        Next::Refuse(reason) => (None, own::refuse(&mut exchange, reason.into()).await),
        Next::Wait(seconds) => (None, own::refuse(&mut exchange, Refusal::wait(seconds)).await),
    };
    if let Some(began) = began {
        let name = backend.as_ref().map(|backend| &*backend.name);
        write_log(&exchange, &attempts, name, end, began);
    }
    (end.after, exchange.upload.into_rest())
}

/// Finds out where a request goes.
fn find_way(view: &View, request: &Request, upload: &Flow, client: IpAddr) -> Way {
    let Some(table) = &view.settings.routes else { return Way::ONLY };
    let fields = HeadFields { bytes: upload.bytes(), fields: &request.head.fields };
    let facts = route::Facts::of(request, &fields, client);
    let mut way = Way::find(table, request, &facts, upload.body_bytes, || fastrand::u64(..));
    if let Some(Err(seconds)) = view.limiter(way.route).map(|limiter| limiter.take(&facts)) {
        way.next = Next::Wait(seconds);
    }
    way
}

/// Asks backends for the answer and passes it on, or says why there is none.
async fn ask(exchange: &mut Exchange<'_>, attempts: &mut Attempts) -> (Option<Picked>, End) {
    match exchange.pool().admit(|| priority(exchange)) {
        Ok(admitted) => attempts.admitted = admitted,
        Err(refused) => return (None, own::refuse(exchange, refused.into()).await),
    }
    let answer = find_answer(exchange, attempts).await;
    attempts.tell_pool(exchange.pool(), &answer);
    match answer {
        Ok(answered) => {
            mirror::copy(exchange);
            let backend = answered.upstream.backend.clone();
            (Some(backend), respond::relay(exchange, answered).await)
        }
        Err(reason) => {
            let refusal = Refusal { attempts: attempts.count, ..reason.into() };
            (None, own::refuse(exchange, refusal).await)
        }
    }
}

/// Says how much a request matters: by its route, or else by its own word if the pool hears it.
#[cold]
fn priority(exchange: &Exchange<'_>) -> Priority {
    let by_route = exchange.modifiers().and_then(|modifiers| modifiers.priority);
    let said = || {
        let shedding = exchange.pool().settings.shedding.as_ref()?;
        let name = shedding.priority_header.as_ref()?;
        let (bytes, fields) = (exchange.upload.bytes(), &exchange.request.head.fields);
        Priority::called(HeadFields { bytes, fields }.first(name.as_bytes())?)
    };
    by_route.or_else(said).unwrap_or_default()
}

/// What was tried so far.
#[derive(Default)]
struct Attempts {
    count: u32,
    tried: Vec<Place>,
    failed: Vec<Failed>,
    why_not: Option<WhyNot>,
    /// When the last of them began, if the log wants to know.
    began: Option<Instant>,
    /// The place at the backend that answers, until its answer has passed.
    taken: Option<Taken>,
    /// Its place in the pool as a whole, if the pool counts.
    admitted: Option<Admitted>,
}

/// Tries backends until one answers or the policy says that it is enough.
async fn find_answer(
    exchange: &mut Exchange<'_>,
    attempts: &mut Attempts,
) -> Result<Answered, Reason> {
    let view = View::clone(&exchange.view);
    let pool = &view.pools[exchange.pool];
    let choice = Choice::of(exchange, pool);
    exchange.begin();
    let mut next = None;
    loop {
        let taken = next.take().or_else(|| place::take(exchange, &choice, &attempts.tried));
        let taken = match taken {
            Some(taken) => taken,
            // In a box: most requests never wait.
            None => match Box::pin(place::wait(exchange, &choice, &attempts.tried)).await {
                Ok(taken) => taken,
                Err(reason) => return Err(attempts.why_nobody(reason)),
            },
        };
        let (backend, place) = (taken.picked().clone(), taken.picked().place());
        attempts.count += 1;
        exchange.per_try = attempts.per_try(exchange, pool, place);
        let mut fresh = false;
        let wait = loop {
            let watch = Watch::start(pool);
            let failure = match forward::attempt(exchange, &backend, fresh).await {
                Ok(answered) => {
                    let status = answered.response.head.status;
                    watch.answered(&backend, status);
                    if exchange.retry().statuses.has(status) {
                        next = attempts.leave(exchange, &choice, &answered);
                    }
                    if next.is_some() {
                        break exchange.retry().backoff_max(attempts.count);
                    }
                    if pool.sessions.is_some() {
                        keep_session(exchange, pool, &choice, (place, &answered));
                    }
                    attempts.taken = Some(taken);
                    return Ok(answered);
                }
                Err(failure) => failure,
            };
            if failure.reason.facts().fault == Fault::Backend {
                watch.failed(&backend, failure);
            }
            match attempts.follow(exchange, pool, (&backend, failure)) {
                Again::Fresh => fresh = true,
                // One that was not sent has hurt nobody: it need not wait.
                Again::Elsewhere if failure.is_unsent() => break Duration::ZERO,
                Again::Elsewhere => break exchange.retry().backoff_max(attempts.count),
                Again::No(why) => {
                    attempts.why_not = Some(why);
                    return Err(failure.reason);
                }
            }
        };
        attempts.tried.push(place);
        if !wait.is_zero() {
            Box::pin(place::back_off(exchange, wait)).await?;
        }
    }
}

impl Attempts {
    /// Says why there is no answer if nobody is left to ask: why the last one failed says more.
    fn why_nobody(&self, reason: Reason) -> Reason {
        let last = self.failed.last().map(|failed| failed.reason);
        last.filter(|_| reason.is_nobody()).unwrap_or(reason)
    }

    /// Returns the limit of the attempt at `place`, if another could follow it.
    fn per_try(&self, exchange: &Exchange<'_>, pool: &Pool, place: Place) -> Option<Duration> {
        let policy = exchange.retry();
        let per_try = policy.per_try?;
        let is_last = self.count >= policy.attempts_max || !exchange.request.is_idempotent;
        let tried = || [&self.tried[..], &[place]].concat();
        (!is_last && pool.has_left(&tried()) && pool.has_retry(policy.budget)).then_some(per_try)
    }

    /// Draws the consequences of a failure: writes it down and says what comes next.
    fn follow(
        &mut self,
        exchange: &Exchange<'_>,
        pool: &Pool,
        (backend, failure): (&Picked, Failure),
    ) -> Again {
        if failure.reason.is_connection_error() {
            exchange.client.worker.idle.borrow_mut().close(backend);
        }
        self.note(backend, failure);
        let policy = exchange.retry();
        let again = retry::decide(policy, failure, self.facts(exchange));
        match again {
            Again::Elsewhere => match self.why_not_again(pool, policy, failure) {
                Some(why) => Again::No(why),
                None => again,
            },
            again => again,
        }
    }

    /// Takes a retry out of what the pool has of them, or says why there is none.
    fn why_not_again(&self, pool: &Pool, policy: &Policy, failure: Failure) -> Option<WhyNot> {
        let breaker = pool.settings.breaker.as_ref();
        match &self.admitted {
            Some(admitted) if !admitted.may_retry(breaker) => Some(WhyNot::TooManyRetries),
            // An attempt of which nothing was sent has cost nobody anything.
            _ if failure.is_unsent() || pool.take_retry(policy.budget) => None,
            _ => Some(WhyNot::BudgetUsedUp),
        }
    }

    /// Tells the pool what has come of the request, if it counts that.
    fn tell_pool(&self, pool: &Pool, answer: &Result<Answered, Reason>) {
        let Some(admitted) = &self.admitted else { return };
        let status = match answer {
            Ok(answered) => answered.response.head.status,
            Err(reason) if reason.facts().fault == Fault::Backend => AS_BAD_AS,
            Err(_) => return,
        };
        admitted.answered(pool.settings.breaker.as_ref(), status);
    }

    /// Takes a place elsewhere, if the policy and the pool have one, instead of an answer with a
    /// status that is retried. Without one the answer is the best that there is.
    #[cold]
    fn leave(
        &mut self,
        exchange: &Exchange<'_>,
        choice: &Choice,
        answered: &Answered,
    ) -> Option<Taken> {
        let (bytes, fields) = (answered.download.bytes(), &answered.response.head.fields);
        let is_retry_after = |label: &[u8]| label.eq_ignore_ascii_case(b"retry-after");
        let after = fields.iter().find(|field| is_retry_after(field.label.of(bytes)));
        let is_put_off = after.is_some_and(|field| field.value.of(bytes) != b"0");
        let (policy, pool, backend) =
            (exchange.retry(), exchange.pool(), &answered.upstream.backend);
        let (reason, progress) = (Reason::RetriedStatus, Progress::Answered);
        let failure = Failure { reason, progress, reused: answered.upstream.reused };
        let facts = retry::Facts { is_put_off, ..self.facts(exchange) };
        let tried = || [&self.tried[..], &[backend.place()]].concat();
        let next = match retry::decide(policy, failure, facts) {
            Again::No(why) => Err(why),
            _ => place::take(exchange, choice, &tried()).ok_or(WhyNot::NobodyElse),
        };
        let next = next.and_then(|next| match self.why_not_again(pool, policy, failure) {
            Some(why) => Err(why),
            None => Ok(next),
        });
        self.why_not = next.as_ref().err().copied().or(self.why_not);
        if next.is_ok() {
            self.note(backend, failure);
        }
        next.ok()
    }

    fn facts(&self, exchange: &Exchange<'_>) -> retry::Facts {
        retry::Facts {
            attempts: self.count,
            is_idempotent: exchange.request.is_idempotent,
            is_replayable: exchange.upload.is_replayable(),
            is_put_off: false,
        }
    }

    fn note(&mut self, backend: &Picked, Failure { reason, progress, .. }: Failure) {
        if reason.facts().fault != Fault::Client {
            let took = self.began.map(|began| began.elapsed()).unwrap_or_default();
            self.failed.push(Failed { backend: Arc::clone(backend), reason, progress, took });
        }
        self.began = self.began.map(|_| Instant::now());
    }
}

/// Keeps the session of a request with the backend that has answered it.
#[cold]
fn keep_session(
    exchange: &mut Exchange<'_>,
    pool: &Pool,
    choice: &Choice,
    (place, answered): (Place, &Answered),
) {
    let Some(sessions) = &pool.sessions else { return };
    let (bytes, fields) = (answered.download.bytes(), &answered.response.head.fields);
    let is_set_cookie = |label: &[u8]| label.eq_ignore_ascii_case(b"set-cookie");
    let set = fields.iter().filter(|field| is_set_cookie(field.label.of(bytes)));
    let set_cookies = set.map(|field| field.value.of(bytes)).collect();
    let backend = &answered.upstream.backend;
    let answer = Answer { place, backend, set_cookies };
    exchange.cookie = sessions.keep(&choice.session, pool.backends(), answer, session::now());
}

/// What a failure counts as where answers are counted.
const AS_BAD_AS: u16 = 502;

/// What an attempt says of its backend, as far as the pool wants to know.
struct Watch<'p> {
    /// When it began, if the algorithm goes by time.
    began: Option<Instant>,
    /// How bad answers eject, if they do.
    rules: Option<&'p Rules>,
    /// Whether connection errors are counted.
    counts_errors: bool,
}

impl<'p> Watch<'p> {
    fn start(pool: &'p Pool) -> Self {
        let rules = pool.settings.ejection.as_ref();
        let is_timed =
            pool.settings.algorithm.times() || rules.is_some_and(|rules| rules.latency > 0);
        Self {
            began: is_timed.then(Instant::now),
            rules,
            counts_errors: pool.settings.probing.request_errors > 1,
        }
    }

    fn answered(self, backend: &Backend, status: u16) {
        let took = self.began.map(|began| began.elapsed());
        if let Some(took) = took {
            backend.latency.observe(took.as_micros() as f32, now_ms());
        }
        if let Some(rules) = self.rules {
            backend.answered(rules, status, took.filter(|_| rules.latency > 0));
        }
        if self.counts_errors {
            backend.forgive();
        }
    }

    /// A failure counts as a slow answer, or whoever fails quickly would look best.
    fn failed(&self, backend: &Backend, failure: Failure) {
        const AS_SLOW_AS: Duration = Duration::from_secs(1);
        if let Some(began) = self.began {
            backend.latency.observe(began.elapsed().max(AS_SLOW_AS).as_micros() as f32, now_ms());
        }
        if let Some(rules) = self.rules.filter(|_| !failure.was_stale()) {
            backend.answered(rules, AS_BAD_AS, None);
        }
    }
}

fn write_log(
    exchange: &Exchange<'_>,
    attempts: &Attempts,
    backend: Option<&str>,
    end: End,
    began: Instant,
) {
    let bytes = exchange.upload.bytes();
    let head = &exchange.request.head;
    exchange.client.worker.write_log(&Record {
        client: exchange.client.ip,
        method: head.method.of(bytes),
        target: head.target.of(bytes),
        status: end.status,
        backend,
        failed: &attempts.failed,
        attempts: attempts.count,
        duration: began.elapsed(),
        bytes_in: exchange.upload.body_bytes,
        bytes_out: end.bytes_out,
        reason: end.reason,
        why_not: attempts.why_not,
    });
}
