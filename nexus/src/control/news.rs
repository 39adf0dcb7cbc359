//! What the control task makes known: turns of backends, modes of pools, what became of reloads.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::SystemTime;

use crate::backend::Backend;
use crate::backend::journal::Turn;
use crate::events::{Events, Kind, News};
use crate::pool::Pool;
use crate::pool::shortage::Mode;
use crate::reload::{Failure, Report};
use crate::snapshot::Snapshot;

/// What was told, and to whom.
#[derive(Default)]
pub(super) struct Teller {
    pub(super) events: Rc<RefCell<Events>>,
    /// The modes that were told of, by pool; who is not here answers as usual.
    modes: HashMap<String, Mode>,
}

impl Teller {
    pub(super) fn tell(&self, news: News) {
        self.events.borrow_mut().tell(news);
    }

    /// Tells what has happened to backends since it was called last, by the time at which it did,
    /// and which pools answer otherwise than before.
    pub(super) fn collect(&mut self, snapshot: &Snapshot) {
        let mut turns: Vec<News> = snapshot.pools.iter().flat_map(turns).collect();
        turns.sort_by_key(|news| news.at);
        turns.into_iter().for_each(|news| self.tell(news));
        for pool in &snapshot.pools {
            self.mode(pool);
        }
        self.modes.retain(|name, _| snapshot.pools.iter().any(|pool| pool.settings.name == *name));
    }

    fn mode(&mut self, pool: &Pool) {
        let (name, mode) = (&pool.settings.name, pool.mode());
        let before = self.modes.get(name).copied().unwrap_or_default();
        if mode == before {
            return;
        }
        let (kind, text) = match mode {
            Mode::Usual => (Kind::PoolUsual, "answers as usual again"),
            Mode::Panic => (Kind::PoolPanic, "is in panic: too few are available, all are used"),
            Mode::Closed => (Kind::PoolClosed, "is closed: too few are available"),
        };
        self.modes.insert(name.clone(), mode);
        self.tell(News::of(kind, text).pool(name));
    }

    /// Tells how a reload ended.
    pub(super) fn reload(&self, by: &str, outcome: &Result<Report, Failure>) {
        let (kind, text) = match outcome {
            Ok(report) => (Kind::Reload, report.plan.to_string()),
            Err(failure) => (Kind::ReloadRefused, first_problem(failure)),
        };
        self.tell(News {
            cause: outcome.as_ref().err().map(Failure::code),
            ..News::of(kind, text).by(by)
        });
    }
}

fn turns(pool: &Pool) -> impl Iterator<Item = News> {
    pool.backends().iter().flat_map(|backend| {
        backend.journal.news().into_iter().map(|(at, turn)| news_of(pool, backend, at, turn))
    })
}

fn news_of(pool: &Pool, backend: &Backend, at: SystemTime, turn: Turn) -> News {
    let (kind, cause) = match turn {
        Turn::Up | Turn::Needed => (Kind::BackendUp, None),
        Turn::Down { cause, .. } => (Kind::BackendDown, Some(cause.code())),
        Turn::Ejected { cause, .. } => (Kind::BackendEjected, Some(cause.code())),
        Turn::HalfOpen => (Kind::BackendHalfOpen, None),
        Turn::NotEjected => (Kind::BackendNotEjected, None),
    };
    let news = News::of(kind, turn.to_string()).pool(&pool.settings.name).backend(&backend.name);
    News { at, cause, ..news }
}

/// Says what a reload failed of, in short: the log has all of it.
fn first_problem(failure: &Failure) -> String {
    let Failure::Problems(problems) = failure else { return failure.to_string() };
    let all = problems.list.as_array().map_or(&[][..], Vec::as_slice);
    let first = all.iter().find(|problem| problem["severity"] != "warning");
    let Some(first) = first else { return failure.to_string() };
    let place = || Some(format!("{}:{}: ", first["file"].as_str()?, first["line"].as_u64()?));
    let said = first["cause"].as_str().or(first.as_str()).unwrap_or_default();
    format!("{}{said}", place().unwrap_or_default())
}
