//! Which status a request gets: a weighted list, as `503:5,200:95`.

use std::fmt;
use std::str::FromStr;

use crate::dice::scaled;

/// Statuses with weights. Displayed as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statuses {
    weighted: Vec<(u16, u32)>,
    total: u64,
}

impl Statuses {
    /// Chooses by a roll: the place of the status in the list.
    #[must_use]
    pub fn pick(&self, roll: u64) -> usize {
        if self.weighted.len() == 1 {
            return 0;
        }
        let mut left = scaled(roll, self.total);
        for (place, &(_, weight)) in self.weighted.iter().enumerate() {
            match left.checked_sub(u64::from(weight)) {
                Some(rest) => left = rest,
                None => return place,
            }
        }
        0
    }

    /// The statuses in their order.
    pub fn codes(&self) -> impl Iterator<Item = u16> + '_ {
        self.weighted.iter().map(|&(code, _)| code)
    }
}

impl Default for Statuses {
    fn default() -> Self {
        Self { weighted: vec![(200, 1)], total: 1 }
    }
}

impl FromStr for Statuses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let weighted: Vec<(u16, u32)> = text.split(',').map(one).collect::<Result<_, _>>()?;
        match weighted.iter().map(|&(_, weight)| u64::from(weight)).sum() {
            0 => Err(format!("`{text}`: at least one weight must be above 0")),
            total => Ok(Self { weighted, total }),
        }
    }
}

fn one(text: &str) -> Result<(u16, u32), String> {
    let (code, weight) = text.trim().split_once(':').unwrap_or((text.trim(), "1"));
    let weight = weight
        .parse()
        .map_err(|_| format!("`{weight}` is no weight: write STATUS:WEIGHT, as 503:5,200:95"))?;
    match code.parse() {
        Ok(code @ 200..=599) => Ok((code, weight)),
        _ => Err(format!("`{code}` is no final status: write one of 200 to 599")),
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [(code, _)] = self.weighted[..] {
            return write!(f, "{code}");
        }
        for (place, (code, weight)) in self.weighted.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{code}:{weight}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rolls_are_shared_out_by_weight() {
        let statuses: Statuses = "503:1,404:0,200:3".parse().unwrap();
        let at = |quarter: u64| statuses.pick(quarter << 62);
        assert_eq!([at(0), at(1), at(2), at(3)], [0, 2, 2, 2]);
        assert_eq!(statuses.pick(u64::MAX), 2);
    }

    #[test]
    fn a_status_alone_needs_no_weight() {
        let statuses: Statuses = "503".parse().unwrap();
        assert_eq!(statuses.pick(u64::MAX), 0);
        assert_eq!(statuses.to_string(), "503");
    }

    #[test]
    fn what_is_no_weighted_list_is_refused() {
        for text in ["", "abc", "100", "600", "200:", "200:-1", "200:0", "200,,503"] {
            assert!(text.parse::<Statuses>().is_err(), "{text}");
        }
    }
}
