//! Heads as Nexus writes them. Framing is written from what the body *is*, never copied from what
//! came in; one-hop fields end here; all the rest keeps its order and case.

use std::io::Write;
use std::net::IpAddr;
use std::ops::Range;

use super::body::Framing;
use super::forwarded::{self, ForwardedFields};
use super::gate::{Request, Target};
use super::head::{Field, Name, Span, Version};
use super::response::Response;
use crate::grpc;
use crate::reason::{Facts, Reason};
use crate::route::HeaderRules;
use crate::tls::ClientCertificate;

/// What the request's way knows of the client.
#[derive(Debug, Clone, Copy)]
pub struct Client<'a> {
    /// Where it connects from.
    pub ip: IpAddr,
    /// Whether what it says of other clients is believed.
    pub is_trusted: bool,
    /// By which fields that is said, and told to backends.
    pub told_by: ForwardedFields,
    /// Whether it came over TLS.
    pub is_secured: bool,
    /// The certificate that it showed.
    pub certificate: Option<&'a ClientCertificate>,
}

fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Copies fields; those that stand one behind the other, as they would be written, in one piece.
struct Copies<'h> {
    bytes: &'h [u8],
    /// What is to be copied and was not yet.
    piece: Range<usize>,
}

impl<'h> Copies<'h> {
    fn of(bytes: &'h [u8]) -> Self {
        Self { bytes, piece: 0..0 }
    }

    #[inline]
    fn copy(&mut self, out: &mut Vec<u8>, field: &Field) {
        match field.line(self.bytes) {
            Some(line) if line.start == self.piece.end => self.piece.end = line.end,
            Some(line) => {
                self.flush(out);
                self.piece = line;
            }
            None => self.write(out, field.label.of(self.bytes), field.value.of(self.bytes)),
        }
    }

    /// Writes a line behind what was copied.
    fn write(&mut self, out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
        self.flush(out);
        line(out, name, value);
    }

    /// Ends the copying for now.
    #[inline]
    fn flush(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes[self.piece.clone()]);
        self.piece = 0..0;
    }
}

/// Writes a number in decimal.
pub fn decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Starts a chunk of `len` bytes.
pub fn chunk_size(out: &mut Vec<u8>, len: usize) {
    write!(out, "{len:x}\r\n").expect("writing to memory cannot fail");
}

fn length(out: &mut Vec<u8>, bytes: u64) {
    out.extend_from_slice(b"Content-Length: ");
    decimal(out, bytes);
    out.extend_from_slice(b"\r\n");
}

/// What a route changes about a head.
#[derive(Debug, Clone, Copy, Default)]
pub struct Changes<'a> {
    /// The target in place of the one that came.
    pub target: Option<&'a [u8]>,
    /// What is done to the fields.
    pub fields: Option<&'a HeaderRules>,
    /// The cookie that Nexus sets.
    pub cookie: Option<&'a str>,
    /// What the request is known by across programs, in place of what others say it is.
    pub marks: &'a [Mark<'a>],
}

/// A field that Nexus puts in place of all of its name; without a value they only go.
#[derive(Debug, Clone, Copy)]
pub struct Mark<'a> {
    /// What it is called.
    pub name: &'a str,
    /// Its value.
    pub value: &'a [u8],
}

impl Changes<'_> {
    fn drops(&self, label: &[u8]) -> bool {
        let is_it = |mark: &Mark<'_>| mark.name.as_bytes().eq_ignore_ascii_case(label);
        self.fields.is_some_and(|rules| rules.drops(label)) || self.marks.iter().any(is_it)
    }

    /// Returns the host to put in place of the one that came.
    fn host(&self) -> Option<&[u8]> {
        let mut puts = self.fields?.puts();
        puts.find(|(name, _)| name.eq_ignore_ascii_case("host")).map(|(_, value)| value.as_bytes())
    }

    /// Writes Nexus's own lines, but those that are to go.
    fn write_own(&self, out: &mut Vec<u8>, own: &[u8]) {
        if self.fields.is_none() {
            return out.extend_from_slice(own);
        }
        for own in own.split_inclusive(|byte| *byte == b'\n') {
            let label = own.split(|byte| *byte == b':').next().unwrap_or_default();
            if !self.drops(label) {
                out.extend_from_slice(own);
            }
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        if let Some(cookie) = self.cookie {
            line(out, b"Set-Cookie", cookie.as_bytes());
        }
        for Mark { name, value } in self.marks {
            let is_kept = !self.fields.is_some_and(|rules| rules.drops(name.as_bytes()));
            if is_kept && !value.is_empty() {
                line(out, name.as_bytes(), value);
            }
        }
        let puts = self.fields.into_iter().flat_map(HeaderRules::puts);
        for (name, value) in puts.filter(|(name, _)| !name.eq_ignore_ascii_case("host")) {
            line(out, name.as_bytes(), value.as_bytes());
        }
    }
}

