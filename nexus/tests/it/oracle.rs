//! hyper as the oracle: the same bytes go to it and to the engine, and both must see the same
//! messages. Where they may differ is written down in [`rows`]; where a body ends they never may.
//!
//! # Is that not the same parser twice?
//!
//! For the lines of a head it is: both stand on httparse. All that follows from them (the gate, the
//! framing, the chunks, what is written) is not, and that is where smuggling lives.

mod bodies;
mod egress;
mod message;
mod ours;
mod requests;
mod responses;
mod rows;
mod sockets;
mod theirs;
mod wire;

use nexus::http1::head::Version;
use nexus::reason::Reason;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use message::Message;
use wire::Wire;

/// Runs so many cases, or as many as `PROPTEST_CASES` says.
fn cases(count: u32) -> ProptestConfig {
    let said = std::env::var("PROPTEST_CASES").ok().and_then(|said| said.parse().ok());
    ProptestConfig { cases: said.unwrap_or(count), max_shrink_iters: 10_000, ..Default::default() }
}

/// Reads requests with both readers.
fn compare_requests(wire: &Wire) -> Result<(), TestCaseError> {
    let (ours, theirs) = (ours::requests(wire), theirs::requests(wire));
    for (ours_one, theirs_one) in ours.messages.iter().zip(&theirs) {
        let asterisk = ours_one.start == "OPTIONS *" && theirs_one.start == "OPTIONS /";
        let start = if asterisk { &ours_one.start } else { &theirs_one.start }; // `http://a`
        let head = (start.as_str(), theirs_one.host.as_str(), theirs_one.framing);
        prop_assert_eq!(ours_one.head(), head);
        if !compare_bodies(ours_one, theirs_one)? {
            let is_allowed =
                !theirs_one.is_whole || rows::body_refused(&ours, &wire.bytes).is_some();
            prop_assert!(is_allowed, "no row refuses {theirs_one:?}\n{ours:?}");
            return Ok(());
        }
    }
    let both = ours.messages.len().min(theirs.len());
    if both > 0 && rows::goes_on_otherwise(&ours.heads[both - 1]).is_some() {
        return Ok(());
    }
    if let Some(only_ours) = ours.messages.get(both) {
        let row = rows::request_let_in(only_ours);
        prop_assert!(row.is_some(), "no row lets in {only_ours:?}");
    }
    if let Some(only_theirs) = theirs.get(both) {
        let row =
            ours.refused.and_then(|why| rows::request_refused(&wire.bytes[ours.head_at..], why));
        prop_assert!(row.is_some(), "no row refuses {only_theirs:?}\n{ours:?}");
    }
    Ok(())
}

/// Compares bodies; returns whether both were read to their end.
fn compare_bodies(ours: &Message, theirs: &Message) -> Result<bool, TestCaseError> {
    let len = ours.body.len().min(theirs.body.len());
    prop_assert_eq!(&ours.body[..len], &theirs.body[..len]);
    prop_assert!(theirs.is_whole || !ours.is_whole, "hyper does not end {ours:?}");
    if !ours.is_whole {
        return Ok(false);
    }
    prop_assert_eq!(&ours.body, &theirs.body);
    let is_kept =
        |line: &&String| !rows::DROPPED_TRAILERS.iter().any(|name| line.starts_with(name));
    let kept: Vec<_> = theirs.trailers.iter().filter(is_kept).collect();
    prop_assert_eq!(ours.trailers.iter().collect::<Vec<_>>(), kept);
    Ok(true)
}

/// Reads an answer with both readers.
fn compare_answers(wire: &Wire, to_head: bool) -> Result<(), TestCaseError> {
    let (ours, theirs) = (ours::answer(wire, to_head), theirs::answer(wire, to_head));
    match (ours.messages.first(), theirs) {
        (None, None) => {}
        (Some(only_ours), None) => prop_assert!(false, "no row lets in {only_ours:?}"),
        (None, Some((only_theirs, _))) => {
            let row = ours.refused.and_then(|_| rows::answer_refused(&wire.bytes));
            prop_assert!(row.is_some(), "no row refuses {only_theirs:?}\n{ours:?}");
        }
        (Some(ours_one), Some((theirs_one, rest))) => {
            prop_assert_eq!(ours_one.head(), theirs_one.head());
            if compare_bodies(ours_one, &theirs_one)? {
                prop_assert_eq!(&ours.rest, &rest);
            } else {
                let row = rows::body_refused(&ours, &wire.bytes);
                let is_allowed = !theirs_one.is_whole || row.is_some();
                prop_assert!(is_allowed, "no row refuses {theirs_one:?}\n{ours:?}");
            }
        }
    }
    Ok(())
}

