//! Following events: each as it happens, in the form of server-sent events.
//!
//! # What if a follower is slow?
//!
//! It holds up nobody: the broadcast keeps so many events for all, and whoever is further behind is
//! told how many it has missed. One that takes nothing at all for a while is left.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::{Event, Events};

/// From one sign of life to the next: proxies in between close what is silent for a minute.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// A follower that takes nothing for so long is left.
const STUCK_MAX: Duration = Duration::from_secs(60);

/// Pieces that may wait for a follower: what it is behind lies with the broadcast, for all.
const PIECES_MAX: usize = 4;

/// A follower that has its place, with what happened before it came.
pub struct Follower {
    missed: Vec<Arc<Event>>,
    news: broadcast::Receiver<Arc<Event>>,
    pieces: mpsc::Sender<Bytes>,
    _place: OwnedSemaphorePermit,
}

impl Events {
    /// Lets somebody follow from the event after that number on; `None` if too many do. What is
    /// returned second ends when the follower does, and the other way round.
    pub fn follow(&self, after: u64) -> Option<(Follower, mpsc::Receiver<Bytes>)> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let (pieces, received) = mpsc::channel(PIECES_MAX);
        // In one step: nothing is told twice, or between the two.
        let (missed, news) = (self.after(after), self.line.subscribe());
        Some((Follower { missed, news, pieces, _place: place }, received))
    }
}

impl Follower {
    /// Passes on what happens until the other end is gone, or takes nothing any more. After what
    /// may change rights, goes on only if it still `may_follow`.
    pub async fn run(mut self, may_follow: impl Fn() -> bool) {
        for event in std::mem::take(&mut self.missed) {
            if !self.pass_on(written(&event)).await {
                return;
            }
        }
        let mut beats = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let piece = tokio::select! {
                () = self.pieces.closed() => return,
                news = self.news.recv() => match news {
                    Ok(event) if event.news.kind.may_change_rights() && !may_follow() => return,
                    Ok(event) => written(&event),
                    Err(RecvError::Lagged(missed)) => lagged(missed),
                    Err(RecvError::Closed) => return,
                },
                _ = beats.tick() => Bytes::from_static(b": hb\n\n"),
            };
            if !self.pass_on(piece).await {
                return;
            }
        }
    }

    async fn pass_on(&self, piece: Bytes) -> bool {
        matches!(timeout(STUCK_MAX, self.pieces.send(piece)).await, Ok(Ok(())))
    }
}

/// Writes an event; JSON has no line breaks that would end it.
fn written(event: &Event) -> Bytes {
    let data = serde_json::to_string(event).expect("an event is JSON");
    format!("id: {}\nevent: {}\ndata: {data}\n\n", event.id, event.news.kind.name()).into()
}

/// Tells that so many were missed. It has no number: asking again from the last one is the remedy.
fn lagged(missed: u64) -> Bytes {
    format!("event: lagged\ndata: {{\"missed\":{missed}}}\n\n").into()
}

#[cfg(test)]
mod tests {
    use super::super::{BEHIND_MAX, FOLLOWERS_MAX, Kind, News};
    use super::*;

    fn told(count: usize) -> Events {
        let mut events = Events::default();
        for _ in 0..count {
            events.tell(News::of(Kind::Drain, "line\nbreak"));
        }
        events
    }

    async fn text(received: &mut mpsc::Receiver<Bytes>) -> String {
        let piece = received.recv().await.expect("a piece");
        String::from_utf8_lossy(&piece).into_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn a_follower_hears_what_was_and_what_comes_and_that_all_is_well() {
        let mut events = told(3);
        let (follower, mut received) = events.follow(1).expect("there is room");
        let (_, follows) = (tokio::spawn(follower.run(|| true)), &mut received);
        let second = text(follows).await;
        assert!(second.starts_with("id: 2\nevent: drain\ndata: {\"id\":2,\"at\":\""), "{second}");
        assert!(second.contains("line\\nbreak") && second.ends_with("}\n\n"), "{second}");
        assert!(text(follows).await.starts_with("id: 3\n"));
        events.tell(News::of(Kind::LogLevel, "debug").by("ops"));
        let next = text(follows).await;
        assert!(next.starts_with("id: 4\nevent: log_level\n"), "{next}");
        assert_eq!(text(follows).await, ": hb\n\n");
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_too_slow_is_told_how_much_it_missed_and_goes_on() {
        let mut events = told(0);
        let (follower, mut received) = events.follow(0).expect("there is room");
        for _ in 0..BEHIND_MAX + 5 {
            events.tell(News::of(Kind::Drain, "drain"));
        }
        tokio::spawn(follower.run(|| true));
        assert_eq!(text(&mut received).await, "event: lagged\ndata: {\"missed\":5}\n\n");
        assert!(text(&mut received).await.starts_with("id: 6\n"));
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_for_long_loses_its_place() {
        let events = told(100);
        let all: Vec<_> = (0..FOLLOWERS_MAX).map(|_| events.follow(0).expect("room")).collect();
        assert!(events.follow(0).is_none(), "too many");
        let mut kept = Vec::new();
        for (follower, received) in all {
            kept.push(received);
            tokio::spawn(follower.run(|| true));
        }
        tokio::time::sleep(STUCK_MAX + HEARTBEAT).await;
        assert!(events.follow(0).is_some(), "all of them were left");
    }

    #[tokio::test(start_paused = true)]
    async fn who_may_no_longer_follow_is_left_at_the_reload_that_says_so() {
        let mut events = told(0);
        let (follower, mut received) = events.follow(0).expect("there is room");
        tokio::spawn(follower.run(|| false));
        events.tell(News::of(Kind::Drain, "drain"));
        assert!(text(&mut received).await.starts_with("id: 1\n"));
        events.tell(News::of(Kind::Reload, "the token is gone"));
        assert!(received.recv().await.is_none());
    }
}
