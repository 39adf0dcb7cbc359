//! Who of a pool would answer, and what would follow which failure.

use super::{Asked, Candidate, Origin, PoolExplained};
use crate::backend::{Backend, now_ms};
use crate::ejection::Standing;
use crate::health::Verdict;
use crate::picker::{Algorithm, HashKey, Place};
use crate::pool::Pool;
use crate::reason::Reason;
use crate::retry::{self, Again, Failure, Hedge, Policy, Progress};
use crate::route::Modifiers;
use crate::session;
use crate::settings::{BackendSettings, PoolSettings};
use crate::snapshot::Snapshot;

/// Tells of a pool, by its place, and of all its backends.
pub(super) fn pool(
    snapshot: &Snapshot,
    origin: Origin,
    facts: &Asked<'_>,
    modifiers: Option<&Modifiers>,
    at: usize,
) -> PoolExplained {
    let pool = &snapshot.pools[at];
    let (next, picked) = next(pool, origin, facts);
    let backends = pool.backends().iter().zip(&pool.settings.backends);
    PoolExplained {
        pool: pool.settings.name.clone(),
        share: None,
        picked,
        next,
        backends: backends.map(|(one, wanted)| candidate(pool, one, wanted, origin)).collect(),
        timeouts: timeouts(snapshot, &pool.settings, modifiers),
        retry: retry(&pool.settings, modifiers, facts),
    }
}

fn next(pool: &Pool, origin: Origin, asked: &Asked<'_>) -> (Option<String>, String) {
    let settings = &pool.settings;
    let name = settings.algorithm.name();
    let has_key = settings.algorithm.has_key();
    let key = if has_key { settings.hash_key.of(asked.facts) } else { 0 };
    let backend = |place: Place| pool.backends()[usize::from(place.0)].name.to_string();
    let session = pool.sessions.as_ref().map(|all| all.find(asked.facts, session::now()));
    let sticky = settings.sticky.as_ref().map(|sticky| format!("; a new session, by {sticky}"));
    let mut by = sticky.clone().unwrap_or_default();
    if has_key {
        by += &format!("; {} is {key:016x}", key_words(&settings.hash_key));
    }
    let open = pool.candidates();
    let home = session.and_then(|session| pool.home(&session, &[]));
    let (place, turn) = pool.next(key);
    match (origin, home, place) {
        (Origin::File, ..) => (None, format!("{name}{by}; nobody was asked: this is a file")),
        (_, Some(home), _) => {
            let sticky = settings.sticky.as_ref().map(ToString::to_string).unwrap_or_default();
            (Some(backend(home)), format!("by its session, told by {sticky}"))
        }
        _ if pool.is_closed() => (None, format!("{name}; the pool is closed: too few are left")),
        _ if open == 0 => {
            (None, format!("{name}; nobody of {} is available", pool.backends().len()))
        }
        _ if pool.is_full() => {
            let queue = settings.queue.map(|rules| format!("; waits {:?} at most", rules.timeout));
            (None, format!("{name}{by}; all {open} are full{}", queue.unwrap_or_default()))
        }
        (_, _, None) => (None, format!("{name}{by}; chance decides among {open}")),
        (_, _, Some(place)) => {
            let is_by_turn =
                matches!(settings.algorithm, Algorithm::RoundRobin | Algorithm::LeastConnections);
            let turn = if is_by_turn { format!("; turn {turn}") } else { String::new() };
            (Some(backend(place)), format!("{name}{by}{turn}; {open} available"))
        }
    }
}

fn key_words(key: &HashKey) -> String {
    match key {
        HashKey::Client => "the client's key".to_owned(),
        HashKey::Path => "the path's key".to_owned(),
        HashKey::Header(name) => format!("the key of header {name}"),
        HashKey::Cookie(name) => format!("the key of cookie {name}"),
        HashKey::Query(name) => format!("the key of query {name}"),
    }
}

