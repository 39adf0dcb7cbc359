//! Notices that the configuration changed on disk, and asks for a reload.
//!
//! # Why look once a second instead of being told by the kernel?
//!
//! A look is a few system calls, works over every file system, sees symbolic links being swapped
//! (as Kubernetes does it) and folders of an include filling up, and needs no state in the kernel.
//! A change counts when two looks agree on it: files are seldom written in one go.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use crate::config::disk::{self, Looks};
use crate::control::Command;
use crate::reload::{Failure, Source};
use crate::snapshot::Published;

/// From one look to the next.
const EVERY: Duration = Duration::from_secs(1);

/// Decides whether it is time for a reload. Pure.
#[derive(Debug, Default)]
pub(crate) struct Watching {
    /// As they were at the last look, if that was not as they were read.
    changed: Option<Looks>,
}

impl Watching {
    /// Compares the files as they are `now` with what they were when they were `read`; says whether
    /// to read them again.
    pub(crate) fn see(&mut self, read: &Looks, now: Looks) -> bool {
        if *read == now {
            self.changed = None;
            return false;
        }
        let is_settled = self.changed.as_ref() == Some(&now);
        self.changed = (!is_settled).then_some(now);
        is_settled
    }
}

/// Watches the files of `source` for ever, whenever the settings ask for it.
pub async fn watch(
    source: Arc<dyn Source>,
    published: Arc<Published>,
    commands: mpsc::Sender<Command>,
) {
    let mut watching = Watching::default();
    loop {
        sleep(EVERY).await;
        if !published.current().settings.watch {
            continue;
        }
        let read = source.looks();
        let files: Vec<_> = read.keys().cloned().collect();
        let Ok(now) = tokio::task::spawn_blocking(move || disk::look_at(files)).await else {
            return;
        };
        if !watching.see(&read, now) {
            continue;
        }
        let (reply, outcome) = oneshot::channel();
        let by = "file change".into();
        if commands.send(Command::Reread { confirm: None, by, reply }).await.is_err() {
            return;
        }
        // Whatever it was is in the log, once.
        if let Ok(Err(Failure::Unconfirmed(seconds))) = outcome.await {
            sleep(Duration::from_secs(seconds)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(size: Option<u64>) -> Looks {
        let look = size.map(|size| disk::Look { device: 1, inode: 2, size, changed: (3, 4) });
        [("a".into(), look)].into()
    }

    #[test]
    fn a_change_counts_when_two_looks_agree() {
        let mut watching = Watching::default();
        let (read, half, whole) = (looks(Some(1)), looks(Some(2)), looks(Some(3)));
        assert!(!watching.see(&read, read.clone()));
        assert!(!watching.see(&read, half), "perhaps half written");
        assert!(!watching.see(&read, whole.clone()));
        assert!(watching.see(&read, whole.clone()));
        assert!(!watching.see(&whole, whole.clone()), "once");
    }

    #[test]
    fn a_file_that_goes_and_comes_back_is_no_change() {
        let mut watching = Watching::default();
        let read = looks(Some(1));
        for now in [looks(None), read.clone(), looks(None), read.clone()] {
            assert!(!watching.see(&read, now));
        }
    }
}
