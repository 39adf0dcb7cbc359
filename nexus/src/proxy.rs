//! The life of one request, top to bottom. Start here.

use std::net::IpAddr;
use std::time::Instant;

use crate::attempts::{Attempts, Follow, Watch};
use crate::buffer::Buffer;
use crate::connection::{After, Client};
use crate::exchange::Exchange;
use crate::flow::Flow;
use crate::forward::{self, Answered};
use crate::hedge;
use crate::http1::egress;
use crate::http1::gate::Request;
use crate::known::Known;
use crate::mirror;
use crate::place::{self, Choice};
use crate::pool::Pool;
use crate::pool::sessions::Answer;
use crate::reason::{Fault, Reason};
use crate::record::{Record, Stations};
use crate::respond::own::{self, Refusal};
use crate::respond::{self, End};
use crate::route::{self, Fields, HeadFields, Priority};
use crate::session;
use crate::settings::HttpsRedirect;
use crate::way::{Next, Way};
use crate::worker::{Picked, View};

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
    client.meet(&view, &request, upload.bytes());
    let way = match client.redirect() {
        Some(https) => to_https(https, &request, &upload),
        None => find_way(&view, &request, &upload, client.origin.ip),
    };
    let mut exchange = Exchange::new(client, view, request, upload, way.route);
    let fields =
        HeadFields { bytes: exchange.upload.bytes(), fields: &exchange.request.head.fields };
    exchange.known = Known::of(exchange.client, &exchange.view, fields, began);
    let mut attempts = Attempts::since(began, exchange.client.worker.counting());
    let mut pool = None;
    let (backend, end) = match way.next {
        Next::Ask { pool: asked, target } => {
            pool = Some(asked);
            (exchange.pool, exchange.target) = (asked, target);
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
        note(&exchange, &attempts, (pool, backend.as_ref()), end, began);
    }
    (end.after, exchange.upload.into_rest())
}

/// Sends a request to the same at https; one without a host has nowhere to go.
#[cold]
fn to_https(https: HttpsRedirect, request: &Request, upload: &Flow) -> Way {
    let (host, mut target) = (request.host.of(upload.bytes()), Vec::new());
    egress::origin_form(&mut target, upload.bytes(), request.target);
    let text = String::from_utf8_lossy;
    let location = https.location(&text(host), &text(&target)).into_bytes();
    let next = match host {
        [] => Next::Refuse(Reason::BadHost),
        _ => Next::Redirect { status: HttpsRedirect::STATUS, location },
    };
    Way { next, ..Way::ONLY }
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
    match find_answer(exchange, attempts).await {
        Ok(answered) => {
            attempts.tell_pool(exchange.pool(), answered.outcome().unwrap_or(200));
            mirror::copy(exchange);
            let backend = answered.upstream.backend.clone();
            (Some(backend), respond::relay(exchange, answered).await)
        }
        Err(reason) => {
            let has_hung = reason == Reason::TotalTimeout && attempts.count > 0;
            if reason.facts().fault == Fault::Backend || has_hung {
                attempts.tell_pool(exchange.pool(), reason.facts().status);
            }
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

/// Tries backends until one answers or the policy says that it is enough.
async fn find_answer(
    exchange: &mut Exchange<'_>,
    attempts: &mut Attempts,
) -> Result<Box<Answered>, Reason> {
    let view = View::clone(&exchange.view);
    let pool = &view.pools[exchange.pool];
    let choice = Choice::of(exchange, pool);
    exchange.begin();
    let mut next = None;
    loop {
        let taken = match next.take().or_else(|| place::take(exchange, &choice, &attempts.tried)) {
            Some(taken) => taken,
            // In a box: most requests never wait.
            None => Box::pin(place::wait(exchange, &choice, &attempts.tried))
                .await
                .map_err(|reason| attempts.why_nobody(reason))?,
        };
        let backend = attempts.begin(exchange, pool, &taken);
        let mut fresh = false;
        let wait = loop {
            let watch = Watch::start(pool, &backend, attempts.hand);
            let answer = match pool.hedge_after(exchange.retry()) {
                None => forward::attempt(exchange, &backend, fresh).await,
                Some(after) => {
                    let first = (&backend, fresh, &watch);
                    Box::pin(hedge::attempt(exchange, attempts, &choice, first, after)).await
                }
            };
            match answer {
                Ok(answered) => {
                    watch.answered(pool, &backend, &answered);
                    next = attempts.leave(exchange, &choice, &answered);
                    if next.is_some() {
                        break exchange.retry().backoff_max(attempts.count);
                    }
                    keep_session(exchange, pool, &choice, &answered);
                    attempts.hold(taken);
                    exchange
                        .known
                        .record(|recording| recording.answered(answered.response.head.status));
                    return Ok(answered);
                }
                Err(failure) => {
                    watch.failed(pool, &backend, failure);
                    match attempts.follow(exchange, pool, (&backend, failure)) {
                        Follow::Fresh => fresh = true,
                        Follow::Elsewhere(wait) => break wait,
                        Follow::Enough => return Err(failure.reason),
                    }
                }
            }
        };
        drop(taken);
        attempts.tried.push(backend.place());
        if !wait.is_zero() {
            Box::pin(place::back_off(exchange, wait)).await?;
        }
    }
}

/// Keeps the session of a request with the backend that has answered it.
fn keep_session(exchange: &mut Exchange<'_>, pool: &Pool, choice: &Choice, answered: &Answered) {
    let Some(sessions) = &pool.sessions else { return };
    let (bytes, fields) = (answered.download.bytes(), &answered.response.head.fields);
    let is_set_cookie = |label: &[u8]| label.eq_ignore_ascii_case(b"set-cookie");
    let set = fields.iter().filter(|field| is_set_cookie(field.label.of(bytes)));
    let set_cookies = set.map(|field| field.value.of(bytes)).collect();
    let backend = &answered.upstream.backend;
    let answer = Answer { place: backend.place(), backend, set_cookies };
    exchange.cookie = sessions.keep(&choice.session, pool.backends(), answer, session::now());
}

/// Tells the worker what there is to know of a request that is over.
fn note(
    exchange: &Exchange<'_>,
    attempts: &Attempts,
    (pool, backend): (Option<usize>, Option<&Picked>),
    end: End,
    began: Instant,
) {
    let (client, bytes) = (&exchange.client, exchange.upload.bytes());
    let head = &exchange.request.head;
    let record = Record {
        client: client.origin.ip,
        protocol: client.protocol(head.version),
        is_secured: client.secured.is_some(),
        method: head.method.of(bytes),
        target: head.target.of(bytes),
        host: exchange.request.host.of(bytes),
        fields: HeadFields { bytes, fields: &head.fields },
        status: end.status,
        backend: backend.map(|backend| &*backend.name),
        failed: &attempts.failed,
        attempts: attempts.count,
        duration: began.elapsed(),
        bytes_in: exchange.upload.body_bytes,
        bytes_out: end.bytes_out,
        reason: end.reason,
        why_not: attempts.why_not,
        request_id: exchange.known.id.as_deref(),
        trace_id: exchange.known.trace.map(|trace| trace.own.trace),
    };
    let (view, route) = (&exchange.view, exchange.route);
    let stations = Stations { door: &client.door, view, route, pool, backend };
    client.worker.note(&record, stations);
    exchange.known.finish(client, &record, &stations);
}
