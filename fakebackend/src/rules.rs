//! The rules in force: one immutable value that requests read and changes replace.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio_rustls::TlsAcceptor;

use crate::answer::{Answer, Shape};
use crate::cli::Cli;
use crate::clients::Clients;
use crate::connections::Connections;
use crate::dice::{Dice, salt};
use crate::fault::{Fault, FaultRule};
use crate::flap::{Down, Mode};
use crate::health::{Health, HealthRule};
use crate::journal::Journal;
use crate::slots::Slots;
use crate::stats::Stats;
use crate::status::Statuses;

/// How to behave.
#[derive(Clone)]
pub(crate) struct Rules {
    pub(crate) dice: Dice,
    pub(crate) latency: Duration,
    pub(crate) jitter: Duration,
    /// How many are served at once, if not all.
    pub(crate) slots: Option<Arc<Slots>>,
    pub(crate) statuses: Statuses,
    /// One for each of the statuses, in their order.
    pub(crate) answers: Arc<[Answer]>,
    pub(crate) shape: Arc<Shape>,
    pub(crate) faults: Vec<Arc<ArmedFault>>,
    faults_added: u64,
    pub(crate) keepalive_requests: Option<u64>,
    /// What health checks are told, if there is a path for them.
    pub(crate) health: Option<HealthRule>,
    /// How it is down, if it is.
    pub(crate) down: Option<Down>,
}

/// A fault rule in force.
pub(crate) struct ArmedFault {
    pub(crate) rule: FaultRule,
    /// What it rolls under: rules alike roll apart.
    pub(crate) salt: u64,
    /// The highest roll that it applies to.
    highest: u64,
    fired: AtomicU64,
}

impl Rules {
    pub(crate) fn new(cli: &Cli, id: &str) -> Self {
        let mut shape = Shape::new(id, cli.header.clone(), cli.body_size, cli.chunked);
        shape.hints.clone_from(&cli.early_hint);
        shape.trailers.clone_from(&cli.trailer);
        let mut rules = Self {
            dice: Dice::new(cli.seed, id),
            latency: cli.latency,
            jitter: cli.jitter,
            slots: cli.slots.map(|count| Arc::new(Slots::new(count, cli.slots_queue))),
            statuses: Statuses::default(),
            answers: Arc::from([]),
            shape: Arc::new(shape),
            faults: Vec::new(),
            faults_added: 0,
            keepalive_requests: cli.keepalive_requests,
            health: cli.health_path.as_deref().map(|path| HealthRule::new(path, cli.health)),
            down: None,
        };
        rules.set_statuses(cli.status.clone());
        for fault in &cli.fault {
            rules.add_fault(*fault);
        }
        rules
    }

    #[cfg(test)]
    pub(crate) fn healthy(id: &str) -> Self {
        use clap::Parser;
        Self::new(&Cli::parse_from(["fakebackend"]), id)
    }

    pub(crate) fn set_statuses(&mut self, statuses: Statuses) {
        self.answers = statuses.codes().map(|code| self.shape.answer(code)).collect();
        self.statuses = statuses;
    }

    pub(crate) fn add_fault(&mut self, rule: FaultRule) {
        self.faults_added += 1;
        self.faults.push(Arc::new(ArmedFault {
            rule,
            salt: salt("fault").wrapping_add(self.faults_added),
            highest: (rule.chance * u64::MAX as f64) as u64,
            fired: AtomicU64::new(0),
        }));
    }

    pub(crate) fn set_health(&mut self, says: Health) {
        if let Some(health) = &mut self.health {
            health.says = says;
        }
    }

    /// Whether it is down in a way in which nobody is answered.
    pub(crate) fn is_silent(&self) -> bool {
        self.down.is_some_and(|down| matches!(down.mode, Mode::Hang | Mode::Blackhole))
    }

    pub(crate) fn refuses(&self) -> bool {
        self.faults.iter().any(|armed| armed.rule.fault == Fault::Refuse)
    }
}

impl ArmedFault {
    pub(crate) fn is_met(&self, roll: u64) -> bool {
        roll <= self.highest && self.rule.fault != Fault::Refuse
    }

    /// Counts one more time, unless it has happened as often as it may.
    pub(crate) fn claim(&self) -> bool {
        let most = self.rule.count.unwrap_or(u64::MAX);
        let one_more = |fired| (fired < most).then_some(fired + 1);
        self.fired.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    pub(crate) fn fired(&self) -> u64 {
        self.fired.load(Ordering::Relaxed)
    }
}

/// What all threads share.
pub(crate) struct Shared {
    pub(crate) id: String,
    pub(crate) started: Instant,
    pub(crate) rules: ArcSwap<Rules>,
    changing: Mutex<()>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) journal: Journal,
    pub(crate) clients: Clients,
    pub(crate) stats: Arc<Stats>,
    /// How connections begin.
    pub(crate) entrance: Entrance,
}

/// What is asked of a connection before its first request.
#[derive(Default)]
pub(crate) struct Entrance {
    /// None: no TLS.
    pub(crate) tls: Option<TlsAcceptor>,
    /// Whether the PROXY protocol is spoken first.
    pub(crate) is_proxied: bool,
    /// Streams at once of an HTTP/2 connection.
    pub(crate) streams_max: u32,
}

impl Shared {
    pub(crate) fn new(id: String, rules: Rules, entrance: Entrance) -> Self {
        Self {
            id,
            started: Instant::now(),
            rules: ArcSwap::from_pointee(rules),
            changing: Mutex::new(()),
            connections: Arc::default(),
            journal: Journal::default(),
            clients: Clients::default(),
            stats: Arc::default(),
            entrance,
        }
    }

    /// Replaces the rules; requests whose head was read before keep those that they began with.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Rules)) {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rules = Rules::clone(&self.rules.load());
        change(&mut rules);
        self.rules.store(Arc::new(rules));
    }
}
