//! Which columns of the table fit, and how wide each is.

use super::super::rows::Sort;

/// Between two columns.
const GAP: usize = 1;

/// A small chart of so many seconds shows where things go.
const CHART_GOOD: usize = 12;

/// The widest that a small chart gets.
const CHART_MAX: usize = 24;

/// A name of a backend gets so much before other columns get anything.
const NAME_FIRST: usize = 24;

/// Less says nothing.
const NOTE_MIN: usize = 14;

/// A column, in the order in which they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Column {
    Pool,
    Name,
    State,
    Share,
    Balance,
    Rate,
    Chart,
    Errors,
    P50,
    P99,
    InFlight,
    Connections,
    Weight,
    Note,
}

impl Column {
    /// What matters most comes first; from the end they go when there is no room.
    const BY_IMPORTANCE: [(Self, usize); 11] = [
        (Self::State, 11),
        (Self::Rate, 7),
        (Self::Errors, 6),
        (Self::P99, 6),
        (Self::Share, 6),
        (Self::InFlight, 6),
        (Self::P50, 6),
        (Self::Chart, 6),
        (Self::Balance, 9),
        (Self::Weight, 6),
        (Self::Connections, 5),
    ];

    /// Returns what stands above it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Pool => "POOL",
            Self::Name => "  BACKEND",
            Self::State => "STATE",
            Self::Share => "SHARE",
            Self::Balance => " v. DUE",
            Self::Rate => "RATE/S",
            Self::Chart => "",
            Self::Errors => "ERRORS",
            Self::P50 => "P50 ms",
            Self::P99 => "P99 ms",
            Self::InFlight => "FLIGHT",
            Self::Connections => "CONNS",
            Self::Weight => "WEIGHT",
            Self::Note => "",
        }
    }

    /// Says whether it has its text at the left.
    pub(crate) fn is_left(self) -> bool {
        matches!(
            self,
            Self::Pool | Self::Name | Self::State | Self::Balance | Self::Chart | Self::Note
        )
    }

    /// Says whether the table is sorted by it.
    pub(crate) fn is_of(self, sort: Sort) -> bool {
        matches!(
            (self, sort),
            (Self::Name, Sort::Name)
                | (Self::State, Sort::State)
                | (Self::Share, Sort::Share)
                | (Self::Rate, Sort::Rate)
                | (Self::Errors, Sort::Errors)
                | (Self::P50, Sort::P50)
                | (Self::P99, Sort::P99)
                | (Self::InFlight, Sort::InFlight)
                | (Self::Connections, Sort::Connections)
                | (Self::Weight, Sort::Weight)
        )
    }
}

/// Returns the columns for a terminal so wide, with their widths. `pool` and `name` are the widths of
/// the longest names; without `pool` the pools have lines of their own.
pub(crate) fn columns(width: usize, pool: Option<usize>, name: usize) -> Vec<(Column, usize)> {
    let first = name.clamp(9, NAME_FIRST).min(width.div_ceil(2).max(9)).min(width);
    let mut taken = vec![(Column::Name, first)];
    let mut left = width - first;
    let mut take = |column, wanted: usize| {
        let fits = left >= wanted + GAP;
        if fits {
            taken.push((column, wanted));
            left -= wanted + GAP;
        }
        fits
    };
    if let Some(pool) = pool {
        take(Column::Pool, pool.clamp(4, 12));
    }
    // The first that does not fit ends it: what matters less must not stand where more is missing.
    let _ = Column::BY_IMPORTANCE.iter().all(|(column, wanted)| take(*column, *wanted));
    let mut grow = |wanted: Column, max: usize| {
        if let Some((_, width)) = taken.iter_mut().find(|(column, _)| *column == wanted) {
            let more = left.min(max.saturating_sub(*width));
            *width += more;
            left -= more;
        }
    };
    grow(Column::Chart, CHART_GOOD);
    grow(Column::Name, name);
    grow(Column::Chart, CHART_MAX);
    if left >= NOTE_MIN + GAP {
        taken.push((Column::Note, left - GAP));
    }
    taken.sort_by_key(|(column, _)| *column);
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrow_terminals_keep_what_matters_most() {
        let names = |width| {
            let all = columns(width, None, 16);
            let used: usize = all.iter().map(|(_, width)| width + GAP).sum();
            assert!(used <= width + GAP, "{width}: {all:?}");
            all.into_iter().map(|(column, _)| column).collect::<Vec<_>>()
        };
        assert_eq!(names(10), [Column::Name]);
        assert_eq!(names(30), [Column::Name, Column::State]);
        assert_eq!(names(40), [Column::Name, Column::State, Column::Rate]);
        let at_80 = names(80);
        assert!(at_80.contains(&Column::Chart) && !at_80.contains(&Column::Balance), "{at_80:?}");
        assert_eq!(names(200).len(), 13);
        assert_eq!(columns(200, Some(3), 16).len(), 14);
    }
}
