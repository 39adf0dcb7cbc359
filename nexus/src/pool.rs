//! A named group of backends: who of them is available, and whose turn it is.

pub mod admission;
pub mod gradient;
pub mod layers;
pub mod queue;
mod ramp;
pub mod sessions;
pub mod shortage;
pub mod times;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::backend::{Backend, BackendUrl, Scheme, Serial, now_ms, uptime};
use crate::ejection::{Ejection, Others, Peers, Rules as Bans};
use crate::metrics::counter::ByWorker;
use crate::metrics::counts::PoolCounts;
use crate::picker::{Algorithm, Ask, Candidate, Loads, Place, hash};
use crate::reason::Reason;
use crate::retry::budget::Budget;
use crate::retry::{Hedge, Policy};
use crate::route::Priority;
use crate::session;
use crate::settings::{BackendSettings, PoolSettings};

use admission::{Admission, Admitted, Refused};
use layers::{Layers, Member, Rules};
use queue::Queue;
pub use ramp::Ramp;
use sessions::{Session, Sessions};
use shortage::Mode;
use times::Times;

/// The first turn is one of so many: not below what the longest schedule has.
const STARTS: usize = 1 << 20;

/// The part of its weight that a backend has while it is tried out, in percent.
const TRICKLE: u32 = 5;

/// The backends that share the requests.
pub struct Pool {
    /// What was asked for.
    pub settings: PoolSettings,
    backends: Box<[Arc<Backend>]>,
    /// Laid out anew by the control task, on every change of health.
    layout: ArcSwap<Layout>,
    /// One counter for all workers, and for all snapshots: what makes round robin exact.
    turn: Arc<AtomicUsize>,
    /// The same for further attempts, which must not take anybody's turn.
    turn_again: AtomicUsize,
    /// Requests that all backends together have under way, if the algorithm wants to know.
    in_flight: Arc<AtomicU64>,
    /// What may still be retried, over all snapshots.
    pub budget: Arc<Budget>,
    /// Requests that wait for a place, of all snapshots.
    pub queue: Arc<Queue>,
    /// How long attempts take, over all snapshots.
    times: Arc<Times>,
    /// Whether hedging wants to know that.
    is_timed: bool,
    /// What was let in, over all snapshots.
    pub admission: Arc<Admission>,
    /// What was counted, over all snapshots.
    pub counts: Arc<ByWorker<PoolCounts>>,
    /// Attempts made in panic, over all snapshots.
    pub panicked: Arc<AtomicU64>,
    /// Which backend each session is with; `None` if none has one.
    pub sessions: Option<Sessions>,
    /// Where each backend is; empty as long as nobody asks.
    places: Arc<HashMap<Serial, Place>>,
}

/// What one look at all backends has led to.
#[derive(Default)]
struct Layout {
    mode: Mode,
    layers: Layers,
}

