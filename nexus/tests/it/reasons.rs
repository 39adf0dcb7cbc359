//! Every reason there is, each provoked: a code that nothing brings about is no reason.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::mpsc::channel;
use std::time::Duration;

use nexus::app::Nexus;
use nexus::ejection::Rules;
use nexus::health::{Observation, Verdict};
use nexus::log::LogFormat;
use nexus::picker::Algorithm;
use nexus::pool::admission::{Breaker, Shedding};
use nexus::pool::gradient;
use nexus::pool::queue::QueueRules;
use nexus::pool::shortage::{Mode, Shortage};
use nexus::reason::{Facts, Reason};
use nexus::retry::{Hedge, Policy, Statuses};
use nexus::route::{
    Action, By, Interval, Matcher, Modifiers, PathPattern, PoolId, RateLimit, Route, Table,
};
use nexus::settings::{ProbeKind, Settings};

use crate::cli::Running;
use crate::secure::{self, Authority};
use crate::world::{
    Backend, Client, Next, PATIENCE, Sink, backend, black_hole, lines, raw, settings, shown, start,
    until,
};

const SHORT: Duration = Duration::from_millis(200);
const GET: &str = "GET / HTTP/1.1|Host: a||";

/// What is asked, and what must be seen: in an answer, or in the log.
#[expect(clippy::too_many_lines, reason = "a table, not a procedure")]
fn provoke(reason: Reason) -> String {
    match reason {
        Reason::MalformedRequest => refused("GET / HTTP/1.1|no colon||"),
        Reason::BadHost => refused("GET / HTTP/1.1||"),
        Reason::BadTarget => refused("GET path HTTP/1.1|Host: a||"),
        Reason::BadFraming => {
            refused("POST / HTTP/1.1|Host: a|Content-Length: 1|Transfer-Encoding: chunked||0||")
        }
        Reason::BadBody => refused("POST / HTTP/1.1|Host: a|Transfer-Encoding: chunked||zz|"),
        Reason::LengthRequired => refused("POST / HTTP/1.0||"),
        Reason::TargetTooLong => {
            refused(&format!("GET /{} HTTP/1.1|Host: a||", "x".repeat(70_000)))
        }
        Reason::UnknownExpectation => {
            refused("POST / HTTP/1.1|Host: a|Expect: more|Content-Length: 1||a")
        }
        Reason::HeadTooLarge => {
            refused(&format!("GET / HTTP/1.1|Host: a|{}|", "X: y|".repeat(1000)))
        }
        Reason::ConnectNotSupported => refused("CONNECT a:1 HTTP/1.1|Host: a:1||"),
        Reason::UnknownCoding => {
            refused("POST / HTTP/1.1|Host: a|Transfer-Encoding: gzip, chunked||0||")
        }
        Reason::VersionNotSupported => refused("GET / HTTP/2.0|Host: a||"),
        Reason::TraceNotSupported => refused("TRACE / HTTP/1.1|Host: a|Max-Forwards: 0||"),
        Reason::BodyIncomplete => body_incomplete(),
        Reason::HeadTimeout => seen(&short(), "GET / HT"),
        Reason::BodyTimeout => seen(&short(), "POST / HTTP/1.1|Host: a|Content-Length: 3||ab"),
        Reason::NoRoute => seen(&routed(Modifiers::default()), GET),
        Reason::RateLimited => rate_limited(),
        Reason::BodyTooLarge => body_too_large(),
        Reason::ClientGone => client_gone(),
        Reason::ClientStalled => client_stalled(),
        Reason::NoBackendAvailable => down(|_| {}),
        Reason::TooFewBackends => {
            down(|settings| settings.pools[0].shortage = Shortage { below: 100, panics: false })
        }
        Reason::CircuitOpen => circuit_open(),
        Reason::PoolFull => full(|settings| settings.pools[0].breaker = Some(breaker(1, 0))),
        Reason::Overloaded => full(|settings| {
            let rules = gradient::Rules { min: 1, max: 1, tolerance: 150 };
            settings.pools[0].shedding = Some(Shedding { rules, priority_header: None });
        }),
        Reason::BackendsFull => full(one_place),
        Reason::QueueTimeout => full(|settings| {
            one_place(settings);
            settings.pools[0].queue = Some(QueueRules { timeout: SHORT, waiting_max: 9 });
        }),
        Reason::QueueFull => full(|settings| {
            one_place(settings);
            settings.pools[0].queue = Some(QueueRules { timeout: PATIENCE, waiting_max: 0 });
        }),
        Reason::ConnectRefused => connect_refused(),
        Reason::ConnectTimeout => connect_timeout(),
        Reason::NoSocket => no_socket(),
        // A link-local address without its link: the kernel refuses to send anything.
        Reason::ConnectFailed => named("http://[fe80::1]:80"),
        Reason::ResolveFailed => named("http://no..host:80"),
        Reason::BackendClosed => answered(b""),
        Reason::BackendReset => backend_reset(),
        Reason::StreamRefused => stream_ended(7),
        Reason::StreamReset => stream_ended(2),
        Reason::TlsFailed => secured(raw(|mut stream| {
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n");
        })),
        Reason::TlsUntrusted => {
            secured(secure::answering(&Authority::new().server("127.0.0.1"), b""))
        }
        Reason::BadResponse => answered(b"garbage\r\n\r\n"),
        Reason::UnexpectedUpgrade => answered(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        ),
        Reason::ResponseTimeout => silent(|pool| pool.timeouts.response = SHORT),
        Reason::PerTryTimeout => silent(|pool| pool.retry.per_try = Some(SHORT)),
        Reason::TotalTimeout => silent(|pool| {
            pool.timeouts.total = Some(SHORT);
        }),
        Reason::Outrun => silent(|pool| pool.retry.hedge = Some(Hedge::After(SHORT))),
        Reason::RetriedStatus => retried_status(),
        Reason::ResponseTruncated => answered(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"),
        Reason::ResponseStalled => response_stalled(),
        Reason::UnexpectedStatus => probed(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"),
        Reason::UnexpectedBody => probed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"),
        Reason::NotServing => crate::health::not_serving(),
        Reason::CommandFailed => by_command("/bin/false"),
        Reason::CommandNotRun => by_command("/nowhere/at-all"),
        Reason::NotProbed => not_probed(),
        Reason::ShuttingDown => shutting_down(),
        Reason::TunnelIdle => tunnel_idle(),
    }
}

#[test]
fn every_reason_is_brought_about_by_something() {
    let threads: Vec<_> = Reason::ALL
        .into_iter()
        .map(|reason| (reason, std::thread::spawn(move || provoke(reason))))
        .collect();
    for (reason, thread) in threads {
        let evidence = thread.join().unwrap_or_else(|_| panic!("{} fails", reason.code()));
        let words = evidence.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        assert!(words.clone().any(|word| word == reason.code()), "{}: {evidence}", reason.code());
    }
}

/// Writes all reasons down as a page of the documentation.
fn page() -> String {
    let mut page = "# Reason codes\n\n\
        Every answer that Nexus makes itself has one in `X-Nexus-Error`; the log has them as `reason=` and for each \
        attempt that\nfailed, `nexus why` and the events for what a probe found. 499 is a status of the log alone: \
        there was nobody to answer.\n\n\
        | code | status | whose fault | in words |\n|---|---|---|---|\n"
        .to_owned();
    for reason in Reason::ALL {
        let Facts { status, fault, code, sentence } = reason.facts();
        let fault = format!("{fault:?}").to_lowercase();
        page += &format!("| `{code}` | {status} | {fault} | {sentence} |\n");
    }
    page + "\nMade from the code: `UPDATE=1 cargo test -p nexus reasons`.\n"
}

#[test]
fn the_page_of_reasons_has_them_all() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reasons.md");
    let is_same = crate::config::same_as_file(std::path::Path::new(path), &page());
    assert!(is_same, "docs/reasons.md is old (UPDATE=1 cargo test -p nexus reasons)");
}

/// Runs a Nexus, does something to it, and returns what came of that, and the log.
fn scene(settings: &Settings, act: impl FnOnce(&Nexus) -> String) -> String {
    let (written, log) = channel();
    let settings = Settings { access_log: Some(LogFormat::Text.into()), ..settings.clone() };
    let nexus = Nexus::start(settings, Sink(written)).unwrap();
    let seen = act(&nexus);
    drop(nexus);
    let log: Vec<_> = log.iter().collect();
    format!("{seen}\n{}", log.concat())
}

/// Sends something and reads the answer, or what there is of it.
fn seen(settings: &Settings, text: &str) -> String {
    scene(settings, |nexus| {
        let mut client = Client::connect(nexus);
        client.send(&lines(text));
        client.reader.message().map(|(head, _)| head).unwrap_or_default()
    })
}

fn refused(text: &str) -> String {
    seen(&settings(&[Backend::named("ok").address]), text)
}

/// Short of patience with clients.
fn short() -> Settings {
    let mut settings = settings(&[Backend::named("ok").address]);
    (settings.timeouts.head, settings.timeouts.stall) = (SHORT, SHORT);
    settings
}

/// A route for `/only` and nothing else.
fn routed(modifiers: Modifiers) -> Settings {
    let route = Route {
        name: "only".to_owned(),
        matcher: Matcher { path: PathPattern::Exact("/only".to_owned()), ..Matcher::default() },
        action: Action::Pool(PoolId(0)),
        modifiers,
    };
    let mut settings = settings(&[Backend::named("ok").address]);
    settings.routes = Some(std::sync::Arc::new(Table::build(vec![route]).unwrap()));
    settings
}

fn body_incomplete() -> String {
    scene(&settings(&[Backend::named("ok").address]), |nexus| {
        let mut client = Client::connect(nexus);
        client.send(&lines("PUT / HTTP/1.1|Host: a|Content-Length: 3||ab"));
        client.stream.shutdown(Shutdown::Write).unwrap();
        client.answer().0
    })
}

fn rate_limited() -> String {
    let interval = Interval { count: 1, period: Duration::from_secs(3600) };
    let rate_limit = Some(RateLimit { interval, burst: 1, by: By::Route });
    scene(&routed(Modifiers { rate_limit, ..Modifiers::default() }), |nexus| {
        let mut client = Client::connect(nexus);
        let mut ask = || client.ask(&lines("GET /only HTTP/1.1|Host: a||")).0;
        ask() + &ask()
    })
}

fn body_too_large() -> String {
    let modifiers = Modifiers { body_bytes_max: Some(1), ..Modifiers::default() };
    seen(&routed(modifiers), "POST /only HTTP/1.1|Host: a|Content-Length: 2||ab")
}

fn client_gone() -> String {
    let (waiting, asked) = Backend::waiting();
    let (sent, log) = channel();
    let mut settings = settings(&[waiting.address]);
    settings.access_log = Some(LogFormat::Text.into());
    let nexus = Nexus::start(settings, Sink(sent)).unwrap();
    let mut client = Client::connect(&nexus);
    client.send(&lines(GET));
    asked.recv_timeout(PATIENCE).unwrap();
    drop(client);
    log.recv_timeout(PATIENCE).unwrap()
}

fn client_stalled() -> String {
    let endless = Backend::new(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
        while stream.write_all(&[0; 1 << 16]).is_ok() {}
        Next::Close
    });
    let (sent, log) = channel();
    let mut settings = settings(&[endless.address]);
    settings.timeouts.stall = SHORT;
    settings.access_log = Some(LogFormat::Text.into());
    let nexus = Nexus::start(settings, Sink(sent)).unwrap();
    let mut client = Client::connect(&nexus);
    client.send(&lines(GET));
    log.recv_timeout(PATIENCE).unwrap()
}

