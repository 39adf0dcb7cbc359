//! Stories of health checks: what a probe asks, what it believes, when it changes its mind.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::Bytes;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use nexus::app::Nexus;
use nexus::backend::uptime;
use nexus::health::Verdict;
use nexus::reason::Reason;
use nexus::settings::{HttpProbe, ProbeKind, Probing};

use crate::world::{Backend, Client, Next, backend, lines, settings, start, status, until};

/// Asks for `/healthz` twenty times a second.
fn probing() -> Probing {
    let http = HttpProbe { path: "/healthz".to_owned(), ..HttpProbe::default() };
    let interval = Duration::from_millis(50);
    Probing { kind: ProbeKind::Http, http, interval, ..Probing::default() }
}

fn start_with(backends: &[&Backend], probing: Probing) -> Nexus {
    let addresses: Vec<_> = backends.iter().map(|backend| backend.address).collect();
    let mut settings = settings(&addresses);
    settings.pools[0].probing = probing;
    start(settings)
}

/// A backend whose health is what the test says, and whose other answers are always good.
fn moody(answers: &'static [&'static str]) -> (Backend, Arc<AtomicUsize>) {
    let mood = Arc::new(AtomicUsize::new(0));
    let its = Arc::clone(&mood);
    let backend = Backend::new(move |stream, seen| {
        let is_probe = seen.head.contains("/healthz");
        let answer = if is_probe {
            answers[its.load(Ordering::SeqCst)]
        } else {
            "HTTP/1.1 200 OK|Content-Length: 4||good"
        };
        if answer.is_empty() {
            return Next::Close;
        }
        let _ = stream.write_all(&lines(answer));
        Next::Continue
    });
    (backend, mood)
}

#[track_caller]
fn until_down(nexus: &Nexus, at: usize, reason: Reason) {
    until(reason.code(), || backend(nexus, at).health().verdict == Verdict::Down(reason));
}

#[track_caller]
fn until_up(nexus: &Nexus, at: usize) {
    until("it is UP", || backend(nexus, at).is_up() && backend(nexus, at).is_probed());
}

#[test]
fn an_http_probe_believes_what_the_answer_says() {
    let (backend, mood) = moody(&[
        "HTTP/1.1 204 No Content||",
        "HTTP/1.1 503 Service Unavailable|Content-Length: 0||",
        "HTTP/1.1 200 OK|Content-Length: 2||OK",
        "NONSENSE||",
        "HTTP/1.1 302 Found|Location: /|Content-Length: 0||",
        "",
    ]);
    let nexus = start_with(&[&backend], probing());
    let story = [
        (1, Some(Reason::UnexpectedStatus)),
        (2, None),
        (3, Some(Reason::BadResponse)),
        (4, None),
        (5, Some(Reason::BackendClosed)),
        (0, None),
    ];
    for (next, reason) in story {
        mood.store(next, Ordering::SeqCst);
        match reason {
            Some(reason) => until_down(&nexus, 0, reason),
            None => until_up(&nexus, 0),
        }
    }
}

#[test]
fn a_probe_says_what_it_was_told_over_a_connection_of_its_own() {
    let (backend, _) = moody(&["HTTP/1.1 200 OK|Content-Length: 0||"]);
    let mut probing = probing();
    probing.http.method = "HEAD".to_owned();
    probing.http.host = Some("health.example".to_owned());
    probing.http.headers = vec![("X-Probe".to_owned(), "yes".to_owned())];
    let nexus = start_with(&[&backend], probing);
    until("three probes", || backend.count() >= 3);
    Client::connect(&nexus).get("/");
    let seen = backend.seen();
    let probes: Vec<_> = seen.iter().filter(|seen| seen.head.contains("/healthz")).collect();
    for probe in &probes {
        assert!(probe.head.starts_with("HEAD /healthz HTTP/1.1"), "{}", probe.head);
        let head = probe.head.to_ascii_lowercase();
        for line in ["host: health.example", "x-probe: yes", "user-agent: nexus/"] {
            assert!(head.contains(line), "{line} is not in {head}");
        }
        let on_it = seen.iter().filter(|other| other.connection == probe.connection).count();
        assert_eq!(on_it, 1, "a connection of its own");
    }
}

#[test]
fn a_body_is_looked_through_for_text_and_expression() {
    let (backend, mood) = moody(&[
        "HTTP/1.1 200 OK|Content-Length: 12||state: ready",
        "HTTP/1.1 200 OK|Content-Length: 12||state: going",
        "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|state|7|: ready|0||",
        "HTTP/1.1 200 OK|Content-Length: 12||ready: state",
    ]);
    let mut probing = probing();
    probing.http.body = Some("ready".to_owned());
    probing.http.body_regex = Some("^state: r.*y$".to_owned());
    let nexus = start_with(&[&backend], probing);
    for (next, is_right) in [(1, false), (2, true), (3, false), (0, true)] {
        mood.store(next, Ordering::SeqCst);
        match is_right {
            true => until_up(&nexus, 0),
            false => until_down(&nexus, 0, Reason::UnexpectedBody),
        }
    }
}

