//! What is in `monitoring/`, and a real Prometheus that reads a running Nexus.
//!
//! Where `promtool` and `prometheus` are missing that is said, and fails if `NEXUS_PEERS` wants them.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nexus::admin::metrics::families::{FAMILIES, Kind};
use nexus::settings::Address;
use serde_json::Value as Json;

use crate::metrics::{ask, counted};
use crate::world::{Backend, Client, settings, start, until};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../monitoring").join(name)
}

/// Says whether a program is there; aloud if it is not.
fn has(program: &str) -> bool {
    let is_there = Command::new(program).arg("--version").output().is_ok();
    if !is_there {
        println!("{program} is not here, and not run (apt-get install prometheus)");
        assert!(std::env::var_os("NEXUS_PEERS").is_none(), "{program} is missing");
    }
    is_there
}

/// Runs `promtool`, with this as its input.
fn promtool(args: &[&str], input: &str) {
    let mut command = Command::new("promtool");
    command.args(args).current_dir(file("")).stdin(Stdio::piped());
    let mut tool = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    tool.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let told = tool.wait_with_output().unwrap();
    let text = [told.stdout, told.stderr].concat();
    assert!(told.status.success(), "{args:?}: {}", String::from_utf8_lossy(&text));
}

#[test]
fn rules_and_dashboard_ask_for_metrics_that_there_are() {
    let mut known = BTreeSet::from(["nexus".to_owned(), "nexus_rules".to_owned()]);
    for family in FAMILIES {
        known.insert(family.name.to_owned());
        if family.kind == Kind::Histogram {
            known.extend(["bucket", "sum", "count"].map(|end| format!("{}_{end}", family.name)));
        }
    }
    for name in ["alerts.yaml", "alerts_test.yaml", "grafana.json"] {
        let text = std::fs::read_to_string(file(name)).unwrap();
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let own = |word: &&str| word.starts_with("nexus_") || word.starts_with("process_");
        let asked: BTreeSet<_> = words.filter(own).map(str::to_owned).collect();
        assert!(asked.len() > 5, "{name}");
        let strange: Vec<_> = asked.difference(&known).collect();
        assert!(strange.is_empty(), "{name} asks for {strange:?}");
    }
    let dashboard: Json =
        serde_json::from_str(&std::fs::read_to_string(file("grafana.json")).unwrap()).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() > 20);
}

#[test]
fn each_alert_fires_when_it_must_and_not_before() {
    if has("promtool") {
        promtool(&["check", "rules", "alerts.yaml"], "");
        promtool(&["test", "rules", "alerts_test.yaml"], "");
        promtool(&["check", "config", "prometheus.yaml"], "");
    }
    let (rules, tests) = ["alerts.yaml", "alerts_test.yaml"]
        .map(|name| std::fs::read_to_string(file(name)).unwrap())
        .into();
    for line in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(tests.contains(&format!("alertname: {line}\n")), "{line} has a test");
    }
}

#[test]
fn the_exposition_is_as_its_readers_want_it() {
    let backend = Backend::named("a");
    let nexus = start(counted(settings(&[backend.address])));
    Client::connect(&nexus).get("/");
    if has("promtool") {
        promtool(&["check", "metrics"], &ask(&nexus, "/metrics", ""));
    }
}

/// A Prometheus with a folder of its own; dropped, both are gone.
struct Prometheus {
    process: Child,
    folder: PathBuf,
    port: u16,
}

impl Prometheus {
    fn reading(target: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("nexus-prometheus-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let config = folder.join("prometheus.yaml");
        let text = format!(
            "global: {{ scrape_interval: 1s }}\nscrape_configs:\n  - job_name: nexus\n    \
             static_configs: [{{ targets: [\"{target}\"] }}]\n"
        );
        std::fs::write(&config, text).unwrap();
        // Prometheus takes no port 0: one that was free a moment ago.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, folder, port }
    }

    /// Returns the one number that a query comes to, if it comes to any.
    fn query(&self, query: &str) -> Option<f64> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let head = format!(
            "GET /api/v1/query?query={query} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let body = &answer[answer.find('{')?..=answer.rfind('}')?];
        let told: Json = serde_json::from_str(body).ok()?;
        told["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn a_real_prometheus_reads_what_was_counted() {
    if !has("prometheus") {
        return;
    }
    let backend = Backend::named("a");
    let nexus = start(counted(settings(&[backend.address])));
    let mut client = Client::connect(&nexus);
    (0..42).for_each(|_| drop(client.get("/")));
    let Some(Address::Tcp(address)) = nexus.admin() else { panic!("no admin address") };
    let prometheus = Prometheus::reading(&address.to_string());
    until("Prometheus reaches it", || prometheus.query("up") == Some(1.0));
    let count = "sum(nexus_backend_requests_total)";
    until("it has read what was counted", || prometheus.query(count) == Some(42.0));
    let times = "sum(nexus_request_duration_seconds_count)";
    assert_eq!(prometheus.query(times), Some(42.0));
    assert_eq!(prometheus.query("nexus_backend_up"), Some(1.0));
}
