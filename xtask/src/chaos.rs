//! `cargo xtask chaos`: random faults on all backends, from a seed, then all healed, and recovery
//! demanded.
//!
//! It writes scenarios and runs them: what happened can be read, and run again. One has GET, one has
//! POST, so that both what must be saved and what must not be run twice is at stake.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::{Outcome, cargo, scenario};

/// What `cargo xtask chaos` takes.
#[derive(clap::Args)]
#[command(
    after_help = "Half of the time is under GET, half under POST; then all backends are healed, and must come back \
    to their\nwhole share. The same seed makes the same faults at the same times.\n\nExit code: as of `cargo xtask \
    scenario`."
)]
pub(crate) struct Args {
    /// What the faults are made of [default: by chance, and printed]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How long there are faults, from 4s to 10m
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = time)]
    lasts: Duration,
    /// Requests a second
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=20_000))]
    rate: u64,
}

/// Runs a short one, for CI: always the same, so that a failure is the change's. Its seed makes six
/// faults in two seconds: resets, hanging, closing, a pause and a blackhole.
pub(crate) fn run_short() -> Result<Outcome> {
    run(&Args { seed: Some(98), lasts: LASTS_MIN, rate: 1000 })
}

const LASTS_MIN: Duration = Duration::from_secs(4);

fn time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let range = LASTS_MIN..=Duration::from_secs(600);
    range.contains(&time).then_some(time).ok_or_else(|| "use a time from 4s to 10m".to_owned())
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    let folder = cargo::target_dir().join("chaos");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    println!("chaos of seed {seed}");
    let mut paths: Vec<PathBuf> = Vec::new();
    for method in ["GET", "POST"] {
        let path = folder.join(format!("chaos-{seed}-{}.toml", method.to_lowercase()));
        fs::write(&path, plan(seed, args.lasts / 2, method, args.rate))
            .with_context(|| format!("cannot write {}", path.display()))?;
        paths.push(path);
    }
    let tally = scenario::run_files(&paths)?;
    println!("chaos of seed {seed}: {}", tally.balance());
    if tally.outcome() != Outcome::Passed {
        let (rate, lasts) = (args.rate, humantime::format_duration(args.lasts));
        let lasts = lasts.to_string().replace(' ', "");
        println!("once more: cargo xtask chaos --seed {seed} --for {lasts} --rate {rate}");
    }
    Ok(tally.outcome())
}

/// Before the first fault.
const QUIET: Duration = Duration::from_secs(1);
/// A backend that flaps is kept out for so long at first, an ejection lasts hardly longer at most.
const KEPT_OUT_MIN: Duration = Duration::from_secs(5);
/// A backend that fails may be kept out for as long at most, however often it flapped.
const KEPT_OUT_MAX: Duration = Duration::from_secs(60);
/// After that: the next probe, or a few requests to try it out with.
const TRIED_OUT: Duration = Duration::from_secs(1);
/// How long all is judged to be well.
const JUDGED: Duration = Duration::from_secs(2);

/// What may befall a backend, and what ends it.
const FAULTS: [(&str, &str); 12] = [
    ("do = 'fault'\nfault = 'hang'", "do = 'heal'"),
    ("do = 'fault'\nfault = 'hang@0.2'", "do = 'heal'"),
    ("do = 'fault'\nfault = 'close'", "do = 'heal'"),
    ("do = 'fault'\nfault = 'reset@0.3'", "do = 'heal'"),
    ("do = 'fault'\nfault = 'malformed'", "do = 'heal'"),
    ("do = 'fault'\nfault = 'truncate:bytes=1'", "do = 'heal'"),
    ("do = 'fault'\nfault = 'framing:kind=extra_bytes@0.1'", "do = 'heal'"),
    ("do = 'fault'\nfault = 'status:code=503@0.5'", "do = 'heal'"),
    ("do = 'down'", "do = 'up'"),
    ("do = 'down'\nmode = 'blackhole'", "do = 'up'"),
    ("do = 'pause'", "do = 'resume'"),
    ("do = 'latency'\nlatency = '60ms'", "do = 'latency'\nlatency = '0ms'"),
];

/// For how long the last fault may keep a backend out.
///
/// Each stay for flapping is twice as long as the one before, which it came after: no longer than all
/// faults took, and the first.
fn kept_out(lasts: Duration) -> Duration {
    match lasts < KEPT_OUT_MIN {
        true => KEPT_OUT_MIN,
        false => (lasts + KEPT_OUT_MIN).min(KEPT_OUT_MAX),
    }
}

