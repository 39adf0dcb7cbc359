//! Whether the other side of an HTTP/2 connection is still there: by pings, and by what it takes.

use std::rc::Rc;
use std::task::Context;
use std::time::Duration;

use h2::{Ping, PingPong};

use super::carrier::Meter;
use crate::deadline::TICK;

/// Silence after which the other side is asked whether it is there. Below the minute after which
/// many networks forget a connection.
const SILENCE: Duration = Duration::from_secs(30);

/// How often a connection is looked after at least.
pub const LOOK: Duration = Duration::from_secs(5);

/// How long it may take to say so.
const ANSWER: Duration = Duration::from_secs(20);

/// Watches over a connection.
pub struct Pulse {
    pings: Option<PingPong>,
    meter: Rc<Meter>,
    read: u64,
    written: u64,
    /// When something last came, and when something last left; in ticks.
    came: u32,
    left: u32,
    is_asked: bool,
}

impl Pulse {
    /// Begins at tick `now`.
    pub fn new(pings: Option<PingPong>, meter: Rc<Meter>, now: u32) -> Self {
        Self { pings, meter, read: 0, written: 0, came: now, left: now, is_asked: false }
    }

    /// Looks at tick `now`, and asks if it is time; says whether the connection is dead: it does not
    /// answer, or has taken nothing of what waits for it within `stall`.
    pub fn is_dead(&mut self, cx: &mut Context<'_>, now: u32, stall: Duration) -> bool {
        let (read, written) = (self.meter.read.get(), self.meter.written.get());
        if read != self.read {
            (self.read, self.came, self.is_asked) = (read, now, false);
        }
        if written != self.written || !self.meter.is_blocked.get() {
            (self.written, self.left) = (written, now);
        }
        if let Some(pings) = &mut self.pings {
            let _ = pings.poll_pong(cx); // That it came is seen by its bytes.
        }
        let silent = since(self.came, now);
        if silent >= SILENCE && !self.is_asked {
            self.is_asked = true;
            if let Some(pings) = &mut self.pings {
                let _ = pings.send_ping(Ping::opaque());
            }
        }
        silent >= SILENCE + ANSWER || since(self.left, now) >= stall
    }
}

fn since(then: u32, now: u32) -> Duration {
    TICK * now.saturating_sub(then)
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    const STALL: Duration = Duration::from_secs(10);

    /// Looks once a second for so long; returns after how many seconds it was dead.
    fn dead_after(seconds: u32, mut happens: impl FnMut(u32, &Meter)) -> Option<u32> {
        let meter = Rc::<Meter>::default();
        let mut pulse = Pulse::new(None, Rc::clone(&meter), 0);
        let cx = &mut Context::from_waker(Waker::noop());
        let ticks = u32::try_from(1000 / TICK.as_millis()).unwrap();
        (1..=seconds).find(|second| {
            happens(*second, &meter);
            pulse.is_dead(cx, second * ticks, STALL)
        })
    }

    #[test]
    fn who_says_nothing_and_does_not_answer_is_dead() {
        assert_eq!(dead_after(100, |_, _| {}), Some(50));
    }

    #[test]
    fn who_says_something_now_and_then_is_not() {
        let speaks = |second: u32, meter: &Meter| meter.read.set(u64::from(second / 45));
        assert_eq!(dead_after(300, speaks), None);
    }

    #[test]
    fn who_takes_nothing_of_what_waits_is_dead_whatever_it_says() {
        let takes_until_20 = |second: u32, meter: &Meter| {
            meter.read.set(u64::from(second));
            meter.written.set(u64::from(second.min(20)));
            meter.is_blocked.set(true);
        };
        assert_eq!(dead_after(100, takes_until_20), Some(30));
    }
}
