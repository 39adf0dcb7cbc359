//! An answer that comes drop by drop: a slow download.

use std::io;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::answer::{Shape, closing};
use crate::link::Link;
use crate::quantity;
use crate::request::{Persist, Request};

/// Bytes of a drop: its number in seven digits, and a line feed.
const DROP_BYTES: u64 = 8;
/// As many as their numbers have digits for.
const DROPS_MAX: u64 = 9_999_999;

/// How an answer drips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drip {
    /// How many drops.
    pub count: u64,
    /// The time from one to the next.
    pub every: Duration,
}

impl Drip {
    /// Reads `count=100&every=50ms`; what is left out is 10 drops, one every 100 ms.
    #[must_use]
    pub fn parse(query: &str) -> Option<Self> {
        let mut drip = Self { count: 10, every: Duration::from_millis(100) };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=')? {
                ("count", count) => drip.count = count.parse().ok().filter(|n| *n <= DROPS_MAX)?,
                ("every", every) => drip.every = quantity::duration(every).ok()?,
                _ => return None,
            }
        }
        Some(drip)
    }

    /// Bytes of all drops.
    pub(crate) fn bytes(self) -> u64 {
        self.count * DROP_BYTES
    }

    /// The drop with this number.
    pub(crate) fn drop(number: u64) -> Vec<u8> {
        format!("{number:07}\n").into_bytes()
    }
}

/// Answers a request whose body has been read.
pub(crate) async fn answer(
    link: &mut Link<'_>,
    (shape, status): (&Shape, u16),
    drip: Drip,
    request: &Request,
    persist: Persist,
) -> io::Result<()> {
    let length = drip.bytes();
    let head = shape.opening(status);
    let head = format!(
        "{head}Content-Type: text/plain\r\nContent-Length: {length}\r\n{}",
        closing(persist)
    );
    link.send(head.as_bytes()).await?;
    if request.is_head {
        return Ok(());
    }
    let mut due = Instant::now();
    for drop in 0..drip.count {
        due += drip.every;
        sleep_until(due).await;
        link.send(&Drip::drop(drop)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_says_how_many_and_how_often() {
        let drip = |query| Drip::parse(query).map(|drip| (drip.count, drip.every.as_millis()));
        assert_eq!(drip(""), Some((10, 100)));
        assert_eq!(drip("count=3&every=50ms"), Some((3, 50)));
        assert_eq!(drip("every=1s"), Some((10, 1000)));
        for wrong in ["count=x", "count=10000000", "every=soon", "often=1", "count"] {
            assert_eq!(drip(wrong), None, "{wrong}");
        }
    }
}
