//! What would change: one running Nexus compared with other settings. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug, Display};

use schemars::JsonSchema;
use serde::Serialize;

use crate::control::is_exported_alike;
use crate::proxy_protocol::Version;
use crate::retry::{Methods, Policy};
use crate::route::{Route, Table};
use crate::settings::{Address, Admin, ListenerSettings, PoolSettings, Probing, Settings};

mod tls;

/// Routes that are named in words; of more only the number is said.
const ROUTES_NAMED_MAX: usize = 10;

/// What happens to backends that are removed.
const REMOVED: &str = "is removed: requests under way are finished, its idle connections closed";

/// All that would change. Empty is: nothing.
#[derive(Debug, Clone, Default, JsonSchema, Serialize)]
pub struct Plan {
    /// In the order in which requests meet it.
    pub changes: Vec<Change>,
}

/// One thing that would change.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Change {
    /// How much it matters.
    pub weight: Weight,
    /// What it is about: `listener 127.0.0.1:8000`, `pool web`.
    pub what: String,
    /// What happens to it.
    pub how: String,
}

/// How much a change matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// It touches no connection and no capacity.
    Note,
    /// It closes connections, or takes capacity away.
    Warning,
    /// A running Nexus cannot do it: the reload would be refused.
    NeedsRestart,
}

/// Who of the running Nexus's backends is UP: what the plan must know besides settings.
pub trait Facts {
    /// Says whether a backend of a pool is UP; `None` is nobody knows yet.
    fn is_up(&self, pool: &str, backend: &str) -> Option<bool>;
}

impl Plan {
    /// Compares what runs with what shall run.
    pub fn of(old: &Settings, new: &Settings, facts: &dyn Facts) -> Self {
        let mut plan = Self::default();
        plan.restart(old, new);
        plan.listeners(&old.listeners, &new.listeners);
        plan.routes(old.routes.as_deref(), new.routes.as_deref());
        plan.pools(&old.pools, &new.pools, facts);
        plan.values(old, new);
        plan
    }

    /// Says whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Returns what the running Nexus would refuse, if it would.
    pub fn refusal(&self) -> Option<&Change> {
        self.changes.iter().find(|change| change.weight == Weight::NeedsRestart)
    }

    fn add(&mut self, weight: Weight, what: impl Into<String>, how: impl Into<String>) {
        self.changes.push(Change { weight, what: what.into(), how: how.into() });
    }

    fn restart(&mut self, old: &Settings, new: &Settings) {
        let how = |old: String, new: String| format!("{old} → {new}: needs a restart");
        if old.workers != new.workers {
            self.add(
                Weight::NeedsRestart,
                "workers",
                how(old.workers.to_string(), new.workers.to_string()),
            );
        }
        let name = |settings: &Settings| match &settings.access_log {
            None => "off".to_owned(),
            Some(log) if log.output.is_syslog() => format!("{} ({})", log.output, log.facility),
            Some(log) => log.output.to_string(),
        };
        if name(old) != name(new) {
            self.add(Weight::NeedsRestart, "access_log.output", how(name(old), name(new)));
        }
        let name = |settings: &Settings| {
            let endpoint = settings.tracing.as_ref().map(|tracing| tracing.endpoint.to_string());
            endpoint.unwrap_or("off".to_owned())
        };
        if name(old) != name(new) {
            self.add(Weight::NeedsRestart, "tracing", how(name(old), name(new)));
        } else if !is_exported_alike(old, new) {
            self.add(Weight::NeedsRestart, "tracing", "changes: needs a restart");
        }
    }

    fn listeners(&mut self, old: &[ListenerSettings], new: &[ListenerSettings]) {
        let at = |all: &[ListenerSettings], address: &Address| {
            all.iter().find(|listener| listener.address == *address).cloned()
        };
        for listener in new {
            let ListenerSettings {
                address,
                mode,
                timeouts,
                tls,
                is_announced,
                protocol,
                redirect,
                hsts,
            } = listener;
            let what = format!("listener {address}");
            let Some(old) = at(old, address) else {
                self.add(Weight::Note, what, "is added");
                continue;
            };
            let (had, has) = (format!("{:04o}", old.mode), format!("{mode:04o}"));
            self.value(&what, "mode", &Word(&had), &Word(&has));
            self.front(&what, old.tls.as_deref(), tls.as_deref());
            self.value(&what, "proxy_protocol", &old.is_announced, is_announced);
            let (had, has) = (old.protocol.name(), protocol.name());
            self.value(&what, "protocol", &Word(had), &Word(has));
            self.value(&what, "redirect_https", &old.redirect, redirect);
            self.value(&what, "hsts", &old.hsts, hsts);
            self.value(&what, "timeouts.head", &old.timeouts.head, &timeouts.head);
            self.value(&what, "timeouts.idle", &old.timeouts.idle, &timeouts.idle);
            self.value(&what, "timeouts.stall", &old.timeouts.stall, &timeouts.stall);
        }
        for ListenerSettings { address, .. } in
            old.iter().filter(|old| at(new, &old.address).is_none())
        {
            let how = "is removed: accepts nobody, and its connections are closed after their next answer";
            self.add(Weight::Warning, format!("listener {address}"), how);
        }
    }

