//! The available backends of a pool, laid out for one algorithm. Pure: whose turn it is, dice and
//! loads come in, a backend goes out.
//!
//! A picker is laid out anew on every change of health, weight or membership, with only the
//! available backends in it: one that is out is not skipped, it is not there, so its share never
//! goes to its neighbour.

mod alias;
mod first;
mod key;
mod least_connections;
mod maglev;
mod peak_ewma;
mod power_of_two;
mod random;
mod rendezvous;
mod ring_hash;
mod round_robin;

use alias::Alias;

pub use key::HashKey;

/// A backend's place in its pool, in one snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place(pub u16);

/// A backend that may be picked, or will be when it is available again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Where it is in its pool.
    pub place: Place,
    /// Its part of the sum of all weights; 0 is nothing.
    pub weight: u32,
    /// Whether it may be picked now.
    pub is_available: bool,
    /// A number made of what it is called: the same in every Nexus, whatever else is in the pool.
    pub id: u64,
    /// Requests that it has under way at most; `u32::MAX` is no limit.
    pub requests_max: u32,
}

impl Candidate {
    /// Says whether it takes one more.
    fn has_room(&self, loads: &impl Loads) -> bool {
        self.requests_max == u32::MAX || loads.in_flight(self.place) < self.requests_max
    }
}

/// How a backend is picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// Turn by turn, exact by weight.
    #[default]
    RoundRobin,
    /// Whoever has the fewest requests under way, by weight.
    LeastConnections,
    /// By chance, by weight.
    Random,
    /// The less loaded of two that chance chooses.
    PowerOfTwo,
    /// The faster of two that chance chooses, by latency and requests under way.
    PeakEwma,
    /// By a key, on a ring of points (Karger et al. 1997), with bounded load.
    RingHash,
    /// By a key, in a table (Eisenbud et al. 2016), with bounded load.
    Maglev,
    /// By a key, each backend scored anew (Thaler, Ravishankar 1996).
    Rendezvous,
    /// The first that has room.
    First,
}

/// What a pick goes by.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Whose turn it is: one more with each request.
    pub turn: usize,
    /// Any number, all equally likely.
    pub dice: u64,
    /// What the request is about, for algorithms by key.
    pub key: u64,
    /// Who was tried before.
    pub tried: &'a [Place],
}

/// How busy backends are.
pub trait Loads {
    /// Returns how many requests a backend has under way.
    fn in_flight(&self, place: Place) -> u32;

    /// Returns how many all have together.
    fn total(&self) -> u64;

    /// Returns how long a backend takes to answer, in microseconds; 0 is not known.
    fn latency(&self, place: Place) -> f32;
}

impl Ask<'_> {
    /// Says whether a candidate may be the answer: it was not tried, and takes one more.
    fn allows(&self, one: &Candidate, loads: &impl Loads) -> bool {
        !self.tried.contains(&one.place) && one.has_room(loads)
    }
}

/// Who may be picked now, laid out.
#[derive(Debug)]
pub struct Picker {
    candidates: Box<[Candidate]>,
    layout: Layout,
    /// Whether any candidate may be full.
    is_limited: bool,
}

#[derive(Debug)]
enum Layout {
    RoundRobin(round_robin::Schedule),
    LeastConnections,
    Random(Alias),
    PowerOfTwo(Alias),
    PeakEwma(Alias),
    RingHash(ring_hash::Ring),
    Maglev(maglev::Lookup),
    Rendezvous,
    First,
}

impl Default for Picker {
    fn default() -> Self {
        Self::new(Algorithm::RoundRobin, [])
    }
}

impl Algorithm {
    /// Says whether it bounds each backend's part of all requests under way.
    pub fn bounds(self) -> bool {
        matches!(self, Self::RingHash | Self::Maglev)
    }

    /// Says whether chance decides.
    pub fn is_by_chance(self) -> bool {
        matches!(self, Self::Random | Self::PowerOfTwo | Self::PeakEwma)
    }

    /// Says whether it goes by latency.
    pub fn times(self) -> bool {
        self == Self::PeakEwma
    }

    /// Says whether it goes by what a request is about.
    pub fn has_key(self) -> bool {
        matches!(self, Self::RingHash | Self::Maglev | Self::Rendezvous)
    }

    /// All there are.
    pub const ALL: [Self; 9] = [
        Self::RoundRobin,
        Self::LeastConnections,
        Self::Random,
        Self::PowerOfTwo,
        Self::PeakEwma,
        Self::RingHash,
        Self::Maglev,
        Self::Rendezvous,
        Self::First,
    ];

    /// Finds the one that is called so. `ip_hash` is [`Algorithm::Maglev`], whose key is the client
    /// unless something else is said.
    pub fn called(name: &str) -> Option<Self> {
        if name == "ip_hash" {
            return Some(Self::Maglev);
        }
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::LeastConnections => "least_connections",
            Self::Random => "random",
            Self::PowerOfTwo => "power_of_two",
            Self::PeakEwma => "peak_ewma",
            Self::RingHash => "ring_hash",
            Self::Maglev => "maglev",
            Self::Rendezvous => "rendezvous",
            Self::First => "first",
        }
    }
}

