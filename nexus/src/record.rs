//! What is known of a request once it is over: what the log writes, and what is counted.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::Backend;
use crate::listen::Door;
use crate::reason::{Fault, Reason};
use crate::retry::{Progress, WhyNot};
use crate::route::HeadFields;
use crate::trace::TraceId;
use crate::worker::{Picked, View};

/// How the client spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1, or what was no version of HTTP that is known.
    Http11,
    /// HTTP/2.
    Http2,
}

impl Protocol {
    /// Returns the name, as `Via` and access logs have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2.0",
        }
    }
}

/// One request that is over.
pub struct Record<'a> {
    /// Who asked.
    pub client: IpAddr,
    /// How.
    pub protocol: Protocol,
    /// Whether over TLS.
    pub is_secured: bool,
    /// The method.
    pub method: &'a [u8],
    /// The target; its query may hold secrets.
    pub target: &'a [u8],
    /// The host that was asked for; empty if none was named.
    pub host: &'a [u8],
    /// The fields of its head, if there are any.
    pub fields: HeadFields<'a>,
    /// What the client got.
    pub status: u16,
    /// The URL of the backend that answered.
    pub backend: Option<&'a str>,
    /// The attempts that failed.
    pub failed: &'a [Failed],
    /// How many attempts there were.
    pub attempts: u32,
    /// From the end of the request's head to the last byte of the answer.
    pub duration: Duration,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// Why the answer is not a backend's, or broke off.
    pub reason: Option<Reason>,
    /// Why the last failure was not tried again.
    pub why_not: Option<WhyNot>,
    /// What it is called, if requests are.
    pub request_id: Option<&'a str>,
    /// Its trace, if there are any.
    pub trace_id: Option<TraceId>,
}

impl<'a> Record<'a> {
    /// Returns the target up to its query.
    pub fn path(&self) -> &'a [u8] {
        let end = memchr::memchr(b'?', self.target).unwrap_or(self.target.len());
        &self.target[..end]
    }

    /// Says whether it has no whole answer, by no doing of the client's.
    pub fn is_broken(&self) -> bool {
        self.reason.is_some_and(|reason| reason.facts().fault != Fault::Client)
    }

    /// Says whether something went wrong that was not the client's doing.
    pub fn has_failed(&self) -> bool {
        self.status >= 500 || self.is_broken()
    }

    /// Returns the target behind its question mark; it may hold secrets.
    pub fn query(&self) -> &'a [u8] {
        let at = memchr::memchr(b'?', self.target);
        at.map_or(&[], |at| &self.target[at + 1..])
    }
}

/// Where a request was on its way.
#[derive(Clone, Copy)]
pub struct Stations<'a> {
    /// The listener that it came by.
    pub door: &'a Door,
    /// The snapshot that it was answered by.
    pub view: &'a View,
    /// Its route, by its place in the table; `None` if none was found, or there is but one.
    pub route: Option<usize>,
    /// The pool that was to answer it, by its place in the snapshot.
    pub pool: Option<usize>,
    /// The backend that answered.
    pub backend: Option<&'a Picked>,
}

impl<'a> Stations<'a> {
    /// Returns the name of its route.
    pub fn route_name(&self) -> Option<&'a str> {
        let table = self.view.settings.routes.as_ref()?;
        Some(&table.routes().get(self.route?)?.name)
    }

    /// Returns the name of its pool.
    pub fn pool_name(&self) -> Option<&'a str> {
        Some(&self.view.pools.get(self.pool?)?.settings.name)
    }
}

/// An attempt that failed.
pub struct Failed {
    /// On whom.
    pub backend: Arc<Backend>,
    /// Why.
    pub reason: Reason,
    /// How far it got.
    pub progress: Progress,
    /// How long it took, with the wait for a place and the pause before it.
    pub took: Duration,
}

impl Failed {
    /// Names what was waited for when it failed.
    pub fn phase(&self) -> &'static str {
        match self.progress {
            Progress::NothingSent => "connect",
            Progress::Sent => "response",
            Progress::Answered => "answer",
        }
    }
}
