//! `cargo xtask bench --idle`: memory that a proxy holds for a client that keeps its connection, or
//! waits for an answer.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::peers::{Peer, Running};
use super::{Bench, cpu, rows, write_json};
use crate::backend::Backend;
use crate::{Outcome, interrupt};
use clients::{Held, Speech};

mod clients;

/// What clients do: each is a line of the table.
#[derive(Clone, Copy)]
struct Kind {
    about: &'static str,
    /// The row that proxies are configured as for.
    row: &'static str,
    connections: usize,
    /// Requests under way on each; none is idle, after one that was answered.
    waiting: u32,
}

const KINDS: [Kind; 5] = [
    Kind { about: "HTTP/1.1, idle", row: "small", connections: 5000, waiting: 0 },
    Kind { about: "HTTP/1.1 over TLS, idle", row: "tls", connections: 5000, waiting: 0 },
    Kind { about: "HTTP/2, idle", row: "h2c", connections: 2000, waiting: 0 },
    Kind { about: "HTTP/2 over TLS, idle", row: "h2", connections: 2000, waiting: 0 },
    Kind { about: "HTTP/2, 100 requests waiting", row: "h2c", connections: 100, waiting: 100 },
];

/// Before these, a proxy has not yet made what it makes once.
const WARM_UP: usize = 50;
/// How long a request waits that is to wait: long enough for all to be there and be weighed, and
/// within everybody's patience.
const WAIT: Duration = Duration::from_secs(25);
/// They are all there within this time.
const LIMIT_THERE: Duration = Duration::from_secs(20);
/// Requests of somebody else meanwhile.
const OTHERS: u32 = 20;
/// What backends answer at once.
const QUICK: &str = "/quick";

/// One proxy's memory.
#[derive(Serialize)]
struct Idle {
    peer: Peer,
    title: String,
    about: &'static str,
    connections: usize,
    requests: usize,
    /// Of all its processes, before and with the connections (PSS).
    before_kib: u64,
    with_kib: u64,
    /// How long others waited for their answers meanwhile, at most.
    others_ms: Option<u128>,
}

/// Runs the command for these peers; the copier keeps buffers by design and is left out.
pub(super) fn run(bench: &Bench, peers: &[Peer]) -> Result<Outcome> {
    let (mut all, mut is_whole) = (Vec::new(), true);
    for kind in KINDS {
        let row = rows::named(&[kind.row.to_owned()]).map_err(anyhow::Error::msg)?.remove(0);
        let backends = bench.backends_with(&kind.backend_flags())?;
        for &peer in peers.iter().filter(|peer| **peer != Peer::Floor) {
            match measure(bench, peer, (kind, &row), &backends) {
                Ok(idle) => all.push(idle),
                Err(error) if error.is::<interrupt::Interrupted>() => return Err(error),
                // What one cannot do is said, and keeps the others from nothing.
                Err(error) => {
                    println!("{}: {}: FAILED: {error:#}", kind.about, peer.name());
                    is_whole = false;
                }
            }
        }
    }
    println!("\nMemory of the proxy for its clients, those that are idle after one request each\n");
    println!(
        "| clients | | KiB per connection | in all, MiB | without them, MiB | others meanwhile |"
    );
    println!("|---|---|---|---|---|---|");
    all.iter().for_each(Idle::print);
    println!("\nAll measurements: {}", write_json(&bench.folder, &all)?.display());
    Ok(if is_whole { Outcome::Passed } else { Outcome::Failed })
}

impl Kind {
    fn backend_flags(&self) -> Vec<String> {
        let slow = format!("--latency={}ms", WAIT.as_millis());
        let flags = [format!("--health-path={QUICK}"), slow];
        if self.waiting > 0 { flags.to_vec() } else { Vec::new() }
    }
}

impl Idle {
    fn print(&self) {
        let (before, with) = (self.before_kib as f64, self.with_kib as f64);
        let each = (with - before).max(0.0) / self.connections as f64;
        let per_request = match self.requests {
            0 => String::new(),
            all => format!(", {:.2} per request", (with - before).max(0.0) / all as f64),
        };
        let others = self.others_ms.map_or(String::new(), |ms| format!("{ms} ms at most"));
        println!(
            "| {:5} × {} | {} | {each:.2}{per_request} | {:.1} | {:.1} | {others} |",
            self.connections,
            self.about,
            self.title,
            with / 1024.0,
            before / 1024.0
        );
    }
}

fn measure(
    bench: &Bench,
    peer: Peer,
    (kind, row): (Kind, &rows::Row),
    backends: &[Backend],
) -> Result<Idle> {
    let proxy = cpu::on(bench.cpus.0, || peer.start(bench, row, backends))??;
    let speech = Speech::new(row.is_tls.then_some(&bench.identity), row.streams.is_some())?;
    let path = if kind.waiting > 0 { QUICK } else { "/" };
    drop(open(WARM_UP, || speech.ask(proxy.address, path))?);
    let before_kib = cpu::memory_kib(proxy.group())?;
    let held = open(kind.connections, || match kind.waiting {
        0 => speech.ask(proxy.address, path),
        streams => speech.ask_much(proxy.address, streams, "/"),
    })?;
    let requests = kind.connections * kind.waiting as usize;
    let others = (requests > 0).then(|| wait(requests, &speech, &proxy, backends)).transpose()?;
    let with_kib = cpu::memory_kib(proxy.group())?;
    let connections = held.len();
    drop(held);
    proxy.stop();
    let (title, about) = (peer.title(), kind.about);
    let others_ms = others.map(|longest| longest.as_millis());
    Ok(Idle { peer, title, about, connections, requests, before_kib, with_kib, others_ms })
}

/// Opens connections, and keeps them.
fn open(count: usize, one: impl Fn() -> Result<Held>) -> Result<Vec<Held>> {
    let mut held = Vec::with_capacity(count);
    for number in 0..count {
        interrupt::check()?;
        held.push(one().with_context(|| format!("connection {number}"))?);
    }
    Ok(held)
}

/// Waits until all requests have come to the backends; how long others wait for their answers then,
/// at most.
fn wait(
    requests: usize,
    speech: &Speech,
    proxy: &Running,
    backends: &[Backend],
) -> Result<Duration> {
    let mut most = 0;
    let all_there = interrupt::poll(LIMIT_THERE, || {
        let there: Result<Vec<_>> = backends.iter().map(Backend::in_flight).collect();
        most = there?.iter().sum();
        Ok((most as usize >= requests).then_some(()))
    })?;
    if all_there.is_none() {
        bail!("{most} of {requests} requests came to the backends");
    }
    let mut longest = Duration::ZERO;
    for _ in 0..OTHERS {
        let asked = Instant::now();
        speech.ask(proxy.address, QUICK)?;
        longest = longest.max(asked.elapsed());
    }
    Ok(longest)
}
