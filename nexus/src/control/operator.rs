//! What an operator says while Nexus runs, and what becomes of it.

use std::fmt;
use std::time::{Duration, SystemTime};

use tracing::Level;

use super::Control;
use crate::events::{Kind, News};
use crate::level;
use crate::reload::{By, stamp};

/// What can be done to a backend while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing new, and after this time, in seconds since 1970, nothing for sessions either.
    Drain(u32),
    /// New requests again.
    Undrain,
    /// Another weight than the configured one, or that again.
    Weigh(Option<u32>),
    /// No requests at all, those of its sessions neither.
    Disable,
    /// Requests again, whether it was disabled or ejected.
    Enable,
    /// No requests for so long, as if its answers were bad.
    Eject(Duration),
}

/// Why a backend is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unchanged {
    /// There is no such backend.
    NoSuchBackend,
    /// Nobody else of its pool is available: the ejection would end at once.
    LastAvailable,
}

impl Change {
    fn kind(self) -> Kind {
        match self {
            Self::Drain(_) => Kind::Drain,
            Self::Undrain => Kind::Undrain,
            Self::Weigh(_) => Kind::Weight,
            Self::Disable => Kind::Disable,
            Self::Enable => Kind::Enable,
            Self::Eject(_) => Kind::Eject,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drain(u32::MAX) => write!(f, "drain"),
            Self::Drain(until) => {
                let until = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(*until));
                write!(f, "drain, its sessions until {}", stamp(until))
            }
            Self::Undrain => write!(f, "undrain"),
            Self::Weigh(Some(weight)) => write!(f, "weight {weight}"),
            Self::Weigh(None) => write!(f, "its configured weight"),
            Self::Disable => write!(f, "disable"),
            Self::Enable => write!(f, "enable"),
            Self::Eject(time) => write!(f, "eject for {}", humantime::format_duration(*time)),
        }
    }
}

impl Control {
    /// Does what an operator says to a backend.
    pub(super) fn change(
        &mut self,
        (pool, backend): (&str, &str),
        change: Change,
        by: &By,
    ) -> Result<(), Unchanged> {
        let snapshot = self.published.current();
        let (pool, place) = snapshot.find(pool, backend).ok_or(Unchanged::NoSuchBackend)?;
        let found = &pool.backends()[usize::from(place.0)];
        match change {
            Change::Eject(_) if !pool.has_another(found) => return Err(Unchanged::LastAvailable),
            Change::Eject(time) => found.eject(time),
            Change::Drain(until) => found.orders.drain(until),
            Change::Undrain => found.orders.undrain(),
            Change::Weigh(weight) => found.orders.weigh(weight),
            Change::Disable => found.orders.disable(true),
            Change::Enable => {
                found.orders.disable(false);
                found.readmit();
            }
        }
        let name = &pool.settings.name;
        tracing::info!(pool = name, backend = %found.name, %change, %by, "operator");
        let news = News::of(change.kind(), change.to_string()).by(by);
        self.teller.tell(news.pool(name).backend(&found.name));
        self.lay_out();
        Ok(())
    }

    /// Writes Nexus's own events from another level on.
    pub(super) fn set_level(&self, to: Level, by: &By) {
        let before = level::name(self.shared.levels.set(to));
        let text = format!("{before} → {}", level::name(to));
        // With `error` nobody would read this; the event stream has it all the same.
        tracing::info!(from = before, to = level::name(to), %by, "log level");
        self.teller.tell(News::of(Kind::LogLevel, text).by(by));
    }
}