/// Writes the head of `request` for a backend whose own authority is `authority`.
pub fn request(
    out: &mut Vec<u8>,
    bytes: &[u8],
    request: &Request,
    client: Client<'_>,
    authority: &[u8],
    changes: Changes<'_>,
) {
    let head = &request.head;
    out.extend_from_slice(head.method.of(bytes));
    out.push(b' ');
    match changes.target {
        Some(target) => out.extend_from_slice(target),
        None => origin_form(out, bytes, request.target),
    }
    out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    let host = if request.host.is_empty() { authority } else { request.host.of(bytes) };
    out.extend_from_slice(changes.host().unwrap_or(host));
    out.extend_from_slice(b"\r\n");
    let mut copies = Copies::of(bytes);
    for field in head.fields.iter() {
        match field.name {
            Name::Other if field.one_hop => {}
            _ if changes.drops(field.label.of(bytes)) => {}
            Name::Other | Name::Date | Name::Own => copies.copy(out, field),
            Name::Trailer if request.body == Framing::Chunked => copies.copy(out, field),
            Name::Expect if request.expects_continue => copies.copy(out, field),
            Name::MaxForwards => match request.max_forwards {
                None => copies.copy(out, field),
                Some(left) => copies.write(out, b"Max-Forwards", left.to_string().as_bytes()),
            },
            Name::ForwardedProto | Name::ForwardedHost
                if client.is_trusted && client.told_by.has_x() =>
            {
                copies.copy(out, field);
            }
            Name::Certificate if client.is_trusted && client.certificate.is_none() => {
                copies.copy(out, field);
            }
            _ => {}
        }
    }
    copies.flush(out);
    match request.body {
        Framing::Length(bytes) => length(out, bytes),
        Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Framing::None | Framing::UntilClose => {}
    }
    hop(out, bytes, request);
    if client.told_by.has_x() {
        x_forwarded(out, bytes, request, client, changes);
    }
    if client.told_by.has_forwarded() && !changes.drops(b"Forwarded") {
        forwarded(out, bytes, request, client);
    }
    if let Some(certificate) = client.certificate {
        shown(out, certificate, changes);
    }
    changes.write(out);
    out.extend_from_slice(b"\r\n");
}

/// Writes a target as a backend sees it (RFC 9112 §3.2.1).
pub fn origin_form(out: &mut Vec<u8>, bytes: &[u8], target: Target) {
    match target {
        Target::Path(path) => out.extend_from_slice(path.of(bytes)),
        Target::Root => out.push(b'/'),
        Target::Asterisk => out.push(b'*'),
        Target::Query(query) => {
            out.push(b'/');
            out.extend_from_slice(query.of(bytes));
        }
    }
}

/// Writes what concerns the connection to the backend alone.
fn hop(out: &mut Vec<u8>, bytes: &[u8], request: &Request) {
    match (request.upgrade, request.takes_trailers) {
        (Some(_), true) => out.extend_from_slice(b"Connection: Upgrade, TE\r\n"),
        (Some(_), false) => out.extend_from_slice(b"Connection: Upgrade\r\n"),
        (None, true) => out.extend_from_slice(b"Connection: TE\r\n"),
        (None, false) => {}
    }
    if let Some(protocols) = request.upgrade {
        line(out, b"Upgrade", protocols.of(bytes));
    }
    if request.takes_trailers {
        out.extend_from_slice(b"TE: trailers\r\n");
    }
}