/// Of two backends one is DOWN, or, without a rule for that, both.
fn down(change: impl Fn(&mut Settings)) -> String {
    let backends = ["a", "b"].map(Backend::named);
    let mut settings = settings(&backends.each_ref().map(|one| one.address));
    let before = settings.pools[0].shortage;
    change(&mut settings);
    let count = if settings.pools[0].shortage == before { 2 } else { 1 };
    scene(&settings, |nexus| {
        for at in 0..count {
            until("it is probed", || backend(nexus, at).is_probed());
            backend(nexus, at).observe(Observation::RequestFailed(Reason::ConnectRefused));
        }
        let mut said = String::new();
        until("it has its effect", || {
            said = Client::connect(nexus).ask(&lines(GET)).0;
            said.contains(" 503 ")
        });
        said
    })
}

/// A breaker with a limit, or one that opens.
fn breaker(requests_max: u32, failure_percent: u32) -> Breaker {
    let rules = Rules { failure_percent, requests_min: 1, ..Rules::NEVER };
    Breaker { requests_max: Some(requests_max), retries_max: None, rules }
}

fn circuit_open() -> String {
    let bad = Backend::answering(&lines("HTTP/1.1 500 No|Content-Length: 0||"), || Next::Continue);
    let mut settings = settings(&[bad.address]);
    settings.pools[0].breaker = Some(breaker(100, 50));
    scene(&settings, |nexus| {
        let mut client = Client::connect(nexus);
        let mut said = String::new();
        until("it opens", || {
            said = client.ask(&lines(GET)).0;
            said.contains(" 503 ")
        });
        said
    })
}

