//! Where a request goes: its route, and what that says to do. Pure: `proxy` follows it, `explain`
//! tells it.

use crate::http1::body::Framing;
use crate::http1::gate::Request;
use crate::reason::Reason;
use crate::route::{Action, Facts, PoolId, Table};

/// Where a request goes.
pub struct Way {
    /// By which route, by its place in the table.
    pub route: Option<usize>,
    /// What becomes of it.
    pub next: Next,
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A backend of this pool is asked, for this target if not for the client's.
    Ask {
        /// The pool's place in the snapshot.
        pool: usize,
        /// What the backend is asked for.
        target: Option<Vec<u8>>,
    },
    /// The client is sent elsewhere.
    Redirect {
        /// With this status.
        status: u16,
        /// To here.
        location: Vec<u8>,
    },
    /// The route has the answer.
    Respond,
    /// It is not answered otherwise than with a reason.
    Refuse(Reason),
    /// More came than may pass: the client is to wait for so many seconds.
    Wait(u64),
}

impl Way {
    /// Without routes everything goes to the only pool there is.
    pub const ONLY: Self = Self { route: None, next: Next::Ask { pool: 0, target: None } };

    /// Finds it. `body_bytes` is what has come of a body that does not say its length; `dice` is
    /// asked for any number, all equally likely, if chance decides.
    pub fn find(
        table: &Table,
        request: &Request,
        facts: &Facts<'_>,
        body_bytes: u64,
        dice: impl FnOnce() -> u64,
    ) -> Self {
        let Some(at) = table.find_at(facts) else {
            return Self { route: None, next: Next::Refuse(Reason::NoRoute) };
        };
        let route = &table.routes()[at];
        let to_pool = |pool: PoolId| Next::Ask {
            pool: usize::from(pool.0),
            target: route.modifiers.rewrite.as_ref().map(|rewrite| rewrite.apply(facts.target)),
        };
        let body_bytes = match request.body {
            Framing::Length(bytes) => bytes,
            _ => body_bytes,
        };
        let next = match &route.action {
            _ if route.modifiers.body_bytes_max.is_some_and(|max| body_bytes > max) => {
                Next::Refuse(Reason::BodyTooLarge)
            }
            Action::Pool(pool) => to_pool(*pool),
            Action::Split(split) => to_pool(split.choose(facts.client, dice())),
            Action::Redirect(redirect) => {
                Next::Redirect { status: redirect.status, location: redirect.location(facts) }
            }
            Action::Respond(_) => Next::Respond,
        };
        Self { route: Some(at), next }
    }
}