/// Writes where the request came from: appended to what a trusted client says, in place of what
/// any other says.
fn x_forwarded(
    out: &mut Vec<u8>,
    bytes: &[u8],
    request: &Request,
    client: Client<'_>,
    changes: Changes<'_>,
) {
    let has =
        |name| client.is_trusted && request.head.fields.iter().any(|field| field.name == name);
    if !changes.drops(b"X-Forwarded-For") {
        out.extend_from_slice(b"X-Forwarded-For: ");
        let said = request.head.fields.iter().filter(|field| field.name == Name::ForwardedFor);
        for field in said.filter(|_| client.is_trusted) {
            out.extend_from_slice(field.value.of(bytes));
            out.extend_from_slice(b", ");
        }
        address(out, client.ip);
        out.extend_from_slice(b"\r\n");
    }
    if !has(Name::ForwardedProto) && !changes.drops(b"X-Forwarded-Proto") {
        let proto = if client.is_secured { "https" } else { "http" };
        line(out, b"X-Forwarded-Proto", proto.as_bytes());
    }
    let tells_host = !request.host.is_empty() && !has(Name::ForwardedHost);
    if tells_host && !changes.drops(b"X-Forwarded-Host") {
        line(out, b"X-Forwarded-Host", request.host.of(bytes));
    }
}

/// Writes the same as one `Forwarded` field, of all that were well-formed.
#[cold]
fn forwarded(out: &mut Vec<u8>, bytes: &[u8], request: &Request, client: Client<'_>) {
    out.extend_from_slice(b"Forwarded: ");
    let said = request.head.fields.iter().filter(|field| field.name == Name::Forwarded);
    for field in said.filter(|_| client.is_trusted) {
        let value = field.value.of(bytes);
        if !value.is_empty() && forwarded::each(value, |_| ()).is_ok() {
            out.extend_from_slice(value);
            out.extend_from_slice(b", ");
        }
    }
    let proto = if client.is_secured { "https" } else { "http" };
    forwarded::element_of(out, client.ip, request.host.of(bytes), proto);
    out.extend_from_slice(b"\r\n");
}

/// Writes what certificate the client showed.
#[cold]
fn shown(out: &mut Vec<u8>, certificate: &ClientCertificate, changes: Changes<'_>) {
    let names = certificate.san.join(", ");
    let fields = [
        ("X-Client-Cert-Subject", certificate.subject.as_str()),
        ("X-Client-Cert-San", &names),
        ("X-Client-Cert-Fingerprint", &certificate.fingerprint),
    ];
    for (name, value) in fields {
        if !value.is_empty() && !changes.drops(name.as_bytes()) {
            line(out, name.as_bytes(), value.as_bytes());
        }
    }
}

/// Writes an address as text.
pub fn address(out: &mut Vec<u8>, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => {
            for (at, octet) in ip.octets().into_iter().enumerate() {
                if at > 0 {
                    out.push(b'.');
                }
                decimal(out, u64::from(octet));
            }
        }
        IpAddr::V6(ip) => write!(out, "{ip}").expect("writing to memory cannot fail"),
    }
}

/// What an answer's head depends on besides the answer.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    /// How the body is framed for the client.
    pub framing: Framing,
    /// Which version the client speaks.
    pub version: Version,
    /// Whether the connection to the client is used again.
    pub keep_alive: bool,
    /// Whether trailers are sent on.
    pub trailers: bool,
    /// The lines that name Nexus and the backend.
    pub own: &'a [u8],
    /// The line that tells browsers to come by TLS only; or nothing.
    pub hsts: &'a [u8],
    /// The date, for answers without one (RFC 9110 §6.6.1).
    pub date: &'a [u8],
    /// What is done to the fields.
    pub changes: Changes<'a>,
}

