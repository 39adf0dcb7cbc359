//! Which trace a request belongs to, and how that is told (W3C Trace Context, level 2). Pure.
//!
//! # Whose word counts?
//!
//! A trusted proxy's: its trace goes on, recorded or not as it says. Anybody else could have their
//! requests recorded, or mixed into others' traces, so theirs begin a new one, which names theirs
//! only as a link (§ "Security considerations").

use std::num::{NonZeroU64, NonZeroU128};

/// The name of a trace; never all zeros.
pub type TraceId = NonZeroU128;

/// The name of a span; never all zeros.
pub type SpanId = NonZeroU64;

/// Bytes of a `traceparent` of the version that is spoken here.
pub const LEN: usize = 55;

/// The trace is recorded.
const SAMPLED: u8 = 1;

/// The last 7 bytes of the trace's name were drawn at random.
const RANDOM: u8 = 2;

/// What a `traceparent` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// The trace.
    pub trace: TraceId,
    /// The span that the request was sent from.
    pub span: SpanId,
    /// Flags, without those that have no meaning yet.
    flags: u8,
}

impl Parent {
    /// Reads a `traceparent`; of versions to come, what is known of them (§ "Versioning").
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (known, behind) = value.split_at_checked(LEN)?;
        let dashes = [2, 35, 52].iter().all(|at| known[*at] == b'-');
        let version = hex(&known[..2])?;
        let is_whole =
            if version == 0 { behind.is_empty() } else { matches!(behind, [] | [b'-', ..]) };
        if !dashes || version == 0xff || !is_whole {
            return None;
        }
        let flags = (hex(&known[53..])? as u8) & (SAMPLED | RANDOM);
        let span = u64::try_from(hex(&known[36..52])?).ok()?;
        Some(Self { trace: TraceId::new(hex(&known[3..35])?)?, span: SpanId::new(span)?, flags })
    }

    /// Says whether the trace is recorded.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Returns its flags.
    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// Writes it as a `traceparent`.
    pub fn text(&self) -> [u8; LEN] {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        digits(&mut text[3..35], self.trace.get());
        digits(&mut text[36..52], u128::from(self.span.get()));
        digits(&mut text[53..], u128::from(self.flags));
        text
    }
}

/// Reads hexadecimal digits, which must be lower-case.
fn hex(text: &[u8]) -> Option<u128> {
    text.iter().try_fold(0, |number, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        Some((number << 4) | u128::from(digit))
    })
}

/// Writes a number in as many hexadecimal digits as there is room for.
pub fn digits(out: &mut [u8], mut number: u128) {
    for digit in out.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
}

/// What is decided by chance.
#[derive(Debug, Clone, Copy)]
pub struct Dice {
    /// The name of a new trace.
    pub trace: u128,
    /// The name of the request's span.
    pub span: u64,
    /// Whether a new trace is recorded: if it is below the share that is.
    pub sample: u32,
}

/// The trace of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    /// What backends are told unless an attempt has a span of its own: the request's own span.
    pub own: Parent,
    /// Where it comes from.
    pub begun: Begun,
}

/// Where a trace comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It begins here; the client, whose word does not count, may have named another.
    Here(Option<Parent>),
    /// It goes on.
    By(Parent),
    /// It goes on, but is not recorded: the client's fields pass as they are.
    Unrecorded,
}

impl Trace {
    /// Begins a trace, or goes on with one that a client names whose word counts if it `is_believed`;
    /// of new ones `sample` of a million are recorded.
    pub fn begin(parent: Option<Parent>, is_believed: bool, sample: u32, dice: Dice) -> Self {
        let span = SpanId::new(dice.span).unwrap_or(SpanId::MIN);
        match parent {
            Some(parent) if is_believed && parent.is_sampled() => {
                Self { own: Parent { span, ..parent }, begun: Begun::By(parent) }
            }
            Some(parent) if is_believed => Self { own: parent, begun: Begun::Unrecorded },
            parent => {
                let trace = TraceId::new(dice.trace).unwrap_or(TraceId::MIN);
                let flags = RANDOM | if dice.sample < sample { SAMPLED } else { 0 };
                Self { own: Parent { trace, span, flags }, begun: Begun::Here(parent) }
            }
        }
    }

