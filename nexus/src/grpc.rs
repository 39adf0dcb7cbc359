//! gRPC as far as a balancer has to know it: its deadline, its statuses, and what they say of a
//! backend. Pure.
//!
//! gRPC answers 200 whatever happens; how a call went stands in the field `grpc-status`, of the
//! trailers or, if there is nothing else to say, of the head.

use std::time::Duration;

use crate::http1::gate::digits;
use crate::reason::{Facts, Reason};

/// The status of a call that went well.
pub const OK: u8 = 0;

const CANCELLED: u8 = 1;
const UNKNOWN: u8 = 2;
const DEADLINE_EXCEEDED: u8 = 4;
const PERMISSION_DENIED: u8 = 7;
const RESOURCE_EXHAUSTED: u8 = 8;
const UNIMPLEMENTED: u8 = 12;
const INTERNAL: u8 = 13;
const UNAVAILABLE: u8 = 14;
const DATA_LOSS: u8 = 15;
const UNAUTHENTICATED: u8 = 16;

/// Says whether a message with this `Content-Type` is one of gRPC.
pub fn is_it(content_type: &[u8]) -> bool {
    const TYPE: &[u8] = b"application/grpc";
    let (start, rest) = content_type.split_at(content_type.len().min(TYPE.len()));
    start.eq_ignore_ascii_case(TYPE) && matches!(rest, [] | [b'+' | b';' | b' ', ..])
}

/// Reads `grpc-timeout`: up to eight digits and a unit; `None` is no such time.
pub fn timeout(value: &[u8]) -> Option<Duration> {
    let (unit, number) = value.split_last()?;
    if number.len() > 8 {
        return None;
    }
    let number = digits(number)?;
    Some(match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

/// Returns the status of an answer of Nexus's own.
pub fn status_of(reason: Reason) -> u8 {
    let Facts { status, .. } = reason.facts();
    match (reason, status) {
        (Reason::ConnectTimeout, _) => UNAVAILABLE,
        (_, 504 | 408) => DEADLINE_EXCEEDED,
        (_, 401) => UNAUTHENTICATED,
        (_, 403) => PERMISSION_DENIED,
        (_, 404 | 501) => UNIMPLEMENTED,
        (_, 413 | 429 | 431) => RESOURCE_EXHAUSTED,
        (_, 499) => CANCELLED,
        (_, 502 | 503) => UNAVAILABLE,
        (_, 400..=499) => INTERNAL,
        _ => UNKNOWN,
    }
}

/// Returns the HTTP status that says of a backend what this value of `grpc-status` says: what is the
/// backend's own failure counts as one, what it says of the call counts as an answer.
pub fn as_http(grpc_status: &[u8]) -> u16 {
    match digits(grpc_status).and_then(|status| u8::try_from(status).ok()) {
        Some(UNAVAILABLE) => 503,
        Some(DEADLINE_EXCEEDED) => 504,
        Some(RESOURCE_EXHAUSTED) => 429,
        Some(UNKNOWN | INTERNAL | DATA_LOSS) | None => 500,
        Some(_) => 200,
    }
}

/// Finds `grpc-status` among the lines of a trailer section.
pub fn in_trailers(lines: &[u8]) -> Option<&[u8]> {
    lines.split(|byte| *byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at(memchr::memchr(b':', line)?);
        let is_it = name.eq_ignore_ascii_case(b"grpc-status");
        is_it.then(|| value[1..].trim_ascii())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_has_up_to_eight_digits_and_a_unit() {
        let check = |text: &str, expected| assert_eq!(timeout(text.as_bytes()), expected, "{text}");
        check("1H", Some(Duration::from_secs(3600)));
        check("99999999n", Some(Duration::from_nanos(99_999_999)));
        check("250m", Some(Duration::from_millis(250)));
        for bad in ["", "1", "S", "-1S", "123456789S", "1s", "1.5S"] {
            check(bad, None);
        }
    }

    #[test]
    fn what_is_the_backends_own_failure_counts_as_one() {
        let of = |status: &str| as_http(status.as_bytes());
        assert_eq!(["0", "5", "3"].map(of), [200; 3]);
        assert_eq!(["14", "4", "13", "2", "x", ""].map(of), [503, 504, 500, 500, 500, 500]);
    }

    #[test]
    fn its_type_has_variants() {
        assert!(is_it(b"application/grpc"));
        assert!(is_it(b"Application/gRPC+proto"));
        assert!(is_it(b"application/grpc;charset=utf-8"));
        assert!(!is_it(b"application/grpc-web"));
        assert!(!is_it(b"application/json"));
    }

    #[test]
    fn a_status_is_found_among_trailers() {
        assert_eq!(in_trailers(b"a: b\r\nGrpc-Status: 14\r\n"), Some(&b"14"[..]));
        assert_eq!(in_trailers(b"a: b\r\n"), None);
    }
}
