//! Who the clients were, where a proxy says so: by address, with what came of each connection.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Connections remembered; the one that began first is forgotten for the next.
const MAX_CLIENTS: usize = 1024;

/// Those who came last.
#[derive(Default)]
pub(crate) struct Clients {
    last: Mutex<VecDeque<Arc<Client>>>,
}

/// A connection whose client was named.
pub(crate) struct Client {
    /// Its address; `unknown` where the proxy did not say.
    pub(crate) name: String,
    requests: AtomicU64,
}

impl Clients {
    /// Notes a connection.
    pub(crate) fn enter(&self, name: String) -> Arc<Client> {
        let client = Arc::new(Client { name, requests: AtomicU64::new(0) });
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() == MAX_CLIENTS {
            last.pop_front();
        }
        last.push_back(Arc::clone(&client));
        client
    }

    /// Forgets all.
    pub(crate) fn clear(&self) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Each with the requests that its connection has brought, in the order of their coming.
    pub(crate) fn list(&self) -> Vec<(String, u64)> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let one =
            |client: &Arc<Client>| (client.name.clone(), client.requests.load(Ordering::Relaxed));
        last.iter().map(one).collect()
    }
}

impl Client {
    /// Counts a request.
    pub(crate) fn asked(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }
}
