//! Answers that no backend gives: reasons, redirects, fixed answers.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::End;
use crate::connection::{After, Client};
use crate::exchange::Exchange;
use crate::flow::Flow;
use crate::grpc;
use crate::http1::body::Framing;
use crate::http1::egress::{self, Changes, Form, Given, OwnAnswer, Reply};
use crate::http1::gate::Request;
use crate::http1::head::{Version, members};
use crate::known::{self, Known};
use crate::pool::admission::Refused;
use crate::reason::{Fault, Reason};
use crate::record::{Record, Stations};
use crate::route::{Action, Fields, HeadFields, Route};
use crate::worker::View;

/// Why a request has no other answer.
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// How many attempts came before.
    pub attempts: u32,
    /// When it may come again, in seconds; `None` leaves that to the reason.
    pub retry_after: Option<u64>,
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self { reason, attempts: 0, retry_after: None }
    }
}

impl From<Refused> for Refusal {
    fn from(Refused { reason, retry_after }: Refused) -> Self {
        Self { retry_after, ..reason.into() }
    }
}

impl Refusal {
    /// Too many came: it may come again in so many seconds.
    pub fn wait(seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..Reason::RateLimited.into() }
    }
}

/// Answers with a reason instead of a backend's answer.
pub async fn refuse(exchange: &mut Exchange<'_>, refusal: Refusal) -> End {
    let Refusal { reason, attempts, retry_after } = refusal;
    let facts = reason.facts();
    let mut end = End::broken(facts.status, reason, After::Close);
    if matches!(reason, Reason::ClientGone | Reason::ClientStalled) {
        return end;
    }
    let request = &exchange.request;
    let is_harmless = matches!(reason, Reason::NoRoute | Reason::RateLimited);
    let keep_alive = (facts.fault != Fault::Client || is_harmless)
        && may_keep_alive(exchange.client, request, &exchange.upload);
    let mut out = std::mem::take(&mut exchange.interim);
    let form = form(request, exchange.upload.bytes());
    let (to_head, version) = (request.is_head, request.head.version);
    let hsts = exchange.client.hsts();
    let hsts = hsts.as_deref().unwrap_or_default();
    let mark = exchange.known.mark(&exchange.view.settings);
    exchange.client.worker.with_date(|date| {
        let answer = OwnAnswer {
            reason,
            attempts,
            retry_after,
            form,
            to_head,
            version,
            keep_alive,
            hsts,
            mark,
            date,
        };
        egress::own(&mut out, answer);
    });
    end.after = send(exchange.client, &out, keep_alive).await;
    end
}

/// Says whether the connection can go on after an answer that no backend gives.
fn may_keep_alive(client: &Client, request: &Request, upload: &Flow) -> bool {
    request.keep_alive && upload.is_read() && !client.is_draining()
}

/// Writes an answer; returns what follows it.
async fn send(client: &mut Client, out: &[u8], keep_alive: bool) -> After {
    match client.write_all(out).await {
        Ok(()) if keep_alive => After::KeepAlive,
        Ok(()) => After::Linger,
        Err(_) => After::Close,
    }
}

/// Answers with the fixed answer of the request's route.
pub async fn fixed(exchange: &mut Exchange<'_>) -> End {
    let view = Rc::clone(&exchange.view);
    let route =
        view.settings.routes.as_ref().zip(exchange.route).map(|(table, at)| &table.routes()[at]);
    let Some(Route { action: Action::Respond(fixed), modifiers, .. }) = route else {
        unreachable!("only such a route leads here");
    };
    let fields = Some(&modifiers.response_headers);
    let changes = Changes { fields, ..Changes::default() };
    let (status, content_type, body) = (fixed.status, fixed.content_type.as_str(), &fixed.body[..]);
    give(exchange, Given { status, location: None, content_type, body, changes }).await
}

/// Sends the client elsewhere.
pub async fn redirect(exchange: &mut Exchange<'_>, status: u16, location: &[u8]) -> End {
    let view = Rc::clone(&exchange.view);
    let fields = view.modifiers(exchange.route).map(|modifiers| &modifiers.response_headers);
    let changes = Changes { fields, ..Changes::default() };
    let (content_type, body) = ("", &[][..]);
    give(exchange, Given { status, location: Some(location), content_type, body, changes }).await
}

/// Answers with what the configuration says; no backend is asked.
async fn give(exchange: &mut Exchange<'_>, given: Given<'_>) -> End {
    let request = &exchange.request;
    let keep_alive = may_keep_alive(exchange.client, request, &exchange.upload);
    let (version, to_head) = (request.head.version, request.is_head);
    let mut out = Vec::new();
    let hsts = exchange.client.hsts();
    let hsts = hsts.as_deref().unwrap_or_default();
    let mark = exchange.known.mark(&exchange.view.settings);
    let given = Given { changes: Changes { marks: mark.as_slice(), ..given.changes }, ..given };
    exchange.client.worker.with_date(|date| {
        let own = b"X-Forwarded-By: Nexus\r\n";
        let (framing, trailers, changes) = (Framing::None, false, given.changes);
        let reply = Reply { framing, version, keep_alive, trailers, own, hsts, date, changes };
        egress::given(&mut out, given, reply, to_head);
    });
    let bytes_out = if to_head { 0 } else { given.body.len() as u64 };
    let after = send(exchange.client, &out, keep_alive).await;
    End { status: given.status, bytes_out, reason: None, after }
}

