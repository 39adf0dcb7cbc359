//! What happened last: a ring for whoever asks, a line to whoever follows.
//!
//! ```text
//! journals of backends, modes of pools, reloads, an operator's word ──▶ control task ──▶ Events
//!                                                        GET /v1/events ◀── ring, then broadcast
//! ```
//!
//! Only the control task writes it, and only its thread reads it: nothing here is on a request's way.

pub mod follow;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use tokio::sync::{Semaphore, broadcast};

use crate::ring;

/// Events that are kept: a bad hour of a large pool, in 300 KiB at most.
pub const KEPT: usize = 256;

/// Events that a follower may be behind before it is told that it has missed some.
const BEHIND_MAX: usize = 256;

/// Followers at once: they may not take the places of whoever wants to change something.
pub const FOLLOWERS_MAX: usize = 16;

/// Bytes of a text: what a reload of 10,000 routes did is in the log.
const TEXT_BYTES_MAX: usize = 1000;

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A backend came back.
    BackendUp,
    /// A backend went DOWN.
    BackendDown,
    /// A backend gets nothing for a while, for what it answered or by an operator's word.
    BackendEjected,
    /// An ejected backend is tried out.
    BackendHalfOpen,
    /// A backend is no longer ejected.
    BackendNotEjected,
    /// An operator lets a backend drain.
    Drain,
    /// An operator lets a backend drain no more.
    Undrain,
    /// An operator gave a backend another weight.
    Weight,
    /// An operator lets a backend have requests again.
    Enable,
    /// An operator lets a backend have no requests at all.
    Disable,
    /// An operator ejected a backend.
    Eject,
    /// The configuration was read again.
    Reload,
    /// The configuration was read again and cannot be used; nothing has changed.
    ReloadRefused,
    /// A reload that waited for it was confirmed.
    ReloadConfirmed,
    /// A reload that nobody confirmed was taken back.
    RolledBack,
    /// A pool answers by those that are available.
    PoolUsual,
    /// A pool answers by all of its backends: too few are available.
    PoolPanic,
    /// A pool answers nothing: too few of its backends are available.
    PoolClosed,
    /// Nexus's own events are written from another level on.
    LogLevel,
}

impl Kind {
    /// All, in the order of their declaration.
    pub const ALL: [Self; 19] = [
        Self::BackendUp,
        Self::BackendDown,
        Self::BackendEjected,
        Self::BackendHalfOpen,
        Self::BackendNotEjected,
        Self::Drain,
        Self::Undrain,
        Self::Weight,
        Self::Enable,
        Self::Disable,
        Self::Eject,
        Self::Reload,
        Self::ReloadRefused,
        Self::ReloadConfirmed,
        Self::RolledBack,
        Self::PoolUsual,
        Self::PoolPanic,
        Self::PoolClosed,
        Self::LogLevel,
    ];

