//! The live view: redrawn in place on a terminal, one plain line per sample elsewhere.

use std::io::{IsTerminal, Write, stdout};
use std::time::Duration;

use super::story::{BACKENDS, Sample, shares};

const BAR_WIDTH: usize = 36;
const LINES: usize = BACKENDS.len() + 2;

/// What is on the screen.
pub(super) struct View {
    is_terminal: bool,
    is_drawn: bool,
    states: [&'static str; 3],
    last: Sample,
    block: Vec<String>,
}

impl View {
    /// An empty view for standard output.
    pub(super) fn new() -> Self {
        Self {
            is_terminal: stdout().is_terminal(),
            is_drawn: false,
            states: ["UP"; 3],
            last: Sample::default(),
            block: Vec::new(),
        }
    }

    /// A line that stays.
    pub(super) fn tell(&mut self, at: Duration, what: &str) {
        self.clear();
        println!("  {:>6.2} s  {what}", at.as_secs_f64());
        self.draw();
    }

    /// Changes a backend's state.
    pub(super) fn set(&mut self, backend: usize, state: &'static str) {
        self.states[backend] = state;
    }

    /// Shows a new sample.
    pub(super) fn update(&mut self, sample: &Sample) {
        let shares = shares(&self.last, sample).unwrap_or_default();
        self.last = *sample;
        if self.is_terminal {
            self.clear();
            self.block = block(sample, shares, self.states);
            self.draw();
        } else {
            println!("{}", plain(sample, shares));
        }
    }

    fn clear(&mut self) {
        if self.is_terminal && self.is_drawn {
            // Up to the block's first line, and all from there cleared.
            print!("\x1b[{LINES}A\x1b[J");
            self.is_drawn = false;
        }
    }

    fn draw(&mut self) {
        if self.is_terminal && !self.block.is_empty() {
            println!("{}", self.block.join("\n"));
            self.is_drawn = true;
        }
        let _ = stdout().flush();
    }
}

/// One line: `3.5 s  b1 50.0 %  b2 0.0 %  b3 50.0 %  1050 ok  0 failed  p99 1.2 ms`
fn plain(sample: &Sample, shares: [f64; 3]) -> String {
    let mut line = format!("  {:>6.2} s ", sample.at.as_secs_f64());
    for (id, share) in BACKENDS.iter().zip(shares) {
        line.push_str(&format!(" {id} {:>5.1} % ", share * 100.0));
    }
    let Sample { ok, failed, p99_ms, .. } = sample;
    format!("{line} {ok:>6} ok {failed:>3} failed  p99 {p99_ms:.1} ms")
}

/// A bar for each backend, and the totals below.
fn block(sample: &Sample, shares: [f64; 3], states: [&str; 3]) -> Vec<String> {
    let mut lines = vec![String::new()];
    for ((id, share), state) in BACKENDS.iter().zip(shares).zip(states) {
        let filled = ((share * BAR_WIDTH as f64).round() as usize).min(BAR_WIDTH);
        let bar = format!("{}{}", "█".repeat(filled), "·".repeat(BAR_WIDTH - filled));
        lines.push(format!("  {id}  {state:9} {bar} {:>5.1} %", share * 100.0));
    }
    let Sample { at, ok, failed, p99_ms, .. } = sample;
    let at = at.as_secs_f64();
    lines.push(format!("  {at:.1} s   {ok} ok   {failed} failed   p99 {p99_ms:.1} ms"));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_one_plain_line_or_a_block_of_bars() {
        let sample = Sample {
            at: Duration::from_millis(3500),
            answers: [3, 0, 3],
            ok: 6,
            failed: 0,
            p99_ms: 1.25,
        };
        assert_eq!(
            plain(&sample, [0.5, 0.0, 0.5]),
            "    3.50 s  b1  50.0 %  b2   0.0 %  b3  50.0 %       6 ok   0 failed  p99 1.2 ms"
        );
        let block = block(&sample, [0.5, 0.0, 0.5], ["UP", "DOWN", "UP"]);
        assert_eq!(block.len(), LINES);
        assert_eq!(block[1].matches('█').count(), BAR_WIDTH / 2);
        assert_eq!(block[2].matches('█').count(), 0);
    }
}
