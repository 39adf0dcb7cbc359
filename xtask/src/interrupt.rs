//! Ctrl-C and SIGTERM: noted in a flag that every wait looks at.
//!
//! Children run in their own process groups, so a terminal's Ctrl-C does not reach them. Each wait
//! returns [`Interrupted`] when the flag is up, the error unwinds the stack, and the guards on it
//! (`process::Process`) end what was started.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// How often a wait looks at the flag and at its condition.
pub(crate) const TICK: Duration = Duration::from_millis(5);

static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Somebody asked us to stop.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Starts listening for SIGINT, SIGTERM and SIGHUP.
pub(crate) fn listen() -> Result<()> {
    let flag = FLAG.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(flag)).context("cannot handle signals")?;
    }
    Ok(())
}

/// Fails once somebody has asked us to stop.
pub(crate) fn check() -> Result<(), Interrupted> {
    match FLAG.get().is_some_and(|flag| flag.load(Ordering::Relaxed)) {
        true => Err(Interrupted),
        false => Ok(()),
    }
}

/// Asks `condition` every few milliseconds until it answers, or `limit` has passed (`None`).
pub(crate) fn poll<T>(
    limit: Duration,
    mut condition: impl FnMut() -> Result<Option<T>>,
) -> Result<Option<T>> {
    let deadline = Instant::now() + limit;
    loop {
        check()?;
        if let Some(value) = condition()? {
            return Ok(Some(value));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        thread::sleep(TICK);
    }
}

/// Waits until `when`, to the millisecond or so.
pub(crate) fn sleep_until(when: Instant) -> Result<()> {
    loop {
        check()?;
        match when.checked_duration_since(Instant::now()) {
            None | Some(Duration::ZERO) => return Ok(()),
            Some(rest) => thread::sleep(rest.min(TICK * 4)),
        }
    }
}