    /// Returns the stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::BackendUp => "backend_up",
            Self::BackendDown => "backend_down",
            Self::BackendEjected => "backend_ejected",
            Self::BackendHalfOpen => "backend_half_open",
            Self::BackendNotEjected => "backend_not_ejected",
            Self::Drain => "drain",
            Self::Undrain => "undrain",
            Self::Weight => "weight",
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::Eject => "eject",
            Self::Reload => "reload",
            Self::ReloadRefused => "reload_refused",
            Self::ReloadConfirmed => "reload_confirmed",
            Self::RolledBack => "rolled_back",
            Self::PoolUsual => "pool_usual",
            Self::PoolPanic => "pool_panic",
            Self::PoolClosed => "pool_closed",
            Self::LogLevel => "log_level",
        }
    }

    /// Says whether who may ask, or at what address, may be another from then on.
    fn may_change_rights(self) -> bool {
        matches!(self, Self::Reload | Self::RolledBack)
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
pub struct News {
    /// When it happened.
    #[serde(serialize_with = "as_text")]
    #[schemars(with = "String")]
    pub at: SystemTime,
    /// What kind of thing.
    pub kind: Kind,
    /// The pool that it is about.
    pub pool: Option<String>,
    /// The URL of the backend that it is about.
    pub backend: Option<String>,
    /// What happened, in words.
    pub text: String,
    /// The code of why, if there is one.
    pub cause: Option<&'static str>,
    /// Who did it, if somebody did: the name of a token, or `SIGHUP`.
    pub by: Option<String>,
}

impl News {
    /// Begins with what happened, just now.
    pub fn of(kind: Kind, text: impl Into<String>) -> Self {
        let (at, text) = (SystemTime::now(), text.into());
        Self { at, kind, pool: None, backend: None, text, cause: None, by: None }
    }

    /// Names who did it.
    pub fn by(self, by: &str) -> Self {
        Self { by: Some(by.to_owned()), ..self }
    }

    /// Names the pool that it is about.
    pub fn pool(self, pool: &str) -> Self {
        Self { pool: Some(pool.to_owned()), ..self }
    }

    /// Names the backend that it is about.
    pub fn backend(self, backend: &str) -> Self {
        Self { backend: Some(backend.to_owned()), ..self }
    }
}

fn as_text<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_rfc3339_millis(*at))
}

/// Something that happened, in its place among the others.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Event {
    /// One more than that of the event before; from 1 on since Nexus began.
    pub id: u64,
    /// What happened.
    #[serde(flatten)]
    pub news: News,
}

/// The last events, and the line to whoever follows.
pub struct Events {
    ring: VecDeque<Arc<Event>>,
    last: u64,
    line: broadcast::Sender<Arc<Event>>,
    places: Arc<Semaphore>,
}

impl Default for Events {
    fn default() -> Self {
        let (line, _) = broadcast::channel(BEHIND_MAX);
        let places = Arc::new(Semaphore::new(FOLLOWERS_MAX));
        Self { ring: VecDeque::new(), last: 0, line, places }
    }
}

impl Events {
    /// Tells all followers of it, and keeps it. Only the control task calls this.
    pub fn tell(&mut self, news: News) {
        self.last += 1;
        let news = News { text: shortened(news.text), ..news };
        let event = Arc::new(Event { id: self.last, news });
        ring::keep(&mut self.ring, Arc::clone(&event), KEPT);
        let _ = self.line.send(event); // Nobody may follow.
    }

    /// Returns the events after that number, the oldest first.
    ///
    /// A number that was never given is of a Nexus that ran before: then all are new.
    pub fn after(&self, id: u64) -> Vec<Arc<Event>> {
        let id = if id > self.last { 0 } else { id };
        self.ring.iter().filter(|event| event.id > id).cloned().collect()
    }
}

fn shortened(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        let end = (0..=TEXT_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
        text.push_str(" … (the log has the rest)");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(events: &[Arc<Event>]) -> Vec<u64> {
        events.iter().map(|event| event.id).collect()
    }

    #[test]
    fn the_last_are_kept_and_numbered_and_a_number_of_another_life_means_all() {
        let mut events = Events::default();
        assert!(events.after(0).is_empty());
        for _ in 0..KEPT + 3 {
            events.tell(News::of(Kind::Drain, "drain"));
        }
        let last = KEPT as u64 + 3;
        assert_eq!(ids(&events.after(0)), (4..=last).collect::<Vec<_>>());
        assert_eq!(ids(&events.after(last - 1)), [last]);
        assert!(events.after(last).is_empty());
        assert_eq!(events.after(last + 1).len(), KEPT);
    }

    #[test]
    fn a_text_of_any_length_is_kept_short() {
        let mut events = Events::default();
        events.tell(News::of(Kind::Reload, "ä".repeat(100_000)));
        assert!(events.after(0)[0].news.text.len() < TEXT_BYTES_MAX + 100);
    }

    #[test]
    fn a_kind_is_called_the_same_everywhere() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).expect("a word"), kind.name());
        }
    }
}
