//! A row of the suite.

use crate::client::Client;
use crate::expect::Outcome;

/// How a case begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// With settings exchanged.
    Shaken,
    /// With a connection on which nothing was said.
    Raw,
}

/// One thing that a server must do.
pub(crate) struct Case {
    /// Where it is written, as `9113 §6.5.2`.
    pub(crate) rfc: &'static str,
    /// A sentence that is true.
    pub(crate) name: &'static str,
    pub(crate) start: Start,
    pub(crate) run: fn(&mut Client) -> Outcome,
}

/// A case that begins after the exchange of settings.
pub(crate) const fn case(
    rfc: &'static str,
    name: &'static str,
    run: fn(&mut Client) -> Outcome,
) -> Case {
    Case { rfc, name, start: Start::Shaken, run }
}

/// A case that begins with the first byte.
pub(crate) const fn raw(
    rfc: &'static str,
    name: &'static str,
    run: fn(&mut Client) -> Outcome,
) -> Case {
    Case { rfc, name, start: Start::Raw, run }
}
