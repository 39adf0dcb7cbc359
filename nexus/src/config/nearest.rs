//! The word that was probably meant.

/// Returns the nearest of `known` to `word`, if one is near enough to be meant.
pub fn to<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_ascii_lowercase().replace('-', "_");
    let near = known.into_iter().map(|candidate| (distance(&lower, candidate), candidate));
    let (distance, candidate) = near.min_by_key(|(distance, _)| *distance)?;
    let allowed = (candidate.len().max(lower.len()) / 3).clamp(1, 3);
    (distance <= allowed).then_some(candidate)
}

/// Counts the letters to insert, remove, replace or swap with a neighbour (optimal string
/// alignment; Damerau 1964).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(x != y);
            let mut cost = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                cost = cost.min(before_last[j - 1] + 1);
            }
            row.push(cost);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_found_and_nothing_else() {
        let known = ["workers", "listeners", "pools", "timeouts"];
        let check = |word, expected| assert_eq!(to(word, known), expected, "{word}");
        check("worker", Some("workers"));
        check("wrokers", Some("workers"));
        check("Time-outs", Some("timeouts"));
        check("pool", Some("pools"));
        check("colour", None);
        check("", None);
        assert_eq!(distance("abc", "acb"), 1);
        assert_eq!(distance("", "abc"), 3);
    }
}
