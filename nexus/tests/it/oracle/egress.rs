//! What Nexus writes must be read by everybody as what it took it for.

use nexus::http1::body::Framing;
use nexus::http1::egress::{self, Changes, Client, Reply};
use nexus::http1::forwarded::ForwardedFields;
use nexus::http1::gate::{self, Admission};
use nexus::http1::head::{Version, parse_request, parse_response};
use nexus::http1::response;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::message::{Message, Reading};
use super::wire::Wire;
use super::{ours, theirs};
use crate::world::shown;

/// The authority of the backend.
pub(super) const BACKEND: &str = "backend:81";

/// Returns the requests of a connection that a backend must see whole, as it must see them.
pub(super) fn expected(reading: &Reading) -> Vec<Message> {
    let all = reading.heads.iter().zip(&reading.messages);
    let passed =
        all.filter(|(head, message)| message.is_whole && forwarded(head, message, false).is_some());
    passed.map(|(_, message)| with_host(message)).collect()
}

/// Returns the request with the backend's own host, which it gets if it comes without one.
fn with_host(message: &Message) -> Message {
    let mut message = message.clone();
    if message.host.is_empty() {
        BACKEND.clone_into(&mut message.host);
    }
    message
}

/// Writes a message that was read as Nexus forwards it, unless it is answered by Nexus itself.
fn forwarded(head: &[u8], message: &Message, is_trusted: bool) -> Option<Vec<u8>> {
    let parsed = parse_request(head).unwrap().unwrap();
    let Ok(Admission::Forward(request)) = gate::admit(head, parsed) else {
        return None;
    };
    let mut out = Vec::new();
    let ip = [10, 0, 0, 7].into();
    let told_by = ForwardedFields::Both;
    let client = Client { ip, is_trusted, told_by, is_secured: false, certificate: None };
    egress::request(&mut out, head, &request, client, BACKEND.as_bytes(), Changes::default());
    body(&mut out, message, request.body, true);
    Some(out)
}

/// Writes an answer that was read as Nexus sends it on.
fn sent_on(head: &[u8], message: &Message, to_head: bool, reply: Reply<'_>) -> Vec<u8> {
    let parsed = parse_response(head).unwrap().unwrap();
    let response = response::admit(head, parsed, to_head).unwrap();
    let framing = match (reply.version, response.body) {
        (Version::Http11, Framing::UntilClose) => Framing::Chunked,
        (Version::Http10, Framing::Chunked) => Framing::UntilClose,
        (_, as_it_is) => as_it_is,
    };
    let mut out = Vec::new();
    egress::response(&mut out, head, &response, Reply { framing, ..reply });
    body(&mut out, message, framing, reply.trailers);
    out
}

