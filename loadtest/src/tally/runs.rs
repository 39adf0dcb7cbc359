//! Run-lengths: long lists of numbers written as `[first, last]` pairs.

/// Sorts the numbers and joins neighbours: `3 1 2 7` → `[1, 3] [7, 7]`.
pub(crate) fn runs(mut numbers: Vec<u64>) -> Vec<[u64; 2]> {
    numbers.sort_unstable();
    let mut runs: Vec<[u64; 2]> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some([_, last]) if number <= *last + 1 => *last = number,
            _ => runs.push([number, number]),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::runs;

    #[test]
    fn neighbours_are_joined_whatever_order_they_come_in() {
        assert_eq!(runs(vec![]), Vec::<[u64; 2]>::new());
        assert_eq!(runs(vec![5]), [[5, 5]]);
        assert_eq!(runs(vec![3, 1, 2, 7]), [[1, 3], [7, 7]]);
        assert_eq!(runs(vec![9, 0, 8, 2]), [[0, 0], [2, 2], [8, 9]]);
        assert_eq!(runs(vec![4, 4, 5]), [[4, 5]]);
    }
}