fn status_line(out: &mut Vec<u8>, bytes: &[u8], status: u16, phrase: Span) {
    out.extend_from_slice(b"HTTP/1.1 ");
    decimal(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(phrase.of(bytes));
    out.extend_from_slice(b"\r\n");
}

/// Writes the head of a backend's final answer for the client.
pub fn response(out: &mut Vec<u8>, bytes: &[u8], response: &Response, reply: Reply<'_>) {
    let head = &response.head;
    let upgrades = matches!(head.status, 101 | 426);
    let mut has_date = false;
    status_line(out, bytes, head.status, head.phrase);
    let mut copies = Copies::of(bytes);
    for field in head.fields.iter() {
        match field.name {
            Name::Other if field.one_hop => {}
            Name::Connection | Name::OneHop | Name::Te | Name::Own => {}
            Name::TransferEncoding | Name::ContentLength => {}
            Name::Trailer if !reply.trailers => {}
            Name::Upgrade if !upgrades => {}
            _ if reply.changes.drops(field.label.of(bytes)) => {}
            name => {
                has_date |= name == Name::Date;
                copies.copy(out, field);
            }
        }
    }
    copies.flush(out);
    let tells_length = head.status >= 200 && head.status != 204;
    match (reply.framing, response.length) {
        (Framing::Length(bytes), _) => length(out, bytes),
        (Framing::Chunked, _) => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        (Framing::None, Some(bytes)) if tells_length => length(out, bytes),
        (Framing::None | Framing::UntilClose, _) => {}
    }
    if !has_date {
        line(out, b"Date", reply.date);
    }
    if upgrades {
        out.extend_from_slice(b"Connection: Upgrade\r\n");
    }
    persistence(out, reply.version, reply.keep_alive || head.status == 101);
    reply.changes.write_own(out, reply.own);
    if !reply.hsts.is_empty() {
        hsts(out, bytes, response, reply);
    }
    reply.changes.write(out);
    out.extend_from_slice(b"\r\n");
}

/// Tells browsers to come by TLS only, unless the backend has told them something about that.
#[cold]
fn hsts(out: &mut Vec<u8>, bytes: &[u8], response: &Response, reply: Reply<'_>) {
    let name = reply.hsts.split(|byte| *byte == b':').next().unwrap_or_default();
    let is_it = |field: &Field| field.label.of(bytes).eq_ignore_ascii_case(name);
    if !response.head.fields.iter().any(is_it) {
        reply.changes.write_own(out, reply.hsts);
    }
}

fn persistence(out: &mut Vec<u8>, version: Version, keep_alive: bool) {
    match (version, keep_alive) {
        (_, false) => out.extend_from_slice(b"Connection: close\r\n"),
        (Version::Http10, true) => out.extend_from_slice(b"Connection: keep-alive\r\n"),
        (Version::Http11, true) => {}
    }
}

/// Writes an interim answer, 100 or 103 say (RFC 9110 §15.2).
pub fn interim(out: &mut Vec<u8>, bytes: &[u8], response: &Response) {
    status_line(out, bytes, response.head.status, response.head.phrase);
    let mut copies = Copies::of(bytes);
    for field in response.head.fields.iter() {
        if matches!(field.name, Name::Other) && !field.one_hop {
            copies.copy(out, field);
        }
    }
    copies.flush(out);
    out.extend_from_slice(b"\r\n");
}

/// An answer that Nexus makes itself.
#[derive(Debug, Clone, Copy)]
pub struct OwnAnswer<'a> {
    /// Why.
    pub reason: Reason,
    /// How many attempts came before it.
    pub attempts: u32,
    /// When the client may come again, in seconds; `None` leaves that to the status.
    pub retry_after: Option<u64>,
    /// How it is written.
    pub form: Form,
    /// Whether it asked with HEAD.
    pub to_head: bool,
    /// Which version the client speaks.
    pub version: Version,
    /// Whether the connection to the client is used again.
    pub keep_alive: bool,
    /// The line that tells browsers to come by TLS only; or nothing.
    pub hsts: &'a [u8],
    /// What the request is called.
    pub mark: Option<Mark<'a>>,
    /// The date.
    pub date: &'a [u8],
}

/// How an answer of Nexus's own is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For gRPC: in fields of the head alone.
    Grpc,
}

