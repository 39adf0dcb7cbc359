//! Requests over HTTP/2: how they share connections, and what is counted.

use std::sync::atomic::Ordering;

use h2::Reason;

use crate::server2::{Does, Server};
use crate::{errors, run};

#[test]
fn workers_share_connections_and_every_request_is_sent_once() {
    let server = Server::plain(|seq| match seq % 2 {
        0 => Does::Answer("http://even"),
        _ => Does::Answer("http://odd"),
    });
    let args = "-c 8 -n 200 --http2 --streams 4 -threads 1";
    let (code, report) = run(&format!("{args} {}", server.flags()));
    assert_eq!((code, &report["totals"]["ok"]), (0, &200.into()));
    assert_eq!((server.connections(), &report["connections"]["opened"]), (2, &2.into()));
    assert_eq!(server.seqs(), (0..200).collect::<Vec<_>>());
    let backends = report["backends"].as_array().unwrap();
    assert!(backends.iter().all(|row| row["count"] == 100), "{backends:?}");
    assert!(server.seen.most.load(Ordering::SeqCst) > 2, "they are not under way at once");
    assert_eq!(
        (&report["config"]["http_version"], &report["config"]["streams"]),
        (&"2".into(), &4.into())
    );
    assert_eq!(report["connections"]["closed_by_peer"], 0);
}

#[test]
fn each_failure_has_its_class_and_nothing_is_sent_again() {
    let server = Server::plain(|seq| match seq {
        3 => Does::Fail,
        5 => Does::Reset(Reason::REFUSED_STREAM),
        7 => Does::Reset(Reason::INTERNAL_ERROR),
        9 => Does::Break,
        11 => Does::Hang,
        _ => Does::Answer("http://b1"),
    });
    let (code, report) = run(&format!("-c 1 -n 20 --http2 -t 1s {}", server.flags()));
    assert_eq!(code, 1);
    let kinds = [
        ("timeout", 1),
        ("truncated_body", 1),
        ("refused_stream", 1),
        ("stream_reset", 1),
        ("http_5xx", 1),
    ];
    assert_eq!(errors(&report), kinds);
    assert_eq!(
        report["failed_seqs"],
        serde_json::json!([[3, 3], [5, 5], [7, 7], [9, 9], [11, 11]])
    );
    assert_eq!(server.seqs(), (0..20).collect::<Vec<_>>());
    assert_eq!(report["reasons"], serde_json::json!({"full": 1}));
    let connections = &report["connections"];
    assert_eq!((&connections["opened"], &connections["closed_by_peer"]), (&2.into(), &1.into()));
}

#[test]
fn a_connection_that_goes_away_costs_no_request() {
    let server = Server::plain(|seq| match seq {
        5 | 9 => Does::GoAway,
        _ => Does::Answer("http://b1"),
    });
    let (code, report) = run(&format!("-n 15 --http2 {}", server.flags()));
    assert_eq!((code, &report["totals"]["ok"]), (0, &15.into()));
    assert_eq!((server.connections(), server.seqs().len()), (3, 15));
    assert_eq!(report["connections"]["closed_by_peer"], 2);
}

#[test]
fn a_large_body_goes_out_and_comes_back_whole() {
    let server = Server::plain(|_| Does::Count);
    let args = "-c 2 -n 4 --http2 --streams 2 --body-size 3MiB --expect-size 3MiB";
    let (code, report) = run(&format!("{args} {}", server.flags()));
    assert_eq!((code, &report["totals"]["body_bytes"]), (0, &(4 * (3 << 20)).into()));
}

#[test]
fn connections_are_kept_or_not_as_asked() {
    let opened = |args: &str| {
        let server = Server::plain(|_| Does::Answer("http://b1"));
        let (code, report) = run(&format!("{args} --http2 {}", server.flags()));
        assert_eq!((code, &report["totals"]["ok"]), (0, &20.into()));
        assert_eq!(report["connections"]["opened"], server.connections());
        server.connections()
    };
    assert_eq!(opened("-c 2 -n 20 -threads 1"), 2);
    assert_eq!(opened("-c 2 -n 20 --streams 2"), 1);
    assert_eq!(opened("-c 2 -n 20 --disable-keepalive"), 20);
    assert_eq!(opened("-c 1 -n 20 --requests-per-connection 5"), 4);
}

#[test]
fn aborts_reset_the_stream_and_keep_the_connection() {
    let server = Server::plain(|_| Does::Hang);
    let (code, report) =
        run(&format!("-c 2 -n 10 --http2 --streams 2 -abort 100%@1ms {}", server.flags()));
    assert_eq!((code, &report["totals"]["aborted"]), (0, &10.into()));
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_server_that_speaks_no_http2_fails_every_request_and_is_not_asked_for_ever() {
    let server = crate::server::Server::start(|_| crate::server::Reply::Close);
    let (code, report) = run(&format!("-c 2 -n 4 --http2 {}", server.url()));
    assert_eq!((code, &report["totals"]["failed"]), (1, &4.into()));
}
