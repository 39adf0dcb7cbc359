//! Stories of `nexus status`, `plan`, `reload` and `confirm`, and of watching the file.

use std::io::Cursor;

use nexus::cli::{Cli, Command};
use nexus::command::remote::Terminal;
use nexus::command::{Outcome, happened, operator, remote, why};
use nexus::config::disk::Disk;
use nexus::config::render::Colour;
use serde_json::Value as Json;

use super::{Filed, file};
use crate::world::{Backend, backend, until};

impl Filed {
    /// Runs a command against it: exit code and what is written.
    pub(super) fn run(&self, words: &str) -> (u8, String) {
        let admin = self.nexus.admin().unwrap().to_string();
        let token = self.folder.join("token");
        std::fs::write(&token, super::WRITE).unwrap();
        let words = words.replace("FILE", self.file().to_str().unwrap());
        let words = format!("nexus {words} --admin {admin} --token-file {}", token.display());
        let Outcome { text, code } = run(&words);
        (code, text)
    }
}

fn run(words: &str) -> Outcome {
    let (cli, _) = Cli::read(words.split_whitespace().map(Into::into)).unwrap();
    match cli.command.unwrap() {
        Command::Status(how) => remote::status(&how, &Disk),
        Command::Plan(how) => remote::plan(&how, &Disk, Colour::Off),
        Command::Explain(how) => remote::explain(&how, &Disk, Colour::Off),
        Command::Why(how) => why::why(&how, &Disk),
        Command::Drain(how) => remote::drain(&how, &Disk, &mut std::io::sink()),
        Command::Undrain(how) => remote::undrain(&how, &Disk),
        Command::Weight(how) => remote::weight(&how, &Disk),
        Command::Reload(how) => remote::reload(&how, &Disk, None),
        Command::Confirm(how) => remote::confirm(&how, &Disk),
        Command::Disable(how) => operator::disable(&how, &Disk),
        Command::Enable(how) => operator::enable(&how, &Disk),
        Command::Eject(how) => operator::eject(&how, &Disk),
        Command::LogLevel(how) => operator::log_level(&how, &Disk),
        Command::Events(how) => happened::events(&how, &Disk, &mut std::io::sink()),
        Command::Failures(how) => happened::failures(&how, &Disk),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_status_names_who_is_down_and_why() {
    let good = Backend::named("ok");
    let filed = Filed::start("status-up", &file(&[&good]));
    let (code, text) = filed.run("status");
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("pool default, 1 of 1 UP"), "{text}");

    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let both = format!("backends: [http://{dead}, ");
    let filed = Filed::start("status-down", &file(&[&good]).replace("backends: [", &both));
    until("it is DOWN", || !backend(&filed.nexus, 0).is_up());
    let (code, text) = filed.run("status");
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("pool default, 1 of 2 UP"), "{text}");
    let line = text.lines().find(|line| line.contains(&dead.to_string())).unwrap();
    assert!(line.contains("DOWN") && line.contains("connect_"), "{line}");
    let (_, json) = filed.run("status --format json");
    let json: Json = serde_json::from_str(&json).unwrap();
    assert_eq!(json["pools"][0]["backends"][0]["state"], "DOWN");
}

#[test]
fn why_tells_what_happened_to_a_backend() {
    let good = Backend::named("ok");
    let filed = Filed::start("why-up", &file(&[&good]));
    until("it was probed", || backend(&filed.nexus, 0).is_probed());
    let (code, text) = filed.run(&format!("why default/{}", good.address));
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("is UP since") && text.contains("succeeded, after"), "{text}");
    assert!(text.contains("nothing since it is there"), "{text}");

    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let both = format!("backends: [http://{dead}, ");
    let filed = Filed::start("why-down", &file(&[&good]).replace("backends: [", &both));
    until("it is DOWN", || backend(&filed.nexus, 0).is_probed());
    let (code, json) = filed.run(&format!("why default/http://{dead} --format json"));
    assert_eq!(code, 1, "{json}");
    let json: Json = serde_json::from_str(&json).unwrap();
    let codes = [&json["turns"][0]["what"], &json["probes"][0]["what"], &json["state"]];
    assert_eq!(codes, ["down", "connect_refused", "DOWN"]);
    let (code, text) = filed.run("why default/10.9.9.9:1");
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("there is no backend 10.9.9.9:1 in a pool default"), "{text}");
}