impl Pool {
    /// Builds a pool out of what its predecessor `old` has and what is new.
    ///
    /// The first turn of a new pool falls to a backend by chance (`dice`), each as often as its
    /// weight says, so that restarts do not all favour the first.
    pub fn build(
        settings: PoolSettings,
        old: Option<&Pool>,
        bell: &Arc<Notify>,
        dice: usize,
    ) -> Self {
        // Connections that begin otherwise are to somebody else.
        let same = old.filter(|old| old.settings.proxy_protocol == settings.proxy_protocol);
        let backends = same.iter().flat_map(|old| &old.backends);
        let known: HashMap<_, _> = backends.map(|backend| (&backend.url, backend)).collect();
        let is_as_before = old.is_some_and(|old| old.settings.tls == settings.tls);
        // Of one that has to prove something else no connection is kept: it is another.
        let is_kept = |url: &BackendUrl| url.scheme != Scheme::Https || is_as_before;
        let known = |url: &BackendUrl| known.get(url).filter(|_| is_kept(url)).copied().cloned();
        let made = |url: &BackendUrl| {
            let backend = Backend::new(url.clone(), Arc::clone(bell), settings.probing.guess());
            // Where all are new they are equals.
            if old.is_some() {
                backend.returns();
            }
            Arc::new(backend)
        };
        let urls = settings.backends.iter().map(|wanted| &wanted.url);
        let backends: Box<[_]> = urls.map(|url| known(url).unwrap_or_else(|| made(url))).collect();
        let start = dice % STARTS;
        let turn =
            old.map_or_else(|| Arc::new(AtomicUsize::new(start)), |old| Arc::clone(&old.turn));
        let in_flight = old.map(|old| Arc::clone(&old.in_flight)).unwrap_or_default();
        let queue = old.map(|old| Arc::clone(&old.queue)).unwrap_or_default();
        let budget = old.map(|old| Arc::clone(&old.budget)).unwrap_or_default();
        let panicked = old.map(|old| Arc::clone(&old.panicked)).unwrap_or_default();
        let mode = old.map(Pool::mode).unwrap_or_default();
        let is_timed = settings.retry.hedge == Some(Hedge::P95);
        let places = settings.queue.map(|_| {
            (0..).map(Place).zip(&backends).map(|(place, one)| (one.serial, place)).collect()
        });
        let sessions =
            Sessions::build(&settings, &backends, old.and_then(|old| old.sessions.as_ref()));
        let pool = Self {
            sessions,
            budget,
            queue,
            places: Arc::new(places.unwrap_or_default()),
            settings,
            backends,
            // What was said of the old mode need not be said again.
            layout: ArcSwap::from_pointee(Layout { mode, ..Layout::default() }),
            panicked,
            times: old.map(|old| Arc::clone(&old.times)).unwrap_or_default(),
            is_timed,
            counts: old.map(|old| Arc::clone(&old.counts)).unwrap_or_default(),
            admission: old.map(|old| Arc::clone(&old.admission)).unwrap_or_default(),
            turn,
            turn_again: AtomicUsize::new(start),
            in_flight,
        };
        if old.is_none() {
            pool.begin_second();
        }
        pool.lay_out();
        pool
    }

    /// Measures how long attempts take for routes, too, if one of them hedges by that.
    pub fn timed(mut self, is_timed: bool) -> Self {
        self.is_timed |= is_timed;
        self
    }

    /// Returns all backends, available or not.
    pub fn backends(&self) -> &[Arc<Backend>] {
        &self.backends
    }

    /// Picks the backend for the next attempt of a request that was `tried` on others before.
    /// `key` is what the request is about, if the algorithm goes by that.
    pub fn pick(&self, key: u64, tried: &[Place]) -> Option<Place> {
        let turn = if tried.is_empty() { &*self.turn } else { &self.turn_again };
        let turn = turn.fetch_add(1, Ordering::Relaxed);
        // Round robin needs no dice: they cost more than the pick.
        let is_by_turn = self.settings.algorithm == Algorithm::RoundRobin;
        let dice = if is_by_turn { 0 } else { fastrand::u64(..) };
        self.layout.load().layers.pick(&Ask { turn, dice, key, tried }, &Busy::of(self))
    }

    /// Returns whose turn it would be, and the turn's number, without taking it. Where chance
    /// decides there is nobody to name.
    pub fn next(&self, key: u64) -> (Option<Place>, usize) {
        let turn = self.turn.load(Ordering::Relaxed);
        let ask = Ask { turn, dice: 0, key, tried: &[] };
        let is_by_chance = self.settings.algorithm.is_by_chance();
        let picked = || self.layout.load().layers.pick(&ask, &Busy::of(self));
        (if is_by_chance { None } else { picked() }, turn)
    }

    /// Begins another second of the retry budget, and of measured times. Only the control task calls this.
    pub fn begin_second(&self) {
        if let Some(times) = self.times() {
            times.tick();
        }
        self.budget.tick(self.turn.load(Ordering::Relaxed));
    }

    /// Says whether it, or its backends, are judged by what they answered in a window of time.
    pub fn looks_back(&self) -> bool {
        self.settings.ejection.as_ref().is_some_and(Bans::looks_back) || self.bans().is_some()
    }

    /// Returns how long attempts take, if hedging wants to know.
    pub fn times(&self) -> Option<&Times> {
        self.is_timed.then_some(&*self.times)
    }

