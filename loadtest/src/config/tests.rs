use super::*;
use crate::cli;

fn parse(line: &str) -> Result<Config, std::process::ExitCode> {
    cli::parse(line.split(' ').map(Into::into))
}

/// Pace, requests, workers, connections of each.
fn load(line: &str) -> (String, Option<u64>, usize, Option<usize>) {
    let config = parse(line).unwrap();
    (config.pace(), config.plan.requests, config.workers, config.connections)
}

#[test]
fn the_lines_of_the_manual_mean_what_it_says() {
    let one_by_one = "one after the other, 100 ms apart".to_owned();
    let closed = "closed loop".to_owned();
    let open = |rate| format!("open loop, {rate}/s in all");
    let table = [
        ("lt", (one_by_one.clone(), Some(20), 1, Some(1))),
        ("lt -n 5", (one_by_one, Some(5), 1, Some(1))),
        ("lt -c -n 100 -workers 10 -rate 10", (open(10), Some(100), 10, Some(1))),
        ("lt -c -n 1000 -workers 20", (closed.clone(), Some(1000), 20, Some(1))),
        ("lt -c", (closed.clone(), Some(200), 50, Some(1))),
        ("lt -c 8", (closed.clone(), Some(200), 8, Some(1))),
        ("lt -c 8 -workers 9", (closed.clone(), Some(200), 9, Some(1))),
        ("lt -c 8 -n 3", (closed.clone(), Some(3), 3, Some(1))),
        ("lt -c -rate 0", (closed.clone(), Some(200), 50, Some(1))),
        ("lt -z 1s", (closed.clone(), None, 50, Some(1))),
        ("lt -z 1s -rate 6000/m -n 7", (open(100), Some(7), 7, Some(1))),
        ("lt -c 4 --connections 10", (closed.clone(), Some(200), 4, Some(3))),
        ("lt -c 4 --connections 2", (closed.clone(), Some(200), 2, Some(1))),
        ("lt -c 4 --disable-keepalive", (closed, Some(200), 4, None)),
    ];
    for (line, meant) in table {
        assert_eq!(load(line), meant, "{line}");
    }
}

#[test]
fn what_is_left_out_has_the_promised_defaults() {
    let config = parse("lt").unwrap();
    assert_eq!(config.target.url, "http://localhost:8000/");
    assert_eq!(config.timeout, Duration::from_secs(10));
    assert_eq!(config.timeout_connect, Duration::from_secs(2));
    assert_eq!(config.backend_header_shown, "X-Backend-Server");
    assert_eq!(config.threads, 1);
    assert_eq!(config.template.method, "GET");
}

#[test]
fn what_makes_no_sense_is_refused() {
    for line in [
        "lt -n 0",
        "lt -workers 0",
        "lt -c 1000000",
        "lt -threads 0",
        "lt -timeout 0",
        "lt -H nonsense",
        "lt -abort 10",
        "lt -connections 0",
        "lt -url http://a/ http://b/",
        "lt -body x -body-size 1",
        "lt -connections 2 -disable-keepalive",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}
