//! The connections that are open, and how all of them are told to end.
//!
//! A connection costs its entry here when it opens and closes, and one load of its orders when its
//! task is polled; nothing per request.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use tokio::sync::Notify;

/// What a connection is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Order {
    /// Answer what is under way, then close.
    Finish = 1,
    /// Close at once.
    Close = 2,
    /// Reset at once.
    Reset = 3,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By closing the socket.
    Close,
    /// By resetting it.
    Reset,
}

/// All open connections.
#[derive(Default)]
pub(crate) struct Connections {
    open: Mutex<HashMap<u64, Arc<Orders>>>,
    accepted: AtomicU64,
    changed: Notify,
}

#[derive(Default)]
struct Orders {
    /// 0, or an [`Order`].
    order: AtomicU8,
    waker: Mutex<Option<Waker>>,
}

/// A connection's place among the open ones, given back on drop.
pub(crate) struct Lease {
    /// The connection's number in the order of accepting, from 1.
    pub(crate) number: u64,
    orders: Arc<Orders>,
    connections: Arc<Connections>,
}

impl Connections {
    pub(crate) fn enter(self: &Arc<Self>) -> Lease {
        let number = self.accepted.fetch_add(1, Ordering::Relaxed) + 1;
        let orders = Arc::<Orders>::default();
        self.lock().insert(number, Arc::clone(&orders));
        Lease { number, orders, connections: Arc::clone(self) }
    }

    /// Gives an order to every connection that is open now.
    pub(crate) fn tell_all(&self, order: Order) {
        for orders in self.lock().values() {
            orders.tell(order);
        }
    }

    /// Returns once none is open.
    pub(crate) async fn all_gone(&self) {
        loop {
            let changed = self.changed.notified();
            let mut changed = pin!(changed);
            changed.as_mut().enable();
            if self.active() == 0 {
                return;
            }
            changed.await;
        }
    }

    pub(crate) fn active(&self) -> usize {
        self.lock().len()
    }

    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<Orders>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Orders {
    fn tell(&self, order: Order) {
        self.order.fetch_max(order as u8, Ordering::SeqCst);
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waker) = waker.as_ref() {
            waker.wake_by_ref();
        }
    }
}

impl Lease {
    /// Tells whether the connection has been told to end once nothing is under way.
    pub(crate) fn is_finishing(&self) -> bool {
        self.orders.order.load(Ordering::Relaxed) == Order::Finish as u8
    }

    /// Runs `work` to its end, or until an order ends it.
    pub(crate) async fn until_told<T>(&self, work: impl Future<Output = T>) -> Result<T, End> {
        let mut work = pin!(work);
        let mut is_registered = false;
        poll_fn(|context| {
            if !is_registered {
                // A task's waker stays the same, so once is enough.
                let waker = context.waker().clone();
                *self.orders.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker);
                is_registered = true;
            }
            match self.orders.order.load(Ordering::Relaxed) {
                order if order == Order::Close as u8 => Poll::Ready(Err(End::Close)),
                order if order == Order::Reset as u8 => Poll::Ready(Err(End::Reset)),
                _ => work.as_mut().poll(context).map(Ok),
            }
        })
        .await
    }
}

impl Lease {
    /// Runs `work` to its end, or until the connection is to finish.
    pub(crate) async fn unless_finishing<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Pending if self.is_finishing() => Poll::Ready(None),
            polled => polled.map(Some),
        })
        .await
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.connections.lock().remove(&self.number);
        self.connections.changed.notify_waiters();
    }
}
