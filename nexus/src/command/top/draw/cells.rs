//! Numbers, times and small pictures as text of a given width.

use std::time::Duration;

use ratatui::text::Span;

/// Returns how many columns of a terminal a text takes.
pub(crate) fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// Cuts or fills a text to a width; what is cut ends with `…`.
pub(crate) fn left(text: &str, wanted: usize) -> String {
    let text = cut(text, wanted);
    let room = wanted.saturating_sub(width(&text));
    format!("{text}{}", " ".repeat(room))
}

/// The same at the right.
pub(crate) fn right(text: &str, wanted: usize) -> String {
    let text = cut(text, wanted);
    let room = wanted.saturating_sub(width(&text));
    format!("{}{text}", " ".repeat(room))
}

fn cut(text: &str, wanted: usize) -> String {
    if width(text) <= wanted {
        return text.to_owned();
    }
    let mut short = String::new();
    for char in text.chars() {
        if width(&short) + width(char.encode_utf8(&mut [0; 4])) + 1 > wanted {
            break;
        }
        short.push(char);
    }
    if wanted > 0 { short + "…" } else { short }
}

/// Writes a rate per second in six columns at most.
pub(crate) fn rate(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        value if value < 10_000.0 => format!("{value:.1}"),
        value if value < 1e6 => format!("{:.1}k", value / 1e3),
        value => format!("{:.1}M", value / 1e6),
    }
}

/// Writes a part as per cent. Something is never shown as nothing.
pub(crate) fn percent(part: f64) -> String {
    match part * 100.0 {
        0.0 => "0 %".to_owned(),
        value if value < 0.05 => "<0.1 %".to_owned(),
        value if value > 99.95 => "100 %".to_owned(),
        value => format!("{value:.1} %"),
    }
}

/// Writes milliseconds, with three digits that count.
pub(crate) fn millis(value: f64) -> String {
    match value {
        value if value < 10.0 => format!("{value:.2}"),
        value if value < 100.0 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

/// Writes a count, in groups of three digits.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Writes bytes in powers of 1000.
pub(crate) fn bytes(value: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let value = value as f64;
    match value {
        value if value < 1e3 => format!("{value} B"),
        value if value < 1e6 => format!("{:.1} kB", value / 1e3),
        value if value < 1e9 => format!("{:.1} MB", value / 1e6),
        value if value < 1e12 => format!("{:.1} GB", value / 1e9),
        value => format!("{:.1} TB", value / 1e12),
    }
}

/// Writes how long, in its two greatest units.
pub(crate) fn span(time: Duration) -> String {
    let text = humantime::format_duration(Duration::from_secs(time.as_secs())).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// Returns the time of day of a stamp such as `2026-11-25T06:20:00.123Z`, in UTC.
pub(crate) fn clock(stamp: &str) -> &str {
    stamp.get(11..19).unwrap_or(stamp)
}

/// Returns how long `since` lies before `at`.
pub(crate) fn age(at: &str, since: &str) -> Option<Duration> {
    let read = |stamp| humantime::parse_rfc3339(stamp).ok();
    read(at)?.duration_since(read(since)?).ok()
}

/// Draws the end of a series, so many columns wide and rows high, the latest at the right.
pub(crate) fn chart(series: &[Option<f64>], width: usize, height: usize) -> Vec<String> {
    const LEVELS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let shown = &series[series.len().saturating_sub(width)..];
    let top = shown.iter().flatten().copied().fold(0.0, f64::max);
    let row = |from_below: usize| {
        let mut text = " ".repeat(width - shown.len());
        for value in shown {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "0..=8 times rows"
            )]
            let eighths = match value {
                // Nothing known is blank, nothing there is the lowest level.
                None => 0,
                Some(value) if *value <= 0.0 || top <= 0.0 => 1,
                Some(value) => ((value / top * (8 * height) as f64).ceil() as usize).max(1),
            };
            text.push(LEVELS[eighths.saturating_sub(8 * from_below).min(8)]);
        }
        text
    };
    (0..height).rev().map(row).collect()
}

/// Draws an actual share beside the expected one, which is the mark in the middle: up to it is too
/// little, beyond it too much, the end twice as much or more.
pub(crate) fn balance(actual: f64, expected: f64, width: usize) -> String {
    let middle = width / 2;
    let part = if expected > 0.0 {
        actual / expected / 2.0
    } else if actual > 0.0 {
        1.0
    } else {
        0.0
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0..=width")]
    let filled = (part.clamp(0.0, 1.0) * width as f64).round() as usize;
    let sign = |at: usize| match (at < filled, at == middle) {
        (_, true) => '┃',
        (true, false) => '━',
        (false, false) => '─',
    };
    (0..width).map(sign).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_the_digits_that_count() {
        let rates = [0.0, 0.4, 120.54, 9999.9, 12_345.0, 2.5e6].map(rate);
        assert_eq!(rates, ["0", "0.4", "120.5", "9999.9", "12.3k", "2.5M"]);
        let parts = [0.0, 0.0001, 0.007, 0.3333, 0.9999].map(percent);
        assert_eq!(parts, ["0 %", "<0.1 %", "0.7 %", "33.3 %", "100 %"]);
        assert_eq!([1.234, 12.34, 123.4].map(millis), ["1.23", "12.3", "123"]);
        assert_eq!([7, 1000, 1_234_567].map(count), ["7", "1 000", "1 234 567"]);
        assert_eq!([5, 5_312, 5_312_345].map(bytes), ["5 B", "5.3 kB", "5.3 MB"]);
    }

    #[test]
    fn text_is_cut_and_filled_to_its_width() {
        assert_eq!((left("ab", 4), right("ab", 4)), ("ab  ".into(), "  ab".into()));
        assert_eq!((left("abcdef", 4), left("ab", 0)), ("abc…".into(), String::new()));
        assert_eq!(left("日本語", 4), "日… ", "wide signs count twice");
    }

    #[test]
    fn a_chart_shows_its_end_up_to_its_greatest_value() {
        let series: Vec<_> = [9.0, 0.0, 1.0, 4.0, 8.0].map(Some).into();
        assert_eq!(chart(&series, 4, 1), ["▁▁▄█"]);
        assert_eq!(chart(&series, 4, 2), ["   █", "▁▂██"]);
        assert_eq!(chart(&[None, Some(2.0)], 4, 1), ["   █"]);
        assert_eq!(chart(&[Some(0.0); 3], 3, 1), ["▁▁▁"], "nothing there is not a peak");
        assert_eq!(chart(&[], 2, 1), ["  "]);
    }

    #[test]
    fn a_balance_reaches_its_mark_if_each_gets_what_it_should() {
        let of = |actual, expected| balance(actual, expected, 9);
        assert_eq!(of(0.5, 0.5), "━━━━┃────");
        assert_eq!(of(0.25, 0.5), "━━──┃────");
        assert_eq!(of(0.75, 0.5), "━━━━┃━━──");
        assert_eq!(of(1.0, 0.1), "━━━━┃━━━━");
        assert_eq!((of(0.0, 0.0), of(0.1, 0.0)), ("────┃────".into(), "━━━━┃━━━━".into()));
    }

    #[test]
    fn times_are_short() {
        assert_eq!(clock("2026-11-25T06:20:00.123Z"), "06:20:00");
        assert_eq!(clock("soon"), "soon");
        let age = age("2026-11-25T06:20:00.123Z", "2026-11-25T05:18:00.123Z").unwrap();
        assert_eq!(span(age), "1h 2m");
    }
}