#[test]
fn a_probe_that_hangs_delays_no_news_of_others() {
    let (hangs, _asked) = Backend::waiting();
    let (good, mood) = moody(&["HTTP/1.1 200 OK|Content-Length: 0||", ""]);
    let hour = Duration::from_secs(3600);
    let nexus = start_with(&[&hangs, &good], Probing { timeout: hour, ..probing() });
    mood.store(1, Ordering::SeqCst);
    until_down(&nexus, 1, Reason::BackendClosed);
    mood.store(0, Ordering::SeqCst);
    until_up(&nexus, 1);
    assert!(!backend(&nexus, 0).is_probed(), "its first probe still hangs");
}

#[test]
fn a_probe_that_hangs_ends_at_its_timeout() {
    let (hangs, _asked) = Backend::waiting();
    let timeout = Duration::from_millis(100);
    let nexus = start_with(&[&hangs], Probing { timeout, ..probing() });
    until_down(&nexus, 0, Reason::ResponseTimeout);
}

/// A backend whose probes go well once and then badly twice, for ever.
fn limping() -> (Backend, Arc<AtomicUsize>) {
    let probes = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&probes);
    let backend = Backend::new(move |stream, _| {
        let is_good = count.fetch_add(1, Ordering::SeqCst).is_multiple_of(3);
        let status = if is_good { "200 OK" } else { "500 Oh" };
        let _ = stream.write_all(&lines(&format!("HTTP/1.1 {status}|Content-Length: 0||")));
        Next::Continue
    });
    (backend, probes)
}

#[test]
fn it_takes_as_many_failures_in_a_row_as_it_says() {
    let (limps, probes) = limping();
    let interval = Duration::from_millis(5);
    let nexus = start_with(&[&limps], Probing { fall: 3, interval, ..probing() });
    until("thirty probes", || probes.load(Ordering::SeqCst) > 30);
    assert_eq!(backend(&nexus, 0).downs(), 0);
}

#[test]
fn it_takes_as_many_successes_in_a_row_as_it_says() {
    let (limps, probes) = limping();
    let interval = Duration::from_millis(5);
    let nexus = start_with(&[&limps], Probing { fall: 2, rise: 2, interval, ..probing() });
    until_down(&nexus, 0, Reason::UnexpectedStatus);
    until("thirty probes", || probes.load(Ordering::SeqCst) > 30);
    assert_eq!((backend(&nexus, 0).is_up(), backend(&nexus, 0).downs()), (false, 1));
}

#[test]
fn a_backend_may_have_to_prove_itself_first() {
    let (answer, told) = std::sync::mpsc::channel::<()>();
    let told = std::sync::Mutex::new(told);
    let slow = Backend::new(move |stream, seen| {
        if seen.head.contains("/healthz") {
            let _ = told.lock().unwrap().recv();
        }
        let _ = stream.write_all(&lines("HTTP/1.1 200 OK|Content-Length: 0||"));
        Next::Continue
    });
    let timeout = Duration::from_secs(3600);
    let rules = Probing { starts_up: false, rise: 3, timeout, ..probing() };
    let nexus = start_with(&[&slow], rules);
    let (head, _) = Client::connect(&nexus).ask(&lines("GET / HTTP/1.1|Host: a||"));
    assert_eq!(status(&head), 503);
    assert_eq!(backend(&nexus, 0).health().verdict, Verdict::Down(Reason::NotProbed));
    answer.send(()).unwrap();
    until_up(&nexus, 0);
    drop(answer);
    until("it is asked", || {
        let (head, _) = Client::connect(&nexus).ask(&lines("GET / HTTP/1.1|Host: a||"));
        status(&head) == 200
    });
}

#[test]
fn another_port_may_say_how_a_backend_is() {
    let serves = Backend::named("serves");
    let (says, mood) = moody(&["HTTP/1.1 200 OK|Content-Length: 0||", ""]);
    let rules = Probing { port: Some(says.address.port()), ..probing() };
    let nexus = start_with(&[&serves], rules);
    until_up(&nexus, 0);
    mood.store(1, Ordering::SeqCst);
    until_down(&nexus, 0, Reason::BackendClosed);
    assert!(serves.seen().is_empty(), "no probe there");
}