    /// Returns after which time another backend is asked, if that is known.
    pub fn hedge_after(&self, policy: &Policy) -> Option<Duration> {
        match policy.hedge? {
            Hedge::After(time) => Some(time),
            Hedge::P95 => self.times.p95(),
        }
    }

    /// Takes a retry of a request that may have run out of the budget, if there is one left.
    pub fn take_retry(&self, percent: u32) -> bool {
        self.budget.take(self.turn.load(Ordering::Relaxed), percent)
    }

    /// Says whether the budget has a retry left.
    pub fn has_retry(&self, percent: u32) -> bool {
        self.budget.is_left(self.turn.load(Ordering::Relaxed), percent)
    }

    /// Returns the part of the requests that each backend is to get now, in their order.
    pub fn shares(&self) -> Vec<f64> {
        let mut shares = vec![0.0; self.backends.len()];
        for (place, share) in self.layout.load().layers.shares() {
            shares[usize::from(place.0)] = share;
        }
        shares
    }

    /// Returns how many backends may be picked when they have room.
    pub fn candidates(&self) -> usize {
        self.layout.load().layers.candidates().count()
    }

    /// Says whether there are backends that were not tried and need only have room.
    pub fn has_left(&self, tried: &[Place]) -> bool {
        let is_left = |place: Place| !tried.contains(&place) && self.backend(place).is_available();
        self.layout.load().layers.candidates().any(|one| is_left(one.place))
    }

    /// Says whether all backends that may be picked have as many requests as they take.
    pub fn is_full(&self) -> bool {
        self.layout.load().layers.candidates().all(|one| !self.backend(one.place).room.is_left())
    }

    /// Returns the backend of a session, if that still answers it and was not tried.
    pub fn home(&self, session: &Session, tried: &[Place]) -> Option<Place> {
        let home = session.home.filter(|home| !tried.contains(home) && !self.is_closed())?;
        let backend = self.backend(home);
        (backend.is_available() && backend.orders.keeps_sessions(session::now())).then_some(home)
    }

    /// Makes what was observed of the backends' health, and what operators said, count. Only the
    /// control task calls this. Returns whether a backend is on its way to its whole weight: then
    /// it is to be called again soon.
    pub fn lay_out(&self) -> bool {
        let mut all = self.backends.iter().zip(&self.settings.backends);
        if !all.any(|(one, wanted)| one.is_well() && one.orders.weight(wanted.weight) > 0) {
            self.backends.iter().for_each(|backend| backend.release());
        }
        let is_judging = self.judge() | self.judge_whole();
        let mode = self.settle_mode();
        let all = || (0..).map(Place).zip(&self.backends).zip(&self.settings.backends);
        let parts: Vec<_> = all().map(|((_, backend), _)| self.part(backend)).collect();
        let is_ramping = parts.iter().any(Option::is_some);
        let members = all().zip(parts).map(|(((place, backend), wanted), part)| {
            // Without a ramp the weights are what they are: a shorter schedule, and a plainer one.
            let part = if is_ramping { part.unwrap_or(Ramp::WHOLE).min(Ramp::WHOLE) } else { 1 };
            let whole = if is_ramping { Ramp::WHOLE } else { 1 };
            self.member(place, backend, wanted, (part, whole))
        });
        let members = if mode == Mode::Closed { Vec::new() } else { members.collect() };
        let rules = Rules {
            algorithm: self.settings.algorithm,
            available_min: self.settings.available_min,
            zone_load_max: self.settings.zone_load_max,
        };
        let layers = Layers::new(rules, members);
        let is_anybody_available = layers.candidates().next().is_some();
        self.layout.store(Arc::new(Layout { mode, layers }));
        match self.queue.waiting() {
            0 => {}
            _ if is_anybody_available => self.backends.iter().for_each(|one| self.queue.serve(one)),
            _ => self.queue.send_away(None),
        }
        let is_gone = |one: &&Arc<Backend>| !one.is_available() || one.orders.is_disabled();
        for gone in self.backends.iter().filter(is_gone) {
            self.queue.send_away(Some(gone.serial));
        }
        is_ramping || is_judging
    }