impl Picker {
    /// Lays out the available ones of `candidates`, in the order of the pool.
    pub fn new(algorithm: Algorithm, candidates: impl IntoIterator<Item = Candidate>) -> Self {
        let whole: Vec<Candidate> = candidates.into_iter().collect();
        let may_be_picked = |one: &&Candidate| one.is_available && one.weight > 0;
        let candidates: Box<[_]> = whole.iter().filter(may_be_picked).copied().collect();
        let all = &candidates[..];
        let layout = match algorithm {
            Algorithm::RoundRobin => Layout::RoundRobin(round_robin::Schedule::new(all)),
            Algorithm::LeastConnections => Layout::LeastConnections,
            Algorithm::Random => Layout::Random(Alias::new(all)),
            Algorithm::PowerOfTwo => Layout::PowerOfTwo(Alias::new(all)),
            Algorithm::PeakEwma => Layout::PeakEwma(Alias::new(all)),
            Algorithm::RingHash => Layout::RingHash(ring_hash::Ring::new(all, &whole)),
            Algorithm::Maglev => Layout::Maglev(maglev::Lookup::new(all)),
            Algorithm::Rendezvous => Layout::Rendezvous,
            Algorithm::First => Layout::First,
        };
        let is_limited = candidates.iter().any(|one| one.requests_max != u32::MAX);
        Self { candidates, layout, is_limited }
    }

    /// Returns who may be picked.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// Picks a backend that was not tried yet and is not full; `None` if nobody is left.
    #[inline]
    pub fn pick(&self, ask: &Ask<'_>, loads: &impl Loads) -> Option<Place> {
        match &self.layout {
            Layout::RoundRobin(schedule) if ask.tried.is_empty() && !self.is_limited => {
                schedule.pick(ask.turn)
            }
            _ => self.pick_otherwise(ask, loads),
        }
    }

    fn pick_otherwise(&self, ask: &Ask<'_>, loads: &impl Loads) -> Option<Place> {
        let all = &self.candidates[..];
        if all.is_empty() {
            return None;
        }
        let drawn = match &self.layout {
            Layout::LeastConnections => return least_connections::pick(all, ask, loads),
            Layout::First => return first::pick(all, ask, loads),
            Layout::Rendezvous => return rendezvous::pick(all, ask, loads),
            Layout::RingHash(ring) => return ring.pick(all, ask, loads),
            Layout::Maglev(lookup) => return lookup.pick(all, ask, loads),
            Layout::RoundRobin(schedule) => schedule.pick(ask.turn),
            // Of two it may well be that one was tried: for another attempt chance alone is fair.
            _ if !ask.tried.is_empty() => None,
            Layout::Random(alias) => Some(random::pick(all, alias, ask)),
            Layout::PowerOfTwo(alias) => Some(power_of_two::pick(all, alias, ask, loads)),
            Layout::PeakEwma(alias) => Some(peak_ewma::pick(all, alias, ask, loads)),
        };
        // Whoever was drawn blind may be full, or was tried: then the others share by weight.
        let is_by_turn = matches!(self.layout, Layout::RoundRobin(_));
        let point = if is_by_turn { ask.turn as u64 } else { ask.dice };
        drawn
            .filter(|place| ask.tried.is_empty() && self.has_room(*place, loads))
            .or_else(|| by_weight(all, ask, loads, point))
    }

    fn has_room(&self, place: Place, loads: &impl Loads) -> bool {
        // Candidates stand in the order of their places.
        let find = || self.candidates.binary_search_by_key(&place.0, |one| one.place.0);
        !self.is_limited || find().is_ok_and(|at| self.candidates[at].has_room(loads))
    }
}

/// Picks among those that are left, by weight: consecutive or even points give each its share.
fn by_weight(all: &[Candidate], ask: &Ask<'_>, loads: &impl Loads, point: u64) -> Option<Place> {
    let left = || all.iter().filter(|one| ask.allows(one, loads));
    let total: u64 = left().map(|one| u64::from(one.weight)).sum();
    let mut at = point.checked_rem(total)?;
    let mut last = None;
    for one in left() {
        last = Some(one.place);
        match at.checked_sub(u64::from(one.weight)) {
            Some(rest) => at = rest,
            None => break,
        }
    }
    last
}

/// Says whether a backend is below its bound: a quarter more than its share of all requests under
/// way (Mirrokni, Thorup, Zadimoghaddam 2018).
fn is_bounded(one: &Candidate, total_weight: u64, loads: &impl Loads) -> bool {
    let (total, own) = (loads.total() + 1, u64::from(loads.in_flight(one.place)) + 1);
    // own <= ceil(5/4 · total · weight / total_weight), without a division.
    (own - 1) * 4 * total_weight < 5 * total * u64::from(one.weight)
}

/// Spreads numbers evenly: the finisher of splitmix64 (Steele, Lea, Flood 2014).
pub fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Makes a number of bytes, the same in every Nexus: FNV-1a, finished by [`mix`].
pub fn hash(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    mix(bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
}

#[cfg(test)]
mod tests;
