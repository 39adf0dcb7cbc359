//! One address that requests are sent to, and what is known of it.

pub mod conduct;
pub mod connections;
pub mod idle;
pub mod journal;
pub mod latency;
pub mod orders;
pub mod room;
pub mod sessions;
mod url;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::ejection::{Cause, Others, Rules, Standing};
use crate::health::{Health, Observation, Verdict};
use crate::metrics::counter::ByWorker;
use crate::metrics::counts::{BackendCounts, Happened};
use crate::reason::Reason;

use conduct::Conduct;
use connections::Connections;
use journal::{Journal, Probed, Turn};
use latency::Latency;
use orders::Orders;
use room::Room;
use sessions::Sessions;

pub use url::{BackendUrl, Place, SOCKET_PATH_MAX, Scheme};

/// A number that no two backends share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Serial(u64);

impl Serial {
    fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }

    /// Returns a number from 1 to 2^20 − 1, which only a million backends later is another's.
    pub fn number(self) -> u32 {
        (self.0 % ((1 << 20) - 1)) as u32 + 1
    }
}

/// Returns the time since the first call.
pub fn uptime() -> Duration {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    BEGAN.get_or_init(Instant::now).elapsed()
}

/// The same in milliseconds.
pub fn now_ms() -> u32 {
    uptime().as_millis() as u32
}

/// Returns milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The states that a backend can be in.
pub const STATES: [&str; 4] = ["UP", "DOWN", "EJECTED", "HALF_OPEN"];

/// One backend of a pool.
pub struct Backend {
    /// What tells it from every other backend that there is or was.
    pub serial: Serial,
    /// Where it is.
    pub url: BackendUrl,
    /// The same as text, as logs and answers name it.
    pub name: Box<str>,
    /// The lines that name it in an answer, ready to be written; and those of a pool in panic.
    own_fields: [Box<[u8]>; 2],
    /// Its addresses, all that its name resolves to; renewed by the probe.
    addresses: ArcSwap<Vec<SocketAddr>>,
    /// The address that answered last.
    preferred: AtomicUsize,
    is_up: AtomicBool,
    /// Whether it gets requests whatever is believed of it: its pool is in panic.
    is_used_anyway: AtomicBool,
    /// How often it went DOWN: idle connections from before are not used again.
    downs: AtomicU32,
    health: Mutex<Health>,
    /// Connection errors of requests in a row, where one is not enough.
    errors: AtomicU32,
    /// When the verdict flipped last, or else when it was made; in milliseconds since 1970.
    since: AtomicU64,
    /// Whether a probe has come back.
    is_probed: AtomicBool,
    /// Whether its last connection spoke HTTP/2; at h2c each does.
    pub speaks_http2: AtomicBool,
    /// What happened to it last.
    pub journal: Journal,
    /// What was counted.
    pub counts: ByWorker<BackendCounts>,
    /// What has happened to it, in numbers.
    pub happened: Happened,
    /// Connections that are open.
    pub connections: Connections,
    /// Requests under way, from the pick to the last byte.
    pub room: Room,
    /// Sessions that a cookie of Nexus tells.
    pub sessions: Sessions,
    /// Requests that became tunnels, of those under way.
    pub tunnels: AtomicU32,
    /// What an operator said while it runs. It lives as long as the backend, over reloads.
    pub orders: Orders,
    /// When it came back, or came to a pool that was there, in [`now_ms`] plus one; 0 is neither.
    returned: AtomicU32,
    /// How it answers, as far as its pool wants to know.
    pub conduct: Conduct,
    /// How long it takes to answer, as far as its pool wants to know.
    pub latency: Latency,
    /// Rung when the verdict flips, so that the control task lays out the picker.
    bell: Arc<Notify>,
    /// Rung when a request found it DOWN, so that its probe soon says whether that is so.
    doubted: Notify,
}

impl Backend {
    /// Makes a backend of which nothing is known; what is believed until then is `guess`.
    pub fn new(url: BackendUrl, bell: Arc<Notify>, guess: Verdict) -> Self {
        let name = url.to_string().into_boxed_str();
        let speaks_http2 = url.scheme == Scheme::H2c;
        let own_fields = format!("X-Forwarded-By: Nexus\r\nX-Backend-Server: {name}\r\n");
        let panic = format!("{own_fields}X-Nexus-Mode: panic\r\n");
        Self {
            serial: Serial::next(),
            own_fields: [own_fields, panic].map(|fields| fields.into_bytes().into()),
            is_used_anyway: AtomicBool::new(false),
            url,
            name,
            speaks_http2: AtomicBool::new(speaks_http2),
            addresses: ArcSwap::default(),
            preferred: AtomicUsize::new(0),
            is_up: AtomicBool::new(guess == Verdict::Up),
            downs: AtomicU32::new(0),
            health: Mutex::new(Health::guess(guess)),
            errors: AtomicU32::new(0),
            since: AtomicU64::new(now()),
            is_probed: AtomicBool::new(false),
            journal: Journal::default(),
            counts: ByWorker::default(),
            happened: Happened::default(),
            connections: Connections::default(),
            room: Room::default(),
            sessions: Sessions::default(),
            tunnels: AtomicU32::new(0),
            orders: Orders::default(),
            returned: AtomicU32::new(0),
            conduct: Conduct::default(),
            latency: Latency::default(),
            bell,
            doubted: Notify::new(),
        }
    }

