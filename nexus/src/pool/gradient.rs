//! How many requests a pool takes at once so that none waits long: found by how answers slow down.
//! Pure.
//!
//! As long as answers take as long as they usually do there is room for more; when they take longer,
//! requests wait somewhere, and fewer are let in. After Netflix's gradient limit ("Performance Under
//! Load", 2018), but what is usual only rises while the limit is not what makes answers slow: an
//! overload that lasts must not become usual.

/// What the limit is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// It never goes below this.
    pub min: u32,
    /// It never goes above this.
    pub max: u32,
    /// How long answers may take before there are too many requests, in percent of what is usual.
    pub tolerance: u32,
}

/// What was seen since the last step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// How long answers took on average, in microseconds.
    pub micros: f64,
    /// Requests under way, when there were most.
    pub peak: u32,
}

/// A limit, and what is usual.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gradient {
    limit: f64,
    /// How long answers usually take, in microseconds; 0 is not known yet.
    usual: f64,
}

impl Gradient {
    /// Where it begins: more than most pools need, and found out soon if it is too many.
    const START: f64 = 100.0;

    /// How much of a step counts: one odd sample must not turn everything.
    const SMOOTHING: f64 = 0.2;

    /// How much of a quicker, and of a slower sample counts towards what is usual.
    const FALLS: f64 = 0.1;
    const RISES: f64 = 0.002;

    /// Begins.
    pub fn new(rules: &Rules) -> Self {
        Self { limit: Self::START.clamp(f64::from(rules.min), f64::from(rules.max)), usual: 0.0 }
    }

    /// Returns the limit.
    pub fn limit(&self) -> u32 {
        self.limit as u32
    }

    /// Takes a sample into account.
    pub fn step(&mut self, rules: &Rules, sample: Sample) {
        let micros = sample.micros.max(1.0);
        self.usual += (micros - self.usual) * self.weight(rules, Sample { micros, ..sample });
        let gradient = self.usual * f64::from(rules.tolerance) / 100.0 / micros;
        // With half of it empty nothing shows that more would fit.
        if gradient >= 1.0 && f64::from(sample.peak) < self.limit / 2.0 {
            return;
        }
        // Some room to grow into; its root, so that large limits do not swing.
        let next = self.limit * gradient.clamp(0.5, 1.0) + self.limit.sqrt();
        self.limit += (next - self.limit) * Self::SMOOTHING;
        self.limit = self.limit.clamp(f64::from(rules.min), f64::from(rules.max));
    }

    /// Says how much a sample counts towards what is usual.
    fn weight(&self, rules: &Rules, sample: Sample) -> f64 {
        match () {
            () if self.usual == 0.0 => 1.0,
            () if sample.micros < self.usual => Self::FALLS,
            // So few at once wait for nothing: answers do take longer now.
            () if sample.peak <= rules.min => Self::RISES,
            () => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { min: 5, max: 1000, tolerance: 150 };

    /// Runs so many steps against a server that does `slots` at once in 10 ms each, with more asked
    /// for than it can do; returns the limits on the way.
    fn overload(gradient: &mut Gradient, slots: f64, steps: usize) -> Vec<u32> {
        let step = |_| {
            let under_way = gradient.limit();
            let micros = 10_000.0 * (f64::from(under_way) / slots).max(1.0);
            gradient.step(&RULES, Sample { micros, peak: under_way });
            gradient.limit()
        };
        (0..steps).map(step).collect()
    }

    fn known() -> Gradient {
        let mut gradient = Gradient::new(&RULES);
        gradient.step(&RULES, Sample { micros: 10_000.0, peak: 1 });
        gradient
    }

    #[test]
    fn it_settles_where_answers_begin_to_wait_and_stays_there() {
        for slots in [10.0, 20.0, 100.0, 400.0] {
            // Half an hour.
            let limits = overload(&mut known(), slots, 18_000);
            for limit in &limits[100..] {
                let limit = f64::from(*limit);
                assert!((slots..=slots * 2.2).contains(&limit), "{limit} for {slots} slots");
            }
        }
    }

    #[test]
    fn what_is_slower_without_being_busy_becomes_usual() {
        let mut gradient = known();
        for _ in 0..2000 {
            gradient.step(&RULES, Sample { micros: 100_000.0, peak: 3 });
        }
        for _ in 0..100 {
            let peak = gradient.limit();
            gradient.step(&RULES, Sample { micros: 100_000.0, peak });
        }
        assert!(gradient.limit() > 100, "{}", gradient.limit());
    }

    #[test]
    fn what_has_become_faster_gets_more_again() {
        let mut gradient = known();
        let slow = *overload(&mut gradient, 10.0, 200).last().unwrap();
        let fast = *overload(&mut gradient, 200.0, 200).last().unwrap();
        assert!(fast > slow * 4, "{slow} {fast}");
    }

    #[test]
    fn without_much_to_do_it_does_not_grow() {
        let mut gradient = known();
        for _ in 0..1000 {
            gradient.step(&RULES, Sample { micros: 10_000.0, peak: 10 });
        }
        assert_eq!(gradient.limit(), 100);
    }

    proptest::proptest! {
        #[test]
        fn it_never_leaves_its_bounds(
            samples in proptest::collection::vec((0.0f64..1e9, 0u32..100_000), 1..300),
        ) {
            let mut gradient = Gradient::new(&RULES);
            for (micros, peak) in samples {
                gradient.step(&RULES, Sample { micros, peak });
                proptest::prop_assert!((RULES.min..=RULES.max).contains(&gradient.limit()));
            }
        }
    }
}
