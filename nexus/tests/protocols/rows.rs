//! The rows of the table: what must pass, whatever is spoken on either side.

mod aborts;
mod failover;
mod grpc;
mod interims;
mod marks;
mod messages;
mod streams;
mod tunnels;

use std::sync::OnceLock;

use bytes::Bytes;

use crate::backend::Task;
use crate::outcome::Outcome;
use crate::wire::Wire;
use crate::world::World;

/// Why a cell cannot exist.
type WhyNot = fn(Wire, Wire) -> Option<&'static str>;

/// A row.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) run: Box<dyn Fn(World) -> Task<Outcome> + Send + Sync>,
    pub(crate) why_not: WhyNot,
}

impl Row {
    fn new<F>(name: &'static str, run: fn(World) -> F) -> Self
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        Self { name, run: Box::new(move |world| Box::pin(run(world))), why_not: |_, _| None }
    }

    /// A row of which some cells cannot exist.
    fn but<F>(name: &'static str, why_not: WhyNot, run: fn(World) -> F) -> Self
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        Self { why_not, ..Self::new(name, run) }
    }
}

/// All rows, in the table's order.
pub(crate) fn all() -> Vec<Row> {
    let groups =
        [messages::rows(), interims::rows(), grpc::rows(), tunnels::rows(), aborts::rows()];
    groups
        .into_iter()
        .flatten()
        .chain(failover::rows())
        .chain(streams::rows())
        .chain(marks::rows())
        .collect()
}

/// How long a long body is.
pub(crate) const LONG: usize = 3 << 20;

/// A long body, of which no two pieces look alike.
pub(crate) fn long() -> Bytes {
    static BODY: OnceLock<Bytes> = OnceLock::new();
    let make = || (0..LONG as u32 / 4).flat_map(|at| at.wrapping_mul(2_654_435_761).to_ne_bytes());
    BODY.get_or_init(|| make().collect()).clone()
}

/// The pieces that a long body is sent in.
pub(crate) fn pieces() -> impl Iterator<Item = Bytes> {
    const PIECE: usize = 50_000;
    (0..LONG).step_by(PIECE).map(|at| long().slice(at..LONG.min(at + PIECE)))
}
