//! What keys do.

use super::ask::{Ask, Change};
use super::model::{Mode, Model, View};
use crate::cli::remote::Named;

/// Lines of a page.
const PAGE: isize = 10;

/// The greatest weight that a configuration may say.
const WEIGHT_MAX: u32 = 1000;

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Char(char),
    Enter,
    Escape,
    Backspace,
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    /// Ctrl-C.
    Interrupt,
}

impl Model {
    /// Does what a key says, and returns what is to be asked for it.
    pub(crate) fn key(&mut self, key: Key) -> Option<Ask> {
        if key == Key::Interrupt {
            return Some(Ask::Quit);
        }
        match std::mem::take(&mut self.mode) {
            Mode::Filtering => {
                self.filter_by(key);
                None
            }
            Mode::Asked(change) => self.answer(change, key),
            Mode::Moving => self.command(key),
        }
    }

    fn filter_by(&mut self, key: Key) {
        match key {
            Key::Enter => return,
            Key::Escape => {
                self.filter.clear();
                return;
            }
            Key::Backspace => drop(self.filter.pop()),
            Key::Char(char) => self.filter.push(char),
            _ => {}
        }
        self.mode = Mode::Filtering;
        self.step(0); // Whoever was chosen may be out of sight.
    }

    fn answer(&mut self, change: Change, key: Key) -> Option<Ask> {
        match (key, change) {
            (Key::Char('y' | 'Y') | Key::Enter, change) => Some(Ask::Change(change)),
            (Key::Char('+' | '='), Change::Weight(named, weight)) => {
                let weight = weight.saturating_add(1).min(WEIGHT_MAX);
                self.mode = Mode::Asked(Change::Weight(named, weight));
                None
            }
            (Key::Char('-'), Change::Weight(named, weight)) => {
                self.mode = Mode::Asked(Change::Weight(named, weight.saturating_sub(1)));
                None
            }
            _ => {
                self.say("nothing was changed".to_owned());
                None
            }
        }
    }

    fn command(&mut self, key: Key) -> Option<Ask> {
        match key {
            Key::Char('q') => return Some(Ask::Quit),
            Key::Char('?') => self.toggle(View::Help),
            Key::Char('e') => self.toggle(View::Events),
            Key::Char('f') => {
                self.toggle(View::Failures);
                return (self.view == View::Failures).then_some(Ask::Failures);
            }
            Key::Enter => return self.open(),
            Key::Escape if self.view == View::Table => self.filter.clear(),
            Key::Escape | Key::Backspace => self.view = View::Table,
            Key::Char('s') => {
                self.sort = self.sort.next();
                self.say(format!("sorted by {}", self.sort.name()));
            }
            Key::Char('r') => self.is_reversed = !self.is_reversed,
            Key::Char('/') => {
                self.view = View::Table;
                self.mode = Mode::Filtering;
            }
            Key::Char('p' | ' ') => self.is_paused = !self.is_paused,
            Key::Char('d') => self.ask(Change::Drain),
            Key::Char('u') => self.ask(Change::Undrain),
            Key::Char('+' | '=') => self.ask_weight(1),
            Key::Char('-') => self.ask_weight(-1),
            other => return self.go(other),
        }
        None
    }

    /// Shows a view, or the table if it is shown already.
    fn toggle(&mut self, view: View) {
        self.view = if self.view == view { View::Table } else { view };
        self.at = 0;
    }

    fn open(&mut self) -> Option<Ask> {
        match self.view {
            View::Table if self.current().is_some() => {
                self.view = View::Detail;
                self.at = 0;
                self.chosen.clone().map(Ask::Why)
            }
            _ => {
                self.view = View::Table;
                None
            }
        }
    }

    fn go(&mut self, key: Key) -> Option<Ask> {
        let by = match key {
            Key::Up | Key::Char('k') => -1,
            Key::Down | Key::Char('j') => 1,
            Key::PageUp => -PAGE,
            Key::PageDown => PAGE,
            Key::Home | Key::Char('g') => isize::MIN,
            Key::End | Key::Char('G') => isize::MAX,
            _ => return None,
        };
        let last = match self.view {
            View::Table => {
                self.step(by);
                return None;
            }
            // The next one's detail: to go through all of them.
            View::Detail => {
                self.step(by);
                return self.chosen.clone().map(Ask::Why);
            }
            View::Failures => self.failures.len(),
            View::Events => self.events.len(),
            View::Help => return None,
        };
        self.at = self.at.saturating_add_signed(by).min(last.saturating_sub(1));
        None
    }

    fn ask(&mut self, change: impl FnOnce(Named) -> Change) {
        match (self.denied(), self.current().is_some(), self.chosen.clone()) {
            _ if !matches!(self.view, View::Table | View::Detail) => {
                self.say("choose a backend in the table first".to_owned());
            }
            (Some(why), ..) => self.say(why),
            (None, true, Some(named)) => self.mode = Mode::Asked(change(named)),
            _ => self.say("there is no backend chosen".to_owned()),
        }
    }

    fn ask_weight(&mut self, by: i32) {
        let weight = self.current().map_or(0, |(_, backend)| backend.weight);
        let weight = weight.saturating_add_signed(by).min(WEIGHT_MAX);
        self.ask(|named| Change::Weight(named, weight));
    }
}