/// Writes a scenario: faults for a time, on two of three backends at once at most, then none.
fn plan(seed: u64, lasts: Duration, method: &str, rate: u64) -> String {
    let mut dice = fastrand::Rng::with_seed(seed);
    let healed = QUIET + lasts;
    let calm = healed + kept_out(lasts) + TRIED_OUT;
    let mut text = opening(seed, method, rate, calm + JUDGED);
    let mut cures: [Option<&str>; 3] = [None; 3];
    let mut now = QUIET;
    while now < healed {
        let sick = cures.iter().flatten().count();
        let at = dice.usize(..cures.len());
        let step = match cures[at].take() {
            Some(cure) => Some(cure),
            None if sick < 2 => {
                let (fault, cure) = FAULTS[dice.usize(..FAULTS.len())];
                cures[at] = Some(cure);
                Some(fault)
            }
            None => None,
        };
        if let Some(step) = step {
            push(&mut text, now, at, step);
        }
        now += Duration::from_millis(dice.u64(100..300));
    }
    for (at, cure) in cures.iter().enumerate() {
        if let Some(cure) = cure {
            push(&mut text, healed, at, cure);
        }
    }
    let from = calm.as_secs_f64();
    write!(
        text,
        "\n[[expect.window]]\nfrom = \"{from}s\"\nfailed = 0\n\
        share = {{ b1 = \"1/3 ± 2%\", b2 = \"1/3 ± 2%\", b3 = \"1/3 ± 2%\" }}\n"
    )
    .expect("writing to memory cannot fail");
    text
}

/// All but the steps and what must hold in the end.
fn opening(seed: u64, method: &str, rate: u64, lasts: Duration) -> String {
    let (limit, duration) = (lasts.as_secs() + 30, lasts.as_millis());
    let sent = (lasts.as_secs_f64() * rate as f64).ceil();
    // Of a request that is idempotent, a second run is no harm.
    let run_twice = if method == "POST" { "0" } else { "'>= 0'" };
    format!(
        "about = \"seed {seed}: random faults under {method}, then none\"\ntags = [\"long\"]\n\
        limit = \"{limit}s\"\nnexus = [\"--workers=2\"]\nconfig = \"\"\"\npools:\n  web:\n    \
        backends: [\"{{b1}}\", \"{{b2}}\", \"{{b3}}\"]\n    \
        health_check: {{ interval: 200ms, timeout: 200ms }}\n    \
        timeouts: {{ connect: 300ms, response: 500ms }}\n    \
        retry: {{ on: [connect, reset_before_response, response_timeout, bad_response] }}\n    \
        ejection: {{ consecutive_5xx: 5, time: 1s, max_time: 5s }}\n\
        routes:\n  - {{ pool: web }}\n\"\"\"\n\n\
        [load]\nrate = {rate}\nduration = \"{duration}ms\"\nworkers = {}\n\
        flags = [\"--method={method}\", \"--expect-size=3\"]\n\n\
        [expect]\nsent = {sent}\nlost = 0\nrun_twice = {run_twice}\namplification = '<= 1.2'\n\
        status = {{ 299 = 0 }}\n\
        only_errors = ['http_5xx', 'truncated_body', 'reset_in_body']\n",
        rate.max(300),
    )
}

fn push(text: &mut String, now: Duration, at: usize, step: &str) {
    let (seconds, number) = (now.as_secs_f64(), at + 1);
    write!(text, "\n[[step]]\nat = \"{seconds:.3}s\"\nbackend = \"b{number}\"\n{step}\n")
        .expect("writing to memory cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_run_has_a_hundred_thousand_requests() {
        let sent = |method| {
            let text = plan(7, Duration::from_secs(30), method, 1000);
            let line = text.lines().find_map(|line| line.strip_prefix("sent = ")).unwrap();
            line.parse::<u64>().unwrap()
        };
        assert!(sent("GET") + sent("POST") >= 100_000);
    }

    #[test]
    fn a_seed_is_a_plan_that_heals_all_and_never_has_three_sick() {
        for seed in 0..50 {
            let lasts = Duration::from_secs(20);
            let text = plan(seed, lasts, "GET", 1000);
            assert_eq!(text, plan(seed, lasts, "GET", 1000));
            scenario::check(&text).unwrap();
            let mut sick = std::collections::BTreeSet::new();
            for step in text.split("[[step]]").skip(1) {
                let backend = step.lines().find(|line| line.starts_with("backend")).unwrap();
                let is_cure = FAULTS
                    .iter()
                    .any(|(_, cure)| step.split("\n\n").next().unwrap().trim_end().ends_with(cure));
                if is_cure {
                    assert!(sick.remove(backend));
                } else {
                    assert!(sick.insert(backend) && sick.len() <= 2, "seed {seed}");
                }
            }
            assert!(sick.is_empty(), "seed {seed}: {sick:?}");
        }
    }
}
