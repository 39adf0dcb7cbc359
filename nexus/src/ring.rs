//! The last few of something.

use std::collections::VecDeque;

/// Puts one more at the end; with `most` there already, the first goes.
pub fn keep<T>(ring: &mut VecDeque<T>, entry: T, most: usize) {
    if ring.len() == most {
        ring.pop_front();
    }
    ring.push_back(entry);
}
