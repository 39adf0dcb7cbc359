//! Colours: the terminal's own sixteen, so that light and dark are its user's choice. Nothing is said
//! by colour alone.

use ratatui::style::{Color, Modifier, Style};

use super::super::model::Model;
use super::super::stats::State;

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Faint,
    Title,
    Good,
    Bad,
    Warn,
    Calm,
}

/// Whether there are colours, and whether what is shown is old.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    is_coloured: bool,
}

impl Paint {
    pub(crate) fn of(model: &Model) -> Self {
        Self { is_coloured: model.is_coloured }
    }

    /// Returns the style of a tone.
    pub(crate) fn style(self, tone: Tone) -> Style {
        let plain = Style::new();
        let colour = |colour| if self.is_coloured { plain.fg(colour) } else { plain };
        match tone {
            Tone::Plain => plain,
            Tone::Faint if self.is_coloured => plain.fg(Color::DarkGray),
            Tone::Faint => plain.add_modifier(Modifier::DIM),
            Tone::Title => plain.add_modifier(Modifier::BOLD),
            Tone::Good => colour(Color::Green),
            Tone::Bad => colour(Color::Red).add_modifier(Modifier::BOLD),
            Tone::Warn => colour(Color::Yellow),
            Tone::Calm => colour(Color::Cyan),
        }
    }
}

/// Returns the tone of a state.
pub(crate) fn of_state(state: State) -> Tone {
    match state {
        State::Down => Tone::Bad,
        State::Ejected | State::HalfOpen | State::Unknown => Tone::Warn,
        State::Disabled | State::Draining => Tone::Calm,
        State::Up => Tone::Good,
    }
}

/// Returns the tone of a part of errors: from one in a hundred on it is bad.
pub(crate) fn of_errors(ratio: f64) -> Tone {
    match ratio {
        0.0 => Tone::Faint,
        ratio if ratio < 0.01 => Tone::Warn,
        _ => Tone::Bad,
    }
}

/// Returns the sign and the tone of an event.
pub(crate) fn of_event(kind: &str) -> (char, Tone) {
    match kind {
        "backend_up" | "backend_not_ejected" | "pool_usual" => ('●', Tone::Good),
        "backend_down" => ('▼', Tone::Bad),
        "pool_panic" | "pool_closed" => ('!', Tone::Bad),
        "reload_refused" | "rolled_back" => ('✗', Tone::Bad),
        "backend_ejected" | "eject" => ('◆', Tone::Warn),
        "backend_half_open" => ('◐', Tone::Warn),
        "drain" => ('◌', Tone::Calm),
        "disable" => ('■', Tone::Calm),
        "undrain" | "enable" => ('○', Tone::Calm),
        "weight" => ('±', Tone::Calm),
        "reload" | "reload_confirmed" => ('↻', Tone::Plain),
        _ => ('·', Tone::Plain),
    }
}
