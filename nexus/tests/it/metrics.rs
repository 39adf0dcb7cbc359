//! Stories of what is counted: it equals what clients and backends have seen, and nothing that a
//! client sends becomes a series.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};

use nexus::admin::metrics::families::{FAMILIES, Kind};
use nexus::app::Nexus;
use nexus::cli::{Cli, Command};
use nexus::command::{self, Outcome};
use nexus::config::disk::Disk;
use nexus::config::render::Colour;
use nexus::settings::{Address, Admin, Settings};
use serde_json::Value as Json;

use crate::world::{Backend, Client, Next, field, lines, settings, start, status, until};

/// Settings with an admin address.
pub(crate) fn counted(settings: Settings) -> Settings {
    let address = Address::Tcp("127.0.0.1:0".parse().unwrap());
    let admin = Admin { address, hosts: vec![], tokens: vec![] };
    Settings { admin: Some(admin), ..settings }
}

/// Asks at the admin address.
pub(crate) fn ask(nexus: &Nexus, path: &str, fields: &str) -> String {
    let Some(Address::Tcp(address)) = nexus.admin() else { panic!("no admin address") };
    let mut stream = TcpStream::connect(address).unwrap();
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}Connection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// Every series with its value.
struct Series(BTreeMap<String, f64>);

impl Series {
    fn of(nexus: &Nexus) -> Self {
        let text = ask(nexus, "/metrics", "");
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self(
            lines
                .map(|line| line.rsplit_once(' ').unwrap())
                .map(|(name, value)| (name.to_owned(), value.parse().unwrap_or(f64::INFINITY)))
                .collect(),
        )
    }

    /// Sums all series of a metric that have all these labels.
    fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let has = |series: &str| {
            labels.iter().all(|(label, value)| series.contains(&format!("{label}=\"{value}\"")))
        };
        let is_it = |series: &&str| series.split('{').next() == Some(name) && has(series);
        let found = self.0.iter().filter(|(series, _)| is_it(&series.as_str()));
        found.map(|(_, value)| *value as u64).sum()
    }
}

fn stats(nexus: &Nexus) -> Json {
    serde_json::from_str(&ask(nexus, "/v1/stats?seconds=5", "")).unwrap()
}

/// Returns the column `REQUESTS` of `nexus top --once`: each backend's, and the total.
fn requests_by_top(nexus: &Nexus) -> Vec<u64> {
    let words = format!("nexus top --once --admin {}", nexus.admin().unwrap());
    let (cli, _) = Cli::read(words.split_whitespace().map(Into::into)).unwrap();
    let Some(Command::Top(how)) = cli.command else { panic!("{words}") };
    let Outcome { text, code } = command::top::top(&how, &Disk, false, Colour::Off);
    assert_eq!(code, 0, "{text}");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let mut lines = text.lines().map(words);
    let at = lines.next().unwrap().iter().position(|name| name == "REQUESTS").unwrap();
    lines.map(|line| line[at].parse().unwrap()).collect()
}

/// A backend that does what `mood` says of the numberth request.
fn faulty(mood: fn(usize) -> &'static str) -> Backend {
    let count = AtomicUsize::new(0);
    Backend::new(move |stream, _| {
        let answer = mood(count.fetch_add(1, Ordering::SeqCst));
        let _ = stream.write_all(&lines(answer));
        let is_whole = answer.ends_with("ok") || answer.ends_with("no");
        if is_whole { Next::Continue } else { Next::Close }
    })
}

const OK: &str = "HTTP/1.1 200 OK|Content-Length: 2||ok";
const BAD: &str = "HTTP/1.1 500 Oh|Content-Length: 2||no";
const CUT: &str = "HTTP/1.1 200 OK|Content-Length: 9||o";

/// What clients have got.
#[derive(Default)]
struct Got {
    /// Answers, by status.
    answers: BTreeMap<u16, u64>,
    /// Answers that broke off.
    broken: u64,
}

impl Got {
    /// Returns how many answers there were.
    fn all(&self) -> u64 {
        self.answers.values().sum()
    }

    /// Returns how many had a status of so many hundred.
    fn class(&self, hundreds: u16) -> u64 {
        let is_it = |(status, _): &(&u16, &u64)| **status / 100 == hundreds;
        self.answers.iter().filter(is_it).map(|(_, count)| count).sum()
    }
}

/// Sends requests over 300 connections, three at most over each; a third of them are POST.
fn drive(nexus: &Nexus) -> Got {
    let mut got = Got::default();
    for at in 0..300 {
        let mut client = Client::connect(nexus);
        let request = match at % 3 {
            0 => "POST /x HTTP/1.1|Host: a|Content-Length: 3||abc",
            _ => "GET /x HTTP/1.1|Host: a||",
        };
        for _ in 0..3 {
            client.send(&lines(request));
            let Some(head) = client.reader.head() else { break };
            *got.answers.entry(status(&head)).or_default() += 1;
            let length: usize = field(&head, "content-length").unwrap().parse().unwrap();
            if length == 9 || field(&head, "connection") == Some("close") {
                got.broken += u64::from(client.reader.rest().len() < length);
                break;
            }
            client.reader.exactly(length);
        }
    }
    got
}

