//! Commands; or flags and files, start, wait for a signal, stop.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use nexus::app::{Nexus, Ties};
use nexus::cli::{Cli, Command, Format};
use nexus::command;
use nexus::command::remote::Terminal;
use nexus::command::run::Configured;
use nexus::config::disk::Disk;
use nexus::config::render::Colour;
use nexus::level::Levels;
use nexus::reload::{Reading, Source};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::NonBlocking;
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The exit code after a second signal: what shells report for an interrupted program.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let (Cli { command, flags }, said) = match Cli::read(std::env::args_os()) {
        Ok(read) => read,
        Err(error) => error.exit(),
    };
    if let Some(command) = command {
        return obey(&command);
    }
    let (format, level, has_file) = (flags.log_format, flags.log_level, flags.config.is_some());
    let configured = Configured::new(*flags, said);
    let reading = match configured.read_in(colour(std::io::stderr().is_terminal())) {
        Ok(reading) => reading,
        Err(problems) => {
            eprintln!("{}", problems.text.trim_end());
            return ExitCode::FAILURE;
        }
    };
    eprint!("{}", reading.warnings.text);
    let source = has_file.then(|| Arc::new(configured) as Arc<dyn Source>);
    // Written by a thread of its own: a terminal that takes nothing must not stop a worker.
    let (stderr, _written_at_exit) = tracing_appender::non_blocking(std::io::stderr());
    let levels = write_events(format, level, stderr);
    match run(reading, source, levels) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("nexus: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Has Nexus's own events written from `level` on, which can be changed.
fn write_events(format: Format, level: Level, stderr: NonBlocking) -> Arc<Levels> {
    let (filter, handle) = tracing_subscriber::reload::Layer::new(LevelFilter::from_level(level));
    let events = tracing_subscriber::fmt::layer()
        .with_target(false)
        .with_writer(stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let events = match format {
        Format::Text => events.boxed(),
        Format::Json => events.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(filter).with(events).init();
    Levels::new(level, move |level| {
        // It fails only when nobody writes events any more.
        let _ = handle.modify(|filter| *filter = LevelFilter::from_level(level));
    })
}

/// Does something else than run.
fn obey(command: &Command) -> ExitCode {
    let outcome = match command {
        Command::Check(how) => {
            command::check::check(how, &Disk, colour(std::io::stdout().is_terminal()))
        }
        Command::Schema => command::schema(),
        Command::Init => command::init::init(),
        Command::Cert(how) => command::cert::cert(how),
        Command::Status(how) => command::remote::status(how, &Disk),
        Command::Top(how) => {
            let is_terminal = std::io::stdout().is_terminal();
            command::top::top(how, &Disk, is_terminal, colour(is_terminal))
        }
        Command::Plan(how) => {
            command::remote::plan(how, &Disk, colour(std::io::stdout().is_terminal()))
        }
        Command::Explain(how) => {
            command::remote::explain(how, &Disk, colour(std::io::stdout().is_terminal()))
        }
        Command::Reload(how) => {
            let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout());
            let is_terminal = input.is_terminal() && output.is_terminal();
            let terminal = Terminal { input: &mut input, output: &mut output };
            command::remote::reload(how, &Disk, is_terminal.then_some(terminal))
        }
        Command::Drain(how) => command::remote::drain(how, &Disk, &mut std::io::stderr()),
        Command::Why(how) => command::why::why(how, &Disk),
        Command::Undrain(how) => command::remote::undrain(how, &Disk),
        Command::Weight(how) => command::remote::weight(how, &Disk),
        Command::Disable(how) => command::operator::disable(how, &Disk),
        Command::Enable(how) => command::operator::enable(how, &Disk),
        Command::Eject(how) => command::operator::eject(how, &Disk),
        Command::LogLevel(how) => command::operator::log_level(how, &Disk),
        Command::Events(how) => command::happened::events(how, &Disk, &mut std::io::stdout()),
        Command::Failures(how) => command::happened::failures(how, &Disk),
        Command::Confirm(how) => command::remote::confirm(how, &Disk),
        Command::Run(_) => unreachable!("Cli::read takes its flags out"),
    };
    // A reader that has left, such as `head`, has seen enough.
    let _ = std::io::stdout().write_all(outcome.text.as_bytes());
    ExitCode::from(outcome.code)
}

/// Says whether to use colours: only on a terminal, and not if `NO_COLOR` asks for none.
fn colour(is_terminal: bool) -> Colour {
    let is_wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if is_terminal && is_wanted { Colour::On } else { Colour::Off }
}

fn run(
    reading: Reading,
    source: Option<Arc<dyn Source>>,
    levels: Arc<Levels>,
) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut signals = runtime.block_on(async { Signals::listen() })?;
    let Reading { settings, effective, .. } = reading;
    let ties = Ties { effective, source, levels };
    let nexus = Nexus::start_with(settings, ties, std::io::stdout())?;
    loop {
        match runtime.block_on(signals.next()) {
            Told::Stop => break,
            Told::Reload => drop(nexus.reread("SIGHUP")), // What came of it is in the log.
            Told::Reopen => nexus.reopen_log(),
        }
    }
    tracing::info!("stopping: finishing what is under way; a second signal ends it at once");
    let draining = std::thread::spawn(move || nexus.drain());
    let interrupted = runtime.block_on(async {
        let (done, mut drained) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || done.send(draining.join().is_ok()));
        tokio::select! {
            _ = &mut drained => false,
            () = signals.stop() => true,
        }
    });
    tracing::info!(interrupted, "stopped");
    Ok(if interrupted { ExitCode::from(INTERRUPTED) } else { ExitCode::SUCCESS })
}

/// What a signal says.
#[derive(PartialEq, Eq)]
enum Told {
    Stop,
    Reload,
    Reopen,
}

/// The signals that are listened to.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    user1: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.interrupt.recv() => Told::Stop,
            _ = self.terminate.recv() => Told::Stop,
            _ = self.hang_up.recv() => Told::Reload,
            _ = self.user1.recv() => Told::Reopen,
        }
    }

    async fn stop(&mut self) {
        while self.next().await != Told::Stop {}
    }
}
