//! Every request accounted for: what clients were told against what backends have seen.
//!
//! Pure: ranges of sequence numbers in, counts out.

use crate::backend::SeqRange;

/// The balance of one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Accounts {
    /// Succeeded, and no backend has seen them: somebody made the answer up.
    pub(crate) lost: u64,
    /// Seen more than once, by one backend or by several.
    pub(crate) run_twice: u64,
    /// Failed, though a backend has seen them.
    pub(crate) failed_but_seen: u64,
    /// How often backends have seen a request, all together.
    pub(crate) seen: u64,
}

impl Accounts {
    /// Adds those of another run.
    pub(crate) fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.run_twice += other.run_twice;
        self.failed_but_seen += other.failed_but_seen;
        self.seen += other.seen;
    }
}

/// Balances `sent` requests, numbered from 0, of which `failed` failed or were given up, against all
/// journals.
pub(crate) fn balance(sent: u64, failed: &[(u64, u64)], journals: &[Vec<SeqRange>]) -> Accounts {
    let count = usize::try_from(sent).unwrap_or(usize::MAX);
    let mut seen = vec![0_u8; count];
    let mut accounts = Accounts::default();
    for &(first, last, times) in journals.iter().flatten() {
        accounts.seen += (last - first + 1) * times;
        let times = u8::try_from(times).unwrap_or(u8::MAX);
        for slot in part(&mut seen, first, last) {
            *slot = slot.saturating_add(times);
        }
    }
    let mut is_failed = vec![false; count];
    for &(first, last) in failed {
        part(&mut is_failed, first, last).fill(true);
    }
    for (seen, is_failed) in seen.into_iter().zip(is_failed) {
        accounts.lost += u64::from(seen == 0 && !is_failed);
        accounts.run_twice += u64::from(seen > 1);
        accounts.failed_but_seen += u64::from(seen > 0 && is_failed);
    }
    accounts
}

/// The slots of the numbers `first` to `last`, as far as there are any.
fn part<T>(slots: &mut [T], first: u64, last: u64) -> &mut [T] {
    let end = usize::try_from(last.saturating_add(1)).unwrap_or(usize::MAX).min(slots.len());
    let start = usize::try_from(first).unwrap_or(usize::MAX).min(end);
    &mut slots[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_faults_balances() {
        let journals = [vec![(0, 0, 1), (2, 3, 1)], vec![(1, 1, 1)]];
        assert_eq!(balance(4, &[], &journals), Accounts { seen: 4, ..Accounts::default() });
    }

    #[test]
    fn a_request_seen_by_two_backends_has_run_twice() {
        let journals = [vec![(0, 9, 1)], vec![(3, 4, 1)]];
        assert_eq!(balance(10, &[], &journals).run_twice, 2);
    }

    #[test]
    fn a_request_seen_twice_by_one_backend_has_run_twice() {
        let accounts = balance(3, &[], &[vec![(0, 1, 1), (2, 2, 2)]]);
        assert_eq!((accounts.run_twice, accounts.seen), (1, 4));
    }

    #[test]
    fn a_success_that_nobody_has_seen_is_lost_and_a_failure_is_not() {
        let accounts = balance(5, &[(4, 4)], &[vec![(0, 2, 1)]]);
        assert_eq!(accounts.lost, 1);
        assert_eq!(accounts.failed_but_seen, 0);
        assert_eq!(balance(5, &[(1, 1)], &[vec![(0, 4, 1)]]).failed_but_seen, 1);
    }

    #[test]
    fn numbers_beyond_the_run_are_nobodys() {
        assert_eq!(balance(2, &[(1, 7)], &[vec![(0, 99, 1)]]).run_twice, 0);
    }
}