/// Says what the client wants an answer of Nexus's own to look like.
fn form(request: &Request, bytes: &[u8]) -> Form {
    let fields = HeadFields { bytes, fields: &request.head.fields };
    if fields.first(b"content-type").is_some_and(grpc::is_it) {
        return Form::Grpc;
    }
    let is_accept = |label: &[u8]| label.eq_ignore_ascii_case(b"accept");
    let fields = request.head.fields.iter().filter(|field| is_accept(field.label.of(bytes)));
    let first = fields.flat_map(|field| members(field.value.of(bytes))).next();
    let kind = first.and_then(|member| member.split(|byte| *byte == b';').next());
    let is_json =
        kind.is_some_and(|kind| kind.trim_ascii().eq_ignore_ascii_case(b"application/json"));
    if is_json { Form::Json } else { Form::Text }
}

/// Answers bytes that are no request that could be forwarded; the connection cannot go on.
pub async fn refuse_unread(client: &mut Client, bytes: &[u8], reason: Reason) -> After {
    refuse_named(client, first_words(bytes), reason).await
}

/// The same for a request whose method and target are known.
pub async fn refuse_named(client: &mut Client, words: (&[u8], &[u8]), reason: Reason) -> After {
    let mut out = Vec::new();
    let view = client.worker.view();
    let known = known_of(client, &view, HeadFields::default());
    let mark = known.mark(&view.settings);
    client.worker.with_date(|date| {
        let version = Version::Http11;
        let answer = OwnAnswer {
            reason,
            attempts: 0,
            retry_after: None,
            form: Form::Text,
            to_head: false,
            version,
            keep_alive: false,
            hsts: &[],
            mark,
            date,
        };
        egress::own(&mut out, answer);
    });
    let (method, target) = words;
    let status = reason.facts().status;
    let request_id = known.id.as_deref();
    let (reason, bare) = (Some(reason), bare(client, method, target));
    note(client, &Record { client: client.ip, status, reason, request_id, ..bare });
    send(client, &out, false).await
}

/// Guesses method and path of a request that could not be parsed, for the log: printable or nothing.
fn first_words(bytes: &[u8]) -> (&[u8], &[u8]) {
    /// Enough to recognise it by.
    const LOGGED_MAX: usize = 256;
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ').map(|word| {
        let is_text = !word.is_empty() && word.iter().all(u8::is_ascii_graphic);
        if is_text { &word[..word.len().min(LOGGED_MAX)] } else { b"-" }
    });
    (words.next().unwrap_or(b"-"), words.next().unwrap_or(b"-"))
}

/// Answers OPTIONS that must not go any further.
pub async fn options(
    client: &mut Client,
    request: &Request,
    upload: &Flow,
    began: Option<Instant>,
) -> After {
    let view = client.worker.view();
    client.meet(&view, request, upload.bytes());
    let fields = HeadFields { bytes: upload.bytes(), fields: &request.head.fields };
    let known = known_of(client, &view, fields);
    let keep_alive = may_keep_alive(client, request, upload);
    let mut out = Vec::new();
    client.worker.with_date(|date| {
        let how = (request.head.version, keep_alive);
        egress::options(&mut out, how, known.mark(&view.settings), date);
    });
    let after = send(client, &out, keep_alive).await;
    if let Some(began) = began {
        let (bytes, head) = (upload.bytes(), &request.head);
        let (method, target) = (head.method.of(bytes), head.target.of(bytes));
        let record = Record {
            protocol: client.protocol(head.version),
            host: request.host.of(bytes),
            fields,
            request_id: known.id.as_deref(),
            status: 204,
            duration: began.elapsed(),
            bytes_in: upload.body_bytes,
            ..bare(client, method, target)
        };
        note(client, &record);
    }
    after
}

/// Finds out what a request is called that meets no route; no trace has it.
fn known_of(client: &Client, view: &View, fields: HeadFields<'_>) -> Known {
    Known { id: known::id_of(&view.settings, client, &fields), ..Known::default() }
}

/// Begins with what is known of a request that meets no route.
fn bare<'a>(client: &Client, method: &'a [u8], target: &'a [u8]) -> Record<'a> {
    Record {
        client: client.origin.ip,
        protocol: client.protocol(Version::Http11),
        is_secured: client.secured.is_some(),
        method,
        target,
        host: &[],
        fields: HeadFields::default(),
        status: 0,
        backend: None,
        failed: &[],
        attempts: 0,
        duration: Duration::ZERO,
        bytes_in: 0,
        bytes_out: 0,
        reason: None,
        why_not: None,
        request_id: None,
        trace_id: None,
    }
}

/// Tells the worker of a request that has met no route.
fn note(client: &Client, record: &Record<'_>) {
    let (door, view) = (&client.door, &client.worker.view());
    let stations = Stations { door, view, route: None, pool: None, backend: None };
    client.worker.note(record, stations);
}
