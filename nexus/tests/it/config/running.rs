//! The program with files: what it runs, what it refuses, and that flags win.

use clap::error::ErrorKind;
use nexus::cli::{Cli, Command};
use nexus::command::check;
use nexus::command::run::Configured;
use nexus::config::render::Colour;
use nexus::settings::Settings;

use super::Values;

const TWO_POOLS: &str = "pools: { a: { backends: [http://a:1] }, b: { backends: [http://b:1] } }\n\
    routes: [{ pool: a }, { match: { path: /b }, pool: b }]\naccess_log: { format: json }\n";

fn read(words: &str) -> Result<(Cli, nexus::cli::over::Said), clap::Error> {
    Cli::read(std::iter::once("nexus").chain(words.split_whitespace()).map(Into::into))
}

fn settings(words: &str, world: &Values) -> Result<Settings, String> {
    let (cli, said) = read(words).unwrap();
    assert!(cli.command.is_none());
    let reading = Configured::new(*cli.flags, said).read_from(world, Colour::Off);
    reading.map(|reading| reading.settings).map_err(|problems| problems.text)
}

#[test]
fn a_file_is_run_with_and_without_the_word_run() {
    let world = Values::of(&[("a.yaml", "workers: 3\nbackends: [http://a:1]")]);
    for words in ["-c a.yaml", "run --config a.yaml", "--config=a.yaml", "run -c a.yaml"] {
        let settings = settings(words, &world).unwrap();
        assert_eq!((settings.workers, settings.pools[0].backends.len()), (3, 1), "{words}");
    }
}

#[test]
fn flags_win_over_the_file_and_defaults_do_not() {
    let world = Values::of(&[("a.yaml", TWO_POOLS)]);
    let plain = settings("-c a.yaml", &world).unwrap();
    let words = "-c a.yaml --workers 9 --attempts 1 --listen :7 --idle-timeout 1s --retry-on-timeout --access-log off";
    let flags = settings(words, &world).unwrap();
    assert_eq!(flags.workers, 9);
    assert_eq!(flags.listeners[0].address.tcp().unwrap().port(), 7);
    assert_eq!(flags.timeouts.idle.as_secs(), 1);
    assert_eq!(flags.timeouts.head, plain.timeouts.head);
    assert!(
        flags
            .pools
            .iter()
            .all(|pool| pool.retry.attempts_max == 1 && pool.retry.on.response_timeout)
    );
    assert_eq!(flags.access_log, None);
    assert!(plain.pools.iter().all(|pool| pool.retry.attempts_max == 3));
    assert_eq!(plain.access_log, Some(nexus::log::LogFormat::Json.into()));
    let text = settings("-c a.yaml --log-format text", &world).unwrap();
    assert_eq!(text.access_log, Some(nexus::log::LogFormat::Text.into()));
}

#[test]
fn backends_on_the_command_line_need_a_pool_to_go_to() {
    let world = Values::of(&[("a.yaml", TWO_POOLS), ("b.yaml", "")]);
    let refused = settings("-c a.yaml --backend http://x:1", &world).unwrap_err();
    assert!(refused.contains("which of the 2 pools"), "{refused}");
    let one = settings("-c b.yaml --backend http://x:1", &world).unwrap();
    assert_eq!(one.pools[0].backends[0].to_string(), "http://x:1");
}

#[test]
fn a_broken_file_is_not_run_and_everything_is_said() {
    let world = Values::of(&[("a.yaml", "worker: 1\nlisten: x\n")]);
    let text = settings("-c a.yaml", &world).unwrap_err();
    assert!(text.contains("did you mean `workers`") && text.contains("a.yaml:2:9"), "{text}");
    let json = settings("-c a.yaml --log-format json", &world).unwrap_err();
    let lines: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["level"], &lines[0]["line"]), (&"ERROR".into(), &1.into()));
    assert!(settings("-c none.yaml", &world).unwrap_err().contains("no such file"));
}

#[test]
fn check_says_all_and_its_exit_code_says_it_too() {
    let world = Values::of(&[("bad.yaml", "worker: 1"), ("good.yaml", TWO_POOLS)]);
    let check = |words: &str| {
        let Some(Command::Check(how)) = read(words).unwrap().0.command else { panic!("{words}") };
        check::check(&how, &world, Colour::Off)
    };
    let bad = check("check bad.yaml");
    assert_eq!(bad.code, 1);
    assert!(bad.text.ends_with("1 error, 0 warnings\n"), "{}", bad.text);
    let good = check("check good.yaml");
    let all = "good.yaml can be run: 1 listener, 2 pools, 2 backends, 2 routes\n";
    assert_eq!((good.code, good.text.as_str()), (0, all));
    assert!(check("check good.yaml --print").text.contains("pools.b.retry.attempts"));
    let json = check("check good.yaml --print --format json").text;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["ok"], &json["errors"]), (&true.into(), &0.into()));
    assert!(json["values"].as_array().unwrap().len() > 20);
}

#[test]
fn flags_before_a_command_are_refused_rather_than_ignored() {
    for words in ["--listen :1 check a.yaml", "-c a.yaml run", "--workers 2 schema"] {
        assert!(read(words).is_err(), "{words}");
    }
    let kind = read("chekc a.yaml").unwrap_err().kind();
    assert_eq!(kind, ErrorKind::InvalidSubcommand);
}
