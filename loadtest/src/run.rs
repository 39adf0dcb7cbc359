//! Runs the load: threads, the phases that they go through together, and the way to stop them.

use std::process::ExitCode;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, anyhow};
use hyper::header::HeaderName;
use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Barrier, mpsc, watch};
use tokio::task::JoinSet;

use crate::config::Config;
use crate::events::Events;
use crate::plan::{Pace, Plan};
use crate::progress::{self, Live};
use crate::report::{self, Report};
use crate::tally::Tally;
use crate::target::Addresses;
use crate::worker::{self, Thread};

/// After a signal, requests under way have so long to end before they count as interrupted.
const GRACE: Duration = Duration::from_secs(2);

/// How often a thread tells how far it is.
const PUBLISH_EVERY: Duration = Duration::from_millis(250);

/// What all threads share: nothing that changes on a request's way but the tickets.
pub(crate) struct Job {
    pub(crate) config: Config,
    pub(crate) addresses: Addresses,
    pub(crate) phases: Vec<Phase>,
    /// Where workers meet before each phase.
    pub(crate) barrier: Barrier,
    pub(crate) reason_header: HeaderName,
    pub(crate) events: Option<Events>,
    /// One for each thread.
    pub(crate) live: Vec<Live>,
    stop: watch::Sender<bool>,
}

/// A stretch of load that all workers begin together.
pub(crate) struct Phase {
    pub(crate) plan: Plan,
    /// Whether it counts: the warm-up does not.
    pub(crate) measured: bool,
    tickets: AtomicU64,
    begun: OnceLock<Begun>,
}

#[derive(Clone, Copy)]
pub(crate) struct Begun {
    pub(crate) at: Instant,
    pub(crate) wall: SystemTime,
    cpu: Duration,
}

impl Phase {
    fn new(plan: Plan, measured: bool) -> Self {
        Self { plan, measured, tickets: AtomicU64::new(0), begun: OnceLock::new() }
    }

    /// The start, which the first worker to come here sets.
    pub(crate) fn begin(&self) -> Instant {
        let begun = || Begun { at: Instant::now(), wall: SystemTime::now(), cpu: process_cpu() };
        self.begun.get_or_init(begun).at
    }

    /// When it began, if it has.
    pub(crate) fn begun(&self) -> Option<Begun> {
        self.begun.get().copied()
    }

    /// The next number.
    pub(crate) fn draw(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::Relaxed)
    }

    /// Processor time of this process since the phase began.
    pub(crate) fn cpu(&self) -> Duration {
        let before = self.begun.get().map_or(Duration::ZERO, |begun| begun.cpu);
        process_cpu().saturating_sub(before)
    }
}

impl Job {
    fn new(config: Config, addresses: Addresses) -> Result<Self> {
        let mut phases = Vec::new();
        if let Some(warmup) = config.warmup {
            let pace = match config.plan.pace {
                Pace::Open { per_second } => Pace::Open { per_second },
                Pace::Closed { .. } => Pace::Closed { pause: Duration::ZERO },
            };
            let plan = Plan { pace, requests: None, duration: Some(warmup) };
            phases.push(Phase::new(plan, false));
        }
        phases.push(Phase::new(config.plan.clone(), true));
        Ok(Self {
            addresses,
            phases,
            barrier: Barrier::new(config.workers),
            reason_header: HeaderName::from_static("x-nexus-error"),
            events: config.events.as_deref().map(Events::create).transpose()?,
            live: (0..config.threads).map(|_| Live::default()).collect(),
            stop: watch::Sender::new(false),
            config,
        })
    }

    /// The phase that counts.
    pub(crate) fn measured(&self) -> &Phase {
        self.phases.last().expect("there is always the phase that counts")
    }
}

