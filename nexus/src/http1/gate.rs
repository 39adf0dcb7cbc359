//! The gate: what a request is, decided once, before anything acts on it.
//!
//! Parsers accept; a proxy must not. Whatever could be read in two ways by two programs, where a
//! body ends above all, is refused here, so that nothing ambiguous is ever forwarded. The table of
//! inputs that this answers to is `tests/it/contract.rs`.

use super::body::Framing;
use super::head::{Field, Name, RequestHead, Span, TARGET_BYTES_MAX, Version, members};
use crate::reason::Reason;

/// Bytes in a declared request body: the largest file offset. More is a mistake or an attack.
pub const BODY_BYTES_MAX: u64 = i64::MAX as u64;

/// Field names that `Connection` may ask to have removed. Each is compared with each field.
const NOMINATIONS_MAX: usize = 32;

/// The form of a request target (RFC 9112 §3.2) after the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// To be passed on as written: `/path?query`, or what was left of an absolute form.
    Path(Span),
    /// An absolute form without path and with a query: `/` is to be put in front.
    Query(Span),
    /// An absolute form without path: `/`.
    Root,
    /// `*`, the server itself.
    Asterisk,
}

/// A request that may pass, and what was decided about it.
#[derive(Debug)]
pub struct Request {
    /// The head as parsed, with one-hop fields marked.
    pub head: RequestHead,
    /// Where it goes.
    pub target: Target,
    /// The host it is for; empty only for HTTP/1.0.
    pub host: Span,
    /// How its body's end is found.
    pub body: Framing,
    /// Whether the client wants to go on using the connection.
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue`.
    pub expects_continue: bool,
    /// Whether the client said `TE: trailers`.
    pub takes_trailers: bool,
    /// The protocols that it offers to switch to.
    pub upgrade: Option<Span>,
    /// Whether it is HEAD, whose answer has no body.
    pub is_head: bool,
    /// Whether running it twice equals running it once (RFC 9110 §9.2.2, or the retry policy).
    pub is_idempotent: bool,
    /// What `Max-Forwards` leaves after this hop, for the methods that heed it.
    pub max_forwards: Option<u64>,
}

/// How far a request got.
#[derive(Debug)]
pub enum Admission {
    /// It may be forwarded.
    Forward(Request),
    /// OPTIONS with `Max-Forwards: 0` is answered here (RFC 9110 §7.6.2).
    AnswerOptions(Request),
}

/// Decides whether `head`, which lies at the start of `bytes`, may pass.
///
/// # Errors
///
/// Returns why it may not. The connection cannot be used again then.
pub fn admit(bytes: &[u8], mut head: RequestHead) -> Result<Admission, Reason> {
    let method = head.method.of(bytes);
    if method == b"PRI" {
        return Err(Reason::MalformedRequest); // What opens HTTP/2 opens a connection, or nothing.
    }
    let (target, authority) = target(bytes, &head)?;
    let connection = connection(bytes, &mut head.fields)?;
    let host = host(bytes, &head, authority)?;
    let body = body(bytes, &head)?;
    let expects_continue = expectation(bytes, &head)? && body != Framing::None;
    let keep_alive = match head.version {
        Version::Http11 => !connection.close,
        Version::Http10 => connection.keep_alive && !connection.close,
    };
    let is_empty = matches!(body, Framing::None | Framing::Length(0));
    let upgrade = if connection.upgrade && is_empty { upgrade(bytes, &head) } else { None };
    let method = head.method.of(bytes);
    let max_forwards = max_forwards(bytes, &head)?;
    let request = Request {
        target,
        host,
        body,
        keep_alive,
        expects_continue,
        takes_trailers: takes_trailers(bytes, &head),
        upgrade,
        is_head: method == b"HEAD",
        is_idempotent: is_idempotent(method),
        max_forwards: max_forwards.map(|left| left.saturating_sub(1)),
        head,
    };
    match max_forwards {
        Some(0) if request.head.method.of(bytes) == b"TRACE" => Err(Reason::TraceNotSupported),
        Some(0) => Ok(Admission::AnswerOptions(request)),
        _ => Ok(Admission::Forward(request)),
    }
}

fn is_idempotent(method: &[u8]) -> bool {
    matches!(method, b"GET" | b"HEAD" | b"PUT" | b"DELETE" | b"OPTIONS" | b"TRACE")
}

/// Returns the target, and the authority if the target names one.
fn target(bytes: &[u8], head: &RequestHead) -> Result<(Target, Option<Span>), Reason> {
    let (method, whole) = (head.method.of(bytes), head.target.of(bytes));
    if whole.len() > TARGET_BYTES_MAX {
        return Err(Reason::TargetTooLong);
    }
    if memchr::memchr(b'#', whole).is_some() {
        return Err(Reason::BadTarget);
    }
    if method == b"CONNECT" {
        let is_authority = !whole.contains(&b'/') && is_host(whole) && whole.contains(&b':');
        return Err(if is_authority { Reason::ConnectNotSupported } else { Reason::BadTarget });
    }
    match whole {
        [b'/', ..] => Ok((Target::Path(head.target), None)),
        b"*" if method == b"OPTIONS" => Ok((Target::Asterisk, None)),
        _ => absolute(head.target, whole, method),
    }
}

/// Takes `http://authority/path` apart (RFC 9112 §3.2.2).
fn absolute(span: Span, whole: &[u8], method: &[u8]) -> Result<(Target, Option<Span>), Reason> {
    let scheme = ["http://", "https://"].into_iter().find(|scheme| {
        whole.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()))
    });
    let after = scheme.ok_or(Reason::BadTarget)?.len();
    let rest = &whole[after..];
    let authority_len =
        rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    if !is_host(&rest[..authority_len]) {
        return Err(Reason::BadTarget); // Userinfo is refused here too (RFC 9110 §4.2.4).
    }
    let path = span.skip(after + authority_len);
    let target = match rest.get(authority_len) {
        Some(b'/') => Target::Path(path),
        Some(_) => Target::Query(path),
        None if method == b"OPTIONS" => Target::Asterisk,
        None => Target::Root,
    };
    Ok((target, Some(span.skip(after).first(authority_len))))
}