/// Writes a body as `flow` does, in chunks of a few bytes.
fn body(out: &mut Vec<u8>, message: &Message, framing: Framing, trailers: bool) {
    if framing != Framing::Chunked {
        out.extend_from_slice(&message.body);
        return;
    }
    for chunk in message.body.chunks(17) {
        egress::chunk_size(out, chunk.len());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n");
    for trailer in message.trailers.iter().filter(|_| trailers) {
        out.extend(trailer.chars().map(|c| u8::try_from(c).unwrap()));
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// Checks a head with the strictest means: lines end in CRLF, nothing else is a control, and
/// nothing is said twice about the host or the body.
fn check_head(bytes: &[u8], hosts: usize) -> Result<(), TestCaseError> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head has an end");
    let text: String = bytes[..end].iter().map(|byte| char::from(*byte)).collect();
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap();
    prop_assert!(!first.starts_with(' '), "{first}");
    let is_bad = |c: char| c != '\t' && c.is_ascii_control();
    prop_assert!(!text.replace("\r\n", "").contains(is_bad), "a control is in {text:?}");
    let fields = lines.map(|line| line.split_once(": ").unwrap_or_else(|| panic!("{line:?}")));
    let fields: Vec<_> = fields.map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    let all = |name: &str| -> Vec<&str> {
        fields.iter().filter(|(known, _)| known == name).map(|(_, value)| *value).collect()
    };
    prop_assert_eq!(all("host").len(), hosts, "{}", text);
    let (lengths, codings) = (all("content-length"), all("transfer-encoding"));
    prop_assert!(lengths.len() + codings.len() <= 1, "two framings are in {text:?}");
    prop_assert!(codings.iter().all(|coding| *coding == "chunked"), "{text:?}");
    let canonical = |length: &&str| length.parse::<u64>().is_ok_and(|n| n.to_string() == **length);
    prop_assert!(lengths.iter().all(canonical), "a length is odd in {text:?}");
    let one_hop = ["keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization"];
    prop_assert!(one_hop.iter().all(|name| all(name).is_empty()), "{text:?}");
    Ok(())
}

/// Checks what goes to a backend for each request that was let in.
pub(super) fn check_requests(wire: &Wire, is_trusted: bool) -> Result<(), TestCaseError> {
    let reading = ours::requests(wire);
    for (head, message) in reading.heads.iter().zip(&reading.messages) {
        let Some(first) = forwarded(head, message, is_trusted).filter(|_| message.is_whole) else {
            continue;
        };
        check_head(&first, 1)?;
        let expected = with_host(message);
        let wire = Wire::whole(first.clone());
        let again = ours::requests(&wire);
        prop_assert_eq!(again.refused, None, "{:?}", wire);
        prop_assert_eq!(&again.messages, std::slice::from_ref(&expected), "{:?}", wire);
        prop_assert!(again.rest.is_empty(), "{:?}", wire);
        if super::rows::request_let_in(message).is_none() {
            prop_assert_eq!(theirs::requests(&wire), [expected], "{:?}", wire);
        }
        // Sent on once more it stays as it is, apart from what counts hops or names them.
        let counts = wire.bytes.windows(13).any(|part| part.eq_ignore_ascii_case(b"max-forwards:"));
        if !is_trusted && !counts && !message.host.is_empty() {
            let second = forwarded(&again.heads[0], &again.messages[0], false).unwrap();
            prop_assert_eq!(shown(&second), shown(&wire.bytes));
        }
    }
    Ok(())
}

/// Checks what goes to a client for an answer that was let in.
pub(super) fn check_answer(
    wire: &Wire,
    to_head: bool,
    version: Version,
    keep_alive: bool,
) -> Result<(), TestCaseError> {
    let reading = ours::answer(wire, to_head);
    let (Some(head), Some(message)) = (reading.heads.first(), reading.messages.first()) else {
        return Ok(());
    };
    if !message.is_whole {
        return Ok(());
    }
    let framing = message.framing;
    let reply = Reply {
        framing,
        version,
        keep_alive,
        trailers: true,
        own: b"X-Own: b\r\n",
        hsts: &[],
        date: b"now",
        changes: Changes::default(),
    };
    let first = sent_on(head, message, to_head, reply);
    check_head(&first, 0)?;
    let names = |head: &[u8], name: &[u8]| {
        head.windows(name.len()).any(|part| part.eq_ignore_ascii_case(name))
    };
    if framing == Framing::Length(0) && names(head, b"\ntransfer-encoding:") {
        prop_assert!(!names(&first, b"\ncontent-length:"), "row R1: {}", shown(&first));
    }
    let mut expected = message.clone();
    expected.framing = match (version, framing) {
        (Version::Http11, Framing::UntilClose) => Framing::Chunked,
        (Version::Http10, Framing::Chunked) => Framing::UntilClose,
        (_, framing) => framing,
    };
    if expected.framing == Framing::UntilClose {
        expected.trailers.clear();
    }
    let wire = Wire::whole(first);
    let again = ours::answer(&wire, to_head);
    prop_assert_eq!(again.refused, None, "{:?}", wire);
    prop_assert_eq!(&again.messages, std::slice::from_ref(&expected), "{:?}", wire);
    prop_assert!(again.rest.is_empty(), "{:?}", wire);
    prop_assert_eq!(theirs::answer(&wire, to_head), Some((expected, vec![])), "{:?}", wire);
    // Sent on again and again it stays as it is, once every field has found its place.
    let second = Wire::whole(sent_on(&again.heads[0], &again.messages[0], to_head, reply));
    let again = ours::answer(&second, to_head);
    let third = sent_on(&again.heads[0], &again.messages[0], to_head, reply);
    prop_assert_eq!(shown(&third).replacen("X-Own: b|", "", 1), shown(&second.bytes));
    Ok(())
}
