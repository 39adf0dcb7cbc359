//! How much a request matters, when not all can be answered. Pure.

/// Who is let in first when not all are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Priority {
    /// The first to be refused.
    Low,
    /// In between.
    #[default]
    Normal,
    /// The last to be refused.
    High,
}

impl Priority {
    /// The names, from the first to be refused to the last.
    pub const NAMES: [&str; 3] = ["low", "normal", "high"];

    /// Finds one by its name, in any case.
    pub fn called(name: &[u8]) -> Option<Self> {
        let at =
            Self::NAMES.iter().position(|known| known.as_bytes().eq_ignore_ascii_case(name))?;
        [Self::Low, Self::Normal, Self::High].get(at).copied()
    }

    /// Returns the name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// Returns how much of a limit it may use.
    pub fn part(self, limit: u32) -> u32 {
        let percent = match self {
            Self::Low => 70,
            Self::Normal => 90,
            Self::High => 100,
        };
        (u64::from(limit) * percent / 100).max(1) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_matters_most_is_refused_last() {
        let parts = |limit| {
            Priority::NAMES
                .map(|name| Priority::called(name.to_uppercase().as_bytes()).unwrap().part(limit))
        };
        assert_eq!(parts(100), [70, 90, 100]);
        assert_eq!(parts(1), [1, 1, 1]);
        assert_eq!(Priority::called(b"urgent"), None);
    }
}