#[test]
fn whoever_is_down_may_be_asked_more_often() {
    let (asked, mood) =
        moody(&["HTTP/1.1 200 OK|Content-Length: 0||", "HTTP/1.1 500 Oh|Content-Length: 0||"]);
    mood.store(1, Ordering::SeqCst);
    let (interval, fast) = (Duration::from_secs(3600), Some(Duration::from_millis(5)));
    let nexus = start_with(&[&asked], Probing { interval, interval_down: fast, ..probing() });
    until_down(&nexus, 0, Reason::UnexpectedStatus);
    mood.store(0, Ordering::SeqCst);
    until_up(&nexus, 0);
    let before = asked.count();
    Client::connect(&nexus).get("/");
    assert_eq!(asked.count(), before + 1, "UP it is asked by the hour");
}

/// Takes the listener of the first backend away and brings it back, as often as said.
fn flap(nexus: &Nexus, mut first: Backend, times: u32) -> Backend {
    for _ in 0..times {
        first.stop();
        until("it is DOWN", || !backend(nexus, 0).is_up());
        first = Backend::at(first.address, |stream, _| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            Next::Close
        });
        let is_settled = || {
            let backend = backend(nexus, 0);
            backend.is_up() || backend.health().kept_out(uptime()).is_some()
        };
        until("it is UP, or kept out", is_settled);
    }
    first
}

#[test]
fn a_backend_that_flaps_is_kept_out_while_others_answer() {
    let (first, other) = (Backend::named("a"), Backend::named("b"));
    let mut settings = settings(&[first.address, other.address]);
    settings.pools[0].probing.interval = Duration::from_millis(50);
    let nexus = start(settings);
    let _first = flap(&nexus, first, 3);
    until("its probe succeeds", || backend(&nexus, 0).health().is_ready());
    assert!(!backend(&nexus, 0).is_up());
    let told = backend(&nexus, 0).journal.turns()[0].1.to_string();
    assert!(told.contains("it flaps: kept out for"), "{told}");
    assert_eq!(Client::connect(&nexus).get("/"), "b");
}

#[test]
fn a_backend_that_flaps_answers_all_the_same_if_nobody_else_does() {
    let first = Backend::named("a");
    let mut settings = settings(&[first.address]);
    settings.pools[0].probing.interval = Duration::from_millis(50);
    let nexus = start(settings);
    let _first = flap(&nexus, first, 3);
    until("it is UP although it flaps", || backend(&nexus, 0).is_up());
    let turns: Vec<_> = backend(&nexus, 0).journal.turns();
    assert!(turns.iter().any(|(_, turn)| turn.code() == "needed"), "{turns:?}");
}

type Said = Response<BoxBody<Bytes, std::convert::Infallible>>;

/// A backend that speaks HTTP/2 at once, by hyper, and nothing else.
fn http2(answer: impl Fn(Request<()>, Bytes) -> Said + Clone + Send + 'static) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let answer = answer.clone();
                let service = hyper::service::service_fn(move |request| {
                    let answer = answer.clone();
                    async move {
                        let (head, body) = Request::<hyper::body::Incoming>::into_parts(request);
                        let body = body.collect().await.unwrap().to_bytes();
                        let said = answer(Request::from_parts(head, ()), body);
                        Ok::<_, std::convert::Infallible>(said)
                    }
                });
                let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
            }
        });
    });
    address
}

/// Starts a Nexus whose only backend is probed like this.
fn probing_it(address: SocketAddr, probing: Probing) -> Nexus {
    let mut settings = settings(&[address]);
    settings.pools[0].probing = probing;
    start(settings)
}

#[test]
fn a_probe_speaks_http2_if_it_is_told_to() {
    let mood = Arc::new(AtomicUsize::new(0));
    let its = Arc::clone(&mood);
    let address = http2(move |request, _| {
        assert_eq!((request.uri().path(), request.uri().host()), ("/healthz", Some("a.example")));
        assert_eq!(request.version(), hyper::Version::HTTP_2);
        let status = [200, 500][its.load(Ordering::SeqCst)];
        Response::builder().status(status).body(Full::default().boxed()).unwrap()
    });
    let mut probing = probing();
    probing.http.is_http2 = true;
    probing.http.host = Some("a.example".to_owned());
    let nexus = probing_it(address, probing);
    until_up(&nexus, 0);
    mood.store(1, Ordering::SeqCst);
    until_down(&nexus, 0, Reason::UnexpectedStatus);
}

#[test]
fn a_backend_that_speaks_http1_only_fails_a_probe_by_http2() {
    let (address, _) = moody(&["HTTP/1.1 200 OK|Content-Length: 0||"]);
    let mut probing = probing();
    probing.http.is_http2 = true;
    probing.timeout = Duration::from_millis(200);
    let nexus = start_with(&[&address], probing);
    until("it is DOWN", || !backend(&nexus, 0).is_up());
}