/// Says whether `text` is `uri-host [ ":" port ]` (RFC 9110 §7.2), without the comma, which some
/// programs split fields at.
fn is_host(text: &[u8]) -> bool {
    let (name, port) = match text {
        [b'[', ..] => match text.iter().position(|byte| *byte == b']') {
            Some(end) => (&text[..=end], &text[end + 1..]),
            None => return false,
        },
        _ => text.split_at(text.iter().position(|byte| *byte == b':').unwrap_or(text.len())),
    };
    let is_name = match name {
        [] => false,
        [b'[', inner @ .., b']'] => {
            !inner.is_empty()
                && inner.iter().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.'))
        }
        _ => name.iter().all(|b| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=".contains(b)),
    };
    let is_port = match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    is_name && is_port
}

fn all(fields: &[Field], name: Name) -> impl Iterator<Item = &Field> {
    fields.iter().filter(move |field| field.name == name)
}

/// Finds the one host that the request is for (RFC 9112 §3.2).
fn host(bytes: &[u8], head: &RequestHead, authority: Option<Span>) -> Result<Span, Reason> {
    let mut fields = all(&head.fields, Name::Host);
    let first = fields.next();
    if fields.next().is_some() {
        return Err(Reason::BadHost);
    }
    match (first, authority) {
        (None, None) if head.version == Version::Http10 => Ok(Span::default()),
        (None, Some(authority)) if head.version == Version::Http10 => Ok(authority),
        (Some(field), None) if is_host(field.value.of(bytes)) => Ok(field.value),
        (Some(field), Some(authority))
            if field.value.of(bytes).eq_ignore_ascii_case(authority.of(bytes)) =>
        {
            Ok(authority)
        }
        _ => Err(Reason::BadHost),
    }
}

/// Finds out how the body's end is found (RFC 9112 §6), or that it cannot be known.
fn body(bytes: &[u8], head: &RequestHead) -> Result<Framing, Reason> {
    let mut codings = all(&head.fields, Name::TransferEncoding);
    let coding = codings.next();
    let length = content_length(bytes, &head.fields)?;
    let Some(coding) = coding else {
        let has_body = matches!(head.method.of(bytes), b"POST" | b"PUT" | b"PATCH");
        return match length {
            Some(length) if length > BODY_BYTES_MAX => Err(Reason::BodyTooLarge),
            Some(length) => Ok(Framing::Length(length)),
            None if head.version == Version::Http10 && has_body => Err(Reason::LengthRequired),
            None => Ok(Framing::None),
        };
    };
    if head.version == Version::Http10 || length.is_some() || codings.next().is_some() {
        return Err(Reason::BadFraming);
    }
    let value = coding.value.of(bytes);
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(Framing::Chunked);
    }
    let is_chunked = |member: &&[u8]| member.eq_ignore_ascii_case(b"chunked");
    let parts = || value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let is_coded = parts().next_back().as_ref().is_some_and(is_chunked)
        && parts().filter(is_chunked).count() == 1
        && parts().all(|part| !part.is_empty() && !part.eq_ignore_ascii_case(b"identity"));
    Err(if is_coded { Reason::UnknownCoding } else { Reason::BadFraming })
}