    /// Returns how it answers.
    pub fn mode(&self) -> Mode {
        self.layout.load().mode
    }

    /// Says whether it answers nothing, since too few backends are left.
    pub fn is_closed(&self) -> bool {
        self.settings.shortage.below > 0 && self.mode() == Mode::Closed
    }

    /// Lets a request in, or says why not; `None` is let in uncounted.
    ///
    /// # Errors
    ///
    /// Fails if too few backends are left, or by breaker or limit.
    pub fn admit(&self, priority: impl Fn() -> Priority) -> Result<Option<Admitted>, Refused> {
        let (breaker, shedding) = (self.settings.breaker.as_ref(), self.settings.shedding.as_ref());
        if self.is_closed() {
            return Err(self.admission.refuse(Reason::TooFewBackends, None));
        }
        if breaker.is_none() && shedding.is_none() {
            return Ok(None);
        }
        self.admission.enter(breaker, shedding, priority()).map(Some)
    }

    /// Finds the limit of load shedding anew. Only the control task calls this.
    pub fn adapt(&self) {
        if let Some(shedding) = &self.settings.shedding {
            self.admission.adapt(&shedding.rules);
        }
    }

    /// Judges how the pool as a whole answers; returns whether its breaker is not closed.
    fn judge_whole(&self) -> bool {
        match self.bans() {
            Some(rules) => self.admission.judge(&self.settings.name, rules),
            None => {
                self.admission.forget();
                false
            }
        }
    }

    /// Returns the rules of the breaker, if it has any.
    fn bans(&self) -> Option<&Bans> {
        self.settings.breaker.as_ref()?.rules()
    }

    /// Decides how it answers from now on; says so if that is new.
    fn settle_mode(&self) -> Mode {
        let all = || self.backends.iter().zip(&self.settings.backends);
        let open = || all().filter(|(one, wanted)| one.orders.weight(wanted.weight) > 0);
        let (count, well) = (open().count(), open().filter(|(one, _)| one.is_well()).count());
        let mode = self.settings.shortage.mode(well, count);
        self.backends.iter().for_each(|one| one.use_anyway(mode == Mode::Panic));
        if mode != self.mode() {
            let (pool, available) = (&self.settings.name, format!("{well} of {count}"));
            match mode {
                Mode::Usual => tracing::info!(pool, available, "pool answers as usual again"),
                Mode::Panic => tracing::warn!(pool, available, "pool is in panic: all are used"),
                Mode::Closed => tracing::warn!(pool, available, "pool is closed: too few are left"),
            }
        }
        mode
    }

    /// Judges how the backends answer; returns whether one is ejected or tried out.
    fn judge(&self) -> bool {
        let Some(rules) = &self.settings.ejection else { return self.let_in() };
        let is_ejected =
            |backend: &Backend| backend.conduct.is_out() || backend.conduct.is_half_open();
        let max = (self.backends.len() * rules.percent_max as usize / 100).max(1);
        for backend in &self.backends {
            let others = || self.backends.iter().filter(|other| other.serial != backend.serial);
            let may_eject = others().filter(|other| is_ejected(other)).count() < max;
            let is_anybody = self.has_another(backend);
            let seen = || self.usual_beside(backend).map(|other| other.conduct.seen());
            let peers = rules.compares().then(|| Peers::of(rules, seen())).flatten();
            backend.judge(rules, Others { may_eject, is_anybody, peers });
        }
        self.backends.iter().any(|backend| is_ejected(backend))
    }

    /// Lets those in whose ejection is over where the pool has no rules; returns whether anybody is
    /// ejected still.
    fn let_in(&self) -> bool {
        let is_marked = |backend: &&Arc<Backend>| backend.conduct.ejection() != Ejection::default();
        for backend in self.backends.iter().filter(is_marked) {
            if backend.conduct.ejection().is_over(uptime(), self.has_another(backend)) {
                backend.readmit();
            }
        }
        self.backends.iter().any(|backend| backend.conduct.is_out())
    }

    /// Says whether anybody else is available, and not just tried out.
    pub fn has_another(&self, backend: &Backend) -> bool {
        self.usual_beside(backend).next().is_some()
    }

