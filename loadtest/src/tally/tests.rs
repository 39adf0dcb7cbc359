use super::*;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn answer(seq: u64, ended: Duration, backend: &'static str) -> Sample<'static> {
    Sample {
        seq,
        ended,
        response: ms(2),
        service: ms(1),
        status: Some(200),
        backend: Some(backend.as_bytes()),
        reason: None,
        body: 3,
        failure: None,
    }
}

fn failed<'a>(seq: u64, ended: Duration, failure: &'a Failure) -> Sample<'a> {
    Sample { status: None, backend: None, failure: Some(failure), ..answer(seq, ended, "") }
}

#[test]
fn what_succeeded_and_what_failed_add_up_to_what_was_sent() {
    let mut tally = Tally::new();
    let refused = Failure::connect(std::io::ErrorKind::ConnectionRefused.into());
    let timeout = Failure::connect_timeout();
    tally.record(&answer(0, ms(1), "b1"));
    tally.record(&failed(1, ms(2), &refused));
    tally.record(&failed(2, ms(3), &timeout));
    tally.record(&failed(3, ms(4), &refused));
    assert_eq!((tally.sent, tally.ok, tally.failed()), (4, 1, 3));
    let classes: u64 = tally.failures.iter().map(|failures| failures.count).sum();
    assert_eq!(classes, tally.failed());
    assert_eq!(runs(tally.failed_seqs), [[1, 3]]);
}

#[test]
fn what_was_given_up_on_purpose_is_neither_a_success_nor_a_failure() {
    let mut tally = Tally::new();
    let aborted = Failure::aborted();
    tally.record(&answer(0, ms(1), "b1"));
    tally.record(&Sample { failure: Some(&aborted), ..answer(1, ms(2), "b1") });
    assert_eq!((tally.sent, tally.ok, tally.failed(), tally.aborted), (2, 1, 0, 1));
    assert_eq!((tally.backends[0].count, tally.failures.len()), (1, 0));
    assert_eq!(runs(tally.aborted_seqs), [[1, 1]]);
}

#[test]
fn a_class_of_failures_knows_its_first_its_last_and_what_the_first_said() {
    let mut tally = Tally::new();
    let refused = Failure::connect(std::io::ErrorKind::ConnectionRefused.into());
    for (seq, at) in [(4, ms(10)), (5, ms(20)), (9, ms(30))] {
        tally.record(&failed(seq, at, &refused));
    }
    let failures = &tally.failures[0];
    assert_eq!(failures.kind, Kind::ConnectRefused);
    assert_eq!((failures.first, failures.last), (ms(10), ms(30)));
    assert_eq!(failures.sample, "connection refused");
    assert_eq!(failures.seqs, [4, 5, 9]);
}

#[test]
fn an_error_status_counts_for_its_backend_but_not_in_its_latency() {
    let mut tally = Tally::new();
    let failure = Failure::status(503).unwrap();
    let bad = Sample { status: Some(503), failure: Some(&failure), ..answer(1, ms(5), "b1") };
    tally.record(&answer(0, ms(1), "b1"));
    tally.record(&bad);
    let backend = &tally.backends[0];
    assert_eq!((backend.count, backend.ok, backend.latency.count()), (2, 1, 1));
    assert_eq!((backend.first, backend.last), (ms(1), ms(5)));
    assert_eq!(tally.statuses, [(200, 1), (503, 1)]);
}

#[test]
fn an_answer_without_the_header_is_shown_as_such() {
    let mut tally = Tally::new();
    tally.record(&Sample { backend: None, ..answer(0, ms(1), "") });
    assert_eq!(tally.backends[0].name, UNNAMED);
}

#[test]
fn a_thousand_names_are_kept_and_the_rest_is_counted_together() {
    let mut tally = Tally::new();
    for seq in 0..NAMES_MAX as u64 + 10 {
        let name = format!("b{seq}");
        let sample = Sample { backend: Some(name.as_bytes()), ..answer(seq, ms(1), "") };
        tally.record(&sample);
    }
    assert_eq!(tally.backends.len(), NAMES_MAX + 1);
    assert_eq!(tally.backends[NAMES_MAX].name, OTHER);
    assert_eq!(tally.backends[NAMES_MAX].count, 10);
}

#[test]
fn two_threads_together_are_as_good_as_one() {
    let refused = Failure::connect(std::io::ErrorKind::ConnectionRefused.into());
    let (mut one, mut a, mut b) = (Tally::new(), Tally::new(), Tally::new());
    for seq in 0..100 {
        let part = if seq % 2 == 0 { &mut a } else { &mut b };
        for tally in [part, &mut one] {
            match seq % 10 {
                3 => tally.record(&failed(seq, ms(seq), &refused)),
                _ => tally.record(&answer(seq, ms(seq), if seq < 50 { "b1" } else { "b2" })),
            }
        }
    }
    b.merge(a);
    assert_eq!((b.sent, b.ok, b.last_end), (one.sent, one.ok, one.last_end));
    assert_eq!(b.response.quantile_us(0.99), one.response.quantile_us(0.99));
    assert_eq!(b.statuses, one.statuses);
    assert_eq!(runs(b.failed_seqs.clone()), runs(one.failed_seqs.clone()));
    let (merged, single) = (&b.failures[0], &one.failures[0]);
    assert_eq!((merged.count, merged.first, merged.last), (10, single.first, single.last));
    assert_eq!(merged.seqs, single.seqs);
    let count = |tally: &Tally, name| {
        tally.backends.iter().find(|backend| backend.name == name).map(|backend| backend.count)
    };
    assert_eq!(count(&b, "b1"), Some(45));
    assert_eq!(count(&one, "b2"), Some(45));
}

#[test]
fn a_latency_keeps_its_exact_edges_and_counts_what_is_out_of_range() {
    let mut latency = Latency::fine();
    assert_eq!((latency.count(), latency.quantile_us(0.5), latency.min_us()), (0, 0, 0));
    latency.record(Duration::ZERO);
    latency.record(Duration::from_nanos(1_234_500));
    latency.record(Duration::from_secs(7200));
    assert_eq!((latency.min_us(), latency.max_us()), (1, 7_200_000_000));
    assert_eq!((latency.count(), latency.over()), (3, 1));
    assert!((1_234..1_237).contains(&latency.quantile_us(0.5)));
    latency.clear();
    assert_eq!((latency.count(), latency.max_us()), (0, 0));
}