/// Runs the whole test, prints its report, and returns the exit code.
pub(crate) fn run(config: Config) -> Result<ExitCode> {
    raise_open_files();
    let addresses = match config.resolve() {
        Ok(addresses) => addresses,
        Err(error) => {
            eprintln!("loadtest: {error:#}");
            return Ok(ExitCode::from(report::EXIT_UNREACHABLE));
        }
    };
    let job = Arc::new(Job::new(config, addresses)?);
    let (hand_in, tallies) = mpsc::channel(job.config.threads);
    let mut threads = Vec::new();
    for index in 0..job.config.threads {
        let (job, hand_in) = (Arc::clone(&job), hand_in.clone());
        let builder = std::thread::Builder::new().name(format!("load-{index}"));
        threads.push(builder.spawn(move || run_thread(job, index, &hand_in))?);
    }
    drop(hand_in);
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let (tally, interrupted) = runtime.block_on(supervise(&job, tallies))?;
    for thread in threads {
        thread.join().map_err(|_| anyhow!("a load thread has panicked"))??;
    }
    let report = Report::new(&job, &tally, interrupted);
    report::write(&report, &tally, &job.config)?;
    Ok(ExitCode::from(report.exit_code(&tally)))
}

/// Waits for all threads, and meanwhile minds signals and shows progress.
async fn supervise(job: &Job, mut tallies: mpsc::Receiver<Tally>) -> Result<(Tally, bool)> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut progress = std::pin::pin!(progress::show(job));
    let mut interrupted = false;
    let mut sum = Tally::new();
    loop {
        tokio::select! {
            tally = tallies.recv() => match tally {
                Some(tally) => sum.merge(tally),
                None => break,
            },
            _ = interrupt.recv() => interrupted = true,
            _ = terminate.recv() => interrupted = true,
            () = &mut progress => {}
        }
        if interrupted {
            job.stop.send_replace(true);
        }
    }
    progress::finish(job);
    Ok((sum, interrupted))
}

/// One thread's whole life: its runtime, its workers, its tally.
fn run_thread(job: Arc<Job>, index: usize, hand_in: &mpsc::Sender<Tally>) -> Result<()> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(runtime::LocalOptions::default())
        .context("cannot start a runtime")?;
    let thread = Rc::new(Thread::new(job));
    runtime.block_on(run_workers(&thread, index))?;
    // The receiver lives until every sender is gone.
    let _ = hand_in.blocking_send(thread.hand_in());
    Ok(())
}

async fn run_workers(thread: &Rc<Thread>, index: usize) -> Result<()> {
    let config = &thread.job.config;
    let mut workers = JoinSet::new();
    let share = (config.workers + config.threads - 1 - index) / config.threads;
    let trunks = thread.trunks(share);
    for number in 0..share {
        let trunk = trunks.get(number % trunks.len().max(1)).cloned();
        workers.spawn_local(worker::work(Rc::clone(thread), trunk));
    }
    drop(trunks);
    let mut stop = thread.job.stop.subscribe();
    let mut tick = tokio::time::interval(PUBLISH_EVERY);
    loop {
        tokio::select! {
            ended = workers.join_next() => match ended {
                Some(ended) => ended.context("a worker has panicked")?,
                None => break,
            },
            () = stopped(&mut stop), if !thread.stopping.get() => {
                thread.stopping.set(true);
                land(thread).await;
                workers.shutdown().await;
            }
            _ = tick.tick() => thread.publish(index),
        }
    }
    thread.publish(index);
    Ok(())
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // The sender lives as long as the job.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Waits for the requests under way, for as long as the grace lasts.
async fn land(thread: &Thread) {
    let landed = async {
        while thread.in_flight.get() > 0 {
            thread.landed.notified().await;
        }
    };
    // Those still under way count as interrupted when their worker is dropped.
    let _ = tokio::time::timeout(GRACE, landed).await;
}

/// Processor time that this process has used, in user space and in the kernel.
fn process_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Every worker needs a descriptor: takes as many as the system lets us have.
fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // If it fails, connects say so.
    let _ = setrlimit(Resource::Nofile, limit);
}
