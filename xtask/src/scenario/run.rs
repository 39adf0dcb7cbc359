//! One run of a scenario with real processes: start, load, steps, and the facts afterwards.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};

use super::accounts;
use super::beside;
use super::cast::{backends, filled};
use super::facts::{Done, Facts, NexusEnd, Said};
use super::file::{Beside, Scenario, Step, Verb};
use crate::backend::Backend;
use crate::cargo::Programs;
use crate::identity::Identity;
use crate::interrupt;
use crate::load::{Answer, Load, Report};
use crate::nexus::{self, Nexus};
use crate::process;

/// Nexus told to stop is gone within this time: its own limit is 30 s.
const LIMIT_STOP: Duration = Duration::from_secs(35);

/// Everything that is running.
struct Stage<'a> {
    scenario: &'a Scenario,
    identity: Option<Identity>,
    backends: Vec<Backend>,
    nexus: Nexus,
    load: Load,
    beside: Vec<beside::Running>,
    /// When the load was started, on both clocks.
    began: Instant,
    began_at: SystemTime,
    /// When the last step was begun that changed something.
    changed: Instant,
    done: Vec<Done>,
}

/// Runs a scenario once; programs' outputs and reports go into `folder`.
pub(crate) fn run(scenario: &Scenario, programs: &Programs, folder: &Path) -> Result<Facts> {
    let mut stage = Stage::set(scenario, programs, folder)?;
    for step in &scenario.steps {
        stage.step(step)?;
    }
    let report = stage.load.finish(stage.time_left()?)?;
    let beside = stage.beside.drain(..).map(beside::Running::end).collect();
    let answers = stage.answers(&report, folder)?;
    let accounts = stage.accounts(&report, folder)?;
    let is_weighed = scenario.expect.nexus_memory.is_some();
    let memory = is_weighed.then(|| stage.nexus.process().memory_most()).transpose()?;
    let end = stage.end_nexus()?;
    Ok(Facts {
        report,
        answers,
        accounts,
        urls: stage.backends.iter().map(|one| (one.id.clone(), one.url())).collect(),
        said: stage.said()?,
        beside,
        nexus_memory: memory,
        nexus: end,
        steps: stage.done,
    })
}

impl<'a> Stage<'a> {
    fn set(scenario: &'a Scenario, programs: &Programs, folder: &Path) -> Result<Self> {
        let make = || Identity::make(&programs.fakebackend, folder);
        let identity = scenario.needs_identity().then(make).transpose()?;
        let backends = backends(scenario, programs, identity.as_ref(), folder)?;
        let nexus = match &scenario.config {
            Some(text) => {
                let text = filled(text, &backends, identity.as_ref());
                Nexus::start_with(&programs.nexus, &text, &scenario.nexus, folder)?
            }
            None => {
                let log = Some(folder.join("nexus.stderr"));
                Nexus::start(&programs.nexus, &backends, &scenario.nexus, log)?
            }
        };
        let mut flags = scenario.load.flags();
        flags.extend(["--run-id".to_owned(), run_id(folder), "--quiet".to_owned()]);
        if !scenario.expect.window.is_empty() {
            flags.push(format!("--events={}", events(folder).display()));
        }
        let is_tls = scenario.load.protocol.is_tls();
        flags.extend(identity.as_ref().filter(|_| is_tls).map(Identity::trust_flag));
        let url = if is_tls { nexus.secure_url() } else { nexus.url() };
        let (began, began_at) = (Instant::now(), SystemTime::now());
        let load = Load::start(&programs.loadtest, &url, &flags, folder)?;
        let lasts = scenario.load.duration.unwrap_or_default();
        let may_be_left =
            backends.iter().filter(|one| scenario.expect.may_be_left.contains(&one.id));
        let may_be_left: Vec<_> = may_be_left.map(Backend::url).collect();
        let start = |who: &Beside| {
            beside::Running::start(*who, (nexus.address(), is_tls), lasts, may_be_left.clone())
        };
        let beside = scenario.beside.iter().map(start).collect();
        let (changed, done) = (began, Vec::new());
        Ok(Self {
            scenario,
            identity,
            backends,
            nexus,
            load,
            beside,
            began,
            began_at,
            changed,
            done,
        })
    }

