//! Puts the program together, says that it is ready, and stops it when asked.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::cli::{Cli, Control};
use crate::control;
use crate::gate::{Ask, Gate, GateKeeper};
use crate::port::{Place, Port};
use crate::rules::{Entrance, Rules, Shared};
use crate::tls;
use crate::workers::Workers;

/// Runs until told to stop.
///
/// # Errors
///
/// If a port cannot be had, or the system refuses threads.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    allow_many_files();
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve(cli))
}

async fn serve(cli: Cli) -> anyhow::Result<()> {
    let mut stops = Stops::new()?;
    let (port, entrance) = open(&cli)?;
    let control = control_port(cli.control).await?;
    let id = cli.id.clone().unwrap_or_else(|| port.place().to_string());
    let shared = Arc::new(Shared::new(id.clone(), Rules::new(&cli, &id), entrance));
    let workers =
        Workers::start(cli.workers, Arc::clone(&shared)).context("cannot start a worker")?;
    let place = port.place();
    let gate = Gate::start(port, workers, Arc::clone(&shared), cli.flap)
        .await
        .with_context(|| format!("cannot listen on {place}"))?;
    let (stop, mut stopped) = mpsc::channel(1);
    let control_address = control.as_ref().map(TcpListener::local_addr).transpose()?;
    if let Some(listener) = control {
        tokio::spawn(control::serve(listener, control::Room::new(&shared, &gate, stop)));
    }
    announce(&cli, &shared.id, &gate.place, control_address);
    tokio::select! {
        () = stops.next() => {}
        Some(()) = stopped.recv() => {}
    }
    finish(&shared, &gate, &mut stops, cli.grace).await;
    Ok(())
}

/// Takes the port, and makes what connections need to begin.
fn open(cli: &Cli) -> anyhow::Result<(Port, Entrance)> {
    let place = cli.unix.clone().map_or(Place::Tcp(cli.listen), Place::Unix);
    let port = Port::hold(&place).map_err(|error| match &place {
        Place::Tcp(address) => cannot_listen(&error, *address, "--listen"),
        Place::Unix(path) => anyhow::anyhow!("cannot listen on {}: {error}", path.display()),
    })?;
    let protocols = &cli.protocols;
    let address = cli.unix.is_none().then_some(cli.listen);
    let acceptor = || tls::acceptor(&protocols.wanted(), address);
    let tls = protocols.is_tls().then(acceptor).transpose()?;
    let (is_proxied, streams_max) = (protocols.proxy_protocol, protocols.streams);
    Ok((port, Entrance { tls, is_proxied, streams_max }))
}

/// Finishes what is under way, unless that takes too long or a second signal comes.
async fn finish(shared: &Shared, gate: &GateKeeper, stops: &mut Stops, grace: Duration) {
    let _ = gate.ask(Ask::Stop).await;
    tokio::select! {
        () = shared.connections.all_gone() => {}
        () = tokio::time::sleep(grace) => {}
        () = stops.next() => {}
    }
}

struct Stops {
    terminate: Signal,
    interrupt: Signal,
}

impl Stops {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn control_port(control: Control) -> anyhow::Result<Option<TcpListener>> {
    let Control::On(address) = control else {
        return Ok(None);
    };
    let bound = TcpListener::bind(address).await;
    bound.map(Some).map_err(|error| cannot_listen(&error, address, "--control"))
}

fn cannot_listen(error: &io::Error, address: SocketAddr, flag: &str) -> anyhow::Error {
    let port = address.port();
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "another program has this port\n  \
             see which:       ss -ltnp 'sport = :{port}'\n  \
             take another:    {flag} {}\n  \
             take a free one: {flag} {}",
            SocketAddr::new(address.ip(), port.checked_add(1).unwrap_or(8081)),
            SocketAddr::new(address.ip(), 0),
        ),
        io::ErrorKind::PermissionDenied => {
            format!(
                "this user may not have the port; take one from 1024 on: {flag} {}",
                SocketAddr::new(address.ip(), 8081)
            )
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("no network interface of this machine has the address {}", address.ip())
        }
        _ => error.to_string(),
    };
    anyhow::anyhow!("cannot listen on {address}: {advice}")
}

#[derive(Serialize)]
struct Ready<'a> {
    id: &'a str,
    listen: String,
    control: Option<SocketAddr>,
    pid: u32,
}

/// Says on stdout that requests are accepted. Nobody has to be listening.
fn announce(cli: &Cli, id: &str, place: &Place, control: Option<SocketAddr>) {
    let line = if cli.ready_json {
        let ready = Ready { id, listen: place.to_string(), control, pid: std::process::id() };
        serde_json::to_string(&ready).unwrap_or_default()
    } else {
        let controlled =
            control.map_or(String::new(), |control| format!(", controlled on http://{control}"));
        let scheme = match (place, cli.protocols.is_tls()) {
            (Place::Unix(_), _) => "",
            (Place::Tcp(_), true) => "https://",
            (Place::Tcp(_), false) => "http://",
        };
        format!("{id} serves on {scheme}{place}{controlled}")
    };
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Raises the limit of open files as far as it may be: a connection is one.
fn allow_many_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
