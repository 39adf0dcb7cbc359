//! Bars of text.

use std::fmt::{self, Write};

use crate::tally::Latency;

/// Width of the longest bar, in characters.
const BAR_WIDTH: usize = 40;

/// Upper edges of the histogram: 1, 2, 5 in every decade from 1 µs to an hour.
const EDGES_US: [u64; 30] = {
    let mut edges = [0; 30];
    let mut index = 0;
    let mut decade = 1;
    while index < 30 {
        edges[index] = decade;
        edges[index + 1] = 2 * decade;
        edges[index + 2] = 5 * decade;
        index += 3;
        decade *= 10;
    }
    edges
};

/// Draws how often each range of latencies occurred.
pub(super) fn histogram(out: &mut String, latency: &Latency) -> fmt::Result {
    let counts = latency.counts_up_to(&EDGES_US);
    let Some(first) = counts.iter().position(|count| *count > 0) else {
        return Ok(());
    };
    let last = counts.iter().rposition(|count| *count > 0).unwrap_or(first);
    let most = counts.iter().max().copied().unwrap_or(1);
    writeln!(out, "\nHistogram    of response time")?;
    for index in first..=last {
        let from = index.checked_sub(1).map_or(0, |below| EDGES_US[below]);
        let count = counts[index];
        writeln!(
            out,
            "  {:>7} - {:>7}  {count:>8}  {}",
            edge(from),
            edge(EDGES_US[index]),
            bar(count as f64 / most as f64, BAR_WIDTH),
        )?;
    }
    Ok(())
}

fn edge(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{} ms", us / 1_000),
        _ => format!("{} s", us / 1_000_000),
    }
}

/// A bar of eighths of characters; something that is not nothing always shows.
fn bar(part: f64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (part * (width * 8) as f64).ceil() as usize;
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

/// The same, filled up with spaces.
pub(super) fn padded_bar(part: f64, width: usize) -> String {
    format!("{:width$}", bar(part, width))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_part_and_never_vanishes() {
        assert_eq!(bar(1.0, 4), "████");
        assert_eq!(bar(0.5, 4), "██");
        assert_eq!(bar(0.001, 4), "▏");
        assert_eq!(bar(0.0, 4), "");
        assert_eq!(padded_bar(0.5, 4), "██  ");
    }

    #[test]
    fn every_sample_is_in_one_line_of_the_histogram() {
        let mut latency = Latency::fine();
        for us in [1_000, 1_001, 1_500, 2_000, 7_000] {
            latency.record(Duration::from_micros(us));
        }
        let mut out = String::new();
        histogram(&mut out, &latency).unwrap();
        let counts: Vec<&str> =
            out.lines().skip(2).map(|line| line.split_whitespace().nth(5).unwrap()).collect();
        assert_eq!(counts, ["1", "3", "0", "1"]);
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        let mut out = String::new();
        histogram(&mut out, &Latency::fine()).unwrap();
        assert_eq!(out, "");
    }
}
