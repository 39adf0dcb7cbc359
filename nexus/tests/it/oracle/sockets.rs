//! The same over real sockets: what comes out of Nexus is what hyper reads in what went in.

use std::io::Write;
use std::net::Shutdown;
use std::sync::{Arc, Mutex};

use nexus::http1::body::Framing;
use nexus::settings::Settings;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::message::Message;
use super::wire::Wire;
use super::{any_to_head, cases, egress, ours, requests, responses, rows, theirs};
use crate::world::{Backend, Client, Next, before, lines, settings, shown, start, status};

#[test]
fn a_backend_gets_what_hyper_reads() {
    let backend = Backend::named("ok");
    let nexus = start(Settings { half_close: true, ..settings(&[backend.address]) });
    proptest!(cases(300), |(wire in requests::several())| {
        let before = backend.count();
        let mut client = Client::connect(&nexus);
        wire.pieces().for_each(|piece| client.send(piece));
        let _ = client.stream.shutdown(Shutdown::Write);
        client.reader.rest();
        let expected = egress::expected(&ours::requests(&wire));
        if !expected.iter().any(|message| rows::request_let_in(message).is_some()) {
            prop_assert_eq!(seen(&backend, before), expected);
        }
    });
}

/// Reads with hyper what the backend saw since it had seen `before` requests.
fn seen(backend: &Backend, before: usize) -> Vec<Message> {
    let seen = backend.seen();
    let new = seen[before..].iter().map(|seen| [seen.head.as_bytes(), &seen.body].concat());
    let mut messages = theirs::requests(&Wire::whole(new.collect::<Vec<_>>().concat()));
    let own = backend.address.to_string();
    for message in messages.iter_mut().filter(|message| message.host == own) {
        egress::BACKEND.clone_into(&mut message.host);
    }
    messages
}

#[test]
fn a_client_gets_what_hyper_reads() {
    let answer = Arc::new(Mutex::new(Wire::whole(vec![])));
    let current = Arc::clone(&answer);
    let backend = Backend::new(move |stream, _| {
        let wire = current.lock().unwrap().clone();
        wire.pieces().for_each(|piece| drop(stream.write_all(piece)));
        Next::Close
    });
    proptest!(cases(150), |(wire in responses::any_answer(), to_head in any_to_head())| {
        answer.lock().unwrap().clone_from(&wire);
        // A new one each time: for the last one the backend may be DOWN now.
        let nexus = before(&backend);
        let mut client = Client::connect(&nexus);
        let method = if to_head { "HEAD" } else { "GET" };
        let fields = "Host: a|TE: trailers|Connection: close";
        client.send(&lines(&format!("{method} / HTTP/1.1|{fields}||")));
        check_answer(&wire, &Wire::whole(client.reader.rest()), to_head)?;
    });
}

/// Compares what the client got with what the engine reads in what the backend sent.
fn check_answer(sent: &Wire, got: &Wire, to_head: bool) -> Result<(), TestCaseError> {
    let theirs = theirs::answer(got, to_head).map(|(message, _)| message);
    match ours::answer(sent, to_head).messages.pop() {
        Some(mut expected) if expected.is_whole && expected.start != "101" => {
            if expected.framing == Framing::UntilClose {
                expected.framing = Framing::Chunked;
            }
            prop_assert_eq!(theirs, Some(expected), "{:?}", got);
        }
        _ => {
            let is_whole = theirs.is_some_and(|message| message.is_whole && message.start != "502");
            prop_assert!(!is_whole, "{got:?}");
        }
    }
    Ok(())
}

#[test]
fn an_empty_line_has_no_lone_cr() {
    let backend = Backend::named("ok");
    let nexus = before(&backend);
    for empty in ["\r\r\n", "\r\n\r\r\n", "\r"] {
        let mut client = Client::connect(&nexus);
        client.send(empty.as_bytes());
        let (head, _) = client.ask(&lines("GET / HTTP/1.1|Host: a||"));
        assert_eq!(status(&head), 400, "{empty:?}");
    }
    assert_eq!(backend.count(), 0);
}

#[test]
fn a_length_without_a_body_is_told_once() {
    for length in ["7|Content-Length: 7", "7, 7", "007"] {
        let bytes = lines(&format!("HTTP/1.1 304 |Content-Length: {length}||"));
        let backend = Backend::answering(&bytes, || Next::Continue);
        let nexus = before(&backend);
        let (mut client, request) = (Client::connect(&nexus), lines("HEAD / HTTP/1.1|Host: a||"));
        client.send(&request);
        let head = shown(client.reader.head().unwrap().as_bytes());
        assert_eq!(head.matches("|Content-Length: 7|").count(), 1, "row R5: {length}: {head}");
        assert_eq!(head.matches("Content-Length").count(), 1, "row R5: {length}: {head}");
    }
}

#[test]
fn no_answer_is_longer_than_a_file_can_be() {
    for length in ["9223372036854775808", "18446744073709551615"] {
        let bytes = lines(&format!("HTTP/1.1 200 OK|Content-Length: {length}||abc"));
        let backend = Backend::answering(&bytes, || Next::Close);
        let nexus = before(&backend);
        let mut client = Client::connect(&nexus);
        client.send(&lines("GET / HTTP/1.1|Host: a||"));
        assert_eq!(status(&client.reader.head().unwrap()), 502, "row 40 of answers: {length}");
    }
}
