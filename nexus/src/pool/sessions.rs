//! Which backend each session of a pool is with.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use crate::backend::Backend;
use crate::picker::Place;
use crate::route::Facts;
use crate::session::table::{Key, Table};
use crate::session::token::Token;
use crate::session::{self, By, Cookie, Sticky};
use crate::settings::PoolSettings;

/// Cookies of one name that are looked at: reading one costs a hash, and a client can send many.
const COOKIES_MAX: usize = 4;

/// Seconds by which the clocks of two machines may differ.
const CLOCKS_DIFFER_MAX: u32 = 60;

/// The sessions of a pool, in one snapshot.
pub struct Sessions {
    sticky: Sticky,
    ttl: u32,
    told: Told,
}

/// How a session's backend is known.
enum Told {
    /// Its cookie says it, by a number.
    Token {
        places: HashMap<u64, Place>,
        /// Each backend's number, by its place.
        numbers: Box<[u64]>,
    },
    /// It is remembered.
    Table { table: Arc<Table>, places: HashMap<u32, Place> },
}

/// What is known of the session that a request belongs to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Session {
    /// The backend that it is with.
    pub home: Option<Place>,
    /// When its cookie was set, in seconds since 1970.
    issued: Option<u32>,
    /// Where it is remembered.
    key: Option<Key>,
}

/// An answer that a session got.
pub struct Answer<'a> {
    /// From whom.
    pub place: Place,
    /// The same.
    pub backend: &'a Backend,
    /// The values of its `Set-Cookie` fields.
    pub set_cookies: Vec<&'a [u8]>,
}

impl Sessions {
    /// Builds what a pool needs, of what its predecessor remembers.
    pub(super) fn build(
        settings: &PoolSettings,
        backends: &[Arc<Backend>],
        old: Option<&Self>,
    ) -> Option<Self> {
        let sticky = settings.sticky.clone()?;
        let ttl = u32::try_from(sticky.ttl.as_secs()).unwrap_or(u32::MAX).max(1);
        let all = || (0..).map(Place).zip(backends);
        let told = if let By::Cookie(cookie) = &sticky.by {
            let numbers = |one: &Backend| cookie.keys.backends(&settings.name, &one.name);
            let pairs = |(at, one): (Place, &Arc<Backend>)| {
                numbers(one).into_iter().map(move |number| (number, at))
            };
            let places = all().flat_map(pairs).collect();
            Told::Token { places, numbers: backends.iter().map(|one| numbers(one)[0]).collect() }
        } else {
            let table = match old {
                Some(Self { sticky: was, told: Told::Table { table, .. }, .. })
                    if *was == sticky =>
                {
                    Arc::clone(table)
                }
                _ => Arc::new(Table::new(sticky.sessions_max, sticky.ttl)),
            };
            let places = all().map(|(at, one)| (one.serial.number(), at)).collect();
            Told::Table { table, places }
        };
        Some(Self { sticky, ttl, told })
    }

    /// Finds the session that a request belongs to; `now` in seconds since 1970.
    pub fn find(&self, facts: &Facts<'_>, now: u32) -> Session {
        match (&self.told, &self.sticky.by) {
            (Told::Token { places, .. }, By::Cookie(cookie)) => {
                let token = self.token(cookie, facts, now);
                let home = token.and_then(|token| places.get(&token.backend)).copied();
                Session { home, issued: token.map(|token| token.issued), key: None }
            }
            (Told::Table { table, places }, by) => {
                let key = key(by, facts, table);
                let number = key.and_then(|key| table.find(key, millis(now)));
                let home = number.and_then(|number| places.get(&number)).copied();
                Session { home, issued: None, key }
            }
            (Told::Token { .. }, _) => Session::default(),
        }
    }

    /// Reads the first cookie that a Nexus wrote, and that has not run out.
    fn token(&self, cookie: &Cookie, facts: &Facts<'_>, now: u32) -> Option<Token> {
        let is_on = |token: &Token| {
            token.issued <= now.saturating_add(CLOCKS_DIFFER_MAX)
                && now.saturating_sub(token.issued) <= self.ttl
        };
        let (mut found, mut left) = (None, COOKIES_MAX);
        facts.fields.each(b"cookie", &mut |field| {
            for value in session::cookies(field, &cookie.name).take(left) {
                left -= 1;
                found = found.or_else(|| cookie.keys.read(value).filter(is_on));
            }
        });
        found
    }

    /// Takes note of an answer; returns the cookie that goes with it, if there must be one.
    pub fn keep(
        &self,
        session: &Session,
        all: &[Arc<Backend>],
        answer: Answer<'_>,
        now: u32,
    ) -> Option<String> {
        let Answer { place, backend, set_cookies } = answer;
        let is_home = session.home == Some(place);
        // What drains is to become empty: its sessions end when they would have.
        let is_prolonged = !backend.orders.is_draining();
        match (&self.told, &self.sticky.by) {
            (Told::Token { numbers, .. }, By::Cookie(cookie)) => {
                let is_due = session.issued.is_none_or(|issued| self.is_due(issued, now));
                if is_home && !(is_prolonged && is_due) {
                    return None;
                }
                if let (Some(home), Some(issued)) = (session.home, session.issued) {
                    all[usize::from(home.0)].sessions.end(issued, self.ttl);
                }
                backend.sessions.begin(now, self.ttl);
                let token = Token { issued: now, backend: numbers[usize::from(place.0)] };
                Some(cookie.field(&cookie.keys.write(token)))
            }
            (Told::Table { table, .. }, by) => {
                let is_kept = is_prolonged || !is_home;
                let begun = match by {
                    By::AppCookie(name) => {
                        set_cookies.iter().find_map(|field| session::set_cookie(field, name))
                    }
                    _ => None,
                };
                let begun = begun.map(|value| table.key(value));
                for key in session.key.filter(|_| is_kept).into_iter().chain(begun) {
                    table.put(key, backend.serial.number(), millis(now));
                }
                None
            }
            (Told::Token { .. }, _) => None,
        }
    }

    /// Says whether a cookie is to be set again: half of its time is over; or it is from before
    /// this Nexus began, which has not counted it.
    fn is_due(&self, issued: u32, now: u32) -> bool {
        static BEGAN: OnceLock<u32> = OnceLock::new();
        issued < *BEGAN.get_or_init(|| now) || now.saturating_sub(issued) > self.ttl / 2
    }

    /// Counts the sessions that are with a backend.
    pub fn count(&self, backend: &Backend, now: u32) -> u64 {
        match &self.told {
            Told::Token { .. } => backend.sessions.count(now, self.ttl),
            Told::Table { table, .. } => table.count(backend.serial.number(), millis(now)) as u64,
        }
    }
}

fn millis(now: u32) -> u64 {
    u64::from(now) * 1000
}

/// Finds what tells a session that is remembered.
fn key(by: &By, facts: &Facts<'_>, table: &Table) -> Option<Key> {
    match by {
        By::Cookie(_) => None,
        By::AppCookie(name) => {
            let mut key = None;
            facts.fields.each(b"cookie", &mut |field| {
                key = key
                    .or_else(|| session::cookies(field, name).next().map(|value| table.key(value)));
            });
            key
        }
        By::Header(name) => facts.fields.first(name.as_bytes()).map(|value| table.key(value)),
        By::Client => Some(table.key(&facts.client_number().to_be_bytes())),
    }
}
