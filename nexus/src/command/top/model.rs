//! All that there is to draw, and what becomes of it by keys and by answers. There is no terminal, no
//! socket and no clock in it.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value as Json;

use super::ask::{Ask, Change};
use super::news::{Event, Events, Failure, Failures, Me, Why};
use super::rows::{self, Sort};
use super::stats::{Backend, Pool, Stats};
use crate::admin::client::CallError;
use crate::cli::remote::Named;

/// Events that are kept: as many as Nexus keeps.
const EVENTS_MAX: usize = 256;

/// How long a word on the last line stays.
const NOTE_TIME: Duration = Duration::from_secs(8);

/// What the screen shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum View {
    #[default]
    Table,
    Detail,
    Failures,
    Events,
    Help,
}

/// Whether the Nexus that is watched can be reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Link {
    #[default]
    Waiting,
    Live,
    /// Why, and since when.
    Lost(String, Duration),
}

/// What keys go to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    #[default]
    Moving,
    /// Into the filter.
    Filtering,
    /// To a question: `y` does it.
    Asked(Change),
}

/// Everything that is drawn.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    /// Where the Nexus is.
    pub(crate) address: String,
    pub(crate) has_token: bool,
    /// Whether there are colours.
    pub(crate) is_coloured: bool,
    /// Who watches, once it is known.
    pub(crate) me: Option<Me>,
    pub(crate) stats: Option<Stats>,
    pub(crate) link: Link,
    /// Oldest first.
    pub(crate) events: Vec<Event>,
    /// Latest first.
    pub(crate) failures: Vec<Failure>,
    pub(crate) why: Option<(Named, Why)>,
    pub(crate) view: View,
    pub(crate) mode: Mode,
    pub(crate) sort: Sort,
    pub(crate) is_reversed: bool,
    pub(crate) filter: String,
    pub(crate) is_paused: bool,
    /// The backend that keys are about.
    pub(crate) chosen: Option<Named>,
    /// The line of the failures or events that is looked at, and how many lines are above the screen.
    pub(crate) at: usize,
    /// Since the start.
    pub(crate) now: Duration,
    note: Option<(String, Duration)>,
}

impl Model {
    /// Makes one that has heard nothing yet.
    pub(crate) fn new(address: String, has_token: bool, is_coloured: bool) -> Self {
        Self { address, has_token, is_coloured, ..Self::default() }
    }

    /// Returns what is to be asked when it is time to look again.
    pub(crate) fn wants(&self) -> Vec<Ask> {
        if self.is_paused {
            return Vec::new();
        }
        let mut wants = vec![Ask::Stats, Ask::Events(self.events.last().map(|event| event.id))];
        wants.extend(self.me.is_none().then_some(Ask::Me));
        match self.view {
            View::Failures => wants.push(Ask::Failures),
            View::Detail => wants.extend(self.chosen.clone().map(Ask::Why)),
            View::Table | View::Events | View::Help => {}
        }
        wants
    }

    /// Takes an answer.
    pub(crate) fn heard(&mut self, ask: &Ask, answer: Result<Json, CallError>) {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return self.failed(ask, error),
        };
        self.link = Link::Live;
        let read = match ask {
            Ask::Me => Me::deserialize(&answer).map(|me| self.me = Some(me)),
            Ask::Stats => Stats::read(&answer).map(|stats| self.count(stats)),
            Ask::Events(_) => Events::deserialize(&answer).map(|heard| self.happened(heard.events)),
            Ask::Failures => Failures::deserialize(&answer).map(|all| self.failures = all.failures),
            Ask::Why(named) => {
                Why::deserialize(&answer).map(|why| self.why = Some((named.clone(), why)))
            }
            Ask::Change(change) => {
                self.say(change.done());
                Ok(())
            }
            Ask::Quit => Ok(()),
        };
        if let Err(error) = read {
            self.say(format!("not the answer of this version: {error}"));
        }
    }

    fn failed(&mut self, ask: &Ask, error: CallError) {
        match (ask, error) {
            (_, CallError::Unreachable(why)) => {
                if !matches!(self.link, Link::Lost(..)) {
                    self.link = Link::Lost(why, self.now);
                    self.note = None; // Nothing else matters as much.
                }
                if let Ask::Change(change) = ask {
                    self.say(format!("no answer to: {change} Perhaps it was done"));
                }
                // It may come back as another one, with other rights.
                self.me = None;
            }
            // Of an older version: nothing is known of rights but by trying.
            (Ask::Me, CallError::Refused { code, .. }) if code == "no_such_call" => {
                self.me = Some(Me { name: None, may_write: self.has_token });
            }
            (Ask::Events(_), CallError::Refused { code, .. }) if code == "no_such_call" => {}
            (_, CallError::Refused { code, message, hint }) => {
                self.say(format!("{code}: {message} ({hint})"));
            }
        }
    }

    fn count(&mut self, stats: Stats) {
        let before = self.stats.as_ref().map_or(0.0, |stats| stats.uptime_seconds);
        if stats.uptime_seconds < before {
            // Another process answers, whose events begin at 1 again.
            self.events.clear();
            self.me = None;
        }
        self.stats = Some(stats);
        let rows = rows::backends(self);
        let is_there = rows.iter().any(|row| Some(row) == self.chosen.as_ref());
        if !is_there && self.view != View::Detail {
            self.chosen = rows.into_iter().next();
        }
    }

    fn happened(&mut self, events: Vec<Event>) {
        let last = self.events.last().map_or(0, |event| event.id);
        self.events.extend(events.into_iter().filter(|event| event.id > last));
        let too_many = self.events.len().saturating_sub(EVENTS_MAX);
        self.events.drain(..too_many);
    }

    /// Puts a word on the last line, for a while.
    pub(crate) fn say(&mut self, note: String) {
        self.note = Some((note, self.now));
    }

    /// Returns the word on the last line, while it is new.
    pub(crate) fn note(&self) -> Option<&str> {
        let (note, at) = self.note.as_ref()?;
        (self.now.saturating_sub(*at) < NOTE_TIME).then_some(note)
    }

    /// Says why nothing may be changed, if so.
    pub(crate) fn denied(&self) -> Option<String> {
        match &self.me {
            _ if !self.has_token => Some(
                "read only: give a token that may write, by --token-file, -c or NEXUS_TOKEN"
                    .to_owned(),
            ),
            Some(Me { may_write: false, name }) => {
                let name = name.as_deref().unwrap_or("this one");
                Some(format!("read only: the token of {name} may not write"))
            }
            _ => None,
        }
    }

    /// Returns the backend that keys are about, with its pool.
    pub(crate) fn current(&self) -> Option<(&Pool, &Backend)> {
        self.stats.as_ref()?.find(self.chosen.as_ref()?)
    }

    /// Chooses the backend so many lines further down, or up.
    pub(crate) fn step(&mut self, by: isize) {
        let rows = rows::backends(self);
        let at = rows.iter().position(|row| Some(row) == self.chosen.as_ref()).unwrap_or(0);
        let to = at.saturating_add_signed(by).min(rows.len().saturating_sub(1));
        self.chosen = rows.into_iter().nth(to);
    }
}
