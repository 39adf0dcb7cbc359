//! How much a client may ask that costs it nothing: each kind has a limit, over ten seconds.
//!
//! The limits are far above what is known of honest clients, and reasoned, not measured: to cut one
//! of those off is worse than to read some thousand frames that mean nothing. `h2` takes 0.05 to
//! 0.2 µs for one of these (0.4.20, in memory, no socket), and the watch 0.01.

use super::Verdict;

/// The time over which is counted, in milliseconds.
const WINDOW_MS: u64 = 10_000;

/// PING. gRPC measures its bandwidth with one per round trip while an answer comes in: a thousand a
/// second were counted of a client as it comes (grpc-java#8260). Five times as many may be.
const PINGS_MAX: u32 = 50_000;

/// WINDOW_UPDATE by a few bytes. gRPC for Go sends one before each such PING.
const SMALL_WINDOWS_MAX: u32 = PINGS_MAX;

/// PRIORITY: old browsers send some per request, and again for all of them when a tab is shown.
const PRIORITIES_MAX: u32 = 10_000;

/// Frames of types that `h2` does not know: PRIORITY_UPDATE, which new browsers send as old ones
/// sent PRIORITY, and those that only keep the protocol open to more of them.
const UNKNOWN_MAX: u32 = 10_000;

/// Resets that are nobody's business: a browser that leaves a page cancels all that it has under
/// way, a hundred or so, and may do so page after page. Beyond it they are too many once they are
/// more than half of the requests: clients with short deadlines cancel many, but get answers, too.
const RESETS_MAX: u32 = 1_000;

/// DATA with nothing in it and no end. `h2` itself takes 100 in the life of a connection, so that
/// this holds only if it comes to take more.
const EMPTY_DATA_MAX: u32 = 1_000;

/// SETTINGS: a client has few, and each may change the windows of all streams.
const SETTINGS_MAX: u32 = 100;

/// GOAWAY: a client leaves once, or says first that it will.
const GOAWAYS_MAX: u32 = 10;

/// CONTINUATION in one block. A head as large as Nexus takes fits in a few, and no client that
/// means well sends them half empty; `h2` may be stricter, by the size of heads.
const CONTINUATIONS_MAX: u32 = 32;

/// What a client can have too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flood {
    /// PING.
    Pings,
    /// SETTINGS, acknowledgements left out.
    Settings,
    /// RST_STREAM.
    Resets,
    /// PRIORITY.
    Priorities,
    /// WINDOW_UPDATE by a few bytes.
    SmallWindows,
    /// DATA with nothing in it and no end.
    EmptyData,
    /// CONTINUATION, in one block.
    Continuations,
    /// Frames of unknown types.
    Unknown,
    /// GOAWAY.
    GoAways,
}

impl Flood {
    /// Returns the most that there may be in a window; of CONTINUATION, in a block.
    pub(super) fn most(self) -> u32 {
        match self {
            Self::Pings => PINGS_MAX,
            Self::Settings => SETTINGS_MAX,
            Self::Resets => RESETS_MAX,
            Self::Priorities => PRIORITIES_MAX,
            Self::SmallWindows => SMALL_WINDOWS_MAX,
            Self::EmptyData => EMPTY_DATA_MAX,
            Self::Continuations => CONTINUATIONS_MAX,
            Self::Unknown => UNKNOWN_MAX,
            Self::GoAways => GOAWAYS_MAX,
        }
    }

    /// How many kinds there are.
    const COUNT: usize = Self::GoAways as usize + 1;
}

/// What was counted in the window before and in this one. Of the one before, so much is still
/// counted as a window that ends now has in common with it.
#[derive(Debug)]
pub(super) struct Counts {
    began_ms: u64,
    now_ms: u64,
    before: [u32; Flood::COUNT],
    here: [u32; Flood::COUNT],
    opened_before: u32,
    opened_here: u32,
}

impl Counts {
    pub(super) fn new(now_ms: u64) -> Self {
        Self {
            began_ms: now_ms,
            now_ms,
            before: [0; Flood::COUNT],
            here: [0; Flood::COUNT],
            opened_before: 0,
            opened_here: 0,
        }
    }

    /// Lets the time pass; a clock that goes back stands still.
    pub(super) fn turn(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
        let passed = self.now_ms - self.began_ms;
        if passed < WINDOW_MS {
            return;
        }
        let is_next = passed < 2 * WINDOW_MS;
        let (here, opened) =
            (std::mem::take(&mut self.here), std::mem::take(&mut self.opened_here));
        self.before = if is_next { here } else { [0; Flood::COUNT] };
        self.opened_before = if is_next { opened } else { 0 };
        self.began_ms = self.now_ms - passed % WINDOW_MS;
    }

    /// Counts a request.
    pub(super) fn opened(&mut self) {
        self.opened_here = self.opened_here.saturating_add(1);
    }

    /// Counts one more, and says whether that is too many.
    pub(super) fn add(&mut self, what: Flood) -> Verdict {
        let (at, most) = (what as usize, what.most());
        self.here[at] = self.here[at].saturating_add(1);
        let (before, here) = (self.before[at], self.here[at]);
        if here.saturating_add(before) <= most || self.within(before, here) <= u64::from(most) {
            return Verdict::Fine;
        }
        let opened = self.within(self.opened_before, self.opened_here);
        if what == Flood::Resets && self.within(before, here) * 2 <= opened {
            return Verdict::Fine;
        }
        Verdict::Calm(what)
    }

    fn within(&self, before: u32, here: u32) -> u64 {
        let common_ms = WINDOW_MS - (self.now_ms - self.began_ms);
        u64::from(here) + u64::from(before) * common_ms / WINDOW_MS
    }
}