#[test]
fn sums_over_backends_are_the_totals_and_what_the_backends_have_seen() {
    let backends = [
        faulty(|_| OK),
        faulty(|at| if at % 4 == 3 { BAD } else { OK }),
        faulty(|at| match at {
            _ if at % 9 == 8 => "",
            _ if at % 7 == 6 => CUT,
            _ => OK,
        }),
    ];
    let addresses = [0, 1, 2].map(|at: usize| backends[at].address);
    let mut wanted = Settings { workers: 2, ..settings(&addresses) };
    // A request that broke off must not take the third one out.
    wanted.pools[0].probing.request_errors = 0;
    let nexus = start(counted(wanted));
    let got = drive(&nexus);
    let asked = got.all();
    until("all are counted", || Series::of(&nexus).sum("nexus_requests_total", &[]) == asked);
    let (series, told) = (Series::of(&nexus), stats(&nexus));
    assert!(got.class(5) > 0 && got.broken > 0, "{:?}, {} broken off", got.answers, got.broken);
    for station in ["", "listener_", "pool_"] {
        let name = format!("nexus_{station}requests_total");
        let class = |class| series.sum(&name, &[("class", class)]);
        assert_eq!((class("2xx"), class("5xx")), (got.class(2), got.class(5)), "{name}");
        assert_eq!(series.sum(&name, &[]), asked, "{name}");
    }
    let own = asked - series.sum("nexus_backend_requests_total", &[]);
    let reasons = series.sum("nexus_request_reasons_total", &[]);
    assert_eq!(reasons, own + got.broken, "every other answer is a backend's whole one");
    assert_eq!(series.sum("nexus_request_duration_seconds_count", &[]), asked);
    let errors = series.sum("nexus_request_errors_total", &[]);
    assert_eq!(errors, got.class(5) + got.broken);
    for load in [&told["total"], &told["listeners"][0], &told["pools"][0]] {
        assert_eq!((&load["requests"], &load["errors"]), (&asked.into(), &errors.into()));
    }
    let mut attempts = 0;
    for (at, backend) in backends.iter().enumerate() {
        let url = format!("http://{}", backend.address);
        let by = [("backend", url.as_str())];
        let tried = series.sum("nexus_backend_attempts_total", &by);
        let again = series.sum("nexus_backend_repeats_total", &by);
        assert_eq!(tried + again, backend.count() as u64, "{url} has seen no other");
        let one = &told["pools"][0]["backends"][at];
        assert_eq!(one["attempts"], tried);
        assert_eq!(one["requests"], series.sum("nexus_backend_requests_total", &by));
        attempts += tried;
    }
    assert_eq!(series.sum("nexus_pool_attempts_total", &[]), attempts);
    assert_eq!(told["pools"][0]["attempts"], attempts);
    let in_terminal = requests_by_top(&nexus);
    for (at, one) in told["pools"][0]["backends"].as_array().unwrap().iter().enumerate() {
        assert_eq!(in_terminal[at], one["requests"], "the terminal says the same");
    }
    assert_eq!(in_terminal[3], asked);
    assert!(series.sum("nexus_backend_connections_reused_total", &[]) > 0);
}

#[test]
fn a_retry_is_counted_with_why_there_was_no_other() {
    let (sound, broken) = (faulty(|_| OK), faulty(|_| ""));
    let mut wanted = settings(&[sound.address, broken.address]);
    wanted.pools[0].probing.request_errors = 0;
    let nexus = start(counted(wanted));
    let mut client = Client::connect(&nexus);
    for _ in 0..4 {
        assert_eq!(status(&client.ask(&lines("GET / HTTP/1.1|Host: a||")).0), 200);
    }
    for _ in 0..2 {
        let mut client = Client::connect(&nexus);
        client.send(&lines("POST / HTTP/1.1|Host: a|Content-Length: 1||a"));
        client.reader.head().unwrap();
    }
    until("all are counted", || Series::of(&nexus).sum("nexus_requests_total", &[]) == 6);
    let series = Series::of(&nexus);
    assert_eq!(series.sum("nexus_pool_retries_total", &[]), 2);
    assert_eq!(series.sum("nexus_pool_not_retried_total", &[("why", "not_idempotent")]), 1);
    let failures = [("reason", "backend_closed")];
    assert_eq!(series.sum("nexus_backend_attempt_failures_total", &failures), 3);
    assert_eq!(series.sum("nexus_request_reasons_total", &failures), 1);
}