    /// Returns whether the verdict is UP.
    pub fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }

    /// Returns its state, one of [`STATES`], and the reason code if it is not UP.
    pub fn state(&self) -> (&'static str, Option<&'static str>) {
        match (self.health().verdict, self.conduct.ejection().standing) {
            (Verdict::Down(reason), _) => ("DOWN", Some(reason.code())),
            (Verdict::Up, Standing::In) => ("UP", None),
            (Verdict::Up, Standing::Out(cause, _)) => ("EJECTED", Some(cause.code())),
            (Verdict::Up, Standing::HalfOpen(cause)) => ("HALF_OPEN", Some(cause.code())),
        }
    }

    /// Returns whether the verdict is UP, and it is not ejected.
    pub fn is_well(&self) -> bool {
        self.is_up() && !self.conduct.is_out()
    }

    /// Returns whether it gets requests: it is well, or its pool is in panic.
    pub fn is_available(&self) -> bool {
        self.is_well() || self.is_used_anyway()
    }

    /// Returns whether its pool is in panic.
    pub fn is_used_anyway(&self) -> bool {
        self.is_used_anyway.load(Ordering::Relaxed)
    }

    /// Notes whether its pool is in panic. Only the control task calls this.
    pub fn use_anyway(&self, is_used: bool) {
        self.is_used_anyway.store(is_used, Ordering::Relaxed);
    }

    /// Returns the lines that name it in an answer.
    pub fn own_fields(&self) -> &[u8] {
        &self.own_fields[usize::from(self.is_used_anyway())]
    }

    /// Counts an answer with this status, 502 for a failed attempt, where bad answers eject.
    pub fn answered(&self, rules: &Rules, status: u16, took: Option<Duration>) {
        if self.conduct.count(rules, status, took) {
            self.bell.notify_one();
        }
    }

    /// Judges its answers. Only the control task calls this.
    pub fn judge(&self, rules: &Rules, others: Others) {
        let now = uptime();
        let Some(standing) = self.conduct.judge(rules, others, now) else { return };
        let (backend, times) = (&self.name, self.conduct.ejection().times);
        match standing {
            Standing::Out(cause, until) => {
                let seconds = (until - now).as_secs_f32();
                self.journal.turn(Turn::Ejected { cause, time: until - now });
                self.happened.ejections.fetch_add(1, Ordering::Relaxed);
                let cause = cause.code();
                tracing::warn!(%backend, cause, seconds, times, "backend is ejected");
            }
            Standing::HalfOpen(_) => {
                self.conduct.begin_trials(self.in_flight());
                self.journal.turn(Turn::HalfOpen);
                tracing::info!(%backend, "ejected backend is tried out");
            }
            Standing::In => {
                self.returns();
                self.journal.turn(Turn::NotEjected);
                tracing::info!(%backend, "backend is no longer ejected");
            }
        }
    }

    /// Ejects it for so long by an operator's word. Only the control task calls this.
    pub fn eject(&self, time: Duration) {
        let now = uptime();
        self.conduct.eject(now, now + time);
        self.journal.turn(Turn::Ejected { cause: Cause::Operator, time });
        let seconds = time.as_secs_f32();
        tracing::warn!(backend = %self.name, cause = Cause::Operator.code(), seconds, "backend is ejected");
    }

    /// Ends an ejection, if it is ejected. Only the control task calls this.
    pub fn readmit(&self) {
        let is_ejected = self.conduct.ejection().standing != Standing::In;
        self.conduct.forget();
        if is_ejected {
            self.returns();
            self.journal.turn(Turn::NotEjected);
            tracing::info!(backend = %self.name, "backend is no longer ejected");
        }
    }

    /// Notes that it gets requests again, or for the first time.
    pub fn returns(&self) {
        self.returned.store(now_ms().wrapping_add(1).max(1), Ordering::Relaxed);
    }

    /// Returns for how long it has been back; `None` if it was never away.
    pub fn back_for(&self) -> Option<Duration> {
        let returned = self.returned.load(Ordering::Relaxed);
        let since = now_ms().wrapping_add(1).wrapping_sub(returned);
        (returned != 0).then(|| Duration::from_millis(u64::from(since)))
    }

    /// Returns how many requests are under way.
    pub fn in_flight(&self) -> u32 {
        self.room.taken()
    }

    /// Returns how often it went DOWN.
    pub fn downs(&self) -> u32 {
        self.downs.load(Ordering::Relaxed)
    }

    /// Returns what is known of its health.
    pub fn health(&self) -> Health {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Health> {
        self.health.lock().expect("nothing panics while it holds this lock")
    }

    /// Counts a request's connection error: so many in a row, 0 is never, mark it DOWN.
    pub fn request_failed(&self, reason: Reason, errors_max: u32) {
        // One is enough, usually, and needs no counting.
        let is_enough = errors_max == 1
            || errors_max > 0 && self.errors.fetch_add(1, Ordering::Relaxed) + 1 >= errors_max;
        if is_enough {
            self.forgive();
            self.observe(Observation::RequestFailed(reason));
        }
    }

    /// Ends a row of connection errors.
    pub fn forgive(&self) {
        // A store that changes nothing would still take the line from other workers.
        if self.errors.load(Ordering::Relaxed) > 0 {
            self.errors.store(0, Ordering::Relaxed);
        }
    }

    /// Takes an observation into account. A flip is logged once, here, and rings the bell.
    pub fn observe(&self, observation: Observation) {
        let verdict = {
            let mut health = self.lock();
            if !health.observe(observation, uptime()) {
                if health.is_ready() {
                    self.bell.notify_one(); // It may be needed although it flaps.
                }
                return;
            }
            self.is_up.store(health.verdict == Verdict::Up, Ordering::Relaxed);
            self.since.store(now(), Ordering::Relaxed);
            health.verdict
        };
        match verdict {
            Verdict::Up => self.comes_back(Turn::Up),
            Verdict::Down(reason) => {
                self.downs.fetch_add(1, Ordering::Relaxed);
                let seen_by = if matches!(observation, Observation::ProbeFailed { .. }) {
                    "probe"
                } else {
                    "request"
                };
                let kept_out = self.health().kept_out(uptime());
                self.journal.turn(Turn::Down { cause: reason, seen_by, kept_out });
                if let Some(seconds) = kept_out.map(|time| time.as_secs_f32()) {
                    tracing::warn!(backend = %self.name, seconds, "backend flaps and is kept out");
                }
                tracing::warn!(backend = %self.name, cause = reason.code(), seen_by, "backend is DOWN");
            }
        }
        self.bell.notify_one();
        if matches!(observation, Observation::RequestFailed(_)) {
            self.doubted.notify_one();
        }
    }

    /// Brings it back although it flaps, if its last probe has succeeded: there is nobody else.
    /// Only the control task calls this.
    pub fn release(&self) {
        if self.lock().release() {
            self.is_up.store(true, Ordering::Relaxed);
            self.since.store(now(), Ordering::Relaxed);
            self.comes_back(Turn::Needed);
        }
    }

    fn comes_back(&self, turn: Turn) {
        self.returns();
        self.journal.turn(turn);
        self.happened.ups.fetch_add(1, Ordering::Relaxed);
        tracing::info!(backend = %self.name, "backend is {turn}");
    }

    /// Returns since when the verdict is what it is.
    pub fn since(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.since.load(Ordering::Relaxed))
    }

    /// Notes that a probe has come back, and with what.
    pub fn probed(&self, probed: Probed) {
        self.journal.probe(probed);
        let count = match probed.failure {
            None => &self.happened.probes_ok,
            Some(_) => &self.happened.probes_failed,
        };
        count.fetch_add(1, Ordering::Relaxed);
        self.is_probed.store(true, Ordering::Relaxed);
    }

    /// Says whether a probe has come back.
    pub fn is_probed(&self) -> bool {
        self.is_probed.load(Ordering::Relaxed)
    }

    /// Waits until a request has found it DOWN.
    pub async fn doubted(&self) {
        self.doubted.notified().await;
    }

    /// Returns its addresses, the one that answered last in front.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let mut addresses = self.addresses.load().to_vec();
        let preferred = self.preferred.load(Ordering::Relaxed);
        if preferred < addresses.len() {
            addresses.rotate_left(preferred);
        }
        addresses
    }

    /// Remembers the address that answered.
    pub fn prefer(&self, address: SocketAddr) {
        if let Some(at) = self.addresses.load().iter().position(|known| *known == address) {
            self.preferred.store(at, Ordering::Relaxed);
        }
    }

    /// Replaces the addresses by what its name resolves to now; nothing found changes nothing.
    pub fn resolve_to(&self, found: Vec<SocketAddr>) {
        if !found.is_empty() && **self.addresses.load() != found {
            self.preferred.store(0, Ordering::Relaxed);
            self.addresses.store(Arc::new(found));
        }
    }
}
