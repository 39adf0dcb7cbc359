//! A gRPC probe: `grpc.health.v1.Health/Check` over HTTP/2.
//!
//! The two messages have one field each; they are written and read here, since a library for them
//! would bring a whole stack for twenty lines.

use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::{HeaderMap, Response};

use super::http::{Question, http2};
use crate::reason::Reason;
use crate::stream::Stream;

/// Bytes of an answer at most: a status has two.
const ANSWER_BYTES_MAX: usize = 4 << 10;

/// `SERVING` of `HealthCheckResponse.ServingStatus`.
const SERVING: u64 = 1;

/// Asks whether `service` is served; an empty one is the server as a whole.
///
/// # Errors
///
/// Fails if it is not, or if the answer is none of gRPC.
pub(super) async fn ask(stream: Stream, question: &Question, service: &str) -> Result<(), Reason> {
    let path = "/grpc.health.v1.Health/Check";
    let request = question.request("POST", path, Bytes::from(write(service)), true);
    let mut request = request.ok_or(Reason::BadTarget)?;
    let fields = [("content-type", "application/grpc"), ("te", "trailers")];
    for (name, value) in fields {
        request.headers_mut().insert(name, hyper::header::HeaderValue::from_static(value));
    }
    http2(stream, request, judge).await
}

async fn judge(answer: Response<Incoming>) -> Result<(), Reason> {
    if answer.status() != 200 {
        return Err(Reason::UnexpectedStatus);
    }
    let mut status = grpc_status(answer.headers());
    let mut body = answer.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Reason::ResponseTruncated)?;
        if let Some(trailers) = frame.trailers_ref() {
            status = status.or(grpc_status(trailers));
        }
        if let Some(data) = frame.data_ref() {
            bytes.extend_from_slice(&data[..data.len().min(ANSWER_BYTES_MAX - bytes.len())]);
        }
    }
    match (status, read(&bytes)) {
        (Some(0), Some(SERVING)) => Ok(()),
        (Some(0), Some(_)) => Err(Reason::NotServing),
        (Some(0), None) => Err(Reason::BadResponse),
        _ => Err(Reason::UnexpectedStatus),
    }
}

fn grpc_status(fields: &HeaderMap) -> Option<u32> {
    fields.get("grpc-status")?.to_str().ok()?.parse().ok()
}

/// Writes a `HealthCheckRequest` as a gRPC message: a flag, a length, and the service as field 1.
fn write(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        let mut len = service.len();
        while len > 0x7f {
            message.push(len as u8 | 0x80);
            len >>= 7;
        }
        message.push(len as u8);
        message.extend_from_slice(service.as_bytes());
    }
    let len = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0][..], &len.to_be_bytes(), &message].concat()
}

/// Reads the status, field 1, out of a `HealthCheckResponse`; `None` is no such message.
fn read(bytes: &[u8]) -> Option<u64> {
    let (head, message) = bytes.split_at_checked(5)?;
    let len = u32::from_be_bytes(head[1..].try_into().ok()?);
    if head[0] != 0 || len as usize != message.len() {
        return None;
    }
    let (mut left, mut status) = (message, 0);
    while !left.is_empty() {
        let key = number(&mut left)?;
        let skipped = match key & 7 {
            0 => {
                let value = number(&mut left)?;
                status = if key >> 3 == 1 { value } else { status };
                0
            }
            1 => 8,
            2 => usize::try_from(number(&mut left)?).ok()?,
            5 => 4,
            _ => return None,
        };
        left = left.get(skipped..)?;
    }
    Some(status)
}

/// Takes a number off the front, seven bits a byte, the lowest first.
fn number(left: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = left.split_first()?;
        *left = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_its_service() {
        assert_eq!(write(""), [0, 0, 0, 0, 0]);
        assert_eq!(write("ab"), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        let long = write(&"x".repeat(300));
        assert_eq!(long[..8], [0, 0, 0, 1, 47, 0x0a, 0xac, 2]);
    }

    #[test]
    fn a_status_is_read_whatever_else_is_there_and_nonsense_is_not() {
        let message = |body: &[u8]| [&[0, 0, 0, 0, body.len() as u8][..], body].concat();
        let cases: [(&[u8], Option<u64>); 8] = [
            (&[8, 1], Some(1)),
            (&[8, 2], Some(2)),
            (&[], Some(0)),
            (&[0x12, 1, 9, 8, 1, 0x15, 0, 0, 0, 0], Some(1)),
            (&[8], None),
            (&[0x12, 9, 8, 1], None),
            (&[0x0b], None),
            (&[8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], None),
        ];
        for (body, expected) in cases {
            assert_eq!(read(&message(body)), expected, "{body:?}");
        }
        assert_eq!(read(&[0, 0, 0, 0, 9, 8, 1]), None, "cut off");
        assert_eq!(read(&[1, 0, 0, 0, 2, 8, 1]), None, "compressed");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(0u8.., 0..64)) {
            let _ = read(&bytes);
        }
    }
}
