//! `cargo xtask bench --idle`: memory that a proxy holds for a client that keeps its connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::peers::Peer;
use super::{Bench, cpu, rows, write_json};
use crate::backend::Backend;
use crate::{Outcome, interrupt};

const CONNECTIONS: usize = 5000;
/// Before these, a proxy has not yet made what it makes once.
const WARM_UP: usize = 50;
const TIMEOUT: Duration = Duration::from_secs(5);

/// One proxy's memory.
#[derive(Serialize)]
struct Idle {
    peer: Peer,
    title: String,
    connections: usize,
    /// Of all its processes, before and with the connections (PSS).
    before_kib: u64,
    with_kib: u64,
}

/// Runs the command for these peers; the copier keeps buffers by design and is left out.
pub(super) fn run(bench: &Bench, peers: &[Peer]) -> Result<Outcome> {
    let row = rows::named(&["small".to_owned()]).map_err(anyhow::Error::msg)?.remove(0);
    let backends = bench.backends(&row)?;
    let mut all = Vec::new();
    for &peer in peers.iter().filter(|peer| **peer != Peer::Floor) {
        let measured = measure(bench, peer, &row, &backends);
        all.push(measured.with_context(|| peer.name().to_owned())?);
    }
    println!(
        "\nMemory of the proxy per idle client connection ({CONNECTIONS} after one request each)\n"
    );
    println!("| | KiB per connection | in all, MiB | without them, MiB |\n|---|---|---|---|");
    for idle in &all {
        let (before, with) = (idle.before_kib as f64, idle.with_kib as f64);
        let each = (with - before).max(0.0) / idle.connections as f64;
        println!("| {} | {each:.2} | {:.1} | {:.1} |", idle.title, with / 1024.0, before / 1024.0);
    }
    println!("\nAll measurements: {}", write_json(&bench.folder, &all)?.display());
    Ok(Outcome::Passed)
}

fn measure(bench: &Bench, peer: Peer, row: &rows::Row, backends: &[Backend]) -> Result<Idle> {
    let proxy = cpu::on(bench.cpus.0, || peer.start(bench, row, backends))??;
    drop(open(proxy.address, WARM_UP)?);
    let before_kib = cpu::memory_kib(proxy.group())?;
    let held = open(proxy.address, CONNECTIONS)?;
    let with_kib = cpu::memory_kib(proxy.group())?;
    let connections = held.len();
    drop(held);
    proxy.stop();
    Ok(Idle { peer, title: peer.title(), connections, before_kib, with_kib })
}

/// Opens connections, each with one request answered, and keeps them.
fn open(address: SocketAddr, count: usize) -> Result<Vec<TcpStream>> {
    let mut held = Vec::with_capacity(count);
    for number in 0..count {
        interrupt::check()?;
        let opened = ask(address).with_context(|| format!("connection {number}"))?;
        held.push(opened);
    }
    Ok(held)
}

fn ask(address: SocketAddr) -> Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut piece = [0; 2048];
    // The backends' answer is a line: `b1`.
    while !answer.ends_with(b"\n") || answer.ends_with(b"\r\n") {
        match stream.read(&mut piece)? {
            0 => bail!("closed after {:?}", String::from_utf8_lossy(&answer)),
            n => answer.extend_from_slice(&piece[..n]),
        }
    }
    if !answer.starts_with(b"HTTP/1.1 200") {
        bail!("answered {:?}", String::from_utf8_lossy(&answer));
    }
    Ok(stream)
}