fn one_place(settings: &mut Settings) {
    settings.pools[0].backends[0].requests_max = Some(1);
}

/// One request is under way; another comes.
fn full(change: impl Fn(&mut Settings)) -> String {
    let (waiting, asked) = Backend::waiting();
    let mut settings = settings(&[waiting.address]);
    change(&mut settings);
    scene(&settings, |nexus| {
        if settings.pools[0].shedding.is_some() {
            let admission = &nexus.snapshot().pools[0].admission;
            until("the limit is known", || admission.limit() == 1);
        }
        let mut first = Client::connect(nexus);
        first.send(&lines(GET));
        asked.recv_timeout(PATIENCE).unwrap();
        Client::connect(nexus).ask(&lines(GET)).0
    })
}

/// A backend that ends every stream of HTTP/2 with this code.
fn stream_ended(code: u8) -> String {
    const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    const PREFACE_BYTES: usize = 24;
    let address = raw(move |mut stream| {
        let mut seen = Vec::new();
        let _ = stream.write_all(SETTINGS);
        let has_head = |mut frames: &[u8]| {
            while let [a, b, c, kind, _, _, _, _, _, rest @ ..] = frames {
                if *kind == 1 {
                    return true;
                }
                let len = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
                frames = rest.get(len..).unwrap_or_default();
            }
            false
        };
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            seen.extend_from_slice(&buffer[..read]);
            if has_head(seen.get(PREFACE_BYTES..).unwrap_or_default()) {
                let _ = stream.write_all(&[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, code]);
            }
        }
    });
    let mut settings = settings(&[]);
    settings.pools[0].backends = vec![format!("h2c://{address}").parse().unwrap()];
    seen(&settings, GET)
}