#[test]
fn nobody_there_is_exit_code_3_with_what_to_do() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let Outcome { text, code } = run(&format!("nexus status --admin {free}"));
    assert_eq!(code, 3);
    assert!(text.contains(&free.to_string()) && text.contains("--admin"), "{text}");
}

#[test]
fn something_else_there_is_said() {
    let web = Backend::named("a web server");
    let Outcome { text, code } = run(&format!("nexus status --admin {}", web.address));
    assert_eq!(code, 1);
    assert!(text.contains("not the admin address"), "{text}");
}

#[test]
fn a_plan_tells_and_changes_nothing() {
    let (a, b) = (Backend::named("a"), Backend::named("b"));
    let filed = Filed::start("plan", &file(&[&a, &b]));
    assert_eq!(filed.run("plan FILE"), (0, "nothing changes\n".to_owned()));

    filed.write(&file(&[&a]));
    let (code, text) = filed.run("plan FILE");
    assert_eq!(code, 0);
    assert!(text.contains(&format!("! pool default: http://{} is removed", b.address)), "{text}");
    assert!(text.contains("loses capacity: 2 → 1 backend UP"), "{text}");
    assert_eq!(filed.backends(), 2);

    filed.write(&file(&[&a, &b]).replace("workers: 1", "workers: 2"));
    let (code, text) = filed.run("plan FILE");
    assert_eq!((code, text.as_str()), (1, "✗ workers 1 → 2: needs a restart\n"));
    let (code, json) = filed.run("plan FILE --format json");
    let json: Json = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &json["changes"][0]["weight"]), (1, &"needs_restart".into()));

    filed.write("workers: none\n");
    let (code, text) = filed.run("plan FILE");
    assert_eq!(code, 1);
    assert!(text.contains("nexus.yaml:1:10") && text.contains("hint"), "{text}");
}

#[test]
fn a_plan_sees_what_is_included_and_what_the_environment_says() {
    let backend = Backend::named("a");
    let filed = Filed::start("plan-include", &file(&[&backend]));
    std::fs::write(filed.folder.join("more.yaml"), "max_connections: ${NOT_SET:-77}\n").unwrap();
    filed.write(&format!("include: more.yaml\n{}", file(&[&backend])));
    let (code, text) = filed.run("plan FILE");
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("max_connections") && text.contains("→ 77"), "{text}");
}

#[test]
fn a_reload_does_what_was_planned_or_nothing() {
    let (a, b) = (Backend::named("a"), Backend::named("b"));
    let filed = Filed::start("command", &file(&[&a]));
    filed.write(&file(&[&a, &b]));
    let (code, text) = filed.run("reload");
    assert_eq!(code, 0, "{text}");
    assert!(text.contains(&format!("http://{} is added", b.address)), "{text}");
    assert_eq!(filed.backends(), 2);

    filed.write("bakends: []\n");
    let (code, text) = filed.run("reload");
    assert_eq!(code, 1);
    assert!(text.contains("did you mean `backends`") && text.contains("nexus.yaml:1:1"), "{text}");
    assert_eq!(filed.backends(), 2);
    let reloads = &filed.json("/v1/status")["reloads"];
    assert_eq!((&reloads["succeeded"], &reloads["failed"]), (&1.into(), &1.into()));
    assert_eq!(reloads["last"]["outcome"], "bad_configuration");
    assert_eq!(reloads["last"]["by"], "ops");

    filed.write(&file(&[&a, &b]).replace("workers: 1", "workers: 2"));
    let (code, text) = filed.run("reload");
    assert_eq!(code, 1);
    assert!(text.contains("needs_restart"), "{text}");
}