    fn step(&mut self, step: &Step) -> Result<()> {
        if let Some(at) = step.at {
            interrupt::sleep_until(self.began + at)?;
        }
        self.time_left()?;
        let begun = Instant::now();
        let awaited = match &step.verb {
            Verb::Await { message, within } => {
                Some((self.wait_for(step, message, *within)?, *within))
            }
            Verb::AwaitCalm { within } => Some((self.wait_for_calm(*within)?, *within)),
            _ => {
                self.changed = begun;
                self.act(step).with_context(|| format!("step {step}"))?;
                None
            }
        };
        let at = begun - self.began;
        self.done.push(Done { planned: step.at, at, what: step.to_string(), awaited });
        Ok(())
    }

    /// Reloads again and again, with one file after the other.
    fn reload(&mut self, with: &[String], rate: u32, lasts: Duration) -> Result<()> {
        let texts: Vec<_> =
            with.iter().map(|text| filled(text, &self.backends, self.identity.as_ref())).collect();
        let (begun, mut slowest) = (Instant::now(), Duration::ZERO);
        let count = (lasts.as_secs_f64() * f64::from(rate)).round() as u32;
        for (number, text) in (0..count).zip(texts.iter().cycle()) {
            let due = begun + lasts / count * number;
            interrupt::sleep_until(due)?;
            self.nexus.reload(text)?;
            slowest = slowest.max(due.elapsed());
        }
        let took = begun.elapsed();
        if took > lasts + lasts / 10 {
            bail!("{count} reloads took {took:?}");
        }
        let what = format!("{count} reloads done, the slowest in {} ms", slowest.as_millis());
        let at = self.began.elapsed();
        self.done.push(Done { planned: None, at, what, awaited: None });
        Ok(())
    }

    fn act(&mut self, step: &Step) -> Result<()> {
        match &step.verb {
            Verb::StopNexus => return self.nexus.ask_to_stop(),
            Verb::Reload { with, rate, lasts } => return self.reload(with, *rate, *lasts),
            Verb::RestartNexus => return self.nexus.restart(LIMIT_STOP),
            _ => {}
        }
        for backend in self.backends.iter_mut().filter(|one| step.concerns(&one.id)) {
            match &step.verb {
                Verb::Kill => backend.kill()?,
                Verb::Terminate => {
                    let status = backend.terminate()?;
                    if !status.success() {
                        bail!("{} ended with {}", backend.id, process::describe(status));
                    }
                }
                Verb::Start => backend.start_again()?,
                Verb::Pause => backend.pause()?,
                Verb::Resume => backend.resume()?,
                Verb::Fault(fault) => backend.add_fault(fault)?,
                Verb::Heal => backend.heal()?,
                Verb::Down { mode, existing } => backend.take_down(mode, existing)?,
                Verb::Up => backend.bring_up()?,
                Verb::Latency(time) => backend.slow_down(time)?,
                Verb::Slots(count) => backend.set_slots(*count)?,
                Verb::Flap(flap) => backend.flap((flap != "off").then_some(flap.as_str()))?,
                Verb::Health(says) => backend.set_health(says)?,
                Verb::Drain { within } => self.nexus.drain(&backend.url(), *within)?,
                Verb::Undrain => self.nexus.undrain(&backend.url())?,
                Verb::Await { .. }
                | Verb::AwaitCalm { .. }
                | Verb::StopNexus
                | Verb::RestartNexus
                | Verb::Reload { .. } => {}
            }
        }
        Ok(())
    }