/// Reads `Content-Length`; equal copies on lines of their own count once.
fn content_length(bytes: &[u8], fields: &[Field]) -> Result<Option<u64>, Reason> {
    let mut length = None;
    for field in all(fields, Name::ContentLength) {
        let this = digits(field.value.of(bytes)).ok_or(Reason::BadFraming)?;
        if length.is_some_and(|other| other != this) {
            return Err(Reason::BadFraming);
        }
        length = Some(this);
    }
    Ok(length)
}

/// Reads `1*DIGIT` that fits 64 bits, and nothing else.
pub fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

/// What the `Connection` fields say.
#[derive(Debug, Default)]
pub(super) struct Connection {
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    pub(super) upgrade: bool,
}

/// Reads all `Connection` fields and marks the fields that they name (RFC 9110 §7.6.1).
///
/// Only fields that Nexus has no opinion on can be named away: nobody removes `Host`, the framing
/// or what Nexus itself adds.
pub(super) fn connection(bytes: &[u8], fields: &mut [Field]) -> Result<Connection, Reason> {
    let mut says = Connection::default();
    let mut nominations = 0;
    for at in 0..fields.len() {
        if fields[at].name != Name::Connection {
            continue;
        }
        for member in members(fields[at].value.of(bytes)) {
            if member.eq_ignore_ascii_case(b"close") {
                says.close = true;
            } else if member.eq_ignore_ascii_case(b"keep-alive") {
                says.keep_alive = true;
            } else if member.eq_ignore_ascii_case(b"upgrade") {
                says.upgrade = true;
            } else {
                nominations += 1;
                if nominations > NOMINATIONS_MAX {
                    return Err(Reason::HeadTooLarge);
                }
                mark(bytes, fields, member);
            }
        }
    }
    Ok(says)
}

fn mark(bytes: &[u8], fields: &mut [Field], nominated: &[u8]) {
    /// Losing these would change who the request is from.
    const KEPT: [&[u8]; 2] = [b"authorization", b"cookie"];
    if KEPT.iter().any(|kept| nominated.eq_ignore_ascii_case(kept)) {
        return;
    }
    for field in fields {
        if field.name == Name::Other && field.label.of(bytes).eq_ignore_ascii_case(nominated) {
            field.one_hop = true;
        }
    }
}

/// Says whether the client waits for `100 Continue` (RFC 9110 §10.1.1).
fn expectation(bytes: &[u8], head: &RequestHead) -> Result<bool, Reason> {
    let mut expects = false;
    for field in all(&head.fields, Name::Expect) {
        if !field.value.of(bytes).eq_ignore_ascii_case(b"100-continue") {
            return Err(Reason::UnknownExpectation);
        }
        expects = head.version == Version::Http11;
    }
    Ok(expects)
}

/// Returns the offered protocols, unless one of them would take HTTP itself out of Nexus's sight.
fn upgrade(bytes: &[u8], head: &RequestHead) -> Option<Span> {
    let mut fields = all(&head.fields, Name::Upgrade);
    let (first, second) = (fields.next()?, fields.next());
    let hides_http = |protocol: &[u8]| {
        let name = protocol.split(|byte| *byte == b'/').next().unwrap_or_default();
        [&b"h2c"[..], b"h2", b"http", b"tls"].iter().any(|known| name.eq_ignore_ascii_case(known))
    };
    let value = first.value.of(bytes);
    let is_fit = head.version == Version::Http11
        && second.is_none()
        && members(value).next().is_some()
        && !members(value).any(hides_http);
    is_fit.then_some(first.value)
}

fn takes_trailers(bytes: &[u8], head: &RequestHead) -> bool {
    all(&head.fields, Name::Te)
        .flat_map(|field| members(field.value.of(bytes)))
        .any(|member| member.eq_ignore_ascii_case(b"trailers"))
}

/// Returns `Max-Forwards` for the two methods that heed it.
fn max_forwards(bytes: &[u8], head: &RequestHead) -> Result<Option<u64>, Reason> {
    if !matches!(head.method.of(bytes), b"TRACE" | b"OPTIONS") {
        return Ok(None);
    }
    let Some(field) = all(&head.fields, Name::MaxForwards).next() else {
        return Ok(None);
    };
    digits(field.value.of(bytes)).map(Some).ok_or(Reason::MalformedRequest)
}

#[cfg(test)]
mod tests;
