//! What is asked of the Nexus that is watched.

use std::fmt;

use super::stats::address;
use crate::cli::remote::Named;

/// Failures that are kept in view.
const FAILURES_SHOWN: u32 = 100;

/// Seconds of a series: as many as a wide terminal has room for.
const SERIES_SECONDS: u32 = 120;

/// A call to make, or the wish to leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    Me,
    Stats,
    /// Those after this number.
    Events(Option<u64>),
    Failures,
    Why(Named),
    Change(Change),
    Quit,
}

/// Something that a token must allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Drain(Named),
    Undrain(Named),
    Weight(Named, u32),
}

impl Ask {
    /// Returns method and path of the call; there is none to leave.
    pub(crate) fn call(&self) -> Option<(&'static str, String)> {
        let path = match self {
            Self::Me => "/v1/me".to_owned(),
            Self::Stats => format!("/v1/stats?seconds={SERIES_SECONDS}"),
            Self::Events(None) => "/v1/events".to_owned(),
            Self::Events(Some(id)) => format!("/v1/events?after={id}"),
            Self::Failures => format!("/v1/failures?limit={FAILURES_SHOWN}"),
            Self::Why(Named { pool, backend }) => {
                format!("/v1/why?pool={pool}&backend={backend}")
            }
            Self::Change(change) => return Some(("POST", change.path())),
            Self::Quit => return None,
        };
        Some(("GET", path))
    }
}

impl Change {
    fn path(&self) -> String {
        let to = |what: &str, Named { pool, backend }: &Named| {
            format!("/v1/{what}?pool={pool}&backend={backend}")
        };
        match self {
            Self::Drain(named) => to("drain", named),
            Self::Undrain(named) => to("undrain", named),
            Self::Weight(named, weight) => format!("{}&weight={weight}", to("weight", named)),
        }
    }

    /// Says what was done.
    pub(crate) fn done(&self) -> String {
        let name = |Named { pool, backend }: &Named| format!("{pool}/{}", address(backend));
        match self {
            Self::Drain(named) => format!("{} drains", name(named)),
            Self::Undrain(named) => format!("{} gets requests again", name(named)),
            Self::Weight(named, weight) => format!("{} has weight {weight}", name(named)),
        }
    }
}

/// As a question: what is about to be done.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Drain(named) | Self::Undrain(named) | Self::Weight(named, _)) = self;
        let name = format!("{}/{}", named.pool, address(&named.backend));
        match self {
            Self::Drain(_) => write!(f, "drain {name}?"),
            Self::Undrain(_) => write!(f, "give {name} requests again?"),
            Self::Weight(_, weight) => write!(f, "give {name} weight {weight}?"),
        }
    }
}
