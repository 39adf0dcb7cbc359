//! Says when each request is due and when the run is over. Pure: the time is an argument.
//!
//! Two shapes. *Closed*: a worker sends as soon as it is free. *Open*: requests are due on a
//! schedule that does not wait for answers, as users do not. Workers draw tickets (0, 1, 2, …) from
//! one counter, so a free worker takes over what a stuck one would have sent.
//!
//! All times are offsets from the start of the run.

use std::time::Duration;

/// A queue lag beyond this makes a start late: below it is the cost of drawing a ticket.
pub(crate) const LATE_AFTER: Duration = Duration::from_millis(1);

/// What is sent when, and until when.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) pace: Pace,
    /// Requests to send at most.
    pub(crate) requests: Option<u64>,
    /// Nothing is started from here on.
    pub(crate) duration: Option<Duration>,
}

/// What decides when the next request is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// The answer to the one before it, and then this pause.
    Closed { pause: Duration },
    /// The clock, so many times a second.
    Open { per_second: f64 },
}

/// When the owner of a ticket starts.
#[derive(Debug, PartialEq)]
pub(crate) enum Start {
    Now,
    At(Duration),
    Never,
}

impl Plan {
    /// When the ticket `seq` is due; `None` in a closed loop, where nothing is ever due.
    pub(crate) fn due(&self, seq: u64) -> Option<Duration> {
        match self.pace {
            Pace::Closed { .. } => None,
            Pace::Open { per_second } => Some(seconds(seq as f64 / per_second)),
        }
    }

    /// What a worker that draws `seq` at `now` has to do.
    pub(crate) fn start(&self, seq: u64, now: Duration) -> Start {
        let due = self.due(seq).unwrap_or(now);
        if self.requests.is_some_and(|requests| seq >= requests)
            || self.duration.is_some_and(|duration| due.max(now) >= duration)
        {
            Start::Never
        } else if due > now {
            Start::At(due)
        } else {
            Start::Now
        }
    }

    /// How many requests the plan holds; `None` if only the server's speed decides.
    pub(crate) fn planned(&self) -> Option<u64> {
        let scheduled = match (self.pace, self.duration) {
            (_, None) => return self.requests,
            (Pace::Closed { .. }, Some(_)) => return None,
            (Pace::Open { per_second }, Some(duration)) => {
                (duration.as_secs_f64() * per_second).ceil() as u64
            }
        };
        Some(self.requests.unwrap_or(u64::MAX).min(scheduled))
    }

    /// The pause after each answer.
    pub(crate) fn pause(&self) -> Duration {
        match self.pace {
            Pace::Closed { pause } => pause,
            Pace::Open { .. } => Duration::ZERO,
        }
    }

    /// Whether requests wait for answers.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.pace, Pace::Closed { .. })
    }
}

/// The instant that response time counts from.
///
/// A ticket drawn late waited for a free worker: the wait counts in full, from when it was due.
/// A ticket drawn in time was only overslept by the loader's own timer, which is not the server's
/// doing: it counts from the actual start.
pub(crate) fn intended(due: Option<Duration>, claimed: Duration, started: Duration) -> Duration {
    match due {
        Some(due) if claimed > due => due,
        _ => started,
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn open(per_second: f64, requests: Option<u64>, duration: Option<Duration>) -> Plan {
        Plan { pace: Pace::Open { per_second }, requests, duration }
    }

    fn closed(requests: Option<u64>, duration: Option<Duration>) -> Plan {
        Plan { pace: Pace::Closed { pause: ms(100) }, requests, duration }
    }

    #[test]
    fn an_open_plan_spaces_requests_evenly() {
        let plan = open(10.0, Some(3), None);
        let due: Vec<_> = (0..3).map(|seq| plan.due(seq).unwrap()).collect();
        assert_eq!(due, [ms(0), ms(100), ms(200)]);
        assert_eq!(plan.pause(), ms(0));
    }

    #[test]
    fn an_early_ticket_waits_a_late_one_starts_and_one_too_many_never_does() {
        let plan = open(10.0, Some(3), None);
        assert_eq!(plan.start(2, ms(150)), Start::At(ms(200)));
        assert_eq!(plan.start(2, ms(250)), Start::Now);
        assert_eq!(plan.start(3, ms(0)), Start::Never);
    }

    #[test]
    fn nothing_starts_after_the_duration_even_if_it_was_due_before() {
        let plan = open(10.0, None, Some(ms(1000)));
        assert_eq!(plan.start(9, ms(0)), Start::At(ms(900)));
        assert_eq!(plan.start(10, ms(0)), Start::Never);
        assert_eq!(plan.start(5, ms(1000)), Start::Never);
        assert_eq!(closed(None, Some(ms(10))).start(5, ms(10)), Start::Never);
    }

    #[test]
    fn a_closed_plan_starts_whenever_a_worker_is_free() {
        let plan = closed(Some(20), None);
        assert_eq!(plan.due(7), None);
        assert_eq!(plan.start(7, ms(3)), Start::Now);
        assert_eq!(plan.start(20, ms(3)), Start::Never);
        assert_eq!(plan.pause(), ms(100));
    }

    #[test]
    fn what_is_planned_is_known_unless_the_server_decides_it() {
        assert_eq!(open(10.0, Some(3), None).planned(), Some(3));
        assert_eq!(open(10.0, None, Some(ms(1000))).planned(), Some(10));
        assert_eq!(open(10.0, Some(3), Some(ms(1000))).planned(), Some(3));
        assert_eq!(open(10.0, Some(30), Some(ms(1000))).planned(), Some(10));
        assert_eq!(closed(Some(5), None).planned(), Some(5));
        assert_eq!(closed(None, Some(ms(1000))).planned(), None);
        assert_eq!(closed(Some(5), Some(ms(1000))).planned(), None);
    }

    #[test]
    fn waiting_for_a_worker_counts_and_the_loaders_own_oversleep_does_not() {
        let due = Some(ms(100));
        assert_eq!(intended(due, ms(400), ms(400)), ms(100));
        assert_eq!(intended(due, ms(90), ms(102)), ms(102));
        assert_eq!(intended(None, ms(90), ms(90)), ms(90));
    }
}
