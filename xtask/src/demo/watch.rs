//! The demo itself: starts everything, kills and restores the victim on time, and keeps watching.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::story::{BACKENDS, Sample, Story, VICTIM};
use super::view::View;
use crate::backend::Backend;
use crate::cargo::Programs;
use crate::interrupt;
use crate::load::{Load, Progress};
use crate::nexus::{self, Nexus};
use crate::process;

const KILL_AT: Duration = Duration::from_secs(4);
const RESTORE_AT: Duration = Duration::from_secs(9);
const END_AT: Duration = Duration::from_secs(15);
/// The load's last answers and its report come within this time of its end.
const LIMIT_END: Duration = Duration::from_secs(12);
const LIMIT_STOP: Duration = Duration::from_secs(10);

/// Everything that is running, and what was seen of it.
struct Demo {
    backends: Vec<Backend>,
    nexus: Nexus,
    load: Load,
    began: Instant,
    progress_seen: usize,
    events_seen: usize,
    view: View,
    story: Story,
}

/// Runs the demo and returns what happened.
pub(super) fn watch(programs: &Programs, rate: u64, folder: &Path) -> Result<Story> {
    let mut demo = Demo::start(programs, rate, folder)?;
    demo.watch_until(KILL_AT)?;
    demo.kill()?;
    demo.watch_until(RESTORE_AT)?;
    demo.restore()?;
    demo.watch_until(END_AT + LIMIT_END)?;
    demo.finish()
}

impl Demo {
    fn start(programs: &Programs, rate: u64, folder: &Path) -> Result<Self> {
        let latency = ["--latency=2ms".to_owned()];
        let start = |id| Backend::start(&programs.fakebackend, id, &latency);
        let backends: Vec<_> = BACKENDS.into_iter().map(start).collect::<Result<_>>()?;
        let flags = ["--health-interval=1s", "--health-timeout=500ms"].map(str::to_owned);
        let nexus =
            Nexus::start(&programs.nexus, &backends, &flags, Some(folder.join("nexus.stderr")))?;
        println!("Nexus on {}, {rate} requests a second, before", nexus.url());
        backends.iter().for_each(|one| println!("  {} on {}", one.id, one.url()));
        println!();
        let seconds = END_AT.as_secs();
        let flags = [
            format!("--rate={rate}"),
            format!("--duration={seconds}s"),
            "--workers=50".to_owned(),
            "--progress-json".to_owned(),
        ];
        let began = Instant::now();
        let load = Load::start(&programs.loadtest, &nexus.url(), &flags, folder)?;
        Ok(Self {
            backends,
            nexus,
            load,
            began,
            progress_seen: 0,
            events_seen: 0,
            view: View::new(),
            story: Story::default(),
        })
    }

    /// Shows what happens until that time, or until the load has ended.
    fn watch_until(&mut self, end: Duration) -> Result<()> {
        let limit = end.saturating_sub(self.began.elapsed());
        interrupt::poll(limit, || {
            let ended = self.load.ended()?;
            self.look()?;
            Ok(ended.then_some(()))
        })?;
        Ok(())
    }

    fn look(&mut self) -> Result<()> {
        for event in self.nexus.new_events(&mut self.events_seen)? {
            let at = event.at.saturating_duration_since(self.began);
            let Some(which) = self.backends.iter().position(|one| Some(one.url()) == event.backend)
            else {
                continue;
            };
            let cause = event.cause.unwrap_or_default();
            match event.message.as_str() {
                nexus::DOWN => self.on_down(which, at, &cause),
                nexus::UP => self.on_up(which, at),
                _ => {}
            }
        }
        for (at, progress) in self.load.new_progress(&mut self.progress_seen)? {
            let sample = self.sample(at.saturating_duration_since(self.began), &progress);
            self.view.update(&sample);
            self.story.samples.push(sample);
        }
        Ok(())
    }

    fn on_down(&mut self, which: usize, at: Duration, cause: &str) {
        self.view.set(which, "DOWN");
        self.view.tell(at, &format!("Nexus: {} is DOWN ({cause})", BACKENDS[which]));
        if which == VICTIM && !self.story.killed.is_zero() {
            self.story.detected.get_or_insert((at, cause.to_owned()));
        }
    }

    fn on_up(&mut self, which: usize, at: Duration) {
        self.view.set(which, "UP");
        self.view.tell(at, &format!("Nexus: {} is UP", BACKENDS[which]));
        if which == VICTIM && !self.story.restored.is_zero() {
            self.story.recovered.get_or_insert(at);
        }
    }

    fn sample(&self, at: Duration, progress: &Progress) -> Sample {
        let count = |i: usize| progress.backends.get(&self.backends[i].url()).copied().unwrap_or(0);
        Sample {
            at,
            answers: std::array::from_fn(count),
            ok: progress.ok,
            failed: progress.failed,
            p99_ms: progress.p99_ms,
        }
    }

    fn kill(&mut self) -> Result<()> {
        self.story.killed = self.began.elapsed();
        self.backends[VICTIM].kill()?;
        self.view.set(VICTIM, "killed");
        self.view.tell(self.story.killed, &format!("── {} killed (SIGKILL)", BACKENDS[VICTIM]));
        Ok(())
    }

    fn restore(&mut self) -> Result<()> {
        self.story.restored = self.began.elapsed();
        self.backends[VICTIM].start_again()?;
        self.view.tell(self.story.restored, &format!("── {} started again", BACKENDS[VICTIM]));
        Ok(())
    }

    fn finish(mut self) -> Result<Story> {
        let report = self.load.finish(LIMIT_STOP).context("the load")?;
        self.look()?;
        (self.story.sent, self.story.failed) = (report.totals.sent, report.totals.failed);
        self.story.p99_ms = report.latency.response.p99_us / 1000.0;
        self.story.max_ms = report.latency.response.max_us / 1000.0;
        let ended = self.nexus.process().ended()?;
        self.story.nexus_ended = match ended {
            Some(status) => format!("had crashed: {}", process::describe(status)),
            None => process::describe(self.nexus.stop(LIMIT_STOP)?),
        };
        Ok(self.story)
    }
}
