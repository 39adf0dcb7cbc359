//! Heads as HTTP/2 knows them and as HTTP/1.1 writes them, either way (RFC 9113 §8). Pure.
//!
//! # What keeps a field from becoming two?
//!
//! Names and values have passed `http`'s types, which know neither CR nor LF nor NUL; fields about
//! one connection are refused by `h2` on the way in and left out here on the way out; and whatever
//! is written here goes through the HTTP/1 gate like a client's own bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::Authority;
use http::{Method, StatusCode};
use sha1::{Digest, Sha1};

use crate::http1::body::Framing;
use crate::http1::head::{Field, Name, RequestHead, ResponseHead};

/// What a WebSocket server adds to a client's key (RFC 6455 §1.3).
const WEBSOCKET_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Says whether a request is malformed in a way that `h2` lets pass (RFC 9113 §8.2.1, §8.3.1).
pub fn is_malformed<B>(request: &http::Request<B>) -> bool {
    let (uri, headers) = (request.uri(), request.headers());
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let has_blanks = |value: &HeaderValue| {
        is_blank(value.as_bytes().first()) || is_blank(value.as_bytes().last())
    };
    let length = headers.get(header::CONTENT_LENGTH);
    let names_a_user = |authority: &Authority| authority.as_str().contains('@');
    let is_connect = request.method() == Method::CONNECT;
    let is_server = uri.path_and_query().is_some_and(|path| path.as_str() == "*");
    let protocol = request.extensions().get::<h2::ext::Protocol>();
    let is_token =
        |protocol: &h2::ext::Protocol| HeaderName::from_bytes(protocol.as_str().as_bytes()).is_ok();
    protocol.is_some_and(|protocol| !is_token(protocol))
        || headers.values().any(has_blanks)
        || length.is_some_and(HeaderValue::is_empty)
        || uri.authority().is_some_and(names_a_user)
        || uri.authority().is_none() && (is_connect || !headers.contains_key(header::HOST))
        || uri.scheme_str().is_some_and(str::is_empty)
        || is_server && request.method() != Method::OPTIONS
        || has_two_hosts(request)
}

/// Says whether a request says more than one host.
fn has_two_hosts<B>(request: &http::Request<B>) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let Some(host) = hosts.next() else { return false };
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    hosts.next().is_some()
        || authority.is_some_and(|authority| !authority.eq_ignore_ascii_case(host.as_bytes()))
}

/// Writes a request's head; returns how its body follows.
///
/// A CONNECT that asks for a protocol (RFC 8441) becomes an `Upgrade`, and `key` the proof that a
/// WebSocket backend has to answer.
pub fn request(out: &mut Vec<u8>, parts: &Parts, ends: bool, key: [u8; 16]) -> Framing {
    let protocol = parts.extensions.get::<h2::ext::Protocol>();
    let method = if protocol.is_some() { &Method::GET } else { &parts.method };
    out.extend_from_slice(method.as_str().as_bytes());
    out.push(b' ');
    let target = match parts.uri.path_and_query() {
        Some(target) if *method != Method::CONNECT => target.as_str(),
        _ => parts.uri.authority().map_or("/", |authority| authority.as_str()),
    };
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let host = parts.headers.get(header::HOST);
    let is_same =
        |authority: &[u8]| host.is_some_and(|host| host.as_bytes().eq_ignore_ascii_case(authority));
    if let Some(authority) = parts.uri.authority().filter(|all| !is_same(all.as_str().as_bytes())) {
        line(out, b"host", authority.as_str().as_bytes()); // Two that differ are refused by the gate.
    }
    fields(out, &parts.headers);
    cookies(out, &parts.headers);
    if let Some(protocol) = protocol {
        line(out, b"connection", b"upgrade");
        line(out, b"upgrade", protocol.as_str().as_bytes());
        if protocol.as_str().eq_ignore_ascii_case("websocket") {
            line(out, b"sec-websocket-key", STANDARD.encode(key).as_bytes());
        }
    }
    let framing = match () {
        () if protocol.is_some() => Framing::UntilClose,
        () if ends => Framing::None,
        () => length(&parts.headers).map_or(Framing::Chunked, Framing::Length),
    };
    end(out, framing);
    framing
}

