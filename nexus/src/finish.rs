//! How a thread says that it has finished, to whoever waits no longer than so long.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Shared by a thread and whoever waits for it.
#[derive(Debug, Clone, Default)]
pub struct Finish(Arc<(Mutex<bool>, Condvar)>);

impl Finish {
    /// Says that it has finished.
    pub fn tell(&self) {
        *self.0.0.lock().expect("nothing panics while it holds this lock") = true;
        self.0.1.notify_all();
    }

    /// Waits until it has, and no longer than `limit`: what is stuck must not keep Nexus from stopping.
    pub fn wait(&self, limit: Duration) {
        let finished = self.0.0.lock().expect("nothing panics while it holds this lock");
        let _ = self.0.1.wait_timeout_while(finished, limit, |finished| !*finished);
    }
}
