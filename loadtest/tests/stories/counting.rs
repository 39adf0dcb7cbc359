//! What is counted, and from when.

use std::time::Duration;

use crate::server::{Reply, Server, ok};
use crate::{errors, run};

#[test]
fn every_request_is_sent_once_and_counted_once() {
    let server = Server::start(|seq| match seq % 10 {
        3 => Reply::Say(
            "HTTP/1.1 503 Busy\r\nX-Nexus-Error: full\r\nContent-Length: 0\r\n\r\n".into(),
        ),
        5 => Reply::Close,
        7 => Reply::Reset,
        _ => Reply::Say(ok(if seq % 2 == 0 { "http://even" } else { "http://odd" })),
    });
    let (code, report) = run(&format!("-c -n 200 -workers 8 {}", server.url()));
    assert_eq!(code, 1);
    assert_eq!(server.seqs(), (0..200).collect::<Vec<_>>());
    let totals = &report["totals"];
    assert_eq!(
        (&totals["sent"], &totals["ok"], &totals["failed"]),
        (&200.into(), &140.into(), &60.into())
    );
    assert_eq!(
        errors(&report),
        [("reset_before_head", 20), ("eof_before_head", 20), ("http_5xx", 20)]
    );
    let failed: Vec<[u64; 2]> =
        (0..200).filter(|seq| [3, 5, 7].contains(&(seq % 10))).map(|seq| [seq, seq]).collect();
    assert_eq!(report["failed_seqs"], serde_json::json!(failed));
    assert_eq!(report["statuses"], serde_json::json!({"200": 140, "503": 20}));
    assert_eq!(report["reasons"], serde_json::json!({"full": 20}));
    let backends = report["backends"].as_array().unwrap();
    let counts: Vec<_> = backends.iter().map(|row| (&row["name"], &row["count"])).collect();
    let (even, odd, unnamed) = ("http://even".into(), "http://odd".into(), "(no header)".into());
    assert_eq!(counts, [(&even, &100.into()), (&odd, &40.into()), (&unnamed, &20.into())]);
}

#[test]
fn a_failure_says_which_request_it_was_and_when() {
    let server =
        Server::start(|seq| if seq == 4 { Reply::Reset } else { Reply::Say(ok("http://b1")) });
    let (code, report) = run(&format!("-c 1 -n 8 {}", server.url()));
    assert_eq!(code, 1);
    let error = &report["errors"][0];
    assert_eq!((&error["kind"], &error["seqs"]), (&"reset_before_head".into(), &vec![4].into()));
    let times = ["first_s", "last_s"].map(|key| error[key].as_f64().unwrap());
    assert!(
        times[0] > 0.0 && times[0] == times[1] && times[1] < report["duration_s"].as_f64().unwrap()
    );
    assert!(error["sample"].as_str().unwrap().contains("reset"));
}

#[test]
fn an_incomplete_body_is_a_failure_with_a_name() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive.";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
    let server = Server::start(move |seq| match seq {
        0 => Reply::SayAndClose(head.into()),
        1 => Reply::SayAndReset(head.into()),
        2 => Reply::SayAndClose(chunked.into()),
        3 => Reply::SayAndClose("SSH-2.0\r\n\r\n".into()),
        4 => Reply::Say(
            "HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n".into(),
        ),
        _ => Reply::Hang,
    });
    let (code, report) = run(&format!("-n 6 -t 1s {}", server.url()));
    assert_eq!(code, 1);
    let kinds = [
        ("timeout", 1),
        ("reset_in_body", 1),
        ("truncated_body", 1),
        ("protocol", 2),
        ("http_4xx", 1),
    ];
    assert_eq!(errors(&report), kinds);
}