#[test]
fn a_reload_that_nobody_confirms_is_taken_back() {
    let (a, b) = (Backend::named("a"), Backend::named("b"));
    let filed = Filed::start("unconfirmed", &file(&[&a]));
    filed.write(&file(&[&a, &b]));
    let (code, text) = filed.run("reload --confirm 50ms");
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("rolled back in 50ms unless confirmed"), "{text}");
    until("it is taken back", || filed.backends() == 1);
    let reloads = filed.json("/v1/status")["reloads"].clone();
    assert_eq!(reloads["rolled_back"], 1, "{reloads}");
    assert_eq!(filed.run("confirm").0, 1, "there is nothing left to confirm");
}

#[test]
fn a_reload_that_is_confirmed_stays_and_until_then_there_is_no_other() {
    let (a, b) = (Backend::named("a"), Backend::named("b"));
    let filed = Filed::start("confirmed", &file(&[&a]));
    filed.write(&file(&[&a, &b]));
    assert_eq!(filed.run("reload --confirm 1h").0, 0);
    let (code, text) = filed.run("reload");
    assert_eq!(code, 1);
    assert!(text.contains("nexus confirm"), "{text}");
    assert!(filed.run("status").1.contains("unless confirmed"));
    assert_eq!(filed.run("confirm"), (0, "confirmed\n".to_owned()));
    assert_eq!(filed.run("reload").0, 0);
    assert_eq!(filed.backends(), 2);
}

#[test]
fn on_a_terminal_enter_confirms_and_the_end_of_input_does_not() {
    let (a, b) = (Backend::named("a"), Backend::named("b"));
    let filed = Filed::start("enter", &file(&[&a]));
    filed.write(&file(&[&a, &b]));
    let with = |keys: &str| {
        let token = filed.folder.join("token");
        std::fs::write(&token, super::WRITE).unwrap();
        let (admin, token) = (filed.nexus.admin().unwrap(), token.display());
        let words = format!("nexus reload --confirm 1h --admin {admin} --token-file {token}");
        let (cli, _) = Cli::read(words.split_whitespace().map(Into::into)).unwrap();
        let Some(Command::Reload(how)) = cli.command else { unreachable!() };
        let (mut input, mut output) = (Cursor::new(keys.to_owned()), Vec::new());
        let terminal = Terminal { input: &mut input, output: &mut output };
        let outcome = remote::reload(&how, &Disk, Some(terminal));
        let said = String::from_utf8(output).unwrap();
        assert!(said.contains("press Enter within 3600 s"), "{said}");
        outcome.code
    };
    assert_eq!(with("\n"), 0);
    assert_eq!(filed.run("confirm").0, 1, "it was confirmed");
    assert_eq!(with(""), 1);
    assert_eq!(filed.run("confirm").0, 0, "it was not");
}

#[test]
fn a_file_that_changes_is_read_when_it_is_watched() {
    let (a, b) = (Backend::named("a"), Backend::named("b"));
    let watched = |backends: &[&Backend]| format!("watch: true\n{}", file(backends));
    let filed = Filed::start("watched", &watched(&[&a]));
    std::fs::write(filed.folder.join("more.yaml"), "max_connections: 70\n").unwrap();
    filed.write(&watched(&[&a, &b]));
    until("the change is seen", || filed.backends() == 2);
    filed.write(&format!("include: more.yaml\n{}", watched(&[&a])));
    until("the next change is seen", || filed.backends() == 1);
    std::fs::write(filed.folder.join("more.yaml"), "max_connections: 77\n").unwrap();
    let max = || filed.nexus.snapshot().settings.connections_max;
    until("a change of an included file is seen", || max() == 77);
    assert_eq!(filed.json("/v1/status")["reloads"]["last"]["by"], "file change");
}