    fn usual_beside(&self, backend: &Backend) -> impl Iterator<Item = &Arc<Backend>> {
        let serial = backend.serial;
        let all = self.backends.iter().zip(&self.settings.backends);
        let usual = all.filter(move |(other, wanted)| {
            let is_ready = other.is_well() && !other.conduct.is_half_open();
            other.serial != serial && is_ready && other.orders.weight(wanted.weight) > 0
        });
        usual.map(|(other, _)| other)
    }

    fn member(
        &self,
        place: Place,
        backend: &Backend,
        wanted: &BackendSettings,
        (part, whole): (u32, u32),
    ) -> Member {
        let (is_available, id) = (backend.is_available(), hash(backend.name.as_bytes()));
        let weight = backend.orders.weight(wanted.weight);
        let weight = (weight * part).max(weight.min(1));
        // Whoever waits in the queue must not fall on a backend that has just returned, either.
        let ramped = |max: u32| u64::from(max) * u64::from(part) / u64::from(whole);
        let is_tried_out = backend.conduct.is_half_open() && !backend.is_used_anyway();
        let room = wanted.under_way_max().map(|max| ramped(max).max(1) as u32);
        let requests_max = match room.unwrap_or(u32::MAX) {
            max if is_tried_out => max.min(backend.conduct.trial_room(backend.in_flight())),
            max => max,
        };
        backend.room.set(requests_max, weight > 0);
        Member {
            candidate: Candidate { place, weight, is_available, id, requests_max },
            tier: wanted.tier,
            is_near: self.settings.zone.is_some() && wanted.zone == self.settings.zone,
            weight_usual: wanted.weight * whole,
        }
    }

    /// Returns which part of its weight a backend has, in percent, while it is on its way to all.
    fn part(&self, backend: &Backend) -> Option<u32> {
        let part = || self.settings.slow_start?.part(backend.back_for()?);
        if backend.conduct.is_half_open() {
            return Some(part().map_or(TRICKLE, |part| part.min(TRICKLE)));
        }
        part()
    }

    /// Takes a place at a backend, if it has one left.
    pub fn take(&self, place: Place) -> bool {
        let is_taken = self.backend(place).room.take();
        if is_taken {
            self.count();
        }
        is_taken
    }

    /// Counts one more request of the whole pool, if its algorithm goes by that.
    pub fn count(&self) {
        if self.settings.algorithm.bounds() {
            self.in_flight.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Gives a place back, or hands it over to a request that waits for it.
    pub fn give_back(&self, place: Place) {
        if self.settings.algorithm.bounds() {
            self.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
        let backend = self.backend(place);
        if self.queue.waiting() > 0 {
            return self.queue.pass_on(backend);
        }
        backend.room.give_back();
        // Somebody may have begun to wait just now.
        if self.queue.waiting() > 0 {
            self.queue.serve(backend);
        }
    }

    fn backend(&self, place: Place) -> &Arc<Backend> {
        &self.backends[usize::from(place.0)]
    }

    /// Returns where each backend is.
    pub fn places(&self) -> Arc<HashMap<Serial, Place>> {
        Arc::clone(&self.places)
    }

    fn place(&self, backend: &Backend) -> Option<Place> {
        self.places.get(&backend.serial).copied()
    }
}

/// How busy the backends of a pool are.
struct Busy<'p> {
    pool: &'p Pool,
    now_ms: u32,
}

impl<'p> Busy<'p> {
    fn of(pool: &'p Pool) -> Self {
        let now_ms = if pool.settings.algorithm.times() { now_ms() } else { 0 };
        Self { pool, now_ms }
    }

    fn backend(&self, place: Place) -> &Backend {
        &self.pool.backends[usize::from(place.0)]
    }
}

impl Loads for Busy<'_> {
    fn in_flight(&self, place: Place) -> u32 {
        self.backend(place).in_flight()
    }

    fn total(&self) -> u64 {
        self.pool.in_flight.load(Ordering::Relaxed)
    }

    fn latency(&self, place: Place) -> f32 {
        self.backend(place).latency.expected(self.now_ms)
    }
}

#[cfg(test)]
mod tests;