/// Writes an answer's head; returns how its body follows.
///
/// Of an upgrade that was asked for as CONNECT, `accept` is the proof that the client waits for.
pub fn response(
    out: &mut Vec<u8>,
    parts: &http::response::Parts,
    (ends, to_head): (bool, bool),
    upgrade: Option<&Upgrade>,
) -> Framing {
    if let Some(upgrade) = upgrade.filter(|_| parts.status.is_success()) {
        status_line(out, StatusCode::SWITCHING_PROTOCOLS);
        fields(out, &parts.headers);
        line(out, b"connection", b"upgrade");
        line(out, b"upgrade", &upgrade.protocol);
        if let Some(key) = &upgrade.key {
            line(out, b"sec-websocket-accept", accept(key).as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        return Framing::UntilClose;
    }
    status_line(out, parts.status);
    fields(out, &parts.headers);
    let has_none = to_head || matches!(parts.status.as_u16(), 204 | 304);
    let framing = match length(&parts.headers) {
        _ if has_none => Framing::None,
        Some(length) => Framing::Length(length),
        None if ends => {
            line(out, b"content-length", b"0");
            Framing::None
        }
        None => Framing::Chunked,
    };
    end(out, framing);
    framing
}

/// Writes the head of an interim answer.
pub fn interim(out: &mut Vec<u8>, status: StatusCode, headers: &HeaderMap) {
    status_line(out, status);
    fields(out, headers);
    out.extend_from_slice(b"\r\n");
}

fn status_line(out: &mut Vec<u8>, status: StatusCode) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Writes fields as lines, but for cookies: those of a head, or of trailers.
pub fn fields(out: &mut Vec<u8>, headers: &HeaderMap) {
    for (name, value) in headers.iter().filter(|(name, _)| **name != header::COOKIE) {
        line(out, name.as_str().as_bytes(), value.as_bytes());
    }
}

/// Joins the pieces that HTTP/2 cuts cookies into (RFC 9113 §8.2.3).
fn cookies(out: &mut Vec<u8>, headers: &HeaderMap) {
    let mut pieces = headers.get_all(header::COOKIE).iter();
    let Some(first) = pieces.next() else { return };
    out.extend_from_slice(b"cookie: ");
    out.extend_from_slice(first.as_bytes());
    for piece in pieces {
        out.extend_from_slice(b"; ");
        out.extend_from_slice(piece.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// Returns the body's length, if it is said and a number: `h2` holds the body to it.
fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn end(out: &mut Vec<u8>, framing: Framing) {
    if framing == Framing::Chunked {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

fn accept(key: &[u8]) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(WEBSOCKET_GUID).finalize())
}

/// An `Upgrade` that is asked for as CONNECT (RFC 8441).
#[derive(Debug)]
pub struct Upgrade {
    /// To what.
    pub protocol: Vec<u8>,
    /// A WebSocket client's key.
    pub key: Option<Vec<u8>>,
}

/// A head that cannot be said in HTTP/2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unspeakable;

/// Makes a request out of the head that Nexus has written for a backend.
///
/// # Errors
///
/// Fails if the target or a field cannot be said in HTTP/2.
pub fn to_request(
    bytes: &[u8],
    head: &RequestHead,
    (scheme, takes_upgrades): (&str, bool),
) -> Result<(http::Request<()>, Framing, Option<Upgrade>), Unspeakable> {
    let mut headers = HeaderMap::with_capacity(head.fields.len());
    let shared = Bytes::copy_from_slice(bytes);
    let (mut host, mut framing) = (&b""[..], Framing::None);
    let mut upgrade = None;
    for field in head.fields.iter() {
        let value = field.value.of(bytes);
        match field.name {
            Name::Host => host = value,
            Name::Upgrade => upgrade = Some(value.to_vec()),
            Name::Te => drop(headers.insert(header::TE, HeaderValue::from_static("trailers"))),
            Name::TransferEncoding => framing = Framing::Chunked,
            Name::Connection | Name::OneHop => {}
            name => {
                if name == Name::ContentLength {
                    framing = Framing::Length(number(value)?);
                }
                append(&mut headers, &shared, field)?;
            }
        }
    }
    let key = headers.get("sec-websocket-key").map(|key| key.as_bytes().to_vec());
    let upgrade = upgrade.filter(|_| takes_upgrades).map(|protocol| Upgrade { protocol, key });
    let mut builder = http::Request::builder().version(http::Version::HTTP_2);
    let method = head.method.of(bytes);
    match &upgrade {
        None => builder = builder.method(method),
        Some(upgrade) => {
            headers.remove("sec-websocket-key");
            framing = Framing::UntilClose;
            let protocol = std::str::from_utf8(&upgrade.protocol).map_err(|_| Unspeakable)?;
            let protocol = h2::ext::Protocol::from(protocol);
            builder = builder.method(Method::CONNECT).extension(protocol);
        }
    }
    let uri = http::Uri::builder().scheme(scheme).authority(host);
    let uri = uri.path_and_query(head.target.of(bytes)).build().map_err(|_| Unspeakable)?;
    let mut request = builder.uri(uri).body(()).map_err(|_| Unspeakable)?;
    *request.headers_mut() = headers;
    Ok((request, framing, upgrade))
}

/// Makes an answer out of the head that Nexus has written for a client.
///
/// # Errors
///
/// Fails if a field cannot be said in HTTP/2.
pub fn to_response(
    bytes: &[u8],
    head: &ResponseHead,
    (to_head, to_connect): (bool, bool),
) -> Result<(http::Response<()>, Framing), Unspeakable> {
    let mut headers = HeaderMap::with_capacity(head.fields.len());
    let shared = Bytes::copy_from_slice(bytes);
    let switches = to_connect && head.status == 101;
    let mut framing = if switches { Framing::UntilClose } else { Framing::None };
    for field in head.fields.iter() {
        match field.name {
            Name::TransferEncoding => framing = Framing::Chunked,
            Name::Connection | Name::OneHop | Name::Upgrade => {}
            _ if switches && is_proof(field.label.of(bytes)) => {}
            name => {
                if name == Name::ContentLength && !to_head && head.status != 304 {
                    framing = match number(field.value.of(bytes))? {
                        0 => Framing::None,
                        length => Framing::Length(length),
                    };
                }
                append(&mut headers, &shared, field)?;
            }
        }
    }
    let status = match head.status {
        101 if switches => 200,
        // Any of these would open the tunnel (RFC 9110 §9.3.6), and the backend has opened none.
        200..300 if to_connect => 502,
        status => status,
    };
    let mut response = http::Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).map_err(|_| Unspeakable)?;
    *response.headers_mut() = headers;
    Ok((response, framing))
}

/// Makes fields of the lines of a trailer section; a line that cannot be one is left out.
pub fn to_trailers(lines: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    headers
}

/// Says whether a field proves a WebSocket handshake of HTTP/1.1.
fn is_proof(label: &[u8]) -> bool {
    label.eq_ignore_ascii_case(b"sec-websocket-accept")
}

/// Adds a field, whose value stays where it is.
fn append(headers: &mut HeaderMap, bytes: &Bytes, field: &Field) -> Result<(), Unspeakable> {
    let name = HeaderName::from_bytes(field.label.of(bytes)).map_err(|_| Unspeakable)?;
    let value = bytes.slice_ref(field.value.of(bytes));
    let value = HeaderValue::from_maybe_shared(value).map_err(|_| Unspeakable)?;
    headers.append(name, value);
    Ok(())
}

fn number(value: &[u8]) -> Result<u64, Unspeakable> {
    crate::http1::gate::digits(value).ok_or(Unspeakable)
}

#[cfg(test)]
mod tests;
