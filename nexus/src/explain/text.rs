//! An explanation for people.

use std::fmt;

use super::{Candidate, Explanation, Other, PoolExplained};

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}", self.request, self.outcome)?;
        if let Some(route) = &self.route {
            writeln!(f, "\nroute {route} is taken")?;
        }
        self.changes.iter().try_for_each(|change| writeln!(f, "  {change}"))?;
        let width = self.others.iter().map(|other| other.route.chars().count()).max().unwrap_or(0);
        for Other { route, why } in &self.others {
            writeln!(f, "not {route:width$}  {why}")?;
        }
        if self.others_left_out > 0 {
            writeln!(f, "not {} more", self.others_left_out)?;
        }
        self.pools.iter().try_for_each(|pool| pool.fmt(f))
    }
}

impl fmt::Display for PoolExplained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = self.share.as_ref().map(|share| format!(" ({share})")).unwrap_or_default();
        writeln!(f, "\npool {}{share}: {}", self.pool, self.picked)?;
        let width = self.backends.iter().map(|one| one.url.chars().count()).max().unwrap_or(0);
        for Candidate { url, is_available, why } in &self.backends {
            let mark = match (self.next.as_ref() == Some(url), is_available) {
                (true, _) => '→',
                (false, true) => ' ',
                (false, false) => '✗',
            };
            writeln!(f, "{mark} {url:width$}  {why}")?;
        }
        for (what, lines) in [("timeouts", &self.timeouts), ("retry", &self.retry)] {
            writeln!(f, "{what}")?;
            lines.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        }
        Ok(())
    }
}
