//! What happened when, from the samples and events of a demo. Pure: values in, text out.

use std::fmt::Write;
use std::time::Duration;

/// The backends of the demo.
pub(super) const BACKENDS: [&str; 3] = ["b1", "b2", "b3"];
/// The one that is killed: its place among them.
pub(super) const VICTIM: usize = 1;

/// Shares came back when none is further from a third than this.
const TOLERANCE: f64 = 0.03;

/// The client's counts at one moment; times are from the start of the load.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sample {
    /// When.
    pub(super) at: Duration,
    /// Answers of each backend so far.
    pub(super) answers: [u64; 3],
    /// Successful requests so far.
    pub(super) ok: u64,
    /// Failed requests so far.
    pub(super) failed: u64,
    /// Of the requests since the sample before, in milliseconds.
    pub(super) p99_ms: f64,
}

/// Everything worth telling.
#[derive(Clone, Debug, Default)]
pub(super) struct Story {
    /// The client's counts, twice a second.
    pub(super) samples: Vec<Sample>,
    /// The victim was killed.
    pub(super) killed: Duration,
    /// Nexus took it out, and why.
    pub(super) detected: Option<(Duration, String)>,
    /// It was started again.
    pub(super) restored: Duration,
    /// Nexus took it in again.
    pub(super) recovered: Option<Duration>,
    /// Requests in all.
    pub(super) sent: u64,
    /// Requests that failed.
    pub(super) failed: u64,
    /// 99 of 100 answers, over the whole run, in milliseconds.
    pub(super) p99_ms: f64,
    /// The slowest answer.
    pub(super) max_ms: f64,
    /// How Nexus ended.
    pub(super) nexus_ended: String,
}

impl Story {
    /// Whether all went as Nexus promises.
    pub(super) fn is_happy(&self) -> bool {
        let came_back = self.recovered.is_some_and(|from| {
            let shares = self.shares(from, Duration::MAX);
            shares.is_some_and(|shares| {
                shares.iter().all(|share| (share - 1.0 / 3.0).abs() < TOLERANCE)
            })
        });
        self.failed == 0
            && self.sent > 0
            && self.detected.is_some()
            && came_back
            && self.nexus_ended == "exit code 0"
    }

    /// The story as text.
    pub(super) fn tell(&self) -> String {
        let victim = BACKENDS[VICTIM];
        let mut text = String::from("What happened\n");
        let mut line = |at: Duration, what: &str| {
            let _ = writeln!(text, "  {:>7.3} s  {what}", at.as_secs_f64());
        };
        line(self.killed, &format!("{victim} killed (SIGKILL)"));
        match &self.detected {
            Some((at, cause)) => {
                let after = millis(at.saturating_sub(self.killed));
                line(*at, &format!("Nexus took {victim} out, {after} ms after the kill: {cause}"));
            }
            None => line(self.restored, "until here Nexus had not noticed"),
        }
        line(self.restored, &format!("{victim} started again on the same port"));
        if let Some(at) = self.recovered {
            let after = millis(at.saturating_sub(self.restored));
            line(at, &format!("Nexus took {victim} in again, {after} ms after its start"));
        }
        self.tell_shares(&mut text);
        let _ = writeln!(
            text,
            "\nRequests\n  {} sent, {} failed; 99 % within {:.1} ms, the slowest {:.1} ms",
            self.sent, self.failed, self.p99_ms, self.max_ms
        );
        let _ = writeln!(text, "  Nexus on SIGTERM: {}\n", self.nexus_ended);
        text.push_str(match (self.is_happy(), self.failed) {
            (true, _) => "PASSED: no request failed, and the shares came back.",
            (false, 0) => "FAILED: the shares did not come back.",
            (false, _) => "FAILED: requests failed.",
        });
        text
    }

    fn tell_shares(&self, text: &mut String) {
        let dead_from = self.detected.as_ref().map_or(self.killed, |(at, _)| *at);
        let alive_from = self.recovered.unwrap_or(Duration::MAX);
        let phases = [
            ("before the kill", Duration::ZERO, self.killed),
            ("while it was dead", dead_from, self.restored),
            ("after its return", alive_from, Duration::MAX),
        ];
        let _ = writeln!(
            text,
            "\nShares               {}",
            BACKENDS.map(|id| format!("{id:>8}")).join("")
        );
        for (name, from, to) in phases {
            let shares = match self.shares(from, to) {
                Some(shares) => shares.map(|share| format!("{:>6.1} %", share * 100.0)).join(""),
                None => "no sample".to_owned(),
            };
            let _ = writeln!(text, "  {name:18} {shares}");
        }
    }

    /// Shares between the first and the last sample of a phase; `None` without two of them.
    fn shares(&self, from: Duration, to: Duration) -> Option<[f64; 3]> {
        let mut inside = self.samples.iter().filter(|one| (from..to).contains(&one.at));
        shares(inside.next()?, inside.next_back()?)
    }
}

/// Shares of the answers between two samples; `None` when there are none.
pub(super) fn shares(from: &Sample, to: &Sample) -> Option<[f64; 3]> {
    let counts: [u64; 3] = std::array::from_fn(|i| to.answers[i].saturating_sub(from.answers[i]));
    let total: u64 = counts.iter().sum();
    (total > 0).then(|| counts.map(|count| count as f64 / total as f64))
}

fn millis(time: Duration) -> u128 {
    time.as_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64, answers: [u64; 3]) -> Sample {
        Sample { at: Duration::from_millis(ms), answers, ..Sample::default() }
    }

    fn happy() -> Story {
        Story {
            samples: vec![
                at(0, [0, 0, 0]),
                at(1000, [100, 100, 100]),
                at(2500, [150, 110, 150]),
                at(3500, [200, 110, 200]),
                at(5500, [300, 200, 300]),
                at(6500, [400, 300, 400]),
            ],
            killed: Duration::from_secs(2),
            detected: Some((Duration::from_millis(2003), "connect_refused".into())),
            restored: Duration::from_secs(4),
            recovered: Some(Duration::from_millis(4500)),
            sent: 1100,
            failed: 0,
            nexus_ended: "exit code 0".into(),
            ..Story::default()
        }
    }

    #[test]
    fn a_happy_story_names_times_and_shares_of_each_phase() {
        let story = happy();
        assert!(story.is_happy());
        let told = story.tell();
        assert!(told.contains("3 ms after the kill: connect_refused"), "{told}");
        assert!(told.contains("500 ms after its start"), "{told}");
        assert!(told.contains("while it was dead    50.0 %   0.0 %  50.0 %"), "{told}");
        assert!(told.ends_with("PASSED: no request failed, and the shares came back."));
    }

    #[test]
    fn one_failed_request_spoils_it() {
        let story = Story { failed: 1, ..happy() };
        assert!(!story.is_happy());
        assert!(story.tell().ends_with("FAILED: requests failed."));
    }

    #[test]
    fn shares_that_do_not_come_back_spoil_it() {
        let mut story = happy();
        story.samples.push(at(9500, [1000, 300, 1000]));
        assert!(!story.is_happy());
        let story = Story { recovered: None, ..happy() };
        assert!(!story.is_happy());
    }
}
