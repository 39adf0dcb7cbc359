//! Stories of `nexus explain`: what it tells is what comes.

use nexus::cli::{Cli, Command};
use nexus::command::remote;
use nexus::config::disk::Disk;
use nexus::config::render::Colour;
use serde_json::{Value as Json, json};

use super::{Filed, bearer};
use crate::world::{Backend, Client, field, until};

/// Three pools, one with a dead backend; routes of all kinds.
fn routed(backends: &[Backend], dead: std::net::SocketAddr) -> String {
    let url = |at: usize| format!("http://{}", backends[at].address);
    format!(
        "listen: 127.0.0.1:0\nworkers: 1\naccess_log: off\nadmin: 127.0.0.1:0\ntrusted_proxies: []\n\
         pools:\n  web: {{ backends: [{}, \"http://{dead}\", {}] }}\n  api: {{ backends: [{}] }}\n  \
         beta: {{ backends: [{}, {}] }}\n\
         routes:\n  - {{ name: all, pool: web }}\n  \
         - {{ name: api, match: {{ path_prefix: /api }}, pool: api, rewrite: {{ strip_prefix: /api }} }}\n  \
         - {{ name: beta, match: {{ path_prefix: /api, headers: {{ X-Beta: \"yes\" }} }}, pool: beta }}\n  \
         - {{ name: half, match: {{ host: \"*.example.com\" }}, split: {{ by: client, pools: [{{ pool: web, weight: 1 }}, {{ pool: beta, weight: 1 }}] }} }}\n  \
         - {{ name: old, match: {{ path_prefix: /old }}, redirect: {{ path: /new, status: 302 }} }}\n  \
         - {{ name: no, match: {{ methods: [DELETE] }}, respond: {{ status: 403 }} }}\n",
        url(0),
        url(1),
        url(2),
        url(3),
        url(4)
    )
}

#[test]
fn what_is_told_is_what_comes() {
    let backends: Vec<_> = ["a", "b", "c", "d", "e"].into_iter().map(Backend::named).collect();
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let filed = Filed::start("explain", &routed(&backends, dead));
    until("it is DOWN", || !filed.nexus.snapshot().pools[0].backends()[1].is_up());
    let mut client = Client::connect(&filed.nexus);
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut pick = |all: &[&'static str]| all[dice.usize(..all.len())];
    for _ in 0..300 {
        let host = pick(&["a", "www.example.com", "example.com"]);
        let path = pick(&["/", "/api/x", "/api", "/old/a?b=c", "/apis"]);
        let method = pick(&["GET", "GET", "DELETE"]);
        let beta = pick(&["", "X-Beta: yes\r\n", "X-Beta: no\r\n"]);
        let headers: Vec<_> = beta.trim().split_once(": ").into_iter().collect();
        let question = json!({ "method": method, "host": host, "path": path, "headers": headers });
        let (status, _, told) = filed.call("POST", "/v1/explain", "", &question.to_string());
        assert_eq!(status, 200, "{told}");
        let told: Json = serde_json::from_str(&told).unwrap();

        let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{beta}\r\n");
        let (head, _) = client.ask(head.as_bytes());
        let came = field(&head, "X-Backend-Server").map(str::to_owned);
        let next = told["pools"][0]["next"].as_str().map(str::to_owned);
        assert_eq!(came, next, "{question}: {told:#}");
        let location = field(&head, "Location").map(|to| format!("is sent with 302 to {to}"));
        if let Some(sent) = location {
            assert_eq!(told["outcome"], sent);
        }
    }
}

#[test]
fn asking_takes_nobodys_turn() {
    let backends = [Backend::named("a"), Backend::named("b")];
    let filed = Filed::start("turns", &super::file(&[&backends[0], &backends[1]]));
    let mut client = Client::connect(&filed.nexus);
    let first = client.get("/");
    for _ in 0..3 {
        filed.call("POST", "/v1/explain", &bearer(super::READ), r#"{"host":"a","path":"/"}"#);
    }
    assert_ne!(client.get("/"), first, "the other's turn, as if nobody had asked");
}

#[test]
fn a_question_that_is_none_is_refused_with_what_to_send() {
    let backend = Backend::named("a");
    let filed = Filed::start("question", &super::file(&[&backend]));
    for wrong in [
        "",
        "{}",
        r#"{"host":"a"}"#,
        r#"{"host":"a","path":"/","more":1}"#,
        r#"{"host":"a\r\nX: y","path":"/"}"#,
        r#"{"host":"a","path":"/ /"}"#,
    ] {
        let (status, _, body) = filed.call("POST", "/v1/explain", &bearer(super::READ), wrong);
        assert_eq!((status, super::error_code(&body).as_str()), (422, "bad_question"), "{wrong}");
    }
}

#[test]
fn a_file_is_explained_without_a_nexus() {
    let folder = std::env::temp_dir().join(format!("nexus-explain-file-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("nexus.yaml");
    let backends: Vec<_> = ["a", "b", "c", "d", "e"].into_iter().map(Backend::named).collect();
    std::fs::write(&file, routed(&backends, backends[0].address)).unwrap();
    let explain = |words: &str| {
        let words = format!("nexus explain {} {words}", file.display());
        let (cli, _) = Cli::read(words.split_whitespace().map(Into::into)).unwrap();
        let Some(Command::Explain(how)) = cli.command else { unreachable!() };
        remote::explain(&how, &Disk, Colour::Off)
    };
    let told = explain("--host a --path /api/users --header X-Beta:no --method POST");
    assert_eq!(told.code, 0);
    for line in [
        "POST http://a/api/users from 127.0.0.1\ngoes to pool api\n",
        "route api is taken\n  target becomes /users\n",
        "not beta  needs header X-Beta: yes\n",
        "not all   matches, but is less specific\n",
        "pool api: round_robin; nobody was asked: this is a file\n",
        "  sent, no answer: answered 502 (not_idempotent)\n",
        "  not connected: another backend is tried\n",
    ] {
        assert!(told.text.contains(line), "{line} is in\n{}", told.text);
    }
    std::fs::write(&file, "workers: 0\n").unwrap();
    let told = explain("--host a");
    assert!(told.code == 1 && told.text.contains("nexus.yaml:1:10"), "{}", told.text);
    std::fs::remove_dir_all(folder).unwrap();
}