    fn routes(&mut self, old: Option<&Table>, new: Option<&Table>) {
        let (old, new) = (by_name(old), by_name(new));
        let names = |routes: Vec<&str>| match routes.len() {
            0..=ROUTES_NAMED_MAX => routes.join(", "),
            count => format!(
                "{}, and {} more",
                routes[..ROUTES_NAMED_MAX].join(", "),
                count - ROUTES_NAMED_MAX
            ),
        };
        // Two routes are the same if they read the same: expressions have no other equality.
        let is_changed =
            |name: &&str| old.get(name).is_some_and(|old| show(old) != show(&new[name]));
        let added: Vec<_> = new.keys().copied().filter(|name| !old.contains_key(name)).collect();
        let removed: Vec<_> = old.keys().copied().filter(|name| !new.contains_key(name)).collect();
        let changed: Vec<_> = new.keys().copied().filter(is_changed).collect();
        for (routes, how) in [(added, "added"), (removed, "removed"), (changed, "changed")] {
            if !routes.is_empty() {
                self.add(Weight::Note, "routes", format!("{how}: {}", names(routes)));
            }
        }
    }

    fn pools(&mut self, old: &[PoolSettings], new: &[PoolSettings], facts: &dyn Facts) {
        for pool in new {
            match old.iter().find(|old| old.name == pool.name) {
                Some(old) => self.pool(old, pool, facts),
                None => {
                    let how =
                        format!("is added, with {}: probed at once", backends(pool.backends.len()));
                    self.add(Weight::Note, format!("pool {}", pool.name), how);
                }
            }
        }
        for pool in old.iter().filter(|old| !new.iter().any(|new| new.name == old.name)) {
            self.add(Weight::Warning, format!("pool {}", pool.name), REMOVED);
        }
    }

    fn pool(&mut self, old: &PoolSettings, new: &PoolSettings, facts: &dyn Facts) {
        let what = format!("pool {}", new.name);
        let names = |pool: &PoolSettings| -> BTreeSet<String> {
            pool.backends.iter().map(ToString::to_string).collect()
        };
        let (before, after) = (names(old), names(new));
        for name in after.difference(&before) {
            self.add(Weight::Note, format!("{what}: {name}"), "is added: probed at once");
        }
        for name in before.difference(&after) {
            self.add(Weight::Warning, format!("{what}: {name}"), REMOVED);
        }
        for new in &new.backends {
            let Some(old) = old.backends.iter().find(|old| old.url == new.url) else { continue };
            let place = format!("{what}: {new}");
            self.value(&place, "weight", &old.weight, &new.weight);
            self.value(&place, "max_requests", &old.requests_max, &new.requests_max);
            self.value(&place, "max_connections", &old.connections_max, &new.connections_max);
            self.value(&place, "tier", &old.tier, &new.tier);
            self.value(&place, "zone", &old.zone, &new.zone);
        }
        self.capacity(&what, &before, &after, |name| facts.is_up(&new.name, name));
        let mut value =
            |name: &str, old: &dyn Debug, new: &dyn Debug| self.value(&what, name, old, new);
        value("algorithm", &Word(old.algorithm.name()), &Word(new.algorithm.name()));
        value("hash_key", &old.hash_key, &new.hash_key);
        value("slow_start", &old.slow_start, &new.slow_start);
        value("queue", &old.queue, &new.queue);
        value("sticky", &old.sticky, &new.sticky);
        if old.sticky != new.sticky && show(&old.sticky) == show(&new.sticky) {
            self.add(Weight::Note, format!("{what}: sticky.keys"), "are new");
        }
        let mut value =
            |name: &str, old: &dyn Debug, new: &dyn Debug| self.value(&what, name, old, new);
        value("min_available", &old.available_min, &new.available_min);
        value("zone", &old.zone, &new.zone);
        value("zone_load", &old.zone_load_max, &new.zone_load_max);
        let (a, b) = (&old.timeouts, &new.timeouts);
        value("timeouts.connect", &a.connect, &b.connect);
        value("timeouts.response", &a.response, &b.response);
        value("timeouts.total", &a.total, &b.total);
        value("timeouts.stall", &a.stall, &b.stall);
        value("timeouts.tunnel", &a.tunnel, &b.tunnel);
        value("timeouts.idle", &a.idle, &b.idle);
        let then = |pool: &PoolSettings| if pool.shortage.panics { "panic" } else { "fail_closed" };
        self.value(&what, "too_few.then", &Word(then(old)), &Word(then(new)));
        self.value(&what, "too_few.below", &old.shortage.below, &new.shortage.below);
        self.value(&what, "ejection", &old.ejection, &new.ejection);
        self.value(&what, "breaker", &old.breaker, &new.breaker);
        self.value(&what, "shedding", &old.shedding, &new.shedding);
        self.back(&what, old.tls.as_deref(), new.tls.as_deref());
        self.announced(&what, old, new);
        self.retry(&what, &old.retry, &new.retry);
        self.probing(&what, &old.probing, &new.probing);
    }