#[test]
fn a_share_of_the_requests_is_given_up_by_closing_and_counted_apart() {
    let server = Server::start(|seq| match seq {
        5 => Reply::Close,
        _ => Reply::Stall(Duration::from_millis(300), ok("http://b1")),
    });
    let events = std::env::temp_dir().join(format!("loadtest-aborts-{}", server.address.port()));
    let args = format!("-c -n 100 -workers 25 -abort 25%@10ms {}", server.url());
    let (code, report) = run(&format!("{args} --events {}", events.display()));
    let count = |key: &str| report["totals"][key].as_u64().unwrap();
    assert_eq!((code, count("sent"), count("failed")), (1, 100, 1));
    assert_eq!(count("ok") + count("aborted"), 99);
    assert!((15..35).contains(&count("aborted")), "{}", count("aborted"));
    assert_eq!(errors(&report), [("eof_before_head", 1)]);
    let written = std::fs::read_to_string(&events).unwrap();
    std::fs::remove_file(&events).unwrap();
    let aborted = written.matches(r#""outcome":"aborted""#).count();
    assert_eq!(aborted as u64, count("aborted"));
    let (_, again) = run(&args);
    assert_eq!(again["aborted_seqs"], report["aborted_seqs"], "the same ones");
    assert_eq!(again["config"]["abort"], "25%@10ms");
    assert!(report["connections"]["opened"].as_u64() >= Some(count("aborted")));
}

#[test]
fn an_answer_that_looks_complete_and_has_another_size_is_a_failure_if_that_was_asked_for() {
    let server = Server::start(|seq| match seq {
        2 => Reply::Say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".into()),
        4 => Reply::Say("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n".into()),
        _ => Reply::Say(ok("http://b1")),
    });
    let (code, report) = run(&format!("-c 1 -n 6 -expect-size 3 {}", server.url()));
    assert_eq!((code, errors(&report)), (1, vec![("wrong_size", 1), ("http_4xx", 1)]));
    assert_eq!(report["failed_seqs"], serde_json::json!([[2, 2], [4, 4]]));
    assert_eq!(report["errors"][0]["sample"], "complete, with 2 bytes");
}

#[test]
fn aborts_alone_are_no_failure_and_answers_that_came_before_are_successes() {
    let server = Server::start(|_| Reply::Say(ok("http://b1")));
    let (code, report) = run(&format!("-c 2 -n 50 -abort 100%@5s {}", server.url()));
    assert_eq!((code, &report["totals"]["ok"]), (0, &50.into()));
    let server = Server::start(|_| Reply::Hang);
    let (code, report) = run(&format!("-c 2 -n 10 -abort 100%@1ms {}", server.url()));
    assert_eq!((code, &report["totals"]["aborted"]), (0, &10.into()));
    // Each was sent.
    server.wait_for(10);
}

#[test]
fn a_stall_counts_from_when_each_request_was_due() {
    let server = Server::start(|seq| match seq {
        0 => Reply::Stall(Duration::from_millis(200), ok("http://b1")),
        _ => Reply::Say(ok("http://b1")),
    });
    let (code, report) = run(&format!("-n 20 -rate 100 -workers 1 {}", server.url()));
    assert_eq!(code, 0);
    let p50 = |of: &str| report["latency"][of]["p50_us"].as_u64().unwrap();
    assert!(
        p50("response") >= 90_000,
        "half of them waited for 90 ms or more: {}",
        p50("response")
    );
    assert!(p50("service") < p50("response"));
    assert!(report["late_starts"].as_u64() >= Some(18));
}

#[test]
fn a_duration_ends_the_run_and_an_unmet_rate_is_no_success() {
    let server = Server::start(|_| Reply::Stall(Duration::from_millis(100), ok("http://b1")));
    let (code, report) = run(&format!("-z 300ms -rate 100 -workers 1 {}", server.url()));
    let totals = &report["totals"];
    assert_eq!((code, &totals["planned"], &totals["failed"]), (1, &30.into(), &0.into()));
    assert_eq!(totals["unsent"].as_u64().unwrap() + totals["sent"].as_u64().unwrap(), 30);
    assert!(totals["unsent"].as_u64() > Some(20));
}

#[test]
fn a_warm_up_counts_nowhere() {
    let server = Server::start(|_| Reply::Say(ok("http://b1")));
    let (code, report) = run(&format!("-c 2 -n 10 -warmup 50ms {}", server.url()));
    assert_eq!((code, &report["totals"]["sent"]), (0, &10.into()));
    assert_eq!(server.seqs(), (0..10).collect::<Vec<_>>());
    assert!(server.with_seen(|seen| seen.iter().any(|seen| seen.seq.is_none())));
}
