//! The terminal, taken and given back; keys and time in, asking out.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use serde_json::Value as Json;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::ask::Ask;
use super::draw::draw;
use super::keys::Key;
use super::model::Model;
use crate::admin::client::{CallError, Remote};

/// From one look at answers and signals to the next, if no key is pressed.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Ages on the screen are in seconds.
const DRAW_EVERY: Duration = Duration::from_secs(1);

/// Until a call counts as unanswered. A Nexus that is asked each second must not be waited for longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Calls that wait for those before them: a round of looking and what was decided meanwhile.
const ASKS_MAX: usize = 16;

/// The exit code of a program that a hang-up has ended, as shells have it.
const HUNG_UP: i32 = 129;

type Answer = (Ask, Result<Json, CallError>);

/// Shows it until it is left. The terminal is given back in any case: by `restore` here, or by the
/// hook of a panic that `try_init` has set.
pub(crate) fn watch(remote: Remote, mut model: Model, interval: Duration) -> io::Result<()> {
    let is_over = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&is_over))?;
    }
    // Without a terminal there is nothing to give back; and whoever reads keys from one that has gone
    // is never told so, but reads for ever.
    let at_once = Arc::new(AtomicBool::new(true));
    signal_hook::flag::register_conditional_shutdown(SIGHUP, HUNG_UP, at_once)?;
    let (asks, answers) = asking(remote)?;
    let mut terminal = ratatui::try_init()?;
    let watched = Watch { asks, answers, under_way: 0, began: Instant::now() }.run(
        &mut terminal,
        &mut model,
        interval,
        &is_over,
    );
    ratatui::restore();
    watched
}

/// Starts the thread that makes calls: one that hangs must not hold up keys.
fn asking(remote: Remote) -> io::Result<(SyncSender<Ask>, Receiver<Answer>)> {
    let (asks, asked) = sync_channel::<Ask>(ASKS_MAX);
    let (answer, answers) = sync_channel(ASKS_MAX);
    let ask = move || {
        for ask in asked {
            let Some((method, path)) = ask.call() else { continue };
            let result = remote.call_within(PATIENCE, method, &path, String::new());
            if answer.send((ask, result)).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("asking".to_owned()).spawn(ask)?;
    Ok((asks, answers))
}

struct Watch {
    asks: SyncSender<Ask>,
    answers: Receiver<Answer>,
    /// Calls without an answer yet.
    under_way: usize,
    began: Instant,
}

impl Watch {
    fn run(
        mut self,
        terminal: &mut DefaultTerminal,
        model: &mut Model,
        interval: Duration,
        is_over: &AtomicBool,
    ) -> io::Result<()> {
        let (mut look_at, mut drawn_at) = (Duration::ZERO, None::<Duration>);
        let mut has_news = true;
        while !is_over.load(Ordering::Relaxed) {
            model.now = self.began.elapsed();
            while let Ok((ask, answer)) = self.answers.try_recv() {
                self.under_way -= 1;
                model.heard(&ask, answer);
                has_news = true;
            }
            if model.now >= look_at && self.under_way == 0 {
                look_at = model.now + interval;
                model.wants().into_iter().for_each(|ask| self.ask(ask, model));
            }
            if has_news || drawn_at.is_none_or(|at| model.now >= at + DRAW_EVERY) {
                terminal.draw(|frame| draw(frame, model))?;
                drawn_at = Some(model.now);
                has_news = false;
            }
            if !event::poll(LOOK_EVERY)? {
                continue;
            }
            has_news = true; // A terminal of another size is drawn anew, too.
            match event::read()? {
                Event::Key(pressed) if pressed.kind != KeyEventKind::Release => {
                    match key(pressed).and_then(|key| model.key(key)) {
                        Some(Ask::Quit) => return Ok(()),
                        Some(ask) => {
                            self.ask(ask, model);
                            look_at = Duration::ZERO; // What it changed is to be seen at once.
                        }
                        None => {}
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn ask(&mut self, ask: Ask, model: &mut Model) {
        match self.asks.try_send(ask) {
            Ok(()) => self.under_way += 1,
            Err(_) => {
                model.say("not done: Nexus has not answered what was asked before".to_owned());
            }
        }
    }
}

/// Returns the key that was pressed, if it may mean something.
fn key(pressed: KeyEvent) -> Option<Key> {
    let is_control = pressed.modifiers.contains(KeyModifiers::CONTROL);
    Some(match pressed.code {
        KeyCode::Char('c') if is_control => Key::Interrupt,
        KeyCode::Char(_) if is_control => return None,
        KeyCode::Char(char) => Key::Char(char),
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        _ => return None,
    })
}