    fn announced(&mut self, what: &str, old: &PoolSettings, new: &PoolSettings) {
        let name = |pool: &PoolSettings| pool.proxy_protocol.map_or("none", Version::name);
        if old.proxy_protocol != new.proxy_protocol {
            let how =
                format!("{} → {}: its backends are probed anew, as new ones", name(old), name(new));
            self.add(Weight::Note, format!("{what}: proxy_protocol"), how);
        }
    }

    fn retry(&mut self, what: &str, old: &Policy, new: &Policy) {
        let mut value = |name: &str, old: &dyn Debug, new: &dyn Debug| {
            self.value(what, &format!("retry.{name}"), old, new);
        };
        let statuses = |policy: &Policy| policy.statuses.iter().collect::<Vec<_>>();
        let methods = |policy: &Policy| policy.methods.map(Methods::names);
        value("attempts", &old.attempts_max, &new.attempts_max);
        value("on", &old.on.names(), &new.on.names());
        value("status", &statuses(old), &statuses(new));
        value("methods", &methods(old), &methods(new));
        value("idempotency_key", &old.heeds_key, &new.heeds_key);
        value("per_try_timeout", &old.per_try, &new.per_try);
        value("budget", &old.budget, &new.budget);
        value("keep_body", &old.kept_bytes_max, &new.kept_bytes_max);
        value("hedge", &old.hedge, &new.hedge);
        value("backoff", &old.backoff, &new.backoff);
    }

    fn probing(&mut self, what: &str, old: &Probing, new: &Probing) {
        let mut value = |name: &str, old: &dyn Debug, new: &dyn Debug| {
            self.value(what, &format!("health_check.{name}"), old, new);
        };
        let version = |probing: &Probing| if probing.http.is_http2 { "http2" } else { "http1" };
        value("type", &Word(old.kind.name()), &Word(new.kind.name()));
        value("version", &Word(version(old)), &Word(version(new)));
        value("service", &old.service, &new.service);
        value("command", &old.command, &new.command);
        value("method", &Word(&old.http.method), &Word(&new.http.method));
        value("path", &Word(&old.http.path), &Word(&new.http.path));
        value("host", &old.http.host, &new.http.host);
        value("status", &old.http.statuses, &new.http.statuses);
        value("body", &old.http.body, &new.http.body);
        value("body_regex", &old.http.body_regex, &new.http.body_regex);
        value("port", &old.port, &new.port);
        value("interval", &old.interval, &new.interval);
        value("interval_down", &old.interval_down, &new.interval_down);
        value("jitter", &old.jitter, &new.jitter);
        value("timeout", &old.timeout, &new.timeout);
        value("rise", &old.rise, &new.rise);
        value("fall", &old.fall, &new.fall);
        value("request_errors", &old.request_errors, &new.request_errors);
        let initial = |probing: &Probing| if probing.starts_up { "up" } else { "down" };
        value("initial", &Word(initial(old)), &Word(initial(new)));
        // Their values may be secrets.
        if old.http.headers != new.http.headers {
            self.add(Weight::Note, format!("{what}: health_check.headers"), "change");
        }
    }

    /// Says if a pool has fewer backends UP afterwards.
    fn capacity(
        &mut self,
        what: &str,
        before: &BTreeSet<String>,
        after: &BTreeSet<String>,
        is_up: impl Fn(&str) -> Option<bool>,
    ) {
        let up = |names: &BTreeSet<String>| {
            names.iter().filter(|name| is_up(name) != Some(false)).count()
        };
        let (had, has) = (up(before), up(after));
        if has < had {
            let nobody = if has == 0 { ": nobody is left to answer" } else { "" };
            self.add(
                Weight::Warning,
                what,
                format!("loses capacity: {had} → {} UP{nobody}", backends(has)),
            );
        }
    }

