//! Faults over HTTP/2: those that streams have, and what becomes of the others.

use h2::Reason;

use crate::harness::Backend;
use crate::wire2::{Client, get};

/// Why the first request fails.
fn reason(fault: &str) -> Option<Reason> {
    let backend = Backend::start(&["--fault", fault]);
    Client::plain(&backend).get("/").unwrap_err().reason()
}

#[test]
fn a_stream_is_reset_with_the_code_asked_for_and_the_connection_lives() {
    let backend = Backend::start(&["--fault", "rst_stream:code=cancel#1"]);
    let mut client = Client::plain(&backend);
    let error = client.get("/").unwrap_err();
    assert!(error.is_reset() && error.is_remote());
    assert_eq!(error.reason(), Some(Reason::CANCEL));
    assert_eq!(client.get("/").unwrap().text(), "b1\n");
    assert_eq!(backend.stats()["faults"]["rst_stream"], 1);
    assert_eq!(reason("rst_stream:code=4711"), Some(Reason::from(4711)));
}

#[test]
fn a_stream_is_reset_in_the_body_after_so_many_bytes() {
    let backend = Backend::start(&["--fault", "rst_stream:bytes=10", "--body-size", "100"]);
    let mut client = Client::plain(&backend);
    let (response, _) = client.begin(get("/"), true);
    let head = client.head(response);
    assert_eq!(head.headers()["content-length"], "100");
    let mut body = head.into_body();
    let mut came = 0;
    let error = loop {
        match client.data(&mut body).unwrap() {
            Ok(piece) => came += piece.len(),
            Err(error) => break error,
        }
    };
    // The reset may overtake the bytes.
    assert!(came == 10 || came == 0, "{came}");
    assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR));
}

#[test]
fn a_stream_that_is_refused_was_not_run() {
    let backend = Backend::start(&["--fault", "refuse_stream#1"]);
    let mut client = Client::plain(&backend);
    let mut ask = || {
        let mut request = get("/");
        request.headers_mut().insert("x-loadtest-seq", 7.into());
        client.ask(request, None)
    };
    assert_eq!(ask().unwrap_err().reason(), Some(Reason::REFUSED_STREAM));
    assert_eq!(backend.call("GET", "/journal/seqs", "")["ranges"], serde_json::json!([]));
    assert_eq!(ask().unwrap().status, 200);
    let seen = backend.call("GET", "/journal/seqs", "");
    assert_eq!(seen["ranges"], serde_json::json!([[7, 7, 1]]));
}

#[test]
fn a_connection_that_goes_away_answers_what_it_has_and_takes_no_more() {
    let backend = Backend::start(&["--fault", "goaway#1"]);
    let mut client = Client::plain(&backend);
    assert_eq!(client.get("/").unwrap().text(), "b1\n");
    client.end().unwrap();
    assert_eq!(Client::plain(&backend).get("/").unwrap().text(), "b1\n");
}

#[test]
fn with_a_code_it_ends_at_once() {
    let backend = Backend::start(&["--fault", "goaway:code=enhance_your_calm"]);
    let mut client = Client::plain(&backend);
    // The last stream that it names is this one: perhaps it was run.
    assert!(client.get("/").unwrap_err().is_io());
    let error = client.end().unwrap_err();
    assert!(error.is_go_away() && error.is_remote(), "{error}");
    assert_eq!(error.reason(), Some(Reason::ENHANCE_YOUR_CALM));
}

#[test]
fn closing_and_resetting_are_for_the_whole_connection() {
    for fault in ["close", "reset"] {
        let backend = Backend::start(&["--fault", "hang#1", "--fault", fault]);
        let mut client = Client::plain(&backend);
        let (hung, _) = client.begin(get("/"), true);
        client.until("it hangs", || backend.stats()["in_flight"] == 1);
        let error = client.get("/").unwrap_err();
        assert!(error.is_io(), "{fault}: {error}");
        assert!(client.answer(hung).unwrap_err().is_io(), "{fault}");
    }
}

#[test]
fn the_request_after_the_last_of_a_connection_meets_its_end() {
    let backend = Backend::start(&["--keepalive-requests", "2"]);
    let mut client = Client::plain(&backend);
    assert!(client.get("/").is_ok() && client.get("/").is_ok());
    assert!(client.get("/").unwrap_err().is_io());
}

#[test]
fn truncated_and_misframed_answers_have_another_length_than_they_say() {
    for fault in [
        "truncate:bytes=10",
        "framing:kind=cl_too_long",
        "framing:kind=cl_too_short",
        "framing:kind=two_cl",
    ] {
        let backend = Backend::start(&["--fault", fault, "--body-size", "100"]);
        let error = Client::plain(&backend).get("/").unwrap_err();
        // The client of the h2 crate counts, and calls it malformed.
        assert_eq!(error.reason(), Some(Reason::PROTOCOL_ERROR), "{fault}: {error}");
        assert!(!error.is_remote(), "{fault}: {error}");
    }
}

#[test]
fn hanging_in_the_body_comes_after_so_many_bytes() {
    let backend = Backend::start(&["--fault", "hang:bytes=10", "--body-size", "100"]);
    let mut client = Client::plain(&backend);
    let (response, _) = client.begin(get("/"), true);
    let mut body = client.head(response).into_body();
    assert_eq!(client.data(&mut body).unwrap().unwrap().len(), 10);
    assert_eq!(backend.stats()["in_flight"], 1);
    drop(body);
    client.until("it is given up", || backend.stats()["in_flight"] == 0);
}

#[test]
fn what_http2_has_no_place_for_is_a_stream_reset_for_a_protocol_error() {
    for fault in ["malformed", "framing:kind=te_obs", "framing:kind=extra_bytes"] {
        assert_eq!(reason(fault), Some(Reason::PROTOCOL_ERROR), "{fault}");
    }
}

#[test]
fn thin_answers_and_failures_by_status_are_whole() {
    let backend = Backend::start(&["--fault", "bandwidth:rate=1000", "--body-size", "100"]);
    let begun = std::time::Instant::now();
    let answer = Client::plain(&backend).get("/").unwrap();
    assert_eq!(answer.body, backend.get("/").body);
    assert!(begun.elapsed() >= std::time::Duration::from_millis(100));
    let backend = Backend::start(&["--fault", "status:code=503,retry_after=3"]);
    let answer = Client::plain(&backend).get("/").unwrap();
    assert_eq!((answer.status, answer.field("retry-after"), answer.text()), (503, "3", "b1\n"));
}

#[test]
fn what_befalls_streams_passes_http1_by() {
    let backend = Backend::start(&["--fault", "refuse_stream", "--fault", "goaway"]);
    assert_eq!(backend.get("/").text(), "b1\n");
    assert_eq!(backend.stats()["faults"], serde_json::json!({}));
}