#[test]
fn nothing_that_a_client_sends_becomes_a_series() {
    let backend = Backend::named("a");
    let nexus = start(counted(settings(&[backend.address])));
    let mut client = Client::connect(&nexus);
    client.get("/");
    // One refusal first: reasons make series when they first are, and there are so many of them.
    let mut refused = Client::connect(&nexus);
    refused.send(b"\x00\r\n\r\n");
    refused.reader.head().unwrap();
    until("both are counted", || Series::of(&nexus).sum("nexus_requests_total", &[]) == 2);
    let before: Vec<String> = Series::of(&nexus).0.into_keys().collect();
    // Each has a method, a path and a host of its own; 100 at a time.
    for block in 0..1000 {
        let request = |at: usize| {
            let at = block * 100 + at;
            format!("M{at} /{at}?{at} HTTP/1.1\r\nHost: h{at}.example\r\nX-{at}: {at}\r\n\r\n")
        };
        client.send((0..100).map(request).collect::<String>().as_bytes());
        (0..100).for_each(|_| assert_eq!(status(&client.answer().0), 200));
    }
    until("all are counted", || Series::of(&nexus).sum("nexus_requests_total", &[]) == 100_002);
    let after: Vec<String> = Series::of(&nexus).0.into_keys().collect();
    assert_eq!(before, after);
}

#[test]
fn without_metrics_nothing_is_counted() {
    let backend = Backend::named("a");
    let nexus = start(Settings { metrics: false, ..counted(settings(&[backend.address])) });
    Client::connect(&nexus).get("/");
    assert_eq!(Series::of(&nexus).sum("nexus_requests_total", &[]), 0);
    assert_eq!(stats(&nexus)["is_counting"], false);
    nexus.reload(counted(settings_of(&nexus))).unwrap();
    until("a worker has seen it", || {
        Client::connect(&nexus).get("/");
        Series::of(&nexus).sum("nexus_requests_total", &[]) > 0
    });
}

/// Returns what a Nexus runs with, but with metrics.
fn settings_of(nexus: &Nexus) -> Settings {
    Settings { metrics: true, ..nexus.snapshot().settings.clone() }
}

#[test]
fn counts_outlive_a_reload() {
    let backend = Backend::named("a");
    let nexus = start(counted(settings(&[backend.address])));
    Client::connect(&nexus).get("/");
    let count = |name| Series::of(&nexus).sum(name, &[]);
    until("it is counted", || count("nexus_backend_requests_total") == 1);
    let mut more = settings_of(&nexus);
    let other: SocketAddr = "127.0.0.1:9".parse().unwrap();
    more.pools[0].backends.push(other.to_string().parse().unwrap());
    nexus.reload(more).unwrap();
    for name in [
        "nexus_backend_requests_total",
        "nexus_pool_requests_total",
        "nexus_listener_requests_total",
    ] {
        assert_eq!(count(name), 1, "{name}");
    }
}

#[test]
fn the_last_seconds_are_there_for_whoever_comes_later() {
    let backend = Backend::named("a");
    let nexus = start(counted(settings(&[backend.address])));
    let mut client = Client::connect(&nexus);
    until("a second with requests is over", || {
        client.get("/");
        let told = stats(&nexus);
        let (pool, one) = (&told["pools"][0], &told["pools"][0]["backends"][0]);
        let is_there = |load: &Json| {
            load["rate"].as_f64().unwrap() > 0.0
                && load["latency_ms"]["p50"].as_f64().unwrap_or_default() > 0.0
                && load["series"]["rate"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|rate| rate.as_f64() > Some(0.0))
        };
        is_there(&told["total"]) && is_there(pool) && is_there(one) && one["share"] == 1.0
    });
    assert_eq!(stats(&nexus)["pools"][0]["backends"][0]["share_expected"], 1.0);
}

#[test]
fn both_formats_say_the_same_and_each_its_own_name() {
    let backend = Backend::named("a");
    let nexus = start(counted(settings(&[backend.address])));
    let open = ask(&nexus, "/metrics", "Accept: application/openmetrics-text; version=1.0.0\r\n");
    assert!(open.ends_with("# EOF\n"), "{open}");
    let plain = ask(&nexus, "/metrics", "");
    assert!(!plain.contains("# EOF"));
    for family in FAMILIES {
        let bare = family.name.strip_suffix("_total").unwrap_or(family.name);
        assert!(open.contains(&format!("# TYPE {bare} ")), "{bare}");
        assert!(plain.contains(&format!("# TYPE {} ", family.name)), "{}", family.name);
        assert_eq!(family.kind == Kind::Counter, bare != family.name, "{}", family.name);
    }
}

/// Returns docs/metrics.md from its second half on: the table of all.
fn page(head: &str) -> String {
    let mut page = format!("{head}\n| metric | kind | labels | meaning |\n|---|---|---|---|\n");
    for family in FAMILIES {
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, help) = (family.name, family.help);
        page += &format!("| `{name}` | {kind} | {} | {help} |\n", labels.join(", "));
    }
    page
}

#[test]
fn the_page_of_metrics_has_them_all() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (head, _) = text.split_once("\n| metric |").expect("the page has its table");
    let is_same = crate::config::same_as_file(std::path::Path::new(path), &page(head));
    assert!(is_same, "docs/metrics.md is old (UPDATE=1 cargo test -p nexus metrics)");
}
