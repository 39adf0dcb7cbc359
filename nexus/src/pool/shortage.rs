//! What a pool does when too few of its backends are left. Pure.

/// What is done, and from when on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortage {
    /// With fewer available, in percent, there are too few; 0 is when nobody is.
    pub below: u32,
    /// Whether all are used then, or none.
    pub panics: bool,
}

/// How a pool answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// By those that are available.
    #[default]
    Usual,
    /// By all, available or not: that nobody is can only be a mistake.
    Panic,
    /// Not at all, though some are available: the rest's load would bring them down, too.
    Closed,
}

impl Mode {
    /// Returns the stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Usual => "usual",
            Self::Panic => "panic",
            Self::Closed => "closed",
        }
    }
}

impl Shortage {
    /// Decides by how many of a pool's backends are available.
    pub fn mode(self, available: usize, all: usize) -> Mode {
        let is_short = available == 0 || available * 100 < all * self.below as usize;
        match (is_short && all > 0, self.panics) {
            (true, true) => Mode::Panic,
            // With nobody there is nothing to close.
            (true, false) if available > 0 => Mode::Closed,
            _ => Mode::Usual,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(below: u32, panics: bool, expected: &str) {
        let modes = (0..=4).map(|available| Shortage { below, panics }.mode(available, 4));
        let letters: String = modes.map(|mode| &mode.name()[..1]).collect();
        assert_eq!(letters, expected, "below {below} %");
    }

    #[test]
    fn a_pool_of_four_panics_or_closes_below_its_limit() {
        check(0, false, "uuuuu");
        check(50, false, "ucuuu");
        check(100, false, "ucccu");
        check(0, true, "puuuu");
        check(50, true, "ppuuu");
        check(100, true, "ppppu");
    }

    #[test]
    fn a_pool_without_backends_is_never_short_of_them() {
        assert_eq!(Shortage { below: 50, panics: true }.mode(0, 0), Mode::Usual);
    }
}