/// A backend with TLS, or what is said to be one.
fn secured(address: SocketAddr) -> String {
    let mut settings = settings(&[]);
    settings.pools[0].tls = Some(Authority::new().back());
    settings.pools[0].backends = vec![format!("https://{address}").parse().unwrap()];
    first_probe(settings)
}

fn connect_refused() -> String {
    // Bound, so that nobody else gets the port, but not listened at.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    named(&format!("http://{address}"))
}

fn connect_timeout() -> String {
    let (address, _full) = black_hole();
    let mut settings = settings(&[address]);
    settings.pools[0].timeouts.connect = SHORT;
    settings.pools[0].probing.timeout = PATIENCE;
    seen(&settings, GET)
}

fn no_socket() -> String {
    let good = Backend::named("ok");
    let url = format!("http://{}", good.address);
    let flags = ["--backend", &url, "--max-connections", "1000", "--workers", "1"];
    let mut running = Running::with_files(48, &flags);
    let mut clients: Vec<_> = (0..60).map(|_| running.connect()).collect();
    clients
        .iter_mut()
        .for_each(|client| client.write_all(&lines("GET / HTTP/1.1|Host: a|")).unwrap());
    running.wait_for("accepting rests until connections close");
    // The first was accepted; a connection for it to the backend is one too many.
    clients[0].write_all(b"\r\n").unwrap();
    let mut answer = [0; 1000];
    clients[0].set_read_timeout(Some(PATIENCE)).unwrap();
    let read = clients[0].read(&mut answer).unwrap();
    shown(&answer[..read])
}

/// A backend that is somewhere else, and is asked although its probe has failed.
fn named(url: &str) -> String {
    let mut settings = settings(&[]);
    settings.pools[0].backends = vec![url.parse().unwrap()];
    settings.pools[0].shortage = Shortage { below: 0, panics: true };
    scene(&settings, |nexus| {
        until("it panics", || nexus.snapshot().pools[0].mode() == Mode::Panic);
        Client::connect(nexus).ask(&lines(GET)).0
    })
}

