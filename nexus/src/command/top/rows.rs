//! Which lines the table has, in which order.

use std::cmp::Ordering;

use super::model::Model;
use super::stats::{Backend, Pool};
use crate::cli::remote::Named;

/// What the table is sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Sort {
    /// As configured, pool by pool.
    #[default]
    Pool,
    Name,
    State,
    Share,
    Rate,
    Errors,
    P50,
    P99,
    InFlight,
    Connections,
    Weight,
}

impl Sort {
    const ALL: [Self; 11] = [
        Self::Pool,
        Self::Name,
        Self::State,
        Self::Share,
        Self::Rate,
        Self::Errors,
        Self::P50,
        Self::P99,
        Self::InFlight,
        Self::Connections,
        Self::Weight,
    ];

    /// Returns the next one.
    pub(crate) fn next(self) -> Self {
        let at = Self::ALL.iter().position(|sort| *sort == self).unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }

    /// Returns what it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pool => "pool",
            Self::Name => "backend",
            Self::State => "state",
            Self::Share => "share",
            Self::Rate => "rate",
            Self::Errors => "errors",
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::InFlight => "in flight",
            Self::Connections => "connections",
            Self::Weight => "weight",
        }
    }

    /// What one looks for comes first: of numbers the greatest, of states the worst.
    fn compare(self, a: &Backend, b: &Backend) -> Ordering {
        let of = |value: fn(&Backend) -> f64| value(b).total_cmp(&value(a));
        match self {
            Self::Pool => Ordering::Equal,
            Self::Name => a.address().cmp(b.address()),
            Self::State => a.standing().cmp(&b.standing()),
            Self::Share => of(|one| one.share.unwrap_or(-1.0)),
            Self::Rate => of(|one| one.load.rate),
            Self::Errors => of(|one| one.load.error_ratio),
            Self::P50 => of(|one| one.load.p50().unwrap_or(-1.0)),
            Self::P99 => of(|one| one.load.p99().unwrap_or(-1.0)),
            Self::InFlight => b.in_flight.cmp(&a.in_flight),
            Self::Connections => b.connections.open.cmp(&a.connections.open),
            Self::Weight => b.weight.cmp(&a.weight),
        }
    }
}

/// A line of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Row<'m> {
    /// The head of a pool, if it is pool by pool.
    Pool(&'m Pool),
    Backend(&'m Pool, &'m Backend),
}

/// Returns the lines of the table.
pub(crate) fn rows(model: &Model) -> Vec<Row<'_>> {
    let pools = model.stats.as_ref().map_or(&[][..], |stats| &stats.pools);
    let filter = model.filter.to_lowercase();
    let all = pools.iter().flat_map(|pool| pool.backends.iter().map(move |one| (pool, one)));
    let mut shown: Vec<_> = all.filter(|(pool, one)| fits(&filter, pool, one)).collect();
    shown.sort_by(|a, b| model.sort.compare(a.1, b.1)); // A stable sort keeps what is equal as configured.
    if model.is_reversed {
        shown.reverse();
    }
    let mut rows = Vec::new();
    let mut last: Option<&Pool> = None;
    for (pool, backend) in shown {
        if model.sort == Sort::Pool && last.is_none_or(|last| !std::ptr::eq(last, pool)) {
            rows.push(Row::Pool(pool));
            last = Some(pool);
        }
        rows.push(Row::Backend(pool, backend));
    }
    rows
}

fn fits(filter: &str, pool: &Pool, backend: &Backend) -> bool {
    let word = backend.standing().word();
    let cause = backend.cause.as_deref().unwrap_or_default();
    let has = |text: &str| text.to_lowercase().contains(filter);
    [&pool.name, &backend.url, word, cause].into_iter().any(has)
}

/// Returns the names of the backends in the table.
pub(crate) fn backends(model: &Model) -> Vec<Named> {
    let name = |row| match row {
        Row::Pool(_) => None,
        Row::Backend(pool, one) => {
            Some(Named { pool: pool.name.clone(), backend: one.url.clone() })
        }
    };
    rows(model).into_iter().filter_map(name).collect()
}
