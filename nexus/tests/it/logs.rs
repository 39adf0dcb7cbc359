//! Stories of the access log: where it goes, what is written, and what happens when it cannot be.

use std::fs;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::channel;

use nexus::app::{Nexus, StartError};
use nexus::control::Refused;
use nexus::log::{AccessLog, Filter, Gap, LogFormat, Output};
use nexus::route::{Action, Matcher, Modifiers, PathPattern, PoolId, Route, Table};
use nexus::settings::Settings;
use rustix::process::Signal;

use crate::cli::Running;
use crate::world::{Backend, Client, PATIENCE, Sink, lines, settings, start, status, until};

/// A folder of a test's own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn of(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("nexus-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn logged(mut settings: Settings, log: AccessLog) -> Settings {
    settings.access_log = Some(log);
    settings
}

fn to(output: Output) -> AccessLog {
    AccessLog { output, ..LogFormat::Text.into() }
}

/// Asks for paths, each over a connection of its own, and returns what the log says of them.
fn said_of(settings: Settings, paths: &[&str]) -> String {
    let (written, log) = channel();
    let nexus = Nexus::start(settings, Sink(written)).unwrap();
    for path in paths {
        Client::connect(&nexus).ask(&lines(&format!("GET {path} HTTP/1.1|Host: a||")));
    }
    drop(nexus);
    log.iter().collect()
}

#[test]
fn a_file_is_written_behind_what_is_there_and_opened_anew_when_told() {
    let (ok, folder) = (Backend::named("ok"), Folder::of("log-file"));
    let (path, moved) = (folder.file("access.log"), folder.file("access.log.1"));
    fs::write(&path, "before\n").unwrap();
    let nexus = start(logged(settings(&[ok.address]), to(Output::File(path.clone()))));
    let has = |path: &str, word: &str| fs::read_to_string(path).is_ok_and(|t| t.contains(word));
    Client::connect(&nexus).get("/first");
    until("the first line is there", || has(&path, "/first"));
    fs::rename(&path, &moved).unwrap();
    Client::connect(&nexus).get("/second");
    until("the file is the old one until something is said", || has(&moved, "/second"));
    nexus.reopen_log();
    until("there is a new file", || fs::exists(&path).unwrap());
    Client::connect(&nexus).get("/third");
    until("the third line is there", || has(&path, "/third"));
    let old = fs::read_to_string(&moved).unwrap();
    assert!(old.starts_with("before\n") && old.lines().count() == 3, "{old}");
    // A name that cannot be opened costs nothing: the old file goes on.
    fs::rename(&path, &moved).unwrap();
    fs::create_dir(&path).unwrap();
    nexus.reopen_log();
    Client::connect(&nexus).get("/fourth");
    until("the fourth line is there", || has(&moved, "/fourth"));
    assert_eq!(nexus.log_lines_dropped(), 0);
}

#[test]
fn a_signal_has_the_file_opened_anew() {
    let (ok, folder) = (Backend::named("ok"), Folder::of("log-signal"));
    let (path, moved) = (folder.file("access.log"), folder.file("access.log.1"));
    let (backend, output) = (format!("http://{}", ok.address), format!("file:{path}"));
    let mut running = Running::start(&["--backend", &backend, "--access-log", &output]);
    fs::rename(&path, &moved).unwrap();
    running.send(Signal::USR1);
    running.wait_for("the request log is opened anew");
    use std::io::{Read, Write};
    let mut client = running.connect();
    client.write_all(&lines("GET /after HTTP/1.1|Host: a|Connection: close||")).unwrap();
    client.read_to_end(&mut Vec::new()).unwrap();
    until("the line is in the new file", || {
        fs::read_to_string(&path).is_ok_and(|text| text.contains("\"path\":\"/after\""))
    });
}

#[test]
fn a_file_that_cannot_be_opened_is_a_clear_end_of_the_start() {
    let asked = to(Output::File("/nowhere/at/all/access.log".to_owned()));
    let refused = Nexus::start(logged(settings(&[]), asked), std::io::sink()).err().unwrap();
    let said = refused.to_string();
    assert!(matches!(refused, StartError::Log(..)), "{said}");
    assert!(said.contains("file:/nowhere/at/all/access.log: No such file"), "{said}");
    assert!(said.contains("hint: the folder must be there"), "{said}");
}

#[test]
fn a_disk_that_is_full_costs_lines_which_are_counted_and_no_request() {
    let ok = Backend::named("ok");
    let full = to(Output::File("/dev/full".to_owned()));
    let nexus = start(logged(settings(&[ok.address]), full));
    for _ in 0..3 {
        assert_eq!(Client::connect(&nexus).get("/"), "ok");
    }
    until("all three are counted", || nexus.log_lines_dropped() == 3);
}

#[test]
fn a_syslog_gets_a_message_for_each_request() {
    let (ok, receiver) = (Backend::named("ok"), UdpSocket::bind("127.0.0.1:0").unwrap());
    receiver.set_read_timeout(Some(PATIENCE)).unwrap();
    let to = to(Output::SyslogUdp(receiver.local_addr().unwrap()));
    let nexus = start(logged(settings(&[ok.address]), to));
    for path in ["/one", "/two"] {
        Client::connect(&nexus).get(path);
        let mut buffer = [0; 4096];
        let read = receiver.recv(&mut buffer).unwrap();
        let message = std::str::from_utf8(&buffer[..read]).unwrap();
        assert!(message.starts_with("<134>1 2"), "{message}");
        assert!(message.contains(" nexus ") && message.contains(" access - 2"), "{message}");
        assert!(message.contains(&format!(" GET {path} 200 ")), "{message}");
        assert!(!message.contains('\n'));
    }
}

