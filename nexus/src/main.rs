//! Flags, start, wait for a signal, stop.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use nexus::app::Nexus;
use nexus::cli::{Cli, Format};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The exit code after a second signal: what shells report for an interrupted program.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Written by a thread of its own: a terminal that takes nothing must not stop a worker.
    let (stderr, _written_at_exit) = tracing_appender::non_blocking(std::io::stderr());
    let events = tracing_subscriber::fmt()
        .with_max_level(cli.log_level)
        .with_writer(stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match cli.log_format {
        Format::Text => events.with_target(false).init(),
        Format::Json => events.json().flatten_event(true).with_target(false).init(),
    }
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("nexus: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut stop = runtime.block_on(async { Signals::listen() })?;
    let nexus = Nexus::start(cli.settings(), std::io::stdout())?;
    runtime.block_on(stop.next());
    tracing::info!("stopping: finishing what is under way; a second signal ends it at once");
    let draining = std::thread::spawn(move || nexus.drain());
    let interrupted = runtime.block_on(async {
        let (done, mut drained) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || done.send(draining.join().is_ok()));
        tokio::select! {
            _ = &mut drained => false,
            () = stop.next() => true,
        }
    });
    tracing::info!(interrupted, "stopped");
    Ok(if interrupted { ExitCode::from(INTERRUPTED) } else { ExitCode::SUCCESS })
}

/// The signals that mean stop.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
