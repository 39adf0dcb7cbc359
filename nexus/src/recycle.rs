//! Vectors whose memory serves the next request: a head's index, the text of a head.
//!
//! Growing a fresh vector to its usual size costs more than parsing the head it is for. A dropped
//! [`Recycled`] leaves its memory with the thread, for the next one.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

use crate::http1::head::Field;

/// Vectors that a thread keeps of each kind: as many as a worker has requests under way at once.
const KEPT: usize = 256;

/// The largest that is kept, in bytes: a head of twice the usual limit.
const BYTES_MAX: usize = 64 * 1024;

/// What can be in a recycled vector.
pub trait Element: Sized + 'static {
    /// Calls `with` with the vectors that are free on this thread, unless it is on its way out.
    fn with_free<T>(with: impl FnOnce(&mut Vec<Vec<Self>>) -> T) -> Option<T>;
}

macro_rules! element {
    ($kind:ty) => {
        impl Element for $kind {
            fn with_free<T>(with: impl FnOnce(&mut Vec<Vec<Self>>) -> T) -> Option<T> {
                thread_local! {
                    static FREE: RefCell<Vec<Vec<$kind>>> = const { RefCell::new(Vec::new()) };
                }
                FREE.try_with(|free| with(&mut free.borrow_mut())).ok()
            }
        }
    };
}

element!(u8);
element!(Field);

/// A vector that leaves its memory to the next one.
#[derive(Debug)]
pub struct Recycled<T: Element>(Vec<T>);

impl<T: Element> Default for Recycled<T> {
    fn default() -> Self {
        Self(T::with_free(Vec::pop).flatten().unwrap_or_default())
    }
}

impl<T: Element> Deref for Recycled<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<T: Element> DerefMut for Recycled<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.0
    }
}

impl<T: Element> Drop for Recycled<T> {
    fn drop(&mut self) {
        let mut memory = std::mem::take(&mut self.0);
        if memory.capacity() == 0 || memory.capacity() * size_of::<T>() > BYTES_MAX {
            return;
        }
        memory.clear();
        T::with_free(|free| {
            if free.len() < KEPT {
                free.push(memory);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_empty() {
        let mut first = Recycled::<u8>::default();
        first.extend_from_slice(&[1; 1000]);
        drop(first);
        let second = Recycled::<u8>::default();
        assert!(second.is_empty() && second.capacity() >= 1000);
    }

    #[test]
    fn a_giant_is_not_kept() {
        let mut giant = Recycled::<u8>::default();
        giant.reserve(BYTES_MAX + 1);
        let capacity = giant.capacity();
        drop(giant);
        assert!(Recycled::<u8>::default().capacity() < capacity);
    }
}
