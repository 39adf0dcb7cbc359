//! Judging, with values.

use super::*;
use crate::load::Report;
use crate::scenario::accounts::Accounts;
use crate::scenario::facts::Done;
use crate::scenario::file::Scenario;

fn report(ok: u64, failed: u64) -> Report {
    Report::parse(&format!(
        r#"{{"started":"2026-11-23T06:50:00Z","duration_s":1,
            "totals":{{"sent":{},"ok":{ok},"failed":{failed}}},
            "latency":{{"response":{{"p50_us":900,"p99_us":1500,"max_us":2000}}}},
            "backends":[{{"name":"http://one","count":2,"p99_us":4000}},{{"name":"http://two","count":1}}],
            "statuses":{{"200":{ok},"503":{failed}}},
            "errors":[{{"kind":"http_5xx","count":{failed}}}]}}"#,
        ok + failed
    ))
    .unwrap()
}

fn answer(ended_s: f64, outcome: &str, backend: Option<&str>) -> Answer {
    Answer {
        ended_s,
        response_us: ended_s * 1000.0,
        outcome: outcome.to_owned(),
        backend: backend.map(str::to_owned),
    }
}

fn facts(ok: u64, failed: u64) -> Facts {
    let url = |(id, url): (&str, &str)| (id.to_owned(), url.to_owned());
    Facts {
        report: report(ok, failed),
        answers: Vec::new(),
        accounts: None,
        urls: [("b1", "http://one"), ("b2", "http://two"), ("b3", "http://three")].map(url).into(),
        steps: Vec::new(),
        said: Vec::new(),
        beside: Vec::new(),
        nexus_memory: None,
        nexus: NexusEnd { stopped: "exit code 0".to_owned(), ..NexusEnd::default() },
    }
}

fn expect(text: &str) -> Expect {
    let text = format!("about = 'x'\n[load]\nworkers = 1\nrequests = 1\n[expect]\n{text}");
    Scenario::parse("x", &text).unwrap().expect
}

/// Each verdict as `name: measured`, with `!` in front of those that failed.
fn judged(text: &str, facts: &Facts) -> Vec<String> {
    let show = |v: &Verdict| {
        let mark = if v.is_passed { "" } else { "!" };
        format!("{mark}{}: {}", v.name, v.measured)
    };
    judge(&expect(text), facts).iter().map(show).collect()
}

#[test]
fn every_expectation_shows_its_measured_value_also_when_it_passes() {
    let text = "failed = 0\nok = 3\np99 = '< 2ms'\nmax = '< 2ms'\nstatus = { 200 = 3 }";
    assert_eq!(
        judged(text, &facts(3, 0)),
        [
            "ok: 3",
            "failed: 0",
            "p99: 1.5 ms",
            "!slowest: 2.0 ms",
            "status 200: 3",
            "Nexus on SIGTERM: exit code 0"
        ]
    );
}

#[test]
fn shares_are_parts_or_numbers_and_a_silent_backend_has_none() {
    let text = "share = { b1 = '2/3', b2 = 1, b3 = '0%' }";
    assert_eq!(
        judged(text, &facts(3, 0))[..3],
        ["share b1: 66.67 % (2 of 3)", "share b2: 1", "share b3: 0.00 % (0 of 3)"]
    );
}

#[test]
fn a_window_judges_only_its_part_of_the_run() {
    let mut facts = facts(3, 1);
    facts.answers = vec![
        answer(0.5, "ok", Some("http://one")),
        answer(1.0, "timeout", None),
        answer(1.9, "ok", Some("http://two")),
        answer(2.0, "ok", Some("http://one")),
    ];
    let text = "[[expect.window]]\nfrom = '1s'\nto = '2s'\nok = 1\nfailed = 0\np99 = '< 2ms'\n\
                share = { b2 = '100%' }\n[[expect.window]]\nfrom = '2s'\nfailed = 0";
    assert_eq!(
        judged(text, &facts)[..5],
        [
            "1.0–2.0 s ok: 1",
            "!1.0–2.0 s failed: 1",
            "1.0–2.0 s p99: 1.9 ms",
            "1.0–2.0 s share b2: 100.00 % (1 of 1)",
            "2.0 s–end failed: 0"
        ]
    );
}

#[test]
fn only_named_errors_may_occur() {
    let text = "only_errors = ['connect_refused']";
    assert_eq!(judged(text, &facts(3, 1))[0], "!kinds of errors: 1 × http_5xx");
    assert_eq!(judged(text, &facts(3, 0))[0], "kinds of errors: none");
}

#[test]
fn requests_that_ran_twice_fail_the_run() {
    let mut facts = facts(3, 0);
    facts.accounts = Some(Accounts { run_twice: 2, seen: 5, ..Accounts::default() });
    assert_eq!(
        judged("lost = 0\nrun_twice = 0\namplification = '<= 1.2'", &facts)[..3],
        ["lost: 0", "!run twice: 2", "!amplification: 1.667 (5 for 3)"]
    );
}

#[test]
fn what_was_given_up_on_purpose_fails_no_window() {
    let mut facts = facts(3, 0);
    facts.answers = vec![answer(0.5, "ok", Some("http://one")), answer(0.6, "aborted", None)];
    let text = "aborted = 0\n[[expect.window]]\nfrom = '0s'\nfailed = 0\nok = '100%'";
    assert_eq!(judged(text, &facts)[..3], ["aborted: 0", "0.0 s–end ok: 1", "0.0 s–end failed: 0"]);
}

#[test]
fn a_backend_has_a_p99_of_its_own_unless_it_never_answered() {
    let text = "p99_of = { b1 = '< 5ms', b3 = '< 5ms' }";
    assert_eq!(judged(text, &facts(3, 0))[..2], ["p99 of b1: 4.0 ms", "!p99 of b3: inf ms"]);
}

#[test]
fn memory_of_nexus_has_a_bound() {
    let mut facts = facts(3, 0);
    facts.nexus_memory = Some(70 << 20);
    assert_eq!(judged("nexus_memory = '< 64MiB'", &facts)[0], "!memory of Nexus: 70.0 MiB");
}

#[test]
fn a_crash_or_a_panic_of_nexus_always_fails() {
    let mut facts = facts(3, 0);
    facts.nexus.panics = 1;
    assert_eq!(judged("failed = 0", &facts)[1], "!Nexus on SIGTERM: exit code 0, 1 panics");
    facts.nexus.crashed = Some("signal 11".to_owned());
    assert_eq!(judged("failed = 0", &facts)[1], "!Nexus on SIGTERM: crashed: signal 11");
}

#[test]
fn an_event_that_never_came_fails() {
    let mut facts = facts(3, 0);
    facts.steps.push(Done {
        planned: None,
        at: Duration::ZERO,
        what: "await UP".to_owned(),
        awaited: Some((None, Duration::from_secs(1))),
    });
    assert_eq!(judged("failed = 0", &facts)[1], "!await UP: never");
}

#[test]
fn a_busy_machine_excuses_times_and_nothing_else() {
    let verdict = |is_passed, is_timing| Verdict {
        name: String::new(),
        wanted: String::new(),
        measured: String::new(),
        is_passed,
        is_timing,
    };
    let (slow, wrong) = (verdict(false, true), verdict(false, false));
    assert_eq!(outcome(&[verdict(true, false)], true), Outcome::Passed);
    assert_eq!(outcome(std::slice::from_ref(&slow), true), Outcome::Inconclusive);
    assert_eq!(outcome(std::slice::from_ref(&slow), false), Outcome::Failed);
    assert_eq!(outcome(&[slow, wrong], true), Outcome::Failed);
}