/// An answer of gRPC: a message, and a status in its trailers.
fn grpc(message: &'static [u8], status: &'static str) -> Said {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", status.parse().unwrap());
    let body = Full::new(Bytes::from_static(message)).with_trailers(async { Some(Ok(trailers)) });
    Response::builder().header("content-type", "application/grpc").body(body.boxed()).unwrap()
}

#[test]
fn a_grpc_probe_asks_for_its_service_and_believes_what_it_is_told() {
    let mood = Arc::new(AtomicUsize::new(0));
    let its = Arc::clone(&mood);
    let address = http2(move |request, body| {
        assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
        assert_eq!(request.headers()["content-type"], "application/grpc");
        assert_eq!(request.headers()["te"], "trailers");
        assert_eq!(body, &b"\0\0\0\0\x06\x0a\x04cart"[..]);
        match its.load(Ordering::SeqCst) {
            0 => grpc(b"\0\0\0\0\x02\x08\x01", "0"),
            1 => grpc(b"\0\0\0\0\x02\x08\x02", "0"),
            2 => grpc(b"", "12"),
            3 => grpc(b"\0\0\0\0\x02\x08", "0"),
            // Trailers only: the status is in the head.
            _ => Response::builder()
                .header("grpc-status", "5")
                .body(Full::default().boxed())
                .unwrap(),
        }
    });
    let probing = Probing { kind: ProbeKind::Grpc, service: "cart".to_owned(), ..probing() };
    let nexus = probing_it(address, probing);
    let story = [
        (1, Reason::NotServing),
        (2, Reason::UnexpectedStatus),
        (3, Reason::BadResponse),
        (4, Reason::UnexpectedStatus),
    ];
    for (next, reason) in story {
        mood.store(0, Ordering::SeqCst);
        until_up(&nexus, 0);
        mood.store(next, Ordering::SeqCst);
        until_down(&nexus, 0, reason);
    }
}

#[test]
fn a_probe_by_command_goes_by_the_exit_code_and_ends_at_its_timeout() {
    let probed = Backend::named("ok");
    let address = probed.address;
    let run = |script: &str| {
        let command = ["/bin/sh", "-c", script, "probe", "{host}", "{port}", "{url}"];
        let command = command.map(str::to_owned).to_vec();
        // Long enough for a shell to start on a busy machine.
        let timeout = Duration::from_secs(if script.contains("sleep") { 1 } else { 20 });
        let probing = Probing { kind: ProbeKind::Command, command, timeout, ..probing() };
        let nexus = probing_it(address, probing);
        until("it was probed", || backend(&nexus, 0).is_probed());
        backend(&nexus, 0).health().verdict
    };
    let port = address.port();
    let is_told = format!("test $1 = 127.0.0.1 -a $2 = {port} -a $3 = http://127.0.0.1:{port}");
    assert_eq!(run(&is_told), Verdict::Up);
    assert_eq!(run("exit 3"), Verdict::Down(Reason::CommandFailed));
    let noted = std::env::temp_dir().join(format!("nexus-probe-{}", std::process::id()));
    let sleeps = format!("sleep 1000 & echo $! > {}; wait", noted.display());
    assert_eq!(run(&sleeps), Verdict::Down(Reason::ResponseTimeout));
    let child = std::fs::read_to_string(&noted).unwrap();
    std::fs::remove_file(&noted).unwrap();
    // Dead, or not yet buried by whoever has adopted it.
    let lives = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.trim()));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    };
    until("what it has started is gone, too", || !lives());
    assert_eq!(probed.connections(), 0, "no other probe beside it");
}

#[test]
fn a_program_that_cannot_be_run_says_nothing_against_the_backend() {
    let probed = Backend::named("ok");
    let command = vec!["/nowhere/check".to_owned()];
    let nexus = start_with(&[&probed], Probing { kind: ProbeKind::Command, command, ..probing() });
    until("it was probed", || backend(&nexus, 0).is_probed());
    assert_eq!(backend(&nexus, 0).health().verdict, Verdict::Up);
    let found = backend(&nexus, 0).journal.probes()[0].1;
    assert_eq!(found.failure, Some(Reason::CommandNotRun));
    assert_eq!(Client::connect(&nexus).get("/"), "ok");
}

/// Why a backend fails its probe that says it does not serve.
pub(crate) fn not_serving() -> String {
    let address = http2(|_, _| grpc(b"\0\0\0\0\x02\x08\x02", "0"));
    let nexus = probing_it(address, Probing { kind: ProbeKind::Grpc, ..probing() });
    until("it was probed", || backend(&nexus, 0).is_probed());
    let (_, probed) = backend(&nexus, 0).journal.probes()[0];
    probed.failure.map_or("nothing", Reason::code).to_owned()
}
