//! Where a pool begins, and whom it never ejects.

use super::*;

#[test]
fn a_pool_begins_anywhere_in_its_schedule() {
    let urls = ["http://10.0.0.1", "http://10.0.0.2", "http://10.0.0.3"];
    let weigh = |(url, weight): (&str, u32)| BackendSettings {
        weight,
        ..url.parse::<BackendSettings>().unwrap()
    };
    let backends = urls.into_iter().zip([5, 1, 1]).map(weigh).collect();
    let settings = PoolSettings::new("web", backends);
    let first = |dice| {
        let pool = Pool::build(settings.clone(), None, &Arc::default(), dice);
        pool.pick(0, &[]).unwrap().0
    };
    let mut counts = [0; 3];
    (0..7).for_each(|dice| counts[usize::from(first(dice))] += 1);
    assert_eq!(counts, [5, 1, 1]);
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]
    #[test]
    fn no_more_are_ejected_than_may_be_and_never_everybody(
        count in 1usize..8,
        percent_max in 0u32..=100,
        answers in proptest::collection::vec((0usize..8, 0u8..4), 1..400),
    ) {
        let urls = (1..=count).map(|at| format!("http://10.0.0.{at}").parse().unwrap());
        let rules = Bans {
            consecutive_5xx: 2,
                failure_percent: 50,
            requests_min: 5,
            deviation: 200,
                    // Some are tried out again while others are being judged.
            time: Duration::from_nanos(1),
            time_max: Duration::from_millis(1),
            percent_max,
            half_open: 2,
            ..Bans::NEVER
        };
        let ejection = Some(rules.clone());
        let settings = PoolSettings { ejection, ..PoolSettings::new("web", urls.collect()) };
        let pool = Pool::build(settings, None, &Arc::default(), 0);
        let most = (count * percent_max as usize / 100).max(1);
        for (at, mood) in answers {
            let status = if mood == 0 { 200 } else { 503 };
            pool.backends()[at % count].answered(&rules, status, None);
            pool.lay_out();
            let is_ejected = |one: &&Arc<Backend>| {
                one.conduct.is_out() || one.conduct.is_half_open()
            };
            let ejected = pool.backends().iter().filter(is_ejected).count();
            proptest::prop_assert!(ejected <= most, "{} of {}", ejected, count);
            proptest::prop_assert!(ejected < count, "all {}", count);
            proptest::prop_assert!(pool.candidates() > 0);
        }
    }
}