    fn values(&mut self, old: &Settings, new: &Settings) {
        let (a, b) = (&old.timeouts, &new.timeouts);
        let mut value =
            |name: &str, old: &dyn Debug, new: &dyn Debug| self.value("", name, old, new);
        value("timeouts.head", &a.head, &b.head);
        value("timeouts.idle", &a.idle, &b.idle);
        value("timeouts.stall", &a.stall, &b.stall);
        value("timeouts.tunnel", &a.tunnel, &b.tunnel);
        value("timeouts.backend_idle", &a.idle_backend, &b.idle_backend);
        value("timeouts.shutdown", &a.shutdown, &b.shutdown);
        value("trusted_proxies", &Listed(&old.trusted), &Listed(&new.trusted));
        let fields = |settings: &Settings| settings.forwarded_fields.name();
        value("forwarded_fields", &Word(fields(old)), &Word(fields(new)));
        value("allow_half_close", &old.half_close, &new.half_close);
        value("metrics", &old.metrics, &new.metrics);
        value("max_connections", &old.connections_max, &new.connections_max);
        value("max_handshakes", &old.handshakes_max, &new.handshakes_max);
        value("watch", &old.watch, &new.watch);
        if let (Some(a), Some(b)) = (&old.access_log, &new.access_log) {
            let (had, has) = (a.format.to_string(), b.format.to_string());
            value("access_log.format", &Word(&had), &Word(&has));
            let (had, has) = (share(a.sample), share(b.sample));
            value("access_log.sample", &Word(&had), &Word(&has));
            value("access_log.filter", &a.filter, &b.filter);
        }
        let id = |settings: &Settings| settings.request_id.clone().unwrap_or("off".to_owned());
        value("request_id", &Word(&id(old)), &Word(&id(new)));
        if let (Some(a), Some(b)) = (&old.tracing, &new.tracing) {
            let (had, has) = (share(Some(a.sample)), share(Some(b.sample)));
            value("tracing.sample", &Word(&had), &Word(&has));
            let whose = |all: bool| if all { "everybody" } else { "trusted" };
            value("tracing.accept", &Word(whose(a.believes_all)), &Word(whose(b.believes_all)));
        }
        self.admin(old.admin.as_ref(), new.admin.as_ref());
    }

    fn admin(&mut self, old: Option<&Admin>, new: Option<&Admin>) {
        let address = |admin: Option<&Admin>| {
            admin.map_or("nowhere".to_owned(), |admin| admin.address.to_string())
        };
        let hosts =
            |admin: Option<&Admin>| admin.map(|admin| admin.hosts.clone()).unwrap_or_default();
        let tokens =
            |admin: Option<&Admin>| admin.map(|admin| admin.tokens.clone()).unwrap_or_default();
        let (had, has) = (tokens(old), tokens(new));
        self.value(
            "",
            "admin.address",
            &format_args!("{}", address(old)),
            &format_args!("{}", address(new)),
        );
        self.value("", "admin.hosts", &Listed(&hosts(old)), &Listed(&hosts(new)));
        self.value("", "admin.tokens", &had, &has);
        if had != has && show(&had) == show(&has) {
            self.add(Weight::Note, "admin.tokens", "have new secrets");
        }
    }

    fn value(&mut self, what: &str, name: &str, old: &dyn Debug, new: &dyn Debug) {
        let (old, new) = (show(old), show(new));
        if old != new {
            let what = if what.is_empty() { name.to_owned() } else { format!("{what}: {name}") };
            self.add(Weight::Note, what, format!("{old} → {new}"));
        }
    }
}

fn by_name(table: Option<&Table>) -> BTreeMap<&str, &Route> {
    let routes = table.map_or(&[][..], Table::routes);
    routes.iter().map(|route| (route.name.as_str(), route)).collect()
}

/// Returns a share in percent.
fn share(share: Option<u32>) -> String {
    share.map_or("none".to_owned(), |share| format!("{} %", f64::from(share) / 10_000.0))
}

fn show(value: &(impl Debug + ?Sized)) -> String {
    format!("{value:?}")
}

fn backends(count: usize) -> String {
    format!("{count} backend{}", if count == 1 { "" } else { "s" })
}

/// A word as it is.
struct Word<'a>(&'a str);

impl Debug for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A list as people write it.
struct Listed<'a, T>(&'a [T]);

impl<T: Display> Debug for Listed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        write!(f, "[{}]", texts.join(", "))
    }
}

impl Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing changes");
        }
        for (at, Change { weight, what, how }) in self.changes.iter().enumerate() {
            let mark = match weight {
                Weight::Note => ' ',
                Weight::Warning => '!',
                Weight::NeedsRestart => '✗',
            };
            let end = if at == 0 { "" } else { "\n" };
            write!(f, "{end}{mark} {what} {how}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