    /// Returns what backends are told by an attempt with this span; `None` is what the client said.
    pub fn told(&self, span: Option<SpanId>) -> Option<[u8; LEN]> {
        let span = span.unwrap_or(self.own.span);
        (self.begun != Begun::Unrecorded).then(|| Parent { span, ..self.own }.text())
    }

    /// Says whether a `tracestate` of the client belongs to another trace.
    pub fn drops_state(&self) -> bool {
        matches!(self.begun, Begun::Here(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    const DICE: Dice = Dice { trace: 0xabc, span: 0xdef, sample: 500_000 };

    fn parse(text: &str) -> Option<Parent> {
        Parent::parse(text.as_bytes())
    }

    #[test]
    fn a_parent_is_read_strictly_and_written_as_it_was() {
        let parent = parse(GOOD).unwrap();
        assert!(parent.is_sampled());
        assert_eq!(parent.text(), GOOD.as_bytes());
        let put = |at: usize, with: &str| {
            let mut text = GOOD.to_owned();
            text.replace_range(at..at + with.len(), with);
            text
        };
        for wrong in [
            String::new(),
            GOOD[..54].to_owned(),
            format!("{GOOD}-00"),
            format!("{GOOD} "),
            format!(" {GOOD}"),
            put(3, &"0".repeat(32)),
            put(36, &"0".repeat(16)),
            put(3, "4BF9"),
            put(0, "ff"),
            put(0, "0x"),
            put(2, "_"),
            put(35, "_"),
            put(52, "_"),
            put(53, "0g"),
            put(53, "+1"),
        ] {
            assert_eq!(parse(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn versions_and_flags_to_come_are_read_as_far_as_they_are_known() {
        let later = format!("cc{}", &GOOD[2..]);
        assert_eq!(parse(&later), parse(GOOD));
        assert_eq!(parse(&format!("{later}-what-else")), parse(GOOD));
        assert_eq!(parse(&format!("{later}.what-else")), None);
        let flags = |flags: &str| parse(&format!("{}{flags}", &GOOD[..53])).unwrap();
        assert!(flags("ff").is_sampled() && !flags("fe").is_sampled());
        assert!(flags("ff").text().ends_with(b"-03"));
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_written_is_read_and_nothing_hostile_panics(
            trace in 1u128.., span in 1u64.., flags in 0u8..4, noise: Vec<u8>,
        ) {
            let (trace, span) = (TraceId::new(trace).unwrap(), SpanId::new(span).unwrap());
            let parent = Parent { trace, span, flags };
            proptest::prop_assert_eq!(Parent::parse(&parent.text()), Some(parent));
            let _ = Parent::parse(&noise);
        }
    }

    #[test]
    fn what_is_decided_and_told_of_a_trace_allocates_nothing() {
        let measured = allocation_counter::measure(|| {
            for is_believed in [true, false] {
                let trace = Trace::begin(Parent::parse(GOOD.as_bytes()), is_believed, 0, DICE);
                std::hint::black_box(trace.told(None));
            }
        });
        assert_eq!(measured.count_total, 0);
    }

    #[test]
    fn a_trusted_parent_is_followed_and_any_other_is_only_linked() {
        let parent = parse(GOOD).unwrap();
        let trusted = Trace::begin(Some(parent), true, 0, DICE);
        assert_eq!((trusted.own.trace, trusted.begun), (parent.trace, Begun::By(parent)));
        let told = trusted.told(SpanId::new(7)).unwrap();
        assert_eq!(told, *b"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000007-01");
        assert!(!trusted.drops_state());

        let quiet = parse(&format!("{}00", &GOOD[..53])).unwrap();
        let unrecorded = Trace::begin(Some(quiet), true, 1_000_000, DICE);
        assert_eq!((unrecorded.begun, unrecorded.told(None)), (Begun::Unrecorded, None));

        for (sample, flags) in [(500_001, "03"), (500_000, "02")] {
            let stranger = Trace::begin(Some(parent), false, sample, DICE);
            assert_eq!((stranger.own.trace.get(), stranger.drops_state()), (0xabc, true));
            assert_eq!(stranger.begun, Begun::Here(Some(parent)));
            assert!(stranger.told(None).unwrap().ends_with(flags.as_bytes()));
        }
    }
}
