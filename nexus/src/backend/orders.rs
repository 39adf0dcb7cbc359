//! What an operator said about a backend while it runs. Only the control task writes it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// No other weight than the configured one.
const NONE: u32 = u32::MAX;

/// What an operator said about a backend.
#[derive(Debug)]
pub struct Orders {
    is_draining: AtomicBool,
    weight: AtomicU32,
}

impl Default for Orders {
    fn default() -> Self {
        Self { is_draining: AtomicBool::new(false), weight: AtomicU32::new(NONE) }
    }
}

impl Orders {
    /// Says whether it gets nothing new.
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }

    /// Lets it get nothing new from now on, or again.
    pub fn drain(&self, is_draining: bool) {
        self.is_draining.store(is_draining, Ordering::Relaxed);
    }

    /// Returns its weight, `configured` unless an operator said otherwise; 0 while it drains.
    pub fn weight(&self, configured: u32) -> u32 {
        match self.weight.load(Ordering::Relaxed) {
            _ if self.is_draining() => 0,
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
        orders.drain(true);
        assert_eq!(orders.weight(3), 0);
        orders.drain(false);
        assert_eq!(orders.weight(3), 7);
        orders.weigh(None);
        assert_eq!(orders.weight(3), 3);
    }
}
