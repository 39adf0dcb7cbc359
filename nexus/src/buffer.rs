//! Bytes that belong to a worker and are lent to a connection while it has work.
//!
//! # Why not one `Vec` per connection?
//!
//! Most connections are idle most of the time, and a busy worker touches few at once. A buffer
//! that was used a moment ago is still in the processor's cache; one per connection never is.
//! Dropping a [`Buffer`] hands its memory back to the thread it was taken on.

use std::cell::{Cell, RefCell};
use std::ops::{Deref, DerefMut};

/// Holds any ordinary request whole.
pub const SMALL: usize = 16 * 1024;

/// Holds most answers whole. Only what is read into a buffer costs cache, so answers start here.
pub const MEDIUM: usize = 128 * 1024;

/// The sizes a buffer grows through while a body fills it. Past the last one fewer system calls
/// no longer pay for the cache that is lost.
const SIZES: [usize; 3] = [SMALL, MEDIUM, 512 * 1024];

/// How many free buffers of each size a worker keeps: 4 MiB of each.
const KEPT: [usize; 3] = [256, 32, 8];

/// The largest buffers that a worker lends at once, 32 MiB in all: what slow readers of large
/// answers may hold.
const LARGEST_MAX: usize = 64;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
    static FREE: RefCell<[Vec<Box<[u8]>>; 3]> = const { RefCell::new([const { Vec::new() }; 3]) };
}

/// A block of initialised bytes, lent by the worker.
pub struct Buffer {
    bytes: Box<[u8]>,
}

impl Buffer {
    /// Takes a buffer of [`SMALL`] bytes.
    pub fn small() -> Self {
        Self::of_class(0)
    }

    /// Takes a buffer of [`MEDIUM`] bytes.
    pub fn medium() -> Self {
        Self::of_class(1)
    }

    /// Takes a buffer of `size` bytes, one of those that a buffer grows through.
    pub fn of(size: usize) -> Self {
        Self::of_class(SIZES.iter().position(|known| *known >= size).unwrap_or(SIZES.len() - 1))
    }

    fn of_class(class: usize) -> Self {
        let largest = SIZES.len() - 1;
        let class =
            if class == largest && LARGEST.get() >= LARGEST_MAX { class - 1 } else { class };
        if class == largest {
            LARGEST.set(LARGEST.get() + 1);
        }
        let free = FREE.with_borrow_mut(|free| free[class].pop());
        Self { bytes: free.unwrap_or_else(|| vec![0; SIZES[class]].into_boxed_slice()) }
    }

    /// Replaces the memory by the next larger size and keeps the first `used` bytes.
    ///
    /// Returns whether there was a larger size.
    pub fn grow(&mut self, used: usize) -> bool {
        let Some(class) = SIZES.iter().position(|size| *size > self.bytes.len()) else {
            return false;
        };
        if class == SIZES.len() - 1 && LARGEST.get() >= LARGEST_MAX {
            return false;
        }
        let mut larger = Self::of_class(class);
        larger.bytes[..used].copy_from_slice(&self.bytes[..used]);
        std::mem::swap(self, &mut larger);
        true
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let Some(class) = SIZES.iter().position(|size| *size == bytes.len()) else {
            return;
        };
        if class == SIZES.len() - 1 {
            let _ = LARGEST.try_with(|lent| lent.set(lent.get() - 1));
        }
        // The thread may be on its way out; then the memory goes with it.
        let _ = FREE.try_with(|free| {
            let free = &mut free.borrow_mut()[class];
            if free.len() < KEPT[class] {
                free.push(bytes);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_buffer_is_lent_again() {
        let mut first = Buffer::small();
        first[0] = 7;
        drop(first);
        assert_eq!(Buffer::small()[0], 7);
    }

    #[test]
    fn growing_keeps_what_is_used_and_ends_at_the_largest_size() {
        let mut buffer = Buffer::small();
        buffer[..3].copy_from_slice(b"abc");
        assert!(buffer.grow(3) && buffer.grow(3));
        assert_eq!((&buffer[..3], buffer.len()), (&b"abc"[..], 512 * 1024));
        assert!(!buffer.grow(3));
    }
}