fn candidate(
    pool: &Pool,
    backend: &Backend,
    wanted: &BackendSettings,
    origin: Origin,
) -> Candidate {
    let (is_available, mut why) = match (origin, backend.health().verdict) {
        (Origin::File, _) => (true, "not asked: this is a file".to_owned()),
        (_, Verdict::Up) if !backend.is_probed() => {
            (true, "UP until a probe says otherwise".to_owned())
        }
        (_, Verdict::Up) => (true, "UP".to_owned()),
        (_, Verdict::Down(reason)) => {
            (false, format!("DOWN, {}: {}", reason.code(), reason.facts().sentence))
        }
    };
    let standing = backend.conduct.ejection().standing;
    let is_available = is_available && !matches!(standing, Standing::Out(..));
    match standing {
        Standing::In => {}
        Standing::Out(cause, _) => why += &format!(", ejected: {}", cause.code()),
        Standing::HalfOpen(cause) => {
            why += &format!(", tried out after an ejection: {}", cause.code());
        }
    }
    let is_used_anyway = origin == Origin::Running && backend.is_used_anyway();
    if is_used_anyway {
        why += ", used anyway: the pool is in panic";
    }
    let is_available = (is_available || is_used_anyway) && !pool.is_closed();
    let weight = backend.orders.weight(wanted.weight);
    let is_weighted = pool.settings.backends.iter().any(|other| other.weight != 1);
    if backend.orders.is_disabled() {
        why += ", disabled by an operator";
    } else if backend.orders.is_draining() {
        why += ", draining";
    } else if is_weighted || weight != wanted.weight {
        why += &format!(", weight {weight}");
    }
    if wanted.tier > 0 {
        why += &format!(", tier {}", wanted.tier);
    }
    if let (Some(zone), true) = (&wanted.zone, pool.settings.zone.is_some()) {
        why += &format!(", zone {zone}");
    }
    let algorithm = pool.settings.algorithm;
    if origin == Origin::Running {
        let max = wanted.under_way_max().map(|max| format!(" of {max}")).unwrap_or_default();
        why += &format!(", {}{max} under way", backend.in_flight());
    }
    if origin == Origin::Running && algorithm.times() {
        why += &format!(", {:.1} ms", backend.latency.expected(now_ms()) / 1000.0);
    }
    let is_full = wanted.under_way_max().is_some_and(|max| backend.in_flight() >= max);
    let is_available = is_available && weight > 0 && !is_full;
    Candidate { url: backend.name.to_string(), is_available, why }
}

fn timeouts(
    snapshot: &Snapshot,
    settings: &PoolSettings,
    modifiers: Option<&Modifiers>,
) -> Vec<String> {
    let route = modifiers.map(|modifiers| modifiers.timeouts).unwrap_or_default();
    let (pool, all) = (settings.timeouts, &snapshot.settings.timeouts);
    let (response, by) = match route.response {
        Some(time) => (time, "the route"),
        None => (pool.response, "the pool"),
    };
    let total = route.total.or(pool.total);
    let total = total.map(|time| format!("{time:?} to the head of the answer, over all attempts"));
    let told = [
        format!("{:?} to connect", route.connect.unwrap_or(pool.connect)),
        format!("{response:?} to the head of the answer, by {by}"),
        format!("{:?} without a byte of a body", route.stall.or(pool.stall).unwrap_or(all.stall)),
    ];
    told.into_iter().chain(total).collect()
}

/// Asks the policy what follows what.
fn retry(settings: &PoolSettings, modifiers: Option<&Modifiers>, asked: &Asked<'_>) -> Vec<String> {
    let by_route = modifiers.and_then(|modifiers| modifiers.retry);
    let (policy, by) = match by_route {
        Some(policy) => (policy, "the route"),
        None => (settings.retry, "the pool"),
    };
    let statuses: Vec<_> = policy.statuses.iter().map(|status| status.to_string()).collect();
    let per_try =
        policy.per_try.map(|time| format!("{time:?} for an attempt that is not the last"));
    let failures = [
        ("not connected", Reason::ConnectRefused, Progress::NothingSent),
        ("sent, no answer", Reason::BackendClosed, Progress::Sent),
        ("no answer in time", Reason::ResponseTimeout, Progress::Sent),
        ("answer not valid", Reason::BadResponse, Progress::Answered),
        ("answer broken off", Reason::ResponseTruncated, Progress::Answered),
    ];
    let has_key = asked.facts.fields.first(b"idempotency-key").is_some();
    let is_idempotent =
        policy.may_run_twice(asked.facts.method, asked.request.is_idempotent, has_key);
    let attempts = format!("{} at most, by {by}", attempts(policy));
    let follow = |(what, reason, progress): (&str, Reason, Progress)| {
        let failure = Failure { reason, progress, reused: false };
        let facts =
            retry::Facts { attempts: 1, is_idempotent, is_replayable: true, is_put_off: false };
        let follows = match retry::decide(&policy, failure, facts) {
            Again::Fresh | Again::Elsewhere => "another backend is tried".to_owned(),
            Again::No(why) => format!("answered {} ({})", reason.facts().status, why.code()),
        };
        format!("{what}: {follows}")
    };
    let by_status = match (statuses.is_empty(), is_idempotent && policy.attempts_max > 1) {
        (false, true) => Some(format!("status {}: another backend is tried", statuses.join(", "))),
        _ => None,
    };
    let budget = format!("budget: {} % of the requests may be retries", policy.budget);
    let hedge = policy.hedge.map(|hedge| match hedge {
        Hedge::After(time) => format!("another backend is asked, too, after {time:?}"),
        Hedge::P95 => "another backend is asked, too, after the time of 95 in 100".to_owned(),
    });
    let told = std::iter::once(attempts)
        .chain(per_try)
        .chain(hedge.filter(|_| is_idempotent))
        .chain(failures.into_iter().map(follow));
    told.chain(by_status).chain((policy.attempts_max > 1).then_some(budget)).collect()
}

fn attempts(policy: Policy) -> String {
    format!("{} attempt{}", policy.attempts_max, if policy.attempts_max == 1 { "" } else { "s" })
}