/// Writes an answer of Nexus's own as gRPC has it: the status is 200, and the call's stands beside.
#[cold]
fn own_grpc(out: &mut Vec<u8>, answer: OwnAnswer<'_>) {
    let Facts { code, sentence, .. } = answer.reason.facts();
    let status = grpc::status_of(answer.reason);
    write!(
        out,
        "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\
         Grpc-Status: {status}\r\nGrpc-Message: {sentence} ({code})\r\nX-Nexus-Error: {code}\r\n"
    )
    .expect("writing to memory cannot fail");
    line(out, b"Date", answer.date);
    persistence(out, answer.version, answer.keep_alive);
    out.extend_from_slice(answer.hsts);
    marked(out, answer.mark);
    out.extend_from_slice(b"X-Forwarded-By: Nexus\r\n\r\n");
}

fn marked(out: &mut Vec<u8>, mark: Option<Mark<'_>>) {
    if let Some(Mark { name, value }) = mark {
        line(out, name.as_bytes(), value);
    }
}

/// Writes an answer of Nexus's own: status, reason code, one sentence.
pub fn own(out: &mut Vec<u8>, answer: OwnAnswer<'_>) {
    if answer.form == Form::Grpc {
        return own_grpc(out, answer);
    }
    let Facts { status, code, sentence, .. } = answer.reason.facts();
    let phrase = phrase(status);
    let json = answer.form == Form::Json;
    let body = if json {
        format!(
            "{{\"status\":{status},\"error\":\"{code}\",\"message\":\"{sentence}\",\"attempts\":{}}}\n",
            answer.attempts
        )
    } else {
        format!("{status} {phrase}\n{sentence} ({code})\n")
    };
    let kind = if json { "application/json" } else { "text/plain; charset=utf-8" };
    write!(
        out,
        "HTTP/1.1 {status} {phrase}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nX-Nexus-Error: {code}\r\n",
        body.len()
    )
    .expect("writing to memory cannot fail");
    line(out, b"Date", answer.date);
    if let Some(seconds) = answer.retry_after.or((status == 503).then_some(1)) {
        out.extend_from_slice(b"Retry-After: ");
        decimal(out, seconds);
        out.extend_from_slice(b"\r\n");
    }
    persistence(out, answer.version, answer.keep_alive);
    out.extend_from_slice(answer.hsts);
    marked(out, answer.mark);
    out.extend_from_slice(b"X-Forwarded-By: Nexus\r\n\r\n");
    if !answer.to_head {
        out.extend_from_slice(body.as_bytes());
    }
}

/// An answer that the configuration gives.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// The status.
    pub status: u16,
    /// Where to, for a redirect.
    pub location: Option<&'a [u8]>,
    /// What the body is.
    pub content_type: &'a str,
    /// The body.
    pub body: &'a [u8],
    /// What is done to the fields.
    pub changes: Changes<'a>,
}

/// Writes an answer that the configuration gives.
pub fn given(out: &mut Vec<u8>, given: Given<'_>, reply: Reply<'_>, to_head: bool) {
    status_line(out, given.body, given.status, Span::default());
    if let Some(location) = given.location {
        line(out, b"Location", location);
    }
    if !given.body.is_empty() {
        line(out, b"Content-Type", given.content_type.as_bytes());
    }
    if given.status != 204 && given.status != 304 {
        length(out, given.body.len() as u64);
    }
    line(out, b"Date", reply.date);
    persistence(out, reply.version, reply.keep_alive);
    given.changes.write_own(out, reply.own);
    given.changes.write_own(out, reply.hsts);
    given.changes.write(out);
    out.extend_from_slice(b"\r\n");
    if !to_head && given.status != 204 && given.status != 304 {
        out.extend_from_slice(given.body);
    }
}

/// Writes the answer to OPTIONS with `Max-Forwards: 0`.
pub fn options(
    out: &mut Vec<u8>,
    (version, keep_alive): (Version, bool),
    mark: Option<Mark<'_>>,
    date: &[u8],
) {
    out.extend_from_slice(b"HTTP/1.1 204 No Content\r\n");
    line(out, b"Date", date);
    persistence(out, version, keep_alive);
    marked(out, mark);
    out.extend_from_slice(b"X-Forwarded-By: Nexus\r\n\r\n");
}

fn phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        404 => "Not Found",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Error",
    }
}

#[cfg(test)]
mod tests;