/// Checks that the same is read however the bytes are cut.
fn compare_cuts(
    wire: &Wire,
    read: impl Fn(&Wire) -> message::Reading,
) -> Result<(), TestCaseError> {
    let whole = read(&wire.uncut());
    for wire in [wire, &wire.by(1)] {
        let mut cut = read(wire);
        // Row 30 calls both right: how much of the version was there decides.
        if whole.refused == Some(Reason::VersionNotSupported) {
            let is_malformed = cut.refused == Some(Reason::MalformedRequest);
            cut.refused = if is_malformed { whole.refused } else { cut.refused };
        }
        prop_assert_eq!(&cut, &whole);
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn hyper_sees_the_same_requests(wire in requests::several()) {
        compare_requests(&wire)?;
    }

    #[test]
    fn hyper_sees_the_same_answer(wire in responses::any_answer(), to_head in any_to_head()) {
        compare_answers(&wire, to_head)?;
    }

    #[test]
    fn where_requests_are_cut_does_not_matter(wire in requests::several()) {
        compare_cuts(&wire, ours::requests)?;
    }

    #[test]
    fn where_an_answer_is_cut_does_not_matter(
        wire in responses::any_answer(),
        to_head in any_to_head(),
    ) {
        compare_cuts(&wire, |wire| ours::answer(wire, to_head))?;
    }

    #[test]
    fn a_forwarded_request_means_what_it_meant(wire in requests::one(), trusted in any::<bool>()) {
        egress::check_requests(&wire, trusted)?;
    }

    #[test]
    fn an_answer_sent_on_means_what_it_meant(
        wire in responses::one(),
        to_head in any_to_head(),
        is_old in any::<bool>(),
        keep_alive in any::<bool>(),
    ) {
        let version = if is_old { Version::Http10 } else { Version::Http11 };
        egress::check_answer(&wire, to_head, version, keep_alive)?;
    }
}

#[test]
fn named_requests_are_read_alike() {
    let chunked = "POST / HTTP/1.1|Host: a|Transfer-Encoding: chunked||";
    let next = "GET /next HTTP/1.1|Host: a||";
    for bytes in [
        // What only one of the two, or none, may take for the end of a line.
        format!("{next}\r|{next}"),
        format!("\r|{next}"),
        format!("\n|{next}"),
        format!("{chunked}3;a\nabc|0||{next}"),
        format!("{chunked}3;a=\"|\"abc|0||{next}"),
        format!("{chunked}3|abc|0|\nfoo||{next}"),
        format!("{chunked}3|abc|0|X: y\n||{next}"),
        // A size that wraps around in 32 or 64 bits.
        format!("{chunked}100000003|abc|0||{next}"),
        format!("{chunked}10000000000000003|abc|0||{next}"),
        format!("{chunked}00000000000000003|abc|0||{next}"),
        // A second framing that hides.
        format!("POST / HTTP/1.1|Host: a|Content-Length: 5|Transfer-Encoding: chunked||0||{next}"),
        format!("POST / HTTP/1.1|Host: a|Transfer-Encoding: chunked|Content-Length: 5||0||{next}"),
        format!("POST / HTTP/1.1|Host: a|Content-Length: 3|Content-Length: 5||abc{next}"),
        format!("POST / HTTP/1.0|Host: a|Transfer-Encoding: chunked||3|abc|0||{next}"),
        format!("POST / HTTP/1.1|Host: a|Content-Length: 3|Content_Length: 5||abc{next}"),
        // Who says that it was the last.
        format!("GET / HTTP/1.1|Host: a|Connection: é, close||{next}"),
        format!("GET / HTTP/1.0|Connection: keep-alive|Connection: close||{next}"),
        format!("GET / HTTP/1.1|Host: a|Upgrade: websocket|Connection: Upgrade||{next}"),
    ] {
        let wire = Wire::whole(crate::world::lines(&bytes));
        for wire in [&wire, &wire.by(1), &wire.by(7)] {
            compare_requests(wire).unwrap_or_else(|difference| panic!("{difference}{wire:?}"));
        }
    }
}

#[test]
fn named_answers_are_read_alike() {
    for bytes in [
        "HTTP/1.1 200 OK|Content-Length: 18446744073709551615||abc",
        "HTTP/1.1 200 OK|Content-Length: 9223372036854775808||abc",
        "HTTP/1.1 200 OK|Transfer-Encoding: chunked|Content-Length: 1||3|abc|0||rest",
        "HTTP/1.1 304 |Content-Length: 3|Content-Length: 3||abc",
        "HTTP/1.1 205 Reset|Content-Length: 3||abcrest",
        "HTTP/1.0 204 No Content|Transfer-Encoding: chunked||3|abc|0||",
        "HTTP/1.1 101 S|Content-Length: 3||abc",
        "HTTP/1.1 100 \u{80}C||HTTP/1.1 103 H|Content-Length: 3||HTTP/1.1 200|Content-Length: 3||abc",
        "HTTP/1.1 200 OK|Connection: close||abc",
        "HTTP/1.1 200 OK|Transfer-Encoding: chunked|Content-Length: \u{a0}0||0||",
    ] {
        let wire = Wire::whole(crate::world::lines(bytes));
        for (wire, to_head) in [(&wire, false), (&wire.by(1), false), (&wire.by(7), true)] {
            compare_answers(wire, to_head).unwrap_or_else(|why| panic!("{why}{wire:?}"));
        }
    }
}

fn any_to_head() -> impl Strategy<Value = bool> {
    prop_oneof![4 => Just(false), 1 => Just(true)]
}
