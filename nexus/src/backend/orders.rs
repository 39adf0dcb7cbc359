//! What an operator said about a backend while it runs. Only the control task writes it.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// No other weight than the configured one.
const NONE: u32 = u32::MAX;

/// It does not drain.
const NEVER: u64 = u64::MAX;

/// What an operator said about a backend.
#[derive(Debug)]
pub struct Orders {
    /// When its last sessions are to move, in seconds since 1970; [`NEVER`] if it does not drain.
    drains_until: AtomicU64,
    weight: AtomicU32,
    /// Whether it gets nothing at all.
    is_disabled: AtomicBool,
}

impl Default for Orders {
    fn default() -> Self {
        let (drains_until, weight) = (AtomicU64::new(NEVER), AtomicU32::new(NONE));
        Self { drains_until, weight, is_disabled: AtomicBool::new(false) }
    }
}

impl Orders {
    /// Says whether it gets nothing new.
    pub fn is_draining(&self) -> bool {
        self.drains_until.load(Ordering::Relaxed) != NEVER
    }

    /// Says whether it still answers the sessions that are with it; `now` in seconds since 1970.
    pub fn keeps_sessions(&self, now: u32) -> bool {
        u64::from(now) < self.drains_until.load(Ordering::Relaxed) && !self.is_disabled()
    }

    /// Lets it get nothing new from now on, and after that time nothing at all.
    pub fn drain(&self, until: u32) {
        self.drains_until.store(u64::from(until), Ordering::Relaxed);
    }

    /// Takes back that it drains.
    pub fn undrain(&self) {
        self.drains_until.store(NEVER, Ordering::Relaxed);
    }

    /// Says whether it gets no requests at all, those of its sessions neither.
    pub fn is_disabled(&self) -> bool {
        self.is_disabled.load(Ordering::Relaxed)
    }

    /// Lets it get no requests at all, or as many as otherwise again.
    pub fn disable(&self, is_disabled: bool) {
        self.is_disabled.store(is_disabled, Ordering::Relaxed);
    }

    /// Returns its weight, `configured` unless an operator said otherwise; 0 while it drains or is
    /// disabled.
    pub fn weight(&self, configured: u32) -> u32 {
        match self.weight.load(Ordering::Relaxed) {
            _ if self.is_draining() || self.is_disabled() => 0,
            NONE => configured,
            weight => weight,
        }
    }

    /// Gives it another weight than the configured one; `None` is that again.
    pub fn weigh(&self, weight: Option<u32>) {
        self.weight.store(weight.unwrap_or(NONE), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_go_over_the_configuration_until_they_are_taken_back() {
        let orders = Orders::default();
        assert_eq!(orders.weight(3), 3);
        orders.weigh(Some(7));
        assert_eq!(orders.weight(3), 7);
        orders.drain(1000);
        assert_eq!(orders.weight(3), 0);
        assert!(orders.is_draining() && orders.keeps_sessions(999) && !orders.keeps_sessions(1000));
        orders.undrain();
        assert!(orders.keeps_sessions(u32::MAX));
        assert_eq!(orders.weight(3), 7);
        orders.weigh(None);
        assert_eq!(orders.weight(3), 3);
        orders.disable(true);
        assert!(orders.is_disabled() && !orders.is_draining() && !orders.keeps_sessions(0));
        assert_eq!(orders.weight(3), 0);
        orders.disable(false);
        assert!(orders.keeps_sessions(0));
        assert_eq!(orders.weight(3), 3);
    }
}
