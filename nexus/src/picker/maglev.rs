//! By a key, in a table in which each backend has its share of entries, exact to three, and which
//! changes little when backends come and go (Eisenbud et al., NSDI 2016, §3.4).

use super::{Ask, Candidate, Loads, Place, is_bounded, mix};

/// Entries of a table, primes: at least a hundred for each backend.
const SIZES: [usize; 2] = [65_537, 1_048_573];
const EACH_MIN: usize = 100;

/// The table: each entry a candidate's place in the list.
#[derive(Debug)]
pub(super) struct Lookup {
    pub(super) entries: Box<[u16]>,
    total_weight: u64,
}

/// How a candidate goes through the table, looking for free entries.
struct Walk {
    next: usize,
    skip: usize,
    /// Rounds of the heaviest that it has used up, times its weight.
    used: u64,
}

impl Lookup {
    /// Fills the table: in turn each takes the first free entry in an order of its own.
    pub(super) fn new(all: &[Candidate]) -> Self {
        let total_weight = all.iter().map(|one| u64::from(one.weight)).sum();
        let size = SIZES.into_iter().find(|size| *size >= all.len() * EACH_MIN);
        let size = size.unwrap_or(SIZES[1]);
        if all.is_empty() {
            return Self { entries: Box::default(), total_weight };
        }
        let walk = |one: &Candidate| Walk {
            next: (mix(one.id) % size as u64) as usize,
            skip: (mix(one.id ^ 1) % (size as u64 - 1)) as usize + 1,
            used: 0,
        };
        let mut walks: Vec<Walk> = all.iter().map(walk).collect();
        let heaviest = all.iter().map(|one| u64::from(one.weight)).max().unwrap_or(1);
        let mut entries = vec![u16::MAX; size];
        let (mut filled, mut round) = (0, 0);
        while filled < size {
            round += 1;
            for ((at, one), walk) in (0..).zip(all).zip(&mut walks) {
                // A turn in every round for the heaviest, in one of two for half of its weight.
                if round * u64::from(one.weight) < walk.used + heaviest || filled == size {
                    continue;
                }
                walk.used += heaviest;
                while entries[walk.next] != u16::MAX {
                    walk.next = (walk.next + walk.skip) % size;
                }
                entries[walk.next] = at;
                filled += 1;
            }
        }
        Self { entries: entries.into(), total_weight }
    }

    /// Picks whoever has the key's entry, or the next that is neither tried nor beyond its bound.
    pub(super) fn pick(
        &self,
        all: &[Candidate],
        ask: &Ask<'_>,
        loads: &impl Loads,
    ) -> Option<Place> {
        let start = (ask.key % self.entries.len() as u64) as usize;
        let (after, before) = (&self.entries[start..], &self.entries[..start]);
        let left = || {
            let ones = after.iter().chain(before).map(|at| &all[usize::from(*at)]);
            ones.filter(|one| ask.allows(one, loads))
        };
        let bounded = left().find(|one| is_bounded(one, self.total_weight, loads));
        bounded.or_else(|| left().next()).map(|one| one.place)
    }
}