fn route(name: &str, path: PathPattern) -> Route {
    let matcher = Matcher { path, ..Matcher::default() };
    let action = Action::Pool(PoolId(0));
    Route { name: name.to_owned(), matcher, action, modifiers: Modifiers::default() }
}

#[test]
fn only_what_the_filter_names_is_written_and_the_line_knows_its_route_and_pool() {
    let ok = Backend::named("ok");
    let mut settings = settings(&[ok.address]);
    let routes = vec![
        route("api", PathPattern::Prefix("/api".to_owned())),
        route("site", PathPattern::Prefix("/site".to_owned())),
    ];
    settings.routes = Some(Arc::new(Table::build(routes).unwrap()));
    let (statuses, routes) = (vec![400..=499], vec!["api".to_owned()]);
    let filter = Filter { statuses, slow: None, routes };
    let format = LogFormat::parse("{path} {status} {route} {pool} {reason} {host}").unwrap();
    let log = AccessLog { filter, ..format.into() };
    let said = said_of(logged(settings, log), &["/api/1", "/site/1", "/none", "/api/2"]);
    let expected =
        ["/api/1 200 api default - a", "/none 404 - - no_route a", "/api/2 200 api default - a"];
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn with_a_sample_of_nothing_only_failures_are_written() {
    let ok = Backend::named("ok");
    let none = AccessLog { sample: Some(0), ..LogFormat::Text.into() };
    let said = said_of(logged(settings(&[ok.address]), none.clone()), &["/", "/fine"]);
    assert_eq!(said, "");
    let gone = Backend::named("gone");
    gone.stop();
    let said = said_of(logged(settings(&[gone.address]), none), &["/bad"]);
    assert!(said.contains("GET /bad 50") && said.lines().count() == 1, "{said}");
}

#[test]
fn a_query_is_written_only_where_a_template_asks_for_it_and_hostile_fields_stay_in_their_quotes() {
    let ok = Backend::named("ok");
    let request =
        "GET /p?token=x HTTP/1.1|Host: a|User-Agent: \x1b[31m\" \"admin\\|Referer: \t\u{e9}||";
    let mut said = Vec::new();
    for format in ["text", "json", "combined", "\"{user_agent}\" \"{referer}\" {query}"] {
        let (written, log) = channel();
        let format = LogFormat::parse(format).unwrap();
        let nexus =
            Nexus::start(logged(settings(&[ok.address]), format.into()), Sink(written)).unwrap();
        let (head, _) = Client::connect(&nexus).ask(&lines(request));
        // The engine refuses escape bytes in fields; quotes and bytes above ASCII pass.
        assert_eq!(status(&head), 400);
        Client::connect(&nexus).ask(&lines(&request.replace('\x1b', "")));
        drop(nexus);
        let all: String = log.iter().collect();
        said.push(all.lines().last().unwrap().to_owned());
    }
    assert!(said[..3].iter().all(|line| !line.contains("token")), "{said:?}");
    assert!(said[2].ends_with(r#""\xc3\xa9" "[31m\" \"admin\\""#), "{}", said[2]);
    assert_eq!(said[3], r#""[31m\" \"admin\\" "\xc3\xa9" token=x"#);
}

#[test]
fn a_reload_changes_format_and_filter_but_not_where_the_lines_go() {
    let ok = Backend::named("ok");
    let (written, log) = channel();
    let old = logged(settings(&[ok.address]), LogFormat::Text.into());
    let nexus = Nexus::start(old.clone(), Sink(written)).unwrap();
    Client::connect(&nexus).get("/text");
    nexus.reload(logged(old.clone(), LogFormat::Json.into())).unwrap();
    Client::connect(&nexus).get("/json");
    let quiet = AccessLog { sample: Some(0), ..LogFormat::Json.into() };
    let plan = nexus.reload(logged(old.clone(), quiet)).unwrap();
    assert_eq!(plan.to_string(), "  access_log.sample none → 0 %");
    Client::connect(&nexus).get("/quiet");
    for settings in [
        Settings { access_log: None, ..old.clone() },
        logged(old, to(Output::File("/tmp/nexus.log".to_owned()))),
    ] {
        let refused = nexus.reload(settings);
        assert!(matches!(refused, Err(Refused::NeedsRestart("access_log.output"))));
    }
    drop(nexus);
    let said: String = log.iter().collect();
    let said: Vec<_> = said.lines().collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains(" GET /text 200 ") && said[1].contains("\"path\":\"/json\""));
}

#[test]
fn the_page_of_logs_has_all_names_of_templates() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/logs.md");
    let page = std::fs::read_to_string(path).unwrap();
    for (name, meaning) in Gap::NAMES.iter().zip(Gap::MEANINGS) {
        let row = format!("| `{{{name}}}` | {} |\n", meaning.trim());
        assert!(page.contains(&row), "docs/logs.md has the row {row}");
    }
}
