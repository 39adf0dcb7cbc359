//! A whole answer over a line that is too thin: its body comes in small pieces, evenly.

use std::io;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::answer::Answer;
use crate::link::Link;
use crate::request::{Persist, Request};
use crate::send;

/// Pieces in a second, where the rate has a byte for each.
const PIECES_PER_SECOND: u64 = 20;

/// Sends an answer to a request that has been read, its body at `rate` bytes a second.
pub(crate) async fn answer(
    link: &mut Link<'_>,
    answer: &Answer,
    request: &Request,
    persist: Persist,
    rate: u64,
) -> io::Result<()> {
    let head = answer.cut(persist, 0).total;
    let total = if request.is_head { head } else { answer.whole(persist).total };
    send::wire(link.stream, answer.cut(persist, 0)).await?;
    let (piece, every) = pieces(rate);
    let (mut sent, mut due) = (head, Instant::now());
    while sent < total {
        due += every;
        sleep_until(due).await;
        let end = total.min(sent.saturating_add(piece));
        send::part(link.stream, answer.cut(persist, end - head), sent).await?;
        sent = end;
    }
    Ok(())
}

/// How large a piece is, and the time from one to the next.
pub(crate) fn pieces(rate: u64) -> (u64, Duration) {
    let piece = (rate / PIECES_PER_SECOND).max(1);
    (piece, Duration::from_secs_f64(piece as f64 / rate as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_small_and_keep_the_rate() {
        assert_eq!(pieces(1000), (50, Duration::from_millis(50)));
        assert_eq!(pieces(4), (1, Duration::from_millis(250)));
        assert_eq!(pieces(1 << 20).0, (1 << 20) / 20);
    }
}