/// The only backend says this, and closes.
fn answered(bytes: &[u8]) -> String {
    seen(&settings(&[Backend::answering(bytes, || Next::Close).address]), GET)
}

fn backend_reset() -> String {
    let address = raw(|stream| {
        if (&stream).read(&mut [0; 4096]).unwrap_or(0) > 0 {
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
    });
    seen(&settings(&[address]), GET)
}

/// The first backend never answers, the second does.
fn silent(change: impl Fn(&mut nexus::settings::PoolSettings)) -> String {
    let hangs = raw(|stream| {
        let _ = (&stream).read(&mut [0; 4096]);
        let _ = (&stream).read(&mut [0; 1]);
    });
    let good = Backend::named("ok");
    let mut settings = settings(&[hangs, good.address]);
    settings.pools[0].algorithm = Algorithm::First;
    change(&mut settings.pools[0]);
    seen(&settings, GET)
}

fn retried_status() -> String {
    let busy = Backend::answering(&lines("HTTP/1.1 503 No|Content-Length: 0||"), || Next::Continue);
    let good = Backend::named("ok");
    let mut settings = settings(&[busy.address, good.address]);
    settings.pools[0].algorithm = Algorithm::First;
    settings.pools[0].retry = Policy { statuses: Statuses::of(&[503..=503]), ..Policy::default() };
    seen(&settings, GET)
}

fn response_stalled() -> String {
    let stalls = Backend::new(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab");
        let _ = stream.read(&mut [0; 1]);
        Next::Close
    });
    let mut settings = settings(&[stalls.address]);
    settings.pools[0].timeouts.stall = Some(SHORT);
    scene(&settings, |nexus| {
        let mut client = Client::connect(nexus);
        client.send(&lines(GET));
        shown(&client.reader.rest())
    })
}

/// What the first probe is answered, and why it failed.
fn probed(bytes: &[u8]) -> String {
    let bad = Backend::answering(bytes, || Next::Close);
    let mut settings = settings(&[bad.address]);
    settings.pools[0].probing.kind = ProbeKind::Http;
    settings.pools[0].probing.http.body = Some("yes".to_owned());
    first_probe(settings)
}

fn by_command(program: &str) -> String {
    let mut settings = settings(&[Backend::named("ok").address]);
    settings.pools[0].probing.kind = ProbeKind::Command;
    settings.pools[0].probing.command = vec![program.to_owned()];
    first_probe(settings)
}

fn first_probe(settings: Settings) -> String {
    let nexus = start(settings);
    until("it is probed", || backend(&nexus, 0).is_probed());
    let (_, probed) = backend(&nexus, 0).journal.probes()[0];
    probed.failure.map_or("nothing", Reason::code).to_owned()
}

fn not_probed() -> String {
    let (address, _full) = black_hole();
    let mut settings = settings(&[address]);
    settings.pools[0].probing.starts_up = false;
    settings.pools[0].probing.timeout = PATIENCE;
    let nexus = start(settings);
    let Verdict::Down(reason) = backend(&nexus, 0).health().verdict else { panic!("it is UP") };
    reason.code().to_owned()
}

fn shutting_down() -> String {
    let (waiting, asked) = Backend::waiting();
    let mut settings = settings(&[waiting.address]);
    settings.timeouts.shutdown = SHORT;
    let nexus = start(settings);
    let mut client = Client::connect(&nexus);
    client.send(&lines(GET));
    asked.recv_timeout(PATIENCE).unwrap();
    nexus.drain();
    client.answer().0
}

fn tunnel_idle() -> String {
    let switches = raw(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let answer = "HTTP/1.1 101 Switching Protocols|Connection: Upgrade|Upgrade: x||";
        let _ = stream.write_all(&lines(answer));
        let _ = stream.read(&mut [0; 1]);
    });
    let mut settings = settings(&[switches]);
    settings.timeouts.tunnel = SHORT;
    scene(&settings, |nexus| {
        let mut client = Client::connect(nexus);
        client.send(&lines("GET / HTTP/1.1|Host: a|Connection: Upgrade|Upgrade: x||"));
        shown(&client.reader.rest())
    })
}