    /// How long after the last change Nexus said it; `None` when it did not say it in time.
    fn wait_for(&self, step: &Step, message: &str, within: Duration) -> Result<Option<Duration>> {
        let mut longest = Duration::ZERO;
        for backend in self.backends.iter().filter(|one| step.concerns(&one.id)) {
            match self.nexus.wait_for(message, Some(&backend.url()), self.changed, within)? {
                Some(event) => longest = longest.max(event.at - self.changed),
                None => return Ok(None),
            }
        }
        Ok(Some(longest))
    }

    /// How long it took until nothing was under way, in Nexus and in all backends; `None` when
    /// something still was.
    fn wait_for_calm(&self, within: Duration) -> Result<Option<Duration>> {
        let begun = Instant::now();
        interrupt::poll(within, || {
            let mut in_flight = self.nexus.in_flight()?;
            for backend in &self.backends {
                in_flight += backend.in_flight()?;
            }
            Ok((in_flight == 0).then(|| begun.elapsed()))
        })
    }

    /// Each request with the scenario's times; nothing unless a part of the run is judged.
    fn answers(&self, report: &Report, folder: &Path) -> Result<Vec<Answer>> {
        if self.scenario.expect.window.is_empty() {
            return Ok(Vec::new());
        }
        let offset = report.started()?.duration_since(self.began_at).unwrap_or_default();
        let mut answers = Answer::read_all(&events(folder))?;
        for answer in &mut answers {
            answer.ended_s += offset.as_secs_f64();
        }
        Ok(answers)
    }

    fn accounts(&self, report: &Report, folder: &Path) -> Result<Option<accounts::Accounts>> {
        let expect = &self.scenario.expect;
        if [&expect.lost, &expect.run_twice, &expect.amplification].iter().all(|one| one.is_none())
        {
            return Ok(None);
        }
        let run = run_id(folder);
        let journals: Vec<_> =
            self.backends.iter().map(|backend| backend.journal(&run)).collect::<Result<_>>()?;
        let failed = [&report.failed_seqs[..], &report.aborted_seqs].concat();
        Ok(Some(accounts::balance(report.totals.sent, &failed, &journals)))
    }

    fn end_nexus(&mut self) -> Result<NexusEnd> {
        let was_asked = self.scenario.steps.iter().any(|step| step.verb == Verb::StopNexus);
        let ended = self.nexus.process().ended()?;
        let crashed = ended.filter(|_| !was_asked).map(process::describe);
        let stopped = if was_asked {
            self.nexus
                .process()
                .wait(LIMIT_STOP)?
                .map_or("still runs".to_owned(), process::describe)
        } else {
            match self.nexus.stop(LIMIT_STOP) {
                Ok(status) => process::describe(status),
                Err(error) if error.is::<interrupt::Interrupted>() => return Err(error),
                Err(error) => error.to_string(),
            }
        };
        self.nexus.process().kill();
        Ok(NexusEnd { crashed, stopped, panics: self.nexus.panics()?.len() })
    }

    /// What Nexus said of its backends, with their names instead of their URLs.
    fn said(&self) -> Result<Vec<Said>> {
        let is_told = |message: &str| matches!(message, nexus::DOWN | nexus::UP | "stopped");
        let events = self.nexus.new_events(&mut 0)?;
        let told = events.into_iter().filter(|event| is_told(&event.message)).map(|event| {
            let backend = self.backends.iter().find(|one| Some(one.url()) == event.backend);
            let id = backend.map_or("", |one| one.id.as_str());
            let cause = event.cause.map(|cause| format!(" ({cause})")).unwrap_or_default();
            let what = format!("Nexus: {} {id}{cause}", event.message);
            Said { at: event.at.saturating_duration_since(self.began), what }
        });
        Ok(told.collect())
    }

    fn time_left(&self) -> Result<Duration> {
        let left = self.scenario.limit.checked_sub(self.began.elapsed());
        left.with_context(|| format!("it takes longer than {:?}", self.scenario.limit))
    }
}

/// The run's id is the folder's name: unique, and telling.
fn run_id(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn events(folder: &Path) -> std::path::PathBuf {
    folder.join("events.jsonl")
}
