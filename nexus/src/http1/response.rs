//! What a backend's answer is, decided once; the gate's twin for the other direction.
//!
//! A backend is trusted with content, not with framing: an answer whose end is in doubt becomes a
//! 502 and its connection is closed. Rows R1–R23 of `tests/it/contract.rs` are its contract.

use super::body::Framing;
use super::gate::{BODY_BYTES_MAX, connection, digits};
use super::head::{Name, ResponseHead, Version, members};
use crate::reason::Reason;

/// An answer that may pass, and what was decided about it.
#[derive(Debug)]
pub struct Response {
    /// The head as parsed, with one-hop fields marked.
    pub head: ResponseHead,
    /// How its body's end is found.
    pub body: Framing,
    /// The length that it declares, which without a body is news about another answer: to a GET
    /// (HEAD), or an earlier one (304).
    pub length: Option<u64>,
    /// Whether the connection can serve another request once the body is over.
    pub keep_alive: bool,
}

impl Response {
    /// Returns whether another head is to come for the same request (RFC 9110 §15.2).
    pub fn is_interim(&self) -> bool {
        self.head.status < 200 && self.head.status != 101
    }
}

/// Decides whether `head`, which lies at the start of `bytes`, may pass as the answer to a request
/// that was a HEAD or not.
///
/// # Errors
///
/// Returns [`Reason::BadResponse`] if it cannot be told where the answer ends.
pub fn admit(bytes: &[u8], mut head: ResponseHead, to_head: bool) -> Result<Response, Reason> {
    let says = connection(bytes, &mut head.fields).map_err(|_| Reason::BadResponse)?;
    let length = content_length(bytes, &head)?;
    let is_coded = is_chunked(bytes, &head)?;
    let is_bodiless = to_head || head.status < 200 || matches!(head.status, 204 | 304);
    let body = match length {
        _ if is_bodiless => Framing::None,
        _ if is_coded => Framing::Chunked,
        Some(length) => Framing::Length(length),
        None => Framing::UntilClose,
    };
    let persists = match head.version {
        Version::Http11 => !says.close,
        Version::Http10 => says.keep_alive && !says.close,
    };
    let is_doubtful = is_coded && length.is_some();
    let keep_alive = persists && !is_doubtful && body != Framing::UntilClose;
    let length = length.filter(|_| !is_coded);
    Ok(Response { head, body, length, keep_alive })
}

/// Reads `Content-Length`; equal copies, also in one list, count once (RFC 9110 §8.6).
fn content_length(bytes: &[u8], head: &ResponseHead) -> Result<Option<u64>, Reason> {
    let mut length = None;
    for field in head.fields.iter().filter(|field| field.name == Name::ContentLength) {
        for member in field.value.of(bytes).split(|byte| *byte == b',') {
            let this = digits(member.trim_ascii()).filter(|this| *this <= BODY_BYTES_MAX);
            let this = this.ok_or(Reason::BadResponse)?;
            if length.is_some_and(|other| other != this) {
                return Err(Reason::BadResponse);
            }
            length = Some(this);
        }
    }
    Ok(length)
}

/// Says whether the body is chunked; any other coding is refused.
fn is_chunked(bytes: &[u8], head: &ResponseHead) -> Result<bool, Reason> {
    let mut codings = head.fields.iter().filter(|field| field.name == Name::TransferEncoding);
    let Some(coding) = codings.next() else {
        return Ok(false);
    };
    let is_plain = coding.value.of(bytes).eq_ignore_ascii_case(b"chunked");
    if is_plain && codings.next().is_none() && head.version == Version::Http11 {
        Ok(true)
    } else {
        Err(Reason::BadResponse)
    }
}

/// Says whether a 101 takes up one of the protocols that the request `offered`.
pub fn takes_up(bytes: &[u8], head: &ResponseHead, offered: &[u8]) -> bool {
    let mut fields = head.fields.iter().filter(|field| field.name == Name::Upgrade);
    let (Some(field), None) = (fields.next(), fields.next()) else {
        return false;
    };
    let mut chosen = members(field.value.of(bytes));
    chosen.next().is_some() && {
        members(field.value.of(bytes))
            .all(|taken| members(offered).any(|offer| offer.eq_ignore_ascii_case(taken)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::head::parse_response;

    #[track_caller]
    fn check(lines: &str, expected: Result<(Framing, bool), Reason>) {
        let text = format!("{}\r\n\r\n", lines.replace('|', "\r\n"));
        let found = match parse_response(text.as_bytes()) {
            Ok(head) => admit(text.as_bytes(), head.expect("a whole head"), false)
                .map(|response| (response.body, response.keep_alive)),
            Err(_) => Err(Reason::BadResponse),
        };
        assert_eq!(found, expected, "{lines}");
    }

    #[test]
    fn the_end_of_a_body_is_known_or_the_answer_is_refused() {
        check("HTTP/1.1 200 OK|Content-Length: 2", Ok((Framing::Length(2), true)));
        check("HTTP/1.1 200 OK|Content-Length: 2, 2", Ok((Framing::Length(2), true)));
        check("HTTP/1.1 200 OK|Content-Length: 2|Content-Length: 3", Err(Reason::BadResponse));
        check(
            "HTTP/1.1 200 OK|Content-Length: 2|Transfer-Encoding: chunked",
            Ok((Framing::Chunked, false)),
        );
        for coding in ["gzip", "chunked, gzip", "chunked, chunked", "gzip, chunked", ""] {
            check(
                &format!("HTTP/1.1 200 OK|Transfer-Encoding: {coding}"),
                Err(Reason::BadResponse),
            );
        }
        check("HTTP/1.0 200 OK|Transfer-Encoding: chunked", Err(Reason::BadResponse));
        check("HTTP/1.0 200 OK", Ok((Framing::UntilClose, false)));
        check("HTTP/1.1 204 No Content|Content-Length: 5", Ok((Framing::None, true)));
        check("HTTP/1.1 304 |Content-Length: 5|Connection: close", Ok((Framing::None, false)));
    }

    #[test]
    fn a_status_outside_the_classes_is_refused() {
        for status in ["99", "abc", "600", "099", "1000"] {
            check(&format!("HTTP/1.1 {status} X|Content-Length: 0"), Err(Reason::BadResponse));
        }
    }

    #[test]
    fn a_switch_must_be_one_that_was_offered() {
        let takes = |answer: &str, offered: &str| {
            let text = format!("HTTP/1.1 101 S\r\n{answer}\r\n\r\n");
            let head = parse_response(text.as_bytes()).unwrap().unwrap();
            takes_up(text.as_bytes(), &head, offered.as_bytes())
        };
        assert!(takes("Upgrade: WebSocket", "websocket"));
        assert!(takes("Upgrade: b", "a, b"));
        assert!(!takes("Upgrade: c", "a, b"));
        assert!(!takes("X: y", "a"));
    }
}