#[test]
fn a_backend_that_drains_gets_nothing_new_over_a_reload_too() {
    let (asked, is_asked) = std::sync::mpsc::channel();
    let (word, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let slow = Backend::new(move |stream, seen| {
        if seen.head.starts_with("GET /slow") {
            asked.send(()).unwrap();
            let _ = wait.lock().unwrap().recv();
        }
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow";
        std::io::Write::write_all(stream, answer).unwrap();
        crate::world::Next::Continue
    });
    let other = Backend::named("other");
    let filed = Filed::start("drain", &file(&[&slow, &other]));
    let mut client = crate::world::Client::connect(&filed.nexus);
    let mut held = crate::world::Client::connect(&filed.nexus);
    loop {
        held.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
        if is_asked.recv_timeout(std::time::Duration::from_millis(300)).is_ok() {
            break;
        }
        held.answer();
    }
    let name = format!("default/http://{}", slow.address);
    let (code, text) = filed.run(&format!("drain {name}"));
    assert_eq!(
        (code, text),
        (0, format!("{name} drains: 1 request, 0 tunnels, 0 sessions left\n"))
    );
    let (code, text) = filed.run(&format!("drain {name} --wait --deadline 10ms"));
    assert!(code == 1 && text.contains("is not drained at the deadline: 1 request,"), "{text}");
    let (_, text) = filed.run("status");
    assert!(text.contains("draining, 1 under way"), "{text}");

    assert!((0..10).all(|_| client.get("/") == "other"));
    assert_eq!(filed.run("reload").0, 0);
    assert!((0..10).all(|_| client.get("/") == "other"), "a reload does not take it back");

    word.send(()).unwrap();
    assert_eq!(held.answer().1, b"slow", "what was under way is finished");
    let bare = format!("default/{}", slow.address);
    assert_eq!(filed.run(&format!("drain {bare} --wait")), (0, format!("{bare} is drained\n")));
    assert_eq!(filed.run(&format!("undrain {name}")).0, 0);
    assert!((0..10).any(|_| client.get("/") == "slow"));
}

#[test]
fn a_drain_counts_sessions_down_and_gives_up_at_its_deadline() {
    let backends = [Backend::named("a"), Backend::named("b")];
    let bare = file(&[&backends[0], &backends[1]]);
    let sticky = |ttl: &str| {
        let sticky = format!("sticky: {{ cookie: nexus, ttl: {ttl}, keys: [0123456789abcdef] }}");
        let pool = format!("pools: {{ default: {{ {sticky}, backends: [");
        bare.replace("backends: [", &pool).trim_end().to_owned()
            + " } }\nroutes: [{ pool: default }]\n"
    };
    let filed = Filed::start("sessions", &sticky("1h"));
    let mut client = crate::world::Client::connect(&filed.nexus);
    (0..6).for_each(|_| drop(client.get("/")));
    let name = format!("default/http://{}", backends[0].address);
    let (code, text) = filed.run(&format!("drain {name} --wait --deadline 1ms"));
    assert!(
        code == 1 && text.contains("at the deadline: 0 requests, 0 tunnels, 3 sessions left"),
        "{text}"
    );
    assert_eq!(filed.json("/v1/pools")[0]["backends"][0]["sessions"], 3);
    let (_, text) = filed.run("status");
    assert!(
        text.contains("draining, 0 under way, 3 sessions") && text.contains("  3 sessions"),
        "{text}"
    );
    // The deadline has passed: whoever comes with a cookie moves.
    assert!((0..4).all(|_| client.get("/") == "b"));
    filed.write(&sticky("1s"));
    assert_eq!(filed.run("reload").0, 0);
    let (code, text) = filed.run(&format!("drain {name} --wait --deadline 1m"));
    assert_eq!((code, text), (0, format!("{name} is drained\n")));
    let (status, _, body) = filed.call(
        "POST",
        &format!("/v1/drain?pool=default&backend={}&deadline=soon", backends[0].address),
        &super::bearer(super::WRITE),
        "",
    );
    assert!(status == 400 && body.contains("bad_time"), "{body}");
}

#[test]
fn a_weight_can_be_changed_while_it_runs() {
    let (a, b) = (Backend::named("a"), Backend::named("b"));
    let filed = Filed::start("weight", &file(&[&a, &b]));
    let mut client = crate::world::Client::connect(&filed.nexus);
    let mut count = |wanted: &str| (0..40).filter(|_| client.get("/") == wanted).count();
    let name = format!("default/http://{}", a.address);
    assert_eq!(filed.run(&format!("weight {name} 3")), (0, format!("{name} has weight 3\n")));
    assert_eq!(count("a"), 30);
    assert_eq!(filed.run(&format!("weight {name}")).0, 0);
    assert_eq!(count("a"), 20);
    let (code, text) = filed.run("weight default/http://nobody:1 3");
    assert!(code == 1 && text.contains("no_such_backend"), "{text}");
    let wrong = Cli::read(["nexus", "weight", &name, "1001"].map(Into::into));
    assert!(wrong.is_err());
}

#[test]
fn an_operator_takes_a_hand_and_sees_what_has_happened() {
    let (a, b) = (Backend::named("a"), Backend::named("b"));
    let filed = Filed::start("hand", &file(&[&a, &b]));
    let name = format!("default/{}", a.address);
    assert_eq!(filed.run("events"), (0, "nothing has happened\n".to_owned()));
    assert_eq!(filed.run("failures"), (0, "no request has failed\n".to_owned()));
    assert_eq!(filed.run(&format!("disable {name}")), (0, format!("{name} is disabled\n")));
    let (_, text) = filed.run("status");
    assert!(text.contains("disabled, 0 under way"), "{text}");
    assert_eq!(filed.run(&format!("enable {name}")), (0, format!("{name} is enabled\n")));
    let (code, text) = filed.run(&format!("eject {name} --time 10m"));
    assert_eq!((code, text), (0, format!("{name} is ejected for 10m\n")));
    let (code, text) = filed.run(&format!("eject default/{}", b.address));
    assert!(code == 1 && text.contains("last_available") && text.contains("disable"), "{text}");
    assert_eq!(filed.run("log-level"), (0, "info\n".to_owned()));
    assert_eq!(filed.run("log-level debug"), (0, "debug\n".to_owned()));
    let (_, json) = filed.run("log-level --json");
    assert_eq!(serde_json::from_str::<Json>(&json).unwrap()["level"], "debug");

    let (code, text) = filed.run("events");
    assert_eq!(code, 0, "{text}");
    let kinds: Vec<_> = text.lines().map(|line| line.split_whitespace().nth(1).unwrap()).collect();
    let expected = ["disable", "enable", "eject", "backend_ejected", "log_level"];
    assert_eq!(kinds, expected, "{text}");
    assert!(text.contains(&format!("default/http://{}  disable  by ops\n", a.address)), "{text}");
    let (_, json) = filed.run("events --after 4 --json");
    let json: Json = serde_json::from_str(&json).unwrap();
    assert_eq!(json["events"].as_array().unwrap().len(), 1);
}

#[test]
fn who_follows_on_the_command_line_sees_each_event_until_nexus_is_gone() {
    struct Lines(std::sync::mpsc::Sender<String>);
    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.send(String::from_utf8(bytes.to_vec()).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let backend = Backend::named("a");
    let filed = Filed::start("follow", &file(&[&backend]));
    let name = format!("default/{}", backend.address);
    filed.run(&format!("drain {name}"));
    let admin = filed.nexus.admin().unwrap().to_string();
    let token = filed.folder.join("token");
    let words =
        format!("nexus events --follow --json --admin {admin} --token-file {}", token.display());
    let (cli, _) = Cli::read(words.split_whitespace().map(Into::into)).unwrap();
    let Some(Command::Events(how)) = cli.command else { panic!("events") };
    let (sender, lines) = std::sync::mpsc::channel();
    let follows = std::thread::spawn(move || happened::events(&how, &Disk, &mut Lines(sender)));
    let next = || {
        let line = lines.recv_timeout(crate::world::PATIENCE).unwrap();
        assert!(line.ends_with("}\n"), "{line}");
        serde_json::from_str::<Json>(&line).unwrap()["kind"].as_str().unwrap().to_owned()
    };
    assert_eq!(next(), "drain");
    filed.run(&format!("undrain {name}"));
    assert_eq!(next(), "undrain");
    drop(filed);
    let Outcome { text, code } = follows.join().unwrap();
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("cannot follow"), "{text}");
}
